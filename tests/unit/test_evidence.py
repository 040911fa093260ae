"""Would catch evidence that takes a question for none, that overrules the text without reason, or that hides itself."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragstone.errors import InvalidInput
from ragstone.recommender.evidence import Weights, may_ask, shipped, with_evidence
from ragstone.records import Path, Route

PROBABILITY = st.floats(0, 1)
SOME = Weights(question=1.0, request=0.5)


def routed(p_behaviour: float, p_facts: float) -> Route:
    paths: dict[tuple[bool, bool], Path] = {
        (True, False): "retrieve", (False, True): "advisory_finetune", (True, True): "hybrid", (False, False): "pass"
    }  # fmt: skip
    near = min(abs(p_behaviour - 0.5), abs(p_facts - 0.5)) < 0.2
    return Route(paths[p_facts >= 0.5, p_behaviour >= 0.5], p_behaviour, p_facts, near)


@given(PROBABILITY, st.floats(0.5, 1), PROBABILITY, PROBABILITY, st.booleans())
def test_a_question_remains_one(behaviour: float, facts: float, answer: float, least: float, guide: bool) -> None:
    """A question that the corpus cannot answer, or answers from its style guide, and that is none for that."""
    before = routed(behaviour, facts)
    joined = with_evidence(before, answer, least=least, style_guide=guide)
    assert joined.path == before.path and joined.p_facts >= facts


@given(PROBABILITY, PROBABILITY, st.floats(0, 0.5))
def test_no_answer_changes_nothing(behaviour: float, facts: float, answer: float) -> None:
    """What the corpus lacks taken for proof that it was not asked for."""
    before = routed(behaviour, facts)
    joined = with_evidence(before, answer)
    assert (joined.path, joined.p_facts, joined.uncertain) == (before.path, before.p_facts, before.uncertain)


@given(PROBABILITY, PROBABILITY, PROBABILITY, st.booleans())
def test_evidence_never_changes_what_is_said_about_behaviour(
    behaviour: float, facts: float, answer: float, guide: bool
) -> None:
    """An index that makes a request behavioural, or that forgets what the text said."""
    before = routed(behaviour, facts)
    joined = with_evidence(before, answer, style_guide=guide)
    assert (joined.path in ("advisory_finetune", "hybrid")) == (before.path in ("advisory_finetune", "hybrid"))
    assert (joined.p_behaviour, joined.text_p_facts, joined.answerability) == (behaviour, facts, answer)
    assert 0 <= joined.p_facts <= 1 and joined.reasons == before.reasons


@given(PROBABILITY, PROBABILITY, PROBABILITY, PROBABILITY)
def test_more_evidence_never_speaks_against_facts(behaviour: float, facts: float, one: float, two: float) -> None:
    """A weight of the wrong sign."""
    low, high = sorted((one, two))
    before = routed(behaviour, facts)
    assert with_evidence(before, low).p_facts <= with_evidence(before, high).p_facts + 1e-12


def test_a_style_guide_is_no_evidence_for_a_behavioural_request() -> None:
    """Chunks on how to write that are counted as facts for "write like our style guide"."""
    request = routed(0.99, 0.4)
    assert with_evidence(request, 0.99, weights=SOME).path == "hybrid"
    guide = with_evidence(request, 0.99, style_guide=True, weights=SOME)
    assert (guide.path, guide.p_facts) == ("advisory_finetune", 0.4)
    # What a style guide says is a question as any other.
    assert with_evidence(routed(0.1, 0.4), 0.9, style_guide=True).path == "retrieve"


def test_what_the_index_would_abstain_from_is_no_answer() -> None:
    """A weak answer that counts although ``ask`` would not give it."""
    keyword = routed(0.01, 0.3)
    assert with_evidence(keyword, 0.8).path == "retrieve"
    assert with_evidence(keyword, 0.8, least=0.85).path == "pass"


def test_of_a_keyword_the_corpus_decides() -> None:
    """A bare keyword that is not looked up although the corpus holds it."""
    keyword = routed(0.01, 0.12)
    assert with_evidence(keyword, 0.6).path == "pass"
    assert with_evidence(keyword, 0.6, keyword=True).path == "retrieve"
    assert with_evidence(keyword, 0.4, keyword=True).path == "pass"
    assert with_evidence(routed(0.01, 0.05), 0.99, keyword=True).path == "pass"


def test_what_surely_asks_for_nothing_is_left_alone() -> None:
    """A greeting that becomes a question because the corpus says hello too."""
    greeting, keyword = routed(0.01, 0.01), routed(0.01, 0.2)
    assert not may_ask(greeting) and may_ask(keyword) and may_ask(routed(0.9, 0.01)) and may_ask(routed(0.1, 0.9))
    assert with_evidence(greeting, 1.0).path == "pass"


def test_the_decision_shows_both_sides() -> None:
    """A route that does not say whether an index was asked."""
    before = routed(0.9, 0.4)
    assert "by the text alone" in str(before)
    told = str(with_evidence(before, 0.87))
    assert "0.40" in told and "0.87" in told and "with the index" in told


@pytest.mark.parametrize("answer", [-0.1, 1.1, math.nan, True, "0.5", None])
def test_no_probability_is_refused(answer: object) -> None:
    """A score that is taken for a probability."""
    with pytest.raises(InvalidInput, match="answerability"):
        with_evidence(routed(0.9, 0.4), answer)  # type: ignore[arg-type]


def test_evidence_counts_once() -> None:
    """Evidence that is added to a route which has it already."""
    with pytest.raises(InvalidInput, match="already"):
        with_evidence(with_evidence(routed(0.9, 0.4), 0.5), 0.5)


def test_shipped_weights_are_sane_and_those_in_the_file() -> None:
    """A fit gone wrong, or weights that are not read from their file."""
    from importlib.resources import files

    own = shipped()
    fields = json.loads(files("ragstone.recommender").joinpath("evidence.json").read_text(encoding="utf-8"))
    assert (own.question, own.request) == (fields["question"], fields["request"])
    assert own.question == 1.0 and 0 <= own.request < 1
