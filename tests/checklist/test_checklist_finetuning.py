"""Rows S2, S4 to S8, S10, S29, S33 and S39: the advisory path, from a log to a bundle that loads and is scored."""

from __future__ import annotations

import datetime as dt
import json
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import ragstone
from checklist.conftest import HANDBOOK, Year, write_lines
from command_line import Run
from ragstone.handoff import find_leaks
from ragstone.monitoring import QueryLog
from shared_data import shared_data

TOWNS_TEXT = "Oslo Lima Rome Kyiv Bern Cork Graz Nice Gent Riga Faro Bari Brno Lyon Metz Pisa Turin York Bath Jena"
TOWNS = TOWNS_TEXT.split()


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def orders(count: int) -> list[dict[str, Any]]:
    """Requests whose answers are JSON."""
    return [
        {
            "prompt": f"Order {n}: {TOWNS[n % 20]} wants {n % 9 + 1} of part {n * 7} by way {n % 13}",
            "completion": json.dumps({"town": TOWNS[n % 20], "count": n % 9 + 1}),
        }
        for n in range(count)
    ]


# ── S4: format ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("valid", "claim"), [(300, "99.0 %"), (100, "97.0 %"), (299, "99.0 %")])
def test_valid_answers_allow_their_claim_and_no_more(run: Run, tmp_path: Path, valid: int, claim: str) -> None:
    """Catches 99 % claimed from a hundred answers: without a failure, 299 are needed."""
    pytest.importorskip("jsonschema", reason="needs the extra [eval]")
    answers = orders(valid)
    predictions = [{"id": str(n), "prediction": row["completion"]} for n, row in enumerate(answers)]
    references = [{"id": str(n), "reference": row["completion"]} for n, row in enumerate(answers)]
    schema = {"type": "object", "required": ["town", "count"], "properties": {"count": {"type": "integer"}}}
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    files = ("--references", write_lines(tmp_path / "r.jsonl", references), "--schema", tmp_path / "schema.json")
    code, out, _ = run("eval", "finetune", "--predictions", write_lines(tmp_path / "p.jsonl", predictions), *files)
    assert code == 0
    assert f"valid: at least {claim} (95 % confidence, 0 failures)" in out
    assert "to claim 99 % takes 299 samples" in out


def test_a_demanded_format_is_seen_and_needs_299(run: Run) -> None:
    """Catches a format that is looked up, or advice that forgets how many held-out answers prove it."""
    query = "Output only valid JSON with the keys town and count."
    routed = json.loads(run("route", query, "--json")[1])
    assert routed["path"] == "advisory_finetune"
    assert any("JSON" in reason["text"] for reason in routed["reasons"])
    advice = ragstone.advise(query, ragstone.route(query))
    assert advice is not None and "299" in str(advice)


# ── S5: style ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_voice_is_told_from_another(run: Run) -> None:
    """Catches a tuned model's voice called wrong, or a baseline's called right."""
    samples = HANDBOOK.parent / "evaluation" / "finetune"
    given = ("--references", samples / "text-references.jsonl", "--json")
    told = {
        name: json.loads(run("eval", "finetune", "--predictions", samples / f"text-{name}.jsonl", *given)[1])
        for name in ("predictions", "baseline")
    }
    verdicts = {name: report["scores"]["style"]["verdict"] for name, report in told.items()}
    assert verdicts == {"predictions": "consistent", "baseline": "different"}
    assert ragstone.route("Write like our style guide").path == "advisory_finetune"


# ── S6: labels ────────────────────────────────────────────────────────────────────────────────────────────────────


def labelled(count: int, each: int) -> list[dict[str, Any]]:
    draw = random.Random(7)
    return [
        {"text": f"{draw.choice(TOWNS)} matter{label} {n} {draw.choice(TOWNS)} {draw.randrange(10**6)}", "label": name}
        for label, name in enumerate(f"intent_{label:02}" for label in range(count))
        for n in range(each)
    ]


