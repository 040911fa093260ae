"""The hand-off bundle: what lies in it, that it loads, runs and hides nothing, and that it is whole or not there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ragstone
from ragstone.errors import InvalidInput, StorageError
from ragstone.handoff import Handoff, find_leaks, write_bundle
from ragstone.handoff.formats import FORMATS, SCHEMAS

SAMPLES = Path(__file__).resolve().parents[2] / "corpora" / "evaluation" / "handoff"
PAIRS, VERSIONS = SAMPLES / "pairs.jsonl", SAMPLES / "versions.jsonl"
ADVICE: dict[str, object] = {
    "decision": "fine_tune",
    "maintenance": {"rag": {"hours_per_month": 4.0}, "tasks": [{"name": "label new queries", "hours": 2}]},
}
TOWNS_TEXT = "Oslo Lima Rome Kyiv Bern Cork Graz Nice Gent Riga Faro Bari Brno Lyon Metz Pisa Turin York Bath Jena"
TOWNS = TOWNS_TEXT.split()


def write(place: Path, examples: Any = PAIRS, **options: Any) -> Handoff:
    return write_bundle(place, recommendation=ADVICE, examples=examples, **options)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def data(place: Path, form: str) -> dict[str, list[dict[str, Any]]]:
    return {path.stem: rows(path) for path in sorted((place / "data" / form).glob("*.jsonl"))}


def labelled(labels: int = 4, times: int = 30) -> list[dict[str, object]]:
    """Messages with a word of their label, each about another thing."""
    return [
        {
            "text": f"{TOWNS[n % 20]} {n} topic{label} {TOWNS[(7 * n + label) % 20]} {label * n}",
            "label": f"topic {label}",
        }
        for label in range(labels)
        for n in range(times)
    ]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Handoff]:
    place = tmp_path_factory.mktemp("handoff") / "bundle"
    return place, write(place)


def test_everything_that_was_promised_is_there(bundle: tuple[Path, Handoff]) -> None:
    """Catches a page, form, configuration or part of the evaluation kit that is missing, or a file nobody expects."""
    place, done = bundle
    found = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    assert found == {
        "PLAN.md",
        "decision.json",
        "data_card.md",
        "COST.md",
        "RETRAIN.md",
        "MAINTENANCE.md",
        "dropped.jsonl",
        "volatile_facts.jsonl",
        "leakage.json",
        "pii.jsonl",
        "handoff.json",
        "data/dataset_info.json",
        *(f"data/{form}/{split}.jsonl" for form in FORMATS for split in ("train", "valid", "test")),
        *(f"configs/{name}.yaml" for name in ("axolotl", "trl_sft", "llamafactory")),
        *(
            f"eval/{name}"
            for name in ("eval.py", "requests.jsonl", "references.jsonl", "thresholds.json", "baseline_prompt.txt")
        ),
        "eval/style_ref.jsonl",
        "eval/drift.json",
    }
    assert set(done.files) | {"handoff.json"} == found
    assert json.loads((place / "decision.json").read_text()) == ADVICE
    assert json.loads(json.dumps(done.to_dict()))["task"] == "text"
    assert "hours_per_month: 4" in (place / "MAINTENANCE.md").read_text()


def test_every_example_is_used_or_told(bundle: tuple[Path, Handoff]) -> None:
    """Catches an example that vanishes without a reason."""
    place, done = bundle
    assert done.read == done.train + done.valid + done.test + done.dropped == 47
    reasons = {row["line"]: row["reason"] for row in rows(place / "dropped.jsonl")}
    assert reasons == {
        41: "is the same as line 8",
        42: "is the same as line 9",
        43: "has an empty answer",
        44: "has an answer that was not accepted",
        46: "has an empty assistant turn",
        47: "is no JSON",
    }


def test_rows_keep_to_their_schemas(bundle: tuple[Path, Handoff]) -> None:
    """Catches a row that a trainer would refuse: a wrong role, an empty turn, a column that others lack."""
    jsonschema = pytest.importorskip("jsonschema", reason="needs the extra [eval]")
    place, done = bundle
    for form in FORMATS:
        checker = jsonschema.Draft202012Validator(SCHEMAS[form])
        parts = data(place, form)
        assert {name: len(part) for name, part in parts.items()} == {
            "train": done.train,
            "valid": done.valid,
            "test": done.test,
        }
        for row in (row for part in parts.values() for row in part):
            checker.validate(row)
        assert len({tuple(row) for part in parts.values() for row in part}) == 1
    for wrong in ({"messages": []}, {"messages": [{"role": "user", "content": "x"}] * 2}, {"prompt": "x"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, SCHEMAS["messages"])


def test_all_forms_hold_the_same(bundle: tuple[Path, Handoff]) -> None:
    """Catches an answer, a system prompt or an earlier turn that one of the forms loses."""
    place, _ = bundle
    for split in ("train", "valid", "test"):
        parts = [data(place, form)[split] for form in FORMATS]
        for messages, pair, alpaca in zip(*parts, strict=True):
            assert messages["messages"] == [*pair["prompt"], *pair["completion"]]
            turns = [turn for turn in messages["messages"] if turn["role"] != "system"]
            assert alpaca["output"] == turns[-1]["content"]
            assert (alpaca["input"] or alpaca["instruction"]) == turns[-2]["content"]
            assert all(turn["content"] in alpaca["instruction"] for turn in turns[:-2])
            system = [turn["content"] for turn in messages["messages"] if turn["role"] == "system"]
            assert alpaca["system"] == "".join(system)


def test_dataset_info_names_files_that_are_there(bundle: tuple[Path, Handoff]) -> None:
    """Catches a table of contents that points nowhere, or to columns that are not there."""
    place, _ = bundle
    info = json.loads((place / "data" / "dataset_info.json").read_text())
    assert len(info) == 6
    for entry in info.values():
        first = rows(place / "data" / entry["file_name"])[0]
        assert set(entry["columns"].values()) <= set(first)


def test_configurations_name_files_that_are_there(bundle: tuple[Path, Handoff]) -> None:
    """Catches a path that a trainer would not find, or one that trains on what is held out."""
    place, _ = bundle
    yaml = pytest.importorskip("yaml", reason="PyYAML reads the configurations")
    settings = {path.stem: yaml.safe_load(path.read_text()) for path in (place / "configs").iterdir()}
    axolotl, trl, factory = (settings[name] for name in ("axolotl", "trl_sft", "llamafactory"))
    assert (place / axolotl["datasets"][0]["path"]).name == "train.jsonl"
    assert (place / axolotl["test_datasets"][0]["path"]).exists()
    assert axolotl["save_steps"] % axolotl["eval_steps"] == 0 and axolotl["early_stopping_patience"] == 3
    assert (place / trl["dataset_name"] / "train.jsonl").exists() and trl["dataset_test_split"] == "validation"
    info = json.loads((place / factory["dataset_dir"] / "dataset_info.json").read_text())
    assert {factory["dataset"], factory["eval_dataset"]} == {"messages_train", "messages_valid"} <= set(info)
    assert all(one["load_best_model_at_end"] is True for one in settings.values())
    assert "test.jsonl" not in "".join(path.read_text() for path in (place / "configs").iterdir())


def test_no_personal_data_in_any_file(bundle: tuple[Path, Handoff]) -> None:
    """Catches a value that masking, a report or the evaluation kit lets out."""
    place, done = bundle
    everything = "".join(path.read_text(encoding="utf-8") for path in place.rglob("*") if path.is_file())
    for value in ("anna.berg@example.org", "+46 31 123 45 67", "Lindqvist"):
        assert value in PAIRS.read_text() and value not in everything
    found = rows(place / "pii.jsonl")
    assert [(row["line"], row["kind"]) for row in found] == [(13, "name"), (14, "email"), (15, "phone")]
    assert all(set(row) == {"line", "field", "kind", "start", "end", "action"} for row in found)
    assert done.personal == 3


def test_equal_arguments_give_equal_bytes(bundle: tuple[Path, Handoff], tmp_path: Path) -> None:
    """Catches a clock, a hash seed or a set's order in the bundle; and a seed that does nothing."""
    place, _ = bundle
    code = (
        "import sys, json; from ragstone.handoff import write_bundle; "
        "write_bundle(sys.argv[1], recommendation=json.loads(sys.argv[2]), examples=sys.argv[3])"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "again"), json.dumps(ADVICE), str(PAIRS)]
    subprocess.run(arguments, check=True, env={**os.environ, "PYTHONHASHSEED": "7"})
    manifest = (place / "handoff.json").read_text()
    assert (tmp_path / "again" / "handoff.json").read_text() == manifest
    for path in place.rglob("*"):
        if path.is_file():
            assert (tmp_path / "again" / path.relative_to(place)).read_bytes() == path.read_bytes()
    rows_given = labelled()
    first, second = (write(tmp_path / f"seed{seed}", rows_given, seed=seed, embedder=None) for seed in (0, 1))
    assert first.folder != second.folder
    assert (first.folder / "data/messages/test.jsonl").read_bytes() != (
        second.folder / "data/messages/test.jsonl"
    ).read_bytes()


