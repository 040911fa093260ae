"""The policy on a hundred thousand random projects: no veto broken, nothing moved the wrong way, never a crash."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constructed import project as constructed
from constructed import random_projects, rows, shares
from policy_checks import broken_vetoes, wrong_moves
from ragstone.errors import InvalidInput
from ragstone.recommendation.choice import DECISIONS, choose, proven
from ragstone.recommendation.measurements import Project
from ragstone.recommendation.mixing import with_counted, with_share
from ragstone.recommendation.needs import Needs
from ragstone.recommendation.policy import decide
from ragstone.recommendation.rules import load_rules
from ragstone.recommendation.sensitivity import dials, flip_points
from ragstone.recommendation.warnings import warnings
from ragstone.recommender.maintenance import maintenance

RULES = load_rules()
PROJECTS = 100_000


def test_no_veto_is_broken_and_nothing_moves_the_wrong_way() -> None:
    """Catches a rule in the wrong order, a veto that some mix of inputs slips past, an input that pulls backwards."""
    seen: Counter[str] = Counter()
    for number, project in enumerate(random_projects(PROJECTS, seed=1)):
        verdict = decide(project, RULES)
        assert verdict.decision == DECISIONS[verdict.rule]
        assert broken_vetoes(project, verdict.decision, verdict.ready) == [], (number, project)
        assert wrong_moves(project, verdict.decision, RULES) == [], (number, project)
        seen[verdict.rule] += 1
    assert seen.total() == PROJECTS
    assert seen.keys() == DECISIONS.keys()
    assert min(seen.values()) >= 200, "a rule that hardly occurs was hardly tested"


def test_every_sentence_rests_on_evidence_that_is_there() -> None:
    """Catches an id that resolves to nothing, a verdict that is no JSON, a dimension out of its range."""
    for project in random_projects(1_500, seed=2):
        verdict = decide(project, RULES)
        told = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
        cited = [one["evidence"] for part in ("reasons", "vetoes", "collect", "layers") for one in told[part]]
        for dimension in told["dimensions"]:
            cited += [line["evidence"] for line in dimension["evidence"]]
            assert -1 <= dimension["value"] <= 1
            assert 0 <= dimension["confidence"] <= 1
            assert dimension["source"] in {"measured", "declared", "assumed", "unknown"}
            assert dimension["confidence"] == 0 if dimension["source"] == "unknown" else dimension["evidence"]
        cited += [name for mistake in warnings(project, RULES) for _, name in mistake.proof]
        assert [name for name in cited if name not in told["evidence"]] == []
        assert all(one["how_many"] is None or one["how_many"] > 0 for one in told["collect"])
        assert told["reasons"]
        assert told["collect"] or verdict.decision != "undecided"


def test_the_same_project_is_told_the_same() -> None:
    """Catches an order or a number that depends on anything but the input."""
    first, again = (list(random_projects(300, seed=3)) for _ in range(2))
    assert [json.dumps(decide(one, RULES).to_dict()) for one in first] == [
        json.dumps(decide(one, load_rules()).to_dict()) for one in again
    ]


def test_more_of_the_same_queries_never_turn_one_decision_into_another() -> None:
    """Catches a decision that rests on few queries: more in the same mix may settle it, never contradict it."""
    # Only where nobody doubts the router: its error does not shrink with the number of queries.
    for project in random_projects(3_000, seed=4):
        shares = project.queries
        if shares is None or shares.counted < RULES.shares.counted_min:
            continue
        before = choose(project, RULES)
        after = choose(with_counted(project, shares.counted * 4), RULES)
        for need in ("facts", "behaviour"):
            was, now = getattr(before, need), getattr(after, need)
            assert was is None or was == now


@given(st.integers(1, 400), st.data())
@settings(max_examples=200, deadline=None)
def test_proven_is_the_exact_bound(tried: int, data: st.DataObject) -> None:
    """Catches a tail summed wrongly: the definition sums all binomial terms."""
    passed = data.draw(st.integers(0, tried))
    rate = data.draw(st.floats(0.05, 0.999))
    steps = np.arange(passed, tried + 1)
    logs = np.cumsum(np.log(np.arange(1, tried + 1))) if tried else np.zeros(0)
    factorial = np.concatenate([[0.0], logs])
    terms = factorial[tried] - factorial[steps] - factorial[tried - steps]
    tail = float(np.exp(terms + steps * np.log(rate) + (tried - steps) * np.log1p(-rate)).sum())
    if abs(tail - 0.05) > 1e-9:
        assert proven(passed, tried, rate, 0.05) == (tail <= 0.05)


def checked_flips(project: Project) -> int:
    """How many inputs turn something; each is decided on both sides."""
    by_name = {dial.input: dial for dial in dials(project, RULES)}
    base, turned = decide(project, RULES), 0
    for flip in flip_points(project, RULES):
        dial = by_name[flip.input]
        if flip.value is None:
            assert flip.then is None
            continue
        turned += 1
        then = decide(dial.turn(flip.value), RULES)
        after, before = (then.ready, base.ready) if flip.turns == "ready" else (then.decision, base.decision)
        assert after == flip.then != flip.now == before
        if flip.holds is not None:
            holds = decide(dial.turn(flip.holds), RULES)
            assert (holds.ready if flip.turns == "ready" else holds.decision) == before
    return turned


def test_flip_points_turn_the_decision_on_one_side_only() -> None:
    """Catches a flip point that turns nothing, or a value beside it that turns as well."""
    assert sum(checked_flips(project) for project in random_projects(60, seed=5)) > 60


def test_no_nearer_value_turns_the_decision() -> None:
    """Catches a scan that steps over a nearer turn: a finer one finds none between the current value and the found."""
    looked = 0
    for row in rows()[::7]:
        project = constructed(row)
        by_name = {dial.input: dial for dial in dials(project, RULES)}
        now = decide(project, RULES).decision
        for flip in flip_points(project, RULES):
            dial = by_name[flip.input]
            if flip.turns != "decision" or dial.choices or dial.current is None:
                continue
            end = (dial.least, dial.most) if flip.value is None else (flip.holds,)
            for last in end:
                for step in np.linspace(dial.current, last, 41)[1:-1]:
                    value = round(float(step)) if dial.whole else float(step)
                    assert choose(dial.turn(value), RULES).decision == now, (row["name"], flip, value)
                    looked += 1
    assert looked > 1_000


def test_of_two_turns_the_nearer_is_told() -> None:
    """Catches the far one of two values: 11 % that need facts turn the advice below and above."""
    needs = Needs(style_contract_hard=True, update_interval_days=20.0)
    project = replace(constructed(rows()[0], shares(28, 320, 6, 40)), needs=needs)
    project = replace(project, corpus=replace(project.corpus, update_interval_days=None))  # type: ignore[type-var]
    flip = next(one for one in flip_points(project, RULES) if one.input == "queries.facts")
    dial = next(one for one in dials(project, RULES) if one.input == "queries.facts")
    decisions = {step: choose(dial.turn(step / 1000), RULES).decision for step in range(1001)}
    turning = [step for step, decision in decisions.items() if decision != "undecided"]
    assert min(turning) < 1000 * dial.current < max(turning)
    nearest = min(turning, key=lambda step: abs(step / 1000 - dial.current))
    assert flip.value == pytest.approx(nearest / 1000, abs=0.001)
    assert flip.then == decisions[nearest]


def test_shares_can_be_moved_and_moved_back() -> None:
    """Catches a mix that does not add up, and an interval that loses its precision or its share."""
    for project in random_projects(500, seed=6):
        shares = project.queries
        if shares is None or not shares.counted:
            continue
        for side in ("facts", "behaviour"):
            for value in (0.0, 0.13, 0.5, 1.0):
                moved = with_share(project, side, value).queries
                assert moved is not None
                one, other = moved.facts, moved.behaviour
                assert getattr(moved, side).value == value
                assert one.value + other.value >= 1 - 1e-9
                assert 0 <= one.low <= one.value <= one.high <= 1
                assert 0 <= other.low <= other.value <= other.high <= 1


def test_maintenance_of_both_is_never_less_than_the_sum() -> None:
    """Catches a task that is dropped, a discount for doing both, a rate that makes hours negative."""
    numbers = np.random.default_rng(7)
    for documents, tokens, days, examples, changes in (10 ** numbers.uniform(-2, 6, (100_000, 5))).tolist():
        found = maintenance(
            RULES.maintenance,
            documents=int(documents),
            tokens=int(tokens * 1000),
            update_interval_days=days if days < 1e5 else None,
            examples=int(examples),
            contract_changes_per_year=changes / 1e4,
        )
        each = found.hours("rag") + found.hours("fine_tune")
        assert found.hours("hybrid") >= each
        assert min(task.hours_per_month for task in found.hybrid) >= 0
    assert found.hours("hybrid") > each, "keeping two layers in step is work too"


@given(
    st.dictionaries(
        st.sampled_from([*Needs.__slots__, "audti", ""]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just(10**5000) | st.just([]),
        max_size=6,
    )
)
@settings(max_examples=400, deadline=None)
def test_needs_of_any_values_are_taken_or_refused(values: dict[str, Any]) -> None:
    """Catches a value that crashes, or that is taken and then crashes the decision."""
    try:
        needs = Needs.from_mapping(values)
    except InvalidInput as error:
        assert str(error)
        return
    assert Needs.from_mapping(needs.to_dict()) == needs
    for project in (Project(needs), replace(constructed(rows()[0]), needs=needs)):
        verdict = decide(project, RULES)
        assert verdict.decision in DECISIONS.values()
        json.dumps(verdict.to_dict(), allow_nan=False)


@pytest.mark.parametrize("bad", [(61, 60), (-1, 60), (5, -5)])
def test_more_passes_than_tries_are_refused(bad: tuple[int, int]) -> None:
    """Catches an impossible count that would prove anything."""
    with pytest.raises(InvalidInput, match="at most as many can pass"):
        proven(*bad, 0.95, 0.05)
