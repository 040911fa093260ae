"""The user's index beside other systems: the same data, answers compared before times, and what is missing is named."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import ragstone
from ragstone import Document, InvalidInput, MissingDependency
from ragstone.bench import Workload, against, prepared, rivals
from ragstone.bench.against import compare
from ragstone.bench.rivals import NAMES, Rival

TOPICS = ("refund", "shipping", "warranty", "invoice", "password", "holiday", "battery", "printer", "training")
PACKAGES = {name: list(needs) for name, (_, _, needs) in rivals._RIVALS.items()}


class Exact(Rival):
    """Compares every vector in NumPy; forgets the best one with setting 1."""

    kind = "dense"
    settings = ({"forget": 1}, {"forget": 0})
    closed: ClassVar[int] = 0

    def build(self, data: Any, threads: int) -> None:
        self.data = data

    def search(self, query: Any, top_k: int, **setting: int) -> list[int]:
        ranked = np.argsort(-(self.data @ query), kind="stable")[: top_k + 1]
        return [int(row) for row in ranked[setting["forget"] :][:top_k]]

    def close(self) -> None:
        type(self).closed += 1


class Backwards(Rival):
    """BM25 by name only: the last texts."""

    kind = "bm25"
    note = "wrong on purpose"

    def build(self, data: Any, threads: int) -> None:
        self.rows = len(data)

    def search(self, query: Any, top_k: int, **setting: int) -> list[int]:
        return list(range(self.rows - top_k, self.rows))


def documents(count: int) -> list[Document]:
    numbers = np.random.default_rng(1)
    return [
        Document(
            f"{row:03}",
            f"{' '.join(numbers.choice(TOPICS, 5))} number {row}",
            title="hidden" if row % 10 == 0 else "",
            acl=["hr"] if row % 10 == 0 else None,
        )
        for row in range(count)
    ]


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workload]:
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        index.upsert(documents(200))
        yield prepared(index, [f"{topic} number {row}" for row, topic in enumerate(TOPICS)], top_k=5)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"exact": Exact, "backwards": Backwards}
    monkeypatch.setattr(against, "load", lambda name: found[name]())


@pytest.mark.usefixtures("made_up")
def test_answers_are_compared_before_times(work: Workload) -> None:
    """Catches a rival that is slow or quick because it answers something else, and nobody is told."""
    found = compare(work, ["exact", "backwards", "exact"], seconds=0.2)
    by_name = {(one.kind, one.name): one for one in found.contestants}
    assert list(by_name) == [
        ("dense", "ragstone"),
        ("dense", "ragstone, cited"),
        ("dense", "exact"),
        ("bm25", "ragstone"),
        ("bm25", "ragstone, cited"),
        ("bm25", "backwards"),
    ]
    # 20 of 200 chunks may not be seen by who asks.
    assert (found.rows, found.queries, found.top_k) == (180, 9, 5)
    for name in (("dense", "ragstone"), ("dense", "ragstone, cited"), ("dense", "exact"), ("bm25", "ragstone")):
        assert by_name[name].overlap.value == 1.0
    # The setting that forgets the best is cheaper, and not as good as ours.
    assert by_name["dense", "exact"].setting == {"forget": 0}
    assert by_name["bm25", "backwards"].overlap.value < 0.3
    ours = by_name["dense", "ragstone"]
    assert (ours.ratio.value, ours.ratio.low, ours.ratio.high) == (1, 1, 1)
    assert {one.time.samples for one in found.contestants if one.kind == "dense"} == {ours.time.samples}
    assert Exact.closed >= 1
    assert found.findings == ()
    assert "wrong on purpose" in str(found)
    assert found.to_dict()["rows"] == 180


@pytest.mark.usefixtures("made_up")
def test_who_may_see_more_is_compared_on_more(work: Workload) -> None:
    """Catches rivals that are loaded with other chunks than the index searches."""
    seeing = prepared(work.index, ["refund"], top_k=5, principals=["hr"])
    assert compare(seeing, ["exact"], seconds=0.01).rows == 200


@pytest.mark.usefixtures("made_up")
def test_a_search_of_ours_that_misses_is_a_finding(work: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a comparison that holds only the others to the right answer."""
    search = work.index.search

    def forgetful(query: str | None = None, **options: object) -> object:
        result = search(query, **options)  # type: ignore[arg-type]
        return ragstone.SearchResult("", result.hits[1:], result.mode, result.snapshot, 0.0)

    monkeypatch.setattr(work.index, "search", forgetful)
    found = compare(work, ["exact", "backwards"], seconds=0.01).findings
    assert len(found) == 2
    assert "'ragstone, cited': 0.8000 of the best 5" in found[0]


