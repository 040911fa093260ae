"""The hundred constructed projects: whether the policy advises what was written down before there was a policy."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from constructed import project, routed_shares, rows, shares
from ragstone.recommendation.measurements import Project
from ragstone.recommendation.policy import decide
from ragstone.recommendation.rules import load_rules
from ragstone.recommendation.warnings import warnings

RULES = load_rules()
ROWS = rows()
GOLDEN = [row for row in ROWS if row["golden"]]
# What the report has to contain, as it is said: each row's ``must_say`` in patterns that all have to be found.
SAID = {
    "S4": ["format contract is hard", "400 held-out answers may claim 99 %"],
    "S5": ["style contract is hard"],
    "S6": ["There are 77 labels", "macro-F1"],
    "S7": ["cheaper from about [0-9,]+ queries a day|cheaper at no volume"],
    "S8": ["31 % of the training examples state facts that have changed", "what is no longer true"],
    "S23": ["facts, which .* need: retrieval", "style contract: fine_tuning", "both at once, .*: both"],
    "S24": ["shows its source: retrieval", "style contract: fine_tuning", "both at once, .*: both"],
    "S25": ["Building both would be overkill"],
    "S26": ["Behavioural queries are answered with chunks of a style guide", "find a style guide among"],
    "S35": ["forbids fine-tuning alone"],
    "S36": ["The data is stable: [0-9]+ days"],
    "S37": ["Maintenance of both is at least the sum", "[0-9.]+ hours a month"],
}


def outcome(given: Project) -> dict[str, Any]:
    verdict = decide(given, RULES)
    codes = [mistake.code for mistake in warnings(given, RULES)]
    return {"expected": verdict.decision, "rule": verdict.rule, "warnings": codes, "ready": verdict.ready}


def everything_said(given: Project) -> str:
    verdict = decide(given, RULES)
    lines = [one.text for one in verdict.reasons] + [one.text for one in verdict.vetoes]
    lines += [f"{layer.requirement}: {layer.layer}" for layer in verdict.layers]
    for mistake in warnings(given, RULES):
        lines += [mistake.message, *(text for text, _ in mistake.proof), mistake.action]
    return "\n".join(lines)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_true_shares_give_the_written_advice(row: dict[str, Any]) -> None:
    """Catches a rule, a warning or a readiness that differs from what was written down for the project."""
    assert outcome(project(row)) == {key: row[key] for key in ("expected", "rule", "warnings", "ready")}


@pytest.fixture(scope="module")
def routed() -> list[dict[str, Any]]:
    """Outcomes with the shares that the router finds in each project's log."""
    return [outcome(project(row, routed_shares(row))) for row in ROWS]


def test_routed_texts_give_the_written_advice(routed: list[dict[str, Any]]) -> None:
    """Catches a router whose errors, corrected, turn more than three of a hundred pieces of advice or warning."""
    wrong = {
        row["name"]: f"{row['rule']} as {found['rule']}"
        for row, found in zip(ROWS, routed, strict=True)
        if any(found[key] != row[key] for key in ("expected", "warnings", "ready"))
    }
    assert len(wrong) <= 3, wrong


def test_routed_texts_give_the_golden_advice(routed: list[dict[str, Any]]) -> None:
    """Catches a golden case that the router's errors turn, warn of wrongly, or call ready when it is not."""
    wrong = {
        row["golden"]: found
        for row, found in zip(ROWS, routed, strict=True)
        if row["golden"] and any(found[key] != row[key] for key in ("expected", "warnings", "ready"))
    }
    assert wrong == {}


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: row["golden"])
def test_golden_cases_say_what_they_must(row: dict[str, Any]) -> None:
    """Catches a right decision without the reason that the article gives for it."""
    given = project(row)
    if row["golden"] == "S6":
        # The written project knows its labels from its description alone; measuring finds them in the examples.
        labels = {f"label {number}": 100 for number in range(77)}
        given = replace(given, examples=replace(given.examples, labels=labels))
    said = everything_said(given)
    assert [pattern for pattern in SAID[row["golden"]] if not re.search(pattern, said)] == []


def test_every_golden_case_has_its_sentences() -> None:
    """Catches a golden case that must say nothing."""
    assert {row["golden"] for row in GOLDEN} == SAID.keys()


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: row["golden"])
def test_golden_sentences_are_of_their_own_cases(row: dict[str, Any]) -> None:
    """Catches sentences that are said of every project: with nothing known, none of them is said."""
    nothing = everything_said(Project(replace(project(row).needs, **dict.fromkeys(row["needs"]))))
    assert not any(re.search(pattern, nothing) for pattern in SAID[row["golden"]])


def test_overkill_when_one_of_two_flags_is_off() -> None:
    """Catches a hybrid that is advised although one of the needs is not hard: the support agent without its voice."""
    row = next(row for row in GOLDEN if row["golden"] == "S24")
    both = project(row)
    assert decide(both, RULES).decision == "hybrid"
    # Neither contract nor share: nobody prescribes form.
    plain = replace(both, queries=shares(360, 10, 10, 60), needs=replace(both.needs, style_contract_hard=False))
    verdict = decide(plain, RULES)
    assert verdict.decision == "rag"
    assert any("overkill" in reason.text for reason in verdict.reasons)
    unaudited = replace(both, queries=shares(2, 470, 4, 60), needs=replace(both.needs, audit="low"))
    verdict = decide(unaudited, RULES)
    assert verdict.decision == "fine_tune"
    assert any("overkill" in reason.text for reason in verdict.reasons)


def test_verdicts_of_the_hundred_are_json() -> None:
    """Catches a value in a verdict or a warning that JSON has no form for."""
    for row in ROWS:
        given = project(row)
        json.dumps(decide(given, RULES).to_dict(), allow_nan=False)
        json.dumps([mistake.to_dict() for mistake in warnings(given, RULES)], allow_nan=False)
