"""The index as a store of chunks: add, replace, delete, look up, copy. It reads no files and takes no decisions.

:class:`ragstone.index.SearchIndex` adds searching.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ragstone import _core
from ragstone.arguments import one_of, shown, text
from ragstone.arguments import texts as texts_of
from ragstone.arrays import float32
from ragstone.chunking import Chunker, embedding_text
from ragstone.errors import DimensionMismatch, EmbedderMismatch, InvalidInput, NotFound
from ragstone.exchange import checked_batch, decoded_chunks, decoded_document, encoded
from ragstone.filters import Filter, FilterLike, filter_json
from ragstone.records import Chunk, Document, Embedder, Superseded

__all__ = ["Store"]

# Seconds of embedding between two commits of vectors: what an interruption can cost.
_COMMIT_SECONDS = 5.0
_ROWS_MIN, _ROWS_MAX = 256, 65_536


class Store:
    """An index directory with the embedder and the chunker that belong to it; what can be done without searching."""

    def __init__(self, core: _core.Index, *, path: Path, embedder: Embedder | None, chunker: Chunker) -> None:
        """Take over an open index; :func:`ragstone.open` is the way to get one."""
        self._core = core
        self._path = path
        self._embedder = embedder
        self._chunker = chunker

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
        changed_at: datetime | None = None,
    ) -> int:
        """Add documents, or replace those with the same ids, in one durable commit: all or nothing.

        Args:
            documents: What to add. An id may occur once.
            embeddings: Array of shape (documents, dimension), float32, one finite, non-zero vector for each document;
                each document is then one chunk. Without it, documents are chunked and embedded.
            embed: ``"later"`` makes the text searchable by BM25 at once; :meth:`embed_pending` adds the vectors.
            changed_at: When the documents changed, if that was not now, for :meth:`history`: to replay versions that
                are kept elsewhere, oldest first. Without a time zone it is UTC.

        Returns:
            The number of chunks written.

        Raises:
            InvalidInput: A document or an embedding cannot be stored, or ``changed_at`` is in the future or before
                1970; nothing was changed.
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
        checked, changed_ms = checked_batch(documents), _milliseconds(changed_at)
        if embeddings is not None:
            return self._commit_embedded(checked, embeddings, changed_ms)
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
        return self.commit_encoded(ready, vectors, changed_ms)

    def delete(
        self,
        *,
        document_ids: Iterable[str] = (),
        filter: FilterLike | None = None,
        changed_at: datetime | None = None,
    ) -> int:
        """Delete documents by id, by filter, or both, in one durable commit; unknown ids are no error.

        Args:
            document_ids: Which ones.
            filter: All that pass it.
            changed_at: As :meth:`upsert` has it.

        Returns:
            The number of documents deleted.

        Raises:
            InvalidInput: The filter has no condition and so would delete everything.
        """
        doomed = texts_of(document_ids, "document_ids", "document_id")
        if filter is not None:
            if not (filter.json_form if isinstance(filter, Filter) else filter):
                raise InvalidInput("filter has no condition and would delete every document: name their ids for that")
            doomed += self._core.matching(cast(str, filter_json(filter)))
        return self._core.commit([], doomed, None, _milliseconds(changed_at))[3]

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

    def superseded(self, texts: Sequence[str]) -> list[list[Superseded]]:
        """Find what texts state that an indexed document once stated and its current version no longer states.

        Facts that can be checked to the letter are compared: numbers, money, percentages, dates, times, quantities,
        identifiers such as versions, and names in sentences about an office. Each is known by its value, however it is
        written, and by the words around it, which have to be enough of those of the former version. Nothing is reported
        that the current version, or a passage that word search finds, states among as many of these words.
        Of former versions the index keeps hashes alone, of at most 256 facts a replacement; of a deleted document,
        none after the next merge. What a sentence says without such a fact is not seen.

        Args:
            texts: Each is looked at on its own: a training answer, a page.

        Returns:
            For each text its spans, ascending and apart; ``start`` and ``end`` are ``str`` indices.

        Raises:
            InvalidInput: A text is not a ``str``, or larger than 64 MiB in UTF-8.

        >>> import ragstone, tempfile
        >>> with tempfile.TemporaryDirectory() as folder, ragstone.open(folder, embedder=None) as index:
        ...     for days in 30, 45:
        ...         rule = f"Unused goods may be returned within {days} days of delivery."
        ...         chunks = index.upsert([ragstone.Document("returns", rule, title="Returns")])
        ...     [old], new = index.superseded(["Return goods in thirty days.", "Return goods in 45 days."])
        >>> old.text, old.kind, old.document_id, new
        ('thirty days', 'quantity', 'returns', [])
        """
        given = texts_of(texts, "texts", "text")
        return [[Superseded(*one) for one in found] for found in self._core.superseded(given)]

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

    def _commit_embedded(self, documents: Sequence[Document], embeddings: ArrayLike, changed_ms: int | None) -> int:
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
        return self.commit_encoded(ready, vectors, changed_ms)

    def commit_encoded(
        self,
        documents: Sequence[_core._DocumentTuple],
        vectors: NDArray[np.float32] | None = None,
        changed_ms: int | None = None,
    ) -> int:
        """Commit documents that :func:`encoded` made ready; for the parts above. Returns the number of chunks."""
        return self._core.commit(list(documents), [], vectors, changed_ms)[4]


def _milliseconds(moment: datetime | None) -> int | None:
    """Milliseconds since 1970 of a moment in the past."""
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        raise InvalidInput(f"changed_at is {shown(moment)}: pass a datetime")
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    since = (aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    if not 0 <= since <= time.time():
        raise InvalidInput(f"changed_at is {moment.isoformat()}: it must lie between 1970 and now")
    return int(since * 1000)
