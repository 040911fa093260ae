"""The query log: what it writes, what it hides, how large it gets, and that it never disturbs a search."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest

import ragstone
from ragstone.errors import InvalidInput, NotFound, StorageError
from ragstone.monitoring import QueryLog, read
from ragstone.records import Answer, SearchResult

SECRET = "What does Ms Lindqvist earn?"


@pytest.fixture
def index(tmp_path: Path) -> ragstone.Index:
    opened = ragstone.open(tmp_path / "kb", embedder="hashing")
    opened.upsert(
        [ragstone.Document("refunds", "Refunds take 30 days."), ragstone.Document("lunch", "Lunch is at noon.")]
    )
    return opened


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.jsonl"))


def test_answers_and_searches_come_back_as_they_were(tmp_path: Path, index: ragstone.Index) -> None:
    """Catches a field that is lost or mixed up on its way through the file."""
    with QueryLog(tmp_path / "log") as log:
        answer, result = index.ask("How long do refunds take?", top_k=2), index.search("lunch", top_k=1, mode="bm25")
        names = [log.record(answer, top_k=2), log.record(result, top_k=1)]
        assert log.errors == 0
    found = read(tmp_path / "log")
    assert [event.id for event in found] == names
    asked, searched = found
    assert (asked.query, asked.path, asked.abstained) == (answer.query, "retrieve", answer.abstained)
    assert asked.answerability == pytest.approx(answer.answerability, rel=1e-5)
    assert asked.documents == tuple(hit.document_id for hit in answer.hits)
    assert asked.chunks == tuple(hit.chunk_id for hit in answer.hits)
    assert (searched.path, searched.mode, searched.top_k, searched.generation) == (None, "bm25", 1, index.generation)
    assert searched.scores == pytest.approx([hit.score for hit in result], rel=1e-5)
    assert result.stages is not None
    assert searched.stages_ms["lexical"] == pytest.approx(result.stages.lexical, rel=1e-5)
    assert searched.stages_ms["dense"] == pytest.approx(result.stages.dense, rel=1e-5)
    assert searched.latency_ms == pytest.approx(result.latency_ms, rel=1e-5)


def test_an_abstained_answer_keeps_the_scores_of_its_search(tmp_path: Path, index: ragstone.Index) -> None:
    """Catches drift of scores hidden because answers that abstain have no hits."""
    with QueryLog(tmp_path / "log") as log:
        result = index.search("zebra stripes lunch")
        abstained = dataclasses.replace(index.ask("Who is it?"), hits=(), citations=(), abstained=True)
        log.record(abstained, found=result)
    (event,) = read(tmp_path / "log")
    assert event.abstained is True
    assert len(event.scores) == len(result) > 0


def test_the_index_does_not_log_its_own_searches(tmp_path: Path, index: ragstone.Index) -> None:
    """Catches figures about the index that count as queries of its users."""
    index.close()
    with QueryLog(tmp_path / "log") as log, ragstone.open(tmp_path / "kb", embedder="hashing", query_log=log) as again:
        again.stats()
        again.recall()
        again.search("lunch")
    assert len(read(tmp_path / "log")) == 1


def test_feedback_is_joined(tmp_path: Path, index: ragstone.Index) -> None:
    """Catches feedback that goes to another query, or none that counts as "nothing was relevant"."""
    with QueryLog(tmp_path / "log") as log:
        answers = [index.ask(text) for text in ("How long do refunds take?", "When is lunch?", "When is lunch?")]
        names = [log.record(answer) for answer in answers]
        assert len(set(names)) == 3
        assert log.feedback(answers[0], relevant=["refunds"])
        assert log.feedback(str(names[1]), relevant={"lunch": 2, "refunds": 0})
        assert log.feedback(answers[2], relevant=[])
        assert log.feedback("0" * 16, relevant=["gone"])
    found = read(tmp_path / "log")
    assert [event.grades for event in found] == [{"refunds": 1}, {"lunch": 2, "refunds": 0}, {}]
    assert (found.orphans, found.damaged) == (1, 0)


@pytest.mark.parametrize("redact", ["hash", "drop"])
def test_a_hidden_query_is_nowhere_in_the_log(tmp_path: Path, index: ragstone.Index, redact: str) -> None:
    """Catches text that leaks through another field, or digests that anyone can compute."""
    with QueryLog(tmp_path / "log", redact=redact) as log:  # type: ignore[arg-type]
        for query in (SECRET, SECRET, "When is lunch?"):
            log.record(index.ask(query))
    written = b"".join(path.read_bytes() for path in (tmp_path / "log").iterdir())
    assert b"Lindqvist" not in written and b"earn" not in written
    first, second, third = read(tmp_path / "log")
    assert first.words == 5 and first.characters == len(SECRET)
    if redact == "drop":
        assert first.query == ""
        assert not (tmp_path / "log" / "key").exists()
        return
    assert first.query == second.query != third.query
    with QueryLog(tmp_path / "log", redact="hash") as again:
        again.record(index.ask(f" {SECRET} "))
    assert read(tmp_path / "log")[3].query == first.query, "another process, the same key"
    with QueryLog(tmp_path / "other", redact="hash") as other:
        other.record(index.ask(SECRET))
    assert read(tmp_path / "other")[0].query != first.query, "another key"
    with QueryLog(tmp_path / "own", redact="hash", key=b"k" * 32) as own:
        own.record(index.ask(SECRET))
    assert not (tmp_path / "own" / "key").exists()


def test_a_function_may_redact_and_may_fail(
    tmp_path: Path, index: ragstone.Index, caplog: pytest.LogCaptureFixture
) -> None:
    """Catches an exception of a caller's function that reaches the asker, or the text written in spite of it."""

    def mask(text: str) -> str:
        if "lunch" in text:
            raise RuntimeError("cannot mask")
        return text.replace("Ms Lindqvist", "[name]")

    with caplog.at_level(logging.WARNING, "ragstone"), QueryLog(tmp_path / "log", redact=mask) as log:
        assert log.record(index.ask(SECRET)) is not None
        assert [log.record(index.ask("When is lunch?")) for _ in range(3)] == [None] * 3
        assert log.errors == 3
    assert len([record for record in caplog.records if "misses records" in record.message]) == 1
    assert [event.query for event in read(tmp_path / "log")] == ["What does [name] earn?"]


