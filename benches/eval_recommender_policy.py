"""Figures of the policy: the hundred constructed projects, vetoes on random projects, flip points, maintenance.

    python benches/eval_recommender_policy.py [--shared ../shared]

Advice is compared with what ``tests/golden/projects.jsonl`` says, once with the true shares of each project's log, once
with what the router finds in that log's texts, corrected for its errors. The texts are hard on purpose
(``tests/golden/README.md``), and the router was not trained on them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from constructed import project, random_projects, routed_shares, rows
from policy_checks import broken_vetoes, wrong_moves
from ragstone.recommendation.known import upkeep
from ragstone.recommendation.measurements import Project
from ragstone.recommendation.policy import decide
from ragstone.recommendation.rules import Rules, load_rules
from ragstone.recommendation.sensitivity import dials, flip_points
from ragstone.recommendation.warnings import warnings
from targets import Figure, show

RANDOM = 100_000
REDRAWN = 5


@dataclass
class Agreement:
    """How many projects are advised as written down."""

    decisions: int = 0
    golden: int = 0
    warnings: int = 0
    ready: int = 0
    missed: str = ""


def figures(shared: Path) -> list[Figure]:
    """Agreement both ways, vetoes, flip points, maintenance, and what a decision takes."""
    rules, written = load_rules(), rows()
    return [
        *_agreement("true shares", [project(row) for row in written], written, rules),
        *_agreement("routed texts", [project(row, routed_shares(row)) for row in written], written, rules),
        *_redrawn(written, rules),
        *_random(rules),
        *_flips(written, rules),
    ]


def _agreement(name: str, projects: list[Project], written: list[dict[str, Any]], rules: Rules) -> list[Figure]:
    found, wrong = Agreement(), Counter[str]()
    for given, row in zip(projects, written, strict=True):
        verdict = decide(given, rules)
        right = verdict.decision == row["expected"]
        found.decisions += right
        found.golden += right and row["golden"] is not None
        found.ready += verdict.ready == row["ready"]
        found.warnings += [one.code for one in warnings(given, rules)] == row["warnings"]
        if not right:
            wrong[f"{row['rule']} as {verdict.rule}"] += 1
    golden = sum(row["golden"] is not None for row in written)
    note = ", ".join(f"{count} {kind}" for kind, count in wrong.most_common())
    n = len(written)
    return [
        Figure.at_least(
            f"projects advised as written, {name}", 100 * found.decisions / n, 97, n=n, unit="%", note=note
        ),
        Figure.at_least(f"golden cases, {name}", found.golden, golden, n=golden),
        Figure.stated(f"projects warned as written, {name}", 100 * found.warnings / n, n=n, unit="%"),
        Figure.stated(f"projects ready as written, {name}", 100 * found.ready / n, n=n, unit="%"),
    ]


def _redrawn(written: list[dict[str, Any]], rules: Rules) -> list[Figure]:
    """The same with other texts: what the written seeds happen to draw must not be what makes it right."""
    agreed, golden = [], []
    for draw in range(1, REDRAWN + 1):
        rows = [row | {"log": row["log"] | {"seed": row["log"]["seed"] + 1000 * draw}} for row in written]
        right = [decide(project(row, routed_shares(row)), rules).decision == row["expected"] for row in rows]
        agreed.append(sum(right))
        golden.append(sum(one for one, row in zip(right, rows, strict=True) if row["golden"]))
    name, n = f"routed texts of {REDRAWN} other draws", REDRAWN * len(written)
    share, spread, cases = (
        1e2 * sum(agreed) / n,
        f"{min(agreed)} to {max(agreed)}",
        sum(bool(r["golden"]) for r in rows),
    )
    return [
        Figure.stated(f"projects advised as written, {name}", share, n=n, unit="%", note=spread),
        Figure.stated(f"golden cases, {name}, fewest", min(golden), n=cases),
    ]


def _random(rules: Rules) -> list[Figure]:
    vetoes = moves = cheaper = 0
    spent = 0.0
    for given in random_projects(RANDOM, seed=1):
        start = time.perf_counter()
        verdict = decide(given, rules)
        spent += time.perf_counter() - start
        vetoes += bool(broken_vetoes(given, verdict.decision, verdict.ready))
        moves += bool(wrong_moves(given, verdict.decision, rules))
        work = upkeep(given, rules)
        cheaper += work.hours("hybrid") < work.hours("rag") + work.hours("fine_tune")
    return [
        Figure.at_most("random projects with a broken veto", vetoes, 0, n=RANDOM),
        Figure.at_most("random projects that an input moves the wrong way", moves, 0, n=RANDOM),
        Figure.at_most("random projects where both are kept for less than the sum", cheaper, 0, n=RANDOM),
        Figure.stated("mean time of a decision with its reasons", 1e6 * spent / RANDOM, n=RANDOM, unit="µs"),
    ]


def _flips(written: list[dict[str, Any]], rules: Rules) -> list[Figure]:
    looked = turning = wrong = 0
    spent = 0.0
    for row in written:
        given = project(row)
        by_name = {dial.input: dial for dial in dials(given, rules)}
        now = decide(given, rules)
        start = time.perf_counter()
        found = flip_points(given, rules)
        spent += time.perf_counter() - start
        for flip in found:
            looked += 1
            if flip.value is None:
                continue
            turning += 1
            dial = by_name[flip.input]
            then, holds = (decide(dial.turn(value), rules) for value in (flip.value, flip.holds))
            told = (flip.now, flip.then, flip.now)
            if flip.turns == "ready":
                wrong += (now.ready, then.ready, holds.ready) != told
            else:
                wrong += (now.decision, then.decision, holds.decision) != told
    n = len(written)
    return [
        Figure.at_most("flip points that decide otherwise than told", wrong, 0, n=turning),
        Figure.stated("inputs whose nearest turning value is told, or that none is", looked / n, n=n, unit="a project"),
        Figure.stated("mean time of a project's flip points", 1e3 * spent / n, n=n, unit="ms"),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path(__file__).resolve().parents[2] / "shared")
    show(figures(parser.parse_args().shared))
