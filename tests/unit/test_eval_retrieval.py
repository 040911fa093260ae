"""Would catch reports whose figures are not those of the metrics, or whose groups and counts hold other queries."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import ragstone
from ragstone import Document, InvalidInput
from ragstone.cli import main
from ragstone.comparison import compare
from ragstone.estimates import mean
from ragstone.evaluation import evaluate, retrieval, run
from ragstone.judgements import read_run, write_beir, write_qrels, write_run
from ragstone.metrics import evaluate_run

METRICS = ["nDCG@10", "RR", "P@1"]
NAMES = [f"q{number:02}" for number in range(40)]
QRELS = {name: {f"d{number % 30}": 1 + number % 2} for number, name in enumerate(NAMES)}
NUMBERS = np.random.default_rng(1)
RUN = {name: {f"d{document}": float(NUMBERS.integers(0, 9)) for document in range(30)} for name in NAMES[:-2]}
BETTER = {name: {**scored, next(iter(QRELS[name])): 10.0} for name, scored in RUN.items()}
DOCUMENTS = [Document(f"d{number}", f"part w{chr(97 + number)}w of the machine") for number in range(26)]
TEXTS = {f"q{number}": f"where is part w{chr(97 + number)}w" for number in range(26)}
GRADES = {f"q{number}": {f"d{number}": 1} for number in range(24)}


def test_a_run_by_its_metrics() -> None:
    """Means, intervals or per-query values other than those of the parts they are made by."""
    report = retrieval(RUN, None, QRELS, metrics=METRICS)
    each = evaluate_run(RUN, QRELS, METRICS, per_query=True)
    assert report.per_query == each
    for name in METRICS:
        assert report.metrics[name] == mean([row[name] for row in each.values()])
    assert {name: one.value for name, one in report.metrics.items()} == evaluate_run(RUN, QRELS, METRICS)
    assert (report.queries, report.without_results, report.unjudged, report.missing) == (40, 2, 0, None)
    assert report.run is RUN
    assert report.findings == ()


def test_groups_hold_their_own_queries() -> None:
    """A group with another's queries, or one that a query without a group falls into."""
    kinds = {name: ("odd" if number % 2 else "even") for number, name in enumerate(NAMES) if number < 30}
    report = retrieval(RUN, None, QRELS, metrics=["RR"], strata=kinds)
    assert list(report.strata) == ["even", "odd"]
    for group, estimates in report.strata.items():
        own = [report.per_query[name]["RR"] for name, kind in kinds.items() if kind == group]
        assert estimates["RR"].samples == len(own) == 15
        assert estimates["RR"].value == pytest.approx(np.mean(own))
    with pytest.raises(InvalidInput, match="strata"):
        retrieval(RUN, None, QRELS, strata={"other": "x"})


def test_head_and_tail_go_by_how_many_queries_want_a_document() -> None:
    """A tail made of what was not found, or of rows with an equal share."""
    # d0 to d9 are wanted by two queries each, d10 to d29 by one.
    report = retrieval(RUN, None, QRELS, metrics=["RR"])
    assert report.tail_most == 1
    assert (report.frequency["head"]["RR"].samples, report.frequency["tail"]["RR"].samples) == (20, 20)
    head = [report.per_query[name]["RR"] for number, name in enumerate(NAMES) if number < 10 or number >= 30]
    assert report.frequency["head"]["RR"].value == pytest.approx(np.mean(head))
    once = retrieval(RUN, None, {name: QRELS[name] for name in NAMES[:30]}, metrics=["RR"])
    assert once.frequency == {}
    mostly = {name: {"d1": 1} for name in NAMES[:35]} | {name: {f"e{name}": 1} for name in NAMES[35:]}
    found = retrieval(RUN, None, mostly, metrics=["RR"])
    assert (found.frequency["head"]["RR"].samples, found.frequency["tail"]["RR"].samples) == (35, 5)


def test_a_baseline_is_compared_query_by_query() -> None:
    """A difference with its sign turned, or of queries that do not pair."""
    report = retrieval(RUN, None, QRELS, metrics=METRICS, baseline=BETTER)
    assert report.comparison is not None
    assert report.baseline is not None
    better = evaluate_run(BETTER, QRELS, METRICS, per_query=True)
    for name in METRICS:
        pair = [row[name] for row in report.per_query.values()], [row[name] for row in better.values()]
        assert report.comparison[name] == compare(*pair)
        assert report.comparison[name].difference.value < 0
        assert report.baseline[name].value == pytest.approx(np.mean(pair[1]))
    assert len(report.findings) == 3
    assert "worse than the baseline" in report.findings[0]
    assert retrieval(BETTER, None, QRELS, metrics=METRICS, baseline=RUN).findings == ()


@pytest.fixture
def kb(tmp_path: Path) -> Path:
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        index.upsert(DOCUMENTS)
    return tmp_path / "kb"


def test_an_index_is_searched_as_evaluate_searches_it(kb: Path) -> None:
    """Figures that differ between the short form and the long one, and queries that nobody judged counted."""
    with ragstone.open(kb, read_only=True) as index:
        report = retrieval(index, TEXTS, GRADES, metrics=METRICS, mode="bm25")
        short = evaluate(index, TEXTS, GRADES, metrics=METRICS, mode="bm25")
        assert report.run == run(index, {name: TEXTS[name] for name in GRADES}, mode="bm25")
        assert retrieval(index, TEXTS, GRADES, depth=1, metrics=["R@100"], mode="bm25").per_query["q1"] == {"R@100": 1}
    assert {name: one.value for name, one in report.metrics.items()} == short == dict.fromkeys(METRICS, 1.0)
    assert (report.queries, report.unjudged, report.missing) == (24, 2, ())
    assert report.configuration["documents"] == 26
    assert report.configuration["embedder"] == "hashing"
    assert "24 judged queries" in str(report)
    assert report._repr_html_().startswith("<pre>")
    json.dumps(report.to_dict(), allow_nan=False)


