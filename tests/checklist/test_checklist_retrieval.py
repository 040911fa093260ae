"""Rows S1, S9, S11 to S16, S30 to S32 and S38: retrieval that is current, cited, measured, and the same each time."""

from __future__ import annotations

import hashlib
import inspect
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ragstone
from checklist.conftest import HANDBOOK, write_lines
from command_line import Run
from ragstone.citation import context
from ragstone.monitoring import QueryLog, read

QUERIES, QRELS = HANDBOOK / "queries" / "answerable.jsonl", HANDBOOK / "queries" / "qrels.tsv"


@pytest.fixture(scope="session")
def handbook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("checklist-handbook") / "kb"
    with ragstone.open(place, embedder="builtin") as index:
        index.ingest(HANDBOOK / "documents")
    return place


def questions() -> list[str]:
    return [json.loads(line)["text"] for line in QUERIES.read_text(encoding="utf-8").splitlines()]


# ── S1, S9: what was written is what is found ─────────────────────────────────────────────────────────────────────


def test_a_document_is_found_replaced_and_gone_at_once(run: Run, tmp_path: Path) -> None:
    """Catches an update that needs more than the same command again, and a deleted document that still answers."""
    files, kb = tmp_path / "files", tmp_path / "kb"
    files.mkdir()
    (files / "lunch.md").write_text("# Lunch\n\nLunch is served at noon.\n")

    def found(text: str | None) -> str:
        if text is None:
            (files / "refunds.md").unlink()
        else:
            (files / "refunds.md").write_text(f"# Refunds\n\nRefunds take {text} days.\n")
        assert run("index", files, "--into", kb, "--embedder", "builtin")[0] == 0
        return run("search", kb, "How long do refunds take?")[1]

    assert "Refunds take thirty days." in found("thirty")
    later = found("forty")
    assert "Refunds take forty days." in later and "thirty" not in later
    assert "Refunds take" not in found(None)


# ── S11, S12, S30, S38: what is measured of retrieval ─────────────────────────────────────────────────────────────


def test_five_chunks_are_returned_unless_told_otherwise(handbook: Path) -> None:
    """Catches a default that floods the prompt."""
    assert inspect.signature(ragstone.Index.search).parameters["top_k"].default == 5
    with ragstone.open(handbook, read_only=True) as index:
        assert len(index.search("refund")) == 5


def test_a_report_has_its_metrics_head_tail_and_configuration(handbook: Path, run: Run, tmp_path: Path) -> None:
    """Catches figures without interval, without head and tail, or without what they were measured on."""
    metrics = ["P@5", "R@5", "RR@10", "nDCG@10", "AP", "Success@5"]
    arguments = ("eval", "retrieval", handbook, "--queries", QUERIES, "--qrels", QRELS, "--metrics", *metrics)
    code, out, _ = run(*arguments, "--write-run", tmp_path / "run.txt", "--json")
    report = json.loads(out)
    assert code == 0 and report["queries"] == 150
    for group in (report["metrics"], report["frequency"]["head"], report["frequency"]["tail"]):
        assert set(group) == set(metrics)
        assert all(one["low"] <= one["value"] <= one["high"] for one in group.values())
    counts = [report["frequency"][part]["R@5"]["samples"] for part in ("head", "tail")]
    assert sum(counts) == 150 and min(counts) > 10
    assert report["metrics"]["nDCG@10"]["value"] > 0.7
    configuration = report["configuration"]
    assert {"documents", "chunks", "generation", "embedder", "mode", "fusion", "depth"} <= set(configuration)
    # A run that something else ranked again is measured by the same command, beside the one that it began with.
    lines = [line.split() for line in (tmp_path / "run.txt").read_text().splitlines()]
    again = [f"{query} Q0 {name} {rank} {-int(rank)} reranked" for query, _, name, rank, _, _ in lines]
    (tmp_path / "reranked.txt").write_text("\n".join(again) + "\n")
    told = ("eval", "retrieval", "--run", tmp_path / "reranked.txt", "--qrels", QRELS)
    compared = json.loads(run(*told, "--baseline", tmp_path / "run.txt", "--json", "--metrics", "nDCG@10")[1])
    assert compared["comparison"]["nDCG@10"]["difference"]["value"] == pytest.approx(0, abs=1e-9)
    assert compared["metrics"]["nDCG@10"]["value"] == pytest.approx(report["metrics"]["nDCG@10"]["value"])


