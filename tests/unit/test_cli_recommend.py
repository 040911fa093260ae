"""``ragstone recommend`` and ``handoff`` as new users call them: what is wrong is told in a line, with a next step."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

import ragstone
from command_line import BAD_USE, FAILURE, FINDING, RIGHT, Run


def lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def asked(texts: list[str]) -> str:
    return lines([{"text": text} for text in texts])


FACTS = [f"How long do refunds take in case {n}?" for n in range(80)]
WRITE = [f"Rewrite this politely: no refund {n}" for n in range(80)]
TOWNS = ("Rome", "Oslo", "Lima", "Kyiv")
PAIRS = [
    {"prompt": f"Tell {TOWNS[n % 4]} about parcel{n}", "completion": f"Dear {TOWNS[n % 4]}, parcel{n} is on its way."}
    for n in range(120)
]
FILES = {
    "facts.jsonl": asked(FACTS),
    "write.jsonl": asked(WRITE),
    "empty.jsonl": "",
    "blank.txt": "\n\n  \n",
    "huge.txt": "refund " * 1_500_000,
    "huge.jsonl": asked(["refund " * 1_500_000, *FACTS]),
    "array.json": json.dumps(FACTS),
    "textless.jsonl": lines([{"words": "x"}]),
    "broken.jsonl": '{"text": "How long?"}\n{"text": \n',
    "japanese.txt": "\n".join(f"返金には何日かかりますか {n}" for n in range(30)),
    "pairs.jsonl": lines(PAIRS),
    "one.jsonl": lines(PAIRS[:1]),
    "labels.jsonl": lines([{**row, "completion": "track"} for row in PAIRS]),
    "malformed.jsonl": '{"prompt": "a"}\n{"prompt": 1, "completion": 2}\nno JSON\n',
    "contradiction.toml": 'audit = "high"\nfacts_hard = false\n',
    "window.toml": "output_tokens = 9000\ncontext_tokens = 8000\n",
    "typo.toml": 'audti = "high"\n',
    "broken.toml": "audit =\n",
    "level.toml": 'audit = "sometimes"\n',
    "needs.json": '{"audit": "high"}',
    "share.toml": "[shares]\nrequired = 7\n",
    "table.toml": "[share]\nrequired = 0.3\n",
    "other.json": '{"precision": 1}',
    "more.json": '{"prompt": {"passed": 9, "tried": 3}}',
    "no.json": "precision: 1",
    "schema.json": '{"type": "object", "properties": {"town": {"type": "string"}}}',
    "list.json": "[1]",
}
FILES["binary.jsonl"] = "\x00\xff\ufffd"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files above, and with indexes of several kinds."""
    folder = tmp_path_factory.mktemp("place")
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    documents = [ragstone.Document("a", "Refunds take 30 days."), ragstone.Document("b", "Shipping takes 3 days.")]
    for name, embedder in (("kb", "hashing"), ("words", None), ("none", "hashing")):
        with ragstone.open(folder / name, embedder=embedder) as index:
            if name != "none":
                index.upsert(documents)
    (folder / "folder").mkdir()
    (folder / "full").mkdir()
    (folder / "full" / "mine.txt").write_text("mine")
    return folder


def named(place: Path, arguments: str) -> list[str]:
    """Words of a command, those with an @ as paths in the folder."""
    return [str(place / word[1:]) if word[0] == "@" else word for word in arguments.split()]


