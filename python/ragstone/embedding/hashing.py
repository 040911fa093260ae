"""An embedder without a model: hashed words and character trigrams, for tests and first steps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b, sha256

import numpy as np
from numpy.typing import NDArray

from ragstone.embedding.checks import checked_texts
from ragstone.errors import InvalidInput

__all__ = ["HashingEmbedder"]

_WORD = re.compile(r"\w+|[^\w\s]+")
_VERSION = 1
_TRIGRAM_WEIGHT = 0.5  # a shared word should outweigh a shared ending


class HashingEmbedder:
    """Signed feature hashing (Weinberger et al. 2009) of lower-cased words and their character trigrams.

    Texts that share words are near, texts that do not are almost orthogonal; it knows nothing of meaning.
    The same text gives the same vector on every machine and in every process.

    >>> query, near, far = HashingEmbedder().embed(["a red house", "the red house", "lunch at noon"])
    >>> bool(query @ near > query @ far)
    True
    """

    def __init__(self, dimension: int = 256) -> None:
        """Make an embedder of the given dimension.

        Raises:
            InvalidInput: ``dimension`` is not from 1 to 65536.
        """
        if not 1 <= dimension <= 65536:
            raise InvalidInput(f"dimension is {dimension}, it must be from 1 to 65536")
        self._dimension = dimension

    def __repr__(self) -> str:
        return f"HashingEmbedder(dimension={self._dimension})"

    @property
    def name(self) -> str:
        """``hashing``."""
        return "hashing"

    @property
    def dimension(self) -> int:
        """Length of each vector."""
        return self._dimension

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digest of the method's version and the dimension."""
        return sha256(f"ragstone hashing embedder {_VERSION}, dimension {self._dimension}".encode()).hexdigest()

    @property
    def max_tokens(self) -> int:
        """Any length is taken: 2**31 - 1."""
        return 2**31 - 1

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts: an array of shape (n, dimension), float32, each row of unit length.

        A text without words (or whose features cancel out) gets the first unit vector.

        Raises:
            InvalidInput: A text is not a string or has a lone surrogate.
        """
        texts = checked_texts(texts)
        vectors = np.zeros((len(texts), self._dimension), dtype=np.float64)
        for vector, text in zip(vectors, texts, strict=True):
            for feature, weight in _features(text):
                number = _hashed(feature)
                vector[(number >> 1) % self._dimension] += weight if number & 1 else -weight
            norm = float(np.linalg.norm(vector))
            if norm > 0.0:
                vector /= norm
            else:
                vector[0] = 1.0
        return vectors.astype(np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Words and runs of punctuation in each text."""
        return [len(_WORD.findall(text)) for text in checked_texts(texts)]

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Start and end (``str`` indices) of each token of ``text``."""
        return [match.span() for match in _WORD.finditer(checked_texts([text])[0])]


def _features(text: str) -> Iterator[tuple[str, float]]:
    """Features of a text with their weights; a word and a trigram of the same letters stay apart."""
    for word in _WORD.findall(text.lower()):
        yield f"w{word}", 1.0
        padded = f" {word} "
        for start in range(len(padded) - 2):
            yield f"t{padded[start : start + 3]}", _TRIGRAM_WEIGHT


@lru_cache(maxsize=1 << 16)
def _hashed(feature: str) -> int:
    """64-bit number of a feature, the same in every process (``hash()`` is not)."""
    return int.from_bytes(blake2b(feature.encode(), digest_size=8).digest(), "little")
