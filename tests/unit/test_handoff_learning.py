"""The measured case: the classifier against its definition, the baselines, the learning curve and its law."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ragstone.embedding import embedder
from ragstone.handoff.case import measure_labels
from ragstone.handoff.classifier import fit_softmax, majority, nearest
from ragstone.handoff.examples import Example
from ragstone.handoff.learning import Curve, Law, examples_needed, fit_law
from ragstone.handoff.measured import claimable, drift_baseline, inferred_schema, sequential_test


def clouds(count: int, classes: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    numbers = np.random.default_rng(seed)
    labels = numbers.integers(0, classes, count)
    centres = np.random.default_rng(9).normal(size=(classes, 16))
    vectors = centres[labels] + numbers.normal(size=(count, 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize("penalty", [1e-3, 1e-1])
def test_the_fit_is_the_minimum_of_its_loss(penalty: float) -> None:
    """Catches a step that diverges, or too few of them: no small change of the weights lowers the loss."""
    vectors, labels = clouds(300, 4)
    model = fit_softmax(vectors, labels, seed=0, penalty=penalty)

    def loss(weights: NDArray[np.float64], bias: NDArray[np.float64]) -> float:
        scores = vectors.astype(np.float64) @ weights + bias
        scores -= scores.max(axis=1, keepdims=True)
        right = scores[np.arange(300), labels] - np.log(np.exp(scores).sum(axis=1))
        return float(-right.mean() + penalty / 2 * (weights**2).sum())

    weights, bias = model.weights.astype(np.float64), model.bias.astype(np.float64)
    best = loss(weights, bias)
    numbers = np.random.default_rng(1)
    for _ in range(50):
        moved = weights + 1e-2 * numbers.normal(size=weights.shape), bias + 1e-2 * numbers.normal(size=bias.shape)
        assert loss(*moved) > best - 1e-6


def test_the_penalty_is_chosen_by_held_out_loss() -> None:
    """Catches the weakest penalty chosen for labels that mean nothing."""
    vectors, labels = clouds(400, 3)
    noise = np.random.default_rng(2).integers(0, 3, 400)
    assert fit_softmax(vectors, noise, seed=0).penalty > fit_softmax(vectors, labels, seed=0).penalty


def test_one_class_is_predicted_always() -> None:
    """Catches a failure where there is one class, or a class that was never seen."""
    vectors, _ = clouds(20, 2)
    assert fit_softmax(vectors, np.full(20, 3), seed=0).predict(vectors).tolist() == [3] * 20
    assert nearest(vectors, np.full(20, 3), vectors).tolist() == [3] * 20


def test_nearest_is_the_vote_of_five() -> None:
    """Catches a class without a vote that wins since others' cosines are below zero."""
    vectors = np.array([[1, 0], [0.9, 0.1], [0, 1], [-1, 0]], dtype=np.float32)
    labels = np.array([0, 0, 1, 1])
    assert nearest(vectors, labels, np.array([[1, 0.05]], dtype=np.float32)).tolist() == [0]
    assert nearest(vectors[2:], np.array([4, 7]), np.array([[0.0, -1.0]], dtype=np.float32)).tolist() == [7]


def test_majority_breaks_ties_by_name() -> None:
    """Catches a baseline that depends on the order of the examples."""
    assert majority(["b", "a", "b", "a"]) == majority(["a", "b", "a", "b"]) == "a"


PLACES = ["Oslo", "Lima", "Rome", "Kyiv", "Bern", "Cork", "Graz", "Nice", "Gent", "Riga", "Faro", "Bari"]
KINDS = {
    "refund": "give the money back for a broken item bought in",
    "delivery": "where has the parcel got to on its way to",
    "password": "cannot sign in with the old password from",
    "invoice": "send the bill with tax for the office in",
}


def labelled(times: int, word: str) -> list[tuple[str, str]]:
    return [(f"{text} {PLACES[n % 12]} {word} {n}", label) for label, text in KINDS.items() for n in range(times)]


def test_the_case_for_labels() -> None:
    """Catches a case that cannot be told from chance, or a curve that does not end with all examples."""
    case = measure_labels(labelled(30, "today"), labelled(10, "tomorrow"), embedder("builtin"), seed=3)
    assert case is not None
    assert case.classifier.accuracy.value > 0.95 > 0.5 > case.majority.accuracy.value
    assert case.curve.examples == (25, 50, 100, 120)
    assert case.curve.accuracy[-1].value == case.classifier.accuracy.value
    assert case.curve.macro_f1[-1] == pytest.approx(case.classifier.macro_f1.value)
    again = measure_labels(labelled(30, "today"), labelled(10, "tomorrow"), embedder("builtin"), seed=3)
    assert again is not None and again.to_dict() == case.to_dict()


