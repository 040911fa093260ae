"""Calibration of one index: it makes probabilities truer, is kept safely, and is used by ``ask``."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ragstone
from ragstone import Document
from ragstone.answerability import FEATURES, Model
from ragstone.calibrated import FILE, Calibration, read_calibration, write_calibration
from ragstone.errors import InvalidInput, RagstoneError
from ragstone.evaluation.calibration import calibrate, generated_questions
from ragstone.evaluation.null import null

COUNT = len(FEATURES)
MODEL = Model((0.0,) * COUNT, (1.0,) * COUNT, (0.5,) * COUNT, 0.25, 0.5)


def filled(index: ragstone.Index, count: int = 80) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    """Documents in pairs that are alike but for one fact, and a question about each fact."""
    random = np.random.default_rng(4)
    words = [f"{a}{b}{c}{b}{a}o" for a in "bdfgk" for b in "aeiou" for c in "lmnrst"]
    documents, questions, qrels = [], {}, {}
    for number in range(count):
        own = [str(random.choice(words)) for _ in range(6)]
        text = f"The {own[0]} of {own[1]} has a {own[2]}. It was made by {own[3]} for {own[4]} and {own[5]}."
        documents.append(Document(f"d{number}", text))
        questions[f"q{number}"] = f"Which {own[2]} has the {own[0]} of {own[1]}?"
        qrels[f"q{number}"] = {f"d{number}": 1}
    index.upsert(documents)
    return questions, qrels


def test_calibration_makes_probabilities_truer(tmp_path: Path) -> None:
    """Catches a fit that is not used, or that makes things worse, on questions that it was not fitted on."""
    with ragstone.open(tmp_path / "kb", embedder=None) as index:
        questions, qrels = filled(index, 160)
        first = {name: text for number, (name, text) in enumerate(questions.items()) if number % 2}
        second = {name: text for name, text in questions.items() if name not in first}
        before = null(index, second, qrels=qrels)
        report = calibrate(index, first, qrels)
        after = null(index, second, qrels=qrels)
    assert not before.calibrated and after.calibrated
    assert before.near is not None and after.near is not None
    assert after.near.ece < before.near.ece
    assert after.near.auroc.value >= before.near.auroc.value - 0.02
    assert report.answerable == report.near == 80
    assert abs(after.kept.value - 0.95) < 0.08


def test_asking_obeys_the_calibration_and_notices_a_new_one(tmp_path: Path) -> None:
    """Catches an index that goes on with the shipped weights, and one that never looks again."""
    with ragstone.open(tmp_path / "kb", embedder=None) as index:
        index.upsert([Document("a", "Refunds are paid within 30 days.")])
        assert not index.ask("When are refunds paid?").abstained
        never = Model(MODEL.mean, MODEL.scale, (0.0,) * COUNT, -10.0, 0.9)
        write_calibration(tmp_path / "kb", Calibration(never, None, {}))
        assert index.ask("When are refunds paid?").abstained
        (tmp_path / "kb" / FILE).unlink()
        assert not index.ask("When are refunds paid?").abstained


def test_a_calibration_survives_work_snapshots_and_checks(tmp_path: Path) -> None:
    """Catches a file that the engine sweeps away, calls damage, or forgets to copy."""
    with ragstone.open(tmp_path / "kb", embedder=None) as index:
        index.upsert([Document("a", "Refunds are paid within 30 days.")])
        write_calibration(tmp_path / "kb", Calibration(MODEL, None, {"questions": 3}))
        index.upsert([Document("b", "Lunch is at noon.")])
        index.delete(document_ids=["a"])
        index.merge()
        index.snapshot(tmp_path / "copy")
    for place in ("kb", "copy"):
        with ragstone.open(tmp_path / place, verify="full", embedder=None) as index:
            found = index.calibration()
            assert found is not None
            assert (found.model, found.embedder, found.facts) == (MODEL, None, {"questions": 3})


def test_weights_for_another_embedder_are_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Catches cosines judged by weights that were fitted to another model's."""
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        index.upsert([Document("a", "Refunds are paid within 30 days.")])
        write_calibration(tmp_path / "kb", Calibration(MODEL, "0" * 64, {}))
        _, evidence = index.search_with_evidence("refunds")
        with caplog.at_level(logging.WARNING, "ragstone"):
            assert index.judge(evidence) != MODEL
        assert "another embedder" in caplog.text
        assert index.embedder is not None
        write_calibration(tmp_path / "kb", Calibration(MODEL, index.embedder.fingerprint, {}))
        assert index.judge(evidence) == MODEL
        # BM25 alone is another kind of evidence.
        assert index.judge(index.search_with_evidence("refunds", mode="bm25")[1]) != MODEL


