"""Would catch metrics that drift from trec_eval: ties, missing queries, cuts, gains."""

from __future__ import annotations

import math
import random

import pytest

from ragstone.errors import InvalidInput
from ragstone.metrics import evaluate_run

RUN = {"q": {"a": 5.0, "b": 4.0, "c": 3.0, "d": 2.0}}
QRELS = {"q": {"a": 0, "b": 2, "d": 1, "e": 3}}


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("P@1", 0.0),
        ("P@2", 1 / 2),
        ("P@10", 2 / 10),
        ("R@2", 1 / 3),
        ("R@100", 2 / 3),
        ("RR", 1 / 2),
        ("RR@1", 0.0),
        ("AP", (1 / 2 + 2 / 4) / 3),
        ("AP@2", (1 / 2) / 3),
        ("Success@1", 0.0),
        ("Success@2", 1.0),
        ("success@2", 1.0),
        ("nDCG@2", (2 / math.log2(3)) / (3 + 2 / math.log2(3))),
        ("nDCG", (2 / math.log2(3) + 1 / math.log2(5)) / (3 + 2 / math.log2(3) + 1 / math.log2(4))),
    ],
)
def test_hand_computed(metric: str, expected: float) -> None:
    """A wrong denominator, gain, discount or cut."""
    assert evaluate_run(RUN, QRELS, [metric])[metric] == pytest.approx(expected, abs=1e-12)


def test_ties_go_to_the_larger_document_id() -> None:
    """Ties broken by insertion order or ascending id."""
    run = {"q": {"a": 1.0, "z": 1.0}}
    assert evaluate_run(run, {"q": {"z": 1}}, ["RR"]) == {"RR": 1.0}
    assert evaluate_run(run, {"q": {"a": 1}}, ["RR"]) == {"RR": 0.5}


def test_scores_tie_in_32_bits() -> None:
    """Scores compared more finely than trec_eval can."""
    run = {"q": {"a": 1.0 + 1e-12, "z": 1.0}}
    assert evaluate_run(run, {"q": {"z": 1}}, ["RR"]) == {"RR": 1.0}


def test_a_query_that_the_run_lacks_counts_zero() -> None:
    """Means that flatter a run which left out hard queries."""
    qrels = {**QRELS, "missing": {"x": 1}}
    assert evaluate_run(RUN, qrels, ["RR"]) == {"RR": 0.25}
    assert evaluate_run(RUN, qrels, ["RR"], per_query=True) == {"q": {"RR": 0.5}, "missing": {"RR": 0.0}}


def test_queries_without_judgement_are_left_out() -> None:
    """Means diluted by queries that nobody judged."""
    assert evaluate_run({**RUN, "unjudged": {"a": 1.0}}, QRELS, ["RR"]) == {"RR": 0.5}


def test_a_query_without_relevant_documents_is_zero() -> None:
    """A division by zero relevant documents."""
    metrics = ["nDCG@10", "AP", "RR", "P@5", "R@5", "Success@5"]
    assert set(evaluate_run({"q": {"a": 1.0}}, {"q": {"a": 0}}, metrics).values()) == {0.0}
    assert set(evaluate_run({"q": {"a": 1.0}}, {"q": {"a": -1}}, metrics).values()) == {0.0}


def test_infinite_scores_rank() -> None:
    """An infinite score refused or ranked last."""
    run = {"q": {"a": math.inf, "b": 1e300, "c": -math.inf}}
    assert evaluate_run(run, {"q": {"c": 1}}, ["RR"])["RR"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    "metric", ["nDCG@0", "P", "R", "Success", "MRR", "nDCG@", "nDCG@-1", "P@1.5", "", "ndcg@10 ", "P@9999999999"]
)
def test_unknown_metrics_are_refused(metric: str) -> None:
    """A misspelt metric answered with something."""
    with pytest.raises(InvalidInput, match="metric"):
        evaluate_run(RUN, QRELS, [metric])


@pytest.mark.parametrize(
    ("run", "qrels", "metrics"),
    [
        ({"q": {"a": math.nan}}, QRELS, ["RR"]),
        ({"q": {"a": "high"}}, QRELS, ["RR"]),
        ({"q": {1: 1.0}}, QRELS, ["RR"]),
        ({"q": [("a", 1.0)]}, QRELS, ["RR"]),
        (RUN, {}, ["RR"]),
        (RUN, {"q": {"a": 0.5}}, ["RR"]),
        (RUN, {"q": ["a"]}, ["RR"]),
        (RUN, QRELS, []),
        (RUN, QRELS, "RR"),
        ([], QRELS, ["RR"]),
    ],
)
def test_bad_input_is_refused(run: object, qrels: object, metrics: object) -> None:
    """NaN, wrong types and empty judgements that end in a number."""
    with pytest.raises(InvalidInput):
        evaluate_run(run, qrels, metrics)  # type: ignore[call-overload]


def test_equal_to_trec_eval_on_random_runs() -> None:
    """Any difference to trec_eval, ties and graded judgements included."""
    pytrec_eval = pytest.importorskip("pytrec_eval")
    names = {
        "nDCG@10": "ndcg_cut_10",
        "nDCG": "ndcg",
        "AP": "map",
        "RR": "recip_rank",
        "P@5": "P_5",
        "R@10": "recall_10",
        "Success@5": "success_5",
    }
    rng = random.Random(1)
    for _ in range(300):
        documents = [f"d{number}" for number in range(rng.randint(1, 40))]
        judged = {document: rng.choice([0, 0, 1, 2, 3]) for document in documents if rng.random() < 0.5} or {"d0": 1}
        score = rng.choice([lambda: float(rng.randint(0, 4)), rng.random, lambda: 1.0 + rng.random() * 1e-6])
        run = {"q": {document: score() for document in documents if rng.random() < 0.8} or {"d0": 1.0}}
        theirs = pytrec_eval.RelevanceEvaluator(
            {"q": judged}, {"ndcg_cut", "ndcg", "map", "recip_rank", "P", "recall", "success"}
        ).evaluate(run)["q"]
        ours = evaluate_run(run, {"q": judged}, list(names))
        assert {name: pytest.approx(theirs[key], abs=1e-9) for name, key in names.items()} == ours
