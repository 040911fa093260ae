"""Reads query logs: what was asked and answered, in the order of time, with feedback joined to it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast, overload

from ragstone.arguments import shown
from ragstone.errors import InvalidInput, NotFound
from ragstone.monitoring.log import PATTERN

__all__ = ["Event", "Log", "read"]

_LINE_BYTES_MAX = 16 << 20
_PATHS = ("retrieve", "advisory_finetune", "hybrid", "pass")


@dataclass(frozen=True, slots=True)
class Event:
    """One query of a log. A plain search has no path, probabilities or abstention: they are ``None``.

    ``query`` is its text, ``hash:…`` where the log keeps digests, ``""`` where it keeps neither. ``grades`` is the
    feedback given: documents by id, 0 for irrelevant; ``None`` where there was none.
    """

    id: str
    time_ms: int
    query: str
    words: int
    characters: int
    path: str | None
    p_behaviour: float | None
    answerability: float | None
    abstained: bool | None
    mode: str | None
    top_k: int | None
    generation: int | None
    documents: tuple[str, ...]
    chunks: tuple[str, ...]
    scores: tuple[float, ...]
    latency_ms: float
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    grades: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Log(Sequence[Event]):
    """The events of a log, oldest first; ``damaged`` counts lines that could not be read, such as torn ones.

    ``orphans`` counts feedback whose query is not in the log any more.
    """

    events: tuple[Event, ...]
    files: int
    damaged: int
    orphans: int

    def __len__(self) -> int:
        return len(self.events)

    @overload
    def __getitem__(self, place: int) -> Event: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Event]: ...
    def __getitem__(self, place: int | slice) -> Event | Sequence[Event]:
        return self.events[place]

    def __repr__(self) -> str:
        return f"<query log: {len(self.events)} queries in {self.files} files, {self.damaged} damaged lines>"


def read(path: str | os.PathLike[str]) -> Log:
    """Read a folder that a :class:`QueryLog` wrote, or one file of it.

    Lines that are torn or no records are skipped and counted, never an error: a log is read while it is written.

    Raises:
        NotFound: There is no such folder or file.
        InvalidInput: The folder has no log in it.
    """
    place = Path(path)
    if not place.exists():
        raise NotFound(f"there is no query log {str(place)!r}: check the path")
    files = sorted(place.glob(PATTERN)) if place.is_dir() else [place]
    if not files:
        raise InvalidInput(f"folder {str(place)!r} has no query log: pass the one that QueryLog was given")
    events: list[Event] = []
    given: dict[str, dict[str, int]] = {}
    damaged = 0
    for file in files:
        for row in _rows(file):
            try:
                if row is None:
                    raise InvalidInput("no record")
                if "feedback" in row:
                    given.setdefault(_text(row, "feedback"), {}).update(_grades(row["grades"]))
                else:
                    events.append(_event(row))
            except (InvalidInput, KeyError):
                damaged += 1
    events.sort(key=lambda event: event.time_ms)
    known = {event.id for event in events}
    joined = tuple(replace(event, grades=given[event.id]) if event.id in given else event for event in events)
    return Log(joined, len(files), damaged, sum(name not in known for name in given))


def _rows(path: Path) -> Iterator[dict[str, object] | None]:
    """The objects of a file; ``None`` for a line that is none."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        # The writer made room meanwhile.
        return
    with file:
        while line := file.readline(_LINE_BYTES_MAX):
            if not line.strip():
                continue
            try:
                row = json.loads(line) if line.endswith(b"\n") else None
            except (ValueError, RecursionError):
                row = None
            yield row if isinstance(row, dict) else None


def _event(row: Mapping[str, object]) -> Event:
    """A record with every field checked: a log may have been written by anyone."""
    documents, chunks = (_texts(row, name) for name in ("documents", "chunks"))
    scores = tuple(_real(score, "scores") for score in _list(row, "scores"))
    if not len(documents) == len(chunks) == len(scores):
        raise InvalidInput("hits of different numbers")
    hashed = row.get("query_hash")
    path = None if row.get("path") is None else _text(row, "path")
    if path is not None and path not in _PATHS:
        raise InvalidInput(f"path is {shown(path)}")
    stages = row.get("stages_ms", {})
    if not isinstance(stages, dict):
        raise InvalidInput("stages_ms is no object")
    abstained = row.get("abstained")
    return Event(
        id=_text(row, "id"),
        time_ms=_whole(row["time_ms"], "time_ms"),
        query=f"hash:{hashed}" if hashed is not None else str(row.get("query", "")),
        words=_whole(row["words"], "words"),
        characters=_whole(row["characters"], "characters"),
        path=path,
        p_behaviour=_maybe(row, "p_behaviour"),
        answerability=_maybe(row, "answerability"),
        abstained=abstained if isinstance(abstained, bool) else None,
        mode=None if row.get("mode") is None else _text(row, "mode"),
        top_k=None if row.get("top_k") is None else _whole(row["top_k"], "top_k"),
        generation=None if row.get("generation") is None else _whole(row["generation"], "generation"),
        documents=documents,
        chunks=chunks,
        scores=scores,
        latency_ms=_real(row["latency_ms"], "latency_ms"),
        stages_ms={str(stage): _real(spent, "stages_ms") for stage, spent in stages.items()},
    )


def _text(row: Mapping[str, object], name: str) -> str:
    value = row[name]
    if not isinstance(value, str):
        raise InvalidInput(f"{name} is {shown(value)}")
    return value


def _list(row: Mapping[str, object], name: str) -> list[object]:
    value = row[name]
    if not isinstance(value, list):
        raise InvalidInput(f"{name} is {shown(value)}")
    return value


def _texts(row: Mapping[str, object], name: str) -> tuple[str, ...]:
    values = _list(row, name)
    if not all(isinstance(value, str) for value in values):
        raise InvalidInput(f"{name} are no texts")
    return tuple(cast("list[str]", values))


def _whole(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 53:
        raise InvalidInput(f"{name} is {shown(value)}")
    return value


def _real(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e300:
        raise InvalidInput(f"{name} is {shown(value)}")
    return float(value)


def _maybe(row: Mapping[str, object], name: str) -> float | None:
    return None if row.get(name) is None else _real(row[name], name)


def _grades(value: object) -> dict[str, int]:
    if not isinstance(value, dict):
        raise InvalidInput("grades are no object")
    return {str(document): _whole(grade, "grade") for document, grade in value.items()}
