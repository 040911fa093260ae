"""The policy case by case: what each missing or near input leads to, in decisions, numbers and sentences."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from constructed import share, shares
from ragstone.errors import InvalidInput
from ragstone.estimates import Estimate
from ragstone.recommendation.collecting import clean_examples_needed, queries_needed
from ragstone.recommendation.dimensions import Dimension
from ragstone.recommendation.measurements import Corpus, Evaluated, Examples, Project
from ragstone.recommendation.needs import Needs
from ragstone.recommendation.policy import Verdict, decide
from ragstone.recommendation.rules import load_rules
from ragstone.recommendation.warnings import Mistake, warnings

RULES = load_rules()
CORPUS = Corpus(documents=900, chunks=5000, tokens=2_000_000, update_interval_days=20.0)
ASKS, MIXED, PRESCRIBES = shares(480, 5, 5, 20), shares(200, 150, 150, 20), shares(3, 480, 5, 20)
STABLE = replace(CORPUS, update_interval_days=200.0)
NONE = Needs()


def verdict(needs: Needs = NONE, **parts: Any) -> Verdict:
    return decide(Project(needs, **parts), RULES)


def said(found: Verdict) -> str:
    return "\n".join(reason.text for reason in found.reasons)


def asked_for(found: Verdict) -> dict[str, int | None]:
    return {one.what: one.how_many for one in found.collect}


def dimension(found: Verdict, name: str) -> Dimension:
    return next(one for one in found.dimensions if one.name == name)


def test_nothing_at_all_is_undecided_and_says_what_to_collect() -> None:
    """Catches advice that rests on nothing."""
    found = verdict()
    assert (found.decision, found.rule, found.margin, found.ready) == ("undecided", "R7", None, None)
    assert asked_for(found)["logged queries"] == 50
    assert "documents in an index" in asked_for(found)
    assert asked_for(found)["answers of a plain prompt, judged"] == 59
    assert "There is no log of queries" in said(found)
    assert all(one.confidence == 0 for one in found.dimensions if one.name != "auditability")


def test_hard_needs_without_a_log_are_undecided() -> None:
    """Catches a decision by declarations alone, of a project that nobody has asked anything yet."""
    found = verdict(Needs(audit="regulated", format_contract_hard=True), corpus=CORPUS)
    assert (found.decision, found.facts, found.behaviour) == ("undecided", True, True)
    assert {veto.name for veto in found.vetoes} == {"audit", "volatile_facts"}


def test_an_empty_log_is_undecided() -> None:
    """Catches a division by no queries, and shares of nothing that count as below the limit."""
    found = verdict(queries=shares(0, 0, 0, 0), corpus=CORPUS)
    assert (found.decision, found.rule) == ("undecided", "R7")
    assert "There is no log of queries" in said(found)


@pytest.mark.parametrize("corpus", [None, replace(CORPUS, tokens=0, documents=0, chunks=0)])
@pytest.mark.parametrize("queries", [ASKS, MIXED])
def test_facts_without_a_corpus_are_undecided(corpus: Corpus | None, queries: Any) -> None:
    """Catches retrieval that is advised from nothing, and an empty corpus that "fits into the prompt"."""
    found = verdict(queries=queries, corpus=corpus)
    assert (found.decision, found.rule) == ("undecided", "R11")
    assert "documents in an index" in asked_for(found)


def test_behaviour_alone_needs_no_corpus() -> None:
    """Catches an index that is demanded of a project whose queries ask for no facts."""
    assert verdict(queries=PRESCRIBES).decision == "fine_tune"


def test_few_counted_queries_say_how_many_more() -> None:
    """Catches a number that forgets that only some of what comes in counts: 20 of 40 do, so 30 more take 60."""
    found = verdict(Needs(format_contract_hard=True), queries=shares(0, 20, 0, 20), corpus=CORPUS)
    assert found.rule == "R7"
    assert asked_for(found)["more logged queries"] == 60


def test_a_near_tie_says_how_many_queries_clear_it() -> None:
    """Catches a tie that is decided, or a number that does not follow n = z² p (1 - p) / w²."""
    queries = shares(160, 23, 17, 0)
    found = verdict(queries=queries, corpus=CORPUS)
    assert (found.decision, found.rule, found.behaviour) == ("undecided", "R6", None)
    assert found.margin is not None
    assert found.margin < 0
    assert queries.behaviour.value == 0.2
    # At the limit itself no number of queries helps.
    assert asked_for(found)["a declaration"] is None
    beside = verdict(queries=shares(156, 26, 18, 0), corpus=CORPUS)
    assert beside.rule == "R6"
    needed = queries_needed(0.22, 0.2, RULES.shares.z)
    assert needed == 1648
    assert asked_for(beside)["more counted queries"] == needed - 200


def test_an_interval_that_the_router_widened_asks_for_labels_instead() -> None:
    """Catches more queries that are asked for where only fewer errors of the router would help."""
    queries = replace(shares(1700, 150, 150, 0), behaviour=Estimate(0.15, 0.08, 0.22, 2000))
    found = verdict(queries=queries, corpus=CORPUS)
    assert found.rule == "R6"
    assert asked_for(found)["queries labelled by hand"] == queries_needed(0.15, 0.2, RULES.shares.z)


def test_numbers_of_the_research() -> None:
    """Catches a formula that lost a square or a rounding: both numbers stand in the research."""
    assert queries_needed(0.3, 0.25, 1.96) == 323
    assert queries_needed(0.2, 0.2, 1.96) is None
    assert [clean_examples_needed(rate, 0.05) for rate in (0.99, 0.95, 0.8)] == [299, 59, 14]


@pytest.mark.parametrize(
    ("days", "decision", "rule"),
    [(89.9, "undecided", "R5"), (90.0, "fine_tune", "R4"), (None, "undecided", "R5")],
)
def test_some_facts_are_trained_only_if_stable(days: float | None, decision: str, rule: str) -> None:
    """Catches a tuned model that learns facts which change, or which nobody dated."""
    some, needs = shares(28, 320, 6, 40), Needs(style_contract_hard=True)
    found = verdict(needs, queries=some, corpus=replace(CORPUS, update_interval_days=days))
    assert (found.decision, found.rule) == (decision, rule)
    assert ("volatile_facts" in {veto.name for veto in found.vetoes}) == (rule == "R5")
    # Declared where there is no history, the same number decides the same.
    declared = replace(needs, update_interval_days=days)
    assert verdict(declared, queries=some, corpus=replace(CORPUS, update_interval_days=None)).rule == rule


def test_tuning_warns_of_facts_that_may_be_asked_for() -> None:
    """Catches a tuned model advised in silence where one query in ten may ask for what changes every week."""
    few, sure = shares(12, 300, 0, 0), shares(0, 2000, 0, 0)
    assert "up to 6.6 % of the counted queries may ask" in said(verdict(queries=few, corpus=CORPUS))
    assert "Nobody knows how often documents change, and up to" in said(verdict(queries=few))
    assert "hardly any query asks for them" in said(verdict(queries=sure, corpus=CORPUS))
    assert "The data is stable: 200 days" in said(verdict(queries=few, corpus=STABLE))


def test_history_goes_before_what_is_declared() -> None:
    """Catches a declaration that overrules what was measured."""
    needs = Needs(style_contract_hard=True, update_interval_days=400.0)
    found = verdict(needs, queries=shares(28, 320, 6, 40), corpus=CORPUS)
    assert found.rule == "R5"
    assert dimension(found, "change_frequency").source == "measured"


@pytest.mark.parametrize(
    ("unchanged", "declared", "rule", "source"),
    [
        (120.0, None, "R4", "measured"),
        (120.0, 5.0, "R4", "measured"),
        (89.0, None, "R5", "unknown"),
        (89.0, 5.0, "R5", "declared"),
        (89.0, 400.0, "R4", "declared"),
    ],
)
def test_documents_that_stood_unchanged_for_long_are_stable(
    unchanged: float, declared: float | None, rule: str, source: str
) -> None:
    """Catches a corpus that never changed and is called unknown, and one watched for a while that is called stable."""
    corpus = replace(CORPUS, update_interval_days=None, unchanged_days=unchanged)
    needs = Needs(style_contract_hard=True, update_interval_days=declared)
    found = verdict(needs, queries=shares(28, 320, 6, 40), corpus=corpus)
    scored = dimension(found, "change_frequency")
    assert (found.rule, scored.source) == (rule, source)
    # What was watched for 89 days does not change every five.
    assert declared != 5.0 or unchanged != 89.0 or "lie 89 days (declared)" in scored.evidence[0][0]
    assert ("at least 120 days between" in said(found)) == (source == "measured")


@pytest.mark.parametrize(
    ("usable", "held_out", "ready"), [(9, 50, False), (10, 0, False), (10, 1, True), (0, 0, False)]
)
def test_training_is_not_ready_without_examples(usable: int, held_out: int, ready: bool) -> None:
    """Catches a go without examples, or without any that are held out."""
    found = verdict(queries=PRESCRIBES, corpus=STABLE, examples=Examples(usable, held_out))
    assert (found.decision, found.ready) == ("fine_tune", ready)
    assert ("examples" in {veto.name for veto in found.vetoes}) == (not ready)
    assert asked_for(found)["held-out examples"] == 59 - held_out
    assert asked_for(found)["training examples"] == 50 - usable


def test_rare_labels_are_asked_for() -> None:
    """Catches labels with too few examples that drown in a total which is large enough."""
    examples = Examples(500, 100, labels={"refund": 485, "legal": 12, "press": 3})
    found = verdict(queries=PRESCRIBES, corpus=STABLE, examples=examples)
    assert asked_for(found)["training examples of rare labels"] == 8 + 17
    assert "There are 3 labels, the rarest with 3 examples" in said(found)


@pytest.mark.parametrize(("passed", "rule"), [(59, "R10"), (58, "R3")])
def test_a_plain_prompt_that_provably_passes_is_enough(passed: int, rule: str) -> None:
    """Catches training where a prompt will do, and a prompt that is trusted on too few tries."""
    found = verdict(queries=PRESCRIBES, corpus=STABLE, evaluation=Evaluated(prompt=(passed, 59)))
    assert found.rule == rule
    assert ("which proves 95 %" in said(found)) == (rule == "R10")


def test_a_small_corpus_goes_into_the_prompt_unless_audited() -> None:
    """Catches an index that is built for a page, and an audit that is answered without sources."""
    small = replace(CORPUS, tokens=25_599)
    assert verdict(queries=ASKS, corpus=small).rule == "R9"
    assert verdict(queries=ASKS, corpus=replace(small, tokens=25_600)).rule == "R2"
    assert verdict(Needs(audit="high"), queries=ASKS, corpus=small).rule == "R2"
    assert verdict(Needs(context_tokens=8_000), queries=ASKS, corpus=small).rule == "R2"
    assert "The context is not declared; it is taken as 128,000 tokens." in said(verdict(queries=ASKS, corpus=small))


def test_facts_hard_stands_for_an_audit_without_the_veto() -> None:
    """Catches a declaration that is ignored, or that forbids what only an audit forbids."""
    found = verdict(Needs(facts_hard=True, style_contract_hard=True), queries=PRESCRIBES, corpus=STABLE)
    assert found.decision == "hybrid"
    assert "audit" not in {veto.name for veto in found.vetoes}
    assert verdict(Needs(facts_hard=True), queries=ASKS, corpus=replace(CORPUS, tokens=9)).rule == "R9"


def test_neither_need_comes_before_too_few_queries() -> None:
    """Catches a log of small talk that is called too small, although it is large and says enough."""
    found = verdict(queries=shares(22, 18, 10, 950), corpus=CORPUS)
    assert (found.decision, found.rule) == ("prompt_first", "R8")
    assert verdict(Needs(audit="high"), queries=shares(12, 18, 10, 950), corpus=CORPUS).rule == "R7"


@pytest.mark.parametrize(
    ("days", "value"), [(1.0, 1.0), (30.0, 1.0), (90.0, -1.0), (4000.0, -1.0), ((30 * 90) ** 0.5, 0.0)]
)
def test_change_frequency_is_log_linear_between_its_words(days: float, value: float) -> None:
    """Catches a step where the article's words leave a slope."""
    found = dimension(verdict(corpus=replace(CORPUS, update_interval_days=days)), "change_frequency")
    assert found.value == pytest.approx(value)


