"""Rows S3, S17 to S28 and S34 to S37: what is measured of a project, what is advised, which mistakes are told."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pytest

import ragstone
from checklist.conftest import HANDBOOK, Year, company, write_lines
from command_line import Run

DAY = dt.timedelta(days=1)
BEGIN = dt.datetime(2023, 1, 1, tzinfo=dt.UTC)
WINDOW = {"context_tokens": 8192}


def reasons(made: ragstone.Recommendation) -> str:
    return "\n".join(reason.text for reason in made.verdict.reasons)


def mistakes(made: ragstone.Recommendation) -> dict[str, list[str]]:
    return {one.code: [text for text, _ in one.proof] for one in made.warnings}


def dimension(made: ragstone.Recommendation, name: str) -> Any:
    return next(one for one in made.dimensions if one.name == name)


# ── S3, S19: behavioural or factual ───────────────────────────────────────────────────────────────────────────────


def test_a_query_is_told_by_what_it_wants_with_spans(texts: dict[str, list[str]]) -> None:
    """Catches a router that guesses, or whose reasons are not words of the query."""
    paths = {"factual": "retrieve", "behavioural": "advisory_finetune", "hybrid": "hybrid", "other": "pass"}
    right = tried = 0
    for kind, path in paths.items():
        for text in texts[kind]:
            route = ragstone.route(text)
            tried += 1
            right += route.path == path
            for reason in route.reasons:
                assert text[reason.start : reason.end] == reason.text
    assert right / tried > 0.85


def test_shares_of_a_log_hold_what_people_counted(texts: dict[str, list[str]]) -> None:
    """Catches shares without intervals, or intervals that miss the labels of the very queries."""
    mixed = {"factual": 120, "behavioural": 60, "hybrid": 50, "other": 20}
    log = [text for kind, count in mixed.items() for text in texts[kind][-count:]]
    measured = ragstone.Recommender().analyze(log).project.queries
    assert measured is not None and measured.queries == sum(mixed.values())
    for kind, count in mixed.items():
        found = getattr(measured, kind)
        assert found.low <= count / len(log) <= found.high, kind
        assert found.high - found.low < 0.25
    alike = ragstone.Recommender().analyze([f"How long do refunds take in case {n}?" for n in range(60)])
    assert alike.project.queries is not None
    assert alike.project.queries.facts.low < 0.95 and alike.project.queries.behaviour.high > 0.05


# ── S17, S18, S20, S21: the other dimensions ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("days", "least", "most"), [(7, 1.0, 1.0), (30, 1.0, 1.0), (52, -0.1, 0.1), (120, -1.0, -1.0)])
def test_change_frequency_is_measured_from_the_history(tmp_path: Path, days: int, least: float, most: float) -> None:
    """Catches "days to weeks" and "months to years" read the wrong way round, or asked instead of measured."""
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        for version in range(8):
            text = f"A gateway costs €{100 + version}.00 and is delivered within {version + 2} days."
            index.upsert([ragstone.Document("price", text)], changed_at=BEGIN + version * days * DAY)
        made = ragstone.Recommender(index).analyze(["What does a gateway cost?"] * 60)
    corpus = made.project.corpus
    assert corpus is not None and corpus.update_interval_days == pytest.approx(days, abs=0.01)
    found = dimension(made, "change_frequency")
    assert found.source == "measured" and least <= found.value <= most


def test_the_corpus_is_counted_exactly(year: Year, run: Run) -> None:
    """Catches sizes in a report that are not those of the index."""
    told = json.loads(run("recommend", year.folder / "kb", "--queries", year.log, "--json")[1])["evidence"]
    stats = year.index.stats()
    for name in ("documents", "chunks"):
        assert told[f"corpus.{name}"]["value"] == stats[name]
    assert year.index.embedder is not None and stats["documents"] == 77
    known: dict[object, set[object]] = {}
    for change in year.index.history():
        known.setdefault(change["document_id"], set()).add(change["text_sha256"])
    assert told["corpus.changes"]["value"] == sum(len(versions) - 1 for versions in known.values())
    latest = {version.document.document_id: version.document.text for version in sorted(
        company.document_versions(0), key=lambda version: version.day)}  # fmt: skip
    counted = sum(year.index.embedder.count_tokens(list(latest.values())))
    assert told["corpus.tokens"]["value"] == pytest.approx(counted, rel=0.05)


def test_duplicates_that_were_planted_are_counted(tmp_path: Path) -> None:
    """Catches a corpus that looks larger than it is: ten of forty documents are copies."""
    towns = "Oslo Lima Rome Kyiv Bern Cork Graz Nice Gent Riga Faro Bari Brno Lyon Metz Pisa Turin York Bath Jena"
    texts = [f"The office in {town} opened in {1950 + n}, has {n * 7 + 3} desks and a {town} garden." for n, town in
             enumerate(towns.split())] + [f"Part {n * n + 11} fits model {n}-{n * 3}." for n in range(10)]  # fmt: skip
    documents = [ragstone.Document(f"d{n}", text) for n, text in enumerate(texts + texts[:10])]
    with ragstone.open(tmp_path / "kb", embedder="builtin") as index:
        index.upsert(documents)
        corpus = ragstone.Recommender(index).analyze(["Where is the office?"]).project.corpus
    assert corpus is not None and corpus.exact_duplicates is not None
    assert (corpus.documents, corpus.exact_duplicates.value) == (40, 20 / 40)


@pytest.mark.parametrize("audit", ["high", "regulated"])
def test_audit_forbids_fine_tuning_alone(year: Year, texts: dict[str, list[str]], audit: str) -> None:
    """Catches an audited project that is told to train, and citations counted that lead nowhere."""
    plain = year.again(WINDOW, queries=texts["behavioural"])
    assert plain.decision == "fine_tune" and not [one for one in plain.verdict.vetoes if one.name == "audit"]
    audited = year.again({**WINDOW, "audit": audit}, queries=texts["behavioural"])
    assert audited.decision == "hybrid"
    assert any("forbids fine-tuning alone" in veto.text for veto in audited.verdict.vetoes)
    assert dimension(audited, "auditability").value == 1
    corpus = audited.project.corpus
    assert corpus is not None and corpus.resolvable is not None and corpus.resolvable.value == 1


def test_both_times_to_first_value_are_told(year: Year) -> None:
    """Catches a comparison of times in which one of both is missing."""
    report = year.made.to_markdown()
    found = re.search(r"Retrieval took ([\d.,]+) seconds .*? A tuned model takes about ([\d.]+) days", report)
    assert found and 0 < float(found[1]) / 86_400 < float(found[2])


# ── S22: projects that do not land cleanly ────────────────────────────────────────────────────────────────────────


def test_a_near_tie_is_undecided_and_says_what_to_collect(year: Year, texts: dict[str, list[str]]) -> None:
    """Catches a coin toss sold as advice."""
    log = texts["factual"][:160] + texts["behavioural"][:40]
    made = year.again(WINDOW, queries=log)
    assert (made.decision, made.verdict.rule) == ("undecided", "R6")
    assert made.verdict.margin is not None and made.verdict.margin < 0
    wanted = made.verdict.collect[0]
    assert wanted.how_many is not None and wanted.how_many >= 100
    assert "too near to 20 %" in wanted.why
    # The same mix with the missing declaration is clear.
    assert year.again({**WINDOW, "style_contract_hard": True}, queries=log).decision == "hybrid"


# ── S23 to S25: both, and only if both ────────────────────────────────────────────────────────────────────────────


def test_the_support_agent_is_advised_both(year: Year, run: Run) -> None:
    """Catches the article's own example, voice and cited documents and no invention, told to build one layer."""
    code, out, _ = run("recommend", year.folder / "kb", "--queries", year.log, "--needs", year.needs, "--json")
    told = json.loads(out)
    assert (code, told["decision"], told["rule"]) == (1, "hybrid", "R1")
    assert told["facts_required"] and told["behaviour_required"]


