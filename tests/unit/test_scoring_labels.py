"""Scores of labels: held to their definitions, counted one by one."""

from __future__ import annotations

import random

import numpy as np
import pytest

from ragstone.errors import InvalidInput
from ragstone.scoring import label_difference, score_labels


def f1(right: list[str], given: list[str | None], label: str) -> float:
    both = sum(a == b == label for a, b in zip(right, given, strict=True))
    return 2 * both / (right.count(label) + given.count(label))


def drawn(seed: int, samples: int, wrong: float) -> tuple[list[str], list[str | None]]:
    numbers = random.Random(seed)
    right = [numbers.choice("aaaabbc") for _ in range(samples)]
    given: list[str | None] = [numbers.choice("abcx") if numbers.random() < wrong else label for label in right]
    return right, given


@pytest.mark.parametrize("seed", range(20))
def test_figures_are_those_of_their_definitions(seed: int) -> None:
    """Catches a macro-F1 over other labels, or a micro-F1 that forgets invented labels."""
    right, given = drawn(seed, 40, 0.4)
    found = score_labels(right, given)
    known = sorted(set(right))
    correct = sum(a == b for a, b in zip(right, given, strict=True))
    assert found.accuracy.value == pytest.approx(correct / 40)
    assert found.micro_f1.value == pytest.approx(correct / 40), "one label a sample and none missing: the accuracy"
    assert found.macro_f1.value == pytest.approx(np.mean([f1(right, given, label) for label in known]))
    assert {one.label: one.f1.value for one in found.per_label} == {
        label: pytest.approx(f1(right, given, label)) for label in known
    }
    assert found.unknown.get("x", 0) == given.count("x")
    assert sum(times for *_, times in found.confusions) == 40 - correct


def test_several_labels_a_sample_count_one_by_one() -> None:
    """Catches sets compared as if they were single labels."""
    found = score_labels([["a", "b"], ["a"], ["c"]], [["b"], ["a", "c"], ["c"]])
    assert found.accuracy.value == pytest.approx(1 / 3)
    # tp 3 (b, a, c), predicted 4, right 4.
    assert found.micro_f1.value == pytest.approx(3 * 2 / 8)
    assert found.macro_f1.value == pytest.approx((2 * 1 / 3 + 2 * 1 / 2 + 2 * 1 / 3) / 3)


def test_missing_and_unknown_predictions_are_counted_and_wrong() -> None:
    """Catches answers that were never given, or invented labels, left out of the figures."""
    found = score_labels(["a", "a", "b", "b"], ["a", None, "", "zebra"])
    assert found.accuracy.value == 0.25
    assert (found.missing, found.unknown, found.nearly) == (2, {"zebra": 1}, 0)
    # One is right of two given (the invented one too) and four wanted.
    assert found.micro_f1.value == pytest.approx(2 / 6)
    assert ("b", "", 1) in found.confusions
    assert "missing   2" in str(found)
    assert score_labels(["Refund"], ["**refund**."]).nearly == 1


def test_a_declared_label_is_not_unknown() -> None:
    """Catches a label that happens to be absent from the references taken for an invented one."""
    assert score_labels(["a", "b"], ["a", "c"], labels="abc").unknown == {}
    found = score_labels(["a", "b"], ["a", "c"], labels="abcd")
    assert [one.label for one in found.per_label] == ["a", "b", "c"], "d was neither wanted nor given"
    with pytest.raises(InvalidInput, match="'b', which is not among the 1 labels"):
        score_labels(["a", "b"], ["a", "a"], labels=["a"])


def test_intervals_hold_the_true_macro_f1_about_as_often_as_they_say() -> None:
    """Catches an interval of macro-F1 that is much too narrow."""
    large_right, large_given = drawn(0, 200_000, 0.4)
    truth = score_labels(large_right, large_given).macro_f1.value
    inside = 0
    for seed in range(1, 101):
        found = score_labels(*drawn(seed, 300, 0.4)).macro_f1
        inside += found.low <= truth <= found.high
    assert inside >= 88


def test_a_difference_is_paired() -> None:
    """Catches a comparison that resamples both sides apart and so loses what they have in common."""
    right, given = drawn(3, 400, 0.5)
    better = list(given)
    for place in [place for place, (a, b) in enumerate(zip(right, given, strict=True)) if a != b][:20]:
        better[place] = right[place]
    found = label_difference(right, better, given)
    assert found.accuracy.value == pytest.approx(20 / 400)
    assert found.accuracy.low > 0.025
    assert found.macro_f1.low > 0
    exact = score_labels(right, better).macro_f1.value - score_labels(right, given).macro_f1.value
    assert found.macro_f1.value == pytest.approx(exact)
    same = label_difference(right, given, given)
    assert (same.accuracy.low, same.macro_f1.high) == (0, 0)


def test_equal_input_gives_equal_output() -> None:
    """Catches intervals that change from run to run."""
    assert score_labels(*drawn(1, 50, 0.3)).to_dict() == score_labels(*drawn(1, 50, 0.3)).to_dict()


@pytest.mark.parametrize(
    ("right", "given", "message"),
    [
        ([], [], "0 references"),
        (["a"], ["a", "b"], "1 references and 2 predictions"),
        (["a", " "], ["a", "b"], "reference 1 has no label"),
        (["a"], [[1]], "a label is text"),
    ],
)
def test_what_cannot_be_scored_is_refused(right: list[str], given: list[str], message: str) -> None:
    """Catches a figure made from nothing."""
    with pytest.raises(InvalidInput, match=message):
        score_labels(right, given)
