"""How fast each part is, for comparing two versions of this project on one machine.

    pytest benches --benchmark-only --benchmark-save=before
    pytest benches --benchmark-only --benchmark-compare=0001_before --benchmark-compare-fail=median:20%

The second fails where a median is 20 % worse than it was. Times of different machines say nothing about each other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import pytest

import ragstone
from ragstone import grounding, metrics

pytest.importorskip("pytest_benchmark")

Benchmark = Any
Mode = Literal["dense", "bm25", "hybrid"]


def in_turn(ask: Callable[[str], object], queries: Sequence[str]) -> Callable[[], object]:
    """Each call asks the next query, so that no answer comes out of a cache that the same one filled."""
    endless = itertools.cycle(queries)
    return lambda: ask(next(endless))


@pytest.mark.parametrize("mode", ["dense", "bm25", "hybrid"])
def test_search(benchmark: Benchmark, index: ragstone.Index, queries: list[str], mode: Mode) -> None:
    found = benchmark(in_turn(lambda query: index.search(query, top_k=10, mode=mode), queries))
    assert len(found) == 10


def test_search_of_a_batch(benchmark: Benchmark, index: ragstone.Index, queries: list[str]) -> None:
    assert len(benchmark(index.search_batch, queries, top_k=10)) == len(queries)


def test_ask(benchmark: Benchmark, index: ragstone.Index, queries: list[str]) -> None:
    asked = [f"what is the price of {query}?" for query in queries]
    assert benchmark(in_turn(index.ask, asked)).path in ("retrieve", "hybrid")


def test_route(benchmark: Benchmark) -> None:
    assert benchmark(ragstone.route, "Answer in our brand voice: what is the refund policy?").reasons


def test_embed_one(benchmark: Benchmark, index: ragstone.Index, queries: list[str]) -> None:
    embedder = index.embedder
    assert embedder is not None
    assert benchmark(in_turn(lambda query: embedder.embed([query]), queries)).shape == (1, embedder.dimension)


def test_embed_many(benchmark: Benchmark, index: ragstone.Index, texts: list[str]) -> None:
    embedder = index.embedder
    assert embedder is not None
    assert len(benchmark(embedder.embed, texts[:1000])) == min(1000, len(texts))


def test_dense_ids(benchmark: Benchmark, index: ragstone.Index, texts: list[str], queries: list[str]) -> None:
    embedder = index.embedder
    assert embedder is not None
    dense = ragstone.DenseIndex(dimension=embedder.dimension)
    dense.add(embedder.embed(texts))
    vectors = itertools.cycle(embedder.embed(queries))
    assert benchmark(lambda: dense.search(next(vectors)))[0].shape == (1, 10)


def test_bm25_ids(benchmark: Benchmark, texts: list[str], queries: list[str]) -> None:
    lexical = ragstone.BM25Index()
    lexical.add(texts)
    assert benchmark(in_turn(lexical.search, queries))[0].shape == (1, 10)


def test_bm25_build(benchmark: Benchmark, texts: list[str]) -> None:
    def build() -> ragstone.BM25Index:
        lexical = ragstone.BM25Index()
        lexical.add(texts[:5000])
        return lexical

    assert len(benchmark.pedantic(build, rounds=5)) == min(5000, len(texts))


def test_chunk(benchmark: Benchmark, index: ragstone.Index, texts: list[str]) -> None:
    document = ragstone.Document("long", "\n\n".join(f"{text}." for text in texts[:200]))
    assert len(benchmark(index.chunker.chunk, document)) > 10


def test_metrics(benchmark: Benchmark) -> None:
    numbers = np.random.default_rng(3)
    run = {
        f"q{query}": {f"d{one}": float(score) for one, score in enumerate(numbers.random(100))} for query in range(200)
    }
    qrels = {name: {f"d{one}": 1 for one in numbers.integers(0, 100, 3).tolist()} for name in run}
    assert 0 < benchmark(metrics.evaluate_run, run, qrels, ["nDCG@10"])["nDCG@10"] < 1


def test_grounding(benchmark: Benchmark, texts: list[str]) -> None:
    answer = ". ".join(" ".join(text.split()[:12]).capitalize() for text in texts[:5]) + "."
    assert benchmark(grounding.check, answer, texts[:5]).rate == 1
