"""The index that users hold: a store of chunks that also ingests files and answers questions."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from ragstone import _core
from ragstone.answerability import Model, shipped
from ragstone.arguments import integer, number, one_of, shown, text
from ragstone.calibrated import FILE as CALIBRATION_FILE
from ragstone.calibrated import Calibration, read_calibration, write_calibration
from ragstone.chunking import Chunker
from ragstone.embedding import embedder as find_embedder
from ragstone.embedding.threads import thread_budget
from ragstone.errors import EmbedderMismatch, InvalidInput, StorageError
from ragstone.filters import FilterLike
from ragstone.index import SearchIndex
from ragstone.pipeline.ask import ask
from ragstone.pipeline.ingest import ingest
from ragstone.pipeline.progress import Progress
from ragstone.records import Answer, Embedder, IngestReport, Recorder, SearchResult

__all__ = ["Index", "open"]

_log = logging.getLogger("ragstone")

# Name recorded for vectors that a user brought: no embedder can make more of them.
_BROUGHT = "vectors"


class Index(SearchIndex):
    """An index directory that ingests files and answers questions. Made by :func:`ragstone.open`."""

    _query_log: Recorder | None = None
    # When the file was written and how long it is, and what was in it.
    _calibrated: tuple[tuple[int, int], Calibration | None] | None = None

    def ingest(
        self,
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        *,
        progress: bool = False,
        sync: bool = True,
        embed: Literal["now", "later"] = "now",
    ) -> IngestReport:
        """Read files and folders into the index: parse, chunk, commit, embed.

        Files seen before and unchanged are skipped by the digest of their bytes, changed ones replaced. What is
        committed stays: after an interruption the same call goes on where it stopped.

        Args:
            paths: Files and folders.
            progress: Show a line with rate and time left on standard error.
            sync: Remove documents whose files have vanished from the given folders.
            embed: ``"later"`` makes the text searchable by BM25 at once; :meth:`embed_pending` adds the vectors.

        Returns:
            A report that lists every file with its outcome; a file that cannot be read is a line in it, not an error.

        Raises:
            InvalidInput: A path does not exist.
            StorageError: The index cannot be written.

        >>> import ragstone, tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "policy.md").write_text("Refunds are paid within 30 days.")
        ...     with ragstone.open(Path(folder, "kb"), embedder="hashing") as index:
        ...         first, second = (index.ingest(Path(folder, "policy.md")) for _ in range(2))
        >>> first.count("added"), second.count("unchanged")
        (1, 1)
        """
        with Progress(shown=progress) as shown:
            return ingest(self, paths, shown=shown, sync=sync, embed=embed)

    def ask(
        self,
        query: str,
        *,
        top_k: int = 5,
        filter: FilterLike | None = None,
        principals: Sequence[str] | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """Route a query, then do what its path needs.

        A factual query returns cited hits, or abstains where the corpus does not seem to hold an answer. A behavioural
        one returns the advisory fine-tune path and no passages forced on it; ``warnings`` say if a style guide is what
        a search finds for it. A hybrid one returns both. Anything else passes: it needs neither. Where the text leaves
        open whether facts are needed, what the index holds decides (:mod:`ragstone.recommender.evidence`).

        Args:
            query: What a user typed.
            top_k: Most hits returned.
            filter: Documents that may be cited.
            principals: Who asks; see :meth:`search`.
            timeout_s: Seconds after which the search gives up.

        Raises:
            InvalidInput: An argument cannot be used.
            SearchTimeout: The search took longer than ``timeout_s``.

        >>> import ragstone, tempfile
        >>> with tempfile.TemporaryDirectory() as folder, ragstone.open(folder, embedder="hashing") as index:
        ...     _ = index.upsert([ragstone.Document("policy", "Refunds are paid within 30 days.")])
        ...     answer = index.ask("When are refunds paid?")
        >>> answer.path, answer.abstained, answer.citations[0].document_id
        ('retrieve', False, 'policy')
        >>> print(answer.context)
        [1] policy
        Refunds are paid within 30 days.
        """
        return ask(
            self,
            query,
            judge=self.judge,
            top_k=top_k,
            filter=filter,
            principals=principals,
            timeout_s=timeout_s,
            query_log=self._query_log,
        )

    def __enter__(self) -> Index:
        return self

    def calibration(self) -> Calibration | None:
        """What ``ragstone.calibrate`` found for this index; ``None`` without, or if it is for another embedder.

        Read again when its file has changed.

        Raises:
            InvalidInput: The file is damaged.
        """
        path = self.path / CALIBRATION_FILE
        try:
            state = path.stat()
        except FileNotFoundError:
            self._calibrated = None
            return None
        mark = (state.st_mtime_ns, state.st_size)
        if self._calibrated is None or self._calibrated[0] != mark:
            found = read_calibration(self.path)
            own = None if self.embedder is None else self.embedder.fingerprint
            if found is not None and found.embedder is not None and found.embedder != own:
                _log.warning("%s is for another embedder and not used: run `ragstone calibrate` again", path)
                found = None
            self._calibrated = (mark, found)
        return self._calibrated[1]

    def judge(self, evidence: _core.Evidence) -> Model:
        """The model that tells how likely this evidence's hits contain an answer: calibrated, or as it ships."""
        own = self.calibration()
        # Weights for both halves mean nothing where BM25 alone found something, and the other way round.
        if own is not None and bool(evidence["cosine"]) == (own.embedder is not None):
            return own.model
        return shipped(evidence, None if self.embedder is None else self.embedder.name)

    def snapshot(self, path: str | os.PathLike[str]) -> int:
        """Copy the committed state, and the calibration, into a new or empty directory; returns its generation."""
        generation = super().snapshot(Path(path))
        if (own := self.calibration()) is not None:
            write_calibration(Path(path), own)
        return generation

    def _note(self, results: Sequence[SearchResult], top_k: int) -> None:
        if self._query_log is not None:
            for result in results:
                self._query_log.record(result, top_k=top_k)


