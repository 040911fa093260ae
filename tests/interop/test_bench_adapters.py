"""The adapters for other people's benchmarks answer as those call them, without those being installed."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from benches.dense_data import exact
from benches.rivals.ann_benchmarks import Ragstone as Algorithm
from benches.rivals.vectordbbench import Ragstone as Client

RANDOM = np.random.default_rng(11)
VECTORS = RANDOM.standard_normal((500, 24)).astype(np.float32)
QUERIES = RANDOM.standard_normal((7, 24)).astype(np.float32)


def nearest(query: np.ndarray, among: np.ndarray, top_k: int) -> list[int]:
    """The oracle: rows of highest cosine in float64."""
    vectors = VECTORS[among].astype(np.float64)
    cosines = vectors @ query.astype(np.float64) / np.linalg.norm(vectors, axis=1)
    return [int(row) for row in among[np.argsort(-cosines, kind="stable")[:top_k]]]


EVERYTHING = np.arange(len(VECTORS))


def test_ann_benchmarks_gets_the_nearest_rows() -> None:
    """Catches an adapter that returns scores, pads, or another order than one query and a batch agree on."""
    algorithm = Algorithm("angular")
    algorithm.fit(VECTORS)
    algorithm.set_query_arguments(True)
    wanted = [nearest(query, EVERYTHING, 10) for query in QUERIES]
    assert [algorithm.query(query, 10).tolist() for query in QUERIES] == wanted
    algorithm.batch_query(QUERIES, 10)
    assert [ids.tolist() for ids in algorithm.get_batch_results()] == wanted
    assert sorted(algorithm.query(QUERIES[0], 600).tolist()) == EVERYTHING.tolist()
    assert algorithm.get_memory_usage() * 1024 >= VECTORS.nbytes
    assert str(algorithm) == "Ragstone(exact=True)"
    algorithm.done()


def test_ann_benchmarks_other_metrics_are_refused() -> None:
    """Catches a run on Euclidean data that would be reported as ours."""
    with pytest.raises(NotImplementedError, match="'euclidean'"):
        Algorithm("euclidean")


def test_vectordbbench_inserts_in_one_process_and_searches_in_another(tmp_path: Path) -> None:
    """Catches state that is not in the folder, and so is missing where VectorDBBench searches with a copy."""
    client = Client(24, {"path": str(tmp_path)}, None, drop_old=True)
    other = copy.deepcopy(client)
    with client.init():
        for start in range(0, 500, 100):
            rows = range(start, start + 100)
            labels = [f"label_{row % 5}" for row in rows]
            assert client.insert_embeddings(VECTORS[start : start + 100].tolist(), list(rows), labels) == (100, None)
        client.optimize(500)
    assert not other.need_normalize_cosine()
    with other.init():
        for query in QUERIES:
            assert other.search_embedding(query.tolist(), k=10) == nearest(query, EVERYTHING, 10)
            assert other.search_embedding(query.tolist(), 10, {"id": 450}) == nearest(query, EVERYTHING[450:], 10)
        other.prepare_filter(SimpleNamespace(type="NumGE", int_value=495))
        assert other.search_embedding(QUERIES[0].tolist(), k=10) == nearest(QUERIES[0], EVERYTHING[495:], 10)
        other.prepare_filter(SimpleNamespace(type="Label", label_value="label_3"))
        assert other.search_embedding(QUERIES[0].tolist(), k=10) == nearest(QUERIES[0], EVERYTHING[3::5], 10)
        other.prepare_filter(SimpleNamespace(type="NonFilter"))
        assert other.search_embedding(QUERIES[0].tolist(), k=10) == nearest(QUERIES[0], EVERYTHING, 10)
        with pytest.raises(ValueError, match="RangeInt"):
            other.prepare_filter(SimpleNamespace(type="RangeInt"))
    assert copy.deepcopy(Client(24, {"path": str(tmp_path)}, drop_old=True)).folder.exists()
    assert not (other.folder / "index").exists()


def test_vectordbbench_is_told_what_went_wrong(tmp_path: Path) -> None:
    """Catches an error that ends the benchmark instead of being reported as the interface asks."""
    client = Client(24, {"path": str(tmp_path)}, None)
    with client.init():
        count, error = client.insert_embeddings([[0.0] * 24], [1])
        assert count == 0
        assert "zero" in str(error)
    with pytest.raises(RuntimeError, match="init"):
        client.search_embedding([1.0] * 24)
    with pytest.raises(ValueError, match="'L2'"):
        Client(24, {"path": str(tmp_path)}, SimpleNamespace(metric_type=SimpleNamespace(value="L2")))


def test_exact_answers_are_those_of_a_full_sort() -> None:
    """Catches ground truth that loses a row at a block's border, or breaks ties by anything but the id."""
    base = np.sign(RANDOM.standard_normal((20_000, 6))).astype(np.float32)  # 64 different vectors: ties everywhere
    allowed = RANDOM.random(len(base)) < 0.01
    queries = RANDOM.standard_normal((5, 6)).astype(np.float32)
    scores = queries.astype(np.float64) @ base.astype(np.float64).T
    for mask in (np.ones(len(base), dtype=bool), allowed):
        wanted = [np.flatnonzero(mask)[np.argsort(-row[mask], kind="stable")[:500]] for row in scores]
        found = exact(base, queries, 500, mask)
        assert all(np.array_equal(ids[: len(right)], right) for ids, right in zip(found, wanted, strict=True))
        assert all((ids[len(right) :] == -1).all() for ids, right in zip(found, wanted, strict=True))
