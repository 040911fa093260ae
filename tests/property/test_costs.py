"""The model of costs over its whole domain: monotone, finite, and consistent at the break-even."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ragstone.recommender.costs import Costs, Hardware, Prices, Workload, costs

amounts = st.floats(0, 1e6, allow_nan=False)
workloads = st.builds(Workload, **{field.name: st.floats(0, 1e5) for field in fields(Workload)})
prices = st.builds(Prices, **{field.name: st.floats(0, 1e4) for field in fields(Prices)})
hardware = st.builds(Hardware, st.floats(1e9, 1e18), st.floats(0.01, 1), st.floats(0.1, 1e5))
volumes = st.floats(0, 1e9)


def numbers(found: Costs) -> list[float]:
    own = [getattr(found, field.name) for field in fields(found)]
    run = [getattr(found.training, field.name) for field in fields(found.training)]
    return [value for value in (*own, *run) if isinstance(value, float)]


@given(workloads, prices, hardware, st.floats(0, 1e6), st.floats(0, 100), st.floats(1, 1e4))
def test_every_figure_is_a_number_and_not_below_zero(
    load: Workload, price: Prices, runs_on: Hardware, examples: float, retrains: float, days: float
) -> None:
    """Catches NaN, infinity or a negative cost anywhere in the domain."""
    found = costs(load, price, hardware=runs_on, examples=examples, retrains=retrains, period_days=days)
    assert all(math.isfinite(value) and value >= 0 for value in numbers(found))
    assert str(found)


@given(workloads, prices, volumes, volumes)
def test_more_queries_never_cost_less(load: Workload, price: Prices, one: float, other: float) -> None:
    """Catches costs that fall with the volume."""
    low, high = sorted((one, other))
    found = costs(load, price)
    assert found.rag_per_day(low) <= found.rag_per_day(high)
    assert found.tuned_per_day(low) <= found.tuned_per_day(high)


@given(workloads, prices, st.sampled_from([field.name for field in fields(Workload)]), amounts)
def test_more_tokens_never_cost_less(load: Workload, price: Prices, name: str, more: float) -> None:
    """Catches a term with the wrong sign: each count of tokens raises every cost and latency it belongs to."""
    before, after = costs(load, price), costs(replace(load, **{name: getattr(load, name) + more}), price)
    for figure in ("rag_per_query", "tuned_per_query", "hybrid_per_query", "rag_latency_ms", "tuned_latency_ms"):
        assert getattr(after, figure) >= getattr(before, figure)


@given(workloads, prices, st.sampled_from([field.name for field in fields(Prices)]), amounts)
def test_higher_prices_never_cost_less(load: Workload, price: Prices, name: str, more: float) -> None:
    """Catches a price that lowers a cost."""
    before, after = costs(load, price), costs(load, replace(price, **{name: getattr(price, name) + more}))
    for figure in ("rag_per_query", "tuned_per_query", "hybrid_per_query", "tuned_fixed"):
        assert getattr(after, figure) >= getattr(before, figure)


@given(workloads, prices, st.floats(0, 1e5), st.floats(0, 50), st.floats(0, 1e5))
def test_more_fixed_costs_never_lower_the_break_even(
    load: Workload, price: Prices, examples: float, retrains: float, more: float
) -> None:
    """Catches a break-even that comes sooner the more the training costs."""
    before = costs(load, price, examples=examples, retrains=retrains).break_even_per_day
    after = costs(load, price, examples=examples + more, retrains=retrains + 1).break_even_per_day
    assert after is None or (before is not None and after >= before * (1 - 1e-12))


@given(workloads, prices, st.floats(0, 1e5), st.floats(1, 1e4))
def test_costs_are_equal_at_the_break_even(load: Workload, price: Prices, examples: float, days: float) -> None:
    """Catches a volume that is not where the two lines cross, and tuning called cheaper below it."""
    found = costs(load, price, examples=examples, period_days=days)
    volume = found.break_even_per_day
    if volume is None:
        assert found.rag_per_query <= found.tuned_per_query or found.tuned_fixed / days > 0
        return
    assume(volume > 0)
    assert found.rag_per_day(volume) == pytest.approx(found.tuned_per_day(volume), rel=1e-6)
    assert found.rag_per_day(volume / 2) <= found.tuned_per_day(volume / 2) * (1 + 1e-9)
    if volume <= 1e14:
        assert found.tuned_per_day(volume * 2) <= found.rag_per_day(volume * 2) * (1 + 1e-9)
