"""Groundedness over many answers: figures, files, index, command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import ragstone
from ragstone.cli import main
from ragstone.errors import InvalidInput
from ragstone.evaluation.grounded import groundedness, read_answers

FILE = Path(__file__).resolve().parents[2] / "corpora" / "evaluation" / "grounded" / "answers.jsonl"
GOOD = {"user_input": "How long?", "retrieved_contexts": ["It takes 30 days."], "response": "It takes 30 days [1]."}
BAD = {"user_input": "How long?", "retrieved_contexts": ["It takes 30 days."], "response": "It takes 31 days. Is it?"}


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), "utf-8")
    return path


def test_figures_add_up() -> None:
    """Catches a figure over the wrong whole: answers, sentences, citations, all sentences."""
    report = groundedness([GOOD, BAD])
    assert report.metric == "groundedness-T0"
    assert report.rate is not None and (report.rate.value, report.rate.samples) == (0.5, 2)
    assert report.rate_micro is not None and (report.rate_micro.value, report.rate_micro.samples) == (0.5, 2)
    assert report.citation_recall is not None and (report.citation_recall.value, report.citation_recall.samples) == (0.5, 2)
    assert report.citation_precision is not None and report.citation_precision.samples == 1
    assert report.uncheckable is not None and report.uncheckable.value == pytest.approx(1 / 3)
    assert report.unsupported_answers is not None and report.unsupported_answers.value == 0.5
    assert [row.grounding.rate for row in report.rows] == [1.0, 0.0]
    assert "groundedness-T0" in str(report) and "31 days" in str(report) and "31 days" in report._repr_html_()


def test_without_marks_there_are_no_citation_figures() -> None:
    """Catches a citation recall of 0 for answers that were never asked to cite."""
    report = groundedness([BAD])
    assert report.citation_recall is None and report.citation_precision is None
    assert json.loads(json.dumps(ragstone.cli.common.plain(report.to_dict())))["citation_recall"] is None


def test_the_projects_answers() -> None:
    """Catches a file that cannot be read whole, and figures of it that are not those of its labels."""
    rows = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    report = groundedness(read_answers(FILE))
    assert len(report.rows) == len(rows)
    said = [value for row in rows for value in row.get("t0", row["truth"])]
    assert report.rate_micro is not None and report.rate_micro.value == pytest.approx(sum(said) / len(said))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([GOOD, "{"], "line 2 of .* is not valid JSON"),
        ([GOOD, {"response": "a"}], "line 2 of .* has no 'retrieved_contexts'"),
        ([{"retrieved_contexts": ["a"]}], "line 1 of .*response"),
        ([{"retrieved_contexts": "a", "response": "a"}], "line 1 of .* no list of strings"),
        ([{"retrieved_context_ids": ["a#0"], "response": "a"}], "line 1 of .*--kb"),
        ([], "no row"),
    ],
)
def test_bad_files_are_refused_by_line(tmp_path: Path, rows: list[object], message: str) -> None:
    """Catches a malformed row that is skipped, or refused without telling where."""
    with pytest.raises(InvalidInput, match=message):
        read_answers(write(tmp_path / "answers.jsonl", *rows))


def test_bad_rows_are_refused_by_number() -> None:
    """Catches a row given in Python that fails with a KeyError."""
    with pytest.raises(InvalidInput, match="answer 2 has no 'retrieved_contexts'"):
        groundedness([GOOD, {"response": "a"}])
    with pytest.raises(InvalidInput, match="no answer to check"):
        groundedness([])


def test_contexts_come_from_an_index_by_id(tmp_path: Path) -> None:
    """Catches the wrong chunk for an id, an unknown id, and contexts that are not what the index has."""
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        index.upsert([ragstone.Document("days", "It takes 30 days.")])
        row = {"retrieved_context_ids": ["days#0"], "response": "It takes 30 days [1]."}
        (answer,) = read_answers(write(tmp_path / "a.jsonl", row), index)
        assert answer.retrieved_contexts == ("It takes 30 days.",)
        for change, message in (
            ({"retrieved_context_ids": ["days#7"]}, "'days#7', which is not in the index"),
            ({"retrieved_context_ids": ["nothing"]}, "'nothing', which is not in the index"),
            ({"retrieved_contexts": ["It takes 31 days."]}, "number 1 is another text"),
        ):
            with pytest.raises(InvalidInput, match=message):
                read_answers(write(tmp_path / "b.jsonl", {**row, **change}), index)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches output that is not one JSON object, and exit codes that do not tell a finding from bad use."""
    file = write(tmp_path / "answers.jsonl", GOOD, BAD)
    assert main(["eval", "grounded", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["metric"] == "groundedness-T0" and found["rate"]["value"] == 0.5
    assert found["rows"][1]["sentences"][0]["unsupported"][0]["reason"] == "number '31 days' is in no source"
    assert main(["eval", "grounded", str(file), "--least", "0.9"]) == 1
    assert "groundedness-T0" in capsys.readouterr().out
    assert main(["eval", "grounded", str(tmp_path / "none.jsonl")]) == 2
    assert "none.jsonl" in capsys.readouterr().err
