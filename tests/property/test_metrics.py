"""Would catch a metric that is not what its definition says, for any run, ties and graded judgements included."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
from ragstone.errors import InvalidInput
from ragstone.metrics import Judged, evaluate_run

NAMES = ("nDCG", "nDCG(gain=exp)", "AP", "RR", "P", "R", "Success", "ContextPrecision")
# Ids whose order differs between code points, UTF-16 and the locale; lone surrogates, which have no UTF-8.
IDS = st.sampled_from([*(f"d{number}" for number in range(30)), "D1", "é", "z", "\uffff", "\U00010000", "\ud800", ""])
SCORES = st.one_of(st.sampled_from([0.0, -0.0, 1.0, 1.0 + 1e-12, 2.0, 1e300, math.inf, -math.inf]), st.floats(-9, 9))
QUERIES = st.sampled_from(["q1", "q2", "q3", "ü"])
RUNS = st.dictionaries(QUERIES, st.dictionaries(IDS, SCORES, max_size=30), max_size=4)
QRELS = st.dictionaries(QUERIES, st.dictionaries(IDS, st.integers(-2, 4), max_size=30), min_size=1, max_size=4)


@settings(max_examples=400, deadline=None)
@given(RUNS, QRELS, st.sampled_from(NAMES), st.one_of(st.none(), st.integers(1, 40)))
def test_metrics_equal_their_definitions(
    run: dict[str, dict[str, float]], qrels: dict[str, dict[str, int]], name: str, cut: int | None
) -> None:
    """Another tie, gain, cut, denominator or query than the definition has."""
    if name in {"P", "R", "Success"}:
        cut = cut or 5
    metric = name if cut is None else f"{name}@{cut}"
    if run and not run.keys() & qrels.keys():
        with pytest.raises(InvalidInput, match="none of the"):
            evaluate_run(run, qrels, [metric])
        return
    expected = {query: oracles.metric(name, cut, run.get(query, {}), qrels[query]) for query in qrels}
    each = evaluate_run(run, qrels, [metric], per_query=True)
    assert {query: row[metric] for query, row in each.items()} == pytest.approx(expected, abs=1e-12)
    assert evaluate_run(run, qrels, [metric])[metric] == pytest.approx(sum(expected.values()) / len(qrels), abs=1e-12)
    judged = Judged(run, qrels)
    assert judged.queries == tuple(qrels)
    assert judged.retrieved.tolist() == [len(run.get(query, {})) for query in qrels]
    assert judged.relevant.tolist() == [sum(grade > 0 for grade in qrels[query].values()) for query in qrels]


class Wrapped(Mapping[str, float]):
    """A mapping that is no dict."""

    def __init__(self, inner: Mapping[str, object]) -> None:
        self.inner = inner

    def __getitem__(self, key: str) -> object:  # type: ignore[override]
        return self.inner[key]

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self.inner)

    def __len__(self) -> int:
        return len(self.inner)


@settings(max_examples=50, deadline=None)
@given(RUNS, QRELS)
def test_any_mapping_will_do(run: dict[str, dict[str, float]], qrels: dict[str, dict[str, int]]) -> None:
    """A mapping that is no dict read otherwise, or refused."""
    if run and not run.keys() & qrels.keys():
        return
    wrapped = (Wrapped({query: Wrapped(inner) for query, inner in outer.items()}) for outer in (run, qrels))
    assert evaluate_run(*wrapped, ["nDCG@10"], per_query=True) == evaluate_run(run, qrels, ["nDCG@10"], per_query=True)  # type: ignore[arg-type]
