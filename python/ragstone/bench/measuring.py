"""Measures how fast an index answers on this machine, and how much of the exact answer its default search finds.

A closed loop with one thread: each query is asked when the one before it is answered, so waiting under load is no part
of these figures.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import cast

import numpy as np

from ragstone import _core
from ragstone.bench.questions import Origin, Workload, prepared
from ragstone.embedding.threads import thread_budget
from ragstone.errors import InvalidInput
from ragstone.index import Mode, SearchIndex
from ragstone.recall import Recall

__all__ = ["RECALL_LEAST", "Benchmark", "Latency", "measure", "measured"]

# Recall below this is a finding: the least that the default search promises at any size.
RECALL_LEAST = 0.99
# Searches that are timed at least: three of them are slower than the 99th percentile.
_SEARCHES_MIN = 300
# Exact search takes 30 ms a query at a million chunks; these are enough for the third digit of the recall.
_RECALL_QUERIES_MAX = 256


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles of a time in milliseconds, by nearest rank: each is a time that was measured.

    >>> Latency.of([0.004, 0.001, 0.002])
    Latency(ms_p50=2.0, ms_p95=4.0, ms_p99=4.0, samples=3)
    """

    ms_p50: float
    ms_p95: float
    ms_p99: float
    samples: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency:
        """The percentiles of times in seconds, at least one."""
        p50, p95, p99 = np.percentile(np.asarray(seconds) * 1000, [50, 95, 99], method="inverted_cdf").tolist()
        return cls(ms_p50=p50, ms_p95=p95, ms_p99=p99, samples=len(seconds))


@dataclass(frozen=True, slots=True, repr=False)
class Benchmark:
    """What :func:`measure` found.

    ``search`` is the time of a whole search, embedding of the query included; ``embedding`` and ``retrieval`` (the same
    search given the query's vector) are its two parts, measured apart, and ``None`` where no query is embedded.
    ``queries_empty`` counts queries that found nothing. ``recall`` is ``None`` where no chunk has a vector that can be
    found.
    """

    mode: Mode
    top_k: int
    queries: int
    queries_from: Origin
    queries_empty: int
    search: Latency
    embedding: Latency | None
    retrieval: Latency | None
    recall: Recall | None
    chunks: int
    chunks_embedded: int
    generation: int
    embedder: str | None
    dimension: int | None
    instruction_set: str
    threads: int

    @property
    def findings(self) -> tuple[str, ...]:
        """What is not as it should be, one line each."""
        found = []
        if self.recall is not None and self.recall.recall < RECALL_LEAST:
            found.append(f"recall@{self.recall.top_k} is {self.recall.recall:.4f}, below {RECALL_LEAST}")
        if self.queries_empty == self.queries:
            found.append("no query found anything")
        return tuple(found)

    def __str__(self) -> str:
        model = "no vectors" if self.embedder is None else f"vectors of {self.embedder!r}, {self.dimension} dimensions"
        lines = [
            f"index      {self.chunks:,} chunks, {self.chunks_embedded:,} of them embedded; {model}; "
            f"generation {self.generation}",
            f"queries    {self.queries:,} ({self.queries_from}), {self.queries_empty:,} found nothing; "
            f"mode {self.mode}, top {self.top_k}",
            f"machine    {self.instruction_set}, thread budget {self.threads}; {self.search.samples:,} searches, "
            "one after the other",
            "",
            f"{'ms':<12}{'p50':>9}{'p95':>9}{'p99':>9}",
        ]
        for name, times in (("search", self.search), ("  embedding", self.embedding), ("  retrieval", self.retrieval)):
            if times is not None:
                lines.append(f"{name:<12}{times.ms_p50:>9.3f}{times.ms_p95:>9.3f}{times.ms_p99:>9.3f}")
        lines += ["", "dense half against exact search: " + (str(self.recall or "nothing to compare"))]
        return "\n".join([*lines, *(f"finding: {finding}" for finding in self.findings)])

    def __repr__(self) -> str:
        return str(self)


