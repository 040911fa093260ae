"""The metrics of evaluation over windows of a query log: refusals, routes, latency, retrieval where it was judged."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from ragstone.arguments import integer, shown
from ragstone.errors import InvalidInput
from ragstone.estimates import Estimate, mean, proportion, quantile
from ragstone.metrics import evaluate_run
from ragstone.monitoring.events import Event

__all__ = ["Window", "Windows", "period", "windows"]

_UNITS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_EVERY = re.compile(r"(\d{1,6})([mhdw])")
_METRICS = ("RR@10", "P@5", "nDCG@10")
# A window with tens of thousands of queries has no use for a bootstrap of all of them; these give the second digit.
_BOOTSTRAP_MAX = 5_000


@dataclass(frozen=True, slots=True)
class Window:
    """The queries from ``start`` on (UTC) and before ``end``, and their figures; ``None`` where nothing tells.

    ``null_retrieval`` is the share of queries that wanted facts and found none good enough (abstained, or no hit);
    ``behavioural`` the share of routed queries that ask for behaviour alone. ``retrieval`` has metrics over the
    ``judged`` queries, those with feedback or judgements.
    """

    start: dt.datetime
    end: dt.datetime
    queries: int
    null_retrieval: Estimate | None
    behavioural: Estimate | None
    answerability: Estimate | None
    top_score: Estimate | None
    latency_ms_p50: Estimate
    latency_ms_p95: Estimate
    latency_ms_p99: Estimate
    judged: int
    retrieval: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True, repr=False)
class Windows(Sequence[Window]):
    """Windows in order of time; stretches without a query are left out."""

    every: str
    items: tuple[Window, ...]

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, place: int) -> Window: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Window]: ...
    def __getitem__(self, place: int | slice) -> Window | Sequence[Window]:
        return self.items[place]

    def __iter__(self) -> Iterator[Window]:
        return iter(self.items)

    def to_dict(self) -> dict[str, object]:
        """Everything by name, for JSON."""
        return {"every": self.every, "windows": [_plain(window) for window in self.items]}

    def __str__(self) -> str:
        head = ("from (UTC)", "queries", "null retrieval", "behavioural", "p50 ms", "p99 ms", "judged", "RR@10")
        rows = [head, *(_row(window) for window in self.items)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if place else cell.ljust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        )

    def __repr__(self) -> str:
        return str(self)


def windows(
    events: Sequence[Event], every: str | int = "1d", *, qrels: Mapping[str, Mapping[str, int]] | None = None
) -> Windows:
    """Compute the metrics of evaluation over windows of a log.

    Args:
        events: Queries, oldest first, as :func:`read` gives them.
        every: A period such as ``"30m"``, ``"1h"``, ``"1d"`` or ``"1w"``, counted from midnight UTC of 1970, or so
            many queries.
        qrels: Judgements: grade by document, by the query's text (or its ``hash:…``). Feedback of the log adds to
            them and wins. Documents without a grade count as irrelevant, so that metrics are lower bounds.

    Raises:
        InvalidInput: ``every`` is no period and no number.

    >>> windows([], "1d").items
    ()
    """
    groups = _groups(events, every)
    return Windows(str(every), tuple(_window(start, end, group, qrels or {}) for start, end, group in groups))


def period(every: str) -> int:
    """Milliseconds of a period.

    >>> period("12h")
    43200000
    """
    match = _EVERY.fullmatch(every) if isinstance(every, str) else None
    if match is None or int(match[1]) == 0:
        raise InvalidInput(f'period is {shown(every)}: write a number and a unit, such as "30m", "1h", "1d" or "1w"')
    return int(match[1]) * _UNITS[match[2]]


def _groups(events: Sequence[Event], every: str | int) -> Iterator[tuple[int, int, Sequence[Event]]]:
    """Start and end in milliseconds, and the events between."""
    if isinstance(every, str):
        length = period(every)
        first = 0
        for place in range(1, len(events) + 1):
            number = events[first].time_ms // length
            if place == len(events) or events[place].time_ms // length != number:
                yield number * length, (number + 1) * length, events[first:place]
                first = place
        return
    size = integer(every, "every", 1, 1 << 40)
    for first in range(0, len(events), size):
        group = events[first : first + size]
        yield group[0].time_ms, group[-1].time_ms + 1, group


def _window(start: int, end: int, events: Sequence[Event], qrels: Mapping[str, Mapping[str, int]]) -> Window:
    factual = [event for event in events if event.path in (None, "retrieve", "hybrid")]
    nulls = sum(event.abstained is True or (not event.documents and not event.abstained) for event in factual)
    routed = [event.path for event in events if event.path is not None]
    latency = [event.latency_ms for event in events]
    judged, retrieval = _retrieval(events, qrels)
    return Window(
        start=_moment(start),
        end=_moment(end),
        queries=len(events),
        null_retrieval=proportion(nulls, len(factual)) if factual else None,
        behavioural=proportion(routed.count("advisory_finetune"), len(routed)) if routed else None,
        answerability=_mean([event.answerability for event in events if event.answerability is not None]),
        top_score=_mean([event.scores[0] for event in events if event.scores]),
        latency_ms_p50=quantile(latency, 0.5),
        latency_ms_p95=quantile(latency, 0.95),
        latency_ms_p99=quantile(latency, 0.99),
        judged=judged,
        retrieval=retrieval,
    )


def _retrieval(events: Sequence[Event], qrels: Mapping[str, Mapping[str, int]]) -> tuple[int, dict[str, Estimate]]:
    """Metrics over the queries with a judgement; a document counts by its best chunk."""
    run: dict[str, dict[str, float]] = {}
    grades: dict[str, dict[str, int]] = {}
    for number, event in enumerate(events):
        known = {**qrels.get(event.query, {}), **(event.grades or {})}
        # Feedback that names nothing relevant judges what was shown: all of it missed.
        if not known and event.grades is None:
            continue
        name = f"{number:012}"
        best: dict[str, float] = {}
        for document, score in zip(event.documents, event.scores, strict=True):
            best.setdefault(document, score)
        run[name], grades[name] = best, known
    if not run:
        return 0, {}
    found = evaluate_run(run, grades, list(_METRICS), per_query=True)
    return len(run), {metric: mean([found[name][metric] for name in run]) for metric in _METRICS}


def _mean(values: list[float]) -> Estimate | None:
    if not values:
        return None
    if len(values) > _BOOTSTRAP_MAX:
        sure = mean(np.random.default_rng(0).choice(values, _BOOTSTRAP_MAX, replace=False))
        whole = float(np.mean(values))
        # The interval of a part, shrunk to the size of the whole.
        shrink = (_BOOTSTRAP_MAX / len(values)) ** 0.5
        low, high = whole - (sure.value - sure.low) * shrink, whole + (sure.high - sure.value) * shrink
        return Estimate(whole, low, high, len(values))
    return mean(values)


def _moment(time_ms: int) -> dt.datetime:
    # Clocks go wrong; a date beyond the calendar must not end the report.
    return dt.datetime.fromtimestamp(min(time_ms, 253_402_300_799_000) / 1000, dt.UTC)


def _plain(window: Window) -> dict[str, object]:
    told: dict[str, object] = {"start": window.start.isoformat(), "end": window.end.isoformat()}
    for name in ("queries", "judged"):
        told[name] = getattr(window, name)
    for name in (
        "null_retrieval",
        "behavioural",
        "answerability",
        "top_score",
        "latency_ms_p50",
        "latency_ms_p95",
        "latency_ms_p99",
    ):
        value: Estimate | None = getattr(window, name)
        told[name] = None if value is None else value.to_dict()
    return told | {"retrieval": {name: value.to_dict() for name, value in window.retrieval.items()}}


def _row(window: Window) -> tuple[str, ...]:
    def share(value: Estimate | None) -> str:
        return "–" if value is None else str(value)

    return (
        window.start.strftime("%Y-%m-%d %H:%M"),
        str(window.queries),
        share(window.null_retrieval),
        share(window.behavioural),
        f"{window.latency_ms_p50.value:.1f}",
        f"{window.latency_ms_p99.value:.1f}",
        str(window.judged),
        share(window.retrieval.get("RR@10")),
    )
