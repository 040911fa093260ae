"""Citations and the context for a prompt."""

from __future__ import annotations

import dataclasses
import hashlib

from hypothesis import given
from hypothesis import strategies as st

from ragstone.citation import cite, context
from ragstone.records import Hit

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def hit(text: str, *, source: str = "a.md", title: str = "", page: int | None = None) -> Hit:
    citation = cite(source=source, document_id="doc", page=page, start=3, end=3 + len(text), snapshot=9, text=text)
    return Hit("doc#0", "doc", text, 1.0, 1, {}, citation, title=title, headings=("Part",) if title else ())


@given(TEXT)
def test_the_digest_is_of_the_cited_text(text: str) -> None:
    """Catches a digest over something else than the text in UTF-8."""
    cited = hit(text).citation
    assert cited.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert (cited.start, cited.end, cited.snapshot, cited.page) == (3, 3 + len(text), 9, None)


@given(st.lists(TEXT, max_size=5))
def test_context_numbers_the_hits_and_keeps_their_texts(texts: list[str]) -> None:
    """Catches a mark that names another hit than the citation of its place."""
    hits = [dataclasses.replace(hit(text), rank=rank) for rank, text in enumerate(texts, 1)]
    prompt, at = context(hits), 0
    for rank, text in enumerate(texts, 1):
        block = f"[{rank}] a.md\n{text}"
        assert block in prompt[at:]
        at = prompt.index(block, at) + len(block)
    assert prompt[at:] == ""


def test_context_says_where_each_text_is_from() -> None:
    """Catches a block without title, headings, page or source."""
    assert context([]) == ""
    assert context([hit("text", title="Guide", page=4)]) == "[1] Guide > Part (a.md, page 4)\ntext"
    assert context([hit("text", source="")]) == "[1] doc\ntext"
