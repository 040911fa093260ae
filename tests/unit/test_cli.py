"""The command line: every command, its JSON, its exit codes, and no traceback for anything that a user types."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ragstone
from command_line import BAD_USE, FAILURE, FINDING, RIGHT, Run
from ragstone.errors import RagstoneError


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "refunds.md").write_text("---\nyear: 2024\n---\n# Refunds\n\nRefunds take thirty days.\n")
    (folder / "shipping.md").write_text("# Shipping\n\nShipping takes three days.\n")
    return folder


@pytest.fixture
def kb(tmp_path: Path, files: Path, run: Run) -> Path:
    code, _, err = run("index", files, "--into", tmp_path / "kb", "--embedder", "hashing")
    assert code == RIGHT, err
    return tmp_path / "kb"


def routes() -> bool:
    try:
        ragstone.route("Write it as a limerick")
    except RagstoneError:
        return False
    return True


def test_index_prints_what_it_did(run: Run, files: Path, tmp_path: Path) -> None:
    """Catches a report without counts, and files that fail without an exit code."""
    code, out, _ = run("index", files, "--into", tmp_path / "kb", "--embedder", "hashing")
    assert code == RIGHT
    assert "2 files: 2 added" in out
    assert "embedder: hashing (256 dimensions)" in out
    code, out, _ = run("index", files, "--into", tmp_path / "kb", "--json")
    assert code == RIGHT
    report = json.loads(out)
    assert {file["outcome"] for file in report["files"]} == {"unchanged"}
    (files / "bad.md").write_bytes(bytes(range(256)) * 16)
    (files / "shipping.md").unlink()
    code, out, _ = run("index", files, "--into", tmp_path / "kb", "--no-sync")
    assert code == FINDING
    assert "failed: " in out
    assert "bad.md" in out
    assert "removed" not in out


def test_index_later_is_completed_by_a_later_run(run: Run, files: Path, tmp_path: Path) -> None:
    """Catches vectors that never come."""
    run("index", files, "--into", tmp_path / "kb", "--embedder", "hashing", "--embed", "later")
    assert json.loads(run("stats", tmp_path / "kb", "--json")[1])["chunks_embedded"] == 0
    run("index", files, "--into", tmp_path / "kb", "--embedder", "hashing")
    assert json.loads(run("stats", tmp_path / "kb", "--json")[1])["chunks_embedded"] == 2


def test_search_prints_hits_with_their_source(run: Run, kb: Path) -> None:
    """Catches options that are not passed on, and JSON that does not parse."""
    code, out, _ = run("search", kb, "how long do refunds take")
    assert code == RIGHT
    assert "Refunds take thirty days." in out
    assert "refunds.md, characters" in out
    code, out, _ = run("search", kb, "days", "--json", "--top-k", 1, "--mode", "bm25", "--explain")
    result = json.loads(out)
    assert (code, result["mode"], len(result["hits"])) == (RIGHT, "bm25", 1)
    hit = result["hits"][0]
    assert hit["explain"]["parts"]["bm25"] == pytest.approx(hit["score"], abs=1e-6)
    assert hit["citation"]["end"] > hit["citation"]["start"]
    code, out, _ = run("search", kb, "days", "--json", "--filter", '{"year": {"$gte": 2024}}')
    assert [Path(hit["citation"]["source"]).name for hit in json.loads(out)["hits"]] in (["refunds.md"], [])
    assert "bm25" in run("search", kb, "days", "--explain")[1]


def test_nothing_found_is_a_finding(run: Run, kb: Path) -> None:
    """Catches an empty result that looks like success to a script."""
    code, out, _ = run("search", kb, "zebra", "--mode", "bm25")
    assert (code, out.splitlines()[0][:6]) == (FINDING, "0 hits")
    code, out, _ = run("search", kb, "zebra", "--mode", "bm25", "--json")
    assert (code, json.loads(out)["hits"]) == (FINDING, [])


def test_principals_are_passed_on(run: Run, tmp_path: Path) -> None:
    """Catches a command that shows what its user may not see."""
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        index.upsert([ragstone.Document("secret", "salary table", acl=["hr", "board"])])
    assert run("search", tmp_path / "kb", "salary")[0] == FINDING
    assert run("search", tmp_path / "kb", "salary", "--principal", "sales")[0] == FINDING
    assert run("search", tmp_path / "kb", "salary", "--principal", "sales", "--principal", "hr")[0] == RIGHT


def test_stats_and_snapshot(run: Run, kb: Path, tmp_path: Path) -> None:
    """Catches numbers that are missing, and a copy that is none."""
    code, out, _ = run("stats", kb)
    assert code == RIGHT
    assert any(line.split() == ["chunks", "2"] for line in out.splitlines())
    assert json.loads(run("stats", kb, "--json")[1])["documents"] == 2
    code, out, _ = run("snapshot", kb, tmp_path / "copy", "--json")
    assert code == RIGHT
    assert json.loads(out)["path"] == str(tmp_path / "copy")
    assert json.loads(run("stats", tmp_path / "copy", "--json")[1])["documents"] == 2
    assert run("snapshot", kb, tmp_path / "copy")[0] == BAD_USE
    assert "copied to" in run("snapshot", kb, tmp_path / "another")[1]


def test_bench_prints_latency_and_recall(run: Run, kb: Path, tmp_path: Path) -> None:
    """Catches options that are not passed on, and a report without its figures."""
    code, out, _ = run("bench", kb)
    assert code == RIGHT
    assert {"search", "embedding", "retrieval"} <= {line.split()[0] for line in out.splitlines() if line.strip()}
    assert "recall@10 1.0000" in out
    assert "thread budget" in out
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"text": "how long do refunds take"}\n{"query": "shipping"}\n')
    code, out, _ = run("bench", kb, "--json", "--queries", queries, "--top-k", 1, "--mode", "dense")
    found = json.loads(out)
    assert (code, found["mode"], found["top_k"], found["queries"]) == (RIGHT, "dense", 1, 2)
    assert (found["queries_from"], found["embedder"], found["chunks"]) == ("given", "hashing", 2)
    assert 0 < found["search"]["ms_p50"] <= found["search"]["ms_p95"] <= found["search"]["ms_p99"]
    assert (found["recall"]["recall"], found["recall"]["queries"], found["findings"]) == (1.0, 2, [])
    code, out, _ = run("bench", kb, "--json", "--mode", "bm25")
    assert (code, json.loads(out)["embedding"]) == (RIGHT, None)


def test_bench_of_what_nobody_may_see_is_a_finding(run: Run, tmp_path: Path) -> None:
    """Catches the speed of empty answers that looks like success to a script."""
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        index.upsert([ragstone.Document("secret", "salary table", acl=["hr"])])
    assert run("bench", tmp_path / "kb")[0] == FINDING
    assert run("bench", tmp_path / "kb", "--principal", "hr")[0] == RIGHT


def test_bench_does_without_the_model(run: Run, tmp_path: Path) -> None:
    """Catches an index that cannot be measured at all where its model is not installed."""

    class Elsewhere:
        name, dimension, fingerprint, max_tokens = "elsewhere", 256, "0" * 64, 256
        embed = staticmethod(ragstone.embedder("hashing").embed)
        count_tokens = staticmethod(ragstone.embedder("hashing").count_tokens)

    with ragstone.open(tmp_path / "kb", embedder=Elsewhere()) as index:
        index.upsert([ragstone.Document(str(row), f"article {row}") for row in range(20)])
    queries = tmp_path / "queries.txt"
    queries.write_text("article 7\n")
    code, out, err = run("bench", tmp_path / "kb")
    assert (code, out) == (FAILURE, "")
    assert "'elsewhere'" in err
    assert "--mode bm25, or --mode dense without --queries" in err
    code, out, _ = run("bench", tmp_path / "kb", "--mode", "dense", "--json")
    assert (code, json.loads(out)["queries_from"]) == (RIGHT, "stored vectors")
    assert run("bench", tmp_path / "kb", "--mode", "dense", "--queries", queries)[0] == BAD_USE
    code, out, _ = run("bench", tmp_path / "kb", "--mode", "bm25", "--queries", queries, "--json")
    assert (code, json.loads(out)["recall"]["stored"]) == (RIGHT, True)


def test_verify_finds_damage(run: Run, kb: Path) -> None:
    """Catches damage that is a failure in place of a finding, or is not found at all."""
    code, out, _ = run("verify", kb)
    assert (code, "every byte is right" in out) == (RIGHT, True)
    assert json.loads(run("verify", kb, "--json")[1])["damage"] == []
    for prefix in ("vec-", "seg-", "manifest-"):
        path = max(kb.glob(f"{prefix}*"))
        whole = path.read_bytes()
        for position in range(8, len(whole), max(1, len(whole) // 12)):
            damaged = bytearray(whole)
            damaged[position] ^= 0x20
            path.write_bytes(damaged)
            code, out, err = run("verify", kb, "--json")
            if code == FAILURE and "IncompatibleIndex" in out:
                continue  # the version itself, or the embedder's or analyzer's name
            assert code == FINDING, f"{path.name} at {position}: {out}{err}"
            assert path.name in "".join(json.loads(out)["damage"])
        code, out, _ = run("verify", kb)
        assert code == FINDING
        assert path.name in out
        path.write_bytes(whole)
    assert run("verify", kb)[0] == RIGHT


BAD: dict[str, tuple[int, list[str]]] = {
    "no command": (BAD_USE, []),
    "unknown command": (BAD_USE, ["dance"]),
    "no query": (BAD_USE, ["search", "KB"]),
    "no such index": (FAILURE, ["search", "nowhere", "query"]),
    "index is a file": (FAILURE, ["stats", "FILE"]),
    "empty query": (BAD_USE, ["search", "KB", " "]),
    "query that is no text": (BAD_USE, ["search", "KB", "\udcff"]),
    "top_k 0": (BAD_USE, ["search", "KB", "days", "--top-k", "0"]),
    "top_k text": (BAD_USE, ["search", "KB", "days", "--top-k", "many"]),
    "top_k huge": (BAD_USE, ["search", "KB", "days", "--top-k", "9" * 30]),
    "top_k endless": (BAD_USE, ["search", "KB", "days", "--top-k", "9" * 5000]),
    "mode": (BAD_USE, ["search", "KB", "days", "--mode", "magic"]),
    "filter text": (BAD_USE, ["search", "KB", "days", "--filter", "year > 3"]),
    "filter list": (BAD_USE, ["search", "KB", "days", "--filter", "[1]"]),
    "filter operator": (BAD_USE, ["search", "KB", "days", "--filter", '{"a": {"$x": 1}}']),
    "filter infinite": (BAD_USE, ["search", "KB", "days", "--filter", '{"a": 1e999}']),
    "filter deep": (BAD_USE, ["search", "KB", "days", "--filter", '{"$not":' * 60_000]),
    "filter endless": (BAD_USE, ["search", "KB", "days", "--filter", '{"a": ' + "9" * 5000 + "}"]),
    "timeout text": (BAD_USE, ["search", "KB", "days", "--timeout-s", "soon"]),
    "timeout negative": (BAD_USE, ["search", "KB", "days", "--timeout-s=-1"]),
    "timeout 0": (FAILURE, ["search", "KB", "days", "--timeout-s", "0"]),
    "nothing to index": (BAD_USE, ["index", "nowhere", "--into", "KB"]),
    "no index to write": (BAD_USE, ["index", "."]),
    "unknown embedder": (BAD_USE, ["index", ".", "--into", "NEW", "--embedder", "nope"]),
    "another embedder": (FAILURE, ["index", ".", "--into", "KB", "--embedder", "OTHER"]),
    "index among files": (BAD_USE, ["index", ".", "--into", "FILES", "--embedder", "hashing"]),
    "stats of nothing": (FAILURE, ["stats", "nowhere"]),
    "verify nothing": (FAILURE, ["verify", "nowhere"]),
    "snapshot of nothing": (FAILURE, ["snapshot", "nowhere", "NEW"]),
    "snapshot onto files": (BAD_USE, ["snapshot", "KB", "FILES"]),
    "bench of nothing": (FAILURE, ["bench", "nowhere"]),
    "bench top_k 0": (BAD_USE, ["bench", "KB", "--top-k", "0"]),
    "bench mode": (BAD_USE, ["bench", "KB", "--mode", "magic"]),
    "bench without queries": (BAD_USE, ["bench", "KB", "--queries", "nowhere.txt"]),
    "bench of a folder": (BAD_USE, ["bench", "KB", "--queries", "."]),
    "demo without a corpus": (BAD_USE, ["demo", "nowhere"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_use_has_its_exit_code_and_message(
    case: str, run: Run, kb: Path, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a traceback, a misleading exit code, and an error that is not JSON where JSON is asked."""
    expected, words = BAD[case]
    monkeypatch.chdir(files)
    (tmp_path / "other").mkdir()
    places = {
        "KB": kb,
        "FILE": files / "refunds.md",
        "FILES": files,
        "NEW": tmp_path / "new",
        "OTHER": tmp_path / "other",
    }
    arguments = [places.get(word, word) for word in words]
    code, out, err = run(*arguments)
    assert code == expected
    assert out == ""
    assert err.strip()
    if expected == FAILURE or (arguments and not err.startswith("usage")):
        code, out, _ = run(*arguments, "--json")
        told = json.loads(out)
        assert code == expected
        assert set(told) == {"error", "message"}
        assert told["message"] in err