def test_each_requirement_has_its_layer(year: Year) -> None:
    """Catches a hybrid plan in which a requirement belongs to nobody, or to two layers unsaid."""
    layers = [(one.requirement, one.layer) for one in year.made.verdict.layers]
    assert len({requirement for requirement, _ in layers}) == len(layers) >= 5
    assert {layer for _, layer in layers} == {"retrieval", "fine_tuning", "both"}
    told = dict(layers)
    assert told["each answer shows its source"] == "retrieval"
    assert told["answers keep the style contract"] == "fine_tuning"


def test_one_hard_need_alone_makes_both_overkill(year: Year, texts: dict[str, list[str]]) -> None:
    """Catches a hybrid for whoever needs one of both: the support agent without its voice, and without its audit."""
    asks = year.again({**WINDOW, "audit": "high"}, queries=texts["factual"])
    assert (asks.decision, "overkill" in reasons(asks)) == ("rag", True)
    writes = year.again({**WINDOW, "style_contract_hard": True}, queries=texts["behavioural"])
    assert (writes.decision, "overkill" in reasons(writes)) == ("fine_tune", True)
    both = year.again({**WINDOW, "audit": "high", "style_contract_hard": True}, queries=texts["factual"])
    assert (both.decision, "overkill" in reasons(both)) == ("hybrid", False)


