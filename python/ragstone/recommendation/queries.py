"""Reads what was asked: query logs as they come, with how often each text was asked and what else is known of it."""

from __future__ import annotations

import datetime as dt
import math
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from ragstone.arguments import shown
from ragstone.arguments import text as checked_text
from ragstone.errors import InvalidInput, RagstoneError
from ragstone.lines import json_lines, table_lines, where
from ragstone.monitoring.events import Event, Log, read
from ragstone.monitoring.log import PATTERN

__all__ = ["LoggedQueries", "Source", "read_queries"]

_Row: TypeAlias = Mapping[str, object]
Source: TypeAlias = "str | os.PathLike[str] | Log | LoggedQueries | Iterable[str | Mapping[str, object] | Event]"

# The router reads the first 1,536 and the last 512 bytes of a query: what is kept of a longer one holds both, so that
# its route does not change, and no more, so that one query cannot take the memory of a million.
_HEAD, _TAIL = 3_072, 1_024

_TEXT = ("text", "query", "question", "prompt")
_TIME = ("time_ms", "ts", "time", "timestamp")
_USER = ("user", "user_id")
_RELEVANT = ("relevant", "relevant_ids", "clicked", "clicked_ids")
_ANSWER = ("answer", "response")
_LATENCY = ("latency_ms", "latency")
# A line of ragstone's own log has these, whatever became of the query's text.
_OWN = frozenset({"v", "id", "time_ms", "words", "characters"})
# Numbers of seconds since 1970 are smaller until the year 5138, numbers of milliseconds greater since 1973.
_SECONDS_MOST = 1e11
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_TIME_MOST = 253_402_300_799_000  # the end of the year 9999


@dataclass(frozen=True, slots=True, repr=False)
class LoggedQueries:
    """The queries of a log, each text once with the number of times that it was asked.

    ``texts`` are in the order in which they were first met, ``counts`` has shape (texts,). ``times_ms`` (since 1970,
    ascending) and ``latencies_ms`` are of the queries that have one, ``users`` is how many different ones were named.
    ``relevant`` has ids of documents and ``answers`` the first answer, by text, where the log tells. ``blank`` queries
    were left out, as were ``damaged`` lines of ragstone's own log and ``redacted`` ones, without a text; of ``cut``
    ones, longer than 4,096 characters, the beginning and the end were kept.
    """

    texts: tuple[str, ...]
    counts: NDArray[np.int64]
    times_ms: NDArray[np.int64]
    latencies_ms: NDArray[np.float64]
    users: int = 0
    relevant: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    answers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    blank: int = 0
    cut: int = 0
    damaged: int = 0
    redacted: int = 0

    def __len__(self) -> int:
        """How many queries were asked, repeated ones counted each time."""
        return int(self.counts.sum())

    @property
    def days(self) -> float:
        """Between the first and the last query that have a time; 0 without."""
        return float(self.times_ms[-1] - self.times_ms[0]) / 86_400_000 if len(self.times_ms) else 0.0

    def __repr__(self) -> str:
        return f"<{len(self):,} logged queries, {len(self.texts):,} different texts>"