def test_help_names_every_command(run: Run) -> None:
    """Catches a command without help."""
    code, out, _ = run("--help")
    assert code == RIGHT
    for command in ("index", "search", "ask", "route", "stats", "bench", "verify", "snapshot", "demo", "doctor"):
        assert command in out
        code, text, _ = run(command, "--help")
        assert code == RIGHT
        assert "--json" in text
    assert run("--version")[1].startswith("ragstone ")


def test_doctor_says_what_works(run: Run) -> None:
    """Catches an installation that is broken and is not called so."""
    code, out, _ = run("doctor", "--json")
    findings = json.loads(out)
    verdicts = {finding["subject"]: finding["verdict"] for finding in findings}
    assert verdicts["engine"] == verdicts["storage"] == verdicts["python"] == "works"
    assert code == (FINDING if "broken" in verdicts.values() else RIGHT)
    assert "engine: ragstone" in run("doctor")[1]


def test_route_prints_path_and_reasons(run: Run) -> None:
    """Catches a route without its reasons, or reasons that are not spans of the query."""
    if not routes():
        pytest.skip("needs the router's weights")
    query = "Write a haiku about autumn in the style of Basho"
    code, out, _ = run("route", query, "--json")
    route = json.loads(out)
    assert code == RIGHT
    assert route["path"] in ("retrieve", "advisory_finetune", "hybrid", "pass")
    assert all(query[reason["start"] : reason["end"]] == reason["text"] for reason in route["reasons"])
    assert route["path"] in run("route", query)[1]


