"""What lexical search is measured against: the exact scores, what counts as found, and what is reported of it."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benches import report
from benches.lexical_data import K1, B, Reference, Terms, invert, opaque, overlap

RANDOM = np.random.default_rng(17)
TEXTS = [[int(term) for term in RANDOM.zipf(1.6, RANDOM.integers(1, 40)) if term < 30] or [0] for _ in range(200)]
MACHINE = {"cpu": "Processor", "cores": 2, "instruction_set": "avx2", "date": "2026-01-02", "commit": "abc1234"}


def inverted() -> Terms:
    flat = np.array([term for text in TEXTS for term in text], dtype=np.int32)
    lengths = np.array([len(text) for text in TEXTS])
    return Terms("tiny", "plain", *invert(flat, lengths, 30), lengths.astype(np.uint32), Path())


def naive(query: list[int], text: list[int]) -> float:
    """The formula, word for word."""
    average = sum(map(len, TEXTS)) / len(TEXTS)
    score = 0.0
    for term, times in Counter(query).items():
        df = sum(term in other for other in TEXTS)
        idf = math.log(1 + (len(TEXTS) - df + 0.5) / (df + 0.5))
        tf = text.count(term)
        score += times * idf * tf / (tf + K1 * (1 - B + B * len(text) / average))
    return score


def test_the_reference_is_the_formula() -> None:
    """Catches a reference that loses postings at a list's border, repeated query terms, or sums of the query before."""
    reference = Reference(inverted())
    for query in ([1], [1, 1], [2, 7, 3], [29, 0], list(range(30))):
        rows, scores = reference.scores(query)
        wanted = [naive(query, text) for text in TEXTS]
        assert rows.tolist() == [row for row, score in enumerate(wanted) if score > 0]
        assert scores == pytest.approx([score for score in wanted if score > 0], rel=1e-12)
    assert [len(values) for values in reference.scores([])] == [0, 0]


def test_any_row_of_a_tie_is_right_and_nothing_else() -> None:
    """Catches overlap that punishes another order of equal scores, or forgives rows that are worse or unknown."""
    rows, scores = np.array([2, 4, 6, 8]), np.array([3.0, 2.0, 2.0, 1.0])
    assert overlap(np.array([2, 4]), rows, scores, 2) == (1.0, 1.0)
    assert overlap(np.array([2, 6]), rows, scores, 2) == (0.5, 1.0)
    assert overlap(np.array([2, 8]), rows, scores, 2) == (0.5, 0.5)
    assert overlap(np.array([2, 99]), rows, scores, 2) == (0.5, 0.5)
    assert overlap(np.array([2, -1]), rows, scores, 2) == (0.5, 0.5)
    assert overlap(np.array([2, 4, 6, 8]), rows, scores, 10) == (1.0, 1.0)
    assert overlap(np.array([7]), rows[:0], scores[:0], 10) == (0.0, 0.0)
    with pytest.raises(SystemExit, match="twice"):
        overlap(np.array([2, 2]), rows, scores, 2)


def test_opaque_words_differ_and_keep_their_order() -> None:
    """Catches two terms with one word, and an order that systems with sorted dictionaries would not keep."""
    words = [opaque(number) for number in (0, 1, 25, 26, 27, 675, 676, 2_000_000, 26**5 - 1)]
    assert words == sorted(set(words))
    assert {len(word) for word in words} == {5}


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of results in place of the recorded ones."""
    monkeypatch.setattr(report, "ROOT", tmp_path)
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    return tmp_path


def record(folder: Path, name: str, **outcome: Any) -> None:
    shared = {"texts": 1_000_000, "terms": "plain", "machine": MACHINE, "versions": {"tantivy": "tantivy 1.2"}}
    (folder / f"{name}.json").write_text(json.dumps(shared | outcome))


def test_every_class_and_every_promise_is_reported(results: Path) -> None:
    """Catches a class in the wrong column, overlap rounded up, a missed promise that looks kept, and a lost run."""
    assert report.lexical() == report.lexical_promises() == ""
    ours = {"questions": {"p50_us": 101.4, "p99_us": 1204.0}, "rare": {"p50_us": 2.84, "p99_us": 5.0}}
    theirs = {"questions": {"p50_us": 820.0, "p99_us": 4000.0, "times_p50_us": 8.087}}
    promise = {"what": "times faster", "wanted": 8, "reached": 7.9, "by_cpu": 8.0, "met": False}
    runners = {
        "ragstone": {"top10": ours, "exactness@10": {"tie_aware": 1.0}},
        "tantivy": {"top10": theirs, "exactness@10": {"tie_aware": 0.96259}},
    }
    record(results, "lexical-1m", contestants=runners, targets=[promise])
    record(results, "lexical-1m-exactness", queries=100_000, wrong=2, score_error=6e-8, targets=[])
    text = report.lexical()
    assert "| **Ragstone** | **101 / 1,204** | **2.8 / 5** | 1.0000 |" in text
    assert "| tantivy | 820 / 4,000: 8.09 × | – | 0.9625 |" in text
    assert "**2 not exact**" in text
    assert "tantivy 1.2" in text
    assert "| 1,000,000 texts | times faster | 8 | **7.9: missed** | 8 |" in report.lexical_promises()