def test_no_case_where_nothing_can_be_learnt() -> None:
    """Catches figures for one label, or for nothing held out."""
    one = [("a b", "x"), ("c d", "x")]
    assert measure_labels(one, one, embedder("builtin")) is None
    assert measure_labels(labelled(3, "x"), [], embedder("builtin")) is None


def test_labels_that_training_lacks_are_named() -> None:
    """Catches a label that cannot be right and is nowhere mentioned."""
    case = measure_labels(labelled(10, "x"), [("something else", "other"), *labelled(3, "y")], embedder("builtin"))
    assert case is not None and case.unseen == ("other",)


@pytest.mark.parametrize("law", [Law(2, 0.5, 0.05), Law(1, 0.3, 0), Law(5, 0.9, 0.1)])
def test_a_law_is_found_again(law: Law) -> None:
    """Catches a fit that misses a curve which follows the law exactly."""
    counts = np.array([25.0, 50, 100, 200, 400, 800])
    found = fit_law(counts, np.array([law.error(count) for count in counts]))
    for count in (50, 800, 3200):
        assert found.error(count) == pytest.approx(law.error(count), abs=0.01)


def test_examples_needed_have_an_interval_and_may_not_exist() -> None:
    """Catches a promise where the curve levels off above what is wished."""
    numbers = np.random.default_rng(0)
    counts = (25, 50, 100, 200, 400)
    falling = np.array([numbers.random(1000) > 2 * count**-0.5 for count in counts])
    flat = np.array([numbers.random(1000) > 0.3 for _ in counts])
    curve = Curve(counts, (), (), falling)
    found = examples_needed(curve, 0.05, seed=1)
    assert found.examples is not None and found.low is not None
    assert found.low <= 1600 <= (found.high or 40_000)
    none = examples_needed(Curve(counts, (), (), flat), 0.05, seed=1)
    assert none.examples is None and "not reached" in str(none)
    assert examples_needed(Curve(counts[:2], (), (), falling[:2]), 0.05).law is None


def test_what_may_be_claimed() -> None:
    """Catches 99 % claimed from fewer than 299 held-out answers."""
    assert claimable(299) >= 0.99 > claimable(298)


def test_the_sequential_test_alarms_when_it_should() -> None:
    """Catches a test that does not notice answers five points worse, or calls as good ones bad too often."""
    test = sequential_test(0.9)
    numbers = np.random.default_rng(0)

    def alarms(share: float) -> float:
        found = 0
        for _ in range(400):
            total = 0.0
            while test["clear"] < total < test["alarm"]:
                total += test["right"] if numbers.random() < share else test["wrong"]
            found += total >= test["alarm"]
        return found / 400

    assert alarms(test["bar"]) <= 0.09
    assert alarms(test["worse"]) >= 0.72


def test_drift_is_told_against_tenths() -> None:
    """Catches shares that do not add up, or labels left out."""
    examples = [Example(n, (("user", "w " * (n % 17 + 1)),), "ab"[n % 2]) for n in range(200)]
    found = drift_baseline(examples, "labels")
    assert sum(found["shares"]) == pytest.approx(1)  # type: ignore[arg-type, call-overload]
    assert len(found["shares"]) == len(found["words_up_to"]) + 1  # type: ignore[arg-type]
    assert found["labels"] == {"a": 0.5, "b": 0.5}


def test_an_inferred_schema_holds_for_what_it_was_inferred_from() -> None:
    """Catches a schema that refuses the user's own answers, or accepts anything."""
    jsonschema = pytest.importorskip("jsonschema", reason="needs the extra [eval]")
    values = [{"a": 1, "b": [{"c": None}, {"c": "x", "d": True}]}, {"a": 1.5, "b": []}, {"a": 2}]
    schema = inferred_schema(values)
    for value in values:
        jsonschema.validate(value, schema)
    for wrong in ({"b": []}, {"a": "1"}, {"a": 1, "e": 2}, {"a": 1, "b": [{"c": 3}]}, []):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
