"""bm25s with both of its ways to search, over memory-mapped arrays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bm25s
import numpy as np

from .lexical import Ids, LexicalSystem


class Numpy(LexicalSystem):
    """BM25 of the form ``lucene``; scores are made at building, so nothing can be added later."""

    package = "bm25s"
    analyses = ("opaque", "own")
    backend = "numpy"

    def build(self, texts: Iterator[str], folder: Path, analysis: str, threads: int) -> None:
        index = bm25s.BM25(method="lucene", k1=1.2, b=0.75, backend=self.backend)
        if analysis == "own":
            import Stemmer

            stemmer = Stemmer.Stemmer("english")
            index.index(
                bm25s.tokenize(list(texts), stopwords="en", stemmer=stemmer, show_progress=False), show_progress=False
            )
        else:
            vocabulary: dict[str, int] = {}
            ids = [[vocabulary.setdefault(word, len(vocabulary)) for word in text.split()] for text in texts]
            index.index(bm25s.tokenization.Tokenized(ids=ids, vocab=vocabulary), show_progress=False)
        index.save(str(folder), show_progress=False)

    def convert(self, terms: Any, folder: Path) -> None:
        """Write an index of terms that are inverted already, where building one takes longer than anybody waits."""
        from lexical_data import Reference, opaque

        reference = Reference(terms)
        index = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
        index.scores = {
            "data": reference.scores_of_postings.astype(np.float32),
            "indices": np.asarray(terms.rows).astype(np.int32),
            "indptr": np.asarray(terms.starts),
            "num_docs": len(terms.lengths),
        }
        index.vocab_dict = {opaque(number): number for number in range(len(terms.starts) - 1)}
        index.unique_token_ids_set = set(index.vocab_dict.values())
        index.save(str(folder), show_progress=False)

    def open(self, folder: Path) -> None:
        self.index = bm25s.BM25.load(str(folder), load_vocab=True, mmap=False)
        self.index.backend = self.backend
        if self.backend == "numba":
            self.index.activate_numba_scorer()

    def prepare(self, words: list[str], text: str) -> Any:
        vocabulary = self.index.vocab_dict
        return [[vocabulary[word] for word in words if word in vocabulary]]

    def search(self, query: Any, top_k: int) -> Any:
        if not query[0]:  # refused
            return None
        return self.index.retrieve(query, k=top_k, n_threads=0, show_progress=False, sorted=True)

    def rows(self, answer: Any) -> Ids:
        if answer is None:
            return np.empty(0, dtype=np.int64)
        ids: Ids = np.asarray(answer.documents[0], dtype=np.int64)
        return ids[answer.scores[0] > 0]


class Numba(Numpy):
    """Compiled by Numba; the first query compiles."""

    backend = "numba"
    shares = "bm25s-numpy"