def test_dimensions_are_continuous() -> None:
    """Catches a jump: a thousandth more of an input moves no score by a hundredth."""
    previous: dict[str, float] = {}
    for step in range(4000):
        factor = 1.001**step
        corpus = replace(CORPUS, update_interval_days=10 * factor, tokens=int(1e4 * factor), first_value_s=10 * factor)
        mix = shares(10_000 - 2 * step, 1_000 + 2 * step, 50, 10)
        scored = {one.name: one.value for one in verdict(corpus=corpus, queries=mix).dimensions}
        assert all(abs(scored[name] - value) < 0.01 for name, value in previous.items())
        previous = scored
    assert len(previous) == 5


def test_dimensions_point_where_the_article_points() -> None:
    """Catches a sign that is turned round."""
    facts = verdict(Needs(audit="regulated"), queries=ASKS, corpus=replace(CORPUS, first_value_s=40.0))
    form = verdict(Needs(audit="none"), queries=PRESCRIBES, corpus=replace(STABLE, tokens=9_000))
    assert [one.value > 0.5 for one in facts.dimensions] == [True] * 5
    assert [one.value < -0.5 for one in form.dimensions[:4]] == [True] * 4
    assert facts.score > 0.5
    assert form.score < -0.5


def test_confidence_grows_with_what_it_rests_on() -> None:
    """Catches a confidence that says the same of ten queries and of a thousand."""
    few, many = (verdict(queries=shares(n, n, n, n)) for n in (5, 500))
    assert dimension(few, "primary_problem").confidence < dimension(many, "primary_problem").confidence
    few, many = (verdict(corpus=replace(CORPUS, changes=n)) for n in (2, 200))
    assert dimension(few, "change_frequency").confidence < dimension(many, "change_frequency").confidence
    declared = verdict(Needs(update_interval_days=9.0))
    assert dimension(declared, "change_frequency").source == "declared"