# ── S26 to S28: the three mistakes ────────────────────────────────────────────────────────────────────────────────


def test_a_style_guide_among_the_documents_is_the_first_mistake(tmp_path: Path, texts: dict[str, list[str]]) -> None:
    """Catches retrieval used for behaviour, unseen; and a warning where no style guide is indexed."""
    with ragstone.open(tmp_path / "kb", embedder="builtin") as index:
        index.ingest([HANDBOOK / "documents" / "2026-07", HANDBOOK / "documents" / "brand" / "tone-of-voice.md"])
        warned = ragstone.Recommender(index).analyze(texts["behavioural"])
        answer = index.ask("Write like our tone-of-voice guide from now on.")
        assert answer.path == "advisory_finetune" and answer.warnings
        index.delete(document_ids=[str(one["document_id"]) for one in index.history() if "tone" in str(one)])
        quiet = ragstone.Recommender(index).analyze(texts["behavioural"])
    proof = mistakes(warned)["W1"]
    assert any(re.search(r'^".+" finds ".*tone-of-voice\.md"\.$', line) for line in proof)
    assert "W1" not in mistakes(quiet)


@pytest.fixture
def priced(tmp_path: Path) -> tuple[Path, Path]:
    """January's price list replaced in April, and examples of which some state January's prices."""
    parts = {f"FL-{n}": 100 + 7 * n for n in range(12)}
    with ragstone.open(tmp_path / "kb", embedder="builtin") as index:
        for day, more in ((BEGIN, 0), (BEGIN + 90 * DAY, 5)):
            lines = [f"The node {name} costs €{price + more}.00." for name, price in parts.items()]
            index.upsert([ragstone.Document("prices", "\n\n".join(lines), source="prices.md")], changed_at=day)
    rows = [
        {"prompt": f"What does {name} cost?", "completion": f"Good question! {name} costs €{price}.00. Anything else?"}
        for name, price in parts.items()
    ]
    rows += [
        {"prompt": f"Say no to {town}, wish {n}", "completion": f"We are sorry, {town}: wish {n} cannot be granted."}
        for n, town in enumerate(["Oslo", "Lima", "Rome", "Kyiv", "Bern", "Cork"] * 8)
    ]
    return tmp_path / "kb", write_lines(tmp_path / "examples.jsonl", rows)


def test_prices_of_january_in_april_are_the_second_mistake(priced: tuple[Path, Path], tmp_path: Path) -> None:
    """Catches old prices trained in silence, and an export that still states one."""
    kb, examples = priced
    asked = ["Rewrite this politely: no"] * 60
    with ragstone.open(kb, read_only=True) as index:
        made = ragstone.Recommender(index).analyze(asked, examples=examples)
        proof = mistakes(made)["W2"]
        assert proof[0] == "20 % of 60 usable examples state a fact that has changed."
        assert '"€100.00" changed in "prices" on 2023-04-01.' in proof
        done = made.handoff(tmp_path / "bundle", examples)
        trained = [
            turn["content"]
            for path in sorted((done.folder / "data" / "messages").glob("*.jsonl"))
            for line in path.read_text(encoding="utf-8").splitlines()
            for turn in json.loads(line)["messages"]
        ]
        assert done.proven >= 12 and len(trained) >= 60
        assert index.superseded(trained) == [[]] * len(trained)
    assert not [text for text in trained if re.search(r"€1\d\d\.00", text)]


