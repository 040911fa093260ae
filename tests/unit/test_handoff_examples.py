"""Reading examples: every usual form, and every reason for which one is left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ragstone.errors import InvalidInput
from ragstone.handoff.examples import read_examples, task_of
from ragstone.recommendation.queries import read_queries

GOOD = ("q", "a")


@pytest.mark.parametrize(
    ("row", "request_text", "answer"),
    [
        (("Say it", "It"), "Say it", "It"),
        ({"prompt": "p", "completion": "c"}, "p", "c"),
        ({"instruction": "i", "input": "", "output": "o"}, "i", "o"),
        ({"instruction": "i", "input": "x", "output": "o"}, "i\n\nx", "o"),
        ({"instruction": "i", "context": "x", "response": "o", "category": "qa"}, "i\n\nx", "o"),
        ({"query": "q", "answer": " a "}, "q", "a"),
        ({"question": "q", "answer": "a", "accepted": True}, "q", "a"),
        ({"text": "t", "label": "l"}, "t", "l"),
        ({"text": "t", "intent": 7}, "t", "7"),
        ({"input": "x", "output": {"a": 1}}, "x", '{"a": 1}'),
        ({"prompt": [{"role": "user", "content": "p"}], "completion": "c"}, "p", "c"),
        (
            {"prompt": [{"role": "user", "content": "p"}], "completion": [{"role": "assistant", "content": "c"}]},
            "p",
            "c",
        ),
        ({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]}, "u", "a"),
        ({"conversations": [{"from": "human", "value": "u"}, {"from": "gpt", "value": "a"}]}, "u", "a"),
    ],
)
def test_forms(row: object, request_text: str, answer: str) -> None:
    """Catches a form that people keep their examples in and that is not read, or read wrongly."""
    [example] = read_examples([row]).usable
    assert (example.request, example.completion) == (request_text, answer)


def test_what_else_a_row_says() -> None:
    """Catches a lost system prompt, earlier turn, time, group or source."""
    row = {
        "system": "Be kind.",
        "history": [["hi", "hello"]],
        "instruction": "go",
        "output": "gone",
        "user_id": 7,
        "thread": "t",
        "timestamp": "2026-01-02T00:00:00Z",
        "documents": ["d1", "d2"],
    }
    [example] = read_examples([row]).usable
    assert example.system == "Be kind."
    assert example.turns == (("user", "hi"), ("assistant", "hello"), ("user", "go"))
    assert example.groups == ("user:7", "thread:t")
    assert example.sources == ("d1", "d2")
    assert example.time_ms == 1_767_312_000_000
    assert read_examples([{**row, "timestamp": 1_767_312_000}]).usable[0].time_ms == example.time_ms
    assert read_examples([{**row, "timestamp": 1_767_312_000_000}]).usable[0].time_ms == example.time_ms
    assert read_examples([{**row, "timestamp": "soon"}]).usable[0].time_ms is None


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"query": "q"}, "has no answer"),
        ({"query": "q", "answer": None}, "has no answer"),
        ({"answer": "a"}, "has no request"),
        ({"query": "q", "answer": "  "}, "has an empty answer"),
        ({"query": "  ", "answer": "a"}, 'has no text in "query"'),
        ({"query": 3, "answer": "a"}, 'has no text in "query"'),
        ({"query": "q", "answer": "a", "accepted": False}, "not accepted"),
        ({"query": "\ud800", "answer": "a"}, "lone surrogate"),
        ({"text": "t", "label": ["a", "b"]}, "has a label that is no text"),
        ({"messages": []}, "has messages that are no list, or none"),
        ({"messages": [{"role": "user", "content": "u"}]}, "turns that do not go"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, "turns that do not go"),
        (
            {"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": ""}]},
            "empty assistant turn",
        ),
        ({"messages": [{"role": "user", "content": "u"}, {"role": "assistant"}]}, "empty assistant turn"),
        ({"messages": [{"role": "robot", "content": "u"}]}, "unknown role"),
        ({"messages": ["u"]}, "a message that is no object"),
        ({"instruction": "i", "output": "o", "history": ["x"]}, "history"),
        ({"query": "q", "answer": "a" * 300_000}, "has 300,001 characters: at most 200,000"),
        (7, "is no object and no pair"),
        (("a", "b", "c"), "is no object and no pair"),
        ("{", "is no JSON"),
        ('{"query": "a", "query": "b", "answer": "c"}', "is no JSON"),
        ('{"query": "a", "answer": NaN}', "is no JSON"),
        ("x" * 3_000_000, "has 3,000,000 characters"),
    ],
)
def test_what_cannot_be_used_is_told(row: object, reason: str) -> None:
    """Catches an example that vanishes, stops the others, or is trained on although it cannot be."""
    found = read_examples([GOOD, row, GOOD])
    assert [example.line for example in found.usable] == [1, 3]
    assert found.dropped[0].line == 2
    assert reason in found.dropped[0].reason


def test_a_query_log_gives_its_answers() -> None:
    """Catches a log whose accepted answers are not taken, or whose other queries are."""
    log = read_queries([{"text": "Where is it?", "answer": "On its way."}, {"text": "Who?"}])
    [example] = read_examples(log).usable
    assert (example.request, example.completion) == ("Where is it?", "On its way.")


def test_a_file_is_read_line_by_line(tmp_path: Path) -> None:
    """Catches wrong line numbers, blank lines counted as examples, or a byte order mark read as text."""
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"query": "q", "answer": "a"}\n\nnot json\n{"text": "t", "label": "l"}\n')
    found = read_examples(path)
    assert [example.line for example in found.usable] == [1, 4]
    assert [(one.line, one.reason) for one in found.dropped] == [(3, "is no JSON")]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"{}\n", b"\xff\xfe\n"])
def test_a_file_without_a_usable_example_is_refused(tmp_path: Path, content: bytes) -> None:
    """Catches an empty bundle."""
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(content)
    with pytest.raises(InvalidInput):
        read_examples(path)


@pytest.mark.parametrize("examples", [None, 7, {"query": "q", "answer": "a"}, b"x"])
def test_what_is_no_list_is_refused(examples: Any) -> None:
    """Catches a mapping whose keys are read as examples, or an error of Python's own."""
    with pytest.raises(InvalidInput, match="pass a file of JSON Lines"):
        read_examples(examples)


def test_missing_file_is_named(tmp_path: Path) -> None:
    """Catches an error that does not name the file."""
    with pytest.raises(InvalidInput, match=r"there is no file .*none\.jsonl"):
        read_examples(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("answers", "task"),
    [
        (["a", "b", "a", "b"], "labels"),
        (['{"a": 1}', "[2]", '{"a": 3}'], "json"),
        (["One.", "Two.", "Three."], "text"),
        (["{not json}", "{a}", "{b}"], "text"),
        (["yes\nno"] * 4, "text"),
    ],
)
def test_the_task_is_what_answers_look_like(answers: list[str], task: str) -> None:
    """Catches labels scored as prose, or prose as JSON."""
    examples = read_examples([{"query": f"q{n}", "answer": answer} for n, answer in enumerate(answers)]).usable
    assert task_of(examples) == task


def test_labels_are_labels_however_many() -> None:
    """Catches 77 labels with one example each taken for prose."""
    rows = [json.dumps({"text": f"message {n}", "label": f"label {n}"}) for n in range(77)]
    assert task_of(read_examples(rows).usable) == "labels"
