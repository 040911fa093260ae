"""Vectors inside databases that run in the process: sqlite-vec and LanceDB."""

from __future__ import annotations

from tempfile import TemporaryDirectory
from typing import Any

import apsw
import lancedb
import numpy as np
import pyarrow
import sqlite_vec
from lancedb.index import IvfRq

from .system import Ids, System, Vectors


class SqliteVec(System):
    """A vec0 table in memory, searched exactly."""

    package = "sqlite-vec"
    exact = True

    def build(self, vectors: Vectors) -> None:
        # Python's own sqlite3 is often compiled without extensions.
        self.database = apsw.Connection(":memory:")
        self.database.enable_load_extension(True)
        self.database.load_extension(sqlite_vec.loadable_path())
        self.database.execute(f"create virtual table v using vec0(e float[{vectors.shape[1]}] distance_metric=cosine)")
        rows = ((row + 1, vector.tobytes()) for row, vector in enumerate(vectors))  # row ids start at 1
        self.database.executemany("insert into v(rowid, e) values (?, ?)", rows)

    def search(self, queries: Vectors, top_k: int, **setting: Any) -> Ids:
        asked = "select rowid - 1 from v where e match ? and k = ? order by distance"
        return np.array([self.database.execute(asked, (query.tobytes(), top_k)).fetchall() for query in queries])[
            ..., 0
        ]


class LanceFlat(System):
    """A LanceDB table without an index."""

    package = "lancedb"
    exact = True

    def build(self, vectors: Vectors) -> None:
        self.folder = TemporaryDirectory()
        column = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(vectors.ravel()), vectors.shape[1])
        data = pyarrow.table({"row": np.arange(len(vectors)), "vector": column})
        self.table = lancedb.connect(self.folder.name).create_table("vectors", data)

    def search(self, queries: Vectors, top_k: int, **setting: Any) -> Ids:
        return np.array([self.ask(query, **setting).limit(top_k).to_arrow()["row"].to_numpy() for query in queries])

    def ask(self, query: Vectors, **setting: Any) -> Any:
        """A query that can still be limited."""
        return self.table.search(query).distance_type("cosine")


class LanceIvfRq(LanceFlat):
    """64 lists of 1-bit codes, the best 20 times k rescored."""

    exact = False
    settings = ({"probes": 16}, {"probes": 32}, {"probes": 64})

    def build(self, vectors: Vectors) -> None:
        super().build(vectors)
        self.table.create_index("vector", config=IvfRq(distance_type="cosine", num_partitions=64))

    def ask(self, query: Vectors, **setting: Any) -> Any:
        return super().ask(query).nprobes(setting["probes"]).refine_factor(20)
