"""Would catch a second reading that loses the first, trusts a stranger's vectors, or differs from run to run."""

from __future__ import annotations

import math
from importlib.resources import files

import numpy as np
import pytest

from ragstone.embedding import embedder as find_embedder
from ragstone.errors import InvalidInput
from ragstone.recommender import advise, route
from ragstone.recommender.reading import heads_of, log_odds, read_again, sigmoid

QUERIES = [
    "Write it as a limerick",
    "What is our refund policy?",
    "warranty",
    "hi",
    "Hotel limits as a stern butler",
    "é 🙂",
]


def vector(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_weights_of_one_on_the_router_change_nothing() -> None:
    """A decision that is not the sum that the documentation promises."""
    heads = np.array([[0, 0, 1, 0, 0], [0, 0, 0, 1, 0]], dtype=np.float32)
    for query in QUERIES:
        first = route(query)
        again = read_again(first, vector(0.6, 0.8), heads)
        assert again.path == first.path
        assert again.p_behaviour == pytest.approx(first.p_behaviour, abs=1e-6)
        assert again.p_facts == pytest.approx(first.p_facts, abs=1e-6)


def test_the_vector_counts_by_its_weights() -> None:
    """Heads, or columns of them, that are mixed up."""
    heads = np.array([[3, 0, 0, 0, 0], [0, -2, 0, 0, 1]], dtype=np.float32)
    again = read_again(route("hello"), vector(1, 0.25), heads)
    assert again.p_behaviour == pytest.approx(sigmoid(3)) and again.p_facts == pytest.approx(sigmoid(0.5))
    assert (again.path, again.uncertain) == ("hybrid", True)


@pytest.mark.parametrize("query", QUERIES)
def test_reasons_still_sum(query: str) -> None:
    """Reasons that no longer explain the probability beside them."""
    heads = np.random.default_rng(3).normal(0, 1, (2, 5)).astype(np.float32)
    again = read_again(route(query), vector(0.6, -0.8), heads)
    assert math.isclose(sum(reason.weight for reason in again.reasons), log_odds(again.p_behaviour), abs_tol=2e-3)
    assert again.reasons[-1].rule == "meaning"
    if again.path in ("advisory_finetune", "hybrid"):
        assert advise(query, again).demands


def test_only_the_embedder_itself_reads() -> None:
    """Another model's vectors read with these weights because it has the same name."""
    data = files("ragstone.recommender").joinpath("reading.bin").read_bytes()
    fingerprint, _, weights = data.partition(b"\n")

    class Named:
        name, dimension, fingerprint, max_tokens = "minilm", 384, "0" * 64, 256

        def embed(self, texts: object) -> np.ndarray:
            return np.zeros((1, 384), dtype=np.float32)

        def count_tokens(self, texts: object) -> list[int]:
            return [1]

    assert heads_of(None) is None and heads_of(find_embedder("builtin")) is None and heads_of(Named()) is None
    known = Named()
    known.fingerprint = fingerprint.decode()
    own = heads_of(known)
    assert own is not None and own.shape == (2, 387) and len(weights) == own.nbytes and np.isfinite(own).all()


def test_the_file_is_for_the_model_that_ships() -> None:
    """A new model, or a new router's training, that leaves the second reading switched off without a word."""
    pytest.importorskip("ragstone_minilm")
    assert heads_of(find_embedder("minilm")) is not None


def test_a_vector_of_another_length_is_refused() -> None:
    """A product of the wrong numbers."""
    with pytest.raises(InvalidInput, match=r"\(3,\).*\(2,\)"):
        read_again(route("hello"), vector(1, 0, 0), np.zeros((2, 5), dtype=np.float32))
