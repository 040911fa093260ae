"""Freshness: lags are measured in another process, what is deleted never comes back, what was replaced is not cited."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

import pytest

import ragstone
from ragstone.cli import main
from ragstone.errors import InvalidInput, StorageError
from ragstone.evaluation.freshness import Freshness, freshness
from ragstone.evaluation.staleness import Change, read_changes, replaced_answers, stale_answers

CORPUS = Path(__file__).resolve().parents[2] / "corpora" / "handbook"


@pytest.fixture
def kb(tmp_path: Path) -> Path:
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        index.upsert(ragstone.Document(f"d{n}", f"Document {n} speaks of refunds and lunch.") for n in range(20))
    return tmp_path / "kb"


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != "LOCK"}


def test_lags_are_measured_and_the_index_is_left_alone(kb: Path) -> None:
    """Catches a write to the user's index, a lag that is no time, or a promise that is broken."""
    before = content(kb)
    started = time.perf_counter()
    with ragstone.open(kb, read_only=True) as index:
        found = freshness(index, rounds=8)
    elapsed_ms = (time.perf_counter() - started) * 1000
    assert content(kb) == before
    assert found.findings == ()
    assert [lag.write for lag in found.lags] == ["add", "replace", "delete"]
    assert (found.documents, found.chunks, found.embedder, found.rounds) == (20, 20, "hashing", 8)
    for lag in found.lags:
        assert lag.from_start_ms_p50.samples == 8
        assert 0 < lag.from_start_ms_p50.value <= lag.from_start_ms_p99.value < elapsed_ms
        assert 0 < lag.call_ms_p50.value < elapsed_ms
        # Visible at about the time at which the call returns, not seconds later.
        assert lag.from_return_ms_p50.value < lag.from_start_ms_p50.value


def test_a_writable_index_and_one_without_vectors_can_be_measured(tmp_path: Path) -> None:
    """Catches a copy that cannot be opened as the index was."""
    with ragstone.open(tmp_path / "kb", embedder=None) as index:
        index.upsert([ragstone.Document("a", "north")], embeddings=[[0.0, 1.0]])
        seen: list[tuple[int, int]] = []
        found = freshness(index, rounds=2, workspace=tmp_path, progress=lambda done, all: seen.append((done, all)))
        assert found.findings == () and found.embedder is None
        assert seen == [(1, 2), (2, 2)]
        assert len(index) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["kb"], "the copy is gone"


def test_an_empty_index_can_be_measured(tmp_path: Path) -> None:
    """Catches a division by no documents."""
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        assert freshness(index, rounds=1).findings == ()


def test_broken_promises_are_findings() -> None:
    """Catches a report that says all is well whatever was counted."""
    fine = Freshness(1, 1, 1, None, 1, (), 0, 0, 0, 0, 0.1, 1.0)
    assert fine.findings == ()
    for name in ("lost", "mixed", "returned", "own"):
        assert len(dataclasses.replace(fine, **{name: 2}).findings) == 1
        assert "2 " in str(dataclasses.replace(fine, **{name: 2}))


