"""What a benchmark asks: the user's queries, or some drawn from the index, and how each is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

import numpy as np
from numpy.typing import NDArray

from ragstone.arguments import integer, one_of, texts
from ragstone.errors import InvalidInput
from ragstone.exchange import TOP_K_MAX
from ragstone.index import Mode, SearchIndex
from ragstone.lines import json_lines, table_lines, text_field, where
from ragstone.records import Embedder, SearchResult

__all__ = ["Origin", "Question", "Workload", "first_words", "prepared", "read_queries"]

Origin: TypeAlias = Literal["given", "first words of chunks", "stored vectors"]
Question: TypeAlias = "str | NDArray[np.float32]"

_QUERIES_DRAWN = 100
_WORDS = 8
_WARM_UP = 32


@dataclass(frozen=True, slots=True)
class Workload:
    """The questions that are asked of an index, and the arguments they are asked with.

    ``embedder`` is the open embedder that made the index's vectors, or ``None``; ``embeds`` is the same, but ``None``
    where the mode has nothing embedded.
    """

    index: SearchIndex
    questions: Sequence[Question]
    origin: Origin
    mode: Mode
    top_k: int
    principals: Sequence[str] | None
    embedder: Embedder | None
    statistics: dict[str, object]

    @property
    def embeds(self) -> Embedder | None:
        """What embeds the questions as they are searched."""
        return self.embedder if self.mode != "bm25" else None

    def ask(self, question: Question, vector: NDArray[np.float32] | None = None) -> SearchResult:
        """Search for one question, with its vector where that is ready."""
        query, given = (question, vector) if isinstance(question, str) else (None, question)
        return self.index.search(query, vector=given, top_k=self.top_k, mode=self.mode, principals=self.principals)

    def warm_up(self) -> None:
        """Ask a few questions that are not timed."""
        for question in self.questions[:_WARM_UP]:
            self.ask(question)

    @property
    def described(self) -> dict[str, object]:
        """The index and what is asked of it, for reports."""
        model = cast("dict[str, object]", self.statistics["embedder"] or {})
        return {
            "chunks": self.statistics["chunks"],
            "chunks_embedded": self.statistics["chunks_embedded"],
            "segments": self.statistics["segments"],
            "size_bytes": self.statistics["size_bytes"],
            "generation": self.statistics["generation"],
            "embedder": model.get("name"),
            "dimension": model.get("dimension"),
            "mode": self.mode,
            "top_k": self.top_k,
            "queries": len(self.questions),
            "queries_from": self.origin,
        }


def prepared(
    index: SearchIndex,
    queries: Sequence[str] | None = None,
    *,
    top_k: int = 10,
    mode: Mode = "hybrid",
    principals: Sequence[str] | None = None,
) -> Workload:
    """Check what is to be asked, or draw it from the index.

    Raises:
        InvalidInput: There is nothing to ask or nothing to search, or the mode needs vectors or an embedder that are
            not there; the message says which mode works.
    """
    integer(top_k, "top_k", 1, TOP_K_MAX)
    one_of(mode, "mode", get_args(Mode))
    statistics = index.stats()
    if not statistics["chunks"]:
        raise InvalidInput("the index is empty: put documents into it first")
    model = cast("dict[str, object]", statistics["embedder"] or {})
    embedded = cast(int, statistics["chunks_embedded"])
    embedder = index.embedder if index.embedder and index.embedder.fingerprint == model.get("fingerprint") else None
    if embedded == 0 and mode == "dense":
        raise InvalidInput('no chunk is embedded, so mode "dense" has nothing to search: embed them, or use "bm25"')
    if embedded and embedder is None and (mode == "hybrid" or (mode == "dense" and queries is not None)):
        raise InvalidInput(
            f"the index has vectors of {model.get('name')!r} and no such embedder is open to embed queries: "
            'use mode "dense" without queries, which searches by stored vectors, or mode "bm25"'
        )
    questions: Sequence[Question]
    if queries is not None:
        questions, origin = _checked(queries), "given"
    elif mode == "dense" and embedder is None:
        questions, origin = list(index.sample()), "stored vectors"
    else:
        questions, origin = first_words(index, _QUERIES_DRAWN), "first words of chunks"
    return Workload(
        index=index,
        questions=questions,
        origin=cast(Origin, origin),
        mode=mode,
        top_k=top_k,
        principals=principals,
        embedder=embedder,
        statistics=statistics,
    )


def _checked(queries: Sequence[str]) -> list[str]:
    given = texts(queries, "queries", "query")
    if not given:
        raise InvalidInput("there are no queries: pass at least one, or None to draw them from the index")
    for number, query in enumerate(given):
        if not query.strip():
            raise InvalidInput(f"query {number} is empty: leave it out")
    return given


def first_words(index: SearchIndex, count: int) -> list[str]:
    """The first words of about ``count`` chunks, spread evenly over the documents and over each document's chunks.

    Raises:
        InvalidInput: No chunk that was looked at has a word.
    """
    names = [document_id for document_id, *_ in index.sources()]
    some = names[:: max(1, len(names) // count)][:count]
    each = ceil(count / max(1, len(some)))
    found = []
    for number, name in enumerate(some):
        chunks = index.chunks(name)
        # A document that gives one chunk gives its first, the next document its second, and so on.
        start = number % len(chunks) if each == 1 and chunks else 0
        for chunk in chunks[start :: max(1, len(chunks) // each)][:each]:
            words = " ".join(chunk.text.split()[:_WORDS])
            if any(letter.isalnum() for letter in words):
                found.append(words)
    if not found:
        raise InvalidInput("no chunk begins with a word to ask for: pass queries")
    return found


def read_queries(path: Path) -> list[str]:
    """Queries from a file: one a line, or for ``.jsonl`` the field ``"text"`` or ``"query"`` of each line's object.

    Blank lines are left out.

    Raises:
        InvalidInput: The file is not there, is not UTF-8, has a line that holds no query, or has none at all.
    """
    if path.suffix.lower() == ".jsonl":
        rows = json_lines(path)
        queries = [text_field(row, ("text", "query"), where(path, number)).strip() for number, row in rows]
    else:
        queries = [line.strip() for _, line in table_lines(path)]
    if not queries:
        raise InvalidInput(f"file {str(path)!r} has no query: write one on each line")
    return queries
