"""Shares of query kinds: the correction by hand, repeats, extremes, and what cannot be told apart."""

from __future__ import annotations

import time

import numpy as np
import pytest

from ragstone.errors import InvalidInput
from ragstone.estimates import proportion
from ragstone.recommendation.measurements import QueryShares
from ragstone.recommendation.shares import (
    collections_alike,
    effective_count,
    query_shares,
    router_errors,
    weighted_share,
)

# Rows and columns: other, behavioural, factual, hybrid.
GOOD = [[90, 1, 9, 0], [6, 88, 1, 5], [4, 0, 93, 3], [0, 6, 6, 88]]
PERFECT = np.diag([100, 100, 100, 100])
NAMES = ("other", "behavioural", "factual", "hybrid", "facts", "behaviour", "facts_of_all", "behaviour_of_all")


def found(other: int, behavioural: int, factual: int, hybrid: int) -> list[int]:
    return [0] * other + [1] * behavioural + [2] * factual + [3] * hybrid


def width(shares: QueryShares) -> float:
    return shares.factual.high - shares.factual.low


def test_correction_by_hand() -> None:
    """Catches a transposed table of errors: 100 true factual queries of which 20 are found as behavioural."""
    errors = np.diag([1000, 1000, 800, 1000])
    errors[2, 1] = 200
    shares = query_shares(found(0, 500, 400, 0), errors=errors)
    # 400 = 0.8 F, 500 = B + 0.2 F.
    assert shares.factual.value == pytest.approx(500 / 900, abs=1e-4)
    assert shares.behavioural.value == pytest.approx(400 / 900, abs=1e-4)
    assert shares.counted == 900


def test_shares_add_up_and_lie_in_their_intervals() -> None:
    """Catches shares of all and of the counted ones that were confused."""
    shares = query_shares(found(100, 150, 200, 50), errors=GOOD)
    kinds = [shares.other, shares.behavioural, shares.factual, shares.hybrid]
    assert sum(one.value for one in kinds) == pytest.approx(1)
    assert shares.facts_of_all.value == pytest.approx(shares.factual.value + shares.hybrid.value)
    assert shares.facts.value == pytest.approx(shares.facts_of_all.value / (1 - shares.other.value))
    assert shares.counted == round(500 * (1 - shares.other.value))
    for name in NAMES:
        one = getattr(shares, name)
        assert 0 <= one.low <= one.value <= one.high <= 1 and one.samples == 500