def test_time_and_users_decide_the_split(bundle: tuple[Path, Handoff]) -> None:
    """Catches a held-out user who was trained on, or training on what was written after all of a held-out user's."""
    place, done = bundle
    source = [json.loads(line) for line in PAIRS.read_text(encoding="utf-8").split("\n")[:40]]
    held = {int(row["id"].removeprefix("line-")) for row in rows(place / "eval" / "requests.jsonl")} & set(range(1, 41))
    dropped = {row["line"] for row in rows(place / "dropped.jsonl")}
    valid = {row["messages"][-1]["content"] for row in data(place, "messages")["valid"]}
    trained = [row for line, row in enumerate(source, 1) if line not in held | dropped and row["answer"] not in valid]
    tested = [row for line, row in enumerate(source, 1) if line in held]
    assert len(tested) >= 5
    assert not {row["user"] for row in tested} & {row["user"] for row in trained}
    newest = max(row["timestamp"] for row in trained)
    for user in {row["user"] for row in tested}:
        assert max(row["timestamp"] for row in source if row["user"] == user) > newest
    assert done.leaking == 0 and json.loads((place / "leakage.json").read_text())["leaking"] == 0


def test_exported_splits_do_not_leak(tmp_path: Path) -> None:
    """Catches near-duplicates on both sides of what was written, read back from the files."""
    examples = labelled(4, 24)
    examples += [{"text": f"please {row['text']} thank you", "label": row["label"]} for row in examples[::3]]
    done = write(tmp_path / "b", examples)
    parts = {
        split: [row["prompt"][-1]["content"] for row in part]
        for split, part in data(tmp_path / "b", "prompt_completion").items()
    }
    held_out = [*parts["valid"], *parts["test"]]
    assert find_leaks(parts["train"], held_out, embedder=ragstone.embedder("builtin"), seed=5).leaking == 0
    assert done.leaking == 0


