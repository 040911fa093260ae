"""Reads one file into a document: bytes, digest, text, structure, metadata."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path, PurePath

from ragstone.documents.decoding import decode
from ragstone.documents.formats import SUFFIXES, parser_of
from ragstone.errors import InvalidInput
from ragstone.records import Document, MetadataValue

__all__ = ["read_document", "supported_suffixes"]


def supported_suffixes() -> tuple[str, ...]:
    """Suffixes that `find_files` includes by default, sorted, in lower case, with the dot."""
    return tuple(sorted(SUFFIXES))


def read_document(
    path: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    document_id: str | None = None,
    max_bytes: int = 64 * 2**20,
) -> Document:
    """Read a file into a document.

    ``text`` is the decoded file, exactly, line ends included, without byte order mark; for HTML it is the extracted
    text. ``metadata`` is what the file states about itself (front matter, reStructuredText's field list, HTML's named
    ``meta`` elements), and ``encoding`` where that is not UTF-8. The title is the one that the file states, else its
    first heading, else the file's name.

    Args:
        path: the file; a name of unknown kind is read as plain text.
        root: the folder that ``document_id`` is relative to.
        document_id: the identity of the document; ``None`` is the path below ``root`` with forward slashes.
        max_bytes: a larger file is refused before it is read.

    Raises:
        FileNotFoundError: there is no such file.
        InvalidInput: the file cannot be read, is too large, looks binary, or is not below ``root``.
    """
    source = os.fspath(path)
    data = _read(source, max_bytes)
    try:
        text, encoding = decode(data)
    except InvalidInput as error:
        raise InvalidInput(f"cannot read {_printable(source)!r}: {error}") from None
    name = _printable(PurePath(source).name)
    parsed = parser_of(name)(text)
    metadata: dict[str, MetadataValue] = dict(parsed.metadata)
    if encoding != "utf-8":
        metadata.setdefault("encoding", encoding)
    return Document(
        document_id=_identity(source, root) if document_id is None else document_id,
        text=parsed.text,
        title=parsed.title or name,
        metadata=metadata,
        source=_printable(source),
        sections=tuple(parsed.sections),
        content_sha256=hashlib.sha256(data).hexdigest(),
    )


def _read(source: str, max_bytes: int) -> bytes:
    try:
        if not stat.S_ISREG(os.stat(source).st_mode):
            raise InvalidInput(f"cannot read {_printable(source)!r}: not a regular file; pass a folder to find_files")
        with open(source, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            data = b"" if size > max_bytes else file.read(max_bytes + 1)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InvalidInput(f"cannot read {_printable(source)!r}: {reason[:1].lower()}{reason[1:]}") from error
    size = max(size, len(data))
    if size > max_bytes:
        raise InvalidInput(
            f"cannot read {_printable(source)!r}: it has {size} bytes, the limit is {max_bytes}: "
            "split it or raise max_bytes"
        )
    return data


def _identity(source: str, root: str | os.PathLike[str] | None) -> str:
    if root is None:
        return _printable(PurePath(source).as_posix())
    try:
        return _printable(PurePath(source).relative_to(root).as_posix())
    except ValueError:
        pass
    try:
        return _printable(Path(os.path.abspath(source)).relative_to(os.path.abspath(root)).as_posix())
    except ValueError:
        raise InvalidInput(f"{_printable(source)!r} is not below root {os.fspath(root)!r}: pass document_id") from None


def _printable(name: str) -> str:
    """A file name whose bytes are not UTF-8 with escapes in their place, for such a name cannot be stored."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