def test_each_requirement_has_one_layer() -> None:
    """Catches a requirement that no layer or two layers serve without saying so."""
    needs = Needs(audit="high", style_contract_hard=True, latency_ms_p95=900.0)
    found = verdict(needs, queries=MIXED, corpus=CORPUS)
    assert found.decision == "hybrid"
    by_requirement = {one.requirement: one.layer for one in found.layers}
    assert len(by_requirement) == len(found.layers) == 6
    assert sorted(by_requirement.values()) == ["both", "both", "fine_tuning", "fine_tuning", "retrieval", "retrieval"]
    assert {one.layer for one in verdict(queries=shares(3, 3, 3, 1)).layers} == {"open"}


def test_time_team_and_latency_are_held_against_the_advice() -> None:
    """Catches a plan that its team, its deadline or its latency cannot bear, and nobody says so."""
    needs = Needs(
        audit="high", style_contract_hard=True, team_hours_per_month=1.0, deadline_days=0.5, latency_ms_p95=5.0
    )
    text = said(verdict(needs, queries=MIXED, corpus=CORPUS))
    assert "not enough" in text
    assert "too late" in text
    assert "beyond the declared 5 ms" in text
    assert "within the declared" in said(verdict(replace(needs, latency_ms_p95=1e6), queries=MIXED, corpus=CORPUS))
    easy = replace(needs, team_hours_per_month=500.0, deadline_days=90.0, latency_ms_p95=2000.0)
    text = said(verdict(easy, queries=MIXED, corpus=CORPUS))
    assert "are declared, enough" in text
    assert "in time" in text


