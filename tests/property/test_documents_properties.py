"""Promises of the parsers for any text and any bytes."""

from __future__ import annotations

import datetime
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from ragstone.chunking import Chunker
from ragstone.documents import read_document
from ragstone.documents.decoding import decode
from ragstone.documents.formats import SUFFIXES, parser_of
from ragstone.documents.metadata import front_matter
from ragstone.errors import InvalidInput
from ragstone.records import Document

MARKS = (
    "# |## |---\n|===\n|~~~\n|```\n|- |* |1. |::\n|.. code::\n|:k: v\n|    |\t|def f():\n|class A:\n|fn f() {\n"
    "|}\n|[t]\n|k: v\n|A B\n|\n|\n\n|\r\n| |\r|\u2028|'|\"|<p>|</p>|<h1>|</h1>|<ul>|<li>|<table>|<td>|<tr>|<pre>"
    "|<nav>|<!--|-->|<main>|&amp;"
)
PIECES = st.sampled_from([*MARKS.split("|"), "| ", "|-|\n"])
TEXTS = st.lists(PIECES | st.text(max_size=6), max_size=60).map("".join)
SUFFIX = st.sampled_from(sorted({".txt", ".md", ".rst", ".html", ".py", ".toml", ".rs"}))


@given(TEXTS, SUFFIX)
def test_sections_are_sorted_and_inside_the_text(text: str, suffix: str) -> None:
    """Catches sections that overlap or leave the text, and text changed where it must be exact."""
    assert suffix in SUFFIXES
    parsed = parser_of("a" + suffix)(text)
    if suffix != ".html":
        assert parsed.text == text
    position = 0
    for section in parsed.sections:
        assert position <= section.start < section.end <= len(parsed.text)
        assert all("\n" not in name for name in section.headings)
        position = section.end
    assert "\n" not in parsed.title


@given(TEXTS, SUFFIX)
@example(":k: v\n\nbody", ".rst")
@example("---\n:k: v\n# ", ".rst")
@example("---\nProse between two rules.\n---\n", ".md")
@example("---\nProse.\nkey: value\n---\n", ".md")
def test_what_is_parsed_can_be_chunked(text: str, suffix: str) -> None:
    """Catches sections that the chunker refuses, and text lost between the two; metadata is kept as such instead."""
    parsed = parser_of("a" + suffix)(text)
    document = Document("d", parsed.text, title=parsed.title, sections=parsed.sections)
    counter = lambda texts: [len(text.split()) for text in texts]  # noqa: E731
    chunks = Chunker(max_tokens=16, overlap_tokens=0, token_counter=counter).chunk(document)
    body = parsed.text
    for section in reversed([section for section in parsed.sections if section.kind == "metadata"]):
        assert parsed.metadata and "Prose" not in body[section.start : section.end]
        body = body[: section.start] + body[section.end :]
    assert "".join("".join(chunk.text.split()) for chunk in chunks) == "".join(body.split())


@given(st.binary(max_size=400) | TEXTS.map(str.encode), SUFFIX)
def test_any_bytes_give_a_document_or_a_typed_error(tmp_path_factory: object, data: bytes, suffix: str) -> None:
    """Catches crashes on damaged files."""
    folder: Path = tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    path = folder / f"any{suffix}"
    path.write_bytes(data)
    try:
        document = read_document(path, root=folder)
    except InvalidInput as error:
        assert "looks binary" in str(error)
        return
    document.text.encode("utf-8")
    for value in document.metadata.values():
        items = value if isinstance(value, list) else [value]
        assert all(isinstance(item, (str, int, float, bool, datetime.date)) for item in items)
        assert len({type(item) for item in items}) <= 1


@given(st.text().filter(lambda text: "\0" not in text), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_unicode_encodings_are_exact(text: str, encoding: str) -> None:
    """Catches a character changed between file and text; control characters may be taken for binary."""
    try:
        decoded, _ = decode(text.encode(encoding))
    except InvalidInput:
        assert any(ord(character) < 32 or character == "\x7f" for character in text)
        return
    assert decoded == text.removeprefix("\ufeff") if encoding == "utf-8" else decoded == text


@given(TEXTS)
def test_front_matter_never_fails(text: str) -> None:
    """Catches crashes on what merely looks like front matter."""
    text = f"---\n{text}\n---\n"
    metadata, end = front_matter(text)
    assert 0 <= end <= len(text)
    assert all(isinstance(key, str) and key for key in metadata)
