"""Routes one query: does it need facts, does it prescribe behaviour, both, or neither?

The decision is the engine's (two linear heads over the query's form, weights shipped beside this file); here the
query is checked and the engine's answer becomes a record.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path as FilePath
from typing import Any

from ragstone.errors import InvalidInput
from ragstone.records import Reason, Route

__all__ = ["route"]

_WEIGHTS = FilePath(__file__).with_name("router.bin")


@cache
def _router() -> Any:
    """The engine's router, loaded at first use."""
    from ragstone import _core

    return _core.Router(str(_WEIGHTS))


def route(query: str) -> Route:
    """Decides which path a query takes, from its text alone and without a model download.

    ``retrieve`` needs facts, ``advisory_finetune`` prescribes how to answer, ``hybrid`` does both, ``pass`` neither
    (chat, arithmetic, code, account actions). Probabilities are calibrated; ``uncertain`` says that one of them is
    near its threshold. The weights of all reasons sum to the log-odds of ``p_behaviour``; reasons named ``prior`` and
    ``rest`` have no place in the query and an empty span. Of a query longer than 2,048 bytes of UTF-8 only the first
    1,536 and the last 512 are read.

    Args:
        query: Any text that is not blank.

    Raises:
        InvalidInput: ``query`` is no ``str``, is blank, or holds a lone surrogate.

    Example:
        >>> route("Write it as a limerick").path
        'advisory_finetune'
        >>> route("What does our style guide say about commas?").path
        'retrieve'
    """
    if not isinstance(query, str):
        raise InvalidInput(f"query must be a str, got {type(query).__name__}")
    if not query.strip():
        raise InvalidInput("query is blank: write at least one word")
    try:
        query.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"query holds a lone surrogate at index {error.start}: decode it with errors='replace'"
        ) from None
    path, p_behaviour, p_facts, uncertain, found = _router().route(query)
    reasons = tuple(Reason(start, end, query[start:end], weight, rule) for start, end, weight, rule in found)
    return Route(path, p_behaviour, p_facts, uncertain, reasons)
