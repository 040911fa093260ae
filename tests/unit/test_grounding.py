"""Groundedness T0 from Python: spans, figures, citations, rendering, and the project's own answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ragstone.errors import InvalidInput
from ragstone.grounding import Checker, Grounding, check

FOLDER = Path(__file__).resolve().parents[2] / "corpora" / "evaluation" / "grounded"
ROWS = [json.loads(line) for line in (FOLDER / "answers.jsonl").read_text(encoding="utf-8").splitlines()]
HANDBOOK = FOLDER.parents[1] / "handbook" / "documents"


def named(row: dict[str, object]) -> str:
    return str(row["name"])


def checked(row: dict[str, object]) -> Grounding:
    return check(row["response"], row["retrieved_contexts"])  # type: ignore[arg-type]


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_the_projects_answers_are_judged_as_labelled(row: dict[str, object]) -> None:
    """Catches a false alarm on other words for the same, and a wrong number, name or citation that passes."""
    found = checked(row)
    assert [one.supported for one in found.checked] == row.get("t0", row["truth"]), str(found)
    if row["kind"] != "negation":
        assert [one.cited_supported for one in found.checked] == row["cited"], str(found)


@pytest.mark.parametrize("row", [row for row in ROWS if row["kind"] in ("number", "name")], ids=named)
def test_the_wrong_fact_itself_is_marked(row: dict[str, object]) -> None:
    """Catches a right verdict for a wrong reason."""
    spans = checked(row).unsupported
    assert spans and all(span.kind != "words" for span in spans)
    text = " ".join(row["retrieved_contexts"])  # type: ignore[arg-type]
    for span in spans:
        assert str(row["response"])[span.start : span.end] not in text


def test_the_answers_contexts_are_the_handbooks() -> None:
    """Catches a context that no document has, so that the labels would speak of nothing."""
    texts = [path.read_text(encoding="utf-8") for path in HANDBOOK.rglob("*.md")]
    contexts = {context for row in ROWS for context in row["retrieved_contexts"]}
    assert len(contexts) > 30
    assert all(any(context in text for text in texts) for context in contexts)


def test_spans_are_characters() -> None:
    """Catches byte offsets handed out as str indices."""
    answer = "Über 📦 Ærø: it takes 31 days [1]. And 7 days [1]."
    found = check(answer, ["It takes 30 days on Ærø. 📦 Über all, 7 days."])
    assert [answer[span.start : span.end] for span in found.unsupported] == ["31 days"]
    assert [one.text for one in found.sentences] == [answer[one.start : one.end] for one in found.sentences]


def test_figures_and_rendering() -> None:
    """Catches figures that count what cannot be checked, and a rendering without marks or reasons."""
    found = check("It takes 31 days [1]. It takes 30 days [2]. Is it so?", ["It takes 30 days.", "Bananas are yellow."])
    assert (found.rate, found.citation_recall, found.citation_precision) == (0.5, 0.0, 0.0)
    assert found.metric == "groundedness-T0"
    assert "⟦31 days⟧" in str(found) and "number '31 days' is in no source" in str(found)
    assert "<mark title=" in found._repr_html_() and ">31 days</mark>" in found._repr_html_()
    assert found.to_dict()["rate"] == 0.5
    assert "groundedness-T0" in repr(found)


def test_html_is_escaped() -> None:
    """Catches an answer that writes markup into a notebook."""
    html = check("<script>alert(31)</script>", ["nothing"])._repr_html_()
    assert "<script>" not in html and "&lt;" in html


def test_nothing_to_check() -> None:
    """Catches a division by zero, and a rate of an answer that claims nothing."""
    for answer in ("", "Is it?", "   \n "):
        found = check(answer, ["source"])
        assert (found.rate, found.score, found.citation_recall, found.citation_precision) == (None, None, None, None)
        assert str(found)


def test_without_sources_nothing_is_supported() -> None:
    """Catches a vacuous truth: no sources, no support."""
    found = check("It takes 30 days [1].", [])
    assert found.rate == 0.0
    assert found.sentences[0].unknown_marks == (1,)


def test_background_weighs_rare_words() -> None:
    """Catches a background that is not used: a rare word that is missing has to count more than a common one."""
    background = ["the device is useful"] * 50 + ["quokka"]
    answer, source = "The useful device has a quokka.", "The useful device has a handle."
    plain = Checker().check(answer, [source]).score
    weighed = Checker(background=background).check(answer, [source]).score
    assert plain is not None and weighed is not None and weighed < plain


@pytest.mark.parametrize(
    ("answer", "sources", "tier", "message"),
    [
        (3, ["a"], "T0", "answer is of type int"),
        ("a", "text", "T0", "sources is"),
        ("a", [3], "T0", "source 1 is of type int"),
        ("a", ["\ud800"], "T0", "lone surrogate"),
        ("a", ["a"], "T9", "there is no tier 'T9'"),
    ],
)
def test_bad_input_is_refused(answer: object, sources: object, tier: str, message: str) -> None:
    """Catches an argument that fails later with another message, or not at all."""
    with pytest.raises(InvalidInput, match=message):
        check(answer, sources, tier=tier)  # type: ignore[arg-type]


def test_an_unknown_language_is_refused() -> None:
    """Catches a language that silently becomes English."""
    with pytest.raises(InvalidInput, match="klingon"):
        check("a", ["a"], language="klingon")
