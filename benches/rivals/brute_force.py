"""The few lines of NumPy that everyone writes first."""

from __future__ import annotations

from typing import Any

import numpy as np

from .system import Ids, System, Vectors


class Numpy(System):
    """One matrix product, then the best by partition."""

    package = "numpy"
    exact = True

    def build(self, vectors: Vectors) -> None:
        self.vectors = vectors

    def search(self, queries: Vectors, top_k: int, **setting: Any) -> Ids:
        scores = queries @ self.vectors.T
        best = np.argpartition(scores, -top_k, axis=1)[:, -top_k:]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
        return np.take_along_axis(best, order, axis=1)