def test_ask_answers_or_abstains(run: Run, kb: Path) -> None:
    """Catches an answer without evidence, and an abstention that looks like success to a script."""
    if not routes():
        pytest.skip("needs the router's weights")
    query = "How long do refunds take?"
    code, out, _ = run("ask", kb, query, "--json")
    answer = json.loads(out)
    assert answer["path"] == "retrieve"
    assert code == (FINDING if answer["abstained"] else RIGHT)
    assert len(answer["citations"]) == len(answer["hits"])
    nothing = ["--filter", '{"year": {"$lt": 1900}}']
    code, out, _ = run("ask", kb, query, "--json", *nothing)
    answer = json.loads(out)
    assert (code, answer["abstained"], answer["hits"], answer["context"]) == (FINDING, True, [], "")
    code, out, _ = run("ask", kb, query, *nothing)
    assert (code, "abstained" in out) == (FINDING, True)


# In a process of its own


def ragstone_command(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ragstone.cli", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload,no-any-return]


def test_a_reader_that_has_seen_enough_is_no_failure(kb: Path) -> None:
    """Catches the traceback of a broken pipe: ``ragstone search … | head -1``."""
    process = ragstone_command("search", kb, "days", "--json")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    assert (process.wait(60), err) == (RIGHT, b"")
    process.stderr.close()


def test_a_terminal_without_the_letters_is_no_failure(kb: Path) -> None:
    """Catches a text that cannot be printed in the terminal's encoding."""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    with ragstone_command("search", kb, "refunds", env=environment) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (RIGHT, b"")
    assert b"refunds.md, characters" in out


def test_the_lock_of_a_running_writer_is_named(kb: Path, files: Path) -> None:
    """Catches a second writer that waits, or fails without saying who writes."""
    with ragstone.open(kb, embedder="hashing"), ragstone_command("index", files, "--into", kb) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (FAILURE, b"")
    assert f"process {os.getpid()}".encode() in err
    assert b"Traceback" not in err
