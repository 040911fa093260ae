"""tantivy in the process: one segment, queries built before they are timed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tantivy

from .lexical import Ids, LexicalSystem

# Enough for a million texts in one segment of one thread; tantivy takes at most 4 GB for a thread.
HEAP = 3_500_000_000


class Tantivy(LexicalSystem):
    """BM25 with its fixed k1 1.2 and b 0.75; lengths are kept in one byte."""

    package = "tantivy"
    analyses = ("opaque", "own")

    def build(self, texts: Iterator[str], folder: Path, analysis: str, threads: int) -> None:
        builder = tantivy.SchemaBuilder()
        tokenizer = "en_stem" if analysis == "own" else "whitespace"
        builder.add_text_field("body", tokenizer_name=tokenizer, index_option="freq")
        builder.add_integer_field("row", fast=True)
        index = tantivy.Index(builder.build(), path=str(folder))
        # With its own analysis the way users build counts: the default budget, and segments as they come.
        writer = index.writer(num_threads=threads) if analysis == "own" else index.writer(HEAP, 1)
        for row, text in enumerate(texts):
            writer.add_document(tantivy.Document(body=text, row=row))
        writer.commit()
        writer.wait_merging_threads()

    def open(self, folder: Path) -> None:
        self.index = tantivy.Index.open(str(folder))
        self.searcher = self.index.searcher()
        if self.searcher.num_segments != 1:
            self.note = f"{self.searcher.num_segments} segments"

    def prepare(self, words: list[str], text: str) -> Any:
        schema = self.index.schema
        clauses = [(tantivy.Occur.Should, tantivy.Query.term_query(schema, "body", word, "freq")) for word in words]
        return tantivy.Query.boolean_query(clauses)

    def search(self, query: Any, top_k: int) -> Any:
        return self.searcher.search(query, top_k, count=False)

    def rows(self, answer: Any) -> Ids:
        addresses = [address for _, address in answer.hits]
        return np.array(self.searcher.fast_field_values("row", addresses), dtype=np.int64)
