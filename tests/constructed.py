"""Projects that were constructed: those of ``tests/golden/projects.jsonl``, their logs as texts, and random ones."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ragstone import route
from ragstone.estimates import Estimate
from ragstone.recommendation.measurements import Corpus, Evaluated, Examples, Project, QueryShares
from ragstone.recommendation.mixing import wilson
from ragstone.recommendation.needs import AUDITS, Needs
from ragstone.recommendation.shares import query_shares

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("factual", "behavioural", "hybrid", "other")
_CASES = ("router_cases.jsonl", "router_cases_wide.jsonl")
_CODES = {"pass": 0, "advisory_finetune": 1, "retrieve": 2, "hybrid": 3}
_KIND = {(1, 0): "factual", (0, 1): "behavioural", (1, 1): "hybrid", (0, 0): "other"}


def rows() -> list[dict[str, Any]]:
    """The hundred projects as they are written."""
    lines = (ROOT / "tests" / "golden" / "projects.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def share(hits: float, tries: float, error: float = 0.0) -> Estimate:
    """A share with Wilson's interval, wider by an error on either side."""
    if not tries:
        return Estimate(0.0, 0.0, 1.0, 0)
    low, high = wilson(hits / tries, tries)
    return Estimate(hits / tries, max(low - error, 0.0), min(high + error, 1.0), round(tries))


def shares(factual: int, behavioural: int, hybrid: int, other: int, *, error: float = 0.0) -> QueryShares:
    """What a log of so many queries of each kind holds, each read rightly."""
    counted = factual + behavioural + hybrid
    every = counted + other
    return QueryShares(
        queries=every,
        counted=counted,
        factual=share(factual, every, error),
        behavioural=share(behavioural, every, error),
        hybrid=share(hybrid, every, error),
        other=share(other, every, error),
        facts=share(factual + hybrid, counted, error),
        behaviour=share(behavioural + hybrid, counted, error),
        facts_of_all=share(factual + hybrid, every, error),
        behaviour_of_all=share(behavioural + hybrid, every, error),
        uncertain=share(0, every),
    )


def project(row: dict[str, Any], queries: QueryShares | None = None) -> Project:
    """One of the hundred, with the true shares of its log or with those that were measured."""
    log, corpus, examples, evaluation = row["log"], row["corpus"], row["examples"], row["evaluation"]
    baseline = evaluation["prompt_baseline"]
    return Project(
        needs=Needs.from_mapping(row["needs"]),
        queries=shares(*(log[kind] for kind in KINDS)) if queries is None else queries,
        corpus=Corpus(
            documents=corpus["documents"],
            chunks=corpus["documents"],
            tokens=corpus["tokens"],
            update_interval_days=corpus["median_update_interval_days"],
            style_guide_hits=share(corpus["style_guide_hit_share"] * 1000, 1000),
        ),
        examples=Examples(
            usable=examples["usable"],
            held_out=examples["held_out"],
            volatile=share(examples["volatile_share"] * examples["usable"], examples["usable"]),
        ),
        evaluation=Evaluated(
            prompt=(baseline["passed"], baseline["tried"]) if baseline else None,
            judged_queries=evaluation["judged_queries"],
            stale=evaluation["stale"],
        ),
    )


def drawn_log(row: dict[str, Any]) -> list[str]:
    """The texts of a project's log: with replacement and its seed, from each file's test half in turn."""
    draw, texts = random.Random(row["log"]["seed"]), []
    for kind in KINDS:
        halves = _test_halves(kind)
        texts += [draw.choice(halves[number % len(halves)]) for number in range(row["log"][kind])]
    draw.shuffle(texts)
    return texts


def routed_shares(row: dict[str, Any]) -> QueryShares:
    """What measuring finds in a project's log: its texts routed, repeats counted, corrected for the router's errors."""
    log = Counter(drawn_log(row))
    routes = [route(text) for text in log]
    return query_shares(
        [_CODES[found.path] for found in routes], [found.uncertain for found in routes], counts=list(log.values())
    )


@cache
def _test_halves(kind: str) -> list[list[str]]:
    halves = []
    for name in _CASES:
        lines = (ROOT / "python" / "models" / name).read_text(encoding="utf-8").splitlines()
        cases = [json.loads(line) for line in lines]
        halves.append(
            [
                case["text"]
                for case in cases
                if case["split"] == "test" and _KIND[case["need_facts"], case["need_behaviour"]] == kind
            ]
        )
    return halves


def random_projects(count: int, seed: int) -> Iterator[Project]:
    """Projects of all kinds, likely and absurd, with anything missing that may be."""
    numbers = np.random.default_rng(seed)
    mixes = numbers.dirichlet((0.4, 0.4, 0.1, 0.2), count)
    sizes = np.where(numbers.random(count) < 0.03, 0, 10 ** numbers.uniform(1.5, 4.5, count)).astype(int)
    errors = numbers.choice([0.0, 0.0, 0.01, 0.05, 0.3], count)
    for mix, size, error, chances in zip(mixes, sizes, errors, numbers.random((count, 24)), strict=True):
        yield _random_project(np.floor(mix * size).astype(int).tolist(), float(error), chances.tolist())


def _random_project(kinds: list[int], error: float, u: list[float]) -> Project:
    def some(chance: float, value: Any) -> Any:
        return value if chance < 0.6 else None

    audit = some(u[0], AUDITS[int(u[1] ** 2 * 4)])
    needs = Needs(
        audit=audit,
        format_contract_hard=(None, False, None, False, True)[int(u[2] * 5)],
        style_contract_hard=(None, False, None, False, True)[int(u[3] * 5)],
        facts_hard=True if u[4] < 0.1 else False if u[4] < 0.3 and audit not in AUDITS[2:] else None,
        context_tokens=some(u[5], int(10 ** (3 + 4 * u[6]))),
        target_pass_rate=some(u[7], 0.5 + 0.4999 * u[8]),
        update_interval_days=some(u[9], 10 ** (4 * u[10] - 1)),
        queries_per_day=some(u[11], 10 ** (8 * u[12])),
        team_hours_per_month=some(u[12], 100 * u[11]),
    )
    corpus = Corpus(
        documents=int(10 ** (5 * u[13])),
        chunks=int(10 ** (6 * u[13])),
        tokens=int(10 ** (9 * u[13])) if u[13] > 0.05 else 0,
        update_interval_days=some(u[14], 10 ** (4 * u[15] - 1)),
        unchanged_days=some(u[15], 200 * u[14]),
        changes=int(100 * u[15]),
        style_guide_hits=some(u[16], Estimate(u[17] / 2, 0.0, 1.0, 50)),
    )
    tried = int(1000 * u[18])
    return Project(
        needs=needs,
        queries=None if u[19] < 0.03 else shares(*kinds, error=error),
        corpus=None if u[20] < 0.05 else corpus,
        examples=Examples(int(10 ** (4 * u[21])) - 1, int(300 * u[22] ** 3), Estimate(u[23] - 0.8, 0.0, 1.0, 9))
        if u[23] > 0.8
        else Examples(int(10 ** (4 * u[21])) - 1, int(300 * u[22] ** 3)),
        evaluation=Evaluated(some(u[22], (int(tried * u[19] ** 0.1), tried)), int(200 * u[20]), u[21] < 0.2),
    )
