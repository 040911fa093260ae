"""Fusion against brute force: every rule, with filters, over segments, and its explanation."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ragstone
from oracles import Row, assert_ranking, search_hybrid
from ragstone import Document, F, Filter, SearchResult

WORDS = ["apple", "berry", "cedar", "daisy", "elder", "ferny", "grape", "hazel", "ivies", "jelly", "kelpy", "lemon"]
SEEDS = st.integers(0, 2**32 - 1)
DIMENSION = 8
RULES = [("self_scaling", 2.0), ("self_scaling", 0.3), ("convex", 0.5), ("convex", 1.0), ("convex", 0.0), ("rrf", 2.0)]

Folder = pytest.TempPathFactory


class Corpus:
    """Random documents of one chunk, with a vector each, a year and a query."""

    def __init__(self, seed: int, count: int) -> None:
        draw, self.numbers = random.Random(seed), np.random.default_rng(seed)
        weights = [2.0**-n for n in range(len(WORDS))]
        texts = [" ".join(draw.choices(WORDS, weights, k=draw.choice([1, 2, 5, 30]))) for _ in range(count)]
        vectors = self.numbers.standard_normal((count, DIMENSION)).astype(np.float32) + np.float32(0.4)
        self.rows = [Row(f"d{n:05}", 0, texts[n], vectors[n]) for n in range(count)]
        self.years = {row.document_id: 2000 + draw.randrange(10) for row in self.rows}
        self.text = " ".join(draw.choices(WORDS, k=draw.randint(1, 5)))
        self.vector = self.numbers.standard_normal(DIMENSION).astype(np.float32) + np.float32(0.2)

    def upsert(self, index: ragstone.Index, rows: list[Row]) -> None:
        documents = [
            Document(row.document_id, row.text, metadata={"year": self.years[row.document_id]}) for row in rows
        ]
        index.upsert(documents, embeddings=np.array([row.vector for row in rows]))

    @contextmanager
    def index(self, folder: Folder, commits: int = 1) -> Iterator[ragstone.Index]:
        with ragstone.open(folder.mktemp("kb") / "kb", embedder=None, language="none") as index:
            for part in np.array_split(self.numbers.permutation(len(self.rows)), commits):
                self.upsert(index, [self.rows[n] for n in part])
            yield index

    def search(self, index: ragstone.Index, **options: object) -> SearchResult:
        return index.search(self.text, vector=self.vector, **options)  # type: ignore[arg-type]


def check(
    corpus: Corpus,
    index: ragstone.Index,
    top_k: int,
    fusion: str,
    weight: float,
    filter: Filter | None = None,
    passes: Callable[[Row], bool] = lambda row: True,
) -> None:
    """The one place that compares a fused result with the oracle."""
    got = corpus.search(index, top_k=top_k, fusion=fusion, dense_weight=weight, filter=filter, explain=True)
    # Asking the oracle for more than top_k would deepen its lists as well.
    options = {"top_k": top_k, "fusion": fusion, "weight": weight}
    expected = search_hybrid(corpus.rows, corpus.text, corpus.vector.tolist(), passes, **options)  # type: ignore[arg-type]
    assert len(got) == len(expected)
    right = [score for _, score in expected]
    assert np.allclose([hit.score for hit in got], right, rtol=1e-5, atol=1e-5)
    clear = [
        n for n in range(len(right)) if all(abs(right[n] - other) > 1e-4 for m, other in enumerate(right) if m != n)
    ]
    assert [got[n].chunk_id for n in clear[:-1]] == [expected[n][0] for n in clear[:-1]]
    for hit in got:
        assert hit.explain is not None
        parts = hit.explain["parts"]
        assert sum(parts.values()) == pytest.approx(hit.score, abs=1e-5)  # type: ignore[attr-defined]
    order = [(-hit.score, hit.document_id) for hit in got]
    assert order == sorted(order)


@pytest.mark.parametrize(("fusion", "weight"), RULES)
@given(seed=SEEDS, count=st.integers(1, 90), commits=st.integers(1, 4), top_k=st.integers(1, 90))
@settings(max_examples=12)
def test_fusion_equals_brute_force(
    fusion: str, weight: float, seed: int, count: int, commits: int, top_k: int, tmp_path_factory: Folder
) -> None:
    """Catches a wrong scale, a missing half, a wrong sample, and parts that do not add up."""
    corpus = Corpus(seed, count)
    with corpus.index(tmp_path_factory, min(commits, count)) as index:
        check(corpus, index, top_k, fusion, weight)


@pytest.mark.parametrize(("fusion", "weight"), RULES)
def test_more_chunks_than_the_lists_are_deep(fusion: str, weight: float, tmp_path_factory: Folder) -> None:
    """Catches a union of other lists than the top 100 of each half, and a sample of other chunks than the 256."""
    for seed in (1, 2):
        corpus = Corpus(seed, 700)
        with corpus.index(tmp_path_factory, 3) as index:
            for top_k in (10, 100, 180):
                check(corpus, index, top_k, fusion, weight)


@given(seed=SEEDS, year=st.integers(1999, 2011), rule=st.sampled_from(RULES), top_k=st.integers(1, 40))
@settings(max_examples=40)
def test_filters_apply_inside_both_halves(
    seed: int, year: int, rule: tuple[str, float], top_k: int, tmp_path_factory: Folder
) -> None:
    """Catches lists that are filtered after they were cut, and scales that are taken under the filter."""
    corpus = Corpus(seed, 150)
    with corpus.index(tmp_path_factory, 2) as index:
        check(corpus, index, top_k, *rule, F("year") >= year, lambda row: corpus.years[row.document_id] >= year)


@given(seed=SEEDS)
@settings(max_examples=20)
def test_a_filter_moves_no_score(seed: int, tmp_path_factory: Folder) -> None:
    """Catches statistics that depend on who asks: the same chunk must score the same to the bit."""
    corpus = Corpus(seed, 90)
    with corpus.index(tmp_path_factory, 3) as index:
        for mode in ("hybrid", "bm25", "dense"):
            everything = {hit.chunk_id: hit.score for hit in corpus.search(index, top_k=200, mode=mode)}
            some = corpus.search(index, top_k=200, mode=mode, filter=F("year") < 2004)
            dense_empty = not any(year < 2004 for year in corpus.years.values())
            assert some or dense_empty or mode == "bm25"
            if mode == "hybrid" and not corpus.search(index, mode="bm25", filter=F("year") < 2004):
                continue  # the half that found nothing drops out
            assert {hit.chunk_id: hit.score for hit in some}.items() <= everything.items()


@given(seed=SEEDS, commits=st.integers(2, 7))
@settings(max_examples=15)
def test_the_layout_of_segments_moves_nothing(seed: int, commits: int, tmp_path_factory: Folder) -> None:
    """Catches a sum, a sample or an order of ties that depends on how chunks are spread over segments."""
    corpus = Corpus(seed, 120)

    def results(index: ragstone.Index) -> list[object]:
        return [
            [(hit.chunk_id, hit.score, hit.explain) for hit in corpus.search(index, **options)]  # type: ignore[arg-type]
            for options in (
                {"top_k": 50, "explain": True},
                {"top_k": 50, "mode": "bm25"},
                {"top_k": 50, "mode": "dense"},
                {"top_k": 50, "fusion": "convex"},
                {"top_k": 50, "fusion": "rrf"},
                {"top_k": 50, "filter": F("year") >= 2005},
            )
        ]

    with corpus.index(tmp_path_factory) as index:
        once = results(index)
    with corpus.index(tmp_path_factory, commits) as index:
        # Rewritten documents leave deleted rows behind, which must not count any more.
        corpus.upsert(index, corpus.rows[::3])
        assert results(index) == once
        index.merge()
        assert index.stats()["segments"] == 1
        assert results(index) == once


@given(seed=SEEDS, factor=st.sampled_from([1e-3, 1.0, 77.0]))
@settings(max_examples=15)
def test_the_length_of_a_query_vector_moves_nothing(seed: int, factor: float, tmp_path_factory: Folder) -> None:
    """Catches a dot product where a cosine belongs."""
    corpus = Corpus(seed, 60)
    with corpus.index(tmp_path_factory) as index:
        once = [(hit.chunk_id, hit.score) for hit in corpus.search(index, top_k=60)]
        corpus.vector = corpus.vector * np.float32(factor)
        again = [(hit.chunk_id, hit.score) for hit in corpus.search(index, top_k=60)]
        assert_ranking(again, once, 1e-4)


@given(seed=SEEDS, rule=st.sampled_from(RULES), commits=st.integers(1, 3), year=st.sampled_from([None, 2004]))
@settings(max_examples=40)
def test_a_half_that_finds_nothing_drops_out(
    seed: int, rule: tuple[str, float], commits: int, year: int | None, tmp_path_factory: Folder
) -> None:
    """Catches a hybrid search that finds other chunks than its only half, or ranks them otherwise, by whatever rule."""
    corpus = Corpus(seed, 50)
    how: dict[str, object] = {"top_k": 50, "filter": None if year is None else F("year") >= year}
    with corpus.index(tmp_path_factory, commits) as index:
        words, corpus.text = corpus.text, "unknown words only"
        hybrid = corpus.search(index, fusion=rule[0], dense_weight=rule[1], explain=True, **how)
        in_order(hybrid, corpus.search(index, mode="dense", **how), "cosine")
        corpus.text = words
        # Without a vector only the text is searched.
        hybrid = index.search(corpus.text, fusion=rule[0], dense_weight=rule[1], explain=True, **how)  # type: ignore[arg-type]
        in_order(hybrid, corpus.search(index, mode="bm25", **how), "bm25")


def in_order(fused: SearchResult, alone: SearchResult, half: str) -> None:
    """The chunks of one half alone, in its order; rounding may make neighbours equal, never turn them."""
    assert {hit.chunk_id for hit in fused} == {hit.chunk_id for hit in alone}
    scores = [float(hit.explain[half]) for hit in fused if hit.explain is not None]  # type: ignore[arg-type]
    assert all(a >= b - 1e-6 for a, b in itertools.pairwise(scores))
    assert {hit.chunk_id: hit.score for hit in alone} == {
        hit.chunk_id: score for hit, score in zip(fused, scores, strict=True)
    }


@given(seed=SEEDS, rule=st.sampled_from(RULES), commits=st.integers(1, 4), top_k=st.integers(1, 120))
@settings(max_examples=40)
def test_both_scores_of_a_hit_are_those_of_its_halves(
    seed: int, rule: tuple[str, float], commits: int, top_k: int, tmp_path_factory: Folder
) -> None:
    """Catches a chunk of one list whose score in the other half is guessed, or looked up by another way of adding."""
    corpus = Corpus(seed, 130)
    with corpus.index(tmp_path_factory, commits) as index:
        lists = {half: corpus.search(index, mode=half, top_k=130) for half in ("bm25", "dense")}
        bm25, cosine = ({hit.chunk_id: hit.score for hit in lists[half]} for half in ("bm25", "dense"))
        ranks = [{hit.chunk_id: hit.rank for hit in lists[half]} for half in ("bm25", "dense")]
        for hit in corpus.search(index, top_k=top_k, fusion=rule[0], dense_weight=rule[1], explain=True):
            assert hit.explain is not None
            assert hit.explain["bm25"] == bm25.get(hit.chunk_id, 0)
            assert hit.explain["cosine"] == cosine[hit.chunk_id]
            for name, places in zip(("bm25_rank", "dense_rank"), ranks, strict=True):
                assert hit.explain[name] in (None, places.get(hit.chunk_id))


@given(seed=SEEDS, slope=st.floats(0.1, 0.99), level=st.floats(0.1, 0.9), commits=st.integers(1, 3))
@settings(max_examples=30)
def test_the_scale_and_the_origin_of_cosines_move_nothing(
    seed: int, slope: float, level: float, commits: int, tmp_path_factory: Folder
) -> None:
    """Catches a rule that depends on what cosines an embedder happens to give: some give 0.7 to whatever they see."""
    corpus = Corpus(seed, 60)
    with corpus.index(tmp_path_factory, commits) as index:
        once = corpus.search(index, top_k=60, explain=True)
    # Two dimensions more, one that all share and one of the query alone: cosine c becomes slope * (rest * c + level²).
    rest = 1 - level**2
    for row in corpus.rows:
        unit = row.vector / np.linalg.norm(row.vector)
        object.__setattr__(row, "vector", np.append(unit * np.sqrt(rest), [level, 0]).astype(np.float32))
    unit = corpus.vector / np.linalg.norm(corpus.vector)
    corpus.vector = np.append(unit * slope * np.sqrt(rest), [level * slope, np.sqrt(1 - slope**2)]).astype(np.float32)
    with corpus.index(tmp_path_factory, commits) as index:
        moved = corpus.search(index, top_k=60, explain=True)
    before = {hit.chunk_id: hit.explain["cosine"] for hit in once if hit.explain is not None}
    for hit in moved:
        assert hit.explain is not None
        cosine = slope * (rest * before[hit.chunk_id] + level**2)  # type: ignore[operator]
        assert hit.explain["cosine"] == pytest.approx(cosine, abs=1e-6)
    assert_ranking([(hit.chunk_id, hit.score) for hit in moved], [(hit.chunk_id, hit.score) for hit in once], 1e-3)


def test_chunks_that_wait_for_vectors_count_as_average(tmp_path_factory: Folder) -> None:
    """Catches a fused search that hides, or puts first, what is not embedded yet."""
    from ragstone.embedding.hashing import HashingEmbedder

    embedder = HashingEmbedder(DIMENSION)
    corpus = Corpus(9, 60)
    with ragstone.open(tmp_path_factory.mktemp("kb") / "kb", embedder=embedder, language="none") as index:
        documents = [Document(row.document_id, row.text) for row in corpus.rows]
        index.upsert(documents[:40])
        index.upsert(documents[40:], embed="later")
        vectors = [*embedder.embed([row.text for row in corpus.rows[:40]]), *[None] * 20]
        corpus.rows = [Row(row.document_id, 0, row.text, vectors[n]) for n, row in enumerate(corpus.rows)]
        for rule in RULES:
            check(corpus, index, 60, *rule)
