"""Indexes for people who bring vectors or texts and no documents: arrays in, arrays out."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ragstone import _core
from ragstone.arguments import integer, listed, number, text
from ragstone.arguments import texts as strings
from ragstone.embedding.threads import thread_budget
from ragstone.errors import InvalidInput

__all__ = ["BM25Index", "DenseIndex"]

# ids and scores of one call take 12 bytes for each hit asked for.
_RESULTS_MAX = 1 << 28
_DIMENSION_MAX = 65_536


def float32(values: ArrayLike, what: str) -> NDArray[np.float32]:
    """Values as a contiguous float32 array; refuses what holds no real numbers."""
    if isinstance(values, np.ndarray) and values.dtype == np.float32 and values.flags.c_contiguous:
        return values
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InvalidInput(f"{what} cannot be read as an array: {str(error).rstrip('.')}") from None
    if array.dtype.kind not in "fiu":
        raise InvalidInput(f"{what} has dtype {array.dtype}, it must hold real numbers")
    # A value too large for float32 becomes infinite here and is refused as such by the engine.
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=np.float32)


def _rows(values: ArrayLike, what: str) -> NDArray[np.float32]:
    """One vector or several, as rows."""
    array = float32(values, what)
    if array.ndim == 1 and array.size:
        array = array[np.newaxis, :]
    if array.ndim != 2:
        raise InvalidInput(f"{what} has shape {array.shape}, it must be (n, dimension)")
    return array


def _ids(ids: ArrayLike | None) -> NDArray[np.int64] | None:
    if ids is None:
        return None
    try:
        array = np.asarray(ids)
    except ValueError as error:
        raise InvalidInput(f"ids cannot be read as an array: {str(error).rstrip('.')}") from None
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise InvalidInput(f"ids have shape {array.shape} and dtype {array.dtype}, they must be (n,) integers")
    if array.dtype.kind == "u" and array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise InvalidInput(f"id {int(array.max())} is larger than 2^63 - 1")
    return np.ascontiguousarray(array, dtype=np.int64)


def _filter(filter_ids: ArrayLike | None) -> NDArray[np.int64] | NDArray[np.uint64] | None:
    """Ids as they are, or bits of what may be found, 64 ids a word."""
    if not isinstance(filter_ids, np.ndarray) or filter_ids.dtype != np.bool_:
        return _ids(filter_ids)
    if filter_ids.ndim != 1:
        raise InvalidInput(f"filter_ids has shape {filter_ids.shape}, it must be (n,)")
    packed = np.packbits(filter_ids, bitorder="little")
    bits = np.zeros(-(-len(packed) // 8) * 8, dtype=np.uint8)
    bits[: len(packed)] = packed
    return bits.view("<u8").astype(np.uint64, copy=False)


def _top_k(top_k: int, queries: int) -> int:
    asked = integer(top_k, "top_k", 1, _RESULTS_MAX)
    if asked * max(queries, 1) > _RESULTS_MAX:
        raise InvalidInput(f"top_k is {asked} for {queries} queries: at most {_RESULTS_MAX} results fit in one call")
    return asked


class DenseIndex:
    """Vectors with numeric ids, searched by cosine. Safe to use from several threads.

    >>> import numpy as np
    >>> index = DenseIndex(dimension=3)
    >>> index.add(np.eye(3, dtype=np.float32))
    array([0, 1, 2])
    >>> ids, scores = index.search([[1.0, 0.5, 0.0]], top_k=2)
    >>> ids
    array([[0, 1]])
    """

    def __init__(self, *, dimension: int) -> None:
        """Make an empty index for vectors of ``dimension`` values."""
        self._core = _core.DenseIndex(integer(dimension, "dimension", 1, _DIMENSION_MAX))

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> DenseIndex:
        """Open a saved index, memory-mapped.

        Raises:
            NotFound: There is no such file.
            CorruptIndex: The file is damaged.
        """
        index = cls.__new__(cls)
        index._core = _core.DenseIndex.open(path)
        return index

    @property
    def dimension(self) -> int:
        """Number of values in a vector."""
        return self._core.dimension

    def __len__(self) -> int:
        """Number of vectors."""
        return len(self._core)

    def add(self, vectors: ArrayLike, ids: ArrayLike | None = None) -> NDArray[np.int64]:
        """Add vectors; one whose id is taken replaces the one that had it.

        Args:
            vectors: Shape (n, dimension), real numbers; each finite and not zero. Their length does not matter.
            ids: Shape (n,), integers of at least 0. By default they continue from the largest id ever used.

        Returns:
            The ids, shape (n,), int64.

        Raises:
            DimensionMismatch: The vectors have another dimension.
            InvalidInput: A vector or an id cannot be used; none was added.
        """
        return self._core.add(_rows(vectors, "vectors"), _ids(ids))

    def remove(self, ids: ArrayLike) -> int:
        """Remove vectors by id; returns how many there were."""
        given = _ids(ids)
        return 0 if given is None else self._core.remove(given)

    def search(
        self, queries: ArrayLike, *, top_k: int = 10, exact: bool = False, filter_ids: ArrayLike | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Find the vectors of highest cosine for each query.

        Args:
            queries: Shape (n, dimension), or (dimension,) for one.
            top_k: Hits for each query.
            exact: Guarantee the list that comparing all vectors in float64 gives. Without it the list is that where
                few vectors can be found, and misses less than one in a thousand of the best where many can, for a
                sixth of the time.
            filter_ids: Find only vectors with these ids: an array of ids, or of bool, whose entry ``i`` tells whether
                id ``i`` may be found (quicker where many may).

        Returns:
            ids of shape (n, top_k), int64, best first and equal scores by id, padded with -1; and their cosines,
            float32, padded with negative infinity.
        """
        rows = _rows(queries, "queries")
        return self._core.search(
            rows,
            top_k=_top_k(top_k, len(rows)),
            exact=bool(exact),
            filter_ids=_filter(filter_ids),
            threads=thread_budget(),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the index as one file, durably; a file of this name is replaced in one step."""
        self._core.save(path)

    def __repr__(self) -> str:
        return f"DenseIndex(dimension={self.dimension}, {len(self)} vectors)"


class BM25Index:
    """Texts with numeric ids, searched by BM25 in the Lucene form. Safe to use from several threads.

    score = sum over the query's terms of idf · tf / (tf + k1 · (1 - b + b · length / average length)), with
    idf = ln(1 + (N - df + 0.5) / (df + 0.5)) (Robertson and Zaragoza 2009, in the form of Apache Lucene 8).

    >>> index = BM25Index()
    >>> index.add(["the cat sat", "a dog barked", "cats and dogs"])
    array([0, 1, 2])
    >>> ids, scores = index.search(["cat"], top_k=3)
    >>> ids
    array([[ 0,  2, -1]])
    """

    def __init__(self, *, language: str = "english", k1: float = 1.2, b: float = 0.75) -> None:
        """Make an empty index.

        Args:
            language: Stemming and stop words, a Snowball name such as ``"english"``, or ``"none"``;
                :func:`detect_language` tells it from a sample.
            k1: How fast repeated terms saturate, from 0.
            b: How much length counts, from 0 to 1.

        Raises:
            InvalidInput: A parameter is out of its range, or the language is none of those that the message lists.
        """
        self._core = _core.LexicalIndex(text(language, "language"), number(k1, "k1", 0, 1e6), number(b, "b", 0, 1))

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> BM25Index:
        """Open a saved index, memory-mapped.

        Raises:
            NotFound: There is no such file.
            CorruptIndex: The file is damaged.
        """
        index = cls.__new__(cls)
        index._core = _core.LexicalIndex.open(path)
        return index

    def __len__(self) -> int:
        """Number of texts."""
        return len(self._core)

    def add(self, texts: Sequence[str], ids: ArrayLike | None = None) -> NDArray[np.int64]:
        """Add texts; one whose id is taken replaces the one that had it.

        Texts are analysed on all threads (``RAGSTONE_THREADS``), with the same result. Ctrl-C stops a long call, which
        then has changed nothing. A call takes some milliseconds at least, so add many texts at once.

        Args:
            texts: n strings.
            ids: Shape (n,), integers of at least 0. By default they continue from the largest id ever used.

        Returns:
            The ids, shape (n,), int64.
        """
        given, numbers = listed(texts, "texts"), _ids(ids)
        try:
            return self._core.add(given, numbers, threads=thread_budget())
        except (TypeError, UnicodeEncodeError):
            strings(given, "texts", "text")  # says which one cannot be stored
            raise

    def remove(self, ids: ArrayLike) -> int:
        """Remove texts by id; returns how many there were.

        When a quarter of the texts that were added together is gone, what is left of them is written anew: a removal
        now and then takes long. Ctrl-C stops that, and the texts are removed all the same.
        """
        given = _ids(ids)
        return 0 if given is None else self._core.remove(given, threads=thread_budget())

    def search(
        self, queries: Sequence[str] | str, *, top_k: int = 10, filter_ids: ArrayLike | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Find the best texts for each query.

        Args:
            queries: n strings, or one.
            top_k: Hits for each query.
            filter_ids: Find only texts with these ids: an array of ids, or of bool, whose entry ``i`` tells whether id
                ``i`` may be found (quicker where many may). Scores do not change.

        Returns:
            ids of shape (n, top_k), int64, best first and equal scores by id, padded with -1; and their scores,
            float32, padded with negative infinity. Only texts that share a term with the query are found.
        """
        asked = [queries] if isinstance(queries, str) else listed(queries, "queries")
        count = len(asked)
        try:
            return self._core.search(
                asked,
                top_k=_top_k(top_k, count),
                filter_ids=None if filter_ids is None else _filter(filter_ids),
                threads=1 if count < 2 else thread_budget(),
            )
        except (TypeError, UnicodeEncodeError):
            strings(asked, "queries", "query")  # says which one cannot be read
            raise

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the index as one file, durably."""
        self._core.save(path)

    def __repr__(self) -> str:
        return f"BM25Index({len(self)} texts)"


def detect_language(texts: Sequence[str]) -> str:
    """Name the language that most of some texts are in, as ``open(language=...)`` and :class:`BM25Index` take it.

    Args:
        texts: A sample from all over what will be indexed; about the first 100,000 characters are read.

    Returns:
        A Snowball name, or ``"none"`` where no language is certain: little text, or one without a stemmer.

    >>> detect_language(["Die Rechnung wurde gestern bezahlt, aber die Ware ist noch nicht angekommen."])
    'german'
    """
    return _core.detect_language(strings(texts, "texts", "text"))
