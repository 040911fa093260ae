"""The forms in which trainers read examples, each with its JSON Schema, and LLaMA-Factory's table of contents.

``messages`` is read by TRL, Axolotl, Unsloth, Together and LLaMA-Factory, ``prompt_completion`` by TRL, which then
takes the loss on the completion alone, ``alpaca`` by LLaMA-Factory and most others. Alpaca has no turns: earlier ones
stand in ``instruction``, the last in ``input``. Its own column for them, a list that is mostly empty, has another type
in a split without any, and ``datasets`` refuses that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ragstone.handoff.examples import Example

__all__ = ["FORMATS", "SCHEMAS", "dataset_info", "json_text", "lines_of", "row_of"]

FORMATS = ("messages", "prompt_completion", "alpaca")

_TEXT = {"type": "string", "pattern": r"\S"}


def _messages(role: str, *, least: int = 1) -> dict[str, Any]:
    """Messages that end with a role."""
    one = {
        "type": "object",
        "required": ["role", "content"],
        "additionalProperties": False,
        "properties": {"role": {"enum": ["system", "user", "assistant"]}, "content": _TEXT},
    }
    return {"type": "array", "minItems": least, "items": one, "contains": {"properties": {"role": {"const": role}}}}


SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "messages": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["messages"],
        "additionalProperties": False,
        "properties": {"messages": _messages("assistant", least=2)},
    },
    "prompt_completion": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["prompt", "completion"],
        "additionalProperties": False,
        "properties": {"prompt": _messages("user"), "completion": {**_messages("assistant"), "maxItems": 1}},
    },
    "alpaca": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["instruction", "input", "output"],
        "additionalProperties": False,
        "properties": {
            "instruction": _TEXT,
            "input": {"type": "string"},
            "output": _TEXT,
            "system": {"type": "string"},
        },
    },
}


def row_of(example: Example, form: str, *, system: bool = True) -> dict[str, Any]:
    """An example in one of the forms; ``system`` says whether Alpaca's rows have that column.

    >>> row_of(Example(1, (("user", "Hi"),), "Hello."), "prompt_completion")["completion"]
    [{'role': 'assistant', 'content': 'Hello.'}]
    """
    asked = [{"role": "system", "content": example.system}] if example.system else []
    asked += [{"role": role, "content": text} for role, text in example.turns]
    answer = {"role": "assistant", "content": example.completion}
    if form == "messages":
        return {"messages": [*asked, answer]}
    if form == "prompt_completion":
        return {"prompt": asked, "completion": [answer]}
    last = example.turns[-1][1]
    before = "\n\n".join(f"{role.capitalize()}: {text}" for role, text in example.turns[:-1])
    row = {"instruction": before or last, "input": last if before else "", "output": example.completion}
    return {**row, "system": example.system} if system else row


def lines_of(examples: Sequence[Example], form: str, everything: Sequence[Example]) -> str:
    """Examples as JSON Lines, with the columns that any example of all splits needs."""
    system = any(one.system for one in everything)
    return json_lines_text(row_of(example, form, system=system) for example in examples)


def json_lines_text(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as JSON Lines."""
    # U+2028 and U+2029 end a line for some readers.
    return "".join(
        json.dumps(row, ensure_ascii=False).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029") + "\n"
        for row in rows
    )


def json_text(value: object) -> str:
    """A value as indented JSON, keys in their order."""
    return json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def dataset_info(formats: Sequence[str], splits: Sequence[str], *, system: bool) -> dict[str, Any]:
    """LLaMA-Factory's ``dataset_info.json``: where each split is and what its columns mean."""
    entries: dict[str, Any] = {}
    for split in splits:
        if "alpaca" in formats:
            columns = {"prompt": "instruction", "query": "input", "response": "output"}
            columns |= {"system": "system"} if system else {}
            entries[f"alpaca_{split}"] = {"file_name": f"alpaca/{split}.jsonl", "columns": columns}
        if "messages" in formats:
            entries[f"messages_{split}"] = {
                "file_name": f"messages/{split}.jsonl",
                "formatting": "sharegpt",
                "columns": {"messages": "messages"},
                "tags": {
                    "role_tag": "role",
                    "content_tag": "content",
                    "user_tag": "user",
                    "assistant_tag": "assistant",
                    "system_tag": "system",
                },
            }
    return entries
