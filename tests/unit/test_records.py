"""Records: immutable, rendered safely, and equal when their values are."""

from __future__ import annotations

import dataclasses

import pytest

from ragstone import records
from ragstone.records import (
    Advice,
    Answer,
    Chunk,
    Citation,
    Document,
    FileOutcome,
    Hit,
    IngestReport,
    Reason,
    Route,
    SearchResult,
    Section,
)

HOSTILE = "<script>alert('x')</script> & more"
CITATION = Citation(
    source="a/b.md", document_id="b", page=3, start=5, end=5 + len(HOSTILE), snapshot=7, sha256="ab" * 32
)
HIT = Hit(
    chunk_id="b#0",
    document_id="b",
    text=HOSTILE,
    score=1.25,
    rank=1,
    metadata={},
    citation=CITATION,
    highlights=((28, 29), (30, 34)),
    title="Title",
    headings=("One", "Two"),
)
RESULT = SearchResult(query=HOSTILE, hits=(HIT,), mode="hybrid", snapshot=7, latency_ms=1.0)
ROUTE = Route(
    path="hybrid",
    p_behaviour=0.75,
    p_facts=0.5,
    uncertain=True,
    reasons=(Reason(start=0, end=8, text=HOSTILE[:8], weight=1.5, rule="tone"),),
)
ADVICE = Advice(summary=HOSTILE, demands=("tone",), why=("because",), collect=("pairs",), avoid=(), next_steps=("ask",))
ANSWER = Answer(
    query=HOSTILE,
    path="hybrid",
    route=ROUTE,
    hits=(HIT,),
    citations=(CITATION,),
    context="",
    abstained=False,
    answerability=0.9,
    advice=ADVICE,
    warnings=("careful",),
)
REPORT = IngestReport(
    files=(FileOutcome("a.md", "added", chunks=2), FileOutcome(HOSTILE, "failed", reason="binary")),
    chunks_added=2,
    chunks_embedded=2,
    seconds=0.5,
)
ALL = [
    CITATION,
    HIT,
    RESULT,
    ROUTE,
    ADVICE,
    ANSWER,
    REPORT,
    Document("a", "text"),
    Chunk(0, 1, "a"),
    Section(0, 1, "code"),
]


@pytest.mark.parametrize("record", ALL, ids=lambda record: type(record).__name__)
def test_records_are_immutable_values(record: object) -> None:
    """Catches a result that a caller can change under another's eyes."""
    field = dataclasses.fields(record)[0].name  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(record, field, None)
    with pytest.raises((AttributeError, TypeError)):
        record.unknown = 1  # type: ignore[attr-defined]
    assert dataclasses.replace(record) == record  # type: ignore[type-var]


@pytest.mark.parametrize("record", [RESULT, ROUTE, ADVICE, ANSWER, REPORT], ids=lambda record: type(record).__name__)
def test_records_render_without_injecting_markup(record: object) -> None:
    """Catches text of a document or a query that becomes markup of the notebook."""
    assert str(record).strip()
    html = record._repr_html_()  # type: ignore[attr-defined]
    assert "<script" not in html
    assert html.strip()


def test_a_result_is_a_sequence_of_hits() -> None:
    """Catches a result that cannot be counted, sliced or iterated like a list."""
    assert len(RESULT) == 1
    assert list(RESULT) == [HIT]
    assert RESULT[0] is HIT
    assert RESULT[-1] is HIT
    assert RESULT[:0] == ()
    assert HIT in RESULT
    with pytest.raises(IndexError):
        RESULT[1]


def test_hits_and_citations_say_where() -> None:
    """Catches a rendering that leaves out the place in the source."""
    assert str(CITATION) == f"a/b.md, page 3, characters 5-{CITATION.end}"
    assert str(dataclasses.replace(CITATION, source="", page=None)) == f"b, characters 5-{CITATION.end}"
    assert str(HIT).startswith("1. [1.250] Title > One > Two\n")
    assert "<mark>more</mark>" in RESULT._repr_html_()
    long = dataclasses.replace(HIT, text="word " * 100)
    assert "…" in str(long)


def test_an_answer_that_abstains_shows_no_hits() -> None:
    """Catches passages that are shown although they do not answer."""
    abstained = dataclasses.replace(ANSWER, abstained=True, answerability=0.1)
    assert "abstained" in str(abstained)
    assert "a/b.md" not in str(abstained)
    assert "warning: careful" in str(abstained)


def test_a_report_counts_and_names_failures() -> None:
    """Catches a failure that is lost in a summary."""
    assert (REPORT.count("added"), REPORT.count("failed"), REPORT.count("removed")) == (1, 1, 0)
    assert [file.source for file in REPORT.failed] == [HOSTILE]
    assert "1 added, 1 failed" in str(REPORT)
    assert "4 chunks/s" in str(REPORT)
    assert "nothing to do" in str(IngestReport((), 0, 0, 0.0))


def test_everything_that_is_exported_exists() -> None:
    """Catches a name in ``__all__`` that is not there."""
    assert len(records.__all__) >= 15
    assert all(hasattr(records, name) for name in records.__all__)


@pytest.mark.parametrize("record", [RESULT, ROUTE, ADVICE, ANSWER, REPORT], ids=lambda record: type(record).__name__)
def test_a_terminal_shows_what_print_shows(record: object) -> None:
    """Catches a prompt that answers with a page of fields where people look at the result."""
    assert repr(record) == str(record)
