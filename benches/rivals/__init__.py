"""Systems to compare: one adapter each, behind the same three methods; what is not installed is said, not guessed."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

from .system import System

__all__ = ["NAMES", "System", "load", "missing"]

# name: module, class and the package that it needs
_SYSTEMS = {
    "ragstone": ("ours", "Ragstone", "ragstone"),
    "ragstone-exact": ("ours", "RagstoneExact", "ragstone"),
    "numpy": ("brute_force", "Numpy", "numpy"),
    "faiss-flat": ("faiss_indexes", "Flat", "faiss"),
    "faiss-sq8": ("faiss_indexes", "ScalarQuantizer", "faiss"),
    "faiss-rabitq": ("faiss_indexes", "RaBitQ", "faiss"),
    "faiss-rabitq-rotated": ("faiss_indexes", "RotatedRaBitQ", "faiss"),
    "faiss-hnsw": ("faiss_indexes", "Hnsw", "faiss"),
    "usearch-exact": ("graphs", "UsearchExact", "usearch"),
    "usearch-hnsw": ("graphs", "UsearchHnsw", "usearch"),
    "hnswlib": ("graphs", "Hnswlib", "hnswlib"),
    "sqlite-vec": ("databases", "SqliteVec", "sqlite_vec"),
    "lancedb-flat": ("databases", "LanceFlat", "lancedb"),
    "lancedb-ivf-rq": ("databases", "LanceIvfRq", "lancedb"),
}
NAMES = tuple(_SYSTEMS)


def load(name: str) -> System:
    """A system, empty.

    Raises:
        KeyError: There is no system of this name.
        ModuleNotFoundError: Its package is not installed.
    """
    module, kind, _ = _SYSTEMS[name]
    make: Callable[[], System] = getattr(import_module(f"{__name__}.{module}"), kind)
    system = make()
    system.name = name
    return system


def missing(name: str) -> str | None:
    """The package that a system needs and that is not installed."""
    package = _SYSTEMS[name][2]
    return None if find_spec(package) else package