def test_77_labels_are_found_and_measured(tmp_path: Path) -> None:
    """Catches labels that are lost, counted wrongly, or not scored beside both baselines."""
    done = write(tmp_path / "b", labelled(77, 8))
    assert (done.task, len(done.labels)) == ("labels", 77)
    assert set(done.labels.values()) == {8}
    found = json.loads((tmp_path / "b" / "eval" / "labels.json").read_text())
    assert len(found["labels"]) == 77
    assert done.case is not None and done.case["labels"] == 77
    case = json.loads((tmp_path / "b" / "eval" / "measured_case.json").read_text())
    assert {"classifier", "retrieval", "majority", "curve", "needed"} <= set(case)
    assert case["classifier"]["macro_f1"]["low"] > case["majority"]["macro_f1"]["high"]


def test_one_label_is_an_honest_finding(tmp_path: Path) -> None:
    """Catches a bundle called ready, or a crash, where there is nothing to learn."""
    done = write(tmp_path / "b", labelled(1, 40))
    assert not done.ready and done.case is None
    assert any("one label" in finding for finding in done.findings)
    assert "Ready to train: **no**" in (tmp_path / "b" / "PLAN.md").read_text()


def test_too_few_examples_are_an_honest_finding(tmp_path: Path) -> None:
    """Catches training advised on three examples, files without a row, or configurations that evaluate on them."""
    done = write(tmp_path / "b", [("Where is it?", "On its way."), ("Who are you?", "A shop."), ("Why?", "Because.")])
    assert not done.ready and "collect first" in done.findings[0]
    assert all(path.read_text() for path in (tmp_path / "b" / "data").rglob("*.jsonl"))
    alone = write(tmp_path / "one", [("Where is it?", "On its way.")])
    assert not alone.ready and alone.test == 0
    assert "test_datasets" not in (tmp_path / "one" / "configs" / "axolotl.yaml").read_text()


