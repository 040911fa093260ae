"""Turns texts into vectors: one registry of embedders behind the protocol of :class:`ragstone.records.Embedder`."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from ragstone.errors import InvalidInput, MissingDependency
from ragstone.records import Embedder

__all__ = ["embedder"]

_NAMES = ("auto", "minilm", "builtin", "hashing")
_MINILM_PACKAGES = ("onnxruntime", "tokenizers", "ragstone_minilm")


def embedder(name: str | os.PathLike[str] = "auto") -> Embedder:
    """The embedder of a name, or of a folder that holds ``model.onnx`` and ``tokenizer.json``.

    ``"auto"`` is ``"minilm"`` where its three packages are installed, else ``"builtin"``; ``"hashing"`` needs no
    model and knows nothing of meaning. Anything with a path separator, and any existing folder, is a model folder.

    Raises:
        InvalidInput: There is no embedder and no folder of this name.
        MissingDependency: The embedder needs a package that is not installed.
        ModelError: The model folder cannot be used.

    >>> embedder("hashing").embed(["to be or not to be"]).shape
    (1, 256)
    """
    if not isinstance(name, (str, os.PathLike)):
        raise InvalidInput(f"embedder is {name!r}: pass one of {_choices()}, or the path of a model folder")
    if name == "auto":
        name = "builtin" if any(find_spec(package) is None for package in _MINILM_PACKAGES) else "minilm"
    if name == "minilm":
        return _minilm()
    if name == "builtin":
        from ragstone.embedding.builtin import BuiltinEmbedder

        return BuiltinEmbedder()
    if name == "hashing":
        from ragstone.embedding.hashing import HashingEmbedder

        return HashingEmbedder()
    if isinstance(name, os.PathLike) or os.sep in name or "/" in name or (name and Path(name).is_dir()):
        from ragstone.embedding.onnx import OnnxEmbedder

        return OnnxEmbedder(name)
    raise InvalidInput(
        f"there is no embedder {name!r}; choose one of {_choices()}, "
        "or the path of a folder that holds model.onnx and tokenizer.json"
    )


def _choices() -> str:
    return ", ".join(repr(choice) for choice in _NAMES)


def _minilm() -> Embedder:
    """all-MiniLM-L6-v2 from the companion package."""
    for package in _MINILM_PACKAGES:
        if find_spec(package) is None:
            raise MissingDependency(
                f"the embedder 'minilm' needs the package {package.replace('_', '-')!r}: pip install 'ragstone[onnx]'"
            )
    import ragstone_minilm

    from ragstone.embedding.onnx import OnnxEmbedder

    return OnnxEmbedder(ragstone_minilm.MODEL_FOLDER)
