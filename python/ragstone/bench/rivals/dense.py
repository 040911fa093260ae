"""Vector libraries: faiss, exact and as a graph, hnswlib and usearch. Graphs have 32 neighbours and a width of 200."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragstone.bench.optional import needed
from ragstone.bench.rivals import Rival, Rows

__all__ = ["FaissFlat", "FaissHnsw", "Hnswlib", "Usearch"]

_Vectors = NDArray[np.float32]
_NEIGHBOURS, _WIDTH = 32, 200
_WIDTHS = (32, 64, 128, 256, 512, 1024)


class FaissFlat(Rival):
    """Every vector compared."""

    kind = "dense"
    exact = True

    def build(self, data: _Vectors, threads: int) -> None:
        """Index the vectors."""
        faiss = needed("faiss", "faiss-cpu")
        faiss.omp_set_num_threads(threads)
        self.index = self.empty(faiss, data.shape[1])
        self.index.add(data)
        # One query at a time: threads would share it, and wait for each other.
        faiss.omp_set_num_threads(1)

    def empty(self, faiss: Any, dimension: int) -> Any:
        """An index without vectors."""
        return faiss.IndexFlatIP(dimension)

    def search(self, query: _Vectors, top_k: int, **setting: int) -> Rows:
        """Rows of the best, best first."""
        found: NDArray[np.int64] = self.index.search(query[np.newaxis], top_k)[1][0]
        return found


class FaissHnsw(FaissFlat):
    """Its graph."""

    exact = False
    settings = tuple({"efSearch": width} for width in _WIDTHS)

    def empty(self, faiss: Any, dimension: int) -> Any:
        """An index without vectors."""
        index = faiss.IndexHNSWFlat(dimension, _NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = _WIDTH
        return index

    def search(self, query: _Vectors, top_k: int, **setting: int) -> Rows:
        """Rows of the best, best first."""
        self.index.hnsw.efSearch = setting["efSearch"]
        return super().search(query, top_k)


class Hnswlib(Rival):
    """The library of the graph's authors."""

    kind = "dense"
    settings = tuple({"ef": width} for width in _WIDTHS)

    def build(self, data: _Vectors, threads: int) -> None:
        """Index the vectors."""
        self.index = needed("hnswlib", "hnswlib").Index(space="ip", dim=data.shape[1])
        self.index.init_index(len(data), M=_NEIGHBOURS, ef_construction=_WIDTH)
        self.index.add_items(data, num_threads=threads)

    def search(self, query: _Vectors, top_k: int, **setting: int) -> Rows:
        """Rows of the best, best first."""
        self.index.set_ef(max(setting["ef"], top_k))
        found: NDArray[np.int64] = self.index.knn_query(query, top_k, num_threads=1)[0][0].astype(np.int64)
        return found


class Usearch(Rival):
    """A graph over f32."""

    kind = "dense"
    settings = tuple({"ef": width} for width in _WIDTHS)

    def build(self, data: _Vectors, threads: int) -> None:
        """Index the vectors."""
        index = needed("usearch.index", "usearch").Index
        self.index = index(ndim=data.shape[1], metric="ip", dtype="f32", connectivity=_NEIGHBOURS, expansion_add=_WIDTH)
        self.index.add(np.arange(len(data)), data, threads=threads)

    def search(self, query: _Vectors, top_k: int, **setting: int) -> Rows:
        """Rows of the best, best first."""
        self.index.expansion_search = setting["ef"]
        found: NDArray[np.int64] = np.asarray(self.index.search(query, top_k).keys).astype(np.int64)
        return found
