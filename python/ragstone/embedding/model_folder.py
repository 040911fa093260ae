"""What a model folder says about itself: files, pooling, dimension and the number of tokens its model takes.

Understands the layout of sentence-transformers and a block of our own, ``"ragstone": {...}`` in ``config.json``,
which wins over all the rest and may name ``name``, ``pooling``, ``max_tokens``, ``dimension`` and ``sha256``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast, get_args

from ragstone.errors import ModelError

__all__ = ["ModelFolder", "Pooling", "file_digest", "read_model_folder"]

Pooling: TypeAlias = Literal["mean", "cls", "max", "none"]

_CONFIG_BYTES_MAX = 16 << 20
_DIMENSION_MAX = 65536
_TOKENS_MAX = 1 << 20
_TOKENS_DEFAULT = 512
# RoBERTa and its kin number positions from padding + 1, so two of the table's rows are never used.
_OFFSET_POSITIONS = frozenset({"roberta", "xlm-roberta", "camembert", "mpnet"})
_POOLING_KEYS: Mapping[str, Pooling] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
}


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A checked description of a model folder; ``digests`` are the SHA-256 that its maker wrote down, if any."""

    name: str
    model: Path
    tokenizer: Path
    pooling: Pooling
    max_tokens: int
    dimension: int | None
    digests: Mapping[str, str]


def read_model_folder(folder: Path) -> ModelFolder:
    """Read a folder's configuration; opens neither the model nor the tokenizer.

    Raises:
        ModelError: A file is missing, or the configuration is damaged, contradictory or not supported.
    """
    if not folder.is_dir():
        raise ModelError(
            f"model folder {str(folder)!r} is not a directory; give one that holds model.onnx and tokenizer.json"
        )
    model = folder / "model.onnx"
    if not model.is_file() and (folder / "onnx" / "model.onnx").is_file():
        model = folder / "onnx" / "model.onnx"
    tokenizer = folder / "tokenizer.json"
    for path in (model, tokenizer):
        if not path.is_file():
            raise ModelError(
                f"model folder {str(folder)!r} has no {path.name!r}; export the model to ONNX with its fast tokenizer"
            )
    config = _json_object(folder / "config.json")
    own = config.get("ragstone", {})
    if not isinstance(own, dict):
        raise ModelError(f"'ragstone' in {str(folder / 'config.json')!r} is not an object")
    pooling_config = _json_object(folder / "1_Pooling" / "config.json")
    digests = own.get("sha256", {})
    if not isinstance(digests, dict) or not all(isinstance(digest, str) for digest in digests.values()):
        raise ModelError(f"'sha256' in {str(folder / 'config.json')!r} does not map file names to digests")
    return ModelFolder(
        name=str(own.get("name") or folder.resolve().name),
        model=model,
        tokenizer=tokenizer,
        pooling=_pooling(folder, own, pooling_config),
        max_tokens=_max_tokens(folder, own, config),
        dimension=_dimension(own, pooling_config),
        digests=digests,
    )


def _pooling(folder: Path, own: Mapping[str, Any], pooling_config: Mapping[str, Any]) -> Pooling:
    """How token vectors become one vector; the mean where nothing is said, as sentence-transformers does."""
    if "pooling" in own:
        if own["pooling"] not in get_args(Pooling):
            raise ModelError(
                f"pooling {own['pooling']!r} of {str(folder)!r} is not one of {', '.join(get_args(Pooling))}"
            )
        return cast("Pooling", own["pooling"])
    for module in _json_list(folder / "modules.json"):
        kind = str(module.get("type", "")).rsplit(".", 1)[-1] if isinstance(module, dict) else repr(module)
        if kind not in ("Transformer", "Pooling", "Normalize"):
            raise ModelError(
                f"module {kind!r} in {str(folder / 'modules.json')!r} is not supported; export the whole pipeline "
                'into model.onnx and write {"ragstone": {"pooling": "none"}} into config.json'
            )
    mode = pooling_config.get("pooling_mode")
    wanted = (
        [mode]
        if isinstance(mode, str)
        else [key for key, value in pooling_config.items() if key.startswith("pooling_mode") and value is True]
    )
    if not wanted:
        return "mean"
    found = [_POOLING_KEYS.get(key, key) for key in wanted]
    if len(found) != 1 or found[0] not in ("mean", "cls", "max"):
        raise ModelError(f"pooling {' + '.join(wanted)!r} of {str(folder)!r} is not supported; use mean, cls or max")
    return cast("Pooling", found[0])


def _max_tokens(folder: Path, own: Mapping[str, Any], config: Mapping[str, Any]) -> int:
    """Tokens the model takes, special ones included: the first that is stated, within the position table."""
    positions = _number(config.get("max_position_embeddings"))
    if positions is not None and config.get("model_type") in _OFFSET_POSITIONS:
        positions -= 2
    stated = (
        _number(own.get("max_tokens"))
        or _number(_json_object(folder / "sentence_bert_config.json").get("max_seq_length"))
        # transformers writes 1e30 there for "not known"
        or _number(_json_object(folder / "tokenizer_config.json").get("model_max_length"))
        or positions
        or _TOKENS_DEFAULT
    )
    tokens = stated if positions is None else min(stated, positions)
    if tokens < 1:
        raise ModelError(f"max_tokens of {str(folder)!r} is {tokens}, it must be at least 1")
    return tokens


def _dimension(own: Mapping[str, Any], pooling_config: Mapping[str, Any]) -> int | None:
    """The dimension as stated; ``None`` where the graph has to be asked."""
    stated = _number(own.get("dimension")) or _number(pooling_config.get("word_embedding_dimension"))
    return stated if stated is not None and stated <= _DIMENSION_MAX else None


def _number(value: object) -> int | None:
    """A whole number within reason, else ``None``."""
    usable = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _TOKENS_MAX
    return cast("int", value) if usable else None


def _json_object(path: Path) -> dict[str, Any]:
    """A JSON object from a file; empty where the file is absent."""
    value = _json(path, {})
    if not isinstance(value, dict):
        raise ModelError(f"{str(path)!r} holds no JSON object")
    return value


def _json_list(path: Path) -> list[Any]:
    """A JSON list from a file; empty where the file is absent."""
    value = _json(path, [])
    if not isinstance(value, list):
        raise ModelError(f"{str(path)!r} holds no JSON list")
    return value


def _json(path: Path, absent: object) -> object:
    """Parsed content of a configuration file."""
    if not path.is_file():
        return absent
    if (size := path.stat().st_size) > _CONFIG_BYTES_MAX:
        raise ModelError(f"{str(path)!r} has {size} bytes, a configuration has at most {_CONFIG_BYTES_MAX}")
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{str(path)!r} is not JSON: {error}") from error


_DIGESTS: dict[tuple[int, ...], str] = {}


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, remembered as long as the file's identity, size and times stay the same."""
    status = os.stat(path)
    identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    if identity not in _DIGESTS:
        digest = sha256()
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        _DIGESTS[identity] = digest.hexdigest()
    return _DIGESTS[identity]
