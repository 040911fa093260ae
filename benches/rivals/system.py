"""What a system to be compared has to do: build, search, and say which settings trade time for recall."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Ids = NDArray[np.int64]
Setting = dict[str, Any]


class System:
    """Base of all adapters. Vectors have unit length, so cosine and inner product are the same.

    ``settings`` are given to :meth:`search` as keywords, cheapest first. ``kept`` is a folder where a build that takes
    long may be kept between runs. ``exact`` systems that miss a neighbour are refused by the bench. ``shares`` names a
    system whose index this one can use.
    """

    name = ""
    package = ""
    settings: ClassVar[tuple[Setting, ...]] = ({},)
    exact = False
    index: Any = None
    shares = ""
    kept: Path | None = None
    build_cpu_s = 0.0
    build_s = 0.0

    def make(self, vectors: Vectors) -> None:
        """Build over the vectors, whose ids are their row numbers, and note the time it took."""
        wall, cpu = time.perf_counter(), time.process_time()
        self.build(vectors)
        self.build_s = self.build_s or time.perf_counter() - wall
        self.build_cpu_s = self.build_cpu_s or time.process_time() - cpu

    def build(self, vectors: Vectors) -> None:
        """Build over the vectors, whose ids are their row numbers."""
        raise NotImplementedError

    def search(self, queries: Vectors, top_k: int, **setting: Any) -> Ids:
        """Ids of the nearest, shape (n, top_k), best first, -1 where there are fewer."""
        raise NotImplementedError

    def make_filter(self, ids: Ids) -> Any:
        """What :meth:`search_filtered` takes, made from the ids that pass, ascending."""
        raise NotImplementedError

    def search_filtered(self, queries: Vectors, top_k: int, passing: Any, **setting: Any) -> Ids:
        """As :meth:`search`, among the ids that pass only."""
        raise NotImplementedError

    def save(self, path: Path) -> None:
        """Write the index to a file."""
        raise NotImplementedError

    def open(self, path: Path) -> None:
        """Open a file that :meth:`save` wrote, in the way that is ready soonest."""
        raise NotImplementedError


def threads() -> int:
    """How many threads a system may use: the run's one number, for all alike."""
    return int(os.environ.get("RAGSTONE_THREADS", "1"))
