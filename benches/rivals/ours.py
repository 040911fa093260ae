"""Ragstone through its public interface."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ragstone

from .system import Ids, System, Vectors


class Ragstone(System):
    """:class:`ragstone.DenseIndex` as it is, without settings."""

    package = "ragstone"

    def build(self, vectors: Vectors) -> None:
        self.index = ragstone.DenseIndex(dimension=vectors.shape[1])
        self.index.add(vectors)
        # Codes made at the first search belong to the build.
        self.index.search(vectors[:1], top_k=1)

    def search(self, queries: Vectors, top_k: int, **setting: Any) -> Ids:
        return self.index.search(queries, top_k=top_k, **setting)[0]

    def make_filter(self, ids: Ids) -> Ids | NDArray[np.bool_]:
        # Few ids are quicker as they are.
        if len(ids) < len(self.index) // 20:
            return ids
        passing = np.zeros(len(self.index), dtype=bool)
        passing[ids] = True
        return passing

    def search_filtered(self, queries: Vectors, top_k: int, passing: Any, **setting: Any) -> Ids:
        return self.index.search(queries, top_k=top_k, filter_ids=passing, **setting)[0]

    def save(self, path: Path) -> None:
        self.index.save(path)

    def open(self, path: Path) -> None:
        self.index = ragstone.DenseIndex.open(path)


class RagstoneExact(Ragstone):
    """The same with ``exact=True``."""

    exact = True
    shares = "ragstone"

    def search(self, queries: Vectors, top_k: int, **setting: Any) -> Ids:
        return super().search(queries, top_k, exact=True, **setting)

    def search_filtered(self, queries: Vectors, top_k: int, passing: Any, **setting: Any) -> Ids:
        return super().search_filtered(queries, top_k, passing, exact=True, **setting)
