"""faiss: exact, 8-bit, 1-bit with rescoring, and its graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np

from .system import Ids, System, Vectors, threads


class _Faiss(System):
    package = "faiss-cpu"

    def empty(self, dimension: int) -> Any:
        """An index without vectors."""
        raise NotImplementedError

    def build(self, vectors: Vectors) -> None:
        faiss.omp_set_num_threads(threads())
        self.index = self.empty(vectors.shape[1])
        self.index.train(vectors)
        self.index.add(vectors)

    def parameters(self, **options: Any) -> Any:
        """Search parameters of this kind of index."""
        return faiss.SearchParameters(**options)

    def search(self, queries: Vectors, top_k: int, **setting: Any) -> Ids:
        parameters = self.parameters(**setting) if setting else None
        return np.asarray(self.index.search(queries, top_k, params=parameters)[1])

    def make_filter(self, ids: Ids) -> Any:
        """A bitmap, the fastest selector that faiss has."""
        mask = np.zeros(self.index.ntotal, dtype=bool)
        mask[ids] = True
        return faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))

    def search_filtered(self, queries: Vectors, top_k: int, passing: Any, **setting: Any) -> Ids:
        return self.search(queries, top_k, sel=passing, **setting)

    def save(self, path: Path) -> None:
        faiss.write_index(self.index, str(path))

    def load(self, path: Path, dimension: int) -> None:
        faiss.omp_set_num_threads(threads())
        self.index = faiss.read_index(str(path))

    def open(self, path: Path) -> None:
        faiss.omp_set_num_threads(threads())
        self.index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)


class Flat(_Faiss):
    """IndexFlatIP: every vector in f32, exact."""

    exact = True

    def empty(self, dimension: int) -> Any:
        return faiss.IndexFlatIP(dimension)


class ScalarQuantizer(_Faiss):
    """8 bits a value, trained on the data; no rescoring."""

    def empty(self, dimension: int) -> Any:
        return faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)


class RaBitQ(_Faiss):
    """1-bit codes scanned by table look-up, the best k times k_factor rescored on f32."""

    settings = ({"k_factor": 10}, {"k_factor": 20}, {"k_factor": 50})
    recipe = "RaBitQfs,RFlat"

    def empty(self, dimension: int) -> Any:
        return faiss.index_factory(dimension, self.recipe, faiss.METRIC_INNER_PRODUCT)

    def parameters(self, **options: Any) -> Any:
        return faiss.IndexRefineSearchParameters(**options)


class RotatedRaBitQ(RaBitQ):
    """The same behind a random rotation, which 1-bit codes assume."""

    def empty(self, dimension: int) -> Any:
        recipe = f"RR{dimension},{self.recipe}"
        return faiss.index_factory(dimension, recipe, faiss.METRIC_INNER_PRODUCT)


class Hnsw(_Faiss):
    """IndexHNSWFlat with 32 neighbours and efConstruction 200."""

    key = "faiss-hnsw-m32-efc200"
    settings = tuple({"efSearch": ef} for ef in (32, 64, 128, 256, 512, 1024, 2048))

    def empty(self, dimension: int) -> Any:
        index = faiss.IndexHNSWFlat(dimension, 32, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 200
        return index

    def parameters(self, **options: Any) -> Any:
        return faiss.SearchParametersHNSW(**options)