def test_the_volume_from_which_tuning_pays_follows_the_prices() -> None:
    """Catches a break-even that ignores what is declared."""
    needs = Needs(style_contract_hard=True, queries_per_day=100.0)
    assert "placeholder prices" in said(verdict(needs, queries=PRESCRIBES, corpus=STABLE))
    dear = replace(needs, tuned_input_price=900.0, tuned_output_price=900.0)
    text = said(verdict(dear, queries=PRESCRIBES, corpus=STABLE))
    assert "cheaper at no volume, by the declared prices" in text


def test_the_budget_is_held_against_the_declared_prices() -> None:
    """Catches a budget that nobody looks at, or that is judged by placeholder prices."""
    needs = Needs(queries_per_day=1000.0, budget_per_month=10.0)
    parts: dict[str, Any] = {"queries": ASKS, "corpus": CORPUS}
    assert "declared prices" not in said(verdict(needs, **parts))
    dear = said(verdict(replace(needs, input_price=5.0), **parts))
    assert re.search(r"costs about [0-9,.]+ a month by the declared prices; 10 are declared, not enough", dear)
    assert "declared, enough" in said(verdict(replace(needs, input_price=5.0, budget_per_month=1e6), **parts))
    for queries, decision in ((PRESCRIBES, "fine_tune"), (MIXED, "hybrid")):
        found = verdict(replace(needs, tuned_output_price=1e6), queries=queries, corpus=STABLE)
        assert found.decision == decision
        assert "10 are declared, not enough" in said(found)


def codes(**parts: Any) -> dict[str, Mistake]:
    return {one.code: one for one in warnings(Project(NONE, **parts), RULES)}


GUIDES = replace(
    STABLE, style_guide_hits=share(10, 100), style_guide_proof=(("rewrite this in our voice", "voice.md"),) * 12
)


@pytest.mark.parametrize(
    ("behavioural", "hits", "fires"), [(100, 10, True), (99, 10, False), (100, 9, False), (400, 90, True)]
)
def test_w1_fires_from_a_fifth_and_a_tenth(behavioural: int, hits: int, fires: bool) -> None:
    """Catches a threshold that rounding moves, or a share of the wrong whole: others do not count."""
    corpus = replace(GUIDES, style_guide_hits=share(hits, 100))
    found = codes(queries=shares(500 - behavioural, behavioural, 0, 300), corpus=corpus)
    assert ("W1" in found) == fires


