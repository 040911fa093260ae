"""Ragstone's index of texts through its public interface, from the query's text to the ids."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import ragstone

from .lexical import Ids, LexicalSystem, batches

BATCH = 100_000


class Ragstone(LexicalSystem):
    """:class:`ragstone.BM25Index` as it is; its own analysis of the query is part of every search."""

    package = "ragstone"
    analyses = ("opaque", "own")
    language = "none"

    def build(self, texts: Iterator[str], folder: Path, analysis: str, threads: int) -> None:
        index = ragstone.BM25Index(language="english" if analysis == "own" else "none")
        for batch in batches(texts, BATCH):
            index.add(batch)
        index.save(folder / "index")

    def open(self, folder: Path) -> None:
        self.index = ragstone.BM25Index.open(folder / "index")

    def prepare(self, words: list[str], text: str) -> Any:
        return [text]

    def search(self, query: Any, top_k: int) -> Any:
        return self.index.search(query, top_k=top_k)

    def rows(self, answer: Any) -> Ids:
        ids: Ids = answer[0][0]
        return ids[ids >= 0]

    def scores(self, answer: Any) -> Any:
        """The scores beside :meth:`rows`, float32."""
        return answer[1][0][np.isfinite(answer[1][0])]
