"""Measures how long a write takes until another process finds it, on a copy of an index that is thrown away.

A reader in a process of its own looks as fast as it can while documents are added, replaced and deleted. It takes its
time from the clock that both processes share, and it sees to it that every look shows one state and none comes back.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, TypeAlias, cast

from ragstone.arguments import integer
from ragstone.errors import NotFound, StorageError
from ragstone.estimates import Estimate, quantile
from ragstone.index import SearchIndex
from ragstone.pipeline import Index
from ragstone.pipeline import open as open_index
from ragstone.records import Document

__all__ = ["Freshness", "Lag", "freshness"]

Write: TypeAlias = Literal["add", "replace", "delete"]

_ROUNDS_MAX = 100_000
_WARM_UP = 3
# A write that nobody sees in this time is lost; the reader rests between looks so that the writer has a processor.
_PATIENCE_S, _REST_S = 30.0, 0.0002
# After a write was seen the reader looks so many times more: what is deleted must not come back.
_LOOKS_AFTER = 10
_CHARACTERS_MAX = 20_000
_SAMPLED = 200
_LETTERS = "bcdfghjklmnpqrtvwxz"


@dataclass(frozen=True, slots=True)
class Lag:
    """Milliseconds until another process found a kind of write: from the call's start, and from its return.

    The second may be below zero: a commit can be seen just before it has told its caller. ``call_ms_p50`` is the
    median time of the call itself, embedding included.
    """

    write: Write
    from_start_ms_p50: Estimate
    from_start_ms_p99: Estimate
    from_return_ms_p50: Estimate
    from_return_ms_p99: Estimate
    call_ms_p50: Estimate


@dataclass(frozen=True, slots=True, repr=False)
class Freshness:
    """What :func:`freshness` found.

    ``lost`` writes were not seen within 30 s; ``mixed`` looks showed the old and the new state at once, or neither;
    ``returned`` looks showed an old state again; ``own`` searches of the writer missed its own finished write. All are
    0 in an index that keeps its promises. ``look_ms_p50`` is how long one look of the reader takes: lags are as exact.
    """

    documents: int
    chunks: int
    generation: int
    embedder: str | None
    rounds: int
    lags: tuple[Lag, ...]
    lost: int
    mixed: int
    returned: int
    own: int
    look_ms_p50: float
    seconds: float

    @property
    def findings(self) -> tuple[str, ...]:
        """What is wrong, in words; nothing in an index that keeps its promises."""
        told = (
            (self.lost, "writes were not seen within 30 s"),
            (self.mixed, "looks showed two states at once, or none"),
            (self.returned, "looks showed an old state again"),
            (self.own, "searches of the writer missed its own write"),
        )
        return tuple(f"{count} {text}" for count, text in told if count)

    def to_dict(self) -> dict[str, object]:
        """Everything by name, for JSON."""
        return {name: getattr(self, name) for name in self.__slots__} | {"findings": self.findings}

    def __str__(self) -> str:
        lines = [
            f"{self.rounds} writes of each kind to a copy of {self.documents} documents ({self.chunks} chunks, "
            f"embedder {self.embedder}, generation {self.generation}), seen by another process",
            f"{'ms until visible':<17} {'p50 from start':>24} {'p99 from start':>24} {'p99 from return':>24}",
        ]
        for lag in self.lags:
            cells = (lag.from_start_ms_p50, lag.from_start_ms_p99, lag.from_return_ms_p99)
            lines.append(f"{lag.write:<17} " + " ".join(f"{_told(cell):>24}" for cell in cells))
        lines.append(
            f"one look takes {self.look_ms_p50:.2f} ms; {'; '.join(self.findings) or 'nothing lost, nothing came back'}"
        )
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)


def freshness(
    index: SearchIndex,
    *,
    rounds: int = 100,
    workspace: str | os.PathLike[str] | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Freshness:
    """Measure the lag from a write to its visibility in another process, for added, replaced and deleted documents.

    The index itself is only read: its newest commit is copied to a temporary folder, and the copy is written to. The
    documents written are copies of its own with one invented word each, embedded as its own were, which is part of
    the lag; the reader searches for that word.

    Args:
        index: What is measured.
        rounds: Writes of each kind; a 99th percentile has an upper end from about 370 on.
        workspace: Folder for the copy, on the disk that is to be measured; by default the system's.
        seed: Of the choice of documents.
        progress: Called with (rounds done, rounds).

    Raises:
        InvalidInput: ``rounds`` cannot be used.
        StorageError: The reader's process could not be started, or has ended.

    >>> import ragstone, tempfile
    >>> with tempfile.TemporaryDirectory() as folder, ragstone.open(folder, embedder="hashing") as index:
    ...     _ = index.upsert([ragstone.Document("a", "Refunds take 30 days.")])
    ...     found = freshness(index, rounds=2)
    >>> [lag.write for lag in found.lags], found.findings
    (['add', 'replace', 'delete'], ())
    """
    rounds = integer(rounds, "rounds", 1, _ROUNDS_MAX)
    started, numbers = time.perf_counter(), random.Random(integer(seed, "seed", 0, 1 << 62))
    with tempfile.TemporaryDirectory(prefix="ragstone-freshness-", dir=workspace) as folder:
        copy = Path(folder) / "kb"
        generation = index.snapshot(copy)
        # The caller's embedder object itself: a folder that it came from may have no name that opens it.
        with open_index(copy, embedder=index.embedder) as writer, _Reader(copy) as reader:
            numbers_before = writer.stats()
            trial = _Trial(writer, reader, _texts(writer, numbers), numbers)
            for number in range(_WARM_UP + rounds):
                trial.round(number, counted=number >= _WARM_UP)
                if progress is not None and number >= _WARM_UP:
                    progress(number - _WARM_UP + 1, rounds)
    return Freshness(
        documents=cast(int, numbers_before["documents"]),
        chunks=cast(int, numbers_before["chunks"]),
        generation=generation,
        embedder=None if index.embedder is None else index.embedder.name,
        rounds=rounds,
        lags=tuple(_lag(write, times) for write, times in trial.times.items() if times),
        lost=trial.lost,
        mixed=trial.mixed,
        returned=trial.returned,
        own=trial.own,
        look_ms_p50=quantile(trial.looks, 0.5).value if trial.looks else 0.0,
        seconds=time.perf_counter() - started,
    )


class _Trial:
    """Writes and what became of them."""

    def __init__(self, writer: Index, reader: _Reader, texts: Sequence[str], numbers: random.Random) -> None:
        self._writer, self._reader, self._texts, self._numbers = writer, reader, texts, numbers
        # (from start, from return, call) in milliseconds.
        self.times: dict[Write, list[tuple[float, float, float]]] = {"add": [], "replace": [], "delete": []}
        self.looks: list[float] = []
        self.lost = self.mixed = self.returned = self.own = 0

    def round(self, number: int, *, counted: bool) -> None:
        """Add a document, replace it, delete it."""
        name = f"ragstone-freshness-{number}"
        first, second = ("".join(self._numbers.choices(_LETTERS, k=14)) for _ in range(2))

        def put(word: str) -> Callable[[], object]:
            document = Document(name, f"{self._numbers.choice(self._texts)}\n\n{word}")
            return lambda: self._writer.upsert([document])

        self._write("add", None, first, put(first), counted)
        self._write("replace", first, second, put(second), counted)
        self._write("delete", second, None, lambda: self._writer.delete(document_ids=[name]), counted)

    def _write(self, write: Write, old: str | None, new: str | None, act: Callable[[], object], counted: bool) -> None:
        self._reader.watch(old, new)
        start = time.monotonic_ns()
        act()
        end = time.monotonic_ns()
        own = _seen(self._writer, old, new)
        seen = self._reader.told()
        self.own += own != {new} - {None}
        self.mixed += cast(int, seen["mixed"])
        self.returned += cast(int, seen["returned"])
        if seen["at"] is None:
            self.lost += 1
        elif counted:
            at = cast(int, seen["at"])
            self.times[write].append(((at - start) / 1e6, (at - end) / 1e6, (end - start) / 1e6))
            self.looks.append(cast(float, seen["look_ms"]))


class _Reader:
    """The other process, which holds a handle of its own; one line of JSON each way for each write."""

    def __init__(self, path: Path) -> None:
        program = "import sys; from ragstone.evaluation.freshness import _watch; _watch(sys.argv[1])"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", program, str(path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
                text=True,
                encoding="utf-8",
                # An interruption is the parent's to handle.
                start_new_session=True,
            )
        except OSError as error:
            raise StorageError(f"the reader's process cannot be started: {error}") from None
        self._in, self._out = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)

    def watch(self, old: str | None, new: str | None) -> None:
        """Have it look for a change, and wait until it does."""
        try:
            self._in.write(json.dumps([old, new]) + "\n")
            self._in.flush()
        except BrokenPipeError:
            raise StorageError("the reader's process has ended: see what it wrote above") from None
        self.told()

    def told(self) -> dict[str, object]:
        """What it says next."""
        if not (line := self._out.readline()):
            raise StorageError("the reader's process has ended: see what it wrote above")
        return cast("dict[str, object]", json.loads(line))

    def __enter__(self) -> _Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        with contextlib.suppress(BrokenPipeError):
            self._in.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._out.close()


def _watch(path: str) -> None:
    """The reader: for each line (old word, new word) looks until the new state is there, and a little longer."""
    with open_index(path, read_only=True, embedder=None) as index:
        for line in sys.stdin:
            old, new = cast("list[str | None]", json.loads(line))
            _tell({})
            before, after = {old} - {None}, {new} - {None}
            at, mixed, returned, looks = None, 0, 0, []
            deadline = time.monotonic() + _PATIENCE_S
            while at is None and time.monotonic() < deadline:
                looked = time.monotonic_ns()
                seen = _looked(index, old, new)
                now = time.monotonic_ns()
                looks.append((now - looked) / 1e6)
                if seen == after:
                    at = now
                else:
                    mixed += seen != before
                    time.sleep(_REST_S)
            for _ in range(_LOOKS_AFTER if at is not None else 0):
                returned += _looked(index, old, new) != after
            looks.sort()
            _tell({"at": at, "mixed": mixed, "returned": returned, "look_ms": looks[len(looks) // 2]})


def _tell(row: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


def _looked(index: SearchIndex, old: str | None, new: str | None) -> set[str | None]:
    with contextlib.suppress(NotFound):
        index.refresh()
    return _seen(index, old, new)


def _seen(index: SearchIndex, old: str | None, new: str | None) -> set[str | None]:
    """Which of the words a search finds; one search, and so one state."""
    words = [word for word in (old, new) if word is not None]
    text = "\n".join(hit.text for hit in index.search(" ".join(words), top_k=50, mode="bm25"))
    return {word for word in words if word in text}


def _texts(index: SearchIndex, numbers: random.Random) -> list[str]:
    """Texts of some documents, so that what is written is as large as what is there."""
    names = [name for name, _, _ in index.sources()]
    found = (index.document(name) for name in numbers.sample(names, min(_SAMPLED, len(names))))
    return [document.text[:_CHARACTERS_MAX] for document in found if document is not None] or ["An empty index."]


def _lag(write: Write, times: Sequence[tuple[float, float, float]]) -> Lag:
    from_start, from_return, call = (list(column) for column in zip(*times, strict=True))
    return Lag(
        write=write,
        from_start_ms_p50=quantile(from_start, 0.5),
        from_start_ms_p99=quantile(from_start, 0.99),
        from_return_ms_p50=quantile(from_return, 0.5),
        from_return_ms_p99=quantile(from_return, 0.99),
        call_ms_p50=quantile(call, 0.5),
    )


def _told(estimate: Estimate) -> str:
    return f"{estimate.value:.1f} [{estimate.low:.1f}, {estimate.high:.1f}]"