def test_77_labels_are_found_from_an_export_and_scored(run: Run, tmp_path: Path) -> None:
    """Catches labels that nobody counts, and a case for labels without macro-F1 beside its baselines."""
    examples = write_lines(tmp_path / "export.jsonl", labelled(77, 8))
    log = write_lines(tmp_path / "log.jsonl", [{"text": f"Classify this ticket as one of our intents: {n}"}
                                               for n in range(90)])  # fmt: skip
    told = json.loads(run("recommend", "--queries", log, "--examples", examples, "--json")[1])
    assert told["decision"] == "fine_tune"
    assert any("There are 77 labels, the rarest with 8 examples: macro-F1" in one["text"] for one in told["reasons"])
    assert any("77 labels have fewer than 20 examples" in one["why"] for one in told["collect"])
    bundle = tmp_path / "bundle"
    out = json.loads(run("handoff", "--queries", log, "--examples", examples, "--into", bundle, "--json")[1])
    assert (out["task"], len(out["labels"]), set(out["labels"].values())) == ("labels", 77, {8})
    case = json.loads((bundle / "eval" / "measured_case.json").read_text())
    assert case["classifier"]["macro_f1"]["low"] > case["majority"]["macro_f1"]["high"]
    assert 0 < case["retrieval"]["macro_f1"]["value"] <= 1 and len(case["curve"]) >= 3


def test_a_banking_log_is_answered_by_labels_or_facts() -> None:
    """Catches an intent set of customers' questions, as banks export it, that cannot be read and routed whole."""
    log = shared_data("queries", "banking.jsonl")
    measured = ragstone.Recommender().analyze(log).project.queries
    assert measured is not None and measured.queries >= 1000 and measured.counted > 0.5 * measured.queries


# ── S7: volume and latency ────────────────────────────────────────────────────────────────────────────────────────


def test_volume_latency_and_break_even_are_those_of_the_prices(run: Run, tmp_path: Path) -> None:
    """Catches a break-even that does not move with the prices, or costs that do not grow with tokens."""
    log = write_lines(tmp_path / "log.jsonl", [{"text": f"Rewrite this politely: no, customer {n}"} for n in range(80)])
    needs = tmp_path / "needs.toml"

    def costs(**declared: object) -> dict[str, Any]:
        needs.write_text("".join(f"{name} = {value}\n" for name, value in declared.items()))
        told = json.loads(run("recommend", "--queries", log, "--needs", needs, "--json")[1])
        assert any("queries a day" in one["text"] for one in told["reasons"]) == ("queries_per_day" in declared)
        return dict(told["costs"])

    base = {"queries_per_day": 50_000, "input_price": 2.0, "output_price": 8.0, "hosting_per_month": 600}
    plain, dear, wordy = costs(**base), costs(**{**base, "input_price": 8.0}), costs(**base, output_tokens=900)
    assert 0 < dear["break_even_per_day"] < plain["break_even_per_day"]
    assert wordy["rag_per_query"] > plain["rag_per_query"] < dear["rag_per_query"]


# ── S2, S8: training goes stale ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def bundle(year: Year, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("checklist-handoff") / "bundle"
    year.made.handoff(place, year.examples)
    return place


def test_each_retraining_trigger_has_a_number_and_its_price(bundle: Path, year: Year) -> None:
    """Catches a plan that says "retrain regularly": each trigger has a number, each training a price and hours."""
    table = [line for line in (bundle / "RETRAIN.md").read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    triggers = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1:]]
    assert len(triggers) >= 5
    assert all(re.search(r"\d", number) and seen for _, number, seen in triggers)
    assert any("fact" in what for what, _, _ in triggers)
    assert re.search(r"one training +lora: .* FLOP, .* hours", (bundle / "COST.md").read_text(encoding="utf-8"))
    trainings = [one for one in year.made.maintenance.fine_tune if one.name.startswith("train ")]
    assert len(trainings) == 3 and all(one.hours_per_month > 0 and one.per_month > 0 for one in trainings)


def test_facts_that_changed_are_found_in_a_year_of_answers(bundle: Path, year: Year) -> None:
    """Catches approved answers that state what the handbook has since replaced: found by history, not exported."""
    proven = [one for one in rows(bundle / "volatile_facts.jsonl") if one["proven"] and one["field"] == "completion"]
    assert {"refund-policy.md", "price-list.md"} <= {one["document_id"] for one in proven}
    answers = [row["completion"] for row in rows(year.examples)]
    assert all(any(one["text"] in answer for answer in answers) for one in proven)
    trained = [re.sub(r" \[\S+#\d+\]", "", row["messages"][-1]["content"]) for row in exported(bundle)]
    assert year.index.superseded(trained) == [[]] * len(trained)
    (warning,) = [one for one in year.made.warnings if one.code == "W2"]
    assert len(set(warning.proof)) == len(warning.proof) > 5


