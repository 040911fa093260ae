"""What the chunker must keep together, where it must cut, and what it must refuse."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise

import pytest

from ragstone.chunking import Chunker, context_text, embedding_text
from ragstone.errors import InvalidInput
from ragstone.records import Chunk, Document, Section


def count_words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def count_characters(texts: Sequence[str]) -> list[int]:
    return [len(text) for text in texts]


def cut(text: str, max_tokens: int = 22, overlap_tokens: int = 0, **fields: object) -> list[Chunk]:
    """The only place that touches the API: chunks by words, so that sizes can be read off the cases."""
    chunker = Chunker(max_tokens=max_tokens, overlap_tokens=overlap_tokens, token_counter=count_words)
    document = Document(document_id="d", text=text, **fields)  # type: ignore[arg-type]
    chunks = chunker.chunk(document)
    assert all(text[chunk.start : chunk.end] == chunk.text for chunk in chunks)
    return chunks


def texts(chunks: Sequence[Chunk]) -> list[str]:
    return [chunk.text for chunk in chunks]


def sections_of(text: str, *parts: tuple[str, str, tuple[str, ...]]) -> list[Section]:
    """Sections found by their text: (kind, text, headings)."""
    found, position = [], 0
    for kind, part, headings in parts:
        start = text.index(part, position)
        position = start + len(part)
        found.append(Section(start, position, kind, headings))  # type: ignore[arg-type]
    return found


def test_text_that_fits_is_one_chunk() -> None:
    """Catches needless cutting, and white space kept at the ends."""
    assert texts(cut("\n  One two three.\n\nFour five.  \n")) == ["One two three.\n\nFour five."]


@pytest.mark.parametrize("text", ["", " ", "\n\t\r\n\u2003\u2028"])
def test_blank_text_has_no_chunks(text: str) -> None:
    """Catches chunks of white space."""
    assert cut(text) == []


def test_a_full_chunk_ends_at_the_best_boundary_of_its_second_half() -> None:
    """Catches greedy cuts in the middle of a paragraph where a paragraph ends a little earlier."""
    first = "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima."
    second = "One two three four. Five six seven eight nine ten. Eleven twelve."
    assert texts(cut(f"{first}\n\n{second}")) == [first, second]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Dr. Smith met J. R. Jones. They agreed.", ["Dr. Smith met J. R. Jones.", "They agreed."]),
        ("It costs 3.50 euro. See v1.2.3 of x.py. Done.", ["It costs 3.50 euro.", "See v1.2.3 of x.py.", "Done."]),
        ('"Really?" she asked. (Yes!) "No." End', ['"Really?" she asked.', "(Yes!)", '"No."', "End"]),
        ("Wait... what? e.g. This. etc. and so on.", ["Wait... what? e.g. This. etc. and so on."]),
        ("See fig. 3 and No. 5. Next", ["See fig. 3 and No. 5.", "Next"]),
        ("退款需要30天。请保留收据！好吗？「是。」完", ["退款需要30天。", "请保留收据！", "好吗？", "「是。」", "完"]),
        ("1. Item one. Two", ["1. Item one.", "Two"]),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    """Catches sentences broken at abbreviations, initials, decimals and file names, and unbroken Chinese ones."""
    from ragstone.boundaries import Unit, _sentences

    assert [text[u.start : u.end] for u in _sentences(text, Unit(0, len(text), 0, 0))] == sentences


def test_sentences_are_the_boundary_in_a_long_paragraph() -> None:
    """Catches cuts within a sentence where one between sentences would do."""
    sentence = "one two three four five six seven."
    chunks = cut(" ".join([sentence.capitalize()] * 6))
    assert texts(chunks) == [f"{sentence.capitalize()} {sentence.capitalize()}"] * 3


def test_code_and_tables_stay_whole_where_they_fit() -> None:
    """Catches a code block cut in two although it would fit into the next chunk."""
    before = "Some words stand before the code."
    code = "def f(x):\n    return x\n\ndef g(x):\n    y = f(x)\n    return y + 1 + 2 + 3"
    text = f"{before}\n\n{code}"
    for kind in ("code", "table"):
        sections = sections_of(text, ("paragraph", before, ()), (kind, code, ()))
        assert texts(cut(text, sections=sections)) == [before, code]


def test_code_above_the_budget_is_cut_between_its_blank_lines() -> None:
    """Catches code cut in the middle of a line or of a function."""
    functions = [f"def f{k}(a):\n    b = a + {k}\n    return b" for k in range(8)]
    text = "\n\n".join(functions)
    chunks = cut(text, sections=[Section(0, len(text), "code")])
    assert len(chunks) == 4
    assert all(chunk.text.startswith("def ") and chunk.text.endswith("return b") for chunk in chunks)


def test_list_items_stay_whole() -> None:
    """Catches a list cut within an item."""
    items = [f"- item {k} goes on\n  and on here." for k in range(6)]
    text = "\n".join(items)
    chunks = cut(text, sections=[Section(0, len(text), "list")])
    assert len(chunks) > 1
    assert all(chunk.text.startswith("- item") and chunk.text.endswith("here.") for chunk in chunks)


GUIDE = "# Guide\n\n## Refunds\n\n{refunds}\n\n## Returns\n\n{returns}"


def guide(refunds: str, returns: str) -> tuple[str, list[Section]]:
    text = GUIDE.format(refunds=refunds, returns=returns)
    return text, sections_of(
        text,
        ("heading", "# Guide", ("Guide",)),
        ("heading", "## Refunds", ("Guide", "Refunds")),
        ("paragraph", refunds, ("Guide", "Refunds")),
        ("heading", "## Returns", ("Guide", "Returns")),
        ("paragraph", returns, ("Guide", "Returns")),
    )


def test_a_heading_begins_a_chunk() -> None:
    """Catches chunks that mix two subjects although each has enough text of its own, and headings left alone."""
    text, sections = guide("a b c d e f g h.", "i j k.")
    chunks = cut(text, title="Guide", sections=sections)
    assert texts(chunks) == ["# Guide\n\n## Refunds\n\na b c d e f g h.", "## Returns\n\ni j k."]
    assert [chunk.headings for chunk in chunks] == [(), ("Returns",)]


def test_tiny_siblings_share_a_chunk() -> None:
    """Catches chunks of three words where the neighbours under the same heading would fit."""
    text, sections = guide("a.", "b c d e.")
    assert len(cut(text, max_tokens=40, title="Guide", sections=sections)) == 1


def test_gaps_between_sections_are_chunked_under_the_heading_before() -> None:
    """Catches text lost because the parser marked no section for it."""
    text = "# A\n\nlost and found"
    chunks = cut(text, sections=[Section(0, 3, "heading", ("A",))])
    assert texts(chunks) == [text]


def test_page_is_that_of_the_first_character() -> None:
    """Catches citations that name the wrong page."""
    text = "one two three four five six seven eight.\n\nnine ten eleven twelve thirteen fourteen fifteen sixteen."
    half = text.index("\n\n") + 2
    sections = [Section(0, half, "paragraph", (), 1), Section(half, len(text), "paragraph", (), 2)]
    assert [chunk.page for chunk in cut(text, max_tokens=14, sections=sections)] == [1, 2]


def test_overlap_repeats_whole_sentences() -> None:
    """Catches overlap that begins within a sentence, exceeds its bound, or is missing."""
    text = " ".join(f"S{k} two three four." for k in range(12))
    chunks = cut(text, overlap_tokens=8)
    assert len(chunks) > 2
    for before, after in pairwise(chunks):
        shared = text[after.start : before.end]
        assert len(shared.split()) == 8
        assert shared.startswith("S") and shared.endswith(".")


def test_overlap_never_crosses_a_heading() -> None:
    """Catches the end of one subject repeated under the next heading."""
    text, sections = guide("A b c d e. F g h. I j k. L m n. O p q. R s t.", "One two. Three four.")
    chunks = cut(text, title="Guide", overlap_tokens=8, sections=sections)
    returns = text.index("## Returns")
    assert any(chunk.start == returns for chunk in chunks)
    assert not any(chunk.start < returns < chunk.end for chunk in chunks)


def test_context_counts_towards_max_tokens() -> None:
    """Catches chunks that are cut off at embedding because title and headings were not counted."""
    text = " ".join(f"w{k}" for k in range(100))
    sections = [Section(0, len(text), "paragraph", ("Very Long Outer Heading Of Many Words", "Inner"))]
    chunks = cut(text, max_tokens=24, title="The Title", sections=sections)
    assert all(chunk.headings == ("Inner",) for chunk in chunks)  # outer headings go first above a quarter
    sizes = count_words([embedding_text("The Title", chunk) for chunk in chunks])
    assert max(sizes) + 2 <= 24
    assert chunks[0].text.split()[0] == "w0" and chunks[-1].text.split()[-1] == "w99"


def test_context_above_half_leaves_half_for_the_text() -> None:
    """Catches a long title that leaves no room for text, or an endless loop over it."""
    chunks = cut("a b c d e f g h", max_tokens=8, title=" ".join("title" for _ in range(30)))
    assert texts(chunks) == ["a b c d", "e f g h"]


def test_context_text() -> None:
    """Catches a title said twice, blank parts, and titles without bound."""
    assert context_text("", []) == ""
    assert context_text("T", []) == "T"
    assert context_text("T  x", ["t X", "A\n b", " ", "C"]) == "T x > A b > C"
    assert context_text("", ["A", "B"]) == "A > B"
    assert len(context_text("word " * 1000, [])) <= 240
    assert len(context_text("字" * 1000, [])) == 80
    assert len(context_text("a" * 10**6, ["b" * 10**6])) == 483


@pytest.mark.parametrize(
    ("title", "text", "headings", "expected"),
    [
        ("", "body", (), "body"),
        ("T", "# T\n\nbody", (), "# T\n\nbody"),
        ("T", "=\nT\n=\n\nbody", (), "=\nT\n=\n\nbody"),
        ("T", "T is a letter", (), "T\nT is a letter"),
        ("T", "## A ##\nbody", ("A",), "T\n## A ##\nbody"),
        ("T", "body", ("A",), "T > A\nbody"),
    ],
)
def test_embedding_text_does_not_repeat_the_heading_it_opens_with(
    title: str, text: str, headings: tuple[str, ...], expected: str
) -> None:
    """Catches a heading counted twice by BM25."""
    assert embedding_text(title, Chunk(0, len(text), text, headings)) == expected


def test_counts_that_do_not_add_up_are_verified() -> None:
    """Catches trust in sums: this counter gives every text of several words three tokens more than its words."""

    def surcharged(batch: Sequence[str]) -> list[int]:
        return [len(text.split()) + 3 * (len(text.split()) > 4) for text in batch]

    text = " ".join("One two three." for _ in range(40))
    chunks = Chunker(max_tokens=16, overlap_tokens=0, token_counter=surcharged).chunk(Document("d", text))
    assert max(surcharged([chunk.text for chunk in chunks])) <= 14
    assert " ".join(chunk.text for chunk in chunks) == text


def test_clusters_stay_whole() -> None:
    """Catches cuts between a letter and its accent, within a flag or within an emoji family."""
    family, flag, accented = "👨\u200d👩\u200d👧", "🇩🇪", "e\u0301\u0323"
    for cluster in (family, flag, accented, "한".replace("한", "\u1112\u1161\u11ab")):
        text = cluster * 50
        chunker = Chunker(max_tokens=16, overlap_tokens=0, token_counter=count_characters)
        chunks = chunker.chunk(Document("d", text))
        assert "".join(texts(chunks)) == text
        assert all(len(chunk.text) % len(cluster) == 0 for chunk in chunks)


def test_sentences_around_blanks_without_end() -> None:
    """Catches chunks of megabytes: two words that are far apart do not share a chunk."""
    assert texts(cut("One." + "\n" * 10**6 + "Two.")) == ["One.", "Two."]


@pytest.mark.parametrize(
    "options",
    [
        {"max_tokens": 7},
        {"max_tokens": 2_000_000},
        {"max_tokens": True},
        {"max_tokens": 10.0},
        {"overlap_tokens": -1},
        {"max_tokens": 20, "overlap_tokens": 11},
        {"token_counter": 3},
    ],
)
def test_options_are_checked_at_construction(options: dict[str, object]) -> None:
    """Catches options that fail late, or never."""
    with pytest.raises(InvalidInput):
        Chunker(**options)  # type: ignore[arg-type]


def test_lone_surrogates_are_named() -> None:
    """Catches text that cannot be written as UTF-8 and would fail deep inside the engine."""
    with pytest.raises(InvalidInput, match=r"lone surrogate '\\ud800' at index 3"):
        cut("abc\ud800def")
    with pytest.raises(InvalidInput, match="title"):
        cut("abc", title="\udfff")


@pytest.mark.parametrize("spans", [[(5, 3)], [(0, 99)], [(0, 4), (3, 6)], [(-1, 3)]])
def test_sections_out_of_order_are_refused(spans: list[tuple[int, int]]) -> None:
    """Catches text lost or doubled because a parser gave bad spans."""
    with pytest.raises(InvalidInput, match="sort sections"):
        cut("one two three", sections=[Section(start, end, "paragraph") for start, end in spans])


@pytest.mark.parametrize(
    "counter", [lambda batch: [1], lambda batch: [-1 for _ in batch], lambda batch: [9999 for _ in batch]]
)
def test_counters_that_lie_are_refused(counter: object) -> None:
    """Catches an endless loop over a counter that nothing satisfies."""
    with pytest.raises(InvalidInput, match=r"token_counter|max_tokens"):
        Chunker(max_tokens=16, overlap_tokens=0, token_counter=counter).chunk(  # type: ignore[arg-type]
            Document("d", "One two. " * 9 + "\n\nThree")
        )


HOSTILE = {
    "one word": "x",
    "one line of words": "word ",
    "newlines": "\n",
    "newlines and letters": "\n\n\na",
    "spaces": " ",
    "dots": ".",
    "dots and spaces": ". ",
    "combining marks": "\u0301",
    "ideographs": "字",
    "flags": "🇩",
    "joiners": "\u200d",
    "quotes": '."',
    "brackets": ".)",
    "bullets": "- \n",
    "carriage returns": "\r",
}


@pytest.mark.parametrize("seed", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("kind", ["paragraph", "list", "code"])
def test_hostile_text_takes_linear_time(seed: str, kind: str) -> None:
    """Catches quadratic scanning: half a megabyte must not take more than a few seconds on a busy machine."""
    text = seed * (500_000 // len(seed))
    started = time.process_time()
    chunks = cut(text, max_tokens=256, overlap_tokens=32, sections=[Section(0, len(text), kind)])  # type: ignore[arg-type]
    assert time.process_time() - started < 10
    assert max((len(chunk.text) for chunk in chunks), default=0) <= 32 * 256
    assert sum(len(chunk.text) for chunk in chunks) <= 2 * len(text)


def test_many_headings_take_linear_time() -> None:
    """Catches work that grows with the square of the number of sections."""
    line = "# h\n"
    text = line * 50_000
    sections = [Section(4 * k, 4 * k + 3, "heading", ("a",) * (k % 6) + (f"h{k}",)) for k in range(50_000)]
    started = time.process_time()
    chunks = cut(text, max_tokens=256, sections=sections)
    assert time.process_time() - started < 20
    assert "".join(chunk.text for chunk in chunks).count("#") == 50_000