def test_documents_that_are_not_there_are_named(kb: Path) -> None:
    """Bad figures without a word about judgements of another corpus."""
    with ragstone.open(kb, read_only=True) as index:
        report = retrieval(index, TEXTS, GRADES | {"q1": {"gone": 1, "never": 0}})
        assert report.missing == ("gone",)
        assert "'gone'" in report.findings[0]
        with pytest.raises(InvalidInput, match="none of the 1 relevant documents"):
            retrieval(index, TEXTS, {"q1": {"gone": 1}})
        with pytest.raises(InvalidInput, match="'other'"):
            retrieval(index, TEXTS, GRADES | {"other": {"d1": 1}})
        with pytest.raises(InvalidInput, match="texts"):
            retrieval(index, None, GRADES)
        for bad in ({}, {"q1": {"d1": 0.5}}):
            with pytest.raises(InvalidInput):
                retrieval(index, TEXTS, bad)  # type: ignore[arg-type]


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    write_beir(tmp_path / "beir", TEXTS, GRADES, documents=DOCUMENTS)
    rows = [{"_id": name, "text": text, "kind": name[-1]} for name, text in TEXTS.items()]
    (tmp_path / "beir" / "queries.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path / "beir"


def test_the_command(kb: Path, beir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A command that finds otherwise than the function, loses its run, or prints more than one object."""
    verb = ["eval", "retrieval", "--json"]
    files = ["--queries", str(beir / "queries.jsonl"), "--qrels", str(beir / "qrels" / "test.tsv")]
    written = tmp_path / "run.txt"
    asked = [*verb, str(kb), *files, "--strata", "kind", "--baseline", "bm25", "--write-run", str(written)]
    assert main(asked) == 0
    printed = json.loads(capsys.readouterr().out)
    with ragstone.open(kb, read_only=True) as index:
        bm25 = run(index, {name: TEXTS[name] for name in GRADES}, mode="bm25")
        report = retrieval(index, TEXTS, GRADES, strata={name: name[-1] for name in TEXTS}, baseline=bm25)
    assert printed == json.loads(json.dumps(report.to_dict()))
    assert read_run(written) == report.run
    assert main([*verb, str(kb), "--beir", str(beir), "--metrics", "AP", "nDCG(gain=exp)@5"]) == 0
    assert list(json.loads(capsys.readouterr().out)["metrics"]) == ["AP", "nDCG(gain=exp)@5"]
    assert main([*verb, "--run", str(written), "--qrels", files[3]]) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["metrics"], again["missing"]) == (printed["metrics"], None)
    assert (
        main(["eval", "retrieval", "--run", str(written), *files, "--baseline", str(written), "--strata", "kind"]) == 0
    )
    assert "p = 1" in capsys.readouterr().out


def test_the_command_tells_a_finding(kb: Path, beir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that got worse, or judgements of what is not there, that pass unnoticed in a script."""
    qrels = beir / "qrels" / "test.tsv"
    worse, better = beir / "worse.txt", beir / "better.txt"
    write_run(worse, {name: {"d25": 1.0} for name in GRADES})
    write_run(better, {name: {f"d{name[1:]}": 1.0} for name in GRADES})
    assert main(["eval", "retrieval", "--run", str(worse), "--qrels", str(qrels), "--baseline", str(better)]) == 1
    assert "finding: nDCG@10 is worse" in capsys.readouterr().out
    write_qrels(qrels, GRADES | {"q1": {"gone": 1}}, beir=True)
    assert main(["eval", "retrieval", str(kb), "--beir", str(beir)]) == 1
    assert "'gone'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "either an index or --run"),
        (["KB", "--run", "RUN"], "either an index or --run"),
        (["KB"], "--qrels"),
        (["KB", "--qrels", "QRELS"], "--queries"),
        (["KB", "--beir", "BEIR", "--qrels", "QRELS"], "--beir has"),
        (["KB", "--beir", "BEIR", "--split", "dev"], "dev.tsv"),
        (["KB", "--beir", "BEIR", "--metrics", "MAP"], "unknown metric 'MAP'"),
        (["KB", "--beir", "BEIR", "--strata", "topic"], '"topic"'),
        (["KB", "--beir", "BEIR", "--depth", "0"], "depth"),
        (["--run", "RUN", "--qrels", "QRELS", "--strata", "kind"], "--strata"),
        (["--run", "RUN", "--qrels", "QRELS", "--baseline", "bm25"], "needs an index"),
        (["--run", "RUN", "--qrels", "QRELS", "--write-run", "x"], "--write-run"),
        (["--run", "BAD", "--qrels", "QRELS"], "line 2 of"),
    ],
)
def test_bad_use_is_told(
    kb: Path, beir: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A traceback, or silence, for what somebody mistypes."""
    write_run(beir / "run.txt", {name: {"d1": 1.0} for name in GRADES})
    (beir / "bad.txt").write_text("q1 Q0 d1 1 1.0 t\nq2 Q0 d1 1 nan t\n")
    qrels = str(beir / "qrels" / "test.tsv")
    names = {
        "KB": str(kb),
        "RUN": str(beir / "run.txt"),
        "BAD": str(beir / "bad.txt"),
        "QRELS": qrels,
        "BEIR": str(beir),
    }
    assert main(["eval", "retrieval", *(names.get(one, one) for one in arguments)]) == 2
    assert message in capsys.readouterr().err