def test_a_recommendation_names_its_configuration_by_a_digest(handbook: Path) -> None:
    """Catches two reports that cannot be told apart by what they were made with."""

    def digest(**options: Any) -> str:
        with ragstone.open(handbook, read_only=True) as index:
            made = ragstone.Recommender(index, **options).analyze(questions()[:60])
        assert made.configuration["sha256"] in made.to_markdown()
        return str(made.configuration["sha256"])

    found = [digest(), digest(seed=1), digest(needs={"audit": "high"})]
    assert len(set(found)) == 3 and digest() == found[0]


# ── S13: audited ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_logged_query_is_replayed_to_the_bit(handbook: Path, tmp_path: Path) -> None:
    """Catches an answer that cannot be shown again: asked, logged, the index changed, asked again on the snapshot."""
    asked = questions()[:25]
    with ragstone.open(handbook, read_only=True) as index:
        index.snapshot(tmp_path / "then")
    with ragstone.open(tmp_path / "then", read_only=True) as first:
        first.snapshot(tmp_path / "now")
    with ragstone.open(tmp_path / "now") as index, QueryLog(tmp_path / "log") as log:
        before = [index.ask(query) for query in asked]
        for answer in before:
            log.record(answer)
        gone = sorted({hit.document_id for answer in before for hit in answer.hits})[:5]
        index.delete(document_ids=gone)
        index.upsert([ragstone.Document("news", " ".join(asked))])
        assert [index.ask(query).hits for query in asked] != [answer.hits for answer in before]
    events = read(tmp_path / "log")
    assert [event.query for event in events] == asked
    assert sum(bool(answer.hits) for answer in before) >= 20
    with ragstone.open(tmp_path / "then", read_only=True) as index:
        for event, answer in zip(events, before, strict=True):
            replayed = index.ask(event.query)
            assert event.generation == (index.generation if answer.hits else None)
            assert replayed.hits == answer.hits and replayed.citations == answer.citations
            assert [hit.score.hex() for hit in replayed.hits] == [hit.score.hex() for hit in answer.hits]
            assert event.chunks == tuple(hit.chunk_id for hit in replayed.hits)


def test_each_citation_leads_to_its_characters_in_the_file(handbook: Path) -> None:
    """Catches an answer whose source cannot be looked up: document, span and digest are those of the file."""
    seen = 0
    with ragstone.open(handbook, read_only=True) as index:
        for query in questions()[:40]:
            for hit in index.ask(query).hits:
                cited = hit.citation
                assert (cited.document_id, cited.end > cited.start) == (hit.document_id, True)
                assert hashlib.sha256(hit.text.encode()).hexdigest() == cited.sha256
                if str(cited.source).endswith(".md"):
                    place = HANDBOOK / "documents" / cited.document_id
                    assert " ".join(hit.text.split()) in " ".join(place.read_text(encoding="utf-8").split())
                    seen += 1
    assert seen >= 40


# ── S14 to S16, S31, S32: grounded, silent where it should be, fast ───────────────────────────────────────────────


def test_an_invented_fact_lowers_the_groundedness(run: Run, tmp_path: Path) -> None:
    """Catches a rate that does not tell an answer from its source from an invented one."""
    source = "Refunds are paid within 30 days of the return. Opened packages are refunded at half price."

    def rate(answer: str) -> float:
        row = {"user_input": "How long do refunds take?", "response": answer, "retrieved_contexts": [source]}
        code, out, err = run("eval", "grounded", write_lines(tmp_path / "answers.jsonl", [row]), "--json")
        assert code == 0, err
        return float(json.loads(out)["rate"]["value"])

    assert rate("Refunds are paid within 30 days of the return.") == 1.0
    assert rate("Refunds are paid within 90 days of the return.") == 0.0


def test_what_the_corpus_does_not_hold_is_not_answered(handbook: Path) -> None:
    """Catches passages forced on questions without an answer."""
    far = [
        json.loads(line)["text"]
        for line in (HANDBOOK / "queries" / "unanswerable.jsonl").read_text(encoding="utf-8").splitlines()
        if json.loads(line)["kind"] == "far"
    ]
    with ragstone.open(handbook, read_only=True) as index:
        silent = sum(index.ask(query).abstained for query in far) / len(far)
        wrong = sum(index.ask(query).abstained for query in questions()) / len(questions())
    assert silent >= 0.8 and wrong <= 0.2


def test_the_model_keeps_nearly_all_of_two_seconds(handbook: Path) -> None:
    """Catches a retrieval that takes from the model's time: embedding, search and context in a tenth of a second.

    Of processor time, since a busy machine is no reason to fail.
    """
    spent = []
    with ragstone.open(handbook, read_only=True) as index:
        index.ask("warm")
        for query in questions():
            begin = time.process_time()
            packed = context(index.ask(query).hits)
            spent.append(time.process_time() - begin)
            assert len(packed) < 20_000
    assert np.quantile(spent, 0.99) < 0.1
