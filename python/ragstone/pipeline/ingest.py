"""Brings files into an index: unchanged ones are skipped, changed ones replaced, vanished ones removed."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ragstone.arguments import listed
from ragstone.documents import find_files, read_document
from ragstone.errors import InvalidInput, RagstoneError
from ragstone.exchange import encoded
from ragstone.index import SearchIndex
from ragstone.pipeline.progress import Progress
from ragstone.records import Document, FileOutcome, IngestReport

__all__ = ["ingest"]

# What one commit holds at most: it bounds memory, and what an interruption can cost.
_CHUNKS_MAX = 8192
_CHARACTERS_MAX = 16 << 20


@dataclass(frozen=True, slots=True)
class _Known:
    """What the index holds of files: absolute path to (document_id, digest), and all ids in use."""

    by_path: dict[str, tuple[str, str]]
    ids: set[str]


@dataclass(frozen=True, slots=True)
class _File:
    """A file to read: its path as the user gave it, and the folder that it was found in."""

    path: Path
    root: Path
    absolute: str


def ingest(
    index: SearchIndex,
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    shown: Progress,
    sync: bool,
    embed: Literal["now", "later"],
) -> IngestReport:
    """See :meth:`ragstone.pipeline.Index.ingest`."""
    if embed not in ("now", "later"):
        raise InvalidInput(f'embed is {embed!r}: use "now" or "later"')
    started = time.perf_counter()
    roots = _roots(paths)
    known = _known(index)
    outcomes: list[FileOutcome] = []
    files = list(_files(roots, outcomes))
    chunks_added = 0
    for outcome_batch, chunks in _commits(index, files, known, shown):
        outcomes += outcome_batch
        chunks_added += chunks
    if sync:
        outcomes += _remove_vanished(index, roots, {file.absolute for file in files}, known)
    embedded = 0
    if embed == "now" and index.embedder is not None:
        embedded = index.embed_pending(progress=lambda done, total: shown.update("embedding", done, total, "chunks"))
    return IngestReport(
        files=tuple(outcomes),
        chunks_added=chunks_added,
        chunks_embedded=embedded,
        seconds=time.perf_counter() - started,
    )


def _roots(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Path]:
    given = [paths] if isinstance(paths, (str, os.PathLike)) else listed(paths, "paths")
    roots = []
    for path in given:
        if not isinstance(path, (str, os.PathLike)):
            raise InvalidInput(f"paths has {path!r}: pass names of files and folders")
        roots.append(Path(path))
    for root in roots:
        if not root.exists():
            raise InvalidInput(f"path {str(root)!r} does not exist")
    return roots


def _files(roots: Sequence[Path], failed: list[FileOutcome]) -> Iterator[_File]:
    """The files below the roots, each once; a folder that cannot be listed is added to ``failed``."""

    def on_error(folder: Path, error: OSError) -> None:
        failed.append(FileOutcome(_printable(folder), "failed", error.strerror or str(error)))

    seen = set()
    for root in roots:
        folder = root if root.is_dir() else root.parent
        for path in find_files([root], on_error=on_error):
            absolute = _absolute(path)
            if absolute not in seen:
                seen.add(absolute)
                yield _File(path=path, root=folder, absolute=absolute)


def _printable(path: str | os.PathLike[str]) -> str:
    """A path whose bytes are not UTF-8 with escapes in their place, as documents name their source."""
    return os.fspath(path).encode("utf-8", "backslashreplace").decode()


def _absolute(path: str | os.PathLike[str]) -> str:
    return os.path.abspath(_printable(path))


def _known(index: SearchIndex) -> _Known:
    rows = index.sources()
    by_path = {_absolute(source): (document_id, digest) for document_id, source, digest in rows if source}
    return _Known(by_path=by_path, ids={document_id for document_id, _, _ in rows})


def _commits(
    index: SearchIndex, files: Sequence[_File], known: _Known, shown: Progress
) -> Iterator[tuple[list[FileOutcome], int]]:
    """Reads all files and commits them in batches; yields what became of each batch's files."""
    outcomes: list[FileOutcome] = []
    characters = chunks = 0
    encoded_batch = []
    for number, file in enumerate(files, 1):
        document, outcome = _read(file, known)
        if document is not None:
            try:
                pieces = index.chunker.chunk(document)
                encoded_document = encoded(document, pieces)
            except RagstoneError as error:
                document, outcome = None, FileOutcome(_printable(file.path), "failed", str(error))
        if document is not None:
            encoded_batch.append(encoded_document)
            outcome = FileOutcome(outcome.source, outcome.outcome, outcome.reason, len(pieces))
            characters += len(document.text)
            chunks += len(pieces)
        outcomes.append(outcome)
        if chunks >= _CHUNKS_MAX or characters >= _CHARACTERS_MAX:
            index.commit_encoded(encoded_batch)
            yield outcomes, chunks
            outcomes, encoded_batch, characters, chunks = [], [], 0, 0
        shown.update("reading", number, len(files), "files")
    if encoded_batch:
        index.commit_encoded(encoded_batch)
    yield outcomes, chunks


def _read(file: _File, known: _Known) -> tuple[Document | None, FileOutcome]:
    """The document in a file, or ``None`` where it is unchanged or cannot be read."""
    source = _printable(file.path)
    former = known.by_path.get(file.absolute)
    try:
        if former is not None and former[1] and former[1] == _digest(file.path):
            return None, FileOutcome(source, "unchanged")
        document_id = former[0] if former is not None else _new_id(file, known)
        # Absolute, for a relative source would be another file's when the next call comes from another folder.
        document = read_document(os.path.abspath(file.path), document_id=document_id)
    except (RagstoneError, OSError) as error:
        return None, FileOutcome(source, "failed", str(error))
    known.ids.add(document_id)
    return document, FileOutcome(source, "added" if former is None else "replaced")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest_of(path)


def _digest_of(path: Path) -> str:
    # Python 3.10 has no hashlib.file_digest.
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _new_id(file: _File, known: _Known) -> str:
    """The shortest free name: relative to its folder, with the folder's name, or the whole path."""
    relative = os.path.relpath(file.absolute, _absolute(file.root)).replace(os.sep, "/")
    folder = Path(_absolute(file.root)).name
    for candidate in (relative, f"{folder}/{relative}"):
        if candidate not in known.ids:
            return candidate
    return file.absolute.replace(os.sep, "/")


def _is_gone(path: str) -> bool:
    """Whether there is certainly no such file: a folder that may not be searched tells nothing."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _remove_vanished(index: SearchIndex, roots: Sequence[Path], present: set[str], known: _Known) -> list[FileOutcome]:
    """Deletes documents whose files were in one of the given folders and are not there any more."""
    folders = [os.path.join(_absolute(root), "") for root in roots if root.is_dir()]
    vanished = {
        absolute: document_id
        for absolute, (document_id, _) in known.by_path.items()
        if absolute not in present and any(absolute.startswith(folder) for folder in folders)
    }
    # A file that is still there but is not read any more (a changed rule, a lost permission) keeps its document.
    gone = {absolute: document_id for absolute, document_id in vanished.items() if _is_gone(absolute)}
    if gone:
        index.delete(document_ids=gone.values())
    return [FileOutcome(absolute, "removed") for absolute in gone]
