"""What every verb of the command line needs: its parser, exit codes, and values as text or JSON."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from ragstone.errors import MissingDependency, ModelError

if TYPE_CHECKING:
    from ragstone.pipeline import Index

__all__ = [
    "BAD_USE",
    "FAILURE",
    "FINDING",
    "RIGHT",
    "Subparsers",
    "command",
    "json_argument",
    "open_index",
    "open_to_measure",
    "plain",
    "show",
]

RIGHT, FINDING, BAD_USE, FAILURE = 0, 1, 2, 3

if TYPE_CHECKING:
    Subparsers: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Subparsers = object


def command(
    commands: Subparsers, name: str, run: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    """A verb with ``--json`` that calls ``run``, which returns the exit code."""
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=run)
    return parser


def json_argument(text: str) -> Mapping[str, object]:
    """A JSON object given as an argument."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"not a JSON object: {text}")
    return value


def plain(value: object) -> object:
    """A value in JSON's types: records as objects, dates and everything else as text, infinite numbers as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(element) for key, element in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(element) for element in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)


def show(options: argparse.Namespace, value: object) -> None:
    """Print a result: as one JSON object with ``--json``, by its ``to_dict`` where it has one, else as text."""
    if options.json:
        made = value.to_dict() if hasattr(value, "to_dict") else value
        print(json.dumps(plain(made), ensure_ascii=False))
    else:
        print(value)


def open_index(options: argparse.Namespace) -> Index:
    """The index ``options.kb`` for reading."""
    import ragstone

    return ragstone.open(options.kb, read_only=True)


def open_to_measure(options: argparse.Namespace) -> Index:
    """An index with its embedder; where its model is missing, without, if ``options.mode`` can do without."""
    import ragstone

    try:
        return open_index(options)
    except (MissingDependency, ModelError) as error:
        if options.mode == "hybrid":
            raise type(error)(
                f"{error}; or measure without it: --mode bm25, or --mode dense without --queries"
            ) from None
        return ragstone.open(options.kb, read_only=True, embedder=None)