def test_a_reader_that_dies_is_an_error(kb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a wait without end for a process that is not there."""
    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    with ragstone.open(kb, read_only=True) as index, pytest.raises(StorageError, match="cannot be started"):
        freshness(index, rounds=1)
    monkeypatch.setattr("sys.executable", "/bin/true")
    with ragstone.open(kb, read_only=True) as index, pytest.raises(StorageError, match="has ended"):
        freshness(index, rounds=1)
    for rounds in (0, -1, 1.5, True):
        with ragstone.open(kb, read_only=True) as index, pytest.raises(InvalidInput, match="rounds"):
            freshness(index, rounds=rounds)  # type: ignore[arg-type]


def test_a_deleted_document_is_never_returned(tmp_path: Path) -> None:
    """Catches a deleted document in any mode, on any handle, before or after merges and reopening."""
    path = tmp_path / "kb"
    with (
        ragstone.open(path, embedder="builtin") as writer,
        ragstone.open(path, read_only=True, embedder="builtin") as reader,
    ):
        writer.upsert(ragstone.Document(f"d{n}", f"Refund rule number {n} of the shop.") for n in range(40))
        for number in range(0, 40, 2):
            writer.delete(document_ids=[f"d{number}"])
            reader.refresh()
            for index in (writer, reader):
                for mode in ("hybrid", "dense", "bm25"):
                    found = index.search(f"Refund rule number {number}", top_k=40, mode=mode)  # type: ignore[arg-type]
                    gone = {f"d{n}" for n in range(0, number + 1, 2)}
                    assert found and not gone & {hit.document_id for hit in found}
        writer.merge()
        reader.refresh()
        assert {hit.document_id for hit in reader.search("Refund rule", top_k=40)} == {f"d{n}" for n in range(1, 40, 2)}
    with ragstone.open(path, read_only=True) as again:
        assert {hit.document_id for hit in again.search("Refund rule", top_k=40)} == {f"d{n}" for n in range(1, 40, 2)}


def test_replaced_documents_of_the_handbook_are_not_cited_any_more() -> None:
    """Catches an old edition among the hits after it was replaced; before, the same questions do find it."""
    found = replaced_answers(CORPUS, embedder="builtin")
    assert found.before.cited.value >= 0.8, "the questions find the old text while it is there"
    assert (found.after.cited.value, found.after.unresolved, found.after.answers) == (0.0, 0, ())
    assert found.after.current.value >= 0.8
    assert found.after.questions == found.before.questions >= 40
    assert found.beside.cited.value > 0.5, "two editions side by side do compete"
    assert found.filtered.cited.value == 0.0
    assert "same document ids" in str(found)
    json.dumps(found.to_dict(), default=dataclasses.asdict)


def test_stale_hits_are_told_by_document_and_by_text(tmp_path: Path) -> None:
    """Catches an old edition that counts as fresh, or the old text of another document that counts as stale."""
    change = Change("refund window", "old", "30 days", "new", "45 days")
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        index.upsert(
            [ragstone.Document("x/new", "Refund window: 45 days."), ragstone.Document("other", "Lunch: 30 days.")]
        )
        fresh = stale_answers(index, [change])
        assert (fresh.cited.value, fresh.current.value, fresh.unjudged) == (0.0, 1.0, 0)
        index.upsert([ragstone.Document("x/old", "Refund window: refund window 30 days.")])
        stale = stale_answers(index, [change])
        assert (stale.cited.value, [one.document_id for one in stale.answers]) == (1.0, ["x/old"])
        same = dataclasses.replace(change, old_document="new")
        assert stale_answers(index, [same]).cited.value == 0.0
        index.upsert([ragstone.Document("x/new", "Refund window: 45 days, once 30 DAYS.")])
        with pytest.raises(InvalidInput, match="none of the 1 changes can be judged"):
            stale_answers(index, [same])
        assert stale_answers(index, [same, dataclasses.replace(same, old_text="60 days")]).unjudged == 1


def test_changes_are_read_by_line(tmp_path: Path) -> None:
    """Catches a file that is silently read in part."""
    changes = read_changes(CORPUS / "queries" / "changed-facts.jsonl")
    assert len(changes) == 45 and changes[0].old_document == "2026-01/price-list.md"
    path = tmp_path / "changes.jsonl"
    row = {"question": "q", "document": "a", "old_text": "x", "new_text": "y"}
    path.write_text(json.dumps(row) + "\n")
    assert read_changes(path) == [Change("q", "a", "x", "a", "y")]
    for name in row:
        path.write_text(json.dumps(row) + "\n" + json.dumps({**row, name: ""}) + "\n")
        with pytest.raises(InvalidInput, match=f"line 2 of .* has no text in field .*{name}"):
            read_changes(path)
    path.write_text("")
    with pytest.raises(InvalidInput, match="has no changes"):
        read_changes(path)
    with pytest.raises(InvalidInput, match="no file"):
        replaced_answers(tmp_path)


def test_the_command(kb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a verb that is not there, or a stale answer that ends with success."""
    assert main(["eval", "freshness", str(kb), "--rounds", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["lag"]["rounds"] == 2 and found["stale"] is None
    assert found["lag"]["lags"][0]["from_start_ms_p99"]["high"] is None, "too few rounds for an upper end"
    changes = tmp_path / "changes.jsonl"
    row = {"question": "refunds", "old_document": "d3", "old_text": "x", "new_document": "d4", "new_text": "lunch"}
    changes.write_text(json.dumps(row) + "\n")
    assert main(["eval", "freshness", str(kb), "--rounds", "1", "--changes", str(changes)]) in (0, 1)
    assert "stale answers: best hit superseded" in capsys.readouterr().out
    for wrong in ([], [str(kb), "--corpus", str(CORPUS)], [str(kb), "--changes", str(tmp_path / "none")]):
        assert main(["eval", "freshness", *wrong]) == 2
