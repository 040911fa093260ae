"""Vector databases that run inside the process: LanceDB, Chroma and Qdrant's local mode. Nothing leaves the machine."""

from __future__ import annotations

from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from ragstone.bench.optional import needed
from ragstone.bench.rivals import Rival, Rows

__all__ = ["Chroma", "LanceDB", "Qdrant"]

_Vectors = NDArray[np.float32]
_BATCH = 5000


class LanceDB(Rival):
    """A table without an index: every vector is compared."""

    kind = "dense"
    exact = True

    def build(self, data: _Vectors, threads: int) -> None:
        """Index the vectors."""
        lancedb, pyarrow = needed("lancedb", "lancedb"), needed("pyarrow", "pyarrow")
        self.folder = TemporaryDirectory()
        column = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(data.ravel()), data.shape[1])
        table = pyarrow.table({"row": np.arange(len(data)), "vector": column})
        self.table = lancedb.connect(self.folder.name).create_table("vectors", table)

    def search(self, query: _Vectors, top_k: int, **setting: int) -> Rows:
        """Rows of the best, best first."""
        asked = self.table.search(query).distance_type("cosine").select(["row", "_distance"]).limit(top_k)
        found: NDArray[np.int64] = asked.to_arrow()["row"].to_numpy()
        return found

    def close(self) -> None:
        """Remove the folder."""
        self.folder.cleanup()


class Chroma(Rival):
    """A collection in memory; its graph is Chroma's own choice."""

    kind = "dense"
    note = "graph with Chroma's default settings"

    def build(self, data: _Vectors, threads: int) -> None:
        """Index the vectors."""
        chromadb = needed("chromadb", "chromadb")
        client = chromadb.EphemeralClient(chromadb.Settings(anonymized_telemetry=False, is_persistent=False))
        # Clients in memory share one store.
        if any(getattr(one, "name", one) == "ragstone-bench" for one in client.list_collections()):
            client.delete_collection("ragstone-bench")
        self.collection = client.create_collection("ragstone-bench", metadata={"hnsw:space": "cosine"})
        for first in range(0, len(data), _BATCH):
            batch = data[first : first + _BATCH]
            self.collection.add(ids=[str(first + row) for row in range(len(batch))], embeddings=batch)

    def search(self, query: _Vectors, top_k: int, **setting: int) -> Rows:
        """Rows of the best, best first."""
        found = self.collection.query(query_embeddings=query[np.newaxis], n_results=top_k, include=[])
        return [int(row) for row in found["ids"][0]]


class Qdrant(Rival):
    """Its client's local mode, which compares every vector; its server, which has a graph, runs elsewhere."""

    kind = "dense"
    exact = True
    note = "the client's local mode, not the server"

    def build(self, data: _Vectors, threads: int) -> None:
        """Index the vectors."""
        client = needed("qdrant_client", "qdrant-client")
        models = client.models
        self.client = client.QdrantClient(":memory:")
        parameters = models.VectorParams(size=data.shape[1], distance=models.Distance.COSINE)
        self.client.create_collection("ragstone-bench", vectors_config=parameters)
        for first in range(0, len(data), _BATCH):
            batch = data[first : first + _BATCH]
            points = models.Batch(ids=list(range(first, first + len(batch))), vectors=batch.tolist())
            self.client.upsert("ragstone-bench", points=points)

    def search(self, query: _Vectors, top_k: int, **setting: int) -> Rows:
        """Rows of the best, best first."""
        found = self.client.query_points("ragstone-bench", query=query.tolist(), limit=top_k, with_payload=False)
        return [int(point.id) for point in found.points]