def open(
    path: str | os.PathLike[str],
    *,
    read_only: bool = False,
    embedder: str | os.PathLike[str] | Embedder | None = "auto",
    mmap: bool = True,
    verify: Literal["auto", "full", "structure"] = "auto",
    language: str = "english",
    k1: float = 1.2,
    b: float = 0.75,
    max_tokens: int = 256,
    overlap_tokens: int = 32,
    query_log: Recorder | None = None,
) -> Index:
    """Open the index in a directory, creating it where it does not exist.

    Args:
        path: The directory. A new one is created, with its parents; one that holds other files is refused.
        read_only: Take no lock and create nothing: any number of processes may read beside one writer.
        embedder: ``"auto"`` is the index's own embedder, or for a new index ``"minilm"`` where its packages are
            installed and else ``"builtin"``. Also a name, the path of an ONNX model folder, an :class:`Embedder`, or
            ``None`` for BM25 alone.
        mmap: Map files into memory; ``False`` reads them to the heap, which survives another program truncating them.
        verify: How much is checked at open: ``"structure"``, ``"full"``, or by file size (``"auto"``).
        language: Stemming and stop words of a new index, a Snowball name such as ``"english"`` or ``"german"``, or
            ``"none"``; :func:`ragstone.detect_language` tells it from a sample. An index keeps its own.
        k1: BM25 of a new index: how fast repeated terms saturate.
        b: BM25 of a new index: how much length counts, from 0 to 1.
        max_tokens: Largest chunk, counted by the embedder's tokenizer, its context included.
        overlap_tokens: What neighbouring chunks share at most.
        query_log: Where ``ask``, ``search`` and ``search_batch`` note what was asked and found, such as a
            :class:`ragstone.monitoring.QueryLog`; by default nowhere.

    Raises:
        InvalidInput: An argument cannot be used, such as a language without a stemmer.
        NotFound: ``read_only`` and there is no index.
        IndexLocked: Another writer holds the index; the message names its process.
        CorruptIndex: A file is damaged.
        IncompatibleIndex: The index was written by a newer release.
        EmbedderMismatch: The index was built with another embedder.

    >>> import tempfile
    >>> from ragstone import Document
    >>> with tempfile.TemporaryDirectory() as folder, open(folder, embedder="hashing") as index:
    ...     index.upsert([Document(document_id="a", text="Refunds are paid within 30 days.")])
    ...     index.search("when are refunds paid?")[0].document_id
    1
    'a'
    """
    directory = _directory(path)
    for name, flag in (("read_only", read_only), ("mmap", mmap)):
        if not isinstance(flag, bool):
            raise InvalidInput(f"{name} is {shown(flag)}: pass True or False")
    # A name that does not exist must not leave a new, empty index behind.
    wanted = find_embedder(embedder) if isinstance(embedder, (str, os.PathLike)) and embedder != "auto" else embedder
    if wanted is not None and wanted != "auto" and not isinstance(wanted, Embedder):
        raise InvalidInput(f"embedder is {shown(wanted)}: pass a name, a folder, an Embedder or None")
    if query_log is not None and not callable(getattr(query_log, "record", None)):
        raise InvalidInput(f"query_log is {shown(query_log)}: pass a QueryLog, or None")
    integer(max_tokens, "max_tokens", 8, 1_000_000)
    integer(overlap_tokens, "overlap_tokens", 0, 1_000_000)
    core = _core.Index(
        # Absolute, for a process may change its working directory while the index is open.
        directory.absolute(),
        read_only=read_only,
        mmap=mmap,
        verify=one_of(verify, "verify", ("auto", "full", "structure")),
        threads=thread_budget(),
        background_merges=True,
        language=text(language, "language"),
        k1=number(k1, "k1", 0, 1e6),
        b=number(b, "b", 0, 1),
        embedder=None,
    )
    try:
        chosen = _embedder_of(core, wanted)
        # An embedder may take less than the chunker would give it.
        limit = max_tokens if chosen is None else min(max_tokens, chosen.max_tokens)
        counter = None if chosen is None else chosen.count_tokens
        chunker = Chunker(max_tokens=limit, overlap_tokens=min(overlap_tokens, limit // 2), token_counter=counter)
    except BaseException:
        core.close()
        raise
    index = Index(core, path=directory, embedder=chosen, chunker=chunker)
    index._query_log = query_log
    return index


def _directory(path: object) -> Path:
    """Where an index is or can be."""
    if not isinstance(path, (str, os.PathLike)):
        raise InvalidInput(f"path is {shown(path)}: pass the name of a directory")
    directory = Path(path)
    if directory.exists() and not directory.is_dir():
        raise StorageError(f"path {shown(str(directory))} is a file: an index is a directory of its own")
    return directory


def _embedder_of(core: _core.Index, wanted: str | os.PathLike[str] | Embedder | None) -> Embedder | None:
    """The embedder that the caller wants, which must be the one that the index remembers."""
    recorded = core.embedder
    if wanted is None:
        return None
    if wanted == "auto" and recorded is not None:
        name, fingerprint, _ = recorded
        if name == _BROUGHT:
            return None
        try:
            chosen = find_embedder(name)
        except InvalidInput:
            raise EmbedderMismatch(
                f"the index was built with the embedder {name!r}: open it with embedder='path/to/its/folder'"
            ) from None
    else:
        chosen = wanted if isinstance(wanted, Embedder) else find_embedder()
    if recorded is None:
        if not core.read_only:
            _log.info("new index uses the embedder %r (%d dimensions)", chosen.name, chosen.dimension)
        return chosen
    name, fingerprint, dimension = recorded
    if name != _BROUGHT and chosen.fingerprint != fingerprint:
        raise EmbedderMismatch(
            f"the index was built with the embedder {name!r} ({fingerprint[:12]}, {dimension} dimensions), "
            f"it was opened with {chosen.name!r} ({chosen.fingerprint[:12]}, {chosen.dimension} dimensions): "
            "open it with embedder='auto', or build it again"
        )
    return chosen
