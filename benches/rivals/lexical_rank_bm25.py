"""rank_bm25: plain Python over lists of words, scores of all texts for every query."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rank_bm25 import BM25Okapi

from .lexical import Ids, LexicalSystem


class RankBM25(LexicalSystem):
    """``BM25Okapi``, whose idf differs from Lucene's for terms that many texts have."""

    package = "rank-bm25"

    def build(self, texts: Iterator[str], folder: Path, analysis: str, threads: int) -> None:
        # It has no file format: the words are kept, and opening builds anew.
        words = [text.split() for text in texts]
        (folder / "words.txt").write_text("".join(" ".join(row) + "\n" for row in words), encoding="utf-8")
        self.index = BM25Okapi(words, k1=1.2, b=0.75)

    def open(self, folder: Path) -> None:
        texts = (folder / "words.txt").read_text(encoding="utf-8").split("\n")[:-1]
        self.index = BM25Okapi([text.split() for text in texts], k1=1.2, b=0.75)

    def prepare(self, words: list[str], text: str) -> Any:
        return words

    def search(self, query: Any, top_k: int) -> Any:
        scores = self.index.get_scores(query)
        best = np.argpartition(scores, -top_k)[-top_k:]
        return best[np.argsort(-scores[best], kind="stable")]

    def rows(self, answer: Any) -> Ids:
        return np.asarray(answer, dtype=np.int64)
