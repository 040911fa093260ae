"""The embedder that is always there: a trained table of token vectors in our own wheel, run in Rust."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ragstone._core import StaticEmbedder
from ragstone.embedding.checks import checked_texts
from ragstone.embedding.threads import thread_budget

__all__ = ["BuiltinEmbedder"]

_TABLE = Path(__file__).with_name("builtin.bin")


class BuiltinEmbedder:
    """Sums a row per token and scales the sum to unit length: microseconds per text, no word order, English.

    Every token of a text counts, however long it is. The same text has the same vector to the bit on every machine,
    in any company and on any number of threads. ``BUILTIN.md`` beside the training script has the recipe, the data,
    the licences and the figures. Safe to call from several threads; the table is read once per process.

    >>> query, near, far = BuiltinEmbedder().embed(["get money back", "refund policy", "spiral galaxies"])
    >>> bool(query @ near > query @ far)
    True
    """

    def __repr__(self) -> str:
        return f"BuiltinEmbedder(dimension={self.dimension})"

    @property
    def name(self) -> str:
        """``builtin``."""
        return "builtin"

    @property
    def dimension(self) -> int:
        """Length of each vector."""
        return _table().dimension

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digest of table and vocabulary."""
        return _table().fingerprint

    @property
    def dense_weight(self) -> float:
        """0.5: what fusion gives the dense half, flat from 0.5 to 1 on scifact-train (71.5; BM25 alone 70.9)."""
        return 0.5

    @property
    def max_tokens(self) -> int:
        """512: longer texts are taken whole too, but a sum over more words than that says little."""
        return 512

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts: an array of shape (n, dimension), float32, each row of unit length.

        A text without a known token gets the first unit vector.

        Raises:
            InvalidInput: A text is not a string or has a lone surrogate.
        """
        return _table().embed(checked_texts(texts), thread_budget())

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, the unknown included.

        Raises:
            InvalidInput: A text is not a string or has a lone surrogate.
        """
        return _table().count_tokens(checked_texts(texts))

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Start and end (``str`` indices) of each token of ``text``, in order; pieces of one character may share it.

        Raises:
            InvalidInput: The text is not a string or has a lone surrogate.
        """
        return _table().token_spans(checked_texts([text])[0])


@cache
def _table() -> StaticEmbedder:
    return StaticEmbedder(str(_TABLE))
