"""Groundedness T0 on any text: spans that are inside, figures that are shares, an answer that supports itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ragstone.grounding import check

PIECES = st.sampled_from(
    [
        "It takes 30 days. ",
        "[1]",
        "[2, 9]",
        "€5 ",
        "5 January 2026 ",
        "Ada Lovelace ",
        "📦",
        "e\u0301",
        "İ",
        "字。",
        "\n- ",
        "?",
        "½",
        "E-105 ",
    ]
)
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=20).map("".join)


@given(TEXTS, st.lists(TEXTS, max_size=3))
def test_spans_are_inside_the_answer(answer: str, sources: list[str]) -> None:
    """Catches byte offsets handed out as characters, spans that overlap, and figures that are no shares."""
    found = check(answer, sources)
    behind = 0
    for one in found.sentences:
        assert behind <= one.start < one.end <= len(answer)
        assert one.text == answer[one.start : one.end]
        assert all(1 <= number <= len(sources) for number in (*one.sources, *one.cited))
        behind = one.start
        for span in one.unsupported:
            assert behind <= span.start < span.end <= one.end
            behind = span.end
        behind = one.end
    for share in (found.rate, found.score, found.citation_recall, found.citation_precision):
        assert share is None or 0.0 <= share <= 1.0
    assert str(found) and found._repr_html_()


@given(TEXTS)
def test_a_sentence_is_grounded_in_itself(answer: str) -> None:
    """Catches a fact that is read in one way as a claim and in another as a source."""
    for sentence in check(answer, []).sentences:
        found = check(answer, [sentence.text]).sentences
        (one,) = [one for one in found if one.start == sentence.start]
        assert [span for span in one.unsupported if span.kind != "words"] == []
