"""Other systems behind two methods, build and search, to be measured on a user's own data. None is needed otherwise."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any, ClassVar, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from ragstone.bench.optional import needed
from ragstone.errors import InvalidInput

__all__ = ["NAMES", "Kind", "Rival", "Rows", "load"]

Kind: TypeAlias = Literal["dense", "bm25"]
Rows: TypeAlias = "list[int] | NDArray[np.int64]"


class Rival:
    """Base of all adapters.

    Vectors are float32 of unit length, shape (n, dimension); ids are row numbers. ``settings`` are given to
    :meth:`search` as keywords, cheapest first; a system without any is exact, or has nothing to choose.
    """

    kind: ClassVar[Kind]
    settings: ClassVar[tuple[dict[str, int], ...]] = ({},)
    exact: ClassVar[bool] = False
    note: ClassVar[str] = ""

    def build(self, data: Any, threads: int) -> None:
        """Index vectors, or texts, with at most so many threads."""
        raise NotImplementedError

    def search(self, query: Any, top_k: int, **setting: int) -> Rows:
        """Rows of the best, best first, for one vector of shape (dimension,) or one text."""
        raise NotImplementedError

    def close(self) -> None:
        """Give back what does not go with the object."""


# name: module, class, and what pip calls the packages it needs, by the names they are imported by
_RIVALS: dict[str, tuple[str, str, dict[str, str]]] = {
    "faiss": ("dense", "FaissFlat", {"faiss": "faiss-cpu"}),
    "faiss-hnsw": ("dense", "FaissHnsw", {"faiss": "faiss-cpu"}),
    "hnswlib": ("dense", "Hnswlib", {"hnswlib": "hnswlib"}),
    "usearch": ("dense", "Usearch", {"usearch": "usearch"}),
    "lancedb": ("databases", "LanceDB", {"lancedb": "lancedb", "pyarrow": "pyarrow"}),
    "chroma": ("databases", "Chroma", {"chromadb": "chromadb"}),
    "qdrant": ("databases", "Qdrant", {"qdrant_client": "qdrant-client"}),
    "bm25s": ("lexical", "BM25S", {"bm25s": "bm25s", "Stemmer": "PyStemmer"}),
    "tantivy": ("lexical", "Tantivy", {"tantivy": "tantivy"}),
}
NAMES = tuple(_RIVALS)


def load(name: str) -> Rival:
    """A rival by name, empty.

    Raises:
        InvalidInput: There is none of this name; the message lists them.
        MissingDependency: A package is not installed; the message has the pip command.
    """
    if name not in _RIVALS:
        raise InvalidInput(f"there is no rival {name!r}: use some of {', '.join(NAMES)}")
    module, kind, packages = _RIVALS[name]
    for package, known_as in packages.items():
        needed(package, known_as)
        # What they say of themselves belongs to no report.
        logging.getLogger(package).setLevel(logging.WARNING)
    return cast(Rival, getattr(import_module(f"{__name__}.{module}"), kind)())
