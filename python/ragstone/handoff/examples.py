"""Reads examples of request and answer in the forms in which people keep them; what cannot be used is told, never lost.

A row is a conversation (``messages``, ``conversations``), a pair under any usual names (``prompt`` and ``completion``,
``instruction``, ``input`` and ``output``, ``query`` and ``answer``), or a text with its ``label``. It may also say when
it was written (``timestamp``), what it belongs with (``user``, ``thread``, ``document``), which documents answer it
(``documents``), and whether the answer was ``accepted``.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ragstone.arguments import shown
from ragstone.errors import InvalidInput
from ragstone.lines import table_lines
from ragstone.scoring import parsed

__all__ = ["Dropped", "Example", "Examples", "Task", "read_examples", "task_of"]

Task: TypeAlias = Literal["labels", "json", "text"]

# Longer examples pass what models are trained on; one of 10 MB would also crowd out the rest.
CHARACTERS_MAX = 200_000
_EXAMPLES_MAX = 2_000_000
_LABEL_CHARACTERS_MAX = 60
_REQUESTS = ("prompt", "instruction", "query", "question", "request", "text", "input")
_CONTEXTS = ("input", "context")
_ANSWERS = ("completion", "output", "answer", "response")
_LABELS = ("label", "intent", "category", "class")
_GROUPS = (
    "group",
    "user",
    "user_id",
    "thread",
    "thread_id",
    "conversation_id",
    "session_id",
    "document",
    "document_id",
)
_TIMES = ("time_ms", "timestamp", "time", "ts", "created_at", "date")
_SOURCES = ("chunk_ids", "documents", "document_ids", "relevant", "document", "document_id")
_ROLES = {"system": "system", "developer": "system", "user": "user", "human": "user"}
_ROLES |= {"assistant": "assistant", "gpt": "assistant", "model": "assistant"}
# Seconds since 1970 stay below this until the year 5138; milliseconds passed it in 1973.
_SECONDS_MAX = 1e11


@dataclass(frozen=True, slots=True)
class Example:
    """One request with the answer wanted: ``turns`` are (role, text), the last one the user's.

    ``groups`` name what it belongs with, such as ``user:7``; ``sources`` the documents or chunks that answer it.
    ``line`` counts from 1. ``question`` is the request without chunks, where chunks were put in.
    """

    line: int
    turns: tuple[tuple[str, str], ...]
    completion: str
    system: str = ""
    labelled: bool = False
    groups: tuple[str, ...] = ()
    time_ms: int | None = None
    sources: tuple[str, ...] = ()
    question: str = ""

    @property
    def request(self) -> str:
        """What the user said, all turns together."""
        return "\n".join(text for role, text in self.turns if role == "user")

    @property
    def compared(self) -> str:
        """The text by which it is told whether two examples are one."""
        return self.question or self.request


@dataclass(frozen=True, slots=True)
class Dropped:
    """An example that is not used, and why; the reason quotes nothing of it."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Examples:
    """What was read: usable examples, and the others with their reasons; lines count from 1."""

    usable: tuple[Example, ...]
    dropped: tuple[Dropped, ...]


class _Unusable(Exception):
    """Why one row cannot be used."""


def read_examples(examples: str | os.PathLike[str] | Iterable[object]) -> Examples:
    """Read examples from a JSON Lines file, or from rows: mappings, or pairs of request and answer.

    A query log that was read has the answers that were accepted in ``answers``, by query; it may be passed as it is.

    Raises:
        InvalidInput: There is no such file, it is not UTF-8, there are more than 2,000,000 rows, or none is usable.

    >>> found = read_examples([("Say hello.", "Hello!"), {"text": "where is it", "label": "track"}, {"text": "hm"}])
    >>> [example.completion for example in found.usable], found.dropped[0].reason
    (['Hello!', 'track'], 'has no answer: name it "completion", "output", "answer", "response" or "label"')
    """
    usable: list[Example] = []
    dropped: list[Dropped] = []
    for line, row in _rows(examples):
        if len(usable) + len(dropped) >= _EXAMPLES_MAX:
            raise InvalidInput(f"there are more than {_EXAMPLES_MAX:,} examples: pass a sample of them")
        try:
            usable.append(_example(line, _object(row)))
        except _Unusable as error:
            dropped.append(Dropped(line, str(error)))
    if not usable:
        first = f"; the first, in line {dropped[0].line}, {dropped[0].reason}" if dropped else ""
        raise InvalidInput(f"none of {len(dropped):,} examples is usable{first}")
    return Examples(tuple(usable), tuple(dropped))


def task_of(examples: Iterable[Example]) -> Task:
    """What is to be learnt: labels, JSON, or text as people write it.

    >>> task_of([Example(1, (("user", "a"),), "x"), Example(2, (("user", "b"),), "x")])
    'labels'
    """
    listed = list(examples)
    answers = [example.completion for example in listed]
    if all(example.labelled for example in listed):
        return "labels"
    if all(text[:1] in ("{", "[") and _is_json(text) for text in answers):
        return "json"
    short = all(len(text) <= _LABEL_CHARACTERS_MAX and "\n" not in text for text in answers)
    return "labels" if short and 2 * len(set(answers)) <= len(answers) else "text"


def _is_json(text: str) -> bool:
    try:
        parsed(text)
    except InvalidInput:
        return False
    return True


def _rows(examples: str | os.PathLike[str] | Iterable[object]) -> Iterator[tuple[int, object]]:
    if isinstance(examples, (str, os.PathLike)):
        yield from table_lines(Path(examples))
    elif isinstance(answers := getattr(examples, "answers", None), Mapping):
        yield from enumerate(answers.items(), 1)
    elif isinstance(examples, Iterable) and not isinstance(examples, (bytes, Mapping)):
        yield from enumerate(examples, 1)
    else:
        raise InvalidInput(f"examples are {shown(examples)}: pass a file of JSON Lines, or a list of pairs")


