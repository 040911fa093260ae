"""usearch and hnswlib: graph libraries, and usearch's exact search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hnswlib
import numpy as np
from usearch.index import Index, MetricKind, search

from .system import Ids, System, Vectors, threads

EF = tuple({"ef": ef} for ef in (64, 128, 256, 512, 1024))


class UsearchExact(System):
    """usearch's exact search over f32."""

    package = "usearch"
    exact = True

    def build(self, vectors: Vectors) -> None:
        self.vectors = vectors

    def search(self, queries: Vectors, top_k: int, **setting: Any) -> Ids:
        found = search(self.vectors, queries, top_k, MetricKind.IP, exact=True, threads=threads())
        return np.asarray(found.keys).astype(np.int64).reshape(len(queries), -1)


class UsearchHnsw(System):
    """usearch's graph with 32 neighbours and expansion 200 when adding."""

    package = "usearch"
    settings = EF
    key = "usearch-hnsw-m32-efc200"

    def build(self, vectors: Vectors) -> None:
        self.index = Index(ndim=vectors.shape[1], metric="ip", dtype="f32", connectivity=32, expansion_add=200)
        self.index.add(np.arange(len(vectors)), vectors, threads=threads())

    def search(self, queries: Vectors, top_k: int, **setting: Any) -> Ids:
        self.index.expansion_search = setting["ef"]
        found = self.index.search(queries, top_k, threads=threads())
        return np.asarray(found.keys).astype(np.int64).reshape(len(queries), -1)

    def save(self, path: Path) -> None:
        self.index.save(str(path))

    def load(self, path: Path, dimension: int) -> None:
        self.index = Index(ndim=dimension, metric="ip", dtype="f32", connectivity=32, expansion_add=200)
        self.index.load(str(path))


class Hnswlib(System):
    """hnswlib with 32 neighbours and ef_construction 200."""

    package = "hnswlib"
    settings = EF
    key = "hnswlib-m32-efc200"

    def build(self, vectors: Vectors) -> None:
        self.index = hnswlib.Index(space="ip", dim=vectors.shape[1])
        self.index.init_index(len(vectors), M=32, ef_construction=200)
        self.index.add_items(vectors, num_threads=threads())

    def search(self, queries: Vectors, top_k: int, **setting: Any) -> Ids:
        self.index.set_ef(max(setting["ef"], top_k))
        return self.index.knn_query(queries, top_k, num_threads=threads())[0].astype(np.int64)

    def save(self, path: Path) -> None:
        self.index.save_index(str(path))

    def load(self, path: Path, dimension: int) -> None:
        self.index = hnswlib.Index(space="ip", dim=dimension)
        self.index.load_index(str(path))
