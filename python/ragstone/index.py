"""The index as a store of chunks: add, replace, delete, search. It reads no files and takes no decisions.

:class:`ragstone.pipeline.Index` adds what needs the other parts: ingesting files and asking questions.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ragstone import _core
from ragstone.arguments import listed, one_of, shown, text, texts
from ragstone.arrays import float32
from ragstone.chunking import Chunker, embedding_text
from ragstone.errors import DimensionMismatch, EmbedderMismatch, InvalidInput, NotFound
from ragstone.exchange import (
    Fusion,
    Mode,
    answered,
    checked_batch,
    decoded_chunks,
    decoded_document,
    encoded,
    stages,
    told,
)
from ragstone.filters import Filter, FilterLike, filter_json
from ragstone.query import QueryLike, asked, plain
from ragstone.recall import Recall, measured_recall, query_vectors, quick_recall
from ragstone.records import Chunk, Document, Embedder, SearchResult

__all__ = ["Fusion", "Mode", "SearchIndex"]

# Seconds of embedding between two commits of vectors: what an interruption can cost.
_COMMIT_SECONDS = 5.0
_ROWS_MIN, _ROWS_MAX = 256, 65_536


class SearchIndex:
    """An index directory with the embedder and the chunker that belong to it. Use as a context manager, or close it.

    Made by :func:`ragstone.open`. Safe to use from several threads.
    """

    def __init__(self, core: _core.Index, *, path: Path, embedder: Embedder | None, chunker: Chunker) -> None:
        """Take over an open index; :func:`ragstone.open` is the way to get one."""
        self._core = core
        self._path = path
        self._embedder = embedder
        self._chunker = chunker
        # (generation, recall at 10) of the last measurement.
        self._measured: tuple[int, float | None] | None = None

    @property
    def path(self) -> Path:
        """The directory."""
        return self._path

    @property
    def generation(self) -> int:
        """Number of the commit that is being read."""
        return self._core.generation

    @property
    def read_only(self) -> bool:
        """Whether the index was opened only to read."""
        return self._core.read_only

    @property
    def embedder(self) -> Embedder | None:
        """The embedder of this index."""
        return self._embedder

    # Writing

    def upsert(
        self,
        documents: Iterable[Document],
        embeddings: ArrayLike | None = None,
        *,
        embed: Literal["now", "later"] = "now",
    ) -> int:
        """Add documents, or replace those with the same ids, in one durable commit: all or nothing.

        Args:
            documents: What to add. An id may occur once.
            embeddings: Array of shape (documents, dimension), float32, one finite, non-zero vector for each document;
                each document is then one chunk. Without it, documents are chunked and embedded.
            embed: ``"later"`` makes the text searchable by BM25 at once; :meth:`embed_pending` adds the vectors.

        Returns:
            The number of chunks written.

        Raises:
            InvalidInput: A document or an embedding cannot be stored; nothing was changed.
            DimensionMismatch: The embeddings have another dimension than the index.
            EmbedderMismatch: The index has vectors that its embedder did not make.

        >>> import ragstone, tempfile
        >>> with tempfile.TemporaryDirectory() as folder, ragstone.open(folder, embedder=None) as index:
        ...     both = [ragstone.Document("a", "north", metadata={"year": 2024}), ragstone.Document("b", "east")]
        ...     index.upsert(both, embeddings=[[0.0, 1.0], [1.0, 0.0]])
        ...     index.search(vector=[0.9, 0.1])[0].document_id
        ...     index.delete(filter=ragstone.F("year") == 2024)
        2
        'b'
        1
        """
        checked = checked_batch(documents)
        if embeddings is not None:
            return self._commit_embedded(checked, embeddings)
        one_of(embed, "embed", ("now", "later"))
        chunked = [(document, self._chunker.chunk(document)) for document in checked]
        vectors = None
        if embed == "now" and self._embedder is not None:
            self._refuse_other_embedder(self._embedder)
            embedded = [embedding_text(document.title, chunk) for document, chunks in chunked for chunk in chunks]
            if embedded:
                vectors = self._embedder.embed(embedded)
        ready = [encoded(document, chunks) for document, chunks in chunked]
        if vectors is not None and self._embedder is not None:
            self._learn_embedder(self._embedder)
        return self.commit_encoded(ready, vectors)

    def delete(self, *, document_ids: Iterable[str] = (), filter: FilterLike | None = None) -> int:
        """Delete documents by id, by filter, or both, in one durable commit; unknown ids are no error.

        Returns:
            The number of documents deleted.

        Raises:
            InvalidInput: The filter has no condition and so would delete everything.
        """
        doomed = texts(document_ids, "document_ids", "document_id")
        if filter is not None:
            if not (filter.json_form if isinstance(filter, Filter) else filter):
                raise InvalidInput("filter has no condition and would delete every document: name their ids for that")
            doomed += self._core.matching(cast(str, filter_json(filter)))
        return self._core.commit([], doomed, None)[3]

    def embed_pending(self, *, progress: Callable[[int, int], None] | None = None) -> int:
        """Embed the chunks that have no vector yet; what is done is kept if this is interrupted.

        Args:
            progress: Called with (chunks embedded, chunks to embed) after each commit.

        Returns:
            The number of chunks embedded.
        """
        if self._embedder is None:
            raise InvalidInput("the index has no embedder: open it with one, such as embedder='auto'")
        self._refuse_other_embedder(self._embedder)
        statistics = self._numbers()
        total = cast(int, statistics["chunks"]) - cast(int, statistics["chunks_embedded"])
        done, rows = 0, _ROWS_MIN
        while (pending := self._core.pending(rows)) is not None:
            started = time.perf_counter()
            segment, first_row, pairs = pending
            waiting = [f"{pair[0]}\n{pair[1]}" if pair[0] else pair[1] for pair in pairs if pair is not None]
            empty = np.empty((0, self._embedder.dimension), dtype=np.float32)
            vectors = self._embedder.embed(waiting) if waiting else empty
            self._learn_embedder(self._embedder)
            try:
                self._core.attach(segment, first_row, [pair is not None for pair in pairs], vectors)
            except NotFound:
                # A merge has taken the segment meanwhile: its chunks wait in the merged one.
                continue
            done += len(waiting)
            seconds = max(time.perf_counter() - started, 1e-6)
            rows = int(min(max(len(pairs) * _COMMIT_SECONDS / seconds, _ROWS_MIN), _ROWS_MAX))
            if progress is not None:
                progress(done, max(total, done))
        return done

    def merge(self) -> int:
        """Merge what can be merged and free the space of deleted chunks; returns the number of merges.

        Chunks with vectors and chunks that wait for theirs stay apart. Merges happen by themselves in the background;
        this is for a quiet moment.
        """
        return self._core.merge(True)

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
        words = None if query is None else asked(query)
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
            vectors = self._query_vectors([plain(query)], mode, arguments)
            ready = None if vectors is None else vectors[0]
        embedded = time.perf_counter()
        found, told_of, snapshot, warnings, parts = self._core.search(words, ready, arguments)
        searched = time.perf_counter()
        result = answered(plain(query or ""), found, warnings, snapshot, 0.0, explain=explain, mode=mode)
        ended = time.perf_counter()
        spent = stages(embedded - checked, parts, ended - searched)
        return replace(result, latency_ms=(ended - started) * 1000, stages=spent), told_of

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

    # Looking inside

    @property
    def chunker(self) -> Chunker:
        """The chunker of this index."""
        return self._chunker

    def sources(self) -> list[tuple[str, str, str]]:
        """(document_id, source, content_sha256) of every document."""
        return self._core.documents()

    def __len__(self) -> int:
        """Number of live chunks."""
        return cast(int, self._numbers()["chunks"])

    def document(self, document_id: str) -> Document | None:
        """A document as it is stored, or ``None``; its ``text`` is what citations point into."""
        found = self._core.document(text(document_id, "document_id"))
        return None if found is None else decoded_document(found)

    def chunks(self, document_id: str) -> list[Chunk]:
        """The chunks of a document, in order; empty if there is no such document."""
        found = self._core.document(text(document_id, "document_id"))
        return [] if found is None else decoded_chunks(found)

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
            self._measured = measured = generation, quick_recall(self.search, self.sample(), embedded)
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
        return measured_recall(self.search, vectors, top_k=top_k, principals=principals, stored=queries is None)

    def sample(self) -> NDArray[np.float32]:
        """Vectors of at most 256 chunks drawn evenly, shape (n, dimension), in random order; for the parts above."""
        return self._core.sample()

    def _numbers(self) -> dict[str, object]:
        """The numbers that the engine has at hand."""
        return cast("dict[str, object]", json.loads(self._core.statistics()))

    def history(self, document_id: str | None = None) -> list[dict[str, object]]:
        """Every change that was committed, of one document or of all, oldest first.

        Each is a dict with ``generation``, ``document_id``, ``action`` (``added``, ``replaced``, ``deleted``),
        ``time_ms`` since 1970 and the new text's ``text_sha256``.
        """
        name = None if document_id is None else text(document_id, "document_id")
        return cast("list[dict[str, object]]", json.loads(self._core.history(name)))

    def verify(self) -> list[str]:
        """Check every byte and every structure; returns one message for each damaged file, none if all is well."""
        return self._core.verify()

    def snapshot(self, path: str | Path) -> int:
        """Copy the committed state into a new or empty directory, complete and durable; returns its generation."""
        return self._core.copy_to(Path(path))

    def refresh(self) -> bool:
        """Move a read-only index on to the newest commit of its writer; tells whether there was one."""
        return self._core.refresh()

    def close(self) -> None:
        """End background work and release the writer's lock; writing is refused from then on.

        What was open stays searchable until the object goes. Closing twice does no harm.
        """
        self._core.close()

    def __enter__(self) -> SearchIndex:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        statistics = self._numbers()
        name = self._embedder.name if self._embedder is not None else None
        return (
            f"<ragstone index {str(self._path)!r}: {statistics['documents']} documents, {statistics['chunks']} chunks, "
            f"embedder {name!r}, generation {statistics['generation']}>"
        )

    # Helpers

    def _learn_embedder(self, embedder: Embedder) -> None:
        """Record the embedder with the first vectors."""
        if self._core.embedder is None:
            self._core.set_embedder(embedder.name, embedder.fingerprint, embedder.dimension)

    def _refuse_other_embedder(self, embedder: Embedder) -> None:
        """Vectors of two embedders have nothing to do with each other, even where their dimensions agree."""
        recorded = self._core.embedder
        if recorded is not None and recorded[1] != embedder.fingerprint:
            raise EmbedderMismatch(
                f"the index has vectors of {recorded[0]!r} ({recorded[2]} dimensions), "
                f"{embedder.name!r} ({embedder.dimension} dimensions) cannot add to them: pass embeddings=, "
                "or embed='later' for text alone"
            )

    def _commit_embedded(self, documents: Sequence[Document], embeddings: ArrayLike) -> int:
        vectors = float32(embeddings, "embeddings")
        if vectors.ndim != 2 or len(vectors) != len(documents):
            raise InvalidInput(
                f"embeddings have shape {vectors.shape}, "
                f"for {len(documents)} documents they need ({len(documents)}, dimension)"
            )
        whole = []
        for document in documents:
            if not document.text.strip():
                raise InvalidInput(f"document {document.document_id!r} has no text to go with its embedding")
            whole.append((document, [Chunk(start=0, end=len(document.text), text=document.text)]))
        # All is checked before the embedder is recorded: a refused batch leaves no trace.
        ready = [encoded(document, chunks) for document, chunks in whole]
        dimension = int(vectors.shape[1])
        expected = self._core.embedder[2] if self._core.embedder is not None else dimension
        if dimension != expected:
            raise DimensionMismatch(f"embeddings have {dimension} dimensions, index expects {expected}")
        unusable = ~np.isfinite(vectors).all(axis=1) | ~vectors.any(axis=1)
        if unusable.any():
            row = int(unusable.argmax())
            raise InvalidInput(
                f"embedding {row} is {shown(vectors[row].tolist())}: each must be finite and not zero everywhere"
            )
        if self._core.embedder is None and documents:
            if self._embedder is not None and self._embedder.dimension == dimension:
                self._learn_embedder(self._embedder)
            else:
                self._core.set_embedder("vectors", "", dimension)
        return self.commit_encoded(ready, vectors)

    def commit_encoded(
        self, documents: Sequence[_core._DocumentTuple], vectors: NDArray[np.float32] | None = None
    ) -> int:
        """Commit documents that :func:`encoded` made ready; for the parts above. Returns the number of chunks."""
        return self._core.commit(list(documents), [], vectors)[4]

    def _checked_vector(self, vector: ArrayLike) -> NDArray[np.float32]:
        ready = float32(vector, "vector")
        if ready.ndim != 1:
            raise InvalidInput(f"vector has shape {ready.shape}, it must be one vector of shape (dimension,)")
        if not np.isfinite(ready).all() or not ready.any():
            raise InvalidInput("vector has no direction: every value must be finite, and one of them not zero")
        return ready