def test_w1_counts_a_fifth_as_a_fifth() -> None:
    """Catches a fifth that is less than a fifth by a rounding, whatever the number of queries and of others."""
    assert all(
        "W1" in codes(queries=shares(4 * fifth, fifth, 0, other), corpus=GUIDES)
        for fifth in range(10, 80)
        for other in range(60)
    )


def test_w1_shows_queries_and_documents() -> None:
    """Catches a warning that proves nothing, or that fills a page."""
    lines = [text for text, _ in codes(queries=PRESCRIBES, corpus=GUIDES)["W1"].proof]
    assert '"rewrite this in our voice" finds "voice.md".' in lines
    assert lines[-1] == "And 2 more queries."
    assert "W1" not in codes(queries=PRESCRIBES, corpus=replace(GUIDES, style_guide_hits=None))
    assert "W1" not in codes(queries=PRESCRIBES)


def test_w2_shows_the_span_and_the_day() -> None:
    """Catches volatile facts that are trained in silence."""
    examples = Examples(200, 80, share(4, 200), (("EUR 40", "pricing.md", "2026-04-01"),))
    lines = [text for text, _ in codes(examples=examples)["W2"].proof]
    assert lines == ["2 % of 200 usable examples state a fact that has changed.",
                     '"EUR 40" changed in "pricing.md" on 2026-04-01.']  # fmt: skip
    assert "W2" not in codes(examples=replace(examples, volatile=share(0, 200)))


@pytest.mark.parametrize(
    ("queries", "evaluation", "examples", "line"),
    [
        (ASKS, Evaluated(None, 59), Examples(), "No plain prompt was measured."),
        (ASKS, Evaluated((1, 9), 59, stale=True), Examples(), "older index"),
        (ASKS, Evaluated((1, 9), 20), Examples(), "20 queries are judged: 59 are the least"),
        (PRESCRIBES, Evaluated((1, 9), 0), Examples(99, 20), "20 examples are held out: 59 are the least"),
        (ASKS, Evaluated((1, 9), 59, leaking=3), Examples(), "3 judged queries leak"),
        (PRESCRIBES, Evaluated((1, 9), 0), Examples(99, 59, leaking=1), "1 held-out examples leak"),
        (ASKS, Evaluated((1, 9), 59), Examples(), None),
        (PRESCRIBES, Evaluated((1, 9), 0), Examples(99, 59), None),
    ],
)
def test_w3_names_what_is_wrong_with_the_evaluation(
    queries: Any, evaluation: Evaluated, examples: Examples, line: str | None
) -> None:
    """Catches an evaluation that is missing, stale, too small or leaking, and a warning without cause."""
    found = codes(queries=queries, corpus=CORPUS, evaluation=evaluation, examples=examples)
    if line is None:
        assert "W3" not in found
    else:
        (text, _) = found["W3"].proof[0]
        assert line in text
        assert len(found["W3"].proof) == 1


def test_something_else_is_refused() -> None:
    """Catches a crash far from its cause."""
    with pytest.raises(InvalidInput, match="load_rules"):
        decide(Project(NONE), None)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="61 of 60"):
        verdict(queries=PRESCRIBES, corpus=STABLE, evaluation=Evaluated(prompt=(61, 60)))


def test_a_rule_of_the_user_decides(tmp_path: Path) -> None:
    """Catches a rules file that is read and then ignored: each table turns a decision."""
    path = tmp_path / "rules.toml"

    def by(text: str, needs: Needs = NONE, **parts: Any) -> Verdict:
        path.write_text(text, encoding="utf-8")
        return decide(Project(needs, **parts), load_rules(path))

    assert verdict(queries=shares(90, 10, 5, 0), corpus=CORPUS).rule == "R6"
    assert by("[shares]\nrequired = 0.5", queries=shares(90, 10, 5, 0), corpus=CORPUS).rule == "R2"
    assert by("[vetoes]\naudits = []", Needs(audit="high"), queries=PRESCRIBES, corpus=STABLE).rule == "R3"
    some = {"queries": shares(28, 320, 6, 40), "corpus": CORPUS}
    assert by("[vetoes]\nvolatile_facts = false", **some).rule == "R4"
    assert by("[stability]\nstable_days = 31", **some).rule == "R5"
    assert by('[assumed]\naudit = "high"', queries=PRESCRIBES, corpus=STABLE).decision == "hybrid"
    told = by("[shares]\ncounted_min = 51", queries=ASKS, corpus=CORPUS).to_dict()["evidence"]
    assert told["rules.shares.counted_min"] == {"value": 51, "source": "your rules"}
    assert told["rules.shares.required"] == {"value": 0.2, "source": "rules"}
