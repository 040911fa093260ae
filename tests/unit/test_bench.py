"""Measuring an index: what is asked and timed, which figures come of it, and what to do where it cannot be measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import ragstone
from ragstone import Document, InvalidInput
from ragstone.bench import RECALL_LEAST, Latency, first_words, measure, read_queries
from ragstone.records import SearchResult


class Counting:
    """The hashing embedder, with the texts of each call noted."""

    def __init__(self) -> None:
        self._inner = ragstone.embedder("hashing")
        self.name, self.dimension = self._inner.name, self._inner.dimension
        self.fingerprint, self.max_tokens = self._inner.fingerprint, self._inner.max_tokens
        self.calls: list[list[str]] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.calls.append(list(texts))
        return self._inner.embed(texts)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._inner.count_tokens(texts)


def documents(count: int, acl: Sequence[str] | None = None) -> list[Document]:
    return [Document(f"{row:04}", f"Article {row} costs {row * 7} euros.", acl=acl) for row in range(count)]


def test_percentiles_are_times_that_were_measured() -> None:
    """Catches interpolated percentiles, and those of the wrong end."""
    found = Latency.of([number / 1000 for number in range(100, 0, -1)])
    assert (found.ms_p50, found.ms_p95, found.ms_p99, found.samples) == pytest.approx((50, 95, 99, 100))
    assert Latency.of([0.25]) == Latency(ms_p50=250, ms_p95=250, ms_p99=250, samples=1)


def test_queries_are_asked_one_at_a_time_as_searches_are(tmp_path: Path) -> None:
    """Catches batches passed off as single queries, queries that are not asked, and parts that are not timed."""
    embedder = Counting()
    asked = ["what does article 7 cost", "zebra", "which article costs 70 euros"]
    with ragstone.open(tmp_path / "kb", embedder=embedder) as index:
        index.upsert(documents(60))
        embedder.calls.clear()
        found = measure(index, asked, top_k=3)
    single = [texts[0] for texts in embedder.calls if len(texts) == 1]
    # Warm-up once, then 100 times as a whole and 100 times for the embedding alone; recall embeds all at once.
    assert [single.count(query) for query in asked] == [201, 201, 201]
    assert [texts for texts in embedder.calls if len(texts) != 1] == [asked]
    assert found.embedding is not None
    assert found.retrieval is not None
    assert found.search.samples == found.embedding.samples == found.retrieval.samples == 300
    assert (found.queries, found.queries_from, found.queries_empty, found.top_k) == (3, "given", 0, 3)
    assert (found.chunks, found.chunks_embedded, found.embedder, found.dimension) == (60, 60, "hashing", 256)
    assert found.recall is not None
    assert (found.recall.recall, found.recall.queries, found.recall.top_k, found.recall.stored) == (1.0, 3, 3, False)
    assert found.instruction_set in ragstone._core.instruction_sets()
    assert found.threads >= 1
    assert found.findings == ()


def test_latency_is_that_of_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a clock that is started late, stopped early, or put around something else."""
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        index.upsert(documents(5))
        clock = [0.0]
        search = index.search

        def slow(query: str | None = None, **options: object) -> SearchResult:
            clock[0] += 0.003 if query == "b" else 0.001
            return search(query, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(index, "search", slow)
        monkeypatch.setattr("ragstone.bench.measuring.time.perf_counter", lambda: clock[0])
        found = measure(index, ["a", "b"], mode="bm25")
    assert (found.search.ms_p50, found.search.ms_p95) == pytest.approx((1, 3))
    assert (found.embedding, found.retrieval, found.queries_empty) == (None, None, 2)


def test_default_queries_are_words_of_chunks(tmp_path: Path) -> None:
    """Catches queries of one corner of the index, and queries without a word."""
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        index.upsert(documents(1000))
        words = first_words(index, 100)
        assert len(words) == len(set(words)) == 100
        assert {query.split()[1][:-2] for query in words if len(query.split()[1]) == 3} == set("123456789")
        assert measure(index).queries_from == "first words of chunks"
    with ragstone.open(tmp_path / "long", embedder="hashing", max_tokens=16) as index:
        text = "\n\n".join(f"Paragraph {row} speaks of one thing, and of another one." for row in range(500))
        index.upsert([Document("one", text), Document("rule", "---")])
        words = first_words(index, 100)
        assert 40 <= len(set(words)) <= 100
        assert all(len(query.split()) <= 8 for query in words)
        numbers = [int(query.split()[1]) for query in words if query.startswith("Paragraph")]
        assert max(numbers) > 400
    with ragstone.open(tmp_path / "mute", embedder="hashing") as index:
        index.upsert([Document("rule", "---")])
        with pytest.raises(InvalidInput, match="pass queries"):
            measure(index)


def test_an_index_without_vectors_is_measured_by_bm25(tmp_path: Path) -> None:
    """Catches figures of a dense half that is not there."""
    with ragstone.open(tmp_path / "kb", embedder=None) as index:
        with pytest.raises(InvalidInput, match="the index is empty"):
            measure(index)
        index.upsert(documents(20))
        for mode in ("hybrid", "bm25"):
            found = measure(index, mode=mode)  # type: ignore[arg-type]
            assert (found.recall, found.embedding, found.retrieval, found.embedder) == (None, None, None, None)
            assert (found.queries_empty, found.findings) == (0, ())
            assert "no vectors" in str(found)
            assert "nothing to compare" in str(found)
        with pytest.raises(InvalidInput, match=r'no chunk is embedded.*use "bm25"'):
            measure(index, mode="dense")


def test_brought_vectors_are_measured_by_vectors(tmp_path: Path) -> None:
    """Catches a hybrid search that is only BM25 and does not say so, and a dense search that needs a model."""
    stored = np.random.default_rng(0).normal(size=(120, 8))
    with ragstone.open(tmp_path / "kb", embedder=None) as index:
        index.upsert(documents(120), embeddings=stored)
        with pytest.raises(InvalidInput, match=r'"dense" without queries.*"bm25"'):
            measure(index)
        with pytest.raises(InvalidInput, match=r'"dense" without queries.*"bm25"'):
            measure(index, ["article 7"], mode="dense")
        dense = measure(index, mode="dense")
        assert (dense.queries, dense.queries_from, dense.queries_empty) == (120, "stored vectors", 0)
        assert (dense.embedding, dense.search.samples) == (None, 360)
        lexical = measure(index, ["article 7"], mode="bm25")
        for found in (dense, lexical):
            assert found.recall is not None
            assert (found.recall.recall, found.recall.stored, found.recall.queries) == (1.0, True, 120)


def test_what_may_not_be_seen_is_not_measured(tmp_path: Path) -> None:
    """Catches the latency of empty answers that passes for that of searches."""
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        index.upsert(documents(30, acl=["hr"]))
        found = measure(index)
        assert (found.queries_empty, found.recall) == (30, None)
        assert found.findings == ("no query found anything",)
        assert "finding: no query found anything" in str(found)
        found = measure(index, principals=["hr"])
        assert found.queries_empty == 0
        assert found.recall is not None
        assert found.findings == ()


def test_low_recall_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a benchmark that is content with anything."""
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        index.upsert(documents(50))
        search = index._compared

        def forgetful(*, exact: bool, **options: object) -> SearchResult:
            result = search(exact=exact, **options)  # type: ignore[arg-type]
            return result if exact else SearchResult("", result.hits[1:], "dense", result.snapshot, 0.0)

        monkeypatch.setattr(index, "_compared", forgetful)
        found = measure(index, ["article 7"])
    assert found.recall is not None
    assert found.recall.recall == pytest.approx(0.9)
    assert found.findings == (f"recall@10 is 0.9000, below {RECALL_LEAST}",)


@pytest.mark.parametrize("queries", [[], [" "], ["a", ""], "article 7", [7]])
def test_unusable_queries_are_refused(queries: list[str], tmp_path: Path) -> None:
    """Catches figures of nothing, and of a text that fell into letters."""
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        index.upsert(documents(5))
        with pytest.raises(InvalidInput, match="quer"):
            measure(index, queries)
        with pytest.raises(InvalidInput, match="top_k"):
            measure(index, top_k=0)
        with pytest.raises(InvalidInput, match="mode"):
            measure(index, mode="magic")  # type: ignore[arg-type]


def test_queries_are_read_from_both_kinds_of_file(tmp_path: Path) -> None:
    """Catches lines that are lost or kept blank, and separators inside a line that end it."""
    lines = tmp_path / "queries.txt"
    lines.write_bytes("\ufefffirst\r\n\n  second, \u2028 still second \nthird".encode())
    assert read_queries(lines) == ["first", "second, \u2028 still second", "third"]
    rows = tmp_path / "queries.jsonl"
    rows.write_text('{"_id": "q1", "text": "first"}\n\n{"query": "second", "grade": 1}\n')
    assert read_queries(rows) == ["first", "second"]


BAD: dict[str, tuple[str, bytes | None, str]] = {
    "absent": ("absent.txt", None, "there is no file"),
    "blank": ("blank.txt", b" \n\n", "write one on each line"),
    "not text": ("bytes.txt", b"a\xff\n", "not UTF-8 at byte 1"),
    "not JSON": ("rows.jsonl", b'{"text": "a"}\nplain\n', "line 2 of .* not valid JSON"),
    "deep": ("deep.jsonl", b"[" * 100_000, "line 1 of .* not valid JSON"),
    "no field": ("rows.jsonl", b'{"title": "a"}', 'line 1 of .* no text in field "text" or "query"'),
    "no object": ("rows.jsonl", b'["a"]', "line 1 of .* no JSON object"),
    "no string": ("rows.jsonl", b'{"text": 7}', "line 1 of .* no text in field"),
    "empty string": ("rows.jsonl", b'{"query": " "}', "line 1 of .* no text in field"),
}


@pytest.mark.parametrize("case", BAD)
def test_files_without_queries_are_refused(case: str, tmp_path: Path) -> None:
    """Catches a traceback for a wrong file, and a message that does not say which line."""
    name, content, message = BAD[case]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput, match=message):
        read_queries(tmp_path / name)