def evaluated(run: Run, year: Year, *evaluation: object) -> list[str]:
    """The proof of W3 for the handbook's questions with an evaluation."""
    given = ["--evaluation", *evaluation] if evaluation else []
    queries = HANDBOOK / "queries" / "answerable.jsonl"
    out = run("recommend", year.folder / "kb", "--queries", queries, "--needs", year.needs, *given, "--json")[1]
    found = [one for one in json.loads(out)["warnings"] if one["code"] == "W3"]
    return [line["text"] for one in found for line in one["proof"]]


def test_no_evaluation_is_the_third_mistake(year: Year, run: Run, tmp_path: Path) -> None:
    """Catches a project without evaluation, or with twenty judged queries, that is not told so."""
    absent = evaluated(run, year)
    assert "No plain prompt was measured." in absent
    assert "Retrieval is advised and 0 queries are judged: 59 are the least." in absent
    rows = [json.loads(line) for line in (HANDBOOK / "queries" / "answerable.jsonl").read_text().splitlines()]
    few = evaluated(run, year, write_lines(tmp_path / "judged.jsonl", rows[:20]))
    assert "Retrieval is advised and 20 queries are judged: 59 are the least." in few
    enough = evaluated(run, year, write_lines(tmp_path / "judged.jsonl", rows))
    assert not [line for line in enough if "are judged" in line]


def test_an_evaluation_of_a_former_index_is_the_third_mistake(tmp_path: Path, run: Run) -> None:
    """Catches figures of last year's documents that still count: the same report before and after a change."""
    kb, report, prompt = tmp_path / "kb", tmp_path / "report.json", tmp_path / "prompt.json"
    with ragstone.open(kb, embedder="builtin") as index:
        index.ingest(HANDBOOK / "documents")
    asked = ("--queries", HANDBOOK / "queries" / "answerable.jsonl")
    report.write_text(run("eval", "retrieval", kb, *asked, "--qrels", HANDBOOK / "queries" / "qrels.tsv", "--json")[1])
    prompt.write_text(json.dumps({"prompt": {"passed": 60, "tried": 100}}))
    needs = tmp_path / "needs.toml"
    needs.write_text("context_tokens = 8192\n")
    recommend = ("recommend", kb, *asked, "--needs", needs, "--evaluation", report, prompt, "--json")
    code, out, _ = run(*recommend)
    assert (code, json.loads(out)["decision"], json.loads(out)["warnings"]) == (0, "rag", [])
    with ragstone.open(kb) as index:
        changed = list(index.history())[:10]
        index.upsert([ragstone.Document(str(one["document_id"]), "Everything is otherwise now.") for one in changed])
    code, out, _ = run(*recommend)
    (warning,) = json.loads(out)["warnings"]
    assert (code, warning["code"]) == (1, "W3")
    assert [line["text"] for line in warning["proof"]] == ["The evaluation was made on an older index."]


# ── S34 to S37: what would turn it, the plain cases, the upkeep ───────────────────────────────────────────────────

DIMENSIONS = {"change_frequency", "corpus_size", "primary_problem", "auditability", "time_to_first_value"}


def test_each_dimension_has_a_flip_point(year: Year, texts: dict[str, list[str]]) -> None:
    """Catches an input whose turning value nobody looked for, or one that does not turn the decision."""
    declared = {"latency_ms_p95": 2000, "queries_per_day": 30, "budget_per_month": 500, "team_hours_per_month": 20}
    made = year.again({**WINDOW, **declared, "deadline_days": 30}, queries=texts["factual"], examples=year.examples)
    told = {one["input"]: one for one in json.loads(json.dumps(made.to_dict()["flip_points"]))}
    assert {one["dimension"] for one in told.values()} == DIMENSIONS | {"needs"}
    assert {f"needs.{name}" for name in declared} <= set(told)
    assert made.decision == "rag"
    assert (told["needs.style_contract_hard"]["value"], told["needs.style_contract_hard"]["then"]) == (True, "hybrid")
    assert year.again({**WINDOW, "style_contract_hard": True}, queries=texts["factual"]).decision == "hybrid"
    window = told["needs.context_tokens"]
    assert window["then"] == "prompt_first" and window["holds"] < window["value"]
    assert year.again({"context_tokens": window["value"]}, queries=texts["factual"]).decision == "prompt_first"
    assert year.again({"context_tokens": window["holds"]}, queries=texts["factual"]).decision == "rag"


