"""The user's own index beside other systems: the same texts and vectors, answers compared first, then timed in turn.

Dense rivals get the vectors that the index's embedder makes of its chunks, and are held to the exact answer, computed
here: *overlap* is the share of the ``top_k`` best chunks that are found; one that scores as much as the last of them
counts as it does. BM25 rivals get the texts and analyse them in their own way, so that their best chunks are others:
overlap says how far they agree with our scores of all chunks, and where it is low the times are of different work.

Queries are asked one at a time, each of every system in turn and in changing order, so that whatever else the machine
does falls on all alike; all build with the thread budget and search with one thread. ``ragstone`` is
:class:`ragstone.DenseIndex` or :class:`ragstone.BM25Index`, which return ids as rivals do; ``ragstone, cited`` is the
index itself with the threads it was opened with: texts, highlights and citations, behind filters and access lists.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ragstone.arguments import listed, number
from ragstone.arrays import BM25Index, DenseIndex
from ragstone.bench.distribution import Distribution
from ragstone.bench.measuring import RECALL_LEAST
from ragstone.bench.questions import Workload
from ragstone.bench.rivals import Kind, Rival, load
from ragstone.chunking import embedding_text
from ragstone.embedding.threads import thread_budget
from ragstone.errors import InvalidInput
from ragstone.estimates import Estimate, mean, quantile

__all__ = ["Comparison", "Contestant", "compare"]

_Vectors = NDArray[np.float32]
_Search = Callable[[Any], Sequence[int]]
# Cosines of float32 vectors that are closer than this have no order that every system would agree on.
_TIE = 1e-5
_COSINE_ERROR = 1e-3
_EMBED_BATCH = 4096
_CHECKED_MAX = 200
_SCORED = 20_000
_SCORE_ERROR = 1e-6
# What ours has to find: BM25 is exact, the default dense search nearly so.
_LEAST: dict[Kind, float] = {"dense": RECALL_LEAST, "bm25": 1.0}
_OURS, _CITED = "ragstone", "ragstone, cited"


@dataclass(frozen=True, slots=True)
class Contestant:
    """One system: how much of the right answer it finds, its times, and how many times ours they are.

    ``ratio`` is the median over queries of its time divided by that of ``ragstone`` for the same query, one after the
    other.
    """

    name: str
    kind: Kind
    setting: dict[str, int]
    build_s: float | None
    overlap: Estimate
    time: Distribution
    ratio: Estimate
    note: str = ""

    def to_dict(self) -> dict[str, object]:
        """The fields by name."""
        return {
            "name": self.name,
            "kind": self.kind,
            "setting": self.setting,
            "build_s": self.build_s,
            "overlap": self.overlap.to_dict(),
            "time": self.time.to_dict(),
            "ratio": self.ratio.to_dict(),
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """All systems, of each kind ours first."""

    contestants: tuple[Contestant, ...]
    rows: int
    queries: int
    top_k: int

    def to_dict(self) -> dict[str, object]:
        """The fields by name."""
        return {
            "rows": self.rows,
            "queries": self.queries,
            "top_k": self.top_k,
            "contestants": [one.to_dict() for one in self.contestants],
        }

    @property
    def findings(self) -> tuple[str, ...]:
        """Searches of ours that should find all of the right answer and did not."""
        return tuple(
            f"{one.kind}, {one.name!r}: {one.overlap.value:.4f} of the best {self.top_k} chunks found, below {least}"
            for one in self.contestants
            for least in [_LEAST[one.kind]]
            if one.name in (_OURS, _CITED) and one.overlap.value < least
        )

    def __str__(self) -> str:
        lines = [f"{self.rows:,} chunks, {self.queries:,} queries in turn, top {self.top_k}, one thread"]
        for kind in ("dense", "bm25"):
            some = [one for one in self.contestants if one.kind == kind]
            if some:
                head = f"{'p50 ms':>9}{'p99 ms':>9}{'build s':>9}  {'overlap':<22}{'times ours':<26}"
                lines += ["", f"{kind:<20}{head}note"]
                lines += [_row(one) for one in some]
        return "\n".join(lines)


def _row(one: Contestant) -> str:
    times = "".join(f"{row.ms.value:>9.3f}" if row.ms else f"{'–':>9}" for row in (one.time["p50"], one.time["p99"]))
    build = f"{'–':>9}" if one.build_s is None else f"{one.build_s:>9.1f}"
    setting = ", ".join(f"{name} {value}" for name, value in one.setting.items())
    note = "; ".join(part for part in (setting, one.note) if part)
    return f"{one.name:<20}{times}{build}  {one.overlap!s:<22}{one.ratio!s:<26}{note}".rstrip()


def compare(
    work: Workload,
    names: Sequence[str],
    *,
    seconds: float = 10.0,
    progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Load rivals with what the index holds, compare answers, and time all of them.

    Args:
        work: The index and the questions; those of its chunks are compared that who asks may see.
        names: Rivals, from :data:`ragstone.bench.rivals.NAMES`.
        seconds: How long each kind is timed, each question at least once.
        progress: Told what is being done.

    Raises:
        InvalidInput: A rival is unknown, there is nothing to compare, or the index's vectors cannot be made again.
        MissingDependency: A rival is not installed.
    """
    given = listed(names, "names")
    rivals = {name: load(name) for name in dict.fromkeys(given)}
    number(seconds, "seconds", 0.001, 86_400)
    if not rivals:
        raise InvalidInput("there are no rivals: name at least one")
    tell = progress or (lambda _: None)
    names_of, texts = _chunks(work)
    row_of = {name: row for row, name in enumerate(names_of)}
    asked = [question for question in work.questions if isinstance(question, str)]
    if not asked:
        raise InvalidInput("the questions are stored vectors: pass queries to compare with")
    found: list[Contestant] = []
    for kind in ("dense", "bm25"):
        some = {name: rival for name, rival in rivals.items() if rival.kind == kind}
        if some:
            tell(f"{kind}: {len(texts):,} chunks")
            field = (
                _dense(work, texts, row_of, asked, tell) if kind == "dense" else _lexical(work, texts, row_of, asked)
            )
            found += _contest(field, some, seconds, tell)
    return Comparison(tuple(found), len(texts), len(asked), work.top_k)