def test_one_thread_leaves_nothing_to_hold_out(tmp_path: Path) -> None:
    """Catches an evaluation on the very conversation that was trained on."""
    done = write(tmp_path / "b", [{**row, "thread": "t1"} for row in labelled()])
    assert not done.ready and done.test == 0
    assert any("nothing could be held out" in finding for finding in done.findings)


def run_kit(place: Path, predictions: Any, baseline: Any = None) -> subprocess.CompletedProcess[str]:
    """Run the bundle's own script from another folder, as its reader would."""
    arguments = [sys.executable, str(place / "eval" / "eval.py"), "given.jsonl"]
    for name, given in (("given.jsonl", predictions), ("plain.jsonl", baseline)):
        if given is not None:
            lines = [json.dumps({"id": key, "prediction": value}) for key, value in given.items()]
            (place.parent / name).write_text("\n".join(lines))
    if baseline is not None:
        arguments += ["--baseline", "plain.jsonl"]
    return subprocess.run(arguments, cwd=place.parent, capture_output=True, text=True, check=False)


def references(place: Path) -> dict[str, Any]:
    return {row["id"]: row["reference"] for row in rows(place / "eval" / "references.jsonl")}


def test_the_evaluation_kit_runs_for_labels(tmp_path: Path) -> None:
    """Catches a kit that does not run, passes wrong labels, or does not say what the baseline did."""
    write(tmp_path / "b", labelled())
    right = references(tmp_path / "b")
    wrong = dict.fromkeys(right, "topic 0")
    good, bad = run_kit(tmp_path / "b", right, wrong), run_kit(tmp_path / "b", wrong)
    assert good.returncode == 0, good.stdout + good.stderr
    assert "macro-F1  1.000" in good.stdout and "gain      accuracy +" in good.stdout and "299" in good.stdout
    assert bad.returncode == 1 and "NOT PASSED" in bad.stdout
    assert run_kit(tmp_path / "b", {"nobody": "x"}).returncode not in (0,)
    some = dict(list(right.items())[:3])
    assert "have no prediction" in run_kit(tmp_path / "b", some).stdout


def test_the_evaluation_kit_runs_for_json(tmp_path: Path) -> None:
    """Catches validity claimed from too few answers: 99 % takes 299 without a failure."""
    pytest.importorskip("jsonschema", reason="needs the extra [eval]")
    pairs = [
        (f"{TOWNS[n % 20]} wants {n} of part{n * 7}", json.dumps({"customer": TOWNS[n % 20], "count": n}))
        for n in range(400)
    ]
    done = write(tmp_path / "b", pairs, embedder=None, test_share=0.44, valid_share=0.05)
    assert done.task == "json" and 100 <= done.test < 299
    right = references(tmp_path / "b")
    found = run_kit(tmp_path / "b", right)
    assert found.returncode == 1 and "at least 99% valid" in found.stdout and "NOT PASSED" in found.stdout
    thresholds = json.loads((tmp_path / "b" / "eval" / "thresholds.json").read_text())
    assert thresholds["held_out_needed"]["0.99"] == 299 and thresholds["schema"] == "inferred"
    more = [
        (f"Send {n} of item{n * 11} to {TOWNS[n % 20]} now", json.dumps({"customer": "x", "count": n}))
        for n in range(400)
    ]
    write(tmp_path / "c", pairs + more, embedder=None, test_share=0.44)
    enough = references(tmp_path / "c")
    assert len(enough) >= 299
    passed = run_kit(tmp_path / "c", enough)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    broken = dict(enough)
    broken[next(iter(broken))] = "no JSON"
    assert run_kit(tmp_path / "c", broken, enough).returncode == 1


def test_the_evaluation_kit_runs_for_text(tmp_path: Path) -> None:
    """Catches a kit that cannot tell the approved voice from another one."""
    numbers = range(300)
    pairs = [
        (
            f"{TOWNS[n % 20]} asks {n} about thing{n}",
            f"It left {TOWNS[(3 * n) % 20]} on line {n}. Write to us, please, if it is late.",
        )
        for n in numbers
    ]
    write(tmp_path / "b", pairs, embedder=None, volatile="keep")
    right = references(tmp_path / "b")
    loud = {key: f"OMG {value.upper()}!!! YES!!!" for key, value in right.items()}
    good, bad = run_kit(tmp_path / "b", right, loud), run_kit(tmp_path / "b", loud)
    assert "gain      style" in good.stdout and good.returncode == 0, good.stdout + good.stderr
    assert bad.returncode == 1 and "different" in bad.stdout


