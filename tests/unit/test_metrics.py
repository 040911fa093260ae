"""Would catch metrics that drift from trec_eval: ties, missing queries, cuts, gains."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
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
        ("ContextPrecision", 2 / 4),
        ("ContextPrecision@3", 1 / 3),
        ("ContextPrecision@10", 2 / 4),
        ("nDCG(gain=exp)@2", (3 / math.log2(3)) / (7 + 3 / math.log2(3))),
        ("nDCG(dcg='exp-log2')@2", (3 / math.log2(3)) / (7 + 3 / math.log2(3))),
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


@pytest.mark.parametrize(
    ("run", "qrels", "names"),
    [
        ({"q7": {"d8": math.nan}}, {"q7": {"d8": 1}}, ("'q7'", "'d8'", "nan")),
        ({"q7": {"d8": None}}, {"q7": {"d8": 1}}, ("'q7'", "'d8'", "None")),
        ({"q7": {"d8": Decimal(1)}}, {"q7": {"d8": 1}}, ("'q7'", "'d8'", "Decimal")),
        ({"q7": {"d8": 10**400}}, {"q7": {"d8": 1}}, ("'q7'", "'d8'", "number")),
        ({"q7": {8: 1.0}}, {"q7": {"d8": 1}}, ("'q7'", "document 8", "int")),
        ({"q7": {"d8": 1.0}}, {"q7": {"d8": 1.0}}, ("'q7'", "'d8'", "1.0", "integer")),
        ({"q7": {"d8": 1.0}}, {"q7": {"d8": 1 << 64}}, ("'q7'", "'d8'", "integer")),
        ({"q7": {"d8": 1.0}}, {"q7": {8: 1}}, ("'q7'", "document 8", "int")),
        ({"q7": {"d8": 1.0}}, {"8": {"d8": 1}}, ("'q7'", "'8'", "none of the 1 queries")),
        ({"q7": {"d8": 1.0}}, {"q7": {"d8": 1001}}, ("1001", "exponential")),
    ],
)
def test_errors_name_query_and_document(run: object, qrels: object, names: tuple[str, ...]) -> None:
    """A message that leaves its reader to search ten thousand queries."""
    with pytest.raises(InvalidInput) as caught:
        evaluate_run(run, qrels, ["nDCG(gain=exp)"])  # type: ignore[call-overload]
    assert all(name in str(caught.value) for name in names), caught.value


def test_numbers_of_numpy_are_numbers() -> None:
    """Scores and grades out of arrays that are refused, or read otherwise."""
    run = {"q": {"a": np.float32(2), "b": np.int64(3), "c": True, "d": np.float64(0.5), "e": 1}}
    qrels = {"q": {"b": np.int8(2), "c": True, "d": np.uint64(1)}}
    assert evaluate_run(run, qrels, ["AP"])["AP"] == pytest.approx((1 / 1 + 2 / 4 + 3 / 5) / 3)  # type: ignore[arg-type]


def test_an_empty_run_is_worth_nothing() -> None:
    """A search that found nothing at all refused as if its queries were others."""
    assert evaluate_run({}, QRELS, ["RR"]) == {"RR": 0.0}
