"""Recall of the default dense search: how much of the exact answer it finds, measured on the user's own data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ragstone.arguments import listed, texts
from ragstone.arrays import float32
from ragstone.errors import InvalidInput
from ragstone.records import SearchResult

__all__ = ["Recall", "affordable_queries", "measured_recall", "query_vectors", "quick_recall"]

# So many queries are searched both ways in turn: more, and more commits would fall between the two answers; fewer,
# and the exact scan would empty the processor's caches before every default search that is timed.
_BLOCK = 8
# An exact search of 1,000,000 chunks of 384 values takes about 40 ms: the fewest queries take less than a quarter of a
# second there, and a size that still affords more takes 20 to 40 ms in all.
_QUERIES_MIN, _QUERIES_MAX = 4, 16
_VALUES_MAX = 300_000_000


@dataclass(frozen=True, slots=True)
class Recall:
    """Share of the exact ``top_k`` chunks that the default dense search finds, on average over ``queries``.

    ``stored`` tells that the queries were vectors of the index's own chunks, which is easier than real questions: each
    is its own best hit. Latencies are medians of the time for one query with a ready vector, in milliseconds.
    """

    recall: float
    queries: int
    top_k: int
    latency_ms_p50: float
    exact_latency_ms_p50: float
    stored: bool

    def __str__(self) -> str:
        kind = "stored vectors as queries, real questions are harder" if self.stored else "queries"
        return (
            f"recall@{self.top_k} {self.recall:.4f} ({self.queries} {kind}; "
            f"p50 {self.latency_ms_p50:.2f} ms, exact {self.exact_latency_ms_p50:.2f} ms)"
        )


def measured_recall(
    search: Callable[..., SearchResult],
    vectors: NDArray[np.float32],
    *,
    top_k: int = 10,
    principals: Sequence[str] | None = None,
    stored: bool = True,
) -> Recall:
    """Search each vector of shape (n, dimension) by default and exactly, and compare.

    Args:
        search: :meth:`ragstone.Index.search` of the index that is measured.
        vectors: The queries.
        top_k: Hits of each search.
        principals: Who asks.
        stored: Whether the queries are vectors of the index itself.

    Raises:
        InvalidInput: No query has an answer to compare, or commits fell between all pairs of answers.
    """
    found = _compared(search, vectors, top_k, principals, stored=stored)
    if found is None:
        raise InvalidInput(
            "no query found a chunk to compare: embed the chunks first, and pass principals= if all are restricted"
        )
    return found


def quick_recall(search: Callable[..., SearchResult], drawn: NDArray[np.float32], embedded: int) -> float | None:
    """Recall at 10 with a few of an index's own vectors, drawn in random order; ``None`` where nothing can be found."""
    if not embedded or not len(drawn):
        return None
    # The first of a random order are as even a draw as all.
    few = drawn[: affordable_queries(embedded, drawn.shape[1])]
    found = _compared(search, few, 10, None, stored=True)
    return None if found is None else found.recall


def _compared(
    search: Callable[..., SearchResult],
    vectors: NDArray[np.float32],
    top_k: int,
    principals: Sequence[str] | None,
    *,
    stored: bool,
) -> Recall | None:
    def ask(vector: NDArray[np.float32], *, exact: bool) -> SearchResult:
        return search(vector=vector, mode="dense", top_k=top_k, principals=principals, exact=exact)

    shares, times, exact_times = [], [], []
    for first in range(0, len(vectors), _BLOCK):
        block = vectors[first : first + _BLOCK]
        answers = [ask(vector, exact=False) for vector in block]
        for vector, answer in zip(block, answers, strict=True):
            exact = ask(vector, exact=True)
            # A commit between the two changes what there is to find.
            if answer.snapshot == exact.snapshot and exact.hits:
                shares.append(_share(answer, exact))
                times.append(answer.latency_ms)
                exact_times.append(exact.latency_ms)
    if not shares:
        return None
    return Recall(
        recall=sum(shares) / len(shares),
        queries=len(shares),
        top_k=top_k,
        latency_ms_p50=median(times),
        exact_latency_ms_p50=median(exact_times),
        stored=stored,
    )


def _share(answer: SearchResult, exact: SearchResult) -> float:
    """The share of the exact list that an answer holds."""
    return len({hit.chunk_id for hit in answer} & {hit.chunk_id for hit in exact}) / len(exact)


def affordable_queries(embedded: int, dimension: int) -> int:
    """How many queries a quick measurement asks: 16, and down to 4 where exact search takes long.

    It depends on the size of the index alone, so that the same index gives the same figure on any machine.

    >>> [affordable_queries(chunks, 384) for chunks in (10_000, 100_000, 1_000_000)]
    [16, 7, 4]
    """
    return min(max(_VALUES_MAX // (embedded * dimension), _QUERIES_MIN), _QUERIES_MAX)


def query_vectors(
    queries: Sequence[str] | ArrayLike, embed: Callable[[Sequence[str]], NDArray[np.float32]] | None
) -> NDArray[np.float32]:
    """Queries that are texts or vectors as an array of shape (n, dimension); ``embed`` is ``None`` if texts cannot be.

    Raises:
        InvalidInput: There is no query, or one that cannot be used.
    """
    if not isinstance(queries, np.ndarray):
        given = listed(cast("Sequence[str]", queries), "queries")
        if given and isinstance(given[0], str):
            asked = texts(given, "queries", "query")
            if not all(query.strip() for query in asked):
                raise InvalidInput("one of the queries is empty: leave it out")
            if embed is None:
                raise InvalidInput(
                    "queries are texts, and the index has no vectors of an embedder that is open to embed them: "
                    "pass vectors, or no queries to draw them from the index"
                )
            return embed(asked)
    vectors = float32(queries, "queries")
    if vectors.ndim != 2 or not len(vectors):
        raise InvalidInput(f"queries have shape {vectors.shape}: pass texts, or vectors of shape (n, dimension)")
    return vectors