def test_the_users_rules_go_before_ours(year: Year, run: Run, tmp_path: Path) -> None:
    """Catches a rules file that is read and ignored, or a report that does not say that rules were changed."""
    queries = HANDBOOK / "queries" / "answerable.jsonl"
    needs, rules = tmp_path / "needs.toml", tmp_path / "rules.toml"
    needs.write_text("context_tokens = 8192\n")
    rules.write_text("[corpus]\nprompt_share = 0.99\n[weights]\nauditability = 0.0\n")
    base = ("recommend", year.folder / "kb", "--queries", queries, "--needs", needs, "--json")
    plain, changed = (json.loads(run(*base, *more)[1]) for more in ((), ("--rules", rules)))
    assert plain["configuration"]["rules_changed"] == []
    assert changed["configuration"]["rules_changed"] == ["corpus.prompt_share", "weights.auditability"]
    assert changed["score"] != plain["score"]
    assert (plain["decision"], changed["decision"]) == ("rag", "rag")
    rules.write_text("[corpus]\nprompt_share = 0.99\n")
    needs.write_text("context_tokens = 60000\n")
    assert json.loads(run(*base)[1])["decision"] == "rag"
    assert json.loads(run(*base, "--rules", rules)[1])["decision"] == "prompt_first"


def test_facts_that_change_and_an_audit_start_with_retrieval(tmp_path: Path) -> None:
    """Catches the article's first plain case: documents of each week, answers with their source."""
    with ragstone.open(tmp_path / "kb", embedder="builtin") as index:
        for week in range(10):
            documents = [ragstone.Document(f"rate {n}", f"Rate {n} is {n * 3 + week}.5 % this week. " * 40)
                         for n in range(6)]  # fmt: skip
            index.upsert(documents, changed_at=BEGIN + 7 * week * DAY)
        log = [f"What is rate {n % 6} today, for contract {n}?" for n in range(80)]
        made = ragstone.Recommender(index, {"audit": "high"}).analyze(log)
    assert (made.decision, made.verdict.rule) == ("rag", "R2")
    assert dimension(made, "change_frequency").value == 1
    assert any("change every 7" in veto.text for veto in made.verdict.vetoes)


def test_behaviour_that_is_hard_over_stable_data_is_fine_tuned(year: Year, texts: dict[str, list[str]]) -> None:
    """Catches the article's second plain case: a format that must hold, documents that stood for a year."""
    made = year.again({**WINDOW, "format_contract_hard": True}, queries=texts["behavioural"])
    assert made.decision == "fine_tune"
    assert "The data is stable" in reasons(made) and "format contract is hard" in reasons(made)


def test_the_upkeep_of_both_is_the_sum_and_more(year: Year) -> None:
    """Catches a hybrid that looks cheaper to keep than its parts."""
    told = year.made.to_dict()["maintenance"]
    hours = {way: told[way]["hours_per_month"] for way in ("rag", "fine_tune", "hybrid")}
    names = {way: [task["name"] for task in told[way]["tasks"]] for way in told}
    integration = [task for task in told["hybrid"]["tasks"] if task["name"] == "test the pair"]
    assert names["hybrid"] == names["rag"] + names["fine_tune"] + ["test the pair"]
    extra = sum(task["hours_per_month"] for task in integration)
    assert extra > 0 and hours["hybrid"] == pytest.approx(hours["rag"] + hours["fine_tune"] + extra)
    for way in told:
        assert hours[way] == pytest.approx(sum(task["hours_per_month"] for task in told[way]["tasks"]))
        assert all(task["trigger"] and task["per_month"] >= 0 for task in told[way]["tasks"])
    assert told["hybrid"]["gpu_hours_per_month"] == told["fine_tune"]["gpu_hours_per_month"] > 0
    assert f"{hours['hybrid']:.1f} hours of people a month" in year.made.to_markdown()