def test_files_are_for_their_user_alone(tmp_path: Path, index: ragstone.Index) -> None:
    """Catches queries that every user of the machine can read."""
    before = os.umask(0)
    try:
        with QueryLog(tmp_path / "deep" / "log", redact="hash") as log:
            log.record(index.search("lunch"))
    finally:
        os.umask(before)
    files = list((tmp_path / "deep" / "log").iterdir())
    assert len(files) == 2
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert (tmp_path / "deep" / "log").stat().st_mode & 0o777 == 0o700


def test_the_log_never_passes_its_limit(tmp_path: Path, index: ragstone.Index) -> None:
    """Catches a log that fills a disk, or one that throws the newest records away."""
    limit = 1 << 20
    result = index.search("lunch " + "and soup " * 300)
    with QueryLog(tmp_path / "log", size_bytes_max=limit) as log:
        for number in range(1200):
            log.record(dataclasses.replace(result, latency_ms=float(number)))
            if number % 50 == 0:
                assert size(tmp_path / "log") <= limit
        assert log.errors == 0
    kept = [event.latency_ms for event in read(tmp_path / "log")]
    assert kept == sorted(kept) and kept[-1] == 1199.0
    assert size(tmp_path / "log") > limit // 2
    assert len(kept) < 1200


def test_torn_and_foreign_lines_are_skipped_and_counted(tmp_path: Path, index: ragstone.Index) -> None:
    """Catches a crash in the middle of a line that makes the log unreadable, or damage that goes unnoticed."""
    with QueryLog(tmp_path / "log") as log:
        for _ in range(3):
            log.record(index.search("lunch"))
    (path,) = (tmp_path / "log").glob("*.jsonl")
    whole = path.read_bytes()
    for end in range(len(whole) - len(whole.splitlines(keepends=True)[2]) + 1, len(whole)):
        path.write_bytes(whole[:end])
        found = read(path)
        assert (len(found), found.damaged) == (2, 1)
    good = json.loads(whole.splitlines()[0])
    wrong: list[object] = [
        [], 1, None, {}, {"v": 1}, {**good, "time_ms": -1}, {**good, "time_ms": 1e400}, {**good, "latency_ms": "3"},
        {**good, "scores": [1]}, {**good, "path": "away"}, {**good, "documents": "ab"}, {**good, "id": None},
        {**good, "path": ["retrieve"]}, {"feedback": "x", "grades": [1]}, {"feedback": [], "grades": {}},
        {**good, "latency_ms": float("nan")}, {**good, "stages_ms": 3}, {**good, "words": True},
    ]  # fmt: skip
    path.write_bytes(
        whole + b"".join(json.dumps(row).encode() + b"\n" for row in wrong) + b"\xff\xfe\n" + b"[" * 99_999 + b"\n"
    )
    found = read(path)
    assert (len(found), found.damaged) == (3, len(wrong) + 2)


def test_a_killed_writer_leaves_whole_lines(tmp_path: Path) -> None:
    """Catches buffering: what was recorded before a kill has to be in the file."""
    program = """
import os, sys, ragstone
from ragstone.monitoring import QueryLog
with ragstone.open(sys.argv[1] + "/kb", embedder="hashing") as index:
    index.upsert([ragstone.Document("a", "Lunch is at noon.")])
    log = QueryLog(sys.argv[1] + "/log")
    for _ in range(100):
        log.record(index.search("lunch"))
    os.kill(os.getpid(), 9)
"""
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert ended.returncode == -9
    found = read(tmp_path / "log")
    assert (len(found), found.damaged) == (100, 0)