BAD: dict[str, tuple[int, str]] = {
    "recommend": (BAD_USE, "neither an index nor a query log was given"),
    "recommend @missing --queries @facts.jsonl": (FAILURE, "not found"),
    "recommend @folder --queries @facts.jsonl": (FAILURE, "not found"),
    "recommend @facts.jsonl --queries @facts.jsonl": (FAILURE, "is a file: an index is a directory"),
    "recommend @kb --queries @empty.jsonl": (BAD_USE, r"has no query .*pass at least one"),
    "recommend @kb --queries @blank.txt": (BAD_USE, r"has no query .*pass at least one"),
    "recommend @kb --queries @missing.jsonl": (BAD_USE, "there is no file .*check the path"),
    "recommend @kb --queries @kb": (BAD_USE, "has no query log"),
    "recommend @kb --queries @folder": (BAD_USE, "has no query log"),
    "recommend @kb --queries @array.json": (BAD_USE, "is no JSON object: write one a line"),
    "recommend @kb --queries @textless.jsonl": (BAD_USE, 'line 1 .* has no text in field "text"'),
    "recommend @kb --queries @broken.jsonl": (BAD_USE, "line 2 .* is not valid JSON"),
    "recommend @kb --queries @binary.jsonl": (BAD_USE, "line 1 .* is not valid JSON"),
    "recommend @kb --needs @contradiction.toml": (BAD_USE, "drop facts_hard, or declare a lower audit"),
    "recommend @kb --needs @window.toml": (BAD_USE, "an answer has to fit into the context"),
    "recommend @kb --needs @typo.toml": (BAD_USE, 'no key .audti.: did you mean "audit"'),
    "recommend @kb --needs @broken.toml": (BAD_USE, "is no TOML"),
    "recommend @kb --needs @needs.json": (BAD_USE, "is no TOML"),
    "recommend @kb --needs @level.toml": (BAD_USE, "audit is .sometimes."),
    "recommend @kb --needs @missing.toml": (BAD_USE, "check the path"),
    "recommend @kb --rules @share.toml": (BAD_USE, "shares.required is 7"),
    "recommend @kb --rules @table.toml": (BAD_USE, 'share.*did you mean "shares"'),
    "recommend @kb --rules @missing.toml": (BAD_USE, "check the path"),
    "recommend @kb --evaluation @missing.json": (BAD_USE, "there is no file .*check the path"),
    "recommend @kb --evaluation @other.json": (BAD_USE, "an evaluation has no 'precision'"),
    "recommend @kb --evaluation @more.json": (BAD_USE, "passed is 9, it must be an integer from 0 to 3"),
    "recommend @kb --evaluation @no.json": (BAD_USE, "is no JSON: pass what ragstone eval prints"),
    "recommend @kb --examples @missing.jsonl": (BAD_USE, "there is no file"),
    "recommend @kb --examples @empty.jsonl": (BAD_USE, "none of 0 examples is usable"),
    "recommend @kb --examples @malformed.jsonl": (BAD_USE, "the first, in line 1, has no answer: name it"),
    "recommend @kb --sample 0": (BAD_USE, "sample is 0, it must be an integer from 1"),
    "recommend @kb --sample many": (BAD_USE, "invalid int value"),
    "recommend @kb --seed -1": (BAD_USE, "seed is -1"),
    "recommend @kb --markdown @folder": (FAILURE, "folder"),
    "recommend @kb --html @missing/report.html": (BAD_USE, "no folder"),
    "handoff @kb": (BAD_USE, "required: --examples, --into"),
    "handoff --examples @pairs.jsonl --into @new": (BAD_USE, "neither an index nor a query log"),
    "handoff @kb --examples @missing.jsonl --into @new": (BAD_USE, "there is no file"),
    "handoff @kb --examples @malformed.jsonl --into @new": (BAD_USE, "none of 3 examples is usable"),
    "handoff @kb --examples @pairs.jsonl --into @full": (BAD_USE, "is not empty"),
    "handoff @kb --examples @pairs.jsonl --into @full --overwrite": (BAD_USE, "holds no former bundle"),
    "handoff @kb --examples @pairs.jsonl --into @facts.jsonl": (BAD_USE, "is no folder"),
    "handoff @kb --examples @pairs.jsonl --into @new --schema @missing.json": (BAD_USE, "there is no file"),
    "handoff @kb --examples @pairs.jsonl --into @new --schema @list.json": (BAD_USE, "a JSON Schema is an object"),
    "handoff @kb --examples @pairs.jsonl --into @new --schema @no.json": (BAD_USE, "no.json"),
}


@pytest.mark.parametrize("arguments", BAD)
def test_bad_use_has_its_code_and_its_line(run: Run, place: Path, arguments: str) -> None:
    """Catches a traceback, a wrong exit code, or a message that names neither what is wrong nor what to do."""
    expected, message = BAD[arguments]
    code, out, err = run(*named(place, arguments))
    assert (code, out) == (expected, "")
    assert re.search(message, err), err
    assert len(err.strip().splitlines()) == 1 or err.startswith("usage:")
    assert not (place / "new").exists() and (place / "full" / "mine.txt").read_text() == "mine"
    code, out, _ = run(*named(place, arguments), "--json")
    assert code == expected
    assert not out or set(json.loads(out)) == {"error", "message"}


