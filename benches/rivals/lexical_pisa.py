"""PISA by way of pyterrier-pisa's compiled module alone, without PyTerrier and its Java."""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Iterator
from importlib.machinery import ExtensionFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import numpy as np

from .lexical import Ids, LexicalSystem

ENCODING, BLOCK = "block_simdbp", 64
_BATCH = 100_000


def _module() -> Any:
    """The compiled module; it wants the Intel TBB of 2020, from the system or beside the package."""
    spec = find_spec("pyterrier_pisa")
    package = Path(str(spec and spec.origin)).parent
    beside = package.parent / "tbb" / "lib" / "libtbb.so.2"
    ctypes.CDLL(str(beside) if beside.exists() else "libtbb.so.2", ctypes.RTLD_GLOBAL)
    (path,) = package.glob("_pisathon*.so")
    loader = ExtensionFileLoader("_pisathon", str(path))
    found = spec_from_loader("_pisathon", loader)
    assert found is not None
    module = module_from_spec(found)
    loader.exec_module(module)
    return module


_pisa = _module()


class MaxScore(LexicalSystem):
    """Blocks of 64, unquantized, idf of Robertson and Spärck Jones; a query's repeated terms count twice."""

    package = "pyterrier-pisa"
    algorithm = "maxscore"

    def build(self, texts: Iterator[str], folder: Path, analysis: str, threads: int) -> None:
        source = folder / "texts"
        with source.open("w", encoding="utf-8") as stream:
            for row, text in enumerate(texts):
                stream.write(f"{row} {text}\n")
        _pisa.index(str(source), str(folder), "", _BATCH, threads)
        self.open(folder)
        for path in [source, folder / "fwd", *folder.glob("inv*"), *folder.glob("fwd.[dt]*s")]:
            path.unlink(missing_ok=True)  # of the way there; searching reads none of them

    def open(self, folder: Path) -> None:
        self.context = _pisa.RetrievalContext()
        _pisa.prepare_index(
            self.context, str(folder), ENCODING, "bm25", "", block_size=BLOCK, quantize=0, bm25_k1=1.2, bm25_b=0.75
        )
        self.asked = 0

    def prepare(self, words: list[str], text: str) -> Any:
        return [(0, {word: float(times) for word, times in Counter(words).items()})]

    def search(self, query: Any, top_k: int) -> Any:
        if self.asked != top_k:
            self.places, self.ranks = np.empty(top_k, np.int32), np.empty(top_k, np.int32)
            self.names, self.scores = np.empty(top_k, object), np.empty(top_k, np.float32)
            self.asked = top_k
        count = _pisa.retrieve(
            self.context,
            self.algorithm,
            query,
            k=top_k,
            threads=1,
            pretokenised=1,
            query_weighted=1,
            result_qidxs=self.places,
            result_docnos=self.names,
            result_ranks=self.ranks,
            result_scores=self.scores,
        )
        return self.names[:count]

    def rows(self, answer: Any) -> Ids:
        return np.array([int(name) for name in answer], dtype=np.int64)


class BlockMaxWand(MaxScore):
    """The same index, another way through it."""

    algorithm = "block_max_wand"
    shares = "pisa-maxscore"
