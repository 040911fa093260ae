"""The index as something to search: by words, by meaning, by both; with how much of the exact answer that finds.

:class:`ragstone.pipeline.Index` adds what needs the other parts: ingesting files and asking questions.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ragstone import _core
from ragstone.arguments import listed
from ragstone.arrays import float32
from ragstone.errors import InvalidInput
from ragstone.exchange import Fusion, Mode, answered, stages, told
from ragstone.filters import FilterLike
from ragstone.query import QueryLike, asked, plain
from ragstone.recall import Recall, measured_recall, query_vectors, quick_recall
from ragstone.records import SearchResult
from ragstone.store import Store

__all__ = ["Fusion", "Mode", "SearchIndex"]


class SearchIndex(Store):
    """An index directory with the embedder and the chunker that belong to it. Use as a context manager, or close it.

    Made by :func:`ragstone.open`. Safe to use from several threads.
    """

    # (generation, recall at 10) of the last measurement.
    _measured: tuple[int, float | None] | None = None

    def __enter__(self) -> SearchIndex:
        return self

    # Searching

    def search(
        self,
        query: QueryLike | None = None,
        *,
        vector: ArrayLike | None = None,
        top_k: int = 5,
        mode: Mode = "hybrid",
        filter: FilterLike | None = None,
        principals: Sequence[str] | None = None,
        exact: bool = False,
        explain: bool = False,
        timeout_s: float | None = None,
        fusion: Fusion = "self_scaling",
        dense_weight: float | None = None,
    ) -> SearchResult:
        """Find the chunks that answer a query best.

        Args:
            query: Text, in which no character is an operator, or a :class:`ragstone.Query`. BM25 analyses it; the
                index's embedder embeds its words for the dense half.
            vector: Ready vector of shape (dimension,); alone it searches the dense half, with ``query`` it replaces
                the embedding of the query.
            top_k: Most hits returned.
            mode: Which halves search: ``"hybrid"``, ``"dense"`` or ``"bm25"``.
            filter: Documents that may be found: ``F("year") >= 2020`` or the JSON form.
            principals: Who asks. A document with an access list is found only by someone on it; without principals
                only documents without a list are found.
            exact: Guarantee the exact dense list. Without it the list is exact where few chunks can be found, and
                misses less than one in a thousand of the best where many can, for a sixth of the time.
            explain: Give each hit the parts that add up to its score, down to the words of the query.
            timeout_s: Seconds after which the search gives up.
            fusion: How both halves become one ranking: ``"self_scaling"`` (linear, each half in units of its own
                spread), ``"convex"`` (min-max) or ``"rrf"`` (reciprocal rank, k = 60).
            dense_weight: Weight of the dense half; by default the embedder's own (``"convex"``: 0.5).

        Raises:
            InvalidInput: An argument cannot be used.
            DimensionMismatch: ``vector`` has another dimension than the index.
            SearchTimeout: The search took longer than ``timeout_s``.

        >>> import ragstone, tempfile
        >>> with tempfile.TemporaryDirectory() as folder, ragstone.open(folder, embedder="hashing") as index:
        ...     _ = index.upsert([ragstone.Document("a", "Refunds take 30 days.", metadata={"year": 2024})])
        ...     hit = index.search("refunds", filter=ragstone.F("year") >= 2020, explain=True)[0]
        >>> hit.document_id, hit.citation.start, hit.citation.end
        ('a', 0, 21)
        >>> abs(sum(hit.explain["parts"].values()) - hit.score) < 1e-6
        True
        """
        result, _ = self._search(
            query,
            vector=vector,
            top_k=top_k,
            mode=mode,
            filter=filter,
            principals=principals,
            exact=exact,
            explain=explain,
            timeout_s=timeout_s,
            fusion=fusion,
            dense_weight=dense_weight,
            evidence=False,
        )
        self._note([result], top_k)
        return result

    def search_batch(
        self,
        queries: Sequence[QueryLike],
        *,
        top_k: int = 5,
        mode: Mode = "hybrid",
        filter: FilterLike | None = None,
        principals: Sequence[str] | None = None,
        exact: bool = False,
        explain: bool = False,
        timeout_s: float | None = None,
        fusion: Fusion = "self_scaling",
        dense_weight: float | None = None,
    ) -> list[SearchResult]:
        """Answer many queries on all cores; each result equals that of :meth:`search`."""
        started = time.perf_counter()
        given = listed(queries, "queries")
        if not given:
            return []
        ready = [asked(query) for query in given]
        arguments = told(
            self._embedder,
            top_k=top_k,
            mode=mode,
            filter=filter,
            principals=principals,
            exact=exact,
            explain=explain,
            timeout_s=timeout_s,
            fusion=fusion,
            dense_weight=dense_weight,
        )
        texts_asked = [plain(query) for query in given]
        vectors = self._query_vectors(texts_asked, mode, arguments)
        answers, snapshot = self._core.search_batch(ready, vectors, arguments)
        latency_ms = (time.perf_counter() - started) * 1000 / len(ready)
        results = [
            answered(asked_for, found, warnings, snapshot, latency_ms, explain=explain, mode=mode)
            for asked_for, (found, warnings) in zip(texts_asked, answers, strict=True)
        ]
        self._note(results, top_k)
        return results

    def rank_documents(
        self,
        queries: Sequence[QueryLike],
        *,
        top_k: int = 100,
        mode: Mode = "hybrid",
        filter: FilterLike | None = None,
        principals: Sequence[str] | None = None,
        fusion: Fusion = "self_scaling",
        dense_weight: float | None = None,
    ) -> list[list[tuple[str, float]]]:
        """For each query the documents of its ``top_k`` best chunks, each with its best score: what evaluation needs.

        The searches of :meth:`search_batch`, without texts and citations.
        """
        given = listed(queries, "queries")
        if not given:
            return []
        ready = [asked(query) for query in given]
        arguments = told(
            self._embedder,
            top_k=top_k,
            mode=mode,
            filter=filter,
            principals=principals,
            fusion=fusion,
            dense_weight=dense_weight,
        )
        vectors = self._query_vectors([plain(query) for query in given], mode, arguments)
        return self._core.rank_documents(ready, vectors, arguments)

    def search_with_evidence(
        self,
        query: QueryLike | None,
        *,
        vector: ArrayLike | None = None,
        top_k: int = 5,
        mode: Mode = "hybrid",
        filter: FilterLike | None = None,
        principals: Sequence[str] | None = None,
        exact: bool = False,
        explain: bool = False,
        timeout_s: float | None = None,
        fusion: Fusion = "self_scaling",
        dense_weight: float | None = None,
        without: Sequence[str] = (),
    ) -> tuple[SearchResult, _core.Evidence]:
        """A search together with what the query looked like to the index: the raw material of answerability.

        Documents ``without`` are not found: as if the answer to a question were taken out of the corpus.
        """
        return self._search(
            query,
            vector=vector,
            top_k=top_k,
            mode=mode,
            filter=filter,
            principals=principals,
            exact=exact,
            explain=explain,
            timeout_s=timeout_s,
            fusion=fusion,
            dense_weight=dense_weight,
            evidence=True,
            without=without,
        )

    def _search(
        self,
        query: QueryLike | None,
        *,
        vector: ArrayLike | None,
        top_k: int,
        mode: Mode,
        filter: FilterLike | None,
        principals: Sequence[str] | None,
        exact: bool,
        explain: bool,
        timeout_s: float | None,
        fusion: Fusion,
        dense_weight: float | None,
        evidence: bool,
        without: Sequence[str] = (),
    ) -> tuple[SearchResult, _core.Evidence]:
        started = time.perf_counter()
        words, query_text = (None, "") if query is None else (asked(query), plain(query))
        if words is None and vector is None:
            raise InvalidInput("search needs a query, a vector, or both")
        if words is None and mode == "bm25":
            raise InvalidInput('mode "bm25" needs a query: a vector alone can only be searched densely')
        if words is None and mode == "hybrid":
            mode = "dense"
        arguments = told(
            self._embedder,
            top_k=top_k,
            mode=mode,
            filter=filter,
            principals=principals,
            exact=exact,
            explain=explain,
            evidence=evidence,
            without=without,
            timeout_s=timeout_s,
            fusion=fusion,
            dense_weight=dense_weight,
        )
        ready, checked = None, time.perf_counter()
        if vector is not None:
            ready = self._checked_vector(vector)
        elif query is not None:
            vectors = self._query_vectors([query_text], mode, arguments)
            ready = None if vectors is None else vectors[0]
        embedded = time.perf_counter()
        found, told_of, snapshot, warnings, parts = self._core.search(words, ready, arguments)
        searched = time.perf_counter()
        result = answered(query_text, found, warnings, snapshot, 0.0, explain=explain, mode=mode)
        ended = time.perf_counter()
        spent = stages(embedded - checked, parts, ended - searched)
        return replace(result, latency_ms=(ended - started) * 1000, stages=spent), told_of

    def _compared(
        self, *, vector: NDArray[np.float32], mode: Mode, top_k: int, principals: Sequence[str] | None, exact: bool
    ) -> SearchResult:
        """A search that nobody asked for, and that no log should count."""
        return self._search(
            None,
            vector=vector,
            top_k=top_k,
            mode=mode,
            filter=None,
            principals=principals,
            exact=exact,
            explain=False,
            timeout_s=None,
            fusion="self_scaling",
            dense_weight=None,
            evidence=False,
        )[0]

    def _note(self, results: Sequence[SearchResult], top_k: int) -> None:
        """Called with what is about to be returned, for an index that logs it."""

    def _query_vectors(
        self, asked: Sequence[str], mode: Mode, arguments: _core.SearchArguments
    ) -> NDArray[np.float32] | None:
        """The queries embedded, where vectors are searched; the time that it took is no longer theirs to search."""
        if not self._searches_dense(mode) or self._embedder is None:
            return None
        started = time.perf_counter()
        vectors = self._embedder.embed(asked)
        if (timeout_s := arguments["timeout_s"]) is not None:
            arguments["timeout_s"] = max(0.0, timeout_s - (time.perf_counter() - started))
        return vectors

    def _searches_dense(self, mode: Mode) -> bool:
        """Whether a query has to be embedded: an index without vectors has no use for it."""
        recorded = self._core.embedder
        if mode == "dense" and recorded is None and self._embedder is None:
            raise InvalidInput(
                "the index has no vectors and no embedder: open it with one, such as embedder='auto', "
                "or search with mode='bm25'"
            )
        if mode == "bm25" or recorded is None:
            return False
        if self._embedder is not None and self._embedder.fingerprint == recorded[1]:
            return True
        if mode == "dense":
            raise InvalidInput(
                f"the index has vectors of {recorded[0]!r} and no such embedder is open to embed the query: "
                "pass vector=, or search with mode='bm25'"
            )
        return False

    def stats(self) -> dict[str, object]:
        """Numbers that describe the index: documents, chunks, chunks with vectors, bytes, settings, recall.

        ``dense_recall_at_10`` is the share of the exact ten best that the default dense search finds, measured as by
        :meth:`recall` with 4 to 16 of the index's own vectors; ``None`` where no chunk with a vector can be found
        without principals. It is measured once for each generation, in less than half a second at a million chunks in
        memory, and takes longer where vectors have to come from the disk. The other numbers take no time.
        """
        statistics = self._numbers()
        generation = cast(int, statistics["generation"])
        measured = self._measured
        if measured is None or measured[0] != generation:
            embedded = cast(int, statistics["chunks_embedded"])
            self._measured = measured = generation, quick_recall(self._compared, self.sample(), embedded)
        return {**statistics, "dense_recall_at_10": measured[1]}

    def recall(
        self,
        queries: Sequence[str] | ArrayLike | None = None,
        *,
        top_k: int = 10,
        principals: Sequence[str] | None = None,
    ) -> Recall:
        """Measure which share of the ``top_k`` chunks of an exact dense search the default one finds on this index.

        Args:
            queries: Texts, or vectors of shape (n, dimension). By default 256 vectors of the index's own chunks, drawn
                evenly. These are easier than real questions, for each has itself as its best hit: pass the questions
                of your users to know what they get.
            top_k: Length of the compared lists.
            principals: Who asks; see :meth:`search`.

        Raises:
            InvalidInput: There is nothing to compare: no queries, vectors, embedder for texts, or chunks to be seen.
            DimensionMismatch: The vectors have another dimension than the index.

        >>> import numpy as np, ragstone, tempfile
        >>> with tempfile.TemporaryDirectory() as folder, ragstone.open(folder, embedder=None) as index:
        ...     _ = index.upsert([ragstone.Document(name, name) for name in "abcdefgh"], embeddings=np.eye(8))
        ...     measured = index.recall()
        >>> measured.recall, measured.queries, measured.stored
        (1.0, 8, True)
        """
        embed = self._embedder.embed if self._embedder is not None and self._searches_dense("hybrid") else None
        vectors = self.sample() if queries is None else query_vectors(queries, embed)
        return measured_recall(self._compared, vectors, top_k=top_k, principals=principals, stored=queries is None)

    def _checked_vector(self, vector: ArrayLike) -> NDArray[np.float32]:
        ready = float32(vector, "vector")
        if ready.ndim != 1:
            raise InvalidInput(f"vector has shape {ready.shape}, it must be one vector of shape (dimension,)")
        if not np.isfinite(ready).all() or not ready.any():
            raise InvalidInput("vector has no direction: every value must be finite, and one of them not zero")
        return ready