GOOD: dict[str, tuple[str, str]] = {
    "recommend @kb": ("undecided", "There is no log of queries"),
    "recommend @kb --queries @facts.jsonl": ("prompt_first", "put it in the prompt"),
    "recommend @kb --queries @huge.jsonl": ("prompt_first", "need facts"),
    "recommend --queries @huge.txt": ("undecided", "fewer than 50 decide nothing"),
    "recommend @words --queries @facts.jsonl": ("prompt_first", "put it in the prompt"),
    "recommend @none --queries @facts.jsonl": ("undecided", "there is no corpus to look them up in"),
    "recommend --queries @facts.jsonl": ("undecided", "there is no corpus"),
    "recommend --queries @write.jsonl": ("fine_tune", "Only behaviour is required"),
    "recommend --queries @write.jsonl --examples @one.jsonl": ("fine_tune", "0 held-out answers may not claim 95 %"),
    "recommend --queries @write.jsonl --examples @labels.jsonl": ("fine_tune", "held-out answers may not claim"),
    "recommend @kb --queries @japanese.txt": ("undecided", "decide nothing"),
}


@pytest.mark.parametrize("arguments", GOOD)
def test_odd_but_usable_input_gets_honest_advice(run: Run, place: Path, arguments: str) -> None:
    """Catches odd input that crashes, or sentences with the digits of a machine in them."""
    decision, sentence = GOOD[arguments]
    code, out, _ = run(*named(place, arguments))
    assert code == FINDING and out.startswith(f"{decision} (") and sentence in out
    assert not re.search(r"\d\.\d{5}|e-\d|\bNone\b|\bnan\b|\binf\b|\bTrue\b|\bFalse\b", out)
    told = json.loads(run(*named(place, arguments), "--json")[1])
    assert told["decision"] == decision
    assert all(one["evidence"] in told["evidence"] for one in told["reasons"])


HANDED: dict[str, tuple[int, str]] = {
    "--queries @write.jsonl --examples @pairs.jsonl": (RIGHT, "ready to train"),
    "--queries @write.jsonl --examples @one.jsonl": (
        FINDING,
        "1 examples to train on, 10 are the least: collect first",
    ),
    "--queries @write.jsonl --examples @labels.jsonl": (FINDING, "have one label: there is nothing to learn"),
    "--queries @write.jsonl --examples @pairs.jsonl --schema @schema.json": (FINDING, "120 of 120 answers are no JSON"),
    "@kb --queries @facts.jsonl --examples @pairs.jsonl": (FINDING, "the advice is prompt first: nothing calls for"),
}


@pytest.mark.parametrize("arguments", HANDED)
def test_a_bundle_is_ready_only_if_it_is(run: Run, place: Path, tmp_path: Path, arguments: str) -> None:
    """Catches "ready to train" where there is nothing to learn, nothing held out, or no reason to train."""
    expected, sentence = HANDED[arguments]
    code, out, _ = run("handoff", *named(place, arguments), "--into", tmp_path / "bundle")
    assert code == expected and sentence in out
    assert ("NOT ready to train" in out) == (code == FINDING)
    assert f"Ready to train: **{'yes' if code == RIGHT else 'no'}**" in (tmp_path / "bundle" / "PLAN.md").read_text()


def test_reports_are_written_beside_what_is_printed(run: Run, place: Path, tmp_path: Path) -> None:
    """Catches options that are not passed on, and a report that depends on how it is asked for."""
    files = ("--markdown", tmp_path / "r.md", "--html", tmp_path / "r.html")
    code, out, _ = run("recommend", place / "kb", "--queries", place / "facts.jsonl", *files)
    assert code == FINDING and "Collect next:" in out
    assert (tmp_path / "r.md").read_text(encoding="utf-8").startswith("# Prompt first")
    assert (tmp_path / "r.html").read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html>")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user whom permissions bind")
def test_a_folder_that_may_not_be_written_is_told(run: Run, place: Path, tmp_path: Path) -> None:
    """Catches a traceback, or half a bundle, where nothing may be written."""
    (tmp_path / "locked").mkdir(mode=0o500)
    given = ("--queries", place / "write.jsonl", "--examples", place / "pairs.jsonl")
    code, _, err = run("handoff", *given, "--into", tmp_path / "locked" / "bundle")
    assert code == FAILURE and "locked" in err
    assert list((tmp_path / "locked").iterdir()) == []


def test_an_index_may_lie_in_a_folder_that_may_only_be_read(run: Run, place: Path, tmp_path: Path) -> None:
    """Catches advice that writes into the index."""
    before = {path: path.stat().st_mtime_ns for path in (place / "kb").rglob("*")}
    mode = (place / "kb").stat().st_mode
    (place / "kb").chmod(0o500)
    try:
        assert run("recommend", place / "kb", "--queries", place / "facts.jsonl")[0] == FINDING
    finally:
        (place / "kb").chmod(mode)
    assert {path: path.stat().st_mtime_ns for path in (place / "kb").rglob("*")} == before
