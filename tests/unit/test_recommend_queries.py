"""Query logs as people have them: which fields are found, what is counted, and what hostile files come to."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import pytest

import ragstone
from ragstone.errors import InvalidInput
from ragstone.monitoring import QueryLog, read
from ragstone.recommendation.queries import read_queries
from ragstone.recommender import route


def jsonl(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_repeats_are_counted_and_kept_once() -> None:
    """Catches a query asked 50 times that counts once, and blank ones that count at all."""
    log = read_queries([*["refund policy?"] * 50, "  make it rhyme ", "", " \t"])
    assert log.texts == ("refund policy?", "make it rhyme")
    assert log.counts.tolist() == [50, 1]
    assert (len(log), log.blank) == (51, 2)


def test_common_names_of_fields(tmp_path: Path) -> None:
    """Catches a log that has to be renamed before it is read, and times in the wrong unit."""
    rows: list[dict[str, object]] = [
        {"text": "a?", "time_ms": 1_700_000_000_000, "user": "u", "relevant": ["d1"], "answer": "A", "latency_ms": 3},
        {"query": "b?", "ts": 1_700_000_001, "user_id": 7, "clicked": "d2", "response": "B", "latency": 4.5},
        {"question": "a?", "time": "2023-11-14T22:13:22Z", "clicked_ids": ["d1", "d3"]},
        {"prompt": "c?", "timestamp": "2023-11-14T22:13:23", "user": None, "relevant": {"d4": 1, "d5": 0}},
    ]
    log = read_queries(jsonl(tmp_path / "log.jsonl", rows))
    assert log.texts == ("a?", "b?", "c?")
    assert log.times_ms.tolist() == [1_700_000_000_000 + 1000 * second for second in range(4)]
    assert log.latencies_ms.tolist() == [3.0, 4.5]
    assert log.users == 2
    assert log.relevant == {"a?": ("d1", "d3"), "b?": ("d2",), "c?": ("d4",)}
    assert log.answers == {"a?": "A", "b?": "B"}


def test_plain_text_one_a_line(tmp_path: Path) -> None:
    """Catches byte order marks, Windows line ends or blank lines that become part of queries, and a missing gzip."""
    content = "\ufeffrefund policy?\r\n\r\nmake it rhyme\r\nrefund policy?\r\n".encode()
    (tmp_path / "log.txt").write_bytes(content)
    (tmp_path / "log.txt.gz").write_bytes(gzip.compress(content))
    for name in ("log.txt", "log.txt.gz"):
        log = read_queries(tmp_path / name)
        assert (log.texts, log.counts.tolist(), log.blank) == (("refund policy?", "make it rhyme"), [2, 1], 1)


def test_own_log_as_folder_file_and_events(tmp_path: Path) -> None:
    """Catches a log of QueryLog that this does not know again, or whose feedback is lost."""
    with (
        ragstone.open(tmp_path / "kb", embedder="hashing") as index,
        QueryLog(tmp_path / "log") as written,
    ):
        index.upsert([ragstone.Document("a", "Refunds take 30 days.")])
        for _ in range(2):
            answer = index.ask("How long do refunds take?")
            written.record(answer)
        written.feedback(answer, relevant=["a"])
    file = next((tmp_path / "log").glob("*.jsonl"))
    renamed = file.with_name("other.jsonl")
    renamed.write_bytes(file.read_bytes() + b'{"torn')
    for source in (tmp_path / "log", file, renamed, read(file)):
        log = read_queries(source)
        assert log.counts.tolist() == [2]
        assert log.relevant == {"How long do refunds take?": ("a",)}
        assert log.damaged == (source == renamed)


@pytest.mark.parametrize("redact", ["hash", "drop"])
def test_redacted_log_is_refused_by_name(tmp_path: Path, redact: str) -> None:
    """Catches digests that are routed as if they were queries."""
    with (
        ragstone.open(tmp_path / "kb", embedder="hashing") as index,
        QueryLog(tmp_path / "log", redact=redact) as written,  # type: ignore[arg-type]
    ):
        index.upsert([ragstone.Document("a", "Refunds take 30 days.")])
        written.record(index.ask("How long do refunds take?"))
    with pytest.raises(InvalidInput, match="redact"):
        read_queries(tmp_path / "log")
    mixed = [*read(tmp_path / "log"), "refund policy?"]
    assert (len(read_queries(mixed)), read_queries(mixed).redacted) == (1, 1)


def test_long_query_is_cut_and_routed_as_before() -> None:
    """Catches a query of megabytes that is kept whole, and a cut that changes the router's decision."""
    long = (
        "Write a limerick about " + "the refund policy and what it says about Überweisungen; " * 180_000 + "in French"
    )
    assert len(long) > 10_000_000
    log = read_queries([long])
    assert log.cut == 1 and len(log.texts[0]) < 5_000
    before, after = route(long), route(log.texts[0])
    assert (before.path, before.p_behaviour, before.p_facts) == (after.path, after.p_behaviour, after.p_facts)