def exported(bundle: Path) -> list[dict[str, Any]]:
    return [row for part in ("train", "test") for row in rows(bundle / f"data/messages/{part}.jsonl")]


def test_requests_hold_what_the_index_holds_and_answers_cite_it(bundle: Path, year: Year) -> None:
    """Catches facts of today masked as if they were stale, and citations whose numbers were taken for facts."""
    seen = 0
    for row in exported(bundle):
        request, answer = (turn["content"] for turn in row["messages"][-2:])
        given = re.findall(r"^\[(\S+#\S+)\] ", request, re.MULTILINE)
        cited = re.findall(r"\[([^\]\s]+#[^\]]+)\]", answer)
        assert given and set(cited) <= set(given)
        assert all(re.fullmatch(r"\S+#\d+", name) for name in (*given, *cited))
        assert "{{number}}" not in request and "{{quantity}}" not in request
        seen += 1
    assert seen >= 100


# ── S10: how often what is asked for changes ──────────────────────────────────────────────────────────────────────


def test_documents_that_change_weekly_are_told_from_those_that_stand(tmp_path: Path) -> None:
    """Catches a rate that is not that of the history that was made: one document a week, nine that stand."""
    begin = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    with ragstone.open(tmp_path / "kb", embedder="builtin") as index:
        still = [ragstone.Document(f"still {n}", f"The house in {TOWNS[n]} has {n + 3} floors.") for n in range(9)]
        index.upsert(still, changed_at=begin)
        for week in range(20):
            price = ragstone.Document("price", f"A gateway costs €{100 + week}.00 this week.")
            index.upsert([price], changed_at=begin + dt.timedelta(weeks=week))

        def interval(text: str) -> tuple[float | None, float]:
            end = (begin + dt.timedelta(weeks=20)).isoformat()
            log = [{"text": text, "ts": end}] * 60
            corpus = ragstone.Recommender(index).analyze(write_lines(tmp_path / "log.jsonl", log)).project.corpus
            assert corpus is not None
            return corpus.update_interval_days, corpus.churn[30].value

        days, churned = interval("What does a gateway cost this week?")
        # Five documents are found for each query, and weigh by how often: the price is one of them, the others stand.
        assert (days, churned) == (None, pytest.approx(0.2))
        assert sum(change["document_id"] == "price" for change in index.history()) == 20


# ── S29: held out, and nothing leaks ──────────────────────────────────────────────────────────────────────────────


def test_a_planted_leak_is_caught_on_both_ways(run: Run, tmp_path: Path) -> None:
    """Catches near copies on both sides of a split, and judged queries that are trained on."""
    kept = orders(200)
    planted = [{**row, "prompt": f"please: {row['prompt']} !"} for row in kept[::5]]
    prompts = [row["prompt"] for row in kept]
    assert find_leaks(prompts, [row["prompt"] for row in planted]).leaking == len(planted)
    examples = write_lines(tmp_path / "examples.jsonl", kept + planted)
    log = write_lines(tmp_path / "log.jsonl", [{"text": f"Return it as JSON: order {n}"} for n in range(80)])
    bundle = tmp_path / "bundle"
    out = json.loads(run("handoff", "--queries", log, "--examples", examples, "--into", bundle, "--json")[1])
    assert out["leaking"] == 0 and out["test"] >= 20
    parts = {part: [row["prompt"][-1]["content"] for row in rows(bundle / f"data/prompt_completion/{part}.jsonl")]
             for part in ("train", "test")}  # fmt: skip
    assert find_leaks(parts["train"], parts["test"]).leaking == 0
    judged = write_lines(tmp_path / "judged.jsonl", [{"_id": str(n), "text": row["prompt"].upper()}
                                                     for n, row in enumerate(kept[:70])])  # fmt: skip
    told = json.loads(run("recommend", "--queries", log, "--examples", examples, "--evaluation", judged, "--json")[1])
    (warning,) = [one for one in told["warnings"] if one["code"] == "W3"]
    assert "70 judged queries leak: they, or near copies, are in the training." in [
        line["text"] for line in warning["proof"]
    ]


