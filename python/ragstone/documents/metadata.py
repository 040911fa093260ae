"""Reads metadata out of front matter: a small, safe subset of YAML, whose scalars other formats share."""

from __future__ import annotations

import datetime
import re

from ragstone.records import MetadataScalar, MetadataValue

__all__ = ["front_matter", "scalar"]

_LONGEST = 65_536  # characters of front matter
_KEY = re.compile(r"([\w][\w .-]{0,98}?)[ \t]{0,9}:(?:[ \t]|$)", re.MULTILINE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:[Zz]|[+-]\d{2}:\d{2})?")
_INTEGER = re.compile(r"[+-]?(?:0|[1-9]\d{0,17})")
_NUMBER = re.compile(r"[+-]?(?:\d{1,300}\.\d{0,300}|\.\d{1,300})(?:[eE][+-]?\d{1,3})?|[+-]?\d{1,300}[eE][+-]?\d{1,3}")


def front_matter(text: str) -> tuple[dict[str, MetadataValue], int]:
    r"""Metadata at the head of a text between lines of ``---``, and the index behind it; ``({}, 0)`` without one.

    Understands ``key: value`` with strings, numbers, booleans and ISO dates, ``key: [a, b]`` and lists of ``- item``
    lines. A list whose items differ in type is a list of strings; anything else (nested maps, blocks) is a string.

    >>> front_matter("---\nyear: 2024\ntags: [a, b]\n---\n# Title")
    ({'year': 2024, 'tags': ['a', 'b']}, 31)
    """
    if not text.startswith("---") or text[3:64].partition("\n")[0].strip():
        return {}, 0
    start = text.find("\n") + 1
    close = re.compile(r"^(?:---|\.\.\.)[ \t]*\r?$", re.MULTILINE).search(text, start, start + _LONGEST)
    if not start or close is None:
        return {}, 0
    metadata: dict[str, MetadataValue] = {}
    for key, below in _entries(text[start : close.start()]):
        value = _value(below)
        if value is not None:
            metadata[key] = value
    # Lines between two rules that set nothing are text of the document.
    return (metadata, close.end()) if metadata else ({}, 0)


def _entries(block: str) -> list[tuple[str, list[str]]]:
    """Keys at the left margin, each with its value: the rest of its line and the lines up to the next key."""
    entries: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        key = _KEY.match(line)
        if key is not None:
            entries.append((key[1], [_without_comment(line[key.end() :])]))
        elif line.strip() and not line.startswith("#"):
            if not entries:
                return []  # Prose before any key: this is no front matter.
            entries[-1][1].append(line)
    return entries


def _value(below: list[str]) -> MetadataValue | None:
    head, rest = below[0].strip(), below[1:]
    if not rest:
        if head.startswith("[") and head.endswith("]"):
            return _alike(_split_flow(head[1:-1]))
        return None if head in ("", "~", "null") else scalar(head)
    items = [line.strip() for line in rest]
    if not head and all(item.startswith("- ") for item in items):
        return _alike([_without_comment(item[2:]).strip() for item in items])
    return "\n".join(part for part in (head, *rest) if part)


def _split_flow(inside: str) -> list[str]:
    """Items of ``a, "b, c"``: commas within quotes do not count."""
    items = re.findall(r"\s*(\"[^\"]*\"|'[^']*'|[^,]*)\s*(?:,|$)", inside)
    return [item.strip() for item in items if item.strip()]


def _alike(items: list[str]) -> list[MetadataScalar]:
    values = [scalar(item) for item in items]
    if len({type(value) for value in values}) > 1:
        return [_unquoted(item) for item in items]
    return values


def scalar(text: str) -> MetadataScalar:
    """A string as YAML would read it: quoted string, boolean, integer, number, ISO date or time, else itself.

    >>> scalar("2026-07-01"), scalar("2026-07"), scalar("'7'"), scalar("1.50"), scalar("true")
    (datetime.date(2026, 7, 1), '2026-07', '7', 1.5, True)
    """
    text = text.strip()
    if text[:1] in ("'", '"'):
        return _unquoted(text)
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text.lower() == "true"
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        if _NUMBER.fullmatch(text):
            number = float(text)
            return number if abs(number) != float("inf") else text
        if _DATE.fullmatch(text):
            return datetime.date.fromisoformat(text)
        if _TIME.fullmatch(text):
            return datetime.datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", text).replace("t", "T"))
    except ValueError:  # such as a 13th month
        pass
    return text


def _unquoted(text: str) -> str:
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return text


def _without_comment(line: str) -> str:
    """A value without the comment behind it: a ``#`` after a blank and outside quotes."""
    quoted = re.match(r"\s*(\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*')", line)
    start = quoted.end() if quoted else 0
    comment = re.compile(r"(?:^|(?<=\s))#").search(line, start)
    return line[: comment.start()] if comment else line
