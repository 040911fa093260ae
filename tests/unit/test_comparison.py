"""Would catch a test that finds differences where there are none, or none where there are, and figures that change."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from ragstone import InvalidInput
from ragstone.comparison import bootstrap_test, compare, randomisation_test

RUNS = 1000


def nulls(queries: int, seed: int) -> NDArray[np.float64]:
    """Differences of runs that are equally good, as nDCG has them: skewed, many zero."""
    numbers = np.random.default_rng(seed)
    size = numbers.exponential(0.2, (RUNS, queries)) * (numbers.random((RUNS, queries)) < 0.6)
    return size * numbers.choice([-1.0, 1.0], (RUNS, queries))


@pytest.mark.parametrize("queries", [12, 100])
def test_the_randomisation_test_keeps_its_level(queries: int) -> None:
    """More false alarms than alpha allows (binomial, 4 standard deviations), or a test that never rejects."""
    found = np.array([randomisation_test(row, draws=999, seed=number) for number, row in enumerate(nulls(queries, 1))])
    for alpha in (0.05, 0.2):
        rate, spread = (found <= alpha).mean(), (alpha * (1 - alpha) / RUNS) ** 0.5
        assert rate <= alpha + 4 * spread
        assert rate >= alpha / 2 - 2 * spread


def test_the_bootstrap_test_keeps_its_level() -> None:
    """A level that is off by more than the percentile bootstrap's own error at 100 queries."""
    rate = np.mean([bootstrap_test(row, seed=number) <= 0.05 for number, row in enumerate(nulls(100, 2))])
    assert 0.02 <= rate <= 0.085


def test_real_differences_are_found() -> None:
    """A test without power: each of these is half a standard deviation over 100 queries."""
    shifted = np.random.default_rng(3).normal(0.05, 0.1, (100, 100))
    assert np.mean([randomisation_test(row, draws=999) <= 0.05 for row in shifted]) > 0.95
    assert np.mean([bootstrap_test(row) <= 0.05 for row in shifted]) > 0.95


@pytest.mark.parametrize("seed", range(20))
def test_exact_is_every_assignment(seed: int) -> None:
    """A shortcut that forgets an assignment, zeros, or ties that differ by rounding alone."""
    numbers = np.random.default_rng(seed)
    row = numbers.choice([0.0, 0.1, 0.2, 0.3, -0.1, -0.3], int(numbers.integers(1, 11)))
    sums = [abs(sum(np.array(signs) * row)) for signs in itertools.product((1, -1), repeat=len(row))]
    expected = np.mean([one >= abs(sum(row)) - 1e-9 for one in sums])
    assert randomisation_test(row) == pytest.approx(expected, abs=1e-12)


def test_drawn_signs_agree_with_all_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs that are not fair, or of which one byte's are left over."""
    row = np.random.default_rng(5).normal(0.04, 0.1, 19)
    exact = randomisation_test(row)
    monkeypatch.setattr("ragstone.comparison._EXACT_MAX", 5)
    monkeypatch.setattr("ragstone.comparison._SIGNS_AT_ONCE", 1000)
    assert 0.02 < exact < 0.5
    assert randomisation_test(row, draws=40_000) == pytest.approx(exact, abs=0.01)


def test_equal_to_scipy() -> None:
    """Other p-values or intervals than a well-kept library has."""
    stats = pytest.importorskip("scipy.stats", reason="scipy comes with the extra [models]")
    numbers = np.random.default_rng(6)
    small = numbers.normal(0.1, 0.2, 9)
    theirs = stats.permutation_test((small,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True)
    assert randomisation_test(small) == pytest.approx(theirs.pvalue, abs=1e-12)
    for shift in (0.0, 0.01, 0.03):
        first, second = numbers.beta(2, 3, 300) + shift, numbers.beta(2, 3, 300)
        differences = first - second
        theirs = stats.permutation_test(
            (differences,), np.mean, permutation_type="samples", n_resamples=20_000, vectorized=True, rng=1
        )
        found = compare(first, second, draws=20_000)
        assert found.p_randomisation == pytest.approx(theirs.pvalue, abs=0.02)
        interval = stats.bootstrap(
            (differences,), np.mean, n_resamples=20_000, method="percentile", rng=1
        ).confidence_interval
        assert found.difference.low == pytest.approx(interval.low, abs=0.002)
        assert found.difference.high == pytest.approx(interval.high, abs=0.002)
        assert found.p_bootstrap == pytest.approx(found.p_randomisation, abs=0.06)


def test_the_same_seed_gives_the_same_figures() -> None:
    """Figures that change from run to run."""
    numbers = np.random.default_rng(7)
    pair = numbers.random(200), numbers.random(200)
    assert compare(*pair, seed=4) == compare(*pair, seed=4)
    assert compare(*pair, seed=4) != compare(*pair, seed=5)


def test_no_difference_is_no_difference() -> None:
    """A run that differs significantly from itself."""
    found = compare([0.1, 0.5, 0.9], [0.1, 0.5, 0.9])
    assert (found.p_randomisation, found.p_bootstrap, found.equal) == (1.0, 1.0, 3)
    assert (found.difference.low, found.difference.high) == (0.0, 0.0)


@pytest.mark.parametrize("pair", [([], []), ([1.0], [1.0, 2.0]), ([np.nan], [1.0]), (["a"], [1.0]), ([[1.0]], [[1.0]])])
def test_bad_input_is_refused(pair: tuple[object, object]) -> None:
    """A comparison of queries that do not pair, or with what is no number."""
    with pytest.raises(InvalidInput):
        compare(*pair)  # type: ignore[arg-type]
