"""Opens the two files of a model folder, model and tokenizer, and refuses what cannot be run safely."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragstone.embedding.model_folder import ModelFolder
from ragstone.errors import MissingDependency, ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["first_line", "open_session", "open_tokenizer", "require_onnx"]


def require_onnx(what: str) -> None:
    """Refuse to go on without the packages of the extra ``[onnx]``; ``what`` names who needs them.

    Raises:
        MissingDependency: onnxruntime or tokenizers is not installed.
    """
    for package in ("onnxruntime", "tokenizers"):
        if find_spec(package) is None:
            raise MissingDependency(f"{what} needs the package {package!r}: pip install 'ragstone[onnx]'")


def open_tokenizer(folder: ModelFolder, content: bytes) -> Tokenizer:
    """Parse ``tokenizer.json`` and undo its truncation and padding: they cut and pad at lengths not the model's."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_str(content.decode())
        tokenizer.no_truncation()
        tokenizer.no_padding()
        special = tokenizer.num_special_tokens_to_add(False)
    except Exception as error:  # the package raises plain Exception
        raise ModelError(f"{str(folder.tokenizer)!r} cannot be read: {first_line(error)}") from error
    if special >= folder.max_tokens:
        raise ModelError(
            f"max_tokens of {str(folder.tokenizer.parent)!r} is {folder.max_tokens}, "
            f"the {special} special tokens of every text leave no room; correct the configuration"
        )
    return tokenizer


def open_session(path: Path, content: bytes) -> Any:
    """An onnxruntime session that runs on the calling thread, so that any number of texts can run side by side."""
    import onnxruntime

    if _refers_to_external_data(content):
        raise ModelError(f"{str(path)!r} keeps weights in other files; save the model as one file")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised, not printed
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no common exception class
        raise ModelError(f"{str(path)!r} cannot be loaded: {first_line(error)}") from error


# The key of an external_data entry in protobuf: field 1, 8 bytes, in any spelling of its two numbers.
_EXTERNAL_DATA = re.compile(rb"(?:\x0a|\x8a\x80{0,8}\x00)(?:\x08|\x88\x80{0,8}\x00)\Z")


def _refers_to_external_data(content: bytes) -> bool:
    """Whether an ONNX file points to weights in other files (older runtimes follow such paths anywhere)."""
    position = content.find(b"location")
    while position >= 0:
        if _EXTERNAL_DATA.search(content[max(0, position - 20) : position]):
            return True
        position = content.find(b"location", position + 1)
    return False


def first_line(error: Exception) -> str:
    """The first line of an error's text: runtimes append pages of trace."""
    return (str(error).splitlines() or [type(error).__name__])[0][:400]
