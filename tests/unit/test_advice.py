"""Would catch advice that misses a demand, forgets the prompt-first gate, or recommends training on facts."""

from __future__ import annotations

import pytest

from ragstone.errors import InvalidInput
from ragstone.recommender.advice import advise, held_out_needed
from ragstone.records import Path, Reason, Route


def routed(query: str, path: Path, *rules: tuple[str, str], weight: float = 1.0, uncertain: bool = False) -> Route:
    """A route whose reasons are the given (text, rule) pairs."""
    reasons = tuple(
        Reason(query.index(text), query.index(text) + len(text), text, weight, rule) for text, rule in rules
    )
    return Route(path, 0.9, 0.9 if path == "hybrid" else 0.1, uncertain, reasons)


@pytest.mark.parametrize(
    ("query", "rule", "demand"),
    [
        ("return valid JSON", "format.markup", "output format"),
        ("in our brand voice", "style.voice", "style and tone"),
        ("a formal tone", "style.tone", "style and tone"),
        ("for kids", "audience", "style and tone"),
        ("act as a pirate", "persona", "persona"),
        ("write a poem", "genre.creative", "genre and composition"),
        ("translate this", "transform.translate", "transformation of given text"),
        ("classify this", "classify", "classification"),
        ("spam or ham", "format.labels", "classification"),
        ("extract names", "extract", "extraction"),
    ],
)
def test_each_rule_names_its_demand(query: str, rule: str, demand: str) -> None:
    """A rule whose demand is lost or mistaken for another."""
    advice = advise(query, routed(query, "advisory_finetune", (query, rule)))
    assert advice.demands == (f'{demand}: "{query}"',)
    assert all(line.startswith(demand) for line in (*advice.why, *advice.collect))
    assert any("prompt" in step and "stop here" in step for step in advice.next_steps[:1])
    assert "facts that change" in advice.avoid[0]


def test_format_needs_299_held_out() -> None:
    """A claim of 99 % on too few answers."""
    assert (held_out_needed(0.99), held_out_needed(0.95), held_out_needed(0.8)) == (299, 59, 14)
    advice = advise("as JSON", routed("as JSON", "advisory_finetune", ("as JSON", "format.markup")))
    assert "299" in " ".join(advice.collect)


def test_hybrid_splits_how_from_what() -> None:
    """A hybrid query advised to fine-tune its facts."""
    query = "Answer in our brand voice: what is the refund policy?"
    advice = advise(query, routed(query, "hybrid", ("our brand voice", "style.voice"), ("what is", "question.wh")))
    assert advice.summary.startswith("Both: retrieve what to say")
    assert advice.demands == ('style and tone: "our brand voice"',)
    assert "retrieved" in advice.why[-1] and "cite" in advice.collect[-1]
    assert any('"policy"' in line for line in advice.avoid)
    assert "retrieved chunks" in advice.next_steps[0]


def test_demands_come_in_the_order_of_the_query_and_overlaps_merge() -> None:
    """Demands in the order of weights, or the same words twice."""
    query = "In a formal tone, as JSON, valid JSON only"
    rules = (("valid JSON only", "format.only"), ("valid JSON", "format.markup"), ("a formal tone", "style.tone"))
    advice = advise(query, routed(query, "advisory_finetune", *rules))
    assert advice.demands == ('style and tone: "a formal tone"', 'output format: "valid JSON only"')


def test_rules_that_speak_against_behaviour_are_no_demand() -> None:
    """A rule with a negative weight named as a demand; no demand left means the general advice."""
    advice = advise("list it", routed("list it", "advisory_finetune", ("list it", "format.list"), weight=-1.0))
    assert advice.demands == ("behaviour",)


def test_an_uncertain_route_says_so() -> None:
    """Certain words for an uncertain decision."""
    route = routed("a poem", "advisory_finetune", ("a poem", "genre.creative"), uncertain=True)
    assert "close" in advise("a poem", route).summary


def test_advice_is_refused_where_it_does_not_belong() -> None:
    """Advice forced on a factual query, or made for another query's route."""
    with pytest.raises(InvalidInput, match="'retrieve'"):
        advise("who", routed("who", "retrieve"))
    with pytest.raises(InvalidInput, match="match"):
        advise("another", routed("a poem", "advisory_finetune", ("a poem", "genre.creative")))
