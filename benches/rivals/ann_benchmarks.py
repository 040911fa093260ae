"""Ragstone as an algorithm of ann-benchmarks: put this file in its ``algorithms/ragstone/module.py``.

    # ann_benchmarks/algorithms/ragstone/config.yml
    float:
      angular:
      - {name: ragstone, constructor: Ragstone, module: ann_benchmarks.algorithms.ragstone, docker_tag:
         ann-benchmarks-ragstone, base_args: ["@metric"], run_groups: {default: {query_args: [[false, true]]}}}

It works without ann-benchmarks too, which finds its algorithms by their methods.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import ragstone

if TYPE_CHECKING:

    class BaseANN:
        """Base of all algorithms."""

else:
    try:
        from ann_benchmarks.algorithms.base.module import BaseANN
    except ImportError:
        BaseANN = object


class Ragstone(BaseANN):
    """:class:`ragstone.DenseIndex`; its one query argument is ``exact``."""

    def __init__(self, metric: str = "angular") -> None:
        """Take the metric of the data set; cosine is the only one."""
        if metric != "angular":
            raise NotImplementedError(f"ragstone searches by cosine ('angular'), not by {metric!r}")
        self.exact = False
        self.found: NDArray[np.int64] = np.empty((0, 0), dtype=np.int64)

    def fit(self, X: NDArray[np.float32]) -> None:
        """Build the index; ids are row numbers."""
        self.index = ragstone.DenseIndex(dimension=X.shape[1])
        self.index.add(X)
        # What the first search makes belongs to the build.
        self.index.search(X[:1], top_k=1)

    def set_query_arguments(self, exact: bool = False) -> None:
        """Whether the list must be exact."""
        self.exact = bool(exact)

    def query(self, q: NDArray[np.float32], n: int) -> NDArray[np.int64]:
        """Rows of the nearest, best first."""
        return self._known(self.index.search(q, top_k=n, exact=self.exact)[0][0])

    def batch_query(self, X: NDArray[np.float32], n: int) -> None:
        """Search for many at once; see :meth:`get_batch_results`."""
        self.found = self.index.search(X, top_k=n, exact=self.exact)[0]

    def get_batch_results(self) -> list[NDArray[np.int64]]:
        """Answers of the last batch."""
        return [self._known(ids) for ids in self.found]

    def get_memory_usage(self) -> float:
        """Kilobytes of the saved index: what the search may have to keep in memory."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "index"
            self.index.save(path)
            return path.stat().st_size / 1024

    def get_additional(self) -> dict[str, Any]:
        """Nothing more is measured."""
        return {}

    def done(self) -> None:
        """Let the index go."""
        del self.index

    def __str__(self) -> str:
        return f"Ragstone(exact={self.exact})"

    @staticmethod
    def _known(ids: NDArray[np.int64]) -> NDArray[np.int64]:
        return ids[ids >= 0]