def test_bm25_of_ours_is_held_to_the_scores_of_all_chunks(tmp_path: Path) -> None:
    """Catches a reference that is cut off by the same bounds as the search that it judges."""
    with ragstone.open(tmp_path / "kb", embedder=None) as index:
        index.upsert(documents(200))
        work = prepared(index, ["refund number 7", "zebra"], top_k=5)
        names, texts = against._chunks(work)
        field = against._lexical(
            work, texts, {name: row for row, name in enumerate(names)}, ["refund number 7", "zebra"]
        )
        scores = dict(zip(*(one[0].tolist() for one in ragstone_all(texts, "refund number 7")), strict=True))
        least = sorted(scores.values())[-5]
        assert field.right[0] == {row for row, score in scores.items() if score >= least * (1 - 1e-6)}
        assert (field.right[1], field.overlap(1, [])) == (set(), 1.0)
        assert field.overlap(0, list(field.right[0])[:5]) == 1.0
        assert field.overlap(0, [-1, *list(field.right[0])[:4]]) == 0.8
        with pytest.raises(InvalidInput, match="0 of 200 chunks have a vector"):
            against._dense(work, texts, {}, ["refund"], lambda _: None)


def ragstone_all(texts: Sequence[str], query: str) -> tuple[Any, Any]:
    index = ragstone.BM25Index()
    index.add(list(texts))
    rows, scores = index.search(query, top_k=30_000)
    found = rows[0] >= 0
    return rows[:, found], scores[:, found]


@pytest.mark.usefixtures("made_up")
def test_brought_vectors_cannot_be_made_again(tmp_path: Path) -> None:
    """Catches rivals that are loaded with other vectors than those that are searched."""
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        index.upsert(documents(50), embeddings=np.random.default_rng(0).normal(size=(50, 256)))
        with pytest.raises(InvalidInput, match="vectors that were brought"):
            compare(prepared(index, ["refund"]), ["exact"], seconds=0.01)


def test_rivals_that_are_not_there_are_named(work: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a traceback of a missing package, and a name that is nobody's."""
    with pytest.raises(InvalidInput, match="no rival 'elastic': use some of faiss"):
        compare(work, ["elastic"])
    with pytest.raises(InvalidInput, match="name at least one"):
        compare(work, [])
    for name in NAMES:
        with monkeypatch.context() as patch:
            for package in PACKAGES[name]:
                patch.setitem(__import__("sys").modules, package, None)
            with pytest.raises(MissingDependency, match="run pip install"):
                rivals.load(name)


def test_threads_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a process that stays at one thread after a comparison."""
    for before in (None, "3"):
        monkeypatch.delenv("RAGSTONE_THREADS", raising=False)
        if before is not None:
            monkeypatch.setenv("RAGSTONE_THREADS", before)
        with against._one_thread():
            assert os.environ["RAGSTONE_THREADS"] == "1"
        assert os.environ.get("RAGSTONE_THREADS") == before


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_each_rival_finds_what_there_is(name: str, work: Workload) -> None:
    """Catches an adapter that returns other rows than the nearest, or fails on a query with nothing to find."""
    if missing := [package for package in PACKAGES[name] if not find_spec(package)]:
        pytest.skip(f"{missing[0]} is not installed")
    asked = prepared(work.index, ["refund number 1", "?", "zebra AND (holiday"], top_k=5)
    found = compare(asked, [name], seconds=0.01)
    theirs = found.contestants[-1]
    assert theirs.name == name
    assert theirs.overlap.value >= (0.95 if theirs.kind == "dense" else 0.6)
