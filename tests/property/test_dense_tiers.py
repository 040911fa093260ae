"""The promises of dense search on hostile data: exact means exact, and the default misses next to nothing.

Right is what NumPy finds in float64 among the vectors as they are stored: float32 of length 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import ragstone
from ragstone import DenseIndex, Document, F

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]
Ids = NDArray[np.int64]

ROWS = 12_000
TOP_K = 10
SHARES = (0.0001, 0.01, 0.1, 0.5, 1.0)
# Up to this many vectors that can be found, the default is promised to lose nothing at all.
FEW = 4096


def stored(vectors: Floats | Vectors) -> Vectors:
    """Vectors as an index keeps them."""
    wide = vectors.astype(np.float64)
    return (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float32)


# Kinds of data: (random, count, dimension) to rows of any length


def normal(random: np.random.Generator, count: int, dimension: int) -> Floats:
    return random.standard_normal((count, dimension))


def clustered(random: np.random.Generator, count: int, dimension: int) -> Floats:
    centers = normal(random, 100, dimension)
    return centers[random.integers(100, size=count)] + 0.3 * normal(random, count, dimension)


def near_duplicates(random: np.random.Generator, count: int, dimension: int) -> Floats:
    originals = normal(random, 600, dimension)
    return originals[random.integers(600, size=count)] + 0.01 * normal(random, count, dimension)


def duplicates(random: np.random.Generator, count: int, dimension: int) -> Floats:
    return normal(random, 700, dimension)[random.integers(700, size=count)]


def heavy_tailed(random: np.random.Generator, count: int, dimension: int) -> Floats:
    return random.standard_t(1.5, (count, dimension))


def equal(random: np.random.Generator, count: int, dimension: int) -> Floats:
    return np.repeat(normal(random, 1, dimension), count, axis=0)


def antipodal(random: np.random.Generator, count: int, dimension: int) -> Floats:
    half = normal(random, count // 2, dimension)
    return random.permutation(np.concatenate([half, -half]))


def sparse(random: np.random.Generator, count: int, dimension: int) -> Floats:
    """Counts of a few words: hashed texts."""
    rows = np.zeros((count, dimension))
    for _ in range(6):
        rows[np.arange(count), random.zipf(1.3, count) % dimension] += random.random(count) + 0.5
    return rows


def low_rank(random: np.random.Generator, count: int, dimension: int) -> Floats:
    return normal(random, count, 4) @ normal(random, 4, dimension)


def cone(random: np.random.Generator, count: int, dimension: int) -> Floats:
    """Most in one narrow direction, a tenth in the opposite one."""
    sides = np.where(random.random(count) < 0.1, -1.0, 1.0)[:, np.newaxis]
    return sides * stored(normal(random, 1, dimension)) + 0.5 * normal(random, count, dimension) / np.sqrt(dimension)


CASES: list[tuple[Callable[[np.random.Generator, int, int], Floats], int]] = [
    *((normal, dimension) for dimension in (16, 32, 64)),
    *((clustered, dimension) for dimension in (16, 32, 100)),
    (near_duplicates, 64),
    (duplicates, 40),
    (heavy_tailed, 96),
    (equal, 64),
    (antipodal, 48),
    (sparse, 128),
    (low_rank, 100),
    (cone, 100),
]


@dataclass
class Live:
    """What an index should hold: an id for each row."""

    ids: Ids
    vectors: Vectors

    def put(self, ids: Ids, vectors: Vectors) -> Live:
        kept = ~np.isin(self.ids, ids)
        return Live(np.concatenate([self.ids[kept], ids]), np.concatenate([self.vectors[kept], vectors]))

    def without(self, ids: Ids) -> Live:
        kept = ~np.isin(self.ids, ids)
        return Live(self.ids[kept], self.vectors[kept])

    def among(self, ids: Ids) -> Live:
        kept = np.isin(self.ids, ids)
        return Live(self.ids[kept], self.vectors[kept])


@dataclass
class Truth:
    """Scores of all rows for each query, and the ids of the best, equal scores by id."""

    live: Live
    scores: Floats
    best: Ids

    @classmethod
    def of(cls, live: Live, queries: Vectors, top_k: int = TOP_K) -> Truth:
        scores = queries.astype(np.float64) @ live.vectors.T.astype(np.float64)
        best = np.full((len(queries), top_k), -1)
        for query, row in enumerate(scores):
            # Sums of the same products can differ in their last bits with their place in a matrix.
            order = np.lexsort((live.ids, -np.round(row, 12)))[:top_k]
            best[query, : len(order)] = live.ids[order]
        return cls(live, scores, best)

    def recall(self, found: Ids) -> float:
        """Share of the found that are as good as the right ones, so that ties count whichever is found."""
        order = np.argsort(self.live.ids)
        right = 0
        for row, scores in zip(found, self.scores, strict=True):
            ids = row[row >= 0]
            assert len(set(ids.tolist())) == len(ids) == min(len(row), len(scores)), "each hit once, as many as exist"
            places = order[np.searchsorted(self.live.ids[order], ids)]
            assert np.array_equal(self.live.ids[places], ids), "a hit that should not be there"
            worst = -np.partition(-scores, len(ids) - 1)[len(ids) - 1] if len(ids) else 0.0
            right += int((scores[places] >= worst - 1e-6).sum())
        return right / max(1, int((found >= 0).sum()))


def queries_of(random: np.random.Generator, vectors: Vectors) -> tuple[Vectors, Vectors]:
    """Queries: some of the same kind that are not stored, some that are; and the vectors to store."""
    return stored(np.concatenate([vectors[:24], vectors[random.choice(np.arange(24, len(vectors)), 8)]])), vectors[24:]


def lives(path: Path, vectors: Vectors, random: np.random.Generator) -> Iterator[tuple[str, DenseIndex, Live]]:
    """An index through its life, with what it should hold at each stage; three quarters of the vectors come first."""
    ids = random.permutation(10 * len(vectors))[: len(vectors)]
    first = len(vectors) * 3 // 4
    live = Live(ids[:first], vectors[:first])
    index = DenseIndex(dimension=vectors.shape[1])
    index.add(live.vectors, ids=live.ids)
    yield "in memory", index, live
    index.save(path)
    yield "saved", DenseIndex.open(path), live
    index = DenseIndex.open(path)
    index.add(vectors[first:], ids=ids[first:])
    live = live.put(ids[first:], vectors[first:])
    yield "saved, then added to", index, live
    removed = random.choice(ids, len(ids) // 4, replace=False)
    assert index.remove(removed) == len(removed)
    live = live.without(removed)
    replaced = random.choice(live.ids, len(ids) // 4, replace=False)
    others = random.permutation(vectors)[: len(replaced)]
    index.add(others, ids=replaced)
    live = live.put(replaced, others)
    yield "half of it changed", index, live
    index.save(path)
    yield "half of it changed, then saved", DenseIndex.open(path), live


@pytest.mark.parametrize(("kind", "dimension"), CASES, ids=[f"{kind.__name__}-{size}" for kind, size in CASES])
def test_exact_is_exact_and_the_default_nearly(
    kind: Callable[[np.random.Generator, int, int], Floats], dimension: int, tmp_path: Path
) -> None:
    """Catches a bound that excludes a hit, estimates trusted too far, and rows whose codes are not theirs."""
    random = np.random.default_rng(dimension)
    queries, vectors = queries_of(random, stored(kind(random, ROWS + 24, dimension)))
    for stage, index, live in lives(tmp_path / "vectors", stored(vectors), random):
        assert len(index) == len(live.ids)
        for share in SHARES:
            allowed = None if share == 1 else random.choice(live.ids, max(1, round(share * len(live.ids))), False)
            truth = Truth.of(live if allowed is None else live.among(allowed), queries)
            where = f"{stage}, {share:.2%} of the vectors"
            ids, scores = index.search(queries, top_k=TOP_K, filter_ids=allowed, exact=True)
            assert np.array_equal(ids, truth.best), where
            right = -np.sort(-truth.scores, axis=1)[:, :TOP_K]
            assert np.allclose(scores[:, : right.shape[1]], right, atol=1e-6, rtol=0), where
            ids, scores = index.search(queries, top_k=TOP_K, filter_ids=allowed)
            recall = truth.recall(ids)
            assert recall >= (1.0 if len(truth.live.ids) <= FEW else 0.99), f"recall {recall} {where}"


@pytest.mark.parametrize("top_k", [1, 100, 1000])
@pytest.mark.parametrize("kind", [clustered, cone])
def test_short_and_long_lists(kind: Callable[[np.random.Generator, int, int], Floats], top_k: int) -> None:
    """Catches a number of candidates that fits only the usual list."""
    random = np.random.default_rng(top_k)
    queries, vectors = queries_of(random, stored(kind(random, ROWS, 64)))
    index = DenseIndex(dimension=64)
    live = Live(index.add(vectors), stored(vectors))
    truth = Truth.of(live, queries, top_k)
    assert np.array_equal(index.search(queries, top_k=top_k, exact=True)[0], truth.best)
    assert truth.recall(index.search(queries, top_k=top_k)[0]) >= 0.99


def test_wide_vectors_in_several_slabs() -> None:
    """Catches rows of one slab that are looked for in another: 4096 vectors of this width fill a slab."""
    random = np.random.default_rng(7)
    dimension, count = 4096, 4200
    vectors = random.standard_normal((count + 208, dimension), dtype=np.float32)
    vectors += 2 * vectors[random.integers(40, size=len(vectors))]
    vectors = stored(vectors)
    queries, vectors = vectors[:8], vectors[8:]
    index = DenseIndex(dimension=dimension)
    live = Live(index.add(vectors[:count]), vectors[:count])
    index.remove(np.arange(0, count, 50))
    live = live.without(np.arange(0, count, 50)).put(index.add(vectors[count:]), vectors[count:])
    assert len(index) == len(live.ids) > FEW
    for allowed in (None, random.choice(live.ids, 700, False)):
        truth = Truth.of(live if allowed is None else live.among(allowed), queries)
        assert np.array_equal(index.search(queries, filter_ids=allowed, exact=True)[0], truth.best)
        assert truth.recall(index.search(queries, filter_ids=allowed)[0]) >= 0.99


@pytest.mark.parametrize(
    "removed", [pytest.param(True, id="in place of the first"), pytest.param(False, id="after the first")]
)
def test_later_vectors_on_the_other_side(removed: bool, tmp_path: Path) -> None:
    """Catches estimates from codes that are relative to what an index held long ago, trusted as if they were not."""
    random = np.random.default_rng(8)
    dimension, first, count = 384, 6000, 17_000
    side = stored(normal(random, 1, dimension))

    def noise(rows: int, size: float) -> Floats:
        return size * normal(random, rows, dimension) / np.sqrt(dimension)

    centers = noise(200, 0.4) - side
    later = stored(centers[random.integers(200, size=count + 100)] + noise(count + 100, 0.3))
    queries, later = stored(later[:100]), stored(later[100:])
    index = DenseIndex(dimension=dimension)
    before = stored(side + noise(first, 0.2))
    live = Live(index.add(before), before)
    if removed:
        index.remove(live.ids)
        live = live.without(live.ids)
    live = live.put(index.add(later), later)
    truth = Truth.of(live, queries)
    assert np.array_equal(index.search(queries, exact=True)[0], truth.best)
    index.save(tmp_path / "vectors")
    saved = truth.recall(DenseIndex.open(tmp_path / "vectors").search(queries)[0])
    recall = truth.recall(index.search(queries)[0])
    assert min(recall, saved) >= 0.99, f"recall {recall} before saving, {saved} after"


@pytest.mark.parametrize("kind", [clustered, near_duplicates, cone])
def test_documents_through_commits_deletes_and_merges(
    kind: Callable[[np.random.Generator, int, int], Floats], tmp_path: Path
) -> None:
    """Catches segments, filters or merges that lose, double or mix up rows of codes."""
    random = np.random.default_rng(9)
    queries, vectors = queries_of(random, stored(kind(random, ROWS + 24, 48)))
    vectors = stored(vectors)
    live = Live(np.zeros(0, dtype=np.int64), vectors[:0])
    with ragstone.open(tmp_path / "kb", embedder=None, language="none") as index:

        def put(ids: Ids, rows: Vectors) -> None:
            nonlocal live
            # Numbers in another order than ids, so that what passes a filter is spread over all rows.
            documents = [Document(f"d{n:06}", "text", metadata={"number": int(n) * 7919 % 10_007}) for n in ids]
            index.upsert(documents, embeddings=rows)
            live = live.put(ids, rows)

        def check(stage: str) -> None:
            numbers = live.ids * 7919 % 10_007
            for limit in (2, 1000, 5000, 10_007):
                truth = Truth.of(live.among(live.ids[numbers < limit]), queries)
                condition = None if limit == 10_007 else F("number") < limit
                for exact in (True, False):
                    found = np.full_like(truth.best, -1)
                    for row, query in zip(found, queries, strict=True):
                        hits = index.search(vector=query, top_k=TOP_K, filter=condition, exact=exact)
                        row[: len(hits)] = [int(hit.document_id[1:]) for hit in hits]
                    if exact:
                        assert np.array_equal(found, truth.best), f"{stage}, numbers below {limit}"
                    assert truth.recall(found) >= 0.99, f"{stage}, numbers below {limit}"

        put(np.arange(8000), vectors[:8000])
        put(np.arange(8000, ROWS), vectors[8000:])
        check("two commits")
        removed = random.choice(ROWS, ROWS // 4, replace=False)
        assert index.delete(document_ids=[f"d{n:06}" for n in removed]) == len(removed)
        live = live.without(removed)
        replaced = random.choice(live.ids, ROWS // 4, replace=False)
        put(replaced, vectors[random.permutation(ROWS)[: len(replaced)]])
        check("half of it changed")
        index.merge()
        check("half of it changed, then merged")
