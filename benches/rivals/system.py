"""What a system to be compared has to do: build, search, and say which settings trade time for recall."""

from __future__ import annotations

import json
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

    ``settings`` are given to :meth:`search` as keywords, cheapest first. ``exact`` systems that miss a neighbour are
    refused by the bench. ``shares`` names a system whose index this one can use. A system with a ``key`` takes so long
    to build that its index is kept in the folder ``kept`` under this name, with the time that it took.
    """

    name = ""
    package = ""
    settings: ClassVar[tuple[Setting, ...]] = ({},)
    exact = False
    shares = ""
    key = ""
    kept: Path | None = None
    index: Any = None
    build_cpu_s = 0.0
    build_s = 0.0

    def make(self, vectors: Vectors) -> None:
        """Build over the vectors, or load what was kept, and note the time that building took."""
        path = self.kept / f"{self.key}-{len(vectors)}.index" if self.kept and self.key else None
        if path and path.exists():
            self.load(path, vectors.shape[1])
            took = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            self.build_s, self.build_cpu_s = took["build_s"], took["build_cpu_s"]
            return
        wall, cpu = time.perf_counter(), time.process_time()
        self.build(vectors)
        self.build_s, self.build_cpu_s = time.perf_counter() - wall, time.process_time() - cpu
        if path:
            took = {"build_s": self.build_s, "build_cpu_s": self.build_cpu_s, "threads": threads()}
            path.with_suffix(".json").write_text(json.dumps(took) + "\n", encoding="utf-8")
            self.save(path.with_suffix(".partly"))
            path.with_suffix(".partly").replace(path)

    def load(self, path: Path, dimension: int) -> None:
        """Read to memory what :meth:`save` wrote."""
        raise NotImplementedError

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
        """Open a file that :meth:`save` wrote, mapped where the system can."""
        raise NotImplementedError


def threads() -> int:
    """How many threads a system may use: the run's one number, for all alike."""
    return int(os.environ.get("RAGSTONE_THREADS", "1"))
