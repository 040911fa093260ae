"""Ragstone as a client of VectorDBBench: an index file instead of a server.

In a checkout of VectorDBBench, put this file in ``vectordb_bench/backend/clients/ragstone/ragstone.py``, and a member
for it into the enum ``DB`` of ``clients/__init__.py`` with a ``DBConfig`` whose ``to_dict`` gives ``{"path": folder}``.
The client is copied into every process that searches, so all state is in that folder. It works without VectorDBBench
too, which asks for no more than these methods.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import ragstone

if TYPE_CHECKING:

    class VectorDB:
        """Base of all clients."""

else:
    try:
        from vectordb_bench.backend.clients.api import VectorDB
    except ImportError:
        VectorDB = object

# Values of its enum FilterOp: everything, ids from a number on, rows of one label.
NO_FILTER, FROM_ID, LABEL = "NonFilter", "NumGE", "Label"


class Ragstone(VectorDB):
    """:class:`ragstone.DenseIndex` behind VectorDBBench's methods. Vectors need no scaling: the metric is cosine."""

    name = "Ragstone"
    thread_safe = True
    supported_filter_types: Sequence[str] = (NO_FILTER, FROM_ID, LABEL)

    def __init__(
        self,
        dim: int,
        db_config: dict[str, Any],
        db_case_config: Any = None,
        collection_name: str = "vectors",
        drop_old: bool = False,
        **options: Any,
    ) -> None:
        """Name the folder ``db_config["path"]``; ``drop_old`` removes what an earlier run left in it."""
        metric = str(getattr(getattr(db_case_config, "metric_type", None), "value", "COSINE"))
        if metric != "COSINE":
            raise ValueError(f"ragstone searches by cosine, not by {metric!r}")
        self.dimension = dim
        self.folder = Path(db_config["path"]) / collection_name
        if drop_old:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.index: ragstone.DenseIndex | None = None
        self.passing: NDArray[np.int64] | None = None

    @contextmanager
    def init(self) -> Iterator[None]:
        """Open the index for the calls inside; what they added is saved afterwards."""
        saved = self.folder / "index"
        self.index = (
            ragstone.DenseIndex.open(saved) if saved.exists() else ragstone.DenseIndex(dimension=self.dimension)
        )
        self.ids, self.labels = self._columns() if saved.exists() else ([], [])
        self.changed = False
        try:
            yield
            if self.changed:
                self._save()
        finally:
            self.index, self.passing = None, None

    def need_normalize_cosine(self) -> bool:
        """No: cosine does not depend on length."""
        return False

    def insert_embeddings(
        self, embeddings: Any, metadata: Sequence[int], labels_data: Sequence[str] | None = None, **options: Any
    ) -> tuple[int, Exception | None]:
        """Add vectors under the ids in ``metadata``; the number that was added, and what went wrong if it is 0."""
        try:
            self._opened().add(np.asarray(embeddings, dtype=np.float32), ids=np.asarray(metadata, dtype=np.int64))
        except ragstone.RagstoneError as error:
            return 0, error
        self.ids.append(np.asarray(metadata, dtype=np.int64))
        self.labels.append(np.asarray(labels_data if labels_data is not None else [""] * len(metadata), dtype=str))
        self.changed = True
        return len(metadata), None

    def optimize(self, data_size: int | None = None) -> None:
        """Save the index and open it as every searching process will."""
        if self.changed:
            self._save()
        self.index = ragstone.DenseIndex.open(self.folder / "index")
        self.index.search(np.ones(self.dimension, dtype=np.float32), top_k=1)

    def prepare_filter(self, filters: Any) -> None:
        """Take the filter of the searches to come."""
        ids = np.concatenate(self.ids) if self.ids else np.empty(0, dtype=np.int64)
        if filters.type == NO_FILTER:
            self.passing = None
        elif filters.type == FROM_ID:
            self.passing = ids[ids >= filters.int_value]
        elif filters.type == LABEL:
            labels = np.concatenate(self.labels) if self.labels else np.empty(0, dtype=str)
            self.passing = ids[labels == filters.label_value]
        else:
            raise ValueError(f"ragstone's client has no filter {filters.type!r}")

    def search_embedding(self, query: Any, k: int = 100, filters: Any = None, **options: Any) -> list[int]:
        """Ids of the k nearest. ``filters`` is the older form of the filter: ``{"id": least id}``."""
        passing = self.passing
        if filters:
            ids = np.concatenate(self.ids)
            passing = ids[ids >= filters["id"]]
        found, _ = self._opened().search(np.asarray(query, dtype=np.float32), top_k=k, filter_ids=passing)
        return [int(number) for number in found[0] if number >= 0]

    def _opened(self) -> ragstone.DenseIndex:
        if self.index is None:
            raise RuntimeError("call inside 'with client.init():'")
        return self.index

    def _save(self) -> None:
        self._opened().save(self.folder / "index")
        np.savez(self.folder / "columns.npz", ids=np.concatenate(self.ids), labels=np.concatenate(self.labels))
        self.changed = False

    def _columns(self) -> tuple[list[NDArray[np.int64]], list[NDArray[np.str_]]]:
        with np.load(self.folder / "columns.npz") as columns:
            return [columns["ids"]], [columns["labels"]]