@pytest.fixture
def revised(tmp_path: Path) -> Iterator[ragstone.Index]:
    """An index whose two documents were replaced by their next edition."""
    editions = rows(VERSIONS)
    with ragstone.open(tmp_path / "kb", embedder="builtin") as index:
        for half in (editions[:2], editions[2:]):
            index.upsert([ragstone.Document(row["document_id"], row["text"]) for row in half])
        yield index


def test_what_history_proves_is_in_no_exported_file(tmp_path: Path, revised: ragstone.Index) -> None:
    """Catches January's price trained on in July: the export states nothing that its documents no longer state."""
    done = write(tmp_path / "b", index=revised)
    assert done.proven == 6
    for form in FORMATS:
        texts = [
            text
            for part in data(tmp_path / "b", form).values()
            for row in part
            for turn in row.get("messages", [*row.get("prompt", []), *row.get("completion", [])]) or [row]
            for text in (turn.get("content", ""), turn.get("output", ""), turn.get("instruction", ""))
            if text
        ]
        assert len(texts) >= 2 * 40
        assert revised.superseded(texts) == [[]] * len(texts)
    found = [row for row in rows(tmp_path / "b" / "volatile_facts.jsonl") if row["proven"]]
    assert [(row["line"], row["text"]) for row in found] == [
        (1, "30 days"),
        (2, "15 %"),
        (4, "€149.00"),
        (5, "€179.00"),
        (6, "€2.40"),
        (7, "14 days"),
    ]
    replaced = {row["generation"] for row in revised.history() if row["action"] == "replaced"}
    assert {row["generation"] for row in found} == replaced and {row["action"] for row in found} == {"mask"}
    assert any("no longer state" in finding for finding in done.findings)
    kept = write(tmp_path / "kept", index=revised, volatile="keep")
    assert kept.proven == 6 and kept.masked == 3
    assert "€149.00" in "".join(path.read_text() for path in (tmp_path / "kept" / "data").rglob("*.jsonl"))