def test_million_lines_take_the_memory_of_their_different_texts(tmp_path: Path) -> None:
    """Catches a reader that keeps every row: a hundred thousand queries of a thousand texts stay below 8 MB."""
    path = tmp_path / "log.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(100_000):
            file.write(
                f'{{"text": "question {number % 1000}", "ts": {1_700_000_000 + number}, "user": "u{number % 9}"}}\n'
            )
    tracemalloc.start()
    log = read_queries(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(log), len(log.texts), log.users) == (100_000, 1000, 9)
    assert peak < 8 << 20


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("empty.jsonl", b"", "no query"),
        ("empty.txt", b"\n \n", "no query"),
        ("latin.txt", "café".encode("latin-1"), "UTF-8"),
        ("latin.jsonl", '{"text": "café"}'.encode("latin-1"), "UTF-8"),
        ("nan.jsonl", b'{"text": "a", "latency_ms": NaN}', "NaN"),
        ("inf.jsonl", b'{"text": "a", "latency_ms": 1e999}', "line 1.*finite"),
        ("huge.jsonl", b'{"text": "a", "ts": 1' + b"0" * 400 + b"}", "line 1"),
        ("time.jsonl", b'{"text": "a"}\n{"text": "a", "ts": "yesterday"}', "line 2.*ISO 8601"),
        ("early.jsonl", b'{"text": "a", "ts": "0001-01-01T00:00:00+05:00"}', "1970"),
        ("field.jsonl", b'{"words": "a"}', '"text" or "query"'),
        ("number.jsonl", b'{"text": 7}', "no text"),
        ("surrogate.jsonl", b'{"text": "\\ud800"}', "surrogate"),
        ("clicks.jsonl", b'{"text": "a", "clicked": [{}]}', "list of ids"),
        ("list.jsonl", b'["a"]', "no JSON object"),
        ("broken.jsonl", b'{"text": "a"', "not valid JSON"),
        ("queries.csv", b"text\na\n", "JSON Lines"),
    ],
)
def test_hostile_files_are_refused_with_a_next_step(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    """Catches a bare ValueError, a silent skip, or a message without the line."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput, match=told):
        read_queries(tmp_path / name)


@pytest.mark.parametrize(
    "source",
    [
        [],
        [""],
        iter(()),
        b"refunds?",
        7,
        None,
        {"text": "a"},
        [7],
        [b"a"],
        ["\ud800"],
        "no such file",
        "x" * 5000,
        "\0",
    ],
)
def test_hostile_arguments_are_refused(source: object) -> None:
    """Catches letters of a string read as queries, and errors that are not ragstone's."""
    with pytest.raises(InvalidInput):
        read_queries(source)  # type: ignore[arg-type]


def test_reading_twice_gives_the_same(tmp_path: Path) -> None:
    """Catches a log that is read again when it was read already."""
    log = read_queries(iter(["a?", "b?"]))
    assert read_queries(log) is log
