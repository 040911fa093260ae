"""Finds the files to read below folders: sorted, without hidden files, tool folders, binaries or loops of links."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from ragstone.documents.formats import NAMES, SUFFIXES
from ragstone.errors import InvalidInput

__all__ = ["find_files"]

_TOOL_FOLDERS = frozenset(["CVS", "_darcs", "__pycache__", "node_modules", "site-packages", "lost+found"])
_BINARY_SUFFIXES = frozenset(
    f".{suffix}"
    for group in (
        "7z a avi bin bmp bz2 class db dll dylib eot exe flac gif gz ico iso jar jpeg jpg mkv mo mov mp3 mp4 npy npz o",
        "ogg onnx otf parquet pdb pickle pkl png pyc pyd pyo rar so sqlite tar tgz tif tiff ttf wasm wav webm webp whl",
        "woff woff2 xz zip zst",
    )
    for suffix in group.split()
)


def find_files(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    include: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    on_error: Callable[[Path, OSError], None] | None = None,
) -> Iterator[Path]:
    """Find the files to read: files as given, and those below folders, each once, sorted by path.

    Below folders, hidden files and folders (version control among them), folders of tools such as ``node_modules``, and
    files that are binary by name are skipped. Links are followed, but each folder is entered once.

    Args:
        paths: files and folders; one or several.
        include: patterns such as ``*.md`` or ``docs/*``; ``None`` is every supported suffix and names like ``README``.
        exclude: patterns of files and folders to leave out.
        on_error: called with a folder that cannot be listed; ``None`` raises.

    A pattern with a ``/`` is matched against the path below the folder given, another against the name; ``*`` also
    matches ``/``. A file that is given itself is found whatever its name, unless excluded.

    Raises:
        FileNotFoundError: a path does not exist.
        InvalidInput: a folder cannot be listed.
    """
    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    roots = [Path(path) for path in given]
    for root in roots:
        root.stat()  # a path that is missing is an error now, not when the iterator gets there
    chosen = None if include is None else tuple([include] if isinstance(include, str) else include)
    dropped = tuple([exclude] if isinstance(exclude, str) else exclude)
    return _found(roots, chosen, dropped, on_error or _refuse)


def _refuse(folder: Path, error: OSError) -> None:
    raise InvalidInput(f"cannot list {str(folder)!r}: {error.strerror or error}") from error


def _found(
    roots: list[Path],
    include: tuple[str, ...] | None,
    exclude: tuple[str, ...],
    on_error: Callable[[Path, OSError], None],
) -> Iterator[Path]:
    seen: set[str] = set()
    for root in roots:
        if root.is_dir():
            candidates = _below(root, include, exclude, on_error)
        else:
            candidates = [] if _matches(exclude, root.name, root.name) else [root]
        for path in candidates:
            real = os.path.realpath(path)
            if real not in seen:
                seen.add(real)
                yield path


def _below(
    root: Path, include: tuple[str, ...] | None, exclude: tuple[str, ...], on_error: Callable[[Path, OSError], None]
) -> list[Path]:
    """Files below a folder, sorted; real folders are walked before linked ones, so that real paths are preferred."""
    files: list[Path] = []
    entered: set[tuple[int, int]] = set()
    folders, linked = [root], []  # type: list[Path], list[Path]
    while folders or linked:
        folder = folders.pop() if folders else linked.pop()
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in entered:
                continue
            entered.add((status.st_dev, status.st_ino))
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            on_error(folder, error)
            continue
        for entry in entries:
            path = folder / entry.name
            if entry.name.startswith(".") or _matches(exclude, entry.name, path.relative_to(root).as_posix()):
                continue
            if entry.is_dir():
                if entry.name not in _TOOL_FOLDERS:
                    (linked if entry.is_symlink() else folders).append(path)
            elif entry.is_file() and _wanted(path, root, include):
                files.append(path)
    return sorted(files, key=lambda path: path.as_posix())


def _wanted(path: Path, root: Path, include: tuple[str, ...] | None) -> bool:
    if include is None:
        return path.suffix.lower() in SUFFIXES or path.name in NAMES
    return path.suffix.lower() not in _BINARY_SUFFIXES and _matches(
        include, path.name, path.relative_to(root).as_posix()
    )


def _matches(patterns: tuple[str, ...], name: str, below: str) -> bool:
    return any(fnmatchcase(below if "/" in pattern else name, pattern.rstrip("/")) for pattern in patterns)
