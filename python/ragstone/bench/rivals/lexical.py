"""BM25 libraries with their own English analysis: bm25s and tantivy. k1 is 1.2, b is 0.75, as ours by default."""

from __future__ import annotations

import re
from collections.abc import Sequence
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from ragstone.bench.optional import needed
from ragstone.bench.rivals import Rival, Rows

__all__ = ["BM25S", "Tantivy"]

_WORD = re.compile(r"\w+")


class BM25S(Rival):
    """Scores made when indexing, in Lucene's form; English stop words, Snowball's stemmer."""

    kind = "bm25"
    note = "its own analysis"

    def build(self, data: Sequence[str], threads: int) -> None:
        """Index the texts."""
        self.bm25s = needed("bm25s", "bm25s")
        self.stemmer = needed("Stemmer", "PyStemmer").Stemmer("english")
        self.index = self.bm25s.BM25(method="lucene", k1=1.2, b=0.75)
        terms = self.bm25s.tokenize(list(data), stopwords="en", stemmer=self.stemmer, show_progress=False)
        self.index.index(terms, show_progress=False)
        self.rows = len(data)

    def search(self, query: str, top_k: int, **setting: int) -> Rows:
        """Rows of the best, best first."""
        terms = self.bm25s.tokenize(
            [query], stopwords="en", stemmer=self.stemmer, show_progress=False, return_ids=False
        )
        known = [[word for word in terms[0] if word in self.index.vocab_dict]]
        if not known[0]:  # refused
            return []
        found, scores = self.index.retrieve(known, k=min(top_k, self.rows), show_progress=False, n_threads=0)
        rows: NDArray[np.int64] = np.asarray(found[0], dtype=np.int64)[scores[0] > 0]
        return rows


class Tantivy(Rival):
    """An index in a folder, English stemming; lengths are kept in one byte, so scores are not exact."""

    kind = "bm25"
    note = "its own analysis, lengths in one byte"

    def build(self, data: Sequence[str], threads: int) -> None:
        """Index the texts."""
        tantivy = needed("tantivy", "tantivy")
        self.folder = TemporaryDirectory()
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("body", tokenizer_name="en_stem")
        builder.add_integer_field("row", fast=True)
        self.index = tantivy.Index(builder.build(), path=self.folder.name)
        writer = self.index.writer(num_threads=threads)
        for row, text in enumerate(data):
            writer.add_document(tantivy.Document(body=text, row=row))
        writer.commit()
        writer.wait_merging_threads()
        self.index.reload()
        self.searcher = self.index.searcher()

    def search(self, query: str, top_k: int, **setting: int) -> Rows:
        """Rows of the best, best first."""
        # In lower case and without punctuation nothing is an operator.
        words = " ".join(_WORD.findall(query.lower()))
        if not words:
            return []
        found = self.searcher.search(self.index.parse_query(words, ["body"]), top_k, count=False)
        addresses = [address for _, address in found.hits]
        return list(self.searcher.fast_field_values("row", addresses)) if addresses else []

    def close(self) -> None:
        """Remove the folder."""
        self.folder.cleanup()
