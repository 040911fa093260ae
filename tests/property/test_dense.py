"""Dense search against NumPy: the same chunks, the same cosines, whatever the filter and the layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ragstone
from oracles import Row, assert_ranking, cosines, search_dense
from ragstone import DenseIndex, Document, F

SEEDS = st.integers(0, 2**32 - 1)


def rows_of(seed: int, count: int, dimension: int) -> list[Row]:
    """Random rows, some of them equal, so that ties occur."""
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((count, dimension)).astype(np.float32)
    for row in range(0, count, 5):
        vectors[row] = vectors[random.integers(count)]
    return [Row(f"d{n:05}", 0, "text", vector) for n, vector in enumerate(vectors)]


def check(index: DenseIndex, rows: list[Row], query: np.ndarray, top_k: int, allowed: list[int] | None = None) -> None:
    """The one place that compares an array index with the oracle."""
    ids, scores = index.search(query, top_k=top_k, filter_ids=allowed)
    passes = set(range(len(rows)) if allowed is None else allowed)
    expected = search_dense(rows, query.tolist(), lambda row: int(row.document_id[1:]) in passes, len(rows))
    found = ids[0][ids[0] >= 0]
    assert len(found) == min(top_k, len(expected))
    assert np.all(scores[0][len(found) :] == -np.inf)
    got = [(rows[row].chunk_id, float(score)) for row, score in zip(found, scores[0], strict=False)]
    assert_ranking(got, expected, 1e-6)
    pairs = list(zip(-scores[0][: len(found)], found, strict=True))
    assert pairs == sorted(pairs), "equal scores must be ordered by id"


@given(seed=SEEDS, count=st.integers(1, 300), dimension=st.integers(1, 70), top_k=st.integers(1, 320))
@settings(max_examples=60)
def test_arrays_equal_numpy(seed: int, count: int, dimension: int, top_k: int) -> None:
    """Catches a kernel's tail, a wrong selection of the best and a wrong order of ties."""
    rows = rows_of(seed, count, dimension)
    index = DenseIndex(dimension=dimension)
    index.add(np.array([row.vector for row in rows]))
    check(index, rows, np.random.default_rng(seed + 1).standard_normal(dimension).astype(np.float32), top_k)


@given(seed=SEEDS, share=st.sampled_from([0.0, 0.005, 0.05, 0.5, 0.99, 1.0]))
@settings(max_examples=40)
def test_a_filter_gives_the_exact_best_of_what_passes(seed: int, share: float) -> None:
    """Catches a filter that is applied after the best were chosen."""
    rows = rows_of(seed, 400, 8)
    random = np.random.default_rng(seed)
    allowed = np.flatnonzero(random.random(400) < share).tolist()
    index = DenseIndex(dimension=8)
    index.add(np.array([row.vector for row in rows]))
    check(index, rows, random.standard_normal(8).astype(np.float32), 10, allowed)


@given(seed=SEEDS)
@settings(max_examples=15)
def test_saved_and_changed_arrays_equal_numpy(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Catches rows that are lost, doubled or found after they were removed, in a saved index that then changes."""
    random = np.random.default_rng(seed)
    rows = rows_of(seed, 120, 12)
    path = tmp_path_factory.mktemp("dense") / "vectors"
    index = DenseIndex(dimension=12)
    index.add(np.array([row.vector for row in rows]))
    index.save(path)
    reopened = DenseIndex.open(path)
    removed = random.choice(120, 30, replace=False)
    replaced = random.choice(120, 30, replace=False)
    fresh = random.standard_normal((30, 12)).astype(np.float32)
    assert reopened.remove(removed) == 30
    reopened.add(fresh, ids=replaced)
    live = {n: row.vector for n, row in enumerate(rows) if n not in set(removed.tolist())}
    live |= dict(zip(replaced.tolist(), fresh, strict=True))
    query = random.standard_normal(12).astype(np.float32)
    for changed in (reopened, _saved(reopened, path)):
        assert len(changed) == len(live)
        ids, scores = changed.search(query, top_k=len(live))
        names = sorted(live)
        truth = dict(zip(names, cosines(query.tolist(), [live[n] for n in names]), strict=True))
        expected = [(str(n), truth[n]) for n in sorted(names, key=lambda n: (-truth[n], n))]
        assert_ranking([(str(n), float(s)) for n, s in zip(ids[0], scores[0], strict=True)], expected, 1e-6)


def _saved(index: DenseIndex, path: Path) -> DenseIndex:
    index.save(path)
    return DenseIndex.open(path)


def test_exactly_representable_scores_are_exact() -> None:
    """Catches any rounding or order that the total order forbids: these cosines are exact in float32."""
    axes = np.eye(8, dtype=np.float32)
    vectors = np.concatenate([axes, -axes, axes])
    index = DenseIndex(dimension=8)
    index.add(vectors)
    ids, scores = index.search(axes[3], top_k=24)
    assert ids[0][:2].tolist() == [3, 19]
    assert ids[0][2:-1].tolist() == [n for n in range(24) if n not in (3, 19, 11)]
    assert ids[0][-1] == 11
    assert scores[0].tolist() == [1.0, 1.0, *[0.0] * 21, -1.0]


@given(seed=SEEDS, commits=st.integers(1, 5), year=st.integers(1998, 2011), top_k=st.integers(1, 60))
@settings(max_examples=25)
def test_an_index_equals_numpy(
    seed: int, commits: int, year: int, top_k: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Catches segments whose rows are mixed up, and filters or deletes that are applied to the wrong rows."""
    rows = rows_of(seed, 90, 6)
    random = np.random.default_rng(seed)
    with ragstone.open(tmp_path_factory.mktemp("kb") / "kb", embedder=None, language="none") as index:
        for part in np.array_split(random.permutation(len(rows)), commits):
            documents = [Document(rows[n].document_id, "text", metadata={"year": 1999 + int(n) % 11}) for n in part]
            index.upsert(documents, embeddings=np.array([rows[n].vector for n in part]))
        gone = set(random.choice(90, 20, replace=False).tolist())
        index.delete(document_ids=[rows[n].document_id for n in gone])
        live = [row for n, row in enumerate(rows) if n not in gone]
        query = random.standard_normal(6).astype(np.float32)
        for condition, passes in (
            (None, lambda row: True),
            (F("year") >= year, lambda row: 1999 + int(row.document_id[1:]) % 11 >= year),
        ):
            hits = index.search(vector=query, top_k=top_k, filter=condition)
            expected = search_dense(live, query.tolist(), passes, len(live))
            assert len(hits) == min(top_k, len(expected))
            assert_ranking([(hit.chunk_id, hit.score) for hit in hits], expected, 1e-6)
            pairs = [(-hit.score, hit.document_id) for hit in hits]
            assert pairs == sorted(pairs)
