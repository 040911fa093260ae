"""Measures how fast an index answers on this machine, and how much of the exact answer its default search finds.

A closed loop with one thread: each query is asked when the one before it is answered, so waiting under load is no part
of these figures.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

import numpy as np
from numpy.typing import NDArray

from ragstone import _core
from ragstone.arguments import integer, one_of, texts
from ragstone.embedding.threads import thread_budget
from ragstone.errors import InvalidInput
from ragstone.exchange import TOP_K_MAX
from ragstone.index import Mode, SearchIndex
from ragstone.recall import Recall
from ragstone.records import Embedder, SearchResult

__all__ = ["RECALL_LEAST", "Benchmark", "Latency", "first_words", "measure", "read_queries"]

Origin: TypeAlias = Literal["given", "first words of chunks", "stored vectors"]
_Question: TypeAlias = "str | NDArray[np.float32]"

# Recall below this is a finding: the least that the default search promises at any size.
RECALL_LEAST = 0.99
# Searches that are timed at least: three of them are slower than the 99th percentile.
_SEARCHES_MIN = 300
_WARM_UP = 32
_QUERIES_DRAWN = 100
_WORDS = 8
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
    integer(top_k, "top_k", 1, TOP_K_MAX)
    one_of(mode, "mode", get_args(Mode))
    statistics = index.stats()
    if not statistics["chunks"]:
        raise InvalidInput("the index is empty: put documents into it first")
    model = cast("dict[str, object]", statistics["embedder"] or {})
    embedded = cast(int, statistics["chunks_embedded"])
    embedder = index.embedder if index.embedder and index.embedder.fingerprint == model.get("fingerprint") else None
    if embedded == 0 and mode == "dense":
        raise InvalidInput('no chunk is embedded, so mode "dense" has nothing to search: embed them, or use "bm25"')
    if embedded and embedder is None and (mode == "hybrid" or (mode == "dense" and queries is not None)):
        raise InvalidInput(
            f"the index has vectors of {model.get('name')!r} and no such embedder is open to embed queries: "
            'use mode "dense" without queries, which searches by stored vectors, or mode "bm25"'
        )

    questions: Sequence[_Question]
    if queries is not None:
        questions, origin = _checked(queries), "given"
    elif mode == "dense" and embedder is None:
        questions, origin = list(index.sample()), "stored vectors"
    else:
        questions, origin = first_words(index, _QUERIES_DRAWN), "first words of chunks"

    def ask(question: _Question, vector: NDArray[np.float32] | None = None) -> SearchResult:
        query, given = (question, vector) if isinstance(question, str) else (None, question)
        return index.search(query, vector=given, top_k=top_k, mode=mode, principals=principals)

    embeds = embedder if mode != "bm25" else None
    search, embedding, retrieval, empty = _timed(questions, ask, embeds)
    asked = [question for question in questions if isinstance(question, str)]
    return Benchmark(
        mode=mode,
        top_k=top_k,
        queries=len(questions),
        queries_from=cast(Origin, origin),
        queries_empty=empty,
        search=Latency.of(search),
        embedding=Latency.of(embedding) if embedding else None,
        retrieval=Latency.of(retrieval) if retrieval else None,
        recall=_recall(index, asked if embedder else [], top_k, principals) if embedded else None,
        chunks=cast(int, statistics["chunks"]),
        chunks_embedded=embedded,
        generation=cast(int, statistics["generation"]),
        embedder=cast("str | None", model.get("name")),
        dimension=cast("int | None", model.get("dimension")),
        instruction_set=_core.instruction_set(),
        threads=thread_budget(),
    )


def _timed(
    questions: Sequence[_Question], ask: Callable[..., SearchResult], embedder: Embedder | None
) -> tuple[list[float], list[float], list[float], int]:
    """Seconds of whole searches, of embedding alone, of searching with ready vectors; and how many found nothing."""
    for question in questions[:_WARM_UP]:
        ask(question)
    search, embedding, retrieval = [], [], []
    empty = 0
    for turn in range(ceil(_SEARCHES_MIN / len(questions))):
        for question in questions:
            started = time.perf_counter()
            result = ask(question)
            search.append(time.perf_counter() - started)
            empty += turn == 0 and not result.hits
        if embedder is None:
            continue
        # Parts are timed in a pass of their own: beside the whole they would find its work done in the caches.
        for question in questions:
            started = time.perf_counter()
            vector = embedder.embed([cast(str, question)])[0]
            embedding.append(time.perf_counter() - started)
            started = time.perf_counter()
            ask(question, vector)
            retrieval.append(time.perf_counter() - started)
    return search, embedding, retrieval, empty


def _recall(index: SearchIndex, asked: list[str], top_k: int, principals: Sequence[str] | None) -> Recall | None:
    """Recall for the queries that were timed, or for stored vectors where these cannot be embedded."""
    some = asked[:: ceil(len(asked) / _RECALL_QUERIES_MAX)] if asked else None
    try:
        return index.recall(some, top_k=top_k, principals=principals)
    except InvalidInput:
        # The queries have been searched already: what is left is that no embedded chunk may be found by who asks.
        return None


def _checked(queries: Sequence[str]) -> list[str]:
    given = texts(queries, "queries", "query")
    if not given:
        raise InvalidInput("there are no queries: pass at least one, or None to draw them from the index")
    for number, query in enumerate(given):
        if not query.strip():
            raise InvalidInput(f"query {number} is empty: leave it out")
    return given


def first_words(index: SearchIndex, count: int) -> list[str]:
    """The first words of about ``count`` chunks, spread evenly over the documents and over each document's chunks.

    Raises:
        InvalidInput: No chunk that was looked at has a word.
    """
    names = [document_id for document_id, *_ in index.sources()]
    some = names[:: max(1, len(names) // count)][:count]
    each = ceil(count / max(1, len(some)))
    found = []
    for number, name in enumerate(some):
        chunks = index.chunks(name)
        # A document that gives one chunk gives its first, the next document its second, and so on.
        start = number % len(chunks) if each == 1 and chunks else 0
        for chunk in chunks[start :: max(1, len(chunks) // each)][:each]:
            words = " ".join(chunk.text.split()[:_WORDS])
            if any(letter.isalnum() for letter in words):
                found.append(words)
    if not found:
        raise InvalidInput("no chunk begins with a word to ask for: pass queries")
    return found


def read_queries(path: Path) -> list[str]:
    """Queries from a file: one a line, or for ``.jsonl`` the field ``"text"`` or ``"query"`` of each line's object.

    Blank lines are left out.

    Raises:
        InvalidInput: The file is not there, is not UTF-8, has a line that holds no query, or has none at all.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"file {str(path)!r} is not UTF-8 at byte {error.start}: convert it first") from None
    except (FileNotFoundError, IsADirectoryError):
        raise InvalidInput(f"there is no file {str(path)!r}: pass a file with one query a line") from None
    of_line = _json_query if path.suffix.lower() == ".jsonl" else _line_query
    queries = [of_line(line, f"line {number} of {str(path)!r}") for number, line in enumerate(lines, 1) if line.strip()]
    if not queries:
        raise InvalidInput(f"file {str(path)!r} has no query: write one on each line")
    return queries


def _line_query(line: str, _: str) -> str:
    return line.strip()


def _json_query(line: str, where: str) -> str:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise InvalidInput(f"{where} is not valid JSON: write one object a line") from None
    fields = row if isinstance(row, dict) else {}
    query = fields.get("text", fields.get("query"))
    if not isinstance(query, str) or not query.strip():
        raise InvalidInput(f'{where} has no query: give it a field "text" or "query"')
    return query
