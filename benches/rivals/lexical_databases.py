"""Full-text search inside databases that run in the process: SQLite's FTS5 and LanceDB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import numpy as np

from .lexical import Ids, LexicalSystem, batches


class Fts5(LexicalSystem):
    """A table without contents of its own; FTS5 counts a repeated query term once."""

    package = "apsw"
    analyses = ("opaque", "own")

    def build(self, texts: Iterator[str], folder: Path, analysis: str, threads: int) -> None:
        database = apsw.Connection(str(folder / "index.sqlite"))
        tokenizer = "porter unicode61" if analysis == "own" else "ascii"
        database.execute(f"create virtual table t using fts5(body, content='', tokenize='{tokenizer}')")
        database.execute("pragma journal_mode = off").fetchall()
        database.execute("pragma synchronous = off").fetchall()
        database.execute("begin")
        database.executemany(
            "insert into t(rowid, body) values (?, ?)", ((row + 1, text) for row, text in enumerate(texts))
        )
        database.execute("commit")
        database.execute("insert into t(t) values ('optimize')")
        database.close()

    def open(self, folder: Path) -> None:
        self.database = apsw.Connection(str(folder / "index.sqlite"), flags=apsw.SQLITE_OPEN_READONLY)

    def prepare(self, words: list[str], text: str) -> Any:
        return " OR ".join(dict.fromkeys(words))

    def search(self, query: Any, top_k: int) -> Any:
        if not query:
            return []
        asked = "select rowid - 1 from t where t match ? order by rank limit ?"
        return self.database.execute(asked, (query, top_k)).fetchall()

    def rows(self, answer: Any) -> Ids:
        return np.array([row for (row,) in answer], dtype=np.int64)


class LanceDB(LexicalSystem):
    """An inverted index over a column of LanceDB's table, without positions."""

    package = "lancedb"
    analyses = ("opaque", "own")

    def build(self, texts: Iterator[str], folder: Path, analysis: str, threads: int) -> None:
        import lancedb
        import pyarrow

        schema = pyarrow.schema([("row", pyarrow.int64()), ("body", pyarrow.string())])
        first = 0
        table = lancedb.connect(folder).create_table("texts", schema=schema)
        for batch in batches(texts, 100_000):
            table.add(pyarrow.table({"row": np.arange(first, first + len(batch)), "body": batch}, schema=schema))
            first += len(batch)
        own = analysis == "own"
        table.create_fts_index(
            "body",
            use_tantivy=False,
            with_position=False,
            base_tokenizer="simple" if own else "whitespace",
            language="English",
            stem=own,
            remove_stop_words=own,
            lower_case=own,
            ascii_folding=own,
        )
        table.optimize()

    def open(self, folder: Path) -> None:
        import lancedb

        self.table = lancedb.connect(folder).open_table("texts")

    def prepare(self, words: list[str], text: str) -> Any:
        from lancedb.query import MatchQuery

        return MatchQuery(" ".join(words), "body")

    def search(self, query: Any, top_k: int) -> Any:
        return self.table.search(query, query_type="fts").select(["row", "_score"]).limit(top_k).to_arrow()

    def rows(self, answer: Any) -> Ids:
        return np.asarray(answer["row"].to_numpy(), dtype=np.int64)
