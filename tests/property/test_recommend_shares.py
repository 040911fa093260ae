"""Whether 95 % intervals of query shares hold the truth in 95 of 100 simulated logs, extremes included."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ragstone.recommendation.shares import query_shares

# The rates of a router of the quality that is stated (mean recall .88): rows true, columns found.
RATES = np.array(
    [[0.85, 0.02, 0.12, 0.01], [0.06, 0.86, 0.01, 0.07], [0.04, 0.005, 0.92, 0.035], [0.01, 0.07, 0.06, 0.86]]
)
LABELLED = 170  # hand-labelled queries of each kind
NAMES = ("other", "behavioural", "factual", "hybrid", "facts", "behaviour", "facts_of_all", "behaviour_of_all")


def truth_of(shares: NDArray[np.float64]) -> dict[str, float]:
    _, behavioural, factual, hybrid = map(float, shares)
    counted = max(behavioural + factual + hybrid, 1e-12)
    facts, behaviour = factual + hybrid, behavioural + hybrid
    return dict(zip(NAMES, [*map(float, shares), facts / counted, behaviour / counted, facts, behaviour], strict=True))


def simulated(sizes: list[int], concentration: float, logs: int, seed: int) -> tuple[float, list[float]]:
    """Coverage over all shares and logs, and the errors of the four kinds' shares."""
    numbers = np.random.default_rng(seed)
    held, errors = [], []
    for log in range(logs):
        shares = numbers.dirichlet(np.full(4, concentration))
        table = np.stack([numbers.multinomial(LABELLED, row) for row in RATES])
        paths = np.repeat(np.arange(4), numbers.multinomial(sizes[log % len(sizes)], shares @ RATES))
        estimated = query_shares(paths, errors=table, seed=log)
        for name, true in truth_of(shares).items():
            one = getattr(estimated, name)
            held.append(one.low - 1e-9 <= true <= one.high + 1e-9)
            if name in NAMES[:4]:
                errors.append(abs(one.value - true))
    return float(np.mean(held)), errors


@pytest.mark.parametrize("size", [50, 200, 500, 5000])
def test_intervals_hold_the_truth_as_often_as_they_say(size: int) -> None:
    """Catches intervals without the uncertainty of the router's errors, and intervals that are too wide."""
    covered, _ = simulated([size], 1.0, 400, seed=size)
    assert 0.93 <= covered <= 0.97


def test_without_the_errors_uncertainty_intervals_would_fall_short() -> None:
    """Catches a simulation that any interval would pass: with a table taken for exact, 5,000 queries are not enough."""
    numbers, held = np.random.default_rng(5), []
    for log in range(100):
        shares = numbers.dirichlet(np.ones(4))
        table = np.stack([numbers.multinomial(LABELLED, row) for row in RATES])
        paths = np.repeat(np.arange(4), numbers.multinomial(5000, shares @ RATES))
        estimated = query_shares(paths, errors=table * 10_000, seed=log)
        held += [
            getattr(estimated, name).low <= true <= getattr(estimated, name).high
            for name, true in truth_of(shares).items()
        ]
    assert np.mean(held) < 0.8


def test_intervals_hold_at_the_edges_too() -> None:
    """Catches a method that fails where shares are 0 or 1: here most shares are close to an end."""
    covered, _ = simulated([50, 500, 5000], 0.1, 450, seed=1)
    assert 0.93 <= covered <= 0.98


def test_share_error_at_500_queries() -> None:
    """Catches shares that are not corrected: counting what is found is wrong by more."""
    _, errors = simulated([500], 1.0, 300, seed=2)
    numbers, counted = np.random.default_rng(2), []
    for _ in range(300):
        shares = numbers.dirichlet(np.ones(4))
        counted.append(np.abs(numbers.multinomial(500, shares @ RATES) / 500 - shares).mean())
    assert np.mean(errors) <= 0.03 < np.mean(counted)


def test_repeated_texts_are_covered_too() -> None:
    """Catches intervals that take repeats for proofs: each text is asked 20 times and the router errs on it once."""
    numbers = np.random.default_rng(3)
    held = []
    for log in range(300):
        shares = numbers.dirichlet(np.ones(4))
        table = np.stack([numbers.multinomial(LABELLED, row) for row in RATES])
        kinds = numbers.choice(4, 2000, p=shares)
        # A pool of 40 texts for each kind, each with the one path that the router gives it.
        pool = np.array([[numbers.choice(4, p=RATES[kind]) for _ in range(40)] for kind in range(4)])
        which = numbers.integers(0, 40, 2000)
        texts, counts = np.unique(kinds * 40 + which, return_counts=True)
        estimated = query_shares(pool.ravel()[texts], errors=table, counts=counts, seed=log)
        for name, true in truth_of(shares).items():
            one = getattr(estimated, name)
            held.append(one.low <= true <= one.high)
    assert np.mean(held) >= 0.93
