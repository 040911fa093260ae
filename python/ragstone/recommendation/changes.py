"""How often documents change: versions out of an index's history, their lifetimes, and what changed lately.

A version that still stands has no lifetime yet, only an age that it has reached. Leaving such versions out would make
documents look as volatile as the few that changed; the estimator of Kaplan and Meier ("Nonparametric estimation from
incomplete observations", 1958) counts them as long as they were watched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

__all__ = ["DAY_MS", "Changes", "Lifetime", "changes_of", "initial_seconds", "median_lifetime"]

_Array: TypeAlias = NDArray[np.float64]

DAY_MS = 86_400_000
# Fewer ended versions say nothing of a median.
_ENDED_LEAST = 3
# What is replaced within the hour was being edited; nobody relied on it.
_SETTLED_MS = 3_600_000
# Commits with less than this between them belong to one run.
_PAUSE_MS = 600_000


@dataclass(frozen=True, slots=True)
class Changes:
    """The versions of live documents: by id the times since 1970 at which each began, oldest first.

    ``first_ms`` and ``last_ms`` are the history's first and last change, ``count`` is how many replaced or removed a
    text: additions and commits of the same text are none. ``texts`` has the digest of each live document's text.
    """

    versions: Mapping[str, tuple[int, ...]]
    texts: Mapping[str, str]
    first_ms: int
    last_ms: int
    count: int

    def changed_since(self, document_id: str, time_ms: float) -> bool:
        """Whether a document got another text after a time; its first version is no change."""
        known = self.versions.get(document_id, ())
        return len(known) > 1 and known[-1] >= time_ms


@dataclass(frozen=True, slots=True)
class Lifetime:
    """The median lifetime of a version in days; ``None`` where more than half still stand, or too few have ended.

    It is then at least ``at_least`` days: as long as more than half of what was watched has stood.
    """

    median: float | None
    at_least: float


def changes_of(history: Iterable[Mapping[str, object]]) -> Changes:
    """Read a history as :meth:`ragstone.Index.history` gives it.

    >>> rows = [dict(document_id="a", action="added", time_ms=0, text_sha256="1"),
    ...         dict(document_id="a", action="replaced", time_ms=5, text_sha256="2")]
    >>> changes_of(rows).versions
    {'a': (0, 5)}
    """
    versions: dict[str, list[int]] = {}
    live: dict[str, object] = {}
    deleted: dict[str, object] = {}
    times: list[int] = []
    count = 0
    for row in history:
        name, text = str(row["document_id"]), row.get("text_sha256")
        times.append(cast(int, row["time_ms"]))
        if row["action"] == "deleted":
            count += name in live
            deleted[name] = live.pop(name, None)
            continue
        # What comes back after a deletion with the text that it had is no new version.
        before = live.get(name, deleted.pop(name, None))
        if before is None or before != text:
            count += name in live
            versions.setdefault(name, []).append(times[-1])
        live[name] = text
    return Changes(
        versions={name: tuple(versions[name]) for name in live},
        texts={name: str(text) for name, text in live.items()},
        first_ms=min(times, default=0),
        last_ms=max(times, default=0),
        count=count,
    )


def median_lifetime(changes: Changes, weights: Mapping[str, float], now_ms: int) -> Lifetime:
    """The median time between two versions over documents with weights, such as how often each was retrieved.

    The versions of a document share its weight, so that one with a hundred versions counts as much as one with two.
    The time before a document was first added is not known: its first version counts from then on. A version that was
    replaced within an hour is none.
    """
    spans, ended, shares = [], [], []
    for name, weight in weights.items():
        starts = _settled(changes.versions.get(name, ()))
        for number, start in enumerate(starts):
            following = starts[number + 1] if number + 1 < len(starts) else now_ms
            spans.append(max(following - start, 0) / DAY_MS)
            ended.append(number + 1 < len(starts))
            shares.append(weight / len(starts))
    return _kaplan_meier(np.array(spans), np.array(ended, dtype=bool), np.array(shares))


def _settled(starts: tuple[int, ...]) -> list[int]:
    """The beginnings of versions that stood for an hour, and of the last."""
    return [start for start, following in pairwise(starts) if following - start >= _SETTLED_MS] + list(starts[-1:])


def _kaplan_meier(spans: _Array, ended: NDArray[np.bool_], weights: _Array) -> Lifetime:
    if not len(spans) or weights.sum() <= 0:
        return Lifetime(None, 0.0)
    days, group = np.unique(spans, return_inverse=True)
    gone = np.bincount(group, weights=weights, minlength=len(days))
    died = np.bincount(group, weights=weights * ended, minlength=len(days))
    # Those that have lasted as long are still watched when one of that age ends.
    watched = np.cumsum(gone[::-1])[::-1]
    surviving = np.cumprod(1 - died / np.maximum(watched, 1e-300))
    reached = np.flatnonzero(surviving <= 0.5 + 1e-12)
    if len(reached) and int(ended.sum()) >= _ENDED_LEAST:
        return Lifetime(float(days[reached[0]]), float(days[reached[0]]))
    # Beyond the age at which half of the weight is no longer watched, nothing is known of most of it.
    seen = days[watched >= weights.sum() / 2]
    stood = float(seen[-1]) if len(seen) else 0.0
    return Lifetime(None, min(stood, float(days[reached[0]])) if len(reached) else stood)


def initial_seconds(history: Iterable[Mapping[str, object]]) -> float:
    """Seconds that the first run of commits took: until nothing was committed for ten minutes.

    The time of the first commit is not in a history; it is taken to be as fast for each document as the others were.
    """
    run: list[tuple[int, int]] = []
    for row in history:
        time_ms = cast(int, row["time_ms"])
        if run and time_ms - run[-1][0] > _PAUSE_MS:
            break
        if run and run[-1][0] == time_ms:
            run[-1] = (time_ms, run[-1][1] + 1)
        else:
            run.append((time_ms, 1))
    rest = sum(count for _, count in run[1:])
    return (run[-1][0] - run[0][0]) / 1000 * (1 + run[0][1] / rest) if rest else 0.0
