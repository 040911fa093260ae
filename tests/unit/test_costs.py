"""The model of costs: figures that can be checked by hand, and what it refuses."""

from __future__ import annotations

import json

import pytest

from ragstone.errors import InvalidInput
from ragstone.recommender.costs import Hardware, Prices, Workload, costs, prefill_ms, training


def test_figures_worked_out_by_hand() -> None:
    """Catches a factor of a thousand, a price of the wrong model, or a cost that is left out."""
    load = Workload(100, 2, 200, 50, 300, 10)
    prices = Prices(2.0, 8.0, 0.5, 1.0, 0.001, 7.0, 4.0, 3.0)
    found = costs(load, prices, examples=100, example_tokens=1000, epochs=2, retrains=3, period_days=10)
    assert found.rag_per_query == pytest.approx((550 * 2 + 300 * 8) / 1e6 + 0.001)
    assert found.tuned_per_query == pytest.approx((60 * 0.5 + 300 * 1) / 1e6)
    assert found.hybrid_per_query == pytest.approx((460 * 0.5 + 300 * 1) / 1e6 + 0.001)
    run = 4 * 8e9 * 1e5 * 2 / 4e14 / 3600 * 4
    assert found.training.money == pytest.approx(run)
    assert found.tuned_fixed == pytest.approx(100 * 3 + 4 * run + 7 * 10)
    assert found.break_even_per_day == pytest.approx(
        found.tuned_fixed / 10 / (found.rag_per_query - found.tuned_per_query)
    )


def test_training_of_all_weights_takes_half_as_much_again_as_adapters() -> None:
    """Catches the gradient of frozen weights counted, or that of trained ones forgotten; and memory by method."""
    runs = {name: training(parameters=8e9, tokens=1e6, method=name) for name in ("lora", "qlora", "full")}  # type: ignore[arg-type]
    assert runs["full"].flops == pytest.approx(1.5 * runs["lora"].flops)
    assert runs["lora"].flops == pytest.approx(9.6e16)
    assert [round(run.memory_bytes / 8e9, 1) for run in runs.values()] == [2.0, 0.6, 16.0]


def test_latency_is_reading_and_writing_not_searching() -> None:
    """Catches a latency model in which the search decides: 2,000 tokens on a 7B model take 70 ms, a search 5."""
    assert prefill_ms(7e9, 2000, Hardware(4e14, 1.0)) == pytest.approx(70)
    found = costs(Workload(output_tokens=0), embed_ms=5, search_ms=5)
    assert found.rag_latency_ms - found.hybrid_latency_ms == pytest.approx(prefill_ms(8e9, 400))
    assert found.tuned_latency_ms < found.hybrid_latency_ms < found.rag_latency_ms


def test_no_break_even_where_a_tuned_query_costs_as_much() -> None:
    """Catches a division by zero, or a negative volume sold as a break-even."""
    same = Prices(1.0, 1.0, 1.0, 1.0, search_per_query=0.0)
    load = Workload(0, 0, 0, 10, 10, 0)
    assert costs(load, same).break_even_per_day is None
    assert costs(load, Prices(1.0, 1.0, 2.0, 2.0)).break_even_per_day is None
    assert "never" in str(costs(load, same))


def test_everything_goes_into_json() -> None:
    """Catches a value that JSON does not know."""
    assert json.loads(json.dumps(costs().to_dict(), allow_nan=False))["workload"]["chunks"] == 5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Workload(chunks=-1), "Workload: chunks is -1"),
        (lambda: Prices(example=float("nan")), "Prices: example is nan"),
        (lambda: Hardware(utilisation=0), "utilisation is 0"),
        (lambda: costs(period_days=0), "period_days is 0"),
        (lambda: costs(parameters=float("inf")), "parameters is inf"),
        (lambda: training(parameters=1e9, tokens=1, method="magic"), "method is 'magic'"),  # type: ignore[arg-type]
        (lambda: costs().rag_per_day(-1), "queries_per_day is -1"),
        (lambda: prefill_ms(1e9, "many"), "tokens is 'many'"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_is_refused(make: object, message: str) -> None:
    """Catches a number that makes the model lie, or an error that does not name it."""
    with pytest.raises(InvalidInput, match=message):
        make()  # type: ignore[operator]
