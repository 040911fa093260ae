"""BM25 against forty lines of float64: the same scores and the same ranking, whatever the filter and the layout."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ragstone
from oracles import Row, assert_ranking, search_bm25
from ragstone import BM25Index, Document, F
from ragstone.embedding.hashing import HashingEmbedder

# Words of five letters: no two of them joined are a third, which the analyzer would add to a query.
WORDS = ["apple", "berry", "cedar", "daisy", "elder", "ferny", "grape", "hazel", "ivies", "jelly", "kelpy", "lemon"]
SEEDS = st.integers(0, 2**32 - 1)


def texts_of(seed: int, count: int) -> list[str]:
    """Texts in which some words are frequent and some rare, some texts are empty, and some are equal."""
    draw = random.Random(seed)
    weights = [2.0**-n for n in range(len(WORDS))]
    texts = [" ".join(draw.choices(WORDS, weights, k=draw.choice([0, 1, 2, 5, 40]))) for _ in range(count)]
    for row in range(0, count, 6):
        texts[row] = draw.choice(texts)
    return texts


def query_of(seed: int) -> str:
    draw = random.Random(seed ^ 0x5EED)
    return " ".join(draw.choices([*WORDS, "unknown"], k=draw.randint(1, 6)))


def check(got: Sequence[tuple[str, float]], rows: list[Row], query: str, top_k: int, **options: object) -> None:
    """The one place that compares a result with the oracle."""
    expected = search_bm25(rows, query, top_k=len(rows), **options)  # type: ignore[arg-type]
    assert len(got) == min(top_k, len(expected))
    assert_ranking(got, expected, 1e-6)
    rounded = sorted(((np.float32(score), chunk) for chunk, score in expected), key=lambda pair: (-pair[0], pair[1]))
    assert [chunk for chunk, _ in got] == [chunk for _, chunk in rounded[:top_k]], "ranking is not identical"


@given(seed=SEEDS, count=st.integers(1, 150), top_k=st.integers(1, 160), k1=st.floats(0, 3), b=st.floats(0, 1))
@settings(max_examples=60)
def test_arrays_equal_the_reference(seed: int, count: int, top_k: int, k1: float, b: float) -> None:
    """Catches a wrong idf, length or saturation, a text that is skipped too early, and a wrong order of ties."""
    texts, query = texts_of(seed, count), query_of(seed)
    index = BM25Index(language="none", k1=k1, b=b)
    for part in np.array_split(np.arange(count), min(3, count)):
        index.add([texts[n] for n in part])
    ids, scores = index.search(query, top_k=top_k)
    rows = [Row(f"{n:05}", 0, text) for n, text in enumerate(texts)]
    found = [(f"{n:05}#0", float(score)) for n, score in zip(ids[0], scores[0], strict=True) if n >= 0]
    check(found, rows, query, top_k, k1=k1, b=b)


@given(seed=SEEDS)
@settings(max_examples=25)
def test_changed_and_saved_arrays_equal_the_reference(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Catches statistics that still count texts which were removed or replaced."""
    draw = random.Random(seed)
    texts = dict(enumerate(texts_of(seed, 80)))
    index = BM25Index(language="none")
    index.add(list(texts.values()))
    for _ in range(3):
        gone = draw.sample(sorted(texts), 8)
        assert index.remove(gone) == 8
        for number in gone:
            del texts[number]
        changed = draw.sample(sorted(texts), 8)
        fresh = texts_of(draw.randrange(2**32), 8)
        index.add(fresh, ids=changed)
        texts |= dict(zip(changed, fresh, strict=True))
    path = tmp_path_factory.mktemp("bm25") / "texts"
    index.save(path)
    rows = [Row(f"{n:05}", 0, texts[n]) for n in sorted(texts)]
    query = query_of(seed)
    for one in (index, BM25Index.open(path)):
        assert len(one) == len(rows)
        ids, scores = one.search(query, top_k=40)
        check([(f"{n:05}#0", float(s)) for n, s in zip(ids[0], scores[0], strict=True) if n >= 0], rows, query, 40)


@given(seed=SEEDS, commits=st.integers(1, 6), share=st.sampled_from([0.02, 0.3, 1.0]), top_k=st.integers(1, 80))
@settings(max_examples=25)
def test_an_index_equals_the_reference(
    seed: int, commits: int, share: float, top_k: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Catches statistics per segment, and filters that change scores or are applied after the best were chosen."""
    draw = random.Random(seed)
    texts = [text or "zebra" for text in texts_of(seed, 70)]
    flags = [draw.random() < share for _ in texts]
    names = [f"d{n:05}" for n in range(len(texts))]
    with ragstone.open(tmp_path_factory.mktemp("kb") / "kb", embedder=HashingEmbedder(8), language="none") as index:
        order = draw.sample(range(len(texts)), len(texts))
        for part in np.array_split(np.array(order), commits):
            index.upsert([Document(names[n], texts[n], metadata={"flag": flags[n]}) for n in part])
        for number in draw.sample(range(len(texts)), 10):
            texts[number] = draw.choice(texts)
            index.upsert([Document(names[number], texts[number], metadata={"flag": flags[number]})])
        gone = set(draw.sample(range(len(texts)), 10))
        index.delete(document_ids=[names[n] for n in gone])
        rows = [Row(names[n], 0, texts[n]) for n in range(len(texts)) if n not in gone]
        flagged = {names[n] for n, flag in enumerate(flags) if flag}
        query = query_of(seed)
        got = index.search(query, mode="bm25", top_k=top_k)
        check([(hit.chunk_id, hit.score) for hit in got], rows, query, top_k)
        got = index.search(query, mode="bm25", top_k=top_k, filter=F("flag") == True)  # noqa: E712
        check(
            [(hit.chunk_id, hit.score) for hit in got],
            rows,
            query,
            top_k,
            passes=lambda row: row.document_id in flagged,
        )


def test_the_title_is_searched_with_the_text(tmp_path: object) -> None:
    """Catches a context that is not indexed, or is indexed and not counted in the length."""
    documents = {"a": ("apple berry", "cedar daisy"), "b": ("", "cedar daisy"), "c": ("cedar", "apple")}
    rows = [Row(name, 0, f"{title}\n{text}") for name, (title, text) in documents.items()]
    with ragstone.open(f"{tmp_path}/kb", embedder=HashingEmbedder(8), language="none") as index:
        index.upsert([Document(name, text, title=title) for name, (title, text) in documents.items()])
        for query in ("cedar", "apple", "apple cedar", "berry"):
            hits = index.search(query, mode="bm25", top_k=3)
            check([(hit.chunk_id, hit.score) for hit in hits], rows, query, 3)