def read_queries(source: Source) -> LoggedQueries:
    """Read a log of queries.

    Args:
        source: A path or the queries themselves. A file is JSON Lines (``.jsonl``, ``.ndjson``, ``.json``), else plain
            text with one query a line; ``.gz`` behind the name unpacks it. A folder or file that a
            :class:`ragstone.monitoring.QueryLog` wrote is known by itself. Otherwise texts, mappings with the fields of
            JSON Lines, or what :func:`ragstone.monitoring.read` gave.

    A row has its text in ``text``, ``query``, ``question`` or ``prompt``, and may have a time (``time_ms``, ``ts``,
    ``time``, ``timestamp``: a number of seconds or milliseconds since 1970, or ISO 8601, UTC without a zone), ``user``
    or ``user_id``, ids in ``relevant``, ``relevant_ids``, ``clicked`` or ``clicked_ids``, ``answer`` or ``response``,
    and ``latency_ms`` or ``latency`` (milliseconds).

    Raises:
        InvalidInput: There is no query, no such file, a line is not UTF-8 or cannot be used, or the log was redacted
            and has no texts.

    >>> log = read_queries(["refund policy?", "make it rhyme", "refund policy?", " "])
    >>> log.texts, log.counts.tolist(), log.blank
    (('refund policy?', 'make it rhyme'), [2, 1], 1)
    """
    if isinstance(source, LoggedQueries):
        return source
    collected = _Collected()
    if isinstance(source, (str, os.PathLike)):
        what = shown(os.fspath(source))
        try:
            _read_path(Path(source), collected)
        except (OSError, ValueError) as error:
            if isinstance(error, RagstoneError):
                raise
            raise InvalidInput(f"{what} cannot be read as a query log ({error}): pass texts as a list") from None
    elif isinstance(source, (bytes, bytearray, Mapping)) or not isinstance(source, Iterable):
        raise InvalidInput(f"queries are {shown(source)}: pass a path, or a list of texts")
    else:
        what = "the log"
        if isinstance(source, Log):
            collected.damaged = source.damaged
        for number, one in enumerate(cast("Iterable[object]", source)):
            _take(one, f"query {number}", collected)
    return collected.result(what)


class _Collected:
    """What has been read so far: texts once, everything else in flat arrays, so that a million queries fit."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._counts, self._times, self._latencies = array("q"), array("q"), array("d")
        self._users: set[str] = set()
        self._relevant: dict[str, tuple[str, ...]] = {}
        self._answers: dict[str, str] = {}
        self.blank = self._cut = 0
        self.damaged = self.redacted = 0

    def text(self, text: str) -> str | None:
        """Count one query; its text as it is kept, ``None`` for a blank one."""
        text = text.strip()
        if not text:
            self.blank += 1
            return None
        if len(text) > _HEAD + _TAIL:
            self._cut += 1
            text = f"{text[:_HEAD]}\n{text[-_TAIL:]}"
        number = self._numbers.setdefault(text, len(self._counts))
        if number == len(self._counts):
            self._counts.append(0)
        self._counts[number] += 1
        return text

    def row(self, row: _Row, here: str) -> None:
        """Count a query with all that is told of it."""
        value, name = _first(row, _TEXT)
        if name is None and ("query_hash" in row or row.keys() >= _OWN):
            self.redacted += 1
            return
        if not isinstance(value, str):
            fields = " or ".join(f'"{one}"' for one in _TEXT)
            raise InvalidInput(f"{here} has no text in field {fields}: give it one")
        text = self.text(checked_text(value, here))
        if text is None:
            return
        if (time_ms := _time_ms(_first(row, _TIME)[0], here)) is not None:
            self._times.append(time_ms)
        if (latency := _first(row, _LATENCY)[0]) is not None:
            self._latencies.append(_real(latency, "latency", here))
        if (user := _first(row, _USER)[0]) is not None:
            self._users.add(str(user))
        if ids := _ids(_first(row, _RELEVANT)[0], here):
            self._relevant[text] = tuple(dict.fromkeys((*self._relevant.get(text, ()), *ids)))
        answer = _first(row, _ANSWER)[0]
        if isinstance(answer, str) and answer.strip():
            self._answers.setdefault(text, checked_text(answer, f"the answer of {here}"))

    def event(self, event: Event) -> None:
        """Count a query of ragstone's own log."""
        if not event.query or event.query.startswith("hash:"):
            self.redacted += 1
            return
        row: dict[str, object] = {"text": event.query, "time_ms": event.time_ms, "latency_ms": event.latency_ms}
        if event.grades:
            row["relevant"] = event.grades
        self.row(row, f"event {event.id!r}")

    def result(self, what: str) -> LoggedQueries:
        """Everything, or a refusal where there is no query."""
        if not self._counts and self.redacted:
            raise InvalidInput(
                f"{what} has {self.redacted:,} queries and none of their texts, which redact= kept out of it: "
                "log with redact='none', or with a function that masks names only"
            )
        if not self._counts:
            raise InvalidInput(f"{what} has no query that is not blank: pass at least one")
        return LoggedQueries(
            texts=tuple(self._numbers),
            counts=np.array(self._counts, dtype=np.int64),
            times_ms=np.sort(np.array(self._times, dtype=np.int64)),
            latencies_ms=np.array(self._latencies, dtype=np.float64),
            users=len(self._users),
            relevant=MappingProxyType(self._relevant),
            answers=MappingProxyType(self._answers),
            blank=self.blank,
            cut=self._cut,
            damaged=self.damaged,
            redacted=self.redacted,
        )


