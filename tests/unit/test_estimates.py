"""Intervals against scipy's, and against what they promise: to hold the true value as often as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.special
import scipy.stats

from ragstone import estimates
from ragstone.errors import InvalidInput
from ragstone.estimates import auroc, calibration_error, mean, proportion, quantile


def test_shares_have_the_exact_interval() -> None:
    """Catches an interval that is not Clopper and Pearson's, from one trial to a million, at the ends too."""
    numbers = np.random.default_rng(1)
    cases = [(0, 1), (1, 1), (0, 300), (300, 300), (1, 10**6)]
    trials = (10 ** numbers.uniform(0, 6, 300)).astype(int)
    cases += [(int(numbers.integers(0, count + 1)), int(count)) for count in trials]
    for successes, count in cases:
        for confidence in (0.9, 0.95, 0.99):
            found = proportion(successes, count, confidence=confidence)
            expected = scipy.stats.binomtest(successes, count).proportion_ci(confidence, "exact")
            assert found.value == successes / count
            assert found.low == pytest.approx(expected.low, abs=1e-9)
            assert found.high == pytest.approx(expected.high, abs=1e-9)


def test_incomplete_beta() -> None:
    """Catches a continued fraction that stops early for great parameters."""
    numbers = np.random.default_rng(2)
    for _ in range(500):
        a, b = 10 ** numbers.uniform(-0.3, 6, 2)
        x = scipy.special.betaincinv(a, b, numbers.uniform(1e-4, 1 - 1e-4))
        assert estimates._beta(x, a, b) == pytest.approx(scipy.special.betainc(a, b, x), abs=1e-8)


def _held(found: list[tuple[float, float]], true: float) -> float:
    return sum(low <= true <= high for low, high in found) / len(found)


def test_intervals_hold_the_true_value_as_often_as_they_say() -> None:
    """Catches intervals that are too narrow, or so wide that they say nothing."""
    numbers = np.random.default_rng(3)
    means, quantiles, areas = [], [], []
    for _ in range(400):
        found = mean(numbers.exponential(size=100))
        means.append((found.low, found.high))
        found = quantile(numbers.exponential(size=400), 0.95)
        quantiles.append((found.low, found.high))
        found = auroc(numbers.normal(1, 1, 80), numbers.normal(0, 1, 120))
        areas.append((found.low, found.high))
    assert 0.9 <= _held(means, 1.0) <= 0.98
    assert 0.93 <= _held(quantiles, -math.log(0.05)) <= 0.995
    assert 0.92 <= _held(areas, float(scipy.stats.norm.cdf(1 / math.sqrt(2)))) <= 0.98


def test_area_under_the_curve_counts_ties_half() -> None:
    """Catches ties that are counted as wins or as losses."""
    numbers = np.random.default_rng(4)
    above, below = numbers.integers(0, 5, 60), numbers.integers(0, 4, 40)
    wins = sum(float(a > b) + 0.5 * (a == b) for a in above.tolist() for b in below.tolist())
    assert auroc(above, below).value == pytest.approx(wins / 2400, abs=1e-12)
    assert auroc([1.0], [1.0]).value == 0.5


def test_quantiles_are_samples_and_say_when_there_are_too_few() -> None:
    """Catches interpolated percentiles, and a p99.9 from 100 samples that pretends to be sure."""
    values = np.random.default_rng(5).permutation(1000)
    for q in (0.0, 0.5, 0.9, 0.99, 0.999, 1.0):
        assert quantile(values, q).value == np.quantile(values, q, method="inverted_cdf")
    assert quantile(values[:100], 0.999).high == math.inf
    assert quantile(np.arange(100_000), 0.999).high < math.inf


def test_calibration_error() -> None:
    """Catches bins of equal width, which leave most of them empty, and a sign that lets errors cancel."""
    assert calibration_error([0.9] * 10, [True] * 5 + [False] * 5, bins=1) == pytest.approx(0.4)
    assert calibration_error([0.2, 0.2, 0.8, 0.8], [True, True, False, False], bins=2) == pytest.approx(0.8)
    numbers = np.random.default_rng(6)
    probabilities = numbers.uniform(size=50_000)
    assert calibration_error(probabilities, numbers.uniform(size=50_000) < probabilities) < 0.01


def test_the_mean_does_not_depend_on_the_order_of_its_samples_and_repeats() -> None:
    """Catches a sum that drifts with the order, and a bootstrap without a seed."""
    values = np.random.default_rng(7).normal(size=1000) * 10.0 ** (np.arange(1000) % 17)
    assert mean(values).value == mean(values[::-1]).value
    assert mean(values) == mean(values)
    assert mean([0.3]).low == mean([0.3]).high == 0.3


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: mean([]),
        lambda: mean([0.1, math.nan]),
        lambda: mean([[0.1]]),
        lambda: mean(["a"]),
        lambda: mean([1.0], confidence=1.0),
        lambda: proportion(2, 1),
        lambda: proportion(0, 0),
        lambda: quantile([1.0], 1.5),
        lambda: quantile([math.inf], 0.5),
        lambda: auroc([], [1.0]),
        lambda: calibration_error([0.1], [True, False]),
        lambda: calibration_error([0.1], [True], bins=0),
    ],
)
def test_refuses(wrong: object) -> None:
    """Catches a figure made of nothing, of NaN, or of more successes than trials."""
    assert callable(wrong)
    with pytest.raises(InvalidInput):
        wrong()
