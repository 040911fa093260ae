"""Scores of a fine-tuned model, from files to report: the shipped samples, and files as strangers write them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ragstone.cli import main
from ragstone.errors import InvalidInput
from ragstone.evaluation.finetune import FinetuneReport, TextScores, finetune, read_finetune, read_schema
from ragstone.scoring import JsonScores, LabelScores

SAMPLES = Path(__file__).resolve().parents[2] / "corpora" / "evaluation" / "finetune"


def shipped(task: str) -> FinetuneReport:
    predictions, references, baseline = read_finetune(
        SAMPLES / f"{task}-predictions.jsonl", SAMPLES / f"{task}-references.jsonl", SAMPLES / f"{task}-baseline.jsonl"
    )
    return finetune(predictions, references, baseline=baseline)


def test_shipped_labels() -> None:
    """Catches a wrong task guessed, or figures that are not those of the files."""
    report = shipped("labels")
    assert (report.task, report.inferred, report.samples) == ("labels", True, 50)
    assert isinstance(report.scores, LabelScores) and report.baseline is not None
    assert isinstance(report.baseline.scores, LabelScores)
    assert report.scores.accuracy.value == pytest.approx(46 / 50)
    assert report.baseline.scores.unknown == {"Account.": 1, "support": 1}
    assert report.baseline.gains["macro-F1"].low > 0


def test_shipped_json() -> None:
    """Catches an invalid answer that passes, or a gain without its sign."""
    pytest.importorskip("jsonschema", reason="needs the extra [eval]")
    predictions, references, baseline = read_finetune(
        SAMPLES / "json-predictions.jsonl", SAMPLES / "json-references.jsonl", SAMPLES / "json-baseline.jsonl"
    )
    schema = read_schema(SAMPLES / "json-schema.json")
    report = finetune(predictions, references, schema=schema, baseline=baseline)
    assert isinstance(report.scores, JsonScores) and report.baseline is not None
    plain = report.baseline.scores
    assert isinstance(plain, JsonScores)
    assert report.scores.valid is not None and report.scores.valid.value == 1.0
    assert (plain.fenced, plain.missing) == (7, 1)
    assert report.baseline.gains["valid"].value == pytest.approx(1 - sum(plain.passed) / 40)
    assert report.baseline.gains["fields"].low > 0


def test_shipped_text() -> None:
    """Catches a tuned model that writes in the right voice called different, or the baseline called consistent."""
    report = shipped("text")
    assert isinstance(report.scores, TextScores) and report.baseline is not None
    assert isinstance(report.baseline.scores, TextScores)
    assert report.scores.style is not None and report.baseline.scores.style is not None
    assert report.scores.style.verdict == "consistent"
    assert report.baseline.scores.style.verdict == "different"
    assert report.baseline.gains["style"].low > 0


def test_style_is_not_judged_from_a_few_texts() -> None:
    """Catches an error, or a verdict, where there are too few texts for one."""
    report = finetune({"1": "Hello  there, you."}, {"1": "Hello there, you."}, task="text")
    assert isinstance(report.scores, TextScores)
    assert (report.scores.exact.value, report.scores.style) == (1.0, None)
    assert "20 texts" in str(report)
    assert "baseline       none" in str(report)


@pytest.mark.parametrize(
    ("references", "task"),
    [
        ({"1": "a", "2": "b", "3": "a", "4": "a"}, "labels"),
        ({"1": ["a"], "2": []}, "labels"),
        ({"1": {"a": 1}}, "json"),
        ({"1": '{"a": 1}', "2": " [1]"}, "json"),
        ({"1": "a", "2": "b", "3": "c"}, "text"),
        (
            {str(n): "A long answer that comes twice, and is no label at all for it is too long." for n in range(4)},
            "text",
        ),
    ],
)
def test_the_task_is_what_references_look_like(references: dict[str, object], task: str) -> None:
    """Catches labels scored as prose, or JSON as labels."""
    try:
        assert finetune(references, references).task == task
    except InvalidInput as error:
        assert task == "labels" and "no label" in str(error)


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" if not isinstance(row, str) else row + "\n" for row in rows))
    return path


RIGHT = ({"id": "1", "reference": "a"}, {"id": "2", "reference": "b"})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (({"id": "1", "prediction": "a"},), "line 2 of '.*right.jsonl' has the id '2', which '.*given.jsonl' lacks"),
        (
            ({"id": "1", "prediction": "a"}, {"id": "2", "prediction": "a"}, {"id": "9", "prediction": "a"}),
            "line 3 of '.*given.jsonl' has the id '9', which '.*right.jsonl' lacks",
        ),
        (
            ({"id": "1", "prediction": "a"}, {"id": 1, "prediction": "a"}),
            "line 2 of '.*given.jsonl' has the id '1' of line 1",
        ),
        (({"prediction": "a"},), 'line 1 of .* has no "id"'),
        (({"id": "1"},), 'line 1 of .* has no "prediction"'),
        (("{",), "line 1 of .* is not valid JSON"),
        (('{"id": "1", "prediction": NaN}',), "line 1 of .*NaN"),
        ((), "has no samples"),
    ],
)
def test_files_that_do_not_fit_are_refused_by_line(tmp_path: Path, rows: tuple[object, ...], message: str) -> None:
    """Catches samples that are silently left out of the figures."""
    right, given = write(tmp_path / "right.jsonl", *RIGHT), write(tmp_path / "given.jsonl", *rows)
    with pytest.raises(InvalidInput, match=message):
        read_finetune(given, right)
    with pytest.raises(InvalidInput, match=message):
        read_finetune(
            write(tmp_path / "other.jsonl", *({"id": one["id"], "prediction": "a"} for one in RIGHT)), right, given
        )


def test_arguments_that_do_not_fit_are_refused() -> None:
    """Catches a report about other samples than the caller thinks of."""
    with pytest.raises(InvalidInput, match="id 'x' is only in the predictions"):
        finetune({"x": "a", "1": "a"}, {"1": "a"})
    with pytest.raises(InvalidInput, match="id '2' is only in the baseline"):
        finetune({"1": "a"}, {"1": "a"}, baseline={"1": "a", "2": "b"})
    with pytest.raises(InvalidInput, match="goes with the task"):
        finetune({"1": "a"}, {"1": "a"}, task="labels", schema={})
    with pytest.raises(InvalidInput, match="no references"):
        finetune({}, {})
    with pytest.raises(InvalidInput, match='the task "text" takes text'):
        finetune({"1": {}}, {"1": "a"}, task="text")
    with pytest.raises(InvalidInput, match="a label is text"):
        finetune({"1": 3}, {"1": "a"}, task="labels")
    with pytest.raises(InvalidInput, match="seed"):
        finetune({"1": "a"}, {"1": "a"}, task="labels", seed=-1)


def test_a_schema_file_that_is_none_is_refused(tmp_path: Path) -> None:
    """Catches a schema that cannot be read and lets everything pass."""
    for text, message in (("{", "is no JSON"), ("[]", "a JSON Schema is an object"), ('{"a": NaN}', "NaN")):
        path = write(tmp_path / "schema.json", text)
        with pytest.raises(InvalidInput, match=message):
            read_schema(path)
    with pytest.raises(InvalidInput, match="no file"):
        read_schema(tmp_path / "none.json")
    (tmp_path / "schema.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(InvalidInput, match=r"schema\.json"):
        read_schema(tmp_path / "schema.json")


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Catches a verb that is not there, JSON that is not one object, or a traceback for a wrong file."""
    files = ["--predictions", SAMPLES / "labels-predictions.jsonl", "--references", SAMPLES / "labels-references.jsonl"]
    arguments = [*map(str, files), "--baseline", str(SAMPLES / "labels-baseline.jsonl")]
    assert main(["eval", "finetune", *arguments]) == 0
    assert "gain over the baseline" in capsys.readouterr().out
    assert main(["eval", "finetune", *arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["scores"]["accuracy"]["value"] == pytest.approx(0.92)
    assert found["baseline"]["gains"]["accuracy"]["samples"] == 50
    assert main(["eval", "finetune", *arguments, "--references", str(tmp_path / "none"), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"] == "InvalidInput"
