"""Keeps the constructed projects honest: each label follows from the rules that stand beside them."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

PROJECTS = Path(__file__).resolve().parents[1] / "golden" / "projects.jsonl"
GOLDEN = {
    "S4": "fine_tune", "S5": "fine_tune", "S6": "fine_tune", "S7": "fine_tune", "S8": "rag", "S23": "hybrid",
    "S24": "hybrid", "S25": "rag", "S26": "fine_tune", "S35": "rag", "S36": "fine_tune", "S37": "hybrid",
}  # fmt: skip
DECISIONS = {"R1": "hybrid", "R2": "rag", "R3": "fine_tune", "R4": "fine_tune"}
DECISIONS |= {"R5": "undecided", "R6": "undecided", "R7": "undecided"}
DECISIONS |= {"R8": "prompt_first", "R9": "prompt_first", "R10": "prompt_first"}
SHARE, FACTS_SOME, STABLE_DAYS, COUNTED_MIN, PROOF = 0.20, 0.05, 90, 50, 59

Project = dict[str, Any]


def _projects() -> list[Project]:
    return [json.loads(line) for line in PROJECTS.read_text(encoding="utf-8").splitlines()]


def _wilson(hits: int, tries: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    share, extra = hits / tries, z * z / tries
    middle = (share + extra / 2) / (1 + extra)
    half = z * math.sqrt(share * (1 - share) / tries + extra / tries / 4) / (1 + extra)
    return middle - half, middle + half


def _binomial(hits: int, tries: int, chance: float) -> float:
    """Probability of so many hits, by logarithms since the coefficients outgrow a float."""
    ways = math.lgamma(tries + 1) - math.lgamma(hits + 1) - math.lgamma(tries - hits + 1)
    return math.exp(ways + hits * math.log(chance) + (tries - hits) * math.log1p(-chance))


def _proven(passed: int, tried: int, target: float) -> bool:
    """Whether the exact one-sided 95 % lower bound reaches the target: at the target, so many passes are rare."""
    return sum(_binomial(k, tried, target) for k in range(passed, tried + 1)) <= 0.05


def _required(declared: bool, interval: tuple[float, float]) -> bool | None:
    """Whether a need is hard; None where nothing is declared and the interval holds the threshold."""
    if declared or interval[0] > SHARE:
        return True
    return False if interval[1] < SHARE else None


def _rule(project: Project) -> str:
    """The first rule of the README that fits."""
    needs, log, corpus = project["needs"], project["log"], project["corpus"]
    contract = needs["format_contract_hard"] or needs["style_contract_hard"]
    audited = needs["audit"] in {"high", "regulated"}
    counted = log["factual"] + log["behavioural"] + log["hybrid"]
    asking, prescribing = log["factual"] + log["hybrid"], log["behavioural"] + log["hybrid"]
    every = counted + log["other"]
    if not (contract or audited) and max(_wilson(asking, every)[1], _wilson(prescribing, every)[1]) < SHARE:
        return "R8"
    if counted < COUNTED_MIN:
        return "R7"
    facts = _required(audited, _wilson(asking, counted))
    behaviour = _required(contract, _wilson(prescribing, counted))
    if facts is None or behaviour is None:
        return "R6"
    if facts and behaviour:
        return "R1"
    if facts:
        return "R9" if not audited and corpus["tokens"] < needs["context_tokens"] / 5 else "R2"
    baseline = project["evaluation"]["prompt_baseline"]
    if baseline and _proven(baseline["passed"], baseline["tried"], needs["target_pass_rate"]):
        return "R10"
    if _wilson(asking, counted)[0] <= FACTS_SOME:
        return "R3"
    days = corpus["median_update_interval_days"]
    return "R4" if days is not None and days >= STABLE_DAYS else "R5"


def _warnings(project: Project) -> list[str]:
    log, examples, evaluation = project["log"], project["examples"], project["evaluation"]
    counted = log["factual"] + log["behavioural"] + log["hybrid"]
    retrieves, tunes = (project["expected"] in {part, "hybrid"} for part in ("rag", "fine_tune"))
    fires = {
        "W1": log["behavioural"] >= SHARE * counted and project["corpus"]["style_guide_hit_share"] >= 0.10,
        "W2": examples["volatile_share"] > 0,
        "W3": evaluation["prompt_baseline"] is None
        or evaluation["stale"]
        or (retrieves and evaluation["judged_queries"] < PROOF)
        or (tunes and examples["held_out"] < PROOF),
    }
    return [name for name, fired in fires.items() if fired]


def test_there_are_a_hundred_projects_of_all_outcomes() -> None:
    """Catches a lost project, a name used twice, an outcome or a rule that hardly occurs."""
    projects = _projects()
    assert len({project["name"] for project in projects}) == len(projects) == 100
    assert len({project["log"]["seed"] for project in projects}) == 100
    assert min(Counter(project["expected"] for project in projects).values()) >= 10
    assert Counter(project["rule"] for project in projects).keys() == DECISIONS.keys()
    assert min(Counter(project["rule"] for project in projects).values()) >= 3
    assert {warning for project in projects for warning in project["warnings"]} == {"W1", "W2", "W3"}


def test_the_golden_cases_are_the_article_s() -> None:
    """Catches a golden case that was dropped, doubled, or given another verdict than the article's."""
    golden = [project for project in _projects() if project["golden"]]
    assert len(golden) == len(GOLDEN)
    assert {project["golden"]: project["expected"] for project in golden} == GOLDEN
    assert all(project["must_say"] for project in golden)


@pytest.mark.parametrize("project", _projects(), ids=lambda project: project["name"])
def test_each_label_follows_from_the_rules(project: Project) -> None:
    """Catches a label, a warning or a readiness that the written rules do not give."""
    assert project["rule"] == _rule(project)
    assert project["expected"] == DECISIONS[project["rule"]]
    assert project["warnings"] == _warnings(project)
    tuning, examples = project["expected"] in {"fine_tune", "hybrid"}, project["examples"]
    assert project["ready"] == ((examples["usable"] >= 10 and examples["held_out"] > 0) if tuning else None)


@pytest.mark.parametrize("project", _projects(), ids=lambda project: project["name"])
def test_clear_projects_are_clear_and_near_ties_near(project: Project) -> None:
    """Catches a project whose label a handful of misread queries would turn."""
    log = project["log"]
    counted = log["factual"] + log["behavioural"] + log["hybrid"]
    needs = project["needs"]
    declared = {
        "factual": needs["audit"] in {"high", "regulated"},
        "behavioural": needs["format_contract_hard"] or needs["style_contract_hard"],
    }
    if project["rule"] in {"R7", "R8"}:
        return
    intervals = {kind: _wilson(log[kind] + log["hybrid"], counted) for kind in declared}
    distances = [max(low - SHARE, SHARE - high) for kind, (low, high) in intervals.items() if not declared[kind]]
    if project["rule"] == "R6":
        assert min(distances) < -0.02
    else:
        assert min(distances, default=1.0) > 0.03
