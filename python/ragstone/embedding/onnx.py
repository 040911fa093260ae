"""Runs any embedding model in a folder of ``model.onnx`` and ``tokenizer.json`` with onnxruntime.

Each text runs through the model alone, one text per thread. A batch would pad, would wait for its slowest
thread, and an int8 model scales its activations by the largest value in the batch, so that a text's vector would
depend on its neighbours. Alone, a text has the same vector to the bit in any company and on any number of
threads, and on processors this is also the fastest way.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ragstone.embedding.checks import checked_texts
from ragstone.embedding.model_folder import ModelFolder, Pooling, file_digest, read_model_folder
from ragstone.embedding.sessions import first_line, open_session, open_tokenizer, require_onnx
from ragstone.embedding.threads import thread_budget
from ragstone.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

__all__ = ["OnnxEmbedder"]

# Counts in the fingerprint: raise it whenever this file gives other vectors for the same files.
_VERSION = 1
_SLICE_TEXTS = 256  # texts tokenized at a time: bounds the memory of a long list
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class OnnxEmbedder:
    """An embedding model read from a folder; nothing heavy is loaded before the first text.

    Texts longer than the model takes are embedded in windows of equal length whose vectors are averaged by their
    numbers of tokens, so no token is lost. The tokenizer's own truncation and padding are switched off. Vectors are
    always scaled to unit length, whether or not the folder asks for it. Files outside the folder and libraries of
    custom operators are never loaded. Safe to call from several threads.
    """

    def __init__(self, folder: str | os.PathLike[str], *, name: str | None = None, threads: int | None = None) -> None:
        """Describe the model; ``threads`` defaults to :func:`ragstone.embedding.threads.thread_budget`.

        Raises:
            MissingDependency: onnxruntime or tokenizers is not installed.
            ModelError: The folder is not a usable model folder.
        """
        require_onnx("an ONNX embedder")
        self._folder = read_model_folder(Path(folder))
        self._name = name or self._folder.name
        self._threads = thread_budget() if threads is None else max(1, threads)
        self._digests = dict(self._folder.digests)
        self._lock = Lock()
        self._tokenizer: Tokenizer | None = None
        self._runner: _Runner | None = None

    @property
    def name(self) -> str:
        """The name given, else the one in ``config.json``, else the folder's."""
        return self._name

    @property
    def folder(self) -> Path:
        """The model folder."""
        return self._folder.tokenizer.parent

    @property
    def dimension(self) -> int:
        """Length of each vector, as the configuration states it, else as the model gives it."""
        return self._folder.dimension or self._load_runner().dimension

    @property
    def max_tokens(self) -> int:
        """Tokens of one window, special tokens included."""
        return self._folder.max_tokens

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the digests of model and tokenizer, pooling, normalisation, token limit and code version.

        Digests that ``config.json`` states are used unread here and checked when the files are loaded.
        """
        identity = {
            "version": _VERSION,
            "model": self._digest(self._folder.model),
            "tokenizer": self._digest(self._folder.tokenizer),
            "pooling": self._folder.pooling,
            "normalisation": "l2",
            "max_tokens": self._folder.max_tokens,
        }
        return sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts: an array of shape (n, dimension), float32, each row of unit length.

        The empty text is embedded as the model sees it: its special tokens alone; where there are none, it gets
        the first unit vector.

        Raises:
            InvalidInput: A text is not a string or has a lone surrogate.
            ModelError: The model cannot be loaded, fails, or gives values that are no vector.
        """
        texts = checked_texts(texts)
        runner = self._load_runner()
        vectors = np.empty((len(texts), runner.dimension), dtype=np.float32)
        for start in range(0, len(texts), _SLICE_TEXTS):
            windows = [self._windows(encoding) for encoding in self._encode(texts[start : start + _SLICE_TEXTS])]
            for position, vector in runner.embed_all(windows, self._threads):
                vectors[start + position] = vector
        return vectors

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Model tokens of each text, special tokens not included.

        Raises:
            InvalidInput: A text is not a string or has a lone surrogate.
            ModelError: The tokenizer cannot be loaded.
        """
        texts = checked_texts(texts)
        counts: list[int] = []
        for start in range(0, len(texts), _SLICE_TEXTS):
            counts += [len(encoding) for encoding in self._encode(texts[start : start + _SLICE_TEXTS])]
        return counts

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Start and end (``str`` indices) of each token of ``text``, special tokens not included."""
        (text,) = checked_texts([text])
        spans: list[tuple[int, int]] = self._load_tokenizer().encode(text, add_special_tokens=False).offsets
        return spans

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.folder)!r}, name={self._name!r})"

    def _encode(self, texts: list[str]) -> list[Encoding]:
        """Whole texts as tokens, without special tokens and without offsets."""
        return self._load_tokenizer().encode_batch_fast(texts, add_special_tokens=False)

    def _windows(self, encoding: Encoding) -> list[_Window]:
        """One text cut into as few windows as it needs, all of nearly equal length, special tokens added."""
        tokenizer = self._load_tokenizer()
        room = self._folder.max_tokens - tokenizer.num_special_tokens_to_add(False)
        total = len(encoding)
        if total > room:
            count = -(-total // room)
            encoding.truncate(-(-total // count))
        pieces = [encoding, *encoding.overflowing]
        return [_Window(max(1, len(piece)), *_arrays(tokenizer.post_process(piece))) for piece in pieces]

    def _digest(self, path: Path) -> str:
        """A file's SHA-256: as stated by the folder, else computed; the first answer stays."""
        if path.name not in self._digests:
            self._digests[path.name] = file_digest(path)
        return self._digests[path.name]

    def _checked_bytes(self, path: Path) -> bytes:
        """A file's bytes, equal to those that the fingerprint speaks of."""
        stated = self._digest(path)
        content = path.read_bytes()
        if (found := sha256(content).hexdigest()) != stated:
            raise ModelError(
                f"{str(path)!r} was changed: it has sha256 {found}, "
                f"{'its folder states' if path.name in self._folder.digests else 'before it had'} {stated}; "
                "restore the file or install the model again"
            )
        return content

    def _load_tokenizer(self) -> Tokenizer:
        """The tokenizer, loaded once, with truncation and padding switched off."""
        with self._lock:
            if self._tokenizer is None:
                # The tokenizers' own pool already honours affinity and quotas, but not our variable.
                os.environ.setdefault("RAYON_NUM_THREADS", str(self._threads))
                self._tokenizer = open_tokenizer(self._folder, self._checked_bytes(self._folder.tokenizer))
            return self._tokenizer

    def _load_runner(self) -> _Runner:
        """The model, loaded once."""
        with self._lock:
            if self._runner is None:
                self._runner = _Runner(self._folder, self._checked_bytes(self._folder.model))
            return self._runner


@dataclass(frozen=True, slots=True)
class _Window:
    """Model inputs of shape (1, tokens) for one window, and its weight: tokens without the special ones."""

    weight: int
    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]
    token_type_ids: NDArray[np.int64]


def _arrays(encoding: Encoding) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The three inputs that encoder models know, by the order of ``_INPUTS``."""
    ids = np.array(encoding.ids, dtype=np.int64)[np.newaxis]
    return ids, np.ones_like(ids), np.array(encoding.type_ids, dtype=np.int64)[np.newaxis]


class _Runner:
    """A loaded model: windows in, unit vectors out."""

    def __init__(self, folder: ModelFolder, content: bytes) -> None:
        self._path = folder.model
        self._pooling: Pooling = folder.pooling
        self._session = open_session(folder.model, content)
        inputs = {value.name: value.type for value in self._session.get_inputs()}
        if "input_ids" not in inputs or not set(inputs) <= set(_INPUTS):
            raise ModelError(
                f"{str(self._path)!r} has the inputs {', '.join(inputs)}; only {', '.join(_INPUTS)} are supported"
            )
        self._inputs = {name: np.int32 if "int32" in kind else np.int64 for name, kind in inputs.items()}
        # sentence-transformers exports both outputs; the pooled one holds the whole pipeline.
        outputs = {value.name: value.shape for value in self._session.get_outputs()}
        self._output = "sentence_embedding" if "sentence_embedding" in outputs else next(iter(outputs))
        last = (outputs[self._output] or [None])[-1]
        self._dimension: int | None = last if isinstance(last, int) else None
        if folder.dimension is not None and self._dimension not in (None, folder.dimension):
            raise ModelError(
                f"{str(self._path)!r} gives {self._dimension} dimensions, its configuration states {folder.dimension}"
            )
        self._dimension = self._dimension or folder.dimension
        if self._dimension is None:
            one = np.zeros((1, 1), dtype=np.int64)
            self._dimension = len(self._pooled(_Window(1, one, np.ones_like(one), one)))

    @property
    def dimension(self) -> int:
        """Length of each vector."""
        assert self._dimension is not None  # set by the constructor
        return self._dimension

    def embed_all(self, texts: Sequence[Sequence[_Window]], threads: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Position and vector of each text; the longest go first, so that no thread is left with them at the end."""
        order = sorted(range(len(texts)), key=lambda position: -sum(window.weight for window in texts[position]))
        if threads == 1 or len(texts) == 1:
            yield from ((position, self._embed(texts[position])) for position in order)
            return
        pool = ThreadPoolExecutor(min(threads, len(texts)), thread_name_prefix="ragstone-embed")
        try:
            yield from zip(order, pool.map(self._embed, (texts[position] for position in order)), strict=True)
        finally:
            pool.shutdown(cancel_futures=True)  # on an interrupt, only the running texts are waited for

    def _embed(self, windows: Sequence[_Window]) -> NDArray[np.float32]:
        """Unit vector of one text: its windows averaged by their numbers of tokens."""
        vector = np.zeros(self.dimension)
        if windows[0].input_ids.size == 0:  # the empty text of a tokenizer without special tokens
            vector[0] = 1.0
            return vector.astype(np.float32)
        for window in windows:
            vector += self._pooled(window) * window.weight
        norm = float(np.linalg.norm(vector))
        if not np.isfinite(norm) or norm == 0.0:
            raise ModelError(
                f"{str(self._path)!r} gave a vector of norm {norm}; the model is damaged or does not fit its tokenizer"
            )
        return (vector / norm).astype(np.float32)

    def _pooled(self, window: _Window) -> NDArray[np.float64]:
        """One vector from the model's output for one window."""
        feed = {name: getattr(window, name).astype(kind, copy=False) for name, kind in self._inputs.items()}
        try:
            states = self._session.run([self._output], feed)[0]
        except Exception as error:  # onnxruntime has no common exception class
            raise ModelError(f"running {str(self._path)!r} failed: {first_line(error)}") from error
        vector = _pool(np.asarray(states), self._pooling, window.input_ids.shape[1])
        if vector is None or (self._dimension is not None and vector.shape != (self._dimension,)):
            size, tokens = self._dimension or "dimension", window.input_ids.shape[1]
            raise ModelError(
                f"{str(self._path)!r} gave an output of shape {np.shape(states)} for {tokens} tokens; pooling "
                f"{self._pooling!r} takes (1, tokens, {size}), a model that pools by itself gives (1, {size})"
            )
        return vector


def _pool(states: NDArray[Any], pooling: Pooling, tokens: int) -> NDArray[np.float64] | None:
    """One vector from token vectors, or from an output pooled already; ``None`` if the shape fits neither."""
    if states.dtype.kind != "f":
        return None
    if states.ndim == 2 and states.shape[0] == 1:
        return np.asarray(states[0], dtype=np.float64)
    if states.ndim != 3 or states.shape[:2] != (1, tokens) or pooling == "none":
        return None
    rows = np.asarray(states[0], dtype=np.float64)
    if pooling == "cls":
        rows = rows[:1]
    return np.asarray(rows.max(axis=0) if pooling == "max" else rows.mean(axis=0))