@given(st.binary(max_size=300))
def test_hostile_bytes_are_refused_by_type(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Catches a crash, or weights taken from noise."""
    place = tmp_path_factory.mktemp("kb")
    (place / FILE).write_bytes(data)
    with pytest.raises(InvalidInput):
        read_calibration(place)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[" * 100_000,
        '{"format": 2}',
        '{"format": 1, "model": [], "facts": {}}',
        '{"format": 1, "model": {"mean": 1}, "embedder": 3}',
        " " * (1 << 20) + "{}",
        '{"format": 1, "model": {"bias": NaN}}',
    ],
    ids=["empty", "deep", "newer", "list", "number", "long", "nan"],
)
def test_files_of_another_shape_are_refused(tmp_path: Path, text: str) -> None:
    """Catches trust in a file that anyone can have written, and an error that does not name it."""
    (tmp_path / FILE).write_text(text)
    with pytest.raises(InvalidInput, match=FILE):
        read_calibration(tmp_path)


def test_damage_does_not_keep_an_index_from_searching(tmp_path: Path) -> None:
    """Catches a small file beside the data that locks people out of it."""
    with ragstone.open(tmp_path / "kb", embedder=None) as index:
        index.upsert([Document("a", "Refunds are paid within 30 days.")])
        (tmp_path / "kb" / FILE).write_text("damage")
        assert index.search("refunds").hits
        with pytest.raises(InvalidInput, match="calibrate"):
            index.ask("When are refunds paid?")


def test_writing_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a half-written file, or remains of one, after a disk has failed."""
    write_calibration(tmp_path, Calibration(MODEL, None, {}))
    before = (tmp_path / FILE).read_bytes()

    def fails(handle: int) -> None:
        raise OSError(5, "no space")

    monkeypatch.setattr("os.fsync", fails)
    with pytest.raises(RagstoneError, match="no space"):
        write_calibration(tmp_path, Calibration(MODEL, "f", {"more": 1}))
    assert (tmp_path / FILE).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_questions_can_be_made_from_the_corpus(tmp_path: Path) -> None:
    """Catches made questions that name no document of the index, or differ from run to run."""
    with ragstone.open(tmp_path / "kb", embedder=None) as index:
        filled(index)
        questions, qrels = generated_questions(index)
        assert (questions, qrels) == generated_questions(index)
        known = {source[0] for source in index.sources()}
        assert len(questions) >= 40
        assert all(set(qrels[name]) <= known for name in questions)
        report = calibrate(index)
    assert report.source == "generated"
    assert report.auroc_near is not None and report.auroc_near > 0.7
    assert json.loads((tmp_path / "kb" / FILE).read_text())["facts"]["source"] == "generated"


def test_unusable_questions_are_refused(tmp_path: Path) -> None:
    """Catches a model fitted on nothing."""
    with ragstone.open(tmp_path / "kb", embedder=None) as index:
        questions, qrels = filled(index)
        with pytest.raises(InvalidInput, match="0 questions"):
            calibrate(index, questions, {})
        with pytest.raises(InvalidInput, match="qrels"):
            calibrate(index, questions)
        with pytest.raises(InvalidInput, match="kept"):
            calibrate(index, questions, qrels, kept=1.5)
        assert not (tmp_path / "kb" / FILE).exists()