def test_hybrid_requests_hold_chunks_and_answers_cite_them(tmp_path: Path, revised: ragstone.Index) -> None:
    """Catches facts trained into a model that is to look them up: each citation names a chunk in the request."""
    texts = {
        "certificates": "A gateway that lost its certificate fetches a new one if its button is held for a while.",
        "battery": "Error E-31 means that the battery of the node is weak and has to be changed.",
        "delivery": "Parcels to Sweden are not delivered on Saturdays. Monday is the first day of delivery.",
        "travel": "Take the train if the journey needs less than six hours.",
    }
    revised.upsert([ragstone.Document(name, text) for name, text in texts.items()])
    pairs = [
        ("My node shows E-31, why?", "Error E-31 means that the battery of the node is weak. We are glad to help!"),
        ("Do you deliver to Sweden on Saturdays?", "Parcels to Sweden are not delivered on Saturdays."),
        ("Plane or train?", "Take the train if the journey needs less than six hours."),
        ("What is the capital of France?", "The capital of France is Paris, a city of 2 million people."),
        ("How long may goods be returned?", "Unused goods may be returned within 30 days of delivery."),
    ]
    advice = {"decision": {"outcome": "hybrid"}}
    done = write_bundle(tmp_path / "b", recommendation=advice, examples=pairs, index=revised)
    reasons = {row["line"]: row["reason"] for row in rows(tmp_path / "b" / "dropped.jsonl")}
    assert set(reasons) == {4, 5} and "no retrieved chunk supports" in reasons[4]
    proven = [row for row in rows(tmp_path / "b" / "volatile_facts.jsonl") if row["proven"]]
    assert [(row["line"], row["text"]) for row in proven] == [(5, "30 days")] and done.proven == 1
    seen = [row for part in data(tmp_path / "b", "prompt_completion").values() for row in part]
    assert len(seen) == 3
    for row in seen:
        request, answer = row["prompt"][-1]["content"], row["completion"][0]["content"]
        cited = answer[answer.index("[") + 1 : answer.index("]")]
        assert "#" in cited and f"[{cited}] " in request
        assert request.count("\n\n[") == 4 and "Question: " in request
    assert any("We are glad to help!" in row["completion"][0]["content"] for row in seen)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"formats": ["parquet"]}, "format is 'parquet'"),
        ({"formats": []}, "formats are"),
        ({"formats": "messages"}, "formats are"),
        ({"test_share": 0.9}, "test_share is 0.9"),
        ({"seed": -1}, "seed is -1"),
        ({"volatile": "burn"}, "volatile is 'burn'"),
        ({"embedder": "nobody"}, "there is no embedder 'nobody'"),
        ({"examples": []}, "none of 0 examples is usable"),
        ({"examples": [("q", "€5")]}, "none of 1 examples is left after cleaning; the first says little"),
        ({"recommendation": "rag"}, "recommendation is 'rag'"),
        ({"recommendation": {"decision": object()}}, "cannot be written as JSON"),
        ({"recommendation": {"share": float("nan")}}, "cannot be written as JSON"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    """Catches an argument that is taken for another one, or a folder left behind by a call that failed."""
    given = {"recommendation": ADVICE, "examples": PAIRS, **options}
    with pytest.raises(InvalidInput, match=message):
        write_bundle(tmp_path / "b", **given)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_things_is_never_replaced(tmp_path: Path) -> None:
    """Catches somebody's work deleted by a bundle."""
    place = tmp_path / "b"
    place.mkdir()
    (place / "thesis.txt").write_text("ten years")
    for overwrite in (False, True):
        with pytest.raises(InvalidInput, match="not empty" if not overwrite else "no former bundle"):
            write(place, overwrite=overwrite)
    (place / "thesis.txt").rename(tmp_path / "thesis.txt")
    write(place)
    with pytest.raises(InvalidInput, match="not empty"):
        write(place)
    write(place, overwrite=True)
    (place / "eval" / "predictions.jsonl").write_text("my answers")
    with pytest.raises(InvalidInput, match=r"holds 'eval/predictions\.jsonl', which no bundle wrote"):
        write(place, overwrite=True)
    assert (place / "eval" / "predictions.jsonl").read_text() == "my answers"
    with pytest.raises(InvalidInput, match="is no folder"):
        write(tmp_path / "thesis.txt")


@pytest.mark.parametrize("failing", [1, 2])
def test_a_failure_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int) -> None:
    """Catches a former bundle lost, half a bundle left, or a temporary folder forgotten, whichever rename fails."""
    place = tmp_path / "b"
    write(place)
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    real, calls = os.rename, []

    def rename(source: Path, target: Path) -> None:
        calls.append(source)
        if len(calls) == failing:
            raise OSError("disk full")
        real(source, target)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(StorageError, match="disk full"):
        write(place, labelled(), overwrite=True)
    monkeypatch.undo()
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_hostile_sizes_are_told(tmp_path: Path) -> None:
    """Catches an example of 10 MB that is trained on, or that stops the others."""
    done = write(tmp_path / "b", [*labelled(2, 20), ("x" * 10_000_000, "y"), ("q", "z" * 10_000_000)])
    assert done.dropped == 2
    assert all("characters" in row["reason"] for row in rows(tmp_path / "b" / "dropped.jsonl"))


def test_only_the_forms_wanted(tmp_path: Path) -> None:
    """Catches forms that were not asked for, or configurations for data that is not there."""
    write(tmp_path / "b", formats=["alpaca"])
    assert [path.name for path in (tmp_path / "b" / "data").iterdir() if path.is_dir()] == ["alpaca"]
    assert [path.name for path in (tmp_path / "b" / "configs").iterdir()] == ["llamafactory.yaml"]


def test_users_who_ask_alike_do_not_leave_the_test_empty(tmp_path: Path) -> None:
    """Catches a split in which everybody hangs together with everybody, so that nothing can be held out."""
    asked = [" ".join(f"word{place * 11 + number}" for number in range(11)) for place in range(100)]
    rows = [
        {"prompt": text + ending, "completion": f"Answer {place}{ending}.", "user": f"u{(place + turn) % 7}"}
        for place, text in enumerate(asked)
        for turn, ending in enumerate(("", " again"))
    ]
    done = write_bundle(tmp_path / "bundle", recommendation={"decision": "fine_tune"}, examples=rows, embedder=None)
    assert done.test > 0 and done.leaking == 0
    assert any("users ask so much alike" in finding for finding in done.findings)
