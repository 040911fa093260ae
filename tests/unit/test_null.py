"""Null retrieval: what a report says of questions with and without answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import ragstone
from ragstone import Document
from ragstone.cli import main
from ragstone.errors import InvalidInput
from ragstone.evaluation.null import _separation, null

TEXTS = {"a": "Refunds are paid within 30 days.", "b": "Lunch is served at noon.", "c": "The depot is in Gera."}
QUESTIONS = {"q1": "When are refunds paid?", "q2": "When is lunch served?", "q3": "Where is the depot?"}
QRELS = {"q1": {"a": 1}, "q2": {"b": 1}, "q3": {"c": 1}}


@pytest.fixture
def kb(tmp_path: Path) -> Path:
    with ragstone.open(tmp_path / "kb", embedder=None) as index:
        index.upsert([Document(name, text) for name, text in TEXTS.items()])
    return tmp_path / "kb"


def test_a_report_has_the_corpus_and_both_kinds(kb: Path) -> None:
    """Catches figures without the size that they depend on, and kinds mixed up."""
    with ragstone.open(kb, embedder=None) as index:
        report = null(index, QUESTIONS, ["Who discovered penicillin?"], QRELS)
        assert (report.chunks, report.documents, report.generation) == (3, 3, index.generation)
    assert report.near is not None and report.far is not None
    assert (report.near.refused.samples, report.far.refused.samples, report.kept.samples) == (3, 1, 3)
    assert report.near.auroc.value == report.far.auroc.value == 1.0
    assert report.rate.samples == 4
    assert report.rate.value == pytest.approx(1 - (report.kept.value * 3 + (1 - report.far.refused.value)) / 4)
    assert "3 chunks of 3 documents" in str(report)
    assert json.loads(json.dumps(report.to_dict()))["near"]["risk"]["1.0"] == 0.5


def test_near_needs_judgements_and_something_must_be_measured(kb: Path) -> None:
    """Catches a report that claims what was not measured."""
    with ragstone.open(kb, embedder=None) as index:
        assert null(index, QUESTIONS, ["Who discovered penicillin?"]).near is None
        assert null(index, QUESTIONS, qrels=QRELS).far is None
        with pytest.raises(InvalidInput, match="unanswerable"):
            null(index, QUESTIONS)
        with pytest.raises(InvalidInput, match="answerable"):
            null(index, {}, ["Who discovered penicillin?"])
        with pytest.raises(InvalidInput, match="qrels"):
            null(index, QUESTIONS, qrels={"other": {"a": 1}})


def test_separation_counts_each_class_half() -> None:
    """Catches figures that move with the number of unanswerable questions."""
    yes, no = np.linspace(0.4, 0.9, 100), np.linspace(0.1, 0.6, 100)
    few = _separation(yes, no[::10], no[::10] >= 0.5)
    many = _separation(yes, no, no >= 0.5)
    assert abs(few.ece - many.ece) < 0.03
    assert many.risk[1.0] == few.risk[1.0] == 0.5
    assert many.risk[0.25] == 0.0
    assert many.passing.value == pytest.approx(np.mean(no >= np.quantile(yes, 0.05)))
    assert many.refused.value == pytest.approx(0.8)


def test_the_commands_print_reports(kb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches verbs that do not read their files, and output that is no JSON."""
    questions = tmp_path / "questions.jsonl"
    questions.write_text("".join(json.dumps({"_id": key, "text": text}) + "\n" for key, text in QUESTIONS.items()))
    qrels = tmp_path / "qrels.tsv"
    qrels.write_text("".join(f"{query}\t{document}\t1\n" for query, own in QRELS.items() for document in own))
    arguments = ["eval", "null", str(kb), "--questions", str(questions), "--qrels", str(qrels), "--json"]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["chunks"] == 3
    assert main(["calibrate", str(kb), "--questions", str(questions), "--qrels", str(qrels)]) == 2
    assert "20 are needed" in capsys.readouterr().err
    assert main(["calibrate", str(kb), "--questions", str(questions)]) == 2
