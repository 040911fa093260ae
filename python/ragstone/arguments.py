"""Checks of what a caller passes: each returns the value in its plain form, or refuses it and says what would do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np

from ragstone.errors import InvalidInput

__all__ = ["integer", "listed", "number", "one_of", "shown", "text", "texts"]

T = TypeVar("T")

_SHOWN_MAX = 120


def shown(value: object) -> str:
    """A value as a message shows it: short, and never an error of its own.

    >>> shown(10**5000)
    'an integer of 16610 bits'
    """
    if isinstance(value, int) and value.bit_length() > 256:
        return f"an integer of {value.bit_length()} bits"
    try:
        full = ascii(value)
    except Exception:
        # Whatever fails here belongs to the caller's object, not to the check.
        full = f"a {type(value).__name__}"
    return full if len(full) <= _SHOWN_MAX else f"{full[: _SHOWN_MAX - 1]}…"


def text(value: object, what: str) -> str:
    """A string that can be stored: lone surrogates have no bytes in UTF-8."""
    if not isinstance(value, str):
        raise InvalidInput(f"{what} is of type {type(value).__name__}, it must be a string")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"{what} has a lone surrogate at index {error.start}: decode it properly first") from None
    return value


def listed(values: Iterable[T], what: str) -> list[T]:
    """Several values as a list; one string is refused, for it would become its letters."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise InvalidInput(f"{what} is {shown(values)}: pass a list")
    return list(values)


def texts(values: Iterable[str], what: str, each: str) -> list[str]:
    """Several strings that can be stored."""
    return [text(value, f"{each} {number}") for number, value in enumerate(listed(values, what))]


def integer(value: object, what: str, least: int, most: int) -> int:
    """A whole number within bounds; numpy's count as Python's, booleans do not."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value <= most:
        raise InvalidInput(f"{what} is {shown(value)}, it must be an integer from {least} to {most}")
    return int(value)


def number(value: object, what: str, least: float, most: float) -> float:
    """A number within bounds, which NaN is never."""
    try:
        real = float("nan") if isinstance(value, (bool, str)) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        real = float("nan")
    if not least <= real <= most:
        raise InvalidInput(f"{what} is {shown(value)}, it must be a number from {least:g} to {most:g}")
    return real


def one_of(value: object, what: str, choices: Sequence[str]) -> str:
    """One of a few names."""
    if not isinstance(value, str) or value not in choices:
        names = ", ".join(f'"{choice}"' for choice in choices)
        raise InvalidInput(f"{what} is {shown(value)}: use one of {names}")
    return value
