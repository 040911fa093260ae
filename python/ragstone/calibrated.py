"""Weights of an index's own, in a small file in its directory: read with suspicion, written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from ragstone.answerability import Model, model_of
from ragstone.errors import InvalidInput, StorageError

__all__ = ["FILE", "Calibration", "read_calibration", "write_calibration"]

FILE = "calibration.json"
_FORMAT = 1
_BYTES_MOST = 1 << 20


@dataclass(frozen=True, slots=True)
class Calibration:
    """How answerability is judged in one index.

    ``embedder`` is the fingerprint of what made the vectors, ``None`` where BM25 alone was searched: for anything else
    the weights mean nothing. ``facts`` say what they were fitted on, for people.
    """

    model: Model
    embedder: str | None
    facts: Mapping[str, object]


def read_calibration(directory: Path) -> Calibration | None:
    """The calibration kept in an index's directory; ``None`` where there is none.

    Raises:
        InvalidInput: The file is damaged or of another format.
        StorageError: It cannot be read.
    """
    path = directory / FILE
    try:
        with path.open("rb") as file:
            data = file.read(_BYTES_MOST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"cannot read {str(path)!r}: {error.strerror}") from None
    remedy = "run `ragstone calibrate` again, or remove the file"
    if len(data) > _BYTES_MOST:
        raise InvalidInput(f"{str(path)!r} has more than {_BYTES_MOST} bytes and is no calibration: {remedy}")
    try:
        fields = json.loads(data.decode("utf-8"))
        if not isinstance(fields, dict) or fields.get("format") != _FORMAT:
            raise ValueError(f"its format is not {_FORMAT}")
        model, embedder, facts = fields.get("model"), fields.get("embedder"), fields.get("facts", {})
        if not isinstance(model, dict) or not isinstance(facts, dict):
            raise ValueError("its model or its facts are not an object")
        if embedder is not None and not isinstance(embedder, str):
            raise ValueError("its embedder is not text")
        return Calibration(model_of(model), embedder, cast("dict[str, object]", facts))
    except (ValueError, RecursionError, OverflowError) as error:
        raise InvalidInput(f"{str(path)!r} is no calibration ({error}): {remedy}") from None


def write_calibration(directory: Path, calibration: Calibration) -> Path:
    """Write it under a temporary name, sync, rename: a reader sees the old file or the new one. Returns its path."""
    path, draft = directory / FILE, directory / f"{FILE}.{os.getpid()}.new"
    fields = {"format": _FORMAT, **asdict(calibration)}
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(json.dumps(fields, ensure_ascii=False, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
        _sync_directory(directory)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise StorageError(f"cannot write {str(path)!r}: {error.strerror}") from None
    return path


def _sync_directory(directory: Path) -> None:
    """Make the new name durable, where directories can be synced."""
    if os.name == "nt":
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
