"""Reads files line by line as strangers write them: whatever cannot be used is refused by file, line and next step."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from ragstone.errors import InvalidInput

__all__ = ["json_lines", "table_lines", "text_field", "where"]

# Longer lines are no queries, judgements or answers; without a limit one line could take all memory.
_LINE_BYTES_MAX = 64 << 20


def where(path: Path, number: int) -> str:
    """What a message calls a line.

    >>> where(Path("qrels.tsv"), 3)
    "line 3 of 'qrels.tsv'"
    """
    return f"line {number} of {str(path)!r}"


def table_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file that are not blank, with their numbers from 1, without their line ends.

    A byte order mark is left out; a file whose name ends in ``.gz`` is unpacked on the way.

    Raises:
        InvalidInput: There is no such file, it is not UTF-8, not gzip in spite of its name, or a line is too long.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as file:
            number = 0
            while line := file.readline(_LINE_BYTES_MAX + 1):
                number += 1
                if len(line) > _LINE_BYTES_MAX:
                    raise InvalidInput(f"{where(path, number)} has more than {_LINE_BYTES_MAX:,} bytes: split it")
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise InvalidInput(
                        f"{where(path, number)} is not UTF-8 at byte {error.start}: convert the file first"
                    ) from None
                if text.strip():
                    yield number, text.rstrip("\r\n")
    except FileNotFoundError:
        raise InvalidInput(f"there is no file {str(path)!r}: check the path") from None
    except IsADirectoryError:
        raise InvalidInput(f"{str(path)!r} is a folder: pass a file in it") from None
    except (gzip.BadGzipFile, zlib.error, EOFError):
        raise InvalidInput(f"file {str(path)!r} is not a whole gzip file: unpack it yourself, or rename it") from None


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    """The objects of a JSON Lines file, with the numbers of their lines.

    Raises:
        InvalidInput: As :func:`table_lines`, or a line is no JSON object, or names a field twice, or holds NaN.
    """
    for number, line in table_lines(path):
        here = where(path, number)
        try:
            row = json.loads(line, parse_constant=_refuse_constant, object_pairs_hook=_distinct)
        except InvalidInput as error:
            raise InvalidInput(f"{here} {error}") from None
        except (ValueError, RecursionError):
            raise InvalidInput(f"{here} is not valid JSON: write one object a line") from None
        if not isinstance(row, dict):
            raise InvalidInput(f'{here} is no JSON object: write one a line, such as {{"_id": …, "text": …}}')
        yield number, row


def text_field(row: dict[str, object], names: str | tuple[str, ...], where: str) -> str:
    """The first of some fields that a row has, which must hold text that can be stored and is not blank.

    >>> text_field({"query": "refund window?"}, ("text", "query"), "line 1 of 'x.jsonl'")
    'refund window?'
    """
    value, shown = _field(row, names)
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(f"{where} has no text in field {shown}: give it one that is not empty")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"{where} has a lone surrogate in field {shown}, at index {error.start}") from None
    return value


def _field(row: dict[str, object], names: str | tuple[str, ...]) -> tuple[object, str]:
    given = (names,) if isinstance(names, str) else names
    value = next((row[name] for name in given if name in row), None)
    return value, " or ".join(f'"{name}"' for name in given)


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidInput(f"holds {name}, which is no number in JSON: leave the row out or give a number")


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInput(f'names the field "{twice}" twice: keep one')
    return row