def _take(one: object, here: str, collected: _Collected) -> None:
    if isinstance(one, str):
        collected.text(checked_text(one, here))
    elif isinstance(one, Event):
        collected.event(one)
    elif isinstance(one, Mapping):
        collected.row(one, here)
    else:
        raise InvalidInput(f"{here} is {shown(one)}: pass a text, or a mapping with a text in it")


def _read_path(path: Path, collected: _Collected) -> None:
    if path.is_dir():
        return _read_own(path, collected)
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    suffix = suffixes[-1] if suffixes else ""
    if suffix in (".csv", ".tsv", ".parquet", ".xlsx"):
        raise InvalidInput(f"{str(path)!r} is a table: write its queries as JSON Lines, or one a line")
    if suffix not in (".jsonl", ".ndjson", ".json"):
        before = 0
        for number, line in table_lines(path):
            # The reader leaves blank lines out, but numbers them.
            collected.blank += number - before - 1
            before = number
            collected.text(line)
        return None
    if path.match(PATTERN) and path.is_file():
        return _read_own(path, collected)
    rows = json_lines(path)
    first = next(rows, None)
    if first is not None and (first[1].keys() >= _OWN or "feedback" in first[1]):
        return _read_own(path, collected)
    for number, row in _all(first, rows):
        collected.row(row, where(path, number))
    return None


def _read_own(path: Path, collected: _Collected) -> None:
    log = read(path)
    collected.damaged = log.damaged
    for event in log:
        collected.event(event)


def _all(
    first: tuple[int, dict[str, object]] | None, rest: Iterator[tuple[int, dict[str, object]]]
) -> Iterator[tuple[int, dict[str, object]]]:
    return rest if first is None else chain([first], rest)


def _first(row: _Row, names: tuple[str, ...]) -> tuple[object, str | None]:
    """The first of some fields that a row has and what is in it."""
    return next(((row[name], name) for name in names if name in row), (None, None))


def _time_ms(value: object, here: str) -> int | None:
    """Milliseconds since 1970."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value.strip())
        except ValueError:
            raise InvalidInput(f"{here} has time {shown(value)}: write ISO 8601, or seconds since 1970") from None
    if isinstance(value, dt.datetime):
        zoned = value if value.tzinfo is not None else value.replace(tzinfo=dt.UTC)
        milliseconds = (zoned - _EPOCH) / dt.timedelta(milliseconds=1)
    else:
        real = _real(value, "time", here)
        milliseconds = real * 1000 if real < _SECONDS_MOST else real
    if not 0 <= milliseconds <= _TIME_MOST:
        raise InvalidInput(f"{here} has time {shown(value)}: write one from 1970 to 9999, numbers in milliseconds")
    return round(milliseconds)


def _real(value: object, what: str, here: str) -> float:
    try:
        real = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    except OverflowError:
        real = math.inf
    if not 0 <= real < math.inf:
        raise InvalidInput(f"{here} has {what} {shown(value)}: write a finite number from 0 on, or leave it out")
    return real


def _ids(value: object, here: str) -> tuple[str, ...]:
    """Ids of relevant documents: a list of them, one alone, or grades by id."""
    if value is None:
        return ()
    if isinstance(value, Mapping):
        return tuple(str(name) for name, grade in value.items() if isinstance(grade, (int, float)) and grade > 0)
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return (str(value),)
    if isinstance(value, (list, tuple)) and all(isinstance(one, (str, int)) for one in value):
        return tuple(map(str, value))
    raise InvalidInput(f"{here} has relevant documents {shown(value)}: write a list of ids")