def _chunks(work: Workload) -> tuple[list[str], list[str]]:
    """Ids and embedded texts of the chunks that who asks may see, in the order of the index."""
    seen = set(work.principals or ())
    names, texts = [], []
    for document_id, *_ in work.index.sources():
        document = work.index.document(document_id)
        if document is None or (document.acl is not None and not seen & set(document.acl)):
            continue
        for ordinal, chunk in enumerate(work.index.chunks(document_id)):
            names.append(f"{document_id}#{ordinal}")
            texts.append(embedding_text(document.title, chunk))
    if not texts:
        raise InvalidInput("there is no chunk that may be seen: pass principals")
    return names, texts


@dataclass(frozen=True, slots=True)
class _Field:
    """What all systems of one kind are given and held to."""

    kind: Kind
    data: Any
    asked: list[Any]
    top_k: int
    # For each question the rows that may be among the best; of equals there can be more than are wanted.
    right: list[set[int]]
    ours: dict[str, _Search]
    build_s: float

    def overlap(self, number: int, rows: Sequence[int]) -> float:
        right = self.right[number]
        wanted = min(self.top_k, len(right))
        return min(len(right & {int(row) for row in rows}), wanted) / wanted if wanted else 1.0


def _dense(
    work: Workload, texts: list[str], row_of: dict[str, int], asked: list[str], tell: Callable[[str], None]
) -> _Field:
    embedder = work.embedder
    if embedder is None or work.statistics["chunks_embedded"] != work.statistics["chunks"]:
        raise InvalidInput(
            f"{work.statistics['chunks_embedded']} of {work.statistics['chunks']} chunks have a vector, of "
            f"{work.described['embedder']!r}: dense rivals need all, and the embedder that can make them again; "
            "name BM25 rivals alone, or embed the chunks"
        )
    parts = []
    for first in range(0, len(texts), _EMBED_BATCH):
        tell(f"dense: embedding chunk {first:,} of {len(texts):,}")
        parts.append(embedder.embed(texts[first : first + _EMBED_BATCH]))
    vectors = np.ascontiguousarray(np.concatenate(parts), dtype=np.float32)
    queries = np.ascontiguousarray(embedder.embed(asked), dtype=np.float32)
    _check_vectors(work, vectors, queries, row_of)
    started = time.perf_counter()
    index = DenseIndex(dimension=vectors.shape[1])
    index.add(vectors)
    build_s = time.perf_counter() - started

    def cited(query: _Vectors) -> list[int]:
        hits = work.index.search(vector=query, mode="dense", top_k=work.top_k, principals=work.principals)
        return [row_of.get(hit.chunk_id, -1) for hit in hits]

    def ids(query: _Vectors) -> Sequence[int]:
        return cast("Sequence[int]", index.search(query, top_k=work.top_k)[0][0])

    right = [_best(vectors, query, work.top_k) for query in queries]
    return _Field("dense", vectors, list(queries), work.top_k, right, {_OURS: ids, _CITED: cited}, build_s)


def _check_vectors(work: Workload, vectors: _Vectors, queries: _Vectors, row_of: dict[str, int]) -> None:
    """That the vectors made anew are those of the index: the cosines of its hits say so."""
    for query in queries[:: ceil(len(queries) / 20)]:
        for hit in work.index.search(vector=query, mode="dense", top_k=work.top_k, principals=work.principals):
            row = row_of.get(hit.chunk_id)
            if row is None or abs(float(vectors[row] @ query) - hit.score) > _COSINE_ERROR:
                raise InvalidInput(
                    f"the vector of chunk {hit.chunk_id!r} is not what {work.described['embedder']!r} makes of its "
                    "text: the index has vectors that were brought; name BM25 rivals alone"
                )


