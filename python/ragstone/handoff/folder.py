"""Writes a folder as a whole or not at all: beside its place first, then renamed; replaces only what it wrote."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ragstone.errors import InvalidInput, StorageError

__all__ = ["MANIFEST", "check_place", "write_folder"]

MANIFEST = "handoff.json"
_FORMAT = "ragstone hand-off"


def check_place(folder: Path, *, overwrite: bool) -> None:
    """Refuse a place before any work is done for it.

    Raises:
        InvalidInput: The folder is a file, or holds something that a former bundle does not.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InvalidInput(f"{str(folder)!r} is no folder: name one that does not exist yet")
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not overwrite:
        raise InvalidInput(f"folder {str(folder)!r} is not empty: name another, or pass overwrite=True for a bundle")
    known = _listed(folder)
    if known is None:
        raise InvalidInput(f"folder {str(folder)!r} holds no former bundle: name another, nothing of yours is removed")
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    if added := sorted(found - known - {MANIFEST}):
        raise InvalidInput(
            f"folder {str(folder)!r} holds {added[0]!r}, which no bundle wrote: move it away before overwriting"
        )


def write_folder(folder: Path, files: Mapping[str, str], *, overwrite: bool) -> None:
    """Write text files, by their paths within the folder, and a manifest of their digests.

    After a failure the place is as it was before.

    Raises:
        InvalidInput: As :func:`check_place`.
        StorageError: The disk cannot be written.
    """
    folder = folder.absolute()
    digests = {name: hashlib.sha256(files[name].encode()).hexdigest() for name in sorted(files)}
    manifest = json.dumps({"format": _FORMAT, "version": 1, "files": digests}, indent=2) + "\n"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise StorageError(f"folder {str(folder)!r} cannot be made: {error}") from None
    try:
        made = beside / "new"
        for name, text in {**files, MANIFEST: manifest}.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        # Again, for work lies between the first look and now.
        check_place(folder, overwrite=overwrite)
        _put(made, folder, beside / "old")
    except OSError as error:
        raise StorageError(f"folder {str(folder)!r} cannot be written: {error}") from None
    finally:
        # What was moved away and could not be moved back is all there is of it.
        if folder.exists() or not (beside / "old").exists():
            shutil.rmtree(beside, ignore_errors=True)


def _put(made: Path, folder: Path, old: Path) -> None:
    """Two renames; if the second fails, the first is taken back."""
    existed = folder.exists()
    if existed:
        os.rename(folder, old)
    try:
        os.rename(made, folder)
    except BaseException:
        if existed:
            os.rename(old, folder)
        raise


def _listed(folder: Path) -> set[str] | None:
    """The files that a former bundle's manifest names."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    files = manifest.get("files") if isinstance(manifest, dict) and manifest.get("format") == _FORMAT else None
    return set(files) if isinstance(files, dict) else None
