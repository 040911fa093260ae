"""The verbs ``bench`` and ``eval latency``: options that reach what is measured, and codes that scripts can trust."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import ragstone
from command_line import BAD_USE, FAILURE, FINDING, RIGHT, Run
from ragstone.bench import against
from ragstone.bench.rivals import Rival


@pytest.fixture
def kb(tmp_path: Path) -> Path:
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        index.upsert([ragstone.Document(str(row), f"article {row} costs {row * 7} euros") for row in range(40)])
    return tmp_path / "kb"


def test_bench_measures_whatever_is_asked_for(run: Run, kb: Path, tmp_path: Path) -> None:
    """Catches an option that is read and not passed on, and parts that nobody asked for."""
    page = tmp_path / "report.html"
    options = ["--loop", "open", "--rate", 200, "--seconds", 0.2, "--threads", "1,2", "--grow", "10,60", "--cold"]
    code, out, err = run("bench", kb, "--json", *options, "--html", page)
    found = json.loads(out)
    assert (code, err) == (RIGHT, "")
    assert (found["run"]["loop"], found["run"]["rate"], found["run"]["arrivals"]) == ("open", 200, "poisson")
    assert [one["threads"] for one in found["scaling"]] == [1, 2]
    assert [level["chunks"] for level in found["growth"]["levels"]] == [10, 60]
    assert found["growth"]["mixed"] == 20
    assert found["cold"]["repeats"] == 5
    assert found["comparison"] is None
    assert found["machine"]["cores"] >= 1
    assert "<svg" in page.read_text(encoding="utf-8")
    code, out, _ = run("bench", kb, "--json", "--seconds", 0.1, "--threads", 2)
    found = json.loads(out)
    assert (found["run"]["loop"], found["run"]["threads"], found["scaling"], found["growth"]) == ("closed", 2, [], None)
    texts = tmp_path / "texts.txt"
    texts.write_text("one\ntwo\nthree\n")
    code, out, _ = run("bench", kb, "--json", "--seconds", 0.1, "--grow", 3, "--texts", texts)
    assert json.loads(out)["growth"]["mixed"] == 0
    code, out, _ = run("bench", kb, "--seconds", 0.1, "--threads", "all", "--mode", "bm25", "--arrivals", "fixed")
    assert code == RIGHT
    assert "answers/s" in out


def test_bench_compares_and_says_what_is_missing(run: Run, kb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a comparison whose finding leaves the exit code at 0, and a package that is missing as a traceback."""

    class Same(Rival):
        kind = "dense"

        def build(self, data: object, threads: int) -> None:
            self.data = data

        def search(self, query: object, top_k: int, **setting: int) -> list[int]:
            return list((-(self.data @ query)).argsort()[:top_k])  # type: ignore[operator]

    monkeypatch.setattr(against, "load", lambda name: Same())
    code, out, _ = run("bench", kb, "--json", "--seconds", 0.1, "--against", "same")
    names = [one["name"] for one in json.loads(out)["comparison"]["contestants"]]
    assert (code, names) == (RIGHT, ["ragstone", "ragstone, cited", "same"])
    monkeypatch.setattr(against, "RECALL_LEAST", 1.1)
    monkeypatch.setitem(against._LEAST, "dense", 1.1)
    code, out, _ = run("bench", kb, "--seconds", 0.1, "--against", "same")
    assert code == FINDING
    assert "finding: dense, 'ragstone'" in out
    monkeypatch.undo()
    assert run("bench", kb, "--seconds", 0.1, "--against", "elastic")[0] == BAD_USE
    monkeypatch.setitem(sys.modules, "faiss", None)
    code, _, err = run("bench", kb, "--seconds", 0.1, "--against", "faiss")
    assert (code, "pip install faiss-cpu" in err) == (FAILURE, True)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, _, err = run("bench", kb, "--png", "bench.png")
    assert (code, "pip install matplotlib" in err) == (FAILURE, True)