def _best(vectors: _Vectors, query: _Vectors, top_k: int) -> set[int]:
    """Rows that score no less than the ``top_k``-th best, but for rounding."""
    scores = vectors @ query
    if top_k >= len(scores):
        return set(range(len(scores)))
    least = np.partition(scores, len(scores) - top_k)[len(scores) - top_k]
    return set(np.flatnonzero(scores >= least - _TIE).tolist())


def _lexical(work: Workload, texts: list[str], row_of: dict[str, int], asked: list[str]) -> _Field:
    numbers = work.statistics
    started = time.perf_counter()
    index = BM25Index(
        language=cast(str, numbers["language"]), k1=cast(float, numbers["k1"]), b=cast(float, numbers["b"])
    )
    index.add(texts)
    build_s = time.perf_counter() - started

    def cited(query: str) -> list[int]:
        hits = work.index.search(query, mode="bm25", top_k=work.top_k, principals=work.principals)
        return [row_of.get(hit.chunk_id, -1) for hit in hits]

    def ids(query: str) -> Sequence[int]:
        rows = index.search(query, top_k=work.top_k)[0][0]
        return cast("Sequence[int]", rows[rows >= 0])

    right = []
    for query in asked:
        # So many hits that every chunk with a word of the query is scored: no bound takes part.
        rows, scores = (found[0] for found in index.search(query, top_k=max(_SCORED, work.top_k)))
        rows, scores = rows[rows >= 0], scores[rows >= 0]
        least = scores[min(work.top_k, len(scores)) - 1] if len(scores) else 0.0
        right.append(set(rows[scores >= least * (1 - _SCORE_ERROR)].tolist()))
    return _Field("bm25", texts, list(asked), work.top_k, right, {_OURS: ids, _CITED: cited}, build_s)


def _contest(field: _Field, rivals: dict[str, Rival], seconds: float, tell: Callable[[str], None]) -> list[Contestant]:
    built: dict[str, float | None] = {_OURS: field.build_s, _CITED: None}
    settings: dict[str, dict[str, int]] = {}
    searches = dict(field.ours)
    try:
        for name, rival in rivals.items():
            tell(f"{field.kind}: building {name}")
            started = time.perf_counter()
            rival.build(field.data, thread_budget())
            built[name] = time.perf_counter() - started
            settings[name] = _setting(field, rival)
            searches[name] = _bound(rival, field.top_k, settings[name])
        tell(f"{field.kind}: timing {', '.join(searches)}")
        overlaps = {
            name: [field.overlap(number, search(query)) for number, query in enumerate(field.asked)]
            for name, search in searches.items()
        }
        with _one_thread():
            times = _timed(field.asked, searches, seconds)
    finally:
        for rival in rivals.values():
            _closed(rival)
    return [
        Contestant(
            name=name,
            kind=field.kind,
            setting=settings.get(name, {}),
            build_s=built[name],
            overlap=mean(overlaps[name]),
            time=Distribution.of(times[name]),
            ratio=quantile(times[name] / times[_OURS], 0.5),
            note=rivals[name].note if name in rivals else "",
        )
        for name in searches
    ]


@contextmanager
def _one_thread() -> Iterator[None]:
    """The thread budget at 1 for as long as rivals that search with one thread are timed beside us."""
    before = os.environ.get("RAGSTONE_THREADS")
    os.environ["RAGSTONE_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["RAGSTONE_THREADS"]
        else:
            os.environ["RAGSTONE_THREADS"] = before


def _closed(rival: Rival) -> None:
    try:
        rival.close()
    except AttributeError:
        # It was never built.
        return


def _bound(rival: Rival, top_k: int, setting: dict[str, int]) -> _Search:
    def search(query: Any) -> Sequence[int]:
        return cast("Sequence[int]", rival.search(query, top_k, **setting))

    return search


def _setting(field: _Field, rival: Rival) -> dict[str, int]:
    """The cheapest setting that finds as much as our default search does, or the last; chosen on every other query."""
    some = range(0, len(field.asked), 2)[:_CHECKED_MAX]
    if len(rival.settings) == 1:
        return rival.settings[0]

    def found(search: _Search) -> float:
        return float(np.mean([field.overlap(number, search(field.asked[number])) for number in some]))

    wanted = found(field.ours[_OURS])
    for setting in rival.settings:
        if found(_bound(rival, field.top_k, setting)) >= wanted - 1e-9:
            return setting
    return rival.settings[-1]


def _timed(asked: list[Any], searches: dict[str, _Search], seconds: float) -> dict[str, NDArray[np.float64]]:
    """Seconds of each search, the same questions in the same order for all."""
    times: dict[str, list[float]] = {name: [] for name in searches}
    names = list(searches)
    ended = time.perf_counter() + seconds
    turn = 0
    while turn < len(asked) or time.perf_counter() < ended:
        query = asked[turn % len(asked)]
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            search = searches[name]
            started = time.perf_counter()
            search(query)
            times[name].append(time.perf_counter() - started)
        turn += 1
    return {name: np.array(values) for name, values in times.items()}
