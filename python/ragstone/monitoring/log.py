"""An opt-in log of what was asked and answered: JSON Lines that never grow past a limit and never disturb a search.

Nothing is written unless a :class:`QueryLog` is made, and nothing leaves the machine. A folder holds the files
``queries-<time>-<process>-<number>.jsonl``, each written by one process and readable by its user alone. A line is
written at once and whole; after a crash at most the last one is torn, and reading skips it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import secrets
import threading
import time
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Literal, TypeAlias

from ragstone.arguments import integer, one_of, shown
from ragstone.errors import InvalidInput, StorageError
from ragstone.records import Answer, Hit, SearchResult

__all__ = ["PATTERN", "QueryLog", "Redact"]

Redact: TypeAlias = "Literal['none', 'hash', 'drop'] | Callable[[str], str]"

PATTERN = "queries-*.jsonl"
_KEY_NAME, _KEY_BYTES = "key", 32
_SIZE_MIN, _SIZE_MAX = 1 << 20, 1 << 50
# A folder has about so many files, and is looked at whenever a process has written so large a part of the limit.
_FILES, _STEPS = 8, 64
# More of a query, or more hits, tell nothing that monitoring uses.
_QUERY_CHARACTERS_MAX, _HITS_MAX = 4096, 100
_log = logging.getLogger("ragstone")


class QueryLog:
    """Appends answers, search results and feedback to a folder. Safe to share between threads and across a fork.

    Args:
        path: The folder; created, with its parents, for its user alone.
        size_bytes_max: What all files together may have, 1 MiB or more; the oldest go first. Several processes
            writing at once may pass it by a 64th each.
        redact: What becomes of the query's text: ``"none"`` keeps it; ``"hash"`` writes a keyed digest, so that equal
            queries stay equal and nobody without the key can guess them; ``"drop"`` writes nothing; a function returns
            the text to keep. Numbers of words and characters are always kept, document ids too.
        key: Secret for ``"hash"``, 16 to 64 bytes; by default one that is made once and kept in the folder, which
            protects copies of the log files without it.

    Raises:
        InvalidInput: An argument cannot be used.
        StorageError: The folder cannot be made or written.

    After that, nothing raises: what cannot be written is counted in ``errors``, and the first time is a warning of the
    logger ``ragstone``. A write goes to the system's cache of a local disk and takes some microseconds.

    >>> import ragstone, tempfile
    >>> with tempfile.TemporaryDirectory() as folder, ragstone.open(f"{folder}/kb", embedder="hashing") as index:
    ...     _ = index.upsert([ragstone.Document("a", "Refunds take 30 days.")])
    ...     with QueryLog(f"{folder}/log", redact="hash") as log:
    ...         answer = index.ask("How long do refunds take?")
    ...         name = log.record(answer)
    ...         log.feedback(answer, relevant=["a"]), log.errors
    (True, 0)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        size_bytes_max: int = 64 << 20,
        redact: Redact = "none",
        key: bytes | None = None,
    ) -> None:
        if not isinstance(path, (str, os.PathLike)):
            raise InvalidInput(f"path is {shown(path)}: pass the name of a folder")
        self._folder = Path(path).absolute()
        self._most = integer(size_bytes_max, "size_bytes_max", _SIZE_MIN, _SIZE_MAX)
        self._redact: Redact = redact
        if not callable(redact):
            one_of(redact, "redact", ("none", "hash", "drop"))
        if key is not None and not (isinstance(key, bytes) and 16 <= len(key) <= 64):
            raise InvalidInput("key must be 16 to 64 bytes: secrets.token_bytes(32) makes one")
        self._salt = secrets.token_bytes(16)
        self._lock, self._process = threading.Lock(), os.getpid()
        self._file, self._written, self._since_look, self._number = -1, 0, 0, 0
        self._torn = self._closed = self._warned = False
        self._errors = 0
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._key = key if key is not None or redact != "hash" else _kept_key(self._folder)
            self._next_file()
        except OSError as error:
            raise StorageError(f"the query log {str(self._folder)!r} cannot be written: {error}") from None

    @property
    def path(self) -> Path:
        """The folder."""
        return self._folder

    @property
    def errors(self) -> int:
        """How many records could not be written."""
        return self._errors

    def record(
        self,
        result: Answer | SearchResult,
        *,
        found: SearchResult | None = None,
        top_k: int | None = None,
    ) -> str | None:
        """Append an answer or a search result; returns its id, or ``None`` where it could not be written.

        Args:
            result: What was returned to the asker.
            found: For an answer, the search behind it, which knows scores even where the answer abstained.
            top_k: Most hits that were asked for.
        """
        try:
            name = self._identity(result)
            row = {"v": 1, "id": name, "time_ms": int(time.time() * 1000), **self._texts(result.query)}
            search = result if isinstance(result, SearchResult) else found
            hits = result.hits if search is None else search.hits
            if isinstance(result, Answer):
                row |= {
                    "path": result.path,
                    "p_behaviour": _rounded(result.route.p_behaviour),
                    "p_facts": _rounded(result.route.p_facts),
                    "answerability": None if result.answerability is None else _rounded(result.answerability),
                    "abstained": result.abstained,
                }
            row |= {
                "mode": None if search is None else search.mode,
                "top_k": top_k,
                "generation": _generation(search, hits),
                "documents": [hit.document_id for hit in hits[:_HITS_MAX]],
                "chunks": [hit.chunk_id for hit in hits[:_HITS_MAX]],
                "scores": [_rounded(hit.score) for hit in hits[:_HITS_MAX]],
                "latency_ms": _rounded(result.latency_ms),
            }
            if result.stages is not None:
                row["stages_ms"] = {stage: _rounded(spent) for stage, spent in asdict(result.stages).items() if spent}
            return name if self._append(row) else None
        except Exception as error:
            # Whatever is wrong with a result or a caller's function, the search has already succeeded.
            self._fail(error)
            return None

    def feedback(self, result: Answer | SearchResult | str, relevant: Iterable[str] | Mapping[str, int]) -> bool:
        """Append what the asker found relevant; tells whether it was written.

        Args:
            result: The id that :meth:`record` returned, or the recorded answer itself.
            relevant: Ids of documents that answer the query, or grades by document id, 0 for irrelevant. Nothing in
                it says that no document of the result was relevant.
        """
        try:
            name = result if isinstance(result, str) else self._identity(result)
            if isinstance(relevant, Mapping):
                grades = {str(document): int(grade) for document, grade in relevant.items()}
            else:
                grades = {str(document): 1 for document in relevant}
            return self._append({"v": 1, "feedback": name, "time_ms": int(time.time() * 1000), "grades": grades})
        except Exception as error:
            self._fail(error)
            return False

    def close(self) -> None:
        """Close the file; later records are not written. Closing twice does no harm."""
        if self._process != os.getpid():
            return
        with self._lock:
            self._closed = True
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def __enter__(self) -> QueryLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_file", -1) >= 0 and self._process == os.getpid():
            os.close(self._file)

    # What a line says

    def _identity(self, result: Answer | SearchResult) -> str:
        """The same for the same result, and of no use to someone who would guess its query."""
        told = repr((result.query, result.latency_ms, [hit.chunk_id for hit in result.hits]))
        return hashlib.blake2b(told.encode("utf-8", "surrogatepass"), key=self._salt, digest_size=8).hexdigest()

    def _texts(self, query: str) -> dict[str, object]:
        size: dict[str, object] = {"words": len(query.split()), "characters": len(query)}
        if callable(self._redact):
            return size | {"query": str(self._redact(query))[:_QUERY_CHARACTERS_MAX]}
        if self._redact == "none":
            return size | {"query": query[:_QUERY_CHARACTERS_MAX]}
        if self._redact == "drop" or self._key is None:
            return size
        plain = unicodedata.normalize("NFC", " ".join(query.split())).encode("utf-8", "surrogatepass")
        return size | {"query_hash": hashlib.blake2b(plain, key=self._key, digest_size=16).hexdigest()}

    # Files

    def _append(self, row: Mapping[str, object]) -> bool:
        line = json.dumps(row, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"
        if self._process != os.getpid():
            # A child has the parent's file and perhaps its lock, held: it begins with its own.
            self._process, self._lock, self._file, self._torn = os.getpid(), threading.Lock(), -1, False
        with self._lock:
            if self._closed:
                raise StorageError("the query log is closed")
            if len(line) > self._most // _STEPS:
                raise StorageError(f"a record of {len(line):,} bytes is too long for this log")
            full = self._written + len(line) > self._most // _FILES
            if self._file < 0 or full or os.fstat(self._file).st_nlink == 0:
                self._next_file()
            elif self._since_look + len(line) > self._most // _STEPS:
                self._make_room()
            whole = b"\n" + line if self._torn else line
            done = os.write(self._file, whole)
            self._torn = done < len(whole)
            self._written += done
            self._since_look += done
            if self._torn:
                raise StorageError(f"only {done} of {len(whole)} bytes of a record were written: the disk may be full")
        return True

    def _next_file(self) -> None:
        self._make_room()
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
        while True:
            self._number += 1
            name = f"queries-{stamp}-{os.getpid()}-{self._number:06}.jsonl"
            try:
                opened = os.open(self._folder / name, flags, 0o600)
                break
            except FileExistsError:
                continue
        if self._file >= 0:
            os.close(self._file)
        self._file, self._written, self._torn = opened, 0, False

    def _make_room(self) -> None:
        """Remove the oldest files until what is written before the next look fits."""
        self._since_look = 0
        files = []
        for path in self._folder.glob(PATTERN):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            files.append((status.st_mtime_ns, path.name, status.st_size, (status.st_dev, status.st_ino), path))
        total = sum(size for _, _, size, _, _ in files)
        own = None
        if self._file >= 0:
            status = os.fstat(self._file)
            own = (status.st_dev, status.st_ino)
        for _, _, size, which, path in sorted(files):
            if total <= self._most - self._most // _STEPS:
                break
            if which != own:
                path.unlink(missing_ok=True)
                total -= size

    def _fail(self, error: Exception) -> None:
        self._errors += 1
        if not self._warned:
            self._warned = True
            _log.warning("the query log %s misses records from now on: %s", self._folder, error)


def _kept_key(folder: Path) -> bytes:
    """The key of a folder; the first process makes it, complete before it has its name."""
    path = folder / _KEY_NAME
    if not path.exists():
        made = folder / f"{_KEY_NAME}-{os.getpid()}-{secrets.token_hex(4)}"
        file = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(file, secrets.token_bytes(_KEY_BYTES))
        finally:
            os.close(file)
        try:
            os.link(made, path)
        except FileExistsError:
            pass
        finally:
            made.unlink()
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise StorageError(f"{str(path)!r} has {len(key)} bytes instead of {_KEY_BYTES}: put the right key back")
    return key


def _generation(search: SearchResult | None, hits: tuple[Hit, ...]) -> int | None:
    if search is not None:
        return search.snapshot
    return hits[0].citation.snapshot if hits else None


def _rounded(value: float) -> float:
    """Six digits: what is measured has no more."""
    return float(f"{value:.6g}") if math.isfinite(value) else value