# ── S33: monitoring ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_log_that_shifts_raises_an_alarm_and_a_steady_one_does_not(run: Run, tmp_path: Path) -> None:
    """Catches drift that only a user's complaint would tell: questions that the documents do not answer come in."""
    known = [json.loads(line)["text"] for line in (HANDBOOK / "queries" / "answerable.jsonl").read_text().splitlines()]
    strange = [json.loads(line)["text"] for line in (HANDBOOK / "queries" / "unanswerable.jsonl").read_text()
               .splitlines() if json.loads(line)["kind"] == "far"]  # fmt: skip
    with ragstone.open(tmp_path / "kb", embedder="builtin") as index:
        index.ingest(HANDBOOK / "documents")
        draw = random.Random(3)
        for name, later in (("steady", known), ("shifted", strange)):
            with QueryLog(tmp_path / name) as log:
                for query in draw.choices(known, k=500) + draw.choices(later, k=500):
                    log.record(index.ask(query))
    assert run("monitor", tmp_path / "steady")[0] == 0
    code, out, _ = run("monitor", tmp_path / "shifted")
    assert code == 1 and "alarm" in out.lower()


# ── S39: from a log to a bundle that loads ────────────────────────────────────────────────────────────────────────


def test_from_a_behavioural_log_to_a_bundle_that_loads_and_is_scored(
    run: Run, tmp_path: Path, texts: dict[str, list[str]]
) -> None:
    """Catches any break on the way: query, log, advice, bundle, loading, the bundle's own evaluation."""
    query = "Write it as a limerick"
    code, out, _ = run("route", query, "--json")
    assert (code, json.loads(out)["path"]) == (0, "advisory_finetune")
    with ragstone.open(tmp_path / "kb", embedder="builtin") as index:
        index.ingest(HANDBOOK / "documents" / "products")
        asked = index.ask(query)
        assert asked.path == "advisory_finetune" and not asked.hits and asked.advice
        with QueryLog(tmp_path / "log") as log:
            for text in texts["behavioural"]:
                log.record(index.ask(text))
    code, out, _ = run("recommend", tmp_path / "kb", "--queries", tmp_path / "log", "--json")
    assert json.loads(out)["decision"] == "fine_tune"
    examples = write_lines(tmp_path / "examples.jsonl", [
        {"prompt": f"Tell {TOWNS[n % 20]} that wish {n * 37} about thing{n} is not possible",
         "completion": f"We are sorry, {TOWNS[n % 20]}. Thing{n} is not possible; we will gladly look for another way."}
        for n in range(400)
    ])  # fmt: skip
    bundle = tmp_path / "bundle"
    given = ("--queries", tmp_path / "log", "--examples", examples, "--into", bundle)
    code, out, err = run("handoff", tmp_path / "kb", *given)
    assert code == 0, out + err
    assert "ready to train" in out and "NOT ready" not in out
    assert json.loads((bundle / "decision.json").read_text())["decision"] == "fine_tune"
    sizes = {}
    for part in ("train", "valid", "test"):
        loaded = rows(bundle / f"data/messages/{part}.jsonl")
        sizes[part] = len(loaded)
        for row in loaded:
            roles = [turn["role"] for turn in row["messages"]]
            assert roles[-2:] == ["user", "assistant"] and all(turn["content"].strip() for turn in row["messages"])
        pairs, alpaca = (rows(bundle / f"data/{form}/{part}.jsonl") for form in ("prompt_completion", "alpaca"))
        assert len(pairs) == len(alpaca) == len(loaded)
        assert all(row["prompt"] and row["completion"] for row in pairs)
        assert all(row["instruction"] and row["output"] for row in alpaca)
    assert sizes["train"] > 200 and sizes["test"] >= 59
    given_back = [{"id": row["id"], "prediction": row["reference"]} for row in rows(bundle / "eval/references.jsonl")]
    scored = subprocess.run(
        [sys.executable, "eval/eval.py", str(write_lines(tmp_path / "given.jsonl", given_back))],
        cwd=bundle, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert scored.returncode == 0, scored.stdout + scored.stderr