def test_threads_and_forked_processes_write_whole_lines(tmp_path: Path, index: ragstone.Index) -> None:
    """Catches lines that run into each other, and a child that writes to its parent's file or waits for its lock."""
    result = index.search("lunch")
    log = QueryLog(tmp_path / "log")
    log.record(result)
    with warnings.catch_warnings():
        # Newer versions of Python warn that forking a process with threads may deadlock: that is what is tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        for _ in range(200):
            log.record(result)
        os._exit(1 if log.errors else 0)
    threads = [threading.Thread(target=lambda: [log.record(result) for _ in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    log.close()
    found = read(tmp_path / "log")
    assert (len(found), found.damaged, log.errors) == (1001, 0, 0)
    assert len({path.name.split("-")[2] for path in (tmp_path / "log").glob("*.jsonl")}) == 2


def test_a_removed_file_and_a_full_disk_do_not_disturb(
    tmp_path: Path, index: ragstone.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches records that vanish with a file that somebody removed, and a full disk that reaches the asker."""
    result = index.search("lunch")
    log = QueryLog(tmp_path / "log")
    log.record(result)
    for path in (tmp_path / "log").glob("*.jsonl"):
        path.unlink()
    assert log.record(result) is not None
    assert len(read(tmp_path / "log")) == 1
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[: len(data) // 2]))
    assert log.record(result) is None
    monkeypatch.setattr(os, "write", lambda file, data: (_ for _ in ()).throw(OSError(28, "no space left on device")))
    assert log.record(result) is None
    monkeypatch.setattr(os, "write", real)
    assert log.record(result) is not None
    found = read(tmp_path / "log")
    assert (len(found), found.damaged, log.errors) == (2, 1, 2)
    log.close()
    log.close()
    assert log.record(result) is None


def test_odd_results_are_counted_not_raised(tmp_path: Path, index: ragstone.Index) -> None:
    """Catches a result that cannot be written as JSON and ends the search that had succeeded."""
    good = index.ask("When is lunch?")
    odd: list[Answer | SearchResult] = [
        dataclasses.replace(good, answerability=float("nan")),
        dataclasses.replace(good, latency_ms=float("inf")),
        None,  # type: ignore[list-item]
    ]
    with QueryLog(tmp_path / "log") as log:
        assert [log.record(one) for one in odd] == [None] * 3
        assert log.record(dataclasses.replace(good, query="\ud800 \x00 \u2028 𝒳" + "x" * 100_000)) is not None
        assert log.errors == 3
        assert not log.feedback(good, relevant={"a": "much"})  # type: ignore[dict-item]
    (event,) = read(tmp_path / "log")
    assert event.characters > 100_000 and len(event.query) == 4096


def test_wrong_arguments_are_refused_at_once(tmp_path: Path) -> None:
    """Catches a log that seems to work and writes nothing, or hides nothing."""
    for arguments, message in (
        ({"redact": "hashed"}, "redact"),
        ({"size_bytes_max": 1000}, "size_bytes_max"),
        ({"key": b"short"}, "16 to 64 bytes"),
        ({"key": "text"}, "16 to 64 bytes"),
    ):
        with pytest.raises(InvalidInput, match=message):
            QueryLog(tmp_path / "log", **arguments)  # type: ignore[arg-type]
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        QueryLog(tmp_path / "file" / "log")
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "key").write_bytes(b"x")
    with pytest.raises(StorageError, match="1 bytes instead of 32"):
        QueryLog(tmp_path / "cut", redact="hash")
    with pytest.raises(NotFound, match="no query log"):
        read(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match="has no query log"):
        read(tmp_path / "empty")


def test_an_index_logs_what_it_is_asked(tmp_path: Path) -> None:
    """Catches a search, a batch or a question that an index with a log leaves out or notes twice."""
    with QueryLog(tmp_path / "log") as log:
        with ragstone.open(tmp_path / "kb", embedder="hashing", query_log=log) as index:
            index.upsert([ragstone.Document("lunch", "Lunch is at noon.")])
            index.search("lunch", top_k=1)
            index.search_batch(["lunch", "noon"], top_k=2)
            answer = index.ask("When is lunch?", top_k=3)
            index.ask("Write a limerick", top_k=4)
        assert log.errors == 0
    events = read(tmp_path / "log")
    assert [(event.query, event.top_k) for event in events] == [
        ("lunch", 1), ("lunch", 2), ("noon", 2), ("When is lunch?", 3), ("Write a limerick", 4)
    ]  # fmt: skip
    assert events[3].answerability == pytest.approx(answer.answerability, rel=1e-5)
    assert events[3].mode == "hybrid"
    assert events[4].path == "advisory_finetune"
    with pytest.raises(ragstone.InvalidInput, match="query_log"):
        ragstone.open(tmp_path / "kb", query_log="log")  # type: ignore[arg-type]