def measure(
    index: SearchIndex,
    queries: Sequence[str] | None = None,
    *,
    top_k: int = 10,
    mode: Mode = "hybrid",
    principals: Sequence[str] | None = None,
) -> Benchmark:
    """Time the searches of an index, and measure the recall of its dense half against exact search.

    Args:
        index: What is measured.
        queries: What is asked, best the questions of real users. By default the first words of chunks spread over the
            index; in mode ``"dense"`` without an embedder for queries, vectors of chunks.
        top_k: Hits of each search.
        mode: Which halves search. An index without vectors is searched by BM25 in mode ``"hybrid"`` too.
        principals: Who asks; see :meth:`ragstone.Index.search`.

    Raises:
        InvalidInput: There is nothing to ask or nothing to search, or the mode needs vectors or an embedder that are
            not there; the message says which mode works.

    >>> import ragstone, tempfile
    >>> documents = [ragstone.Document(str(number), f"Item {number} costs {number} euros.") for number in range(50)]
    >>> with tempfile.TemporaryDirectory() as folder, ragstone.open(folder, embedder="hashing") as index:
    ...     _ = index.upsert(documents)
    ...     found = measure(index, ["what is the price of item 7?"], top_k=5)
    >>> found.recall.recall, found.queries, found.search.samples, found.findings
    (1.0, 1, 300, ())
    >>> 0 < found.search.ms_p50 <= found.search.ms_p99
    True
    """
    return measured(prepared(index, queries, top_k=top_k, mode=mode, principals=principals))


def measured(work: Workload) -> Benchmark:
    """As :func:`measure`, of questions that are prepared already."""
    statistics = work.statistics
    model = cast("dict[str, object]", statistics["embedder"] or {})
    embedded = cast(int, statistics["chunks_embedded"])
    search, embedding, retrieval, empty = _timed(work)
    return Benchmark(
        mode=work.mode,
        top_k=work.top_k,
        queries=len(work.questions),
        queries_from=work.origin,
        queries_empty=empty,
        search=Latency.of(search),
        embedding=Latency.of(embedding) if embedding else None,
        retrieval=Latency.of(retrieval) if retrieval else None,
        recall=_recall(work) if embedded else None,
        chunks=cast(int, statistics["chunks"]),
        chunks_embedded=embedded,
        generation=cast(int, statistics["generation"]),
        embedder=cast("str | None", model.get("name")),
        dimension=cast("int | None", model.get("dimension")),
        instruction_set=_core.instruction_set(),
        threads=thread_budget(),
    )


def _timed(work: Workload) -> tuple[list[float], list[float], list[float], int]:
    """Seconds of whole searches, of embedding alone, of searching with ready vectors; and how many found nothing."""
    work.warm_up()
    search, embedding, retrieval = [], [], []
    empty = 0
    for turn in range(ceil(_SEARCHES_MIN / len(work.questions))):
        for question in work.questions:
            started = time.perf_counter()
            result = work.ask(question)
            search.append(time.perf_counter() - started)
            empty += turn == 0 and not result.hits
        if work.embeds is None:
            continue
        # Parts are timed in a pass of their own: beside the whole they would find its work done in the caches.
        for question in work.questions:
            started = time.perf_counter()
            vector = work.embeds.embed([cast(str, question)])[0]
            embedding.append(time.perf_counter() - started)
            started = time.perf_counter()
            work.ask(question, vector)
            retrieval.append(time.perf_counter() - started)
    return search, embedding, retrieval, empty


def _recall(work: Workload) -> Recall | None:
    """Recall for the queries that were timed, or for stored vectors where these cannot be embedded."""
    asked = [question for question in work.questions if isinstance(question, str)] if work.embedder else []
    some = asked[:: ceil(len(asked) / _RECALL_QUERIES_MAX)] if asked else None
    try:
        return work.index.recall(some, top_k=work.top_k, principals=work.principals)
    except InvalidInput:
        # The queries have been searched already: what is left is that no embedded chunk may be found by who asks.
        return None
