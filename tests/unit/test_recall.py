"""Recall measured on an index: the right share, of what may be found, and only when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import ragstone
from ragstone import DimensionMismatch, Document, InvalidInput
from ragstone.recall import affordable_queries, measured_recall
from ragstone.records import Citation, Frozen, Hit, SearchResult

Search = Callable[..., SearchResult]


def vectors(count: int, dimension: int = 16, seed: int = 0) -> NDArray[np.float32]:
    drawn = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def filled(path: Path, stored: NDArray[np.float32], acl: Sequence[str] | None = None) -> ragstone.Index:
    index = ragstone.open(path, embedder=None)
    index.upsert([Document(f"{row:06}", "text", acl=acl) for row in range(len(stored))], embeddings=stored)
    return index


def answer(names: str, snapshot: int = 1, latency_ms: float = 1.0) -> SearchResult:
    """A result with one hit for each letter."""
    citation = Citation("", "", None, 0, 0, snapshot, "")
    hits = tuple(Hit(name, name, "", 1.0, rank, Frozen(), citation) for rank, name in enumerate(names, 1))
    return SearchResult("", hits, "dense", snapshot, latency_ms)


def scripted(pairs: list[tuple[SearchResult, SearchResult]]) -> Search:
    """A search that gives the n-th pair of answers, by default and exact, to the n-th vector."""

    def search(*, vector: NDArray[np.float32], exact: bool, **_: object) -> SearchResult:
        return pairs[int(vector[0])][exact]

    return search


def numbered(count: int) -> NDArray[np.float32]:
    return np.arange(count, dtype=np.float32)[:, np.newaxis]


def test_the_share_is_that_of_the_exact_list() -> None:
    """Catches a recall divided by the wrong length, averaged wrongly, or of the wrong of both lists."""
    pairs = [
        (answer("abcd", latency_ms=1), answer("abcd", latency_ms=10)),
        (answer("dxya", latency_ms=5), answer("abcd", latency_ms=50)),
        (answer("", latency_ms=2), answer("abcd", latency_ms=20)),
        (answer("ab", latency_ms=3), answer("ab", latency_ms=30)),
    ]
    found = measured_recall(scripted(pairs), numbered(4), top_k=4)
    assert found.recall == (1 + 0.5 + 0 + 1) / 4
    assert (found.queries, found.top_k, found.stored) == (4, 4, True)
    assert (found.latency_ms_p50, found.exact_latency_ms_p50) == (2.5, 25)
    assert "recall@4 0.6250 (4 stored vectors" in str(found)


def test_answers_of_two_snapshots_are_not_compared() -> None:
    """Catches a commit between both searches that passes for a miss, and empty lists that pass for hits."""
    pairs = [(answer("ab", 1), answer("ab", 1)), (answer("ab", 1), answer("xy", 2)), (answer("", 2), answer("", 2))] * 9
    found = measured_recall(scripted(pairs), numbered(27))
    assert (found.recall, found.queries) == (1.0, 9)
    with pytest.raises(InvalidInput, match="no query found a chunk to compare"):
        measured_recall(scripted(pairs[1:3]), numbered(2))


def test_recall_equals_that_by_brute_force(tmp_path: Path) -> None:
    """Catches a comparison of a search with itself: the exact half of the figure is computed here."""
    stored, asked = vectors(6000), vectors(40, seed=1)
    with filled(tmp_path / "kb", stored) as index:
        found = index.recall(asked, top_k=10)
        order = np.argsort(-(asked.astype(np.float64) @ stored.astype(np.float64).T), axis=1)[:, :10]
        shares = []
        for vector, best in zip(asked, order, strict=True):
            hits = index.search(vector=vector, top_k=10)
            shares.append(len({int(hit.document_id) for hit in hits} & set(best.tolist())) / 10)
    assert found.recall == pytest.approx(np.mean(shares))
    assert found.recall >= 0.99
    assert (found.queries, found.stored) == (40, False)
    assert found.latency_ms_p50 > 0
    assert found.exact_latency_ms_p50 > 0


def test_recall_with_texts_and_with_drawn_vectors(tmp_path: Path) -> None:
    """Catches texts that are not embedded, and a draw of more or fewer vectors than is said."""
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        index.upsert([Document(str(row), f"number {row} of many") for row in range(400)])
        assert index.recall(["number 7", "number 8"], top_k=3).queries == 2
        found = index.recall()
        assert (found.queries, found.top_k, found.stored) == (256, 10, True)
        assert index.sample().shape == (256, 256)


BAD: dict[str, tuple[object, str]] = {
    "one text": ("number 7", "pass a list"),
    "number": (7, "pass a list"),
    "no queries": ([], "pass texts, or vectors"),
    "empty text": (["a", " "], "empty"),
    "text and number": (["a", 7], "query 1 is of type int"),
    "one vector": (np.ones(16, dtype=np.float32), "pass texts, or vectors"),
    "no vectors": (np.ones((0, 16), dtype=np.float32), "pass texts, or vectors"),
    "texts as an array": (np.array(["a", "b"]), "real numbers"),
    "zero": (np.zeros((1, 16), dtype=np.float32), "no direction"),
    "texts without an embedder": (["a"], "pass vectors, or no queries"),
}


@pytest.mark.parametrize("case", BAD)
def test_unusable_queries_are_refused(case: str, tmp_path: Path) -> None:
    """Catches a figure made of nothing, and messages that do not say what would do."""
    queries, message = BAD[case]
    with filled(tmp_path / "kb", vectors(20)) as index:
        with pytest.raises(InvalidInput, match=message):
            index.recall(queries)  # type: ignore[arg-type]
        with pytest.raises(DimensionMismatch):
            index.recall(np.ones((2, 15), dtype=np.float32))
        with pytest.raises(InvalidInput, match="top_k"):
            index.recall(top_k=0)


def test_nothing_to_compare_is_said(tmp_path: Path) -> None:
    """Catches a recall of an index without vectors, and one of chunks that nobody who asked may find."""
    with ragstone.open(tmp_path / "empty", embedder=None) as index:
        assert index.stats()["dense_recall_at_10"] is None
        index.upsert([Document("a", "text")])
        assert index.stats()["dense_recall_at_10"] is None
        with pytest.raises(InvalidInput, match="embed the chunks first"):
            index.recall()
    with filled(tmp_path / "restricted", vectors(30), acl=["hr"]) as index:
        assert index.stats()["dense_recall_at_10"] is None
        with pytest.raises(InvalidInput, match="principals="):
            index.recall(principals=["sales"])
        assert index.recall(principals=["hr"]).recall == 1.0


def counted(index: ragstone.Index, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each search from now on was exact."""
    searches: list[bool] = []
    search = index._compared

    def counting(*arguments: object, **options: object) -> SearchResult:
        searches.append(bool(options.get("exact")))
        return search(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(index, "_compared", counting)
    return searches


def test_stats_measures_once_for_each_generation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a measurement on every call, one that outlives a commit, and one that len() or repr() pays for."""
    with filled(tmp_path / "kb", vectors(300)) as index:
        searches = counted(index, monkeypatch)
        assert len(index) == 300
        assert "300 chunks" in repr(index)
        assert searches == []
        assert index.stats()["dense_recall_at_10"] == 1.0
        assert (searches.count(False), searches.count(True)) == (16, 16)
        assert index.stats() == index.stats()
        assert len(searches) == 32
        index.upsert([Document("another", "text")], embeddings=vectors(1, seed=2))
        assert index.stats()["dense_recall_at_10"] == 1.0
        assert len(searches) == 64


def test_stats_tells_of_a_search_that_misses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a figure that is 1.0 whatever the search finds."""
    with filled(tmp_path / "kb", vectors(300)) as index:
        search = index._compared

        def forgetful(*, exact: bool, **options: object) -> SearchResult:
            result = search(exact=exact, **options)  # type: ignore[arg-type]
            return result if exact else SearchResult("", result.hits[3:], "dense", result.snapshot, 0.0)

        monkeypatch.setattr(index, "_compared", forgetful)
        assert index.stats()["dense_recall_at_10"] == pytest.approx(0.7)
        assert index.recall().recall == pytest.approx(0.7)


def test_large_indexes_are_asked_less() -> None:
    """Catches a quick measurement that takes seconds at a million chunks, or asks nothing at a billion."""
    asked = [affordable_queries(10**power, 384) for power in range(10)]
    assert asked == sorted(asked, reverse=True)
    assert (asked[0], asked[6], asked[9]) == (16, 4, 4)