def test_same_seed_same_numbers() -> None:
    """Catches draws that no seed governs."""
    first, again, other = (query_shares(found(9, 9, 9, 9), errors=GOOD, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_more_queries_and_more_labelled_ones_narrow_the_interval() -> None:
    """Catches intervals that hold only one of both uncertainties."""
    few, many = (query_shares(found(*[size] * 4), errors=GOOD) for size in (10, 1000))
    better = query_shares(found(*[1000] * 4), errors=np.array(GOOD) * 20)
    assert width(few) > 1.5 * width(many) > 1.5 * width(better) > 0


def test_extremes_are_not_certain() -> None:
    """Catches an interval of no width where every query was found to be of one kind."""
    shares = query_shares([2] * 50, errors=PERFECT)
    assert shares.factual.value == pytest.approx(1, abs=1e-3)
    assert shares.factual.high == 1 and 0.85 < shares.factual.low < 0.99
    assert shares.behavioural.low == 0 and 0.01 < shares.behavioural.high < 0.15


def test_no_query_is_told_as_such() -> None:
    """Catches a division by zero, NaN, or an opinion from nothing."""
    shares = query_shares([], errors=GOOD)
    assert (shares.queries, shares.counted) == (0, 0)
    for name in (*NAMES, "uncertain"):
        one = getattr(shares, name)
        assert (one.low, one.high, one.samples) == (0.0, 1.0, 0) and 0 <= one.value <= 1


@pytest.mark.parametrize("errors", [np.full((4, 4), 25), np.zeros((4, 4)), np.eye(4)[[0, 0, 0, 0]] * 100])
def test_kinds_that_cannot_be_told_apart_get_wide_intervals(errors: object) -> None:
    """Catches a singular table that crashes, or that leaves the search where it began and calls that certain."""
    shares = query_shares(found(500, 500, 500, 500), errors=errors)  # type: ignore[arg-type]
    assert width(shares) > 0.4


def test_only_other_queries() -> None:
    """Catches a share among none."""
    shares = query_shares([0] * 200, errors=PERFECT)
    assert shares.counted <= 1
    assert shares.facts.high - shares.facts.low > 0.5


def test_repeats_count_but_the_router_errs_once() -> None:
    """Catches a text asked a thousand times that counts as a thousand proofs, or only once."""
    alone = query_shares([2, 1], errors=GOOD, counts=[1, 1])
    often = query_shares([2, 1], errors=GOOD, counts=[900, 100])
    spread = query_shares(found(0, 100, 900, 0), errors=GOOD)
    assert often.queries == 1000 and often.factual.value == spread.factual.value
    assert width(spread) < width(often) < width(alone)
    many = query_shares(found(0, 100, 900, 0), errors=GOOD, counts=[1] * 1000)
    assert many == spread


def test_effective_count_and_weighted_share() -> None:
    """Catches an interval of shares that is not the exact one where all weights are equal."""
    assert effective_count(np.zeros(0)) == 0
    plain = weighted_share([True] * 30 + [False] * 70, np.ones(100))
    assert plain == proportion(30, 100)
    heavy = weighted_share([True] + [False] * 70, np.array([30.0] + [1.0] * 70))
    assert heavy.value == pytest.approx(0.3) and heavy.low < plain.low and heavy.high > plain.high


def test_collections_that_differ_are_told_from_chance() -> None:
    """Catches a spread between collections that is taken for sampling, and sampling that is taken for spread."""
    numbers, rates = np.random.default_rng(0), np.array(GOOD) / 100
    for alike in (20, 60, 200):
        found = [
            collections_alike(
                [[numbers.multinomial(200, numbers.dirichlet(alike * row + 1e-9)) for row in rates] for _ in range(6)]
            )
            for _ in range(50)
        ]
        assert alike / 2 < np.median(found) < alike * 2
    same = [collections_alike([[numbers.multinomial(200, row) for row in rates] for _ in range(6)]) for _ in range(50)]
    assert np.median(same) > 1000


def test_ten_thousand_queries_take_little_time() -> None:
    """Catches work that grows with draws times queries."""
    numbers = np.random.default_rng(0)
    paths, uncertain = numbers.integers(0, 4, 10_000), numbers.random(10_000) < 0.1
    took = []
    for _ in range(5):
        started = time.perf_counter()
        query_shares(paths, uncertain, GOOD)
        took.append(time.perf_counter() - started)
    assert min(took) < 0.2


@pytest.mark.parametrize(
    "arguments",
    [
        {"paths": [4]},
        {"paths": [-1]},
        {"paths": [0.5]},
        {"paths": ["retrieve"]},
        {"paths": [[0, 1]]},
        {"paths": [0, 1], "uncertain": [True]},
        {"paths": [0, 1], "counts": [1]},
        {"paths": [0, 1], "counts": [1, -1]},
        {"paths": [0, 1], "counts": [1, float("nan")]},
        {"paths": [0], "errors": [[1, 2], [3, 4]]},
        {"paths": [0], "errors": np.full((4, 4), 0.5)},
        {"paths": [0], "errors": np.full((4, 4), -1)},
        {"paths": [0], "errors": np.full((4, 4), float("nan"))},
        {"paths": [0], "seed": -1},
    ],
)
def test_impossible_arguments_are_refused(arguments: dict[str, object]) -> None:
    """Catches numbers that numpy would take without a word."""
    with pytest.raises(InvalidInput):
        query_shares(**{"errors": GOOD, **arguments})  # type: ignore[arg-type]


def test_the_routers_own_errors_have_the_order_of_codes() -> None:
    """Catches a table of another order: most of each row is found as what it is."""
    try:
        errors = router_errors()
    except FileNotFoundError:
        pytest.skip("router_errors.json is not there yet")
    assert errors.shape == (4, 4) and (errors.argmax(axis=1) == np.arange(4)).all()
