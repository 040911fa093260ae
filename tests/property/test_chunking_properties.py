"""Promises of the chunker over hostile Unicode, arbitrary sections and counters that do not add up."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from ragstone.chunking import Chunker, context_text, embedding_text
from ragstone.records import Chunk, Document, Section

ALPHABET = st.one_of(
    st.sampled_from([*"ab. \n\t-#|!?。\u0301\u200d\r\u2028\u00a0,1(\"'字👩🇩🇪\u1160", "\n\n", "Mr. ", "```\n", "word "]),
    st.characters(exclude_categories=["Cs"]),
)
TEXTS = st.lists(ALPHABET, max_size=400).map("".join)
KINDS = st.sampled_from(["heading", "paragraph", "list", "table", "code"])
HEADINGS = st.lists(st.text("abcde ", max_size=12), max_size=4).map(tuple)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    text = draw(TEXTS)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12)))
    spans = list(pairwise(cuts))
    sections = [
        Section(start, end, draw(KINDS), draw(HEADINGS), draw(st.none() | st.integers(1, 9)))
        for start, end in spans
        if draw(st.booleans())
    ]
    return Document("d", text, title=draw(st.text(max_size=20)), sections=sections)


def count_words(texts: Sequence[str]) -> list[int]:
    return [len(re.findall(r"\w+|[^\w\s]", text)) for text in texts]


def count_characters(texts: Sequence[str]) -> list[int]:
    return [len(text) for text in texts]


def count_oddly(texts: Sequence[str]) -> list[int]:
    """Neither additive nor monotone: the count of words, changed by up to three by a hash of the text."""
    return [(len(t.split()) + zlib.crc32(t.encode()) % 4) if len(t) > 8 else 1 for t in texts]


COUNTERS = st.sampled_from([count_words, count_characters, count_oddly])


@st.composite
def cut(
    draw: st.DrawFn, overlap: bool = True
) -> tuple[Document, list[Chunk], int, Callable[[Sequence[str]], list[int]]]:
    document = draw(documents())
    max_tokens = draw(st.integers(12, 80))
    overlap_tokens = draw(st.integers(0, max_tokens // 2)) if overlap else 0
    counter = draw(COUNTERS)
    chunker = Chunker(max_tokens=max_tokens, overlap_tokens=overlap_tokens, token_counter=counter)
    return document, chunker.chunk(document), max_tokens, counter


@given(cut())
def test_spans_are_exact_sorted_and_trimmed(case: tuple[Document, list[Chunk], int, object]) -> None:
    """Catches citations that do not match the text."""
    document, chunks, _, _ = case
    for chunk in chunks:
        assert 0 <= chunk.start < chunk.end <= len(document.text)
        assert document.text[chunk.start : chunk.end] == chunk.text == chunk.text.strip()
    starts, ends = [chunk.start for chunk in chunks], [chunk.end for chunk in chunks]
    assert starts == sorted(set(starts))
    assert ends == sorted(set(ends))


@given(cut(overlap=False))
def test_without_overlap_every_character_is_in_exactly_one_chunk(
    case: tuple[Document, list[Chunk], int, object],
) -> None:
    """Catches text lost or doubled."""
    document, chunks, _, _ = case
    position = 0
    for chunk in chunks:
        assert not document.text[position : chunk.start].strip() and chunk.start >= position
        position = chunk.end
    assert not document.text[position:].strip()


@given(cut())
def test_with_overlap_no_character_is_lost(case: tuple[Document, list[Chunk], int, object]) -> None:
    """Catches text lost where chunks overlap."""
    document, chunks, _, _ = case
    covered = bytearray(len(document.text))
    for chunk in chunks:
        covered[chunk.start : chunk.end] = b"\x01" * (chunk.end - chunk.start)
    assert all(inside or character.isspace() for inside, character in zip(covered, document.text, strict=True))


@given(cut())
def test_what_is_embedded_fits(case: tuple[Document, list[Chunk], int, Callable[[Sequence[str]], list[int]]]) -> None:
    """Catches chunks that the embedder would cut off: the whole embedded text is counted, with its special tokens."""
    document, chunks, max_tokens, counter = case
    for chunk in chunks:
        context = context_text(document.title, chunk.headings)
        context_tokens = counter([context + "\n"])[0] if context else 0
        allowed = max(max_tokens - 2, context_tokens + max_tokens // 2)
        assert counter([embedding_text(document.title, chunk)])[0] <= allowed


@given(documents(), st.integers(1, 7))
def test_batching_of_the_counter_changes_nothing(document: Document, size: int) -> None:
    """Catches results that depend on how texts are batched, or on an earlier document."""

    def batched(texts: Sequence[str]) -> list[int]:
        return [count for k in range(0, len(texts), size) for count in count_words(texts[k : k + size])]

    one = Chunker(max_tokens=30, overlap_tokens=8, token_counter=count_words)
    other = Chunker(max_tokens=30, overlap_tokens=8, token_counter=batched)
    assert one.chunk(document) == other.chunk(document) == one.chunk(document)


@given(
    st.lists(
        st.sampled_from(["e\u0301", "a\u0308\u0323", "👩\u200d👧", "🇩🇪", "\u1112\u1161\u11ab", "x"]),
        min_size=1,
        max_size=200,
    )
)
@settings(max_examples=50)
def test_clusters_are_never_split(clusters: list[str]) -> None:
    """Catches cuts inside what a reader sees as one character."""
    text = "".join(clusters)
    boundaries = {0}
    for cluster in clusters:
        boundaries.add(max(boundaries) + len(cluster))
    chunks = Chunker(max_tokens=20, overlap_tokens=0, token_counter=count_characters).chunk(Document("d", text))
    assert all(chunk.start in boundaries and chunk.end in boundaries for chunk in chunks)


@given(st.text(max_size=600), st.lists(st.text(max_size=600), max_size=5))
def test_context_is_one_bounded_line(title: str, headings: list[str]) -> None:
    """Catches headings that smuggle line breaks or megabytes in front of every chunk."""
    context = context_text(title, headings)
    assert "\n" not in context and "\r" not in context
    assert len(context.encode()) <= 240 * (1 + len(headings)) + 3 * len(headings)