def test_latency_is_held_to_its_objective(run: Run, kb: Path, tmp_path: Path) -> None:
    """Catches a missed objective that looks like success to a script, and one that nobody could miss."""
    quick = ["--seconds", 2, "--rate", 250]
    code, out, _ = run("eval", "latency", kb, *quick)
    assert code == RIGHT
    assert "met: p99" in out
    assert "40 chunks" in out
    code, out, _ = run("eval", "latency", kb, "--json", "--slo-ms", 0.0001, *quick)
    found = json.loads(out)
    assert (code, found["verdict"], found["objective_ms"], found["q"]) == (FINDING, "missed", 0.0001, 0.99)
    assert (found["run"]["loop"], found["index"]["mode"], found["index"]["chunks"]) == ("open", "ask", 40)
    code, out, _ = run("eval", "latency", kb, "--json", "--seconds", 0.2, "--rate", 20, "--mode", "bm25")
    found = json.loads(out)
    assert (code, found["verdict"], found["measured_ms"]["high"], found["needs"]) == (FINDING, "unproven", None, 368)
    queries = tmp_path / "queries.txt"
    queries.write_text("what does article 7 cost?\n")
    options = ["--queries", queries, "--quantile", 0.5, "--arrivals", "fixed", "--threads", 1]
    code, out, _ = run("eval", "latency", kb, "--json", *options, *quick)
    found = json.loads(out)
    assert (code, found["index"]["queries"], found["run"]["latency"]["samples"]) == (RIGHT, 1, 500)
    assert (found["run"]["threads"], found["run"]["arrivals"], found["q"]) == (1, "fixed", 0.5)


def test_latency_without_the_model_says_what_to_do(run: Run, tmp_path: Path) -> None:
    """Catches an index that cannot be judged at all where its model is not installed."""

    class Elsewhere:
        name, dimension, fingerprint, max_tokens = "elsewhere", 256, "0" * 64, 256
        embed = staticmethod(ragstone.embedder("hashing").embed)
        count_tokens = staticmethod(ragstone.embedder("hashing").count_tokens)

    with ragstone.open(tmp_path / "kb", embedder=Elsewhere()) as index:
        index.upsert([ragstone.Document(str(row), f"article {row}") for row in range(20)])
    code, _, err = run("eval", "latency", tmp_path / "kb", "--seconds", 0.1)
    assert (code, "--mode bm25" in err) == (FAILURE, True)
    for mode in ("bm25", "dense"):
        assert run("eval", "latency", tmp_path / "kb", "--mode", mode, "--seconds", 1, "--rate", 400)[0] == RIGHT


BAD: dict[str, list[str]] = {
    "rate without an open loop": ["bench", "KB", "--rate", "5"],
    "rate 0": ["bench", "KB", "--loop", "open", "--rate", "0", "--seconds", "0.1"],
    "rate NaN": ["eval", "latency", "KB", "--rate", "nan"],
    "seconds 0": ["bench", "KB", "--seconds", "0"],
    "threads 0": ["bench", "KB", "--threads", "0", "--seconds", "0.1"],
    "threads many": ["bench", "KB", "--threads", "many"],
    "levels": ["bench", "KB", "--seconds", "0.1", "--grow", "many"],
    "texts": ["bench", "KB", "--seconds", "0.1", "--grow", "5", "--texts", "nowhere.txt"],
    "texts too few": ["bench", "KB", "--seconds", "0.1", "--grow", "5", "--texts", "TWO"],
    "objective": ["eval", "latency", "KB", "--slo-ms", "0", "--seconds", "0.1"],
    "quantile": ["eval", "latency", "KB", "--quantile", "99", "--seconds", "0.1"],
    "too little": ["eval", "latency", "KB", "--rate", "1", "--seconds", "0.1"],
    "queries": ["eval", "latency", "KB", "--queries", "nowhere.txt"],
    "mode": ["eval", "latency", "KB", "--mode", "magic"],
}


@pytest.mark.parametrize("case", BAD)
def test_bad_use_has_its_code_and_message(case: str, run: Run, kb: Path, tmp_path: Path) -> None:
    """Catches a traceback, figures of nothing, and an error that is not JSON where JSON is asked."""
    two = tmp_path / "two.txt"
    two.write_text("one\ntwo\n")
    arguments = [{"KB": kb, "TWO": two}.get(word, word) for word in BAD[case]]
    code, out, err = run(*arguments)
    assert (code, out) == (BAD_USE, "")
    assert err.strip()
    if not err.startswith("usage"):
        code, out, err = run(*arguments, "--json")
        assert (code, err) == (BAD_USE, "")
        assert json.loads(out)["message"]
