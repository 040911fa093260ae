"""What searching costs as a corpus grows: one index that is filled level by level, measured at each.

Sizes, the time to build, and the latency of each way to search with the same queries at every level, so that nothing
but the number of chunks changes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np

from ragstone.arguments import integer, listed
from ragstone.bench.distribution import Distribution
from ragstone.bench.loops import closed_loop
from ragstone.bench.questions import first_words
from ragstone.errors import InvalidInput
from ragstone.exchange import encoded
from ragstone.index import Mode, SearchIndex
from ragstone.pipeline import open
from ragstone.records import Chunk, Document, Embedder

__all__ = ["Growth", "Level", "grow", "levels_of", "mixed"]

_BATCH = 10_000
_LEVEL_MAX = 100_000_000
_LEVELS_MAX = 16
_MODES: tuple[Mode, ...] = ("hybrid", "dense", "bm25")


@dataclass(frozen=True, slots=True)
class Level:
    """One size: seconds to build it from nothing and its files, then searches of one client by mode."""

    chunks: int
    build_s: float
    size_bytes: int
    text_bytes: int
    segments: int
    latency: dict[Mode, Distribution]

    def to_dict(self) -> dict[str, object]:
        """The fields by name; distributions in milliseconds."""
        return {
            "chunks": self.chunks,
            "build_s": self.build_s,
            "size_bytes": self.size_bytes,
            "text_bytes": self.text_bytes,
            "segments": self.segments,
            "latency": {mode: times.to_dict() for mode, times in self.latency.items()},
        }


@dataclass(frozen=True, slots=True)
class Growth:
    """All levels, smallest first. ``mixed`` counts texts that were mixed from others, for want of real ones."""

    levels: tuple[Level, ...]
    embedder: str | None
    queries: int
    top_k: int
    mixed: int

    def to_dict(self) -> dict[str, object]:
        """The fields by name."""
        return {
            "levels": [level.to_dict() for level in self.levels],
            "embedder": self.embedder,
            "queries": self.queries,
            "top_k": self.top_k,
            "mixed": self.mixed,
        }

    def __str__(self) -> str:
        modes = list(self.levels[0].latency)
        head = "".join(f"{f'{mode} p50':>13}{f'{mode} p99':>13}" for mode in modes)
        lines = [
            f"growth, {self.queries:,} queries, top {self.top_k}, embedder {self.embedder}; times in ms",
            f"{'chunks':>12}{'build s':>10}{'chunks/s':>10}{'MB':>10}{'B/chunk':>9}{head}",
        ]
        for level in self.levels:
            row = f"{level.chunks:>12,}{level.build_s:>10.1f}{level.chunks / level.build_s:>10,.0f}"
            row += f"{level.size_bytes / 1e6:>10.1f}{level.size_bytes / level.chunks:>9.0f}"
            for times in level.latency.values():
                p99 = times["p99"].ms
                row += f"{_median(times):>13.3f}" + (f"{p99.value:>13.3f}" if p99 else f"{'–':>13}")
            lines.append(row)
        if self.mixed:
            lines.append(f"{self.mixed:,} texts are mixed from others: real ones would have more words of their own")
        return "\n".join(lines)


def _median(times: Distribution) -> float:
    middle = times["p50"].ms
    return times.mean_ms if middle is None else middle.value


def levels_of(text: str) -> list[int]:
    """Levels as they are written on the command line.

    >>> levels_of("10000, 100000")
    [10000, 100000]
    """
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InvalidInput(f"levels are {text!r}: pass numbers of chunks such as 10000,100000") from None


def mixed(texts: Sequence[str], seed: int = 0) -> Iterator[str]:
    """Texts without end for who has too few: the first half of one and the second half of another, drawn at random.

    Words keep their frequencies and most of their neighbours; the vocabulary does not grow, as that of new texts would.

    >>> next(mixed(["one two", "one two"]))
    'one two'
    """
    if not texts:
        raise InvalidInput("there are no texts to mix: pass at least one")
    numbers = np.random.default_rng(seed)
    while True:
        for first, second in numbers.integers(0, len(texts), (1024, 2)).tolist():
            head, tail = texts[first].split(" "), texts[second].split(" ")
            yield " ".join(head[: (len(head) + 1) // 2] + tail[len(tail) - len(tail) // 2 :])


def grow(
    texts: Iterable[str],
    levels: Sequence[int],
    *,
    embedder: str | Embedder | None = "builtin",
    queries: Sequence[str] | None = None,
    top_k: int = 10,
    folder: Path | None = None,
    stretch: bool = False,
    searches: int = 2000,
    seconds: float = 20.0,
    progress: Callable[[int, int], None] | None = None,
) -> Growth:
    """Fill an index with the first texts up to each level, one chunk a text, and measure it there.

    Args:
        texts: What is indexed, as many as the greatest level has chunks.
        levels: Numbers of chunks, ascending.
        embedder: Of the index; ``None`` for BM25 alone.
        queries: What is asked at every level; by default the first words of chunks of the first.
        top_k: Hits of each search.
        folder: Where the index is made; by default a temporary folder.
        stretch: Whether texts that are too few are followed by such as are mixed from them.
        searches: Searches that are timed for each mode at each level,
        seconds: or for as long.
        progress: Called with (chunks, chunks in all) after each batch.

    Raises:
        InvalidInput: Levels are not ascending, or there are fewer texts than the greatest.

    >>> found = grow((f"article {number}" for number in range(40)), [20, 40], embedder="hashing", searches=40)
    >>> [level.chunks for level in found.levels], list(found.levels[0].latency)
    ([20, 40], ['hybrid', 'dense', 'bm25'])
    """
    sizes = [integer(level, "level", 1, _LEVEL_MAX) for level in listed(levels, "levels")]
    if not 1 <= len(sizes) <= _LEVELS_MAX or sizes != sorted(set(sizes)):
        raise InvalidInput(f"levels are {sizes}: pass 1 to {_LEVELS_MAX} of them, ascending")
    modes = _MODES if embedder is not None else ("bm25",)
    found: list[Level] = []
    with TemporaryDirectory() as temporary:
        source = _Source(texts, stretch)
        asked = None if queries is None else listed(queries, "queries")
        building = 0.0
        with open(folder or Path(temporary), embedder=embedder) as index:
            if len(index):
                raise InvalidInput(f"the index in {str(index.path)!r} is not empty: pass an empty folder")
            for size in sizes:
                building += _fill(index, source, size, sizes[-1], progress)
                asked = first_words(index, 200) if asked is None else asked
                found.append(_measured(index, building, asked, modes, top_k, searches, seconds))
            name = index.embedder.name if index.embedder is not None else None
    return Growth(tuple(found), name, len(asked or ()), top_k, source.mixed)


class _Source:
    """Texts one after the other, then mixed ones where that is wanted; keeps a sample to mix from."""

    _KEPT = 50_000

    def __init__(self, texts: Iterable[str], stretch: bool) -> None:
        self._texts, self._stretch = iter(texts), stretch
        self._kept: list[str] = []
        self._more: Iterator[str] | None = None
        self.mixed = 0

    def take(self, count: int) -> list[str]:
        taken = list(islice(self._texts, count))
        if self._stretch:
            self._kept += taken[: self._KEPT - len(self._kept)]
            if len(taken) < count and self._kept:
                self._more = self._more or mixed(self._kept)
                self.mixed += count - len(taken)
                taken += islice(self._more, count - len(taken))
        return taken


def _fill(
    index: SearchIndex, source: _Source, size: int, last: int, progress: Callable[[int, int], None] | None
) -> float:
    """Add texts until the index has ``size`` chunks, and merge; returns the seconds, without those of reading texts."""
    seconds = 0.0
    while (have := len(index)) < size:
        batch = source.take(min(_BATCH, size - have))
        if not batch:
            raise InvalidInput(
                f"there are {have:,} texts, the level {last:,} needs as many: pass more, or stretch them"
            )
        started = time.perf_counter()
        _add(index, batch, have)
        seconds += time.perf_counter() - started
        if progress is not None:
            progress(have + len(batch), last)
    started = time.perf_counter()
    index.merge()
    return seconds + time.perf_counter() - started


def _add(index: SearchIndex, batch: Sequence[str], first: int) -> None:
    documents = [Document(f"{first + row:09}", text if text.strip() else "-") for row, text in enumerate(batch)]
    if index.embedder is not None:
        index.upsert(documents, embeddings=index.embedder.embed([document.text for document in documents]))
        return
    whole = [(document, [Chunk(0, len(document.text), document.text)]) for document in documents]
    index.commit_encoded([encoded(document, chunks) for document, chunks in whole])


def _measured(
    index: SearchIndex,
    build_s: float,
    queries: Sequence[str],
    modes: Sequence[Mode],
    top_k: int,
    searches: int,
    seconds: float,
) -> Level:
    numbers = index.stats()
    latency = {}
    for mode in modes:

        def ask(query: str, mode: Mode = mode) -> object:
            return index.search(query, top_k=top_k, mode=mode)

        for query in queries[:32]:
            ask(query)
        latency[mode] = closed_loop(ask, queries, count=searches, seconds=seconds).latency
    return Level(
        chunks=cast(int, numbers["chunks"]),
        build_s=build_s,
        size_bytes=cast(int, numbers["size_bytes"]),
        text_bytes=cast(int, numbers["text_bytes"]),
        segments=cast(int, numbers["segments"]),
        latency=latency,
    )
