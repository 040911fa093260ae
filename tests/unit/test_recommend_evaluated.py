"""What was measured so far: reports read, judged, too old, or among the training examples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ragstone.errors import InvalidInput
from ragstone.recommendation.evaluated import read_evaluation
from ragstone.recommendation.measurements import Evaluated

RETRIEVAL = {"metrics": {}, "queries": 150, "configuration": {"generation": 5}}
FINETUNE = {"task": "json", "baseline": {"scores": {"exact": {"value": 0.775, "samples": 40}}}}


def changes(*generations: int) -> list[dict[str, object]]:
    return [{"document_id": f"d{number}", "generation": one} for number, one in enumerate(generations)]


def test_reads_reports(tmp_path: Path) -> None:
    """Catches a baseline that is not counted as the plain prompt, and reports of which only one is read."""
    path = tmp_path / "retrieval.json"
    path.write_text(json.dumps(RETRIEVAL))
    found = read_evaluation([path, FINETUNE])
    assert found == Evaluated(prompt=(31, 40), judged_queries=150)


def test_is_stale_when_documents_changed_since() -> None:
    """Catches an evaluation of an old index that counts, and one that a single new document makes stale."""
    assert read_evaluation(RETRIEVAL, history=changes(6, 7, 8, 9, 10, 11), documents=100).stale
    assert not read_evaluation(RETRIEVAL, history=changes(6), documents=100).stale
    assert not read_evaluation(RETRIEVAL, history=changes(1, 2, 3, 4, 5), documents=5).stale
    assert not read_evaluation({"judged_queries": 9}, history=changes(6, 7), documents=2).stale


def test_finds_judged_queries_among_examples(tmp_path: Path) -> None:
    """Catches a leak that differs in case and marks only."""
    path = tmp_path / "queries.jsonl"
    path.write_text('{"_id": "a", "text": "What is the refund window?"}\n{"_id": "b", "text": "other"}\n')
    found = read_evaluation(path, trained_on=["what is the REFUND window", "third"])
    assert (found.judged_queries, found.leaking) == (2, 1)


def test_nothing_is_nothing() -> None:
    """Catches an evaluation made up where there is none."""
    assert read_evaluation(None) == Evaluated()
    kept = Evaluated(judged_queries=3)
    assert read_evaluation(kept) is kept


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"promt": {}}, "no 'promt'"),
        ({"prompt": 3}, "passed and tried"),
        ({"prompt": {"passed": 11, "tried": 10}}, "passed"),
        ({"prompt": {"passed": 1, "tried": 0}}, "tried"),
        ({"judged_queries": -1}, "judged_queries"),
        ({"judged_queries": True}, "judged_queries"),
        ([3], "an evaluation is"),
        ({"metrics": {}, "configuration": {}, "queries": "many"}, "queries"),
    ],
)
def test_refuses(source: Any, message: str) -> None:
    """Catches numbers that are none taken as numbers."""
    with pytest.raises(InvalidInput, match=message):
        read_evaluation(source)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_refuses_files(tmp_path: Path, content: bytes) -> None:
    """Catches any other error for a file that is no report."""
    path = tmp_path / "report.json"
    path.write_bytes(content)
    with pytest.raises(InvalidInput):
        read_evaluation(path)