def _object(row: object) -> Mapping[str, Any]:
    """A row as an object: JSON text, a mapping, or a pair."""
    if isinstance(row, str):
        if len(row) > 10 * CHARACTERS_MAX:
            raise _Unusable(f"has {len(row):,} characters: at most {CHARACTERS_MAX:,} are taken")
        try:
            row = parsed(row)
        except InvalidInput as error:
            # What the reader says after the colon may quote the row.
            raise _Unusable(str(error).split(":")[0]) from None
    if isinstance(row, (list, tuple)) and len(row) == 2:
        row = {"prompt": row[0], "completion": row[1]}
    if not isinstance(row, Mapping):
        raise _Unusable("is no object and no pair")
    return row


def _example(line: int, row: Mapping[str, Any]) -> Example:
    if row.get("accepted") is False:
        raise _Unusable("has an answer that was not accepted")
    system, turns, completion, labelled = _content(row)
    size = len(system) + len(completion) + sum(len(text) for _, text in turns)
    if size > CHARACTERS_MAX:
        raise _Unusable(f"has {size:,} characters: at most {CHARACTERS_MAX:,} are taken")
    return Example(
        line=line,
        turns=tuple(turns),
        completion=completion,
        system=system,
        labelled=labelled,
        groups=tuple(f"{_plain(name)}:{row[name]}" for name in _GROUPS if _is_name(row.get(name))),
        time_ms=_time(row),
        sources=_sources(row),
    )


def _content(row: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]], str, bool]:
    """System prompt, turns before the answer, the answer, and whether it is a label."""
    for name, keys in (("messages", ("role", "content")), ("conversations", ("from", "value"))):
        if name in row:
            return (*_conversation(row[name], keys), False)
    system = _text(row["system"], "system") if row.get("system") else ""
    asked = next((name for name in _REQUESTS if row.get(name)), None)
    if asked is None:
        raise _Unusable('has no request: name it "prompt", "instruction", "query", "question" or "text"')
    answered = next((name for name in (*_ANSWERS, *_LABELS) if row.get(name) is not None), None)
    if answered is None:
        raise _Unusable('has no answer: name it "completion", "output", "answer", "response" or "label"')
    if isinstance(row[asked], list):
        return (*_conversation([*row[asked], *_listed(row[answered])], ("role", "content")), False)
    request = _text(row[asked], asked)
    context = next((row[name] for name in _CONTEXTS if name != asked and row.get(name)), None)
    if context is not None:
        request = f"{request}\n\n{_text(context, 'input')}"
    turns = [*_history(row.get("history")), ("user", request)]
    return system, turns, _answer(row[answered], answered), answered in _LABELS


def _listed(answer: object) -> list[object]:
    return answer if isinstance(answer, list) else [{"role": "assistant", "content": answer}]


def _history(history: object) -> list[tuple[str, str]]:
    """Turns before the request, as Alpaca has them: pairs of what was asked and answered."""
    if not history:
        return []
    if not isinstance(history, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in history):
        raise _Unusable('has a "history" that is no list of pairs')
    roles = ("user", "assistant")
    return [(role, _text(text, "history")) for pair in history for role, text in zip(roles, pair, strict=True)]


def _conversation(messages: object, keys: tuple[str, str]) -> tuple[str, list[tuple[str, str]], str]:
    """System prompt, turns, and the assistant's last; user and assistant have to take turns, as trainers demand."""
    if not isinstance(messages, list) or not messages:
        raise _Unusable("has messages that are no list, or none")
    turns: list[tuple[str, str]] = []
    for message in messages:
        if not isinstance(message, Mapping):
            raise _Unusable("has a message that is no object")
        role = _ROLES.get(str(message.get(keys[0])))
        if role is None:
            raise _Unusable("has a message with an unknown role: use system, user and assistant")
        content = message.get(keys[1])
        if role == "assistant" and (content is None or (isinstance(content, str) and not content.strip())):
            raise _Unusable("has an empty assistant turn")
        turns.append((role, _text(content, "message")))
    system = turns.pop(0)[1] if turns[0][0] == "system" else ""
    wanted = ["user", "assistant"] * (len(turns) // 2)
    if not turns or [role for role, _ in turns] != wanted:
        raise _Unusable("has turns that do not go user, assistant, … and end with the assistant")
    return system, turns[:-1], turns[-1][1].strip()


def _answer(value: object, name: str) -> str:
    if name in _LABELS:
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise _Unusable("has a label that is no text: one label an example")
        value = str(value)
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and not value.strip():
        raise _Unusable("has an empty answer")
    return _text(value, name).strip()


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _Unusable(f'has no text in "{name}"')
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Unusable(f'has a lone surrogate in "{name}"') from None
    return value


def _is_name(value: object) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool) and str(value).strip() != ""


def _plain(name: str) -> str:
    return name.removesuffix("_id")


def _time(row: Mapping[str, Any]) -> int | None:
    """When it was written, in milliseconds since 1970; ``None`` where that is not said, or not understood."""
    value = next((row[name] for name in _TIMES if row.get(name) is not None), None)
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or abs(value) > 1e15:
        return None
    return round(value if abs(value) >= _SECONDS_MAX else value * 1000)


def _sources(row: Mapping[str, Any]) -> tuple[str, ...]:
    value = next((row[name] for name in _SOURCES if row.get(name)), ())
    several = [value] if isinstance(value, str) else value
    return tuple(one for one in several if isinstance(one, str)) if isinstance(several, (list, tuple)) else ()
