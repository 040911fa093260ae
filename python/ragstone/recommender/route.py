"""Routes queries: does each need facts, does it prescribe behaviour, both, or neither?

The decision is the engine's (two linear heads over the query's form, weights shipped beside this file); here queries
are checked and the engine's answers become records.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path as FilePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragstone.errors import InvalidInput
from ragstone.records import Path, Reason, Route

__all__ = ["PATHS", "RouteBatch", "route", "route_batch"]

_WEIGHTS = FilePath(__file__).with_name("router.bin")

PATHS: tuple[Path, ...] = ("pass", "advisory_finetune", "retrieve", "hybrid")
"""The path of each code in ``RouteBatch.paths``."""

# A frozen record with ten reasons would spend most of its time in checks that nobody assigns to it: fields are set by
# their slots instead.
_new = object.__new__
_set_start, _set_end, _set_text, _set_weight, _set_rule = (
    getattr(Reason, name).__set__ for name in ("start", "end", "text", "weight", "rule")
)
_set_path, _set_behaviour, _set_facts, _set_uncertain, _set_reasons, _set_text_facts, _set_answerability = (
    getattr(Route, name).__set__
    for name in ("path", "p_behaviour", "p_facts", "uncertain", "reasons", "text_p_facts", "answerability")
)


@dataclass(frozen=True, slots=True)
class RouteBatch:
    """The decisions for many queries, in their order; ``len()`` is their number.

    ``paths`` (n,) uint8 holds codes, see ``PATHS``; ``p_behaviour`` and ``p_facts`` (n,) float32 are calibrated
    probabilities; ``uncertain`` (n,) bool says that one of them is near its threshold.
    """

    paths: NDArray[np.uint8]
    p_behaviour: NDArray[np.float32]
    p_facts: NDArray[np.float32]
    uncertain: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.paths)

    def kinds(self) -> list[Path]:
        """The path of each query by name."""
        return [PATHS[code] for code in self.paths.tolist()]

    def counts(self) -> dict[Path, int]:
        """How many queries take each path."""
        found = np.bincount(self.paths, minlength=len(PATHS))
        return {path: int(count) for path, count in zip(PATHS, found, strict=True)}


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
    try:
        path, p_behaviour, p_facts, uncertain, found = _router().route(query)
    except (TypeError, UnicodeEncodeError):
        raise _refusal("query", query) from None
    if not query or query.isspace():
        raise _refusal("query", query)
    made = _new(Route)
    _set_path(made, path)
    _set_behaviour(made, p_behaviour)
    _set_facts(made, p_facts)
    _set_uncertain(made, uncertain)
    _set_reasons(made, _reasons(found))
    _set_text_facts(made, None)
    _set_answerability(made, None)
    return made


def route_batch(queries: Sequence[str]) -> RouteBatch:
    """Decides for many queries at once what ``route`` decides for each, without reasons; uses all processors.

    Args:
        queries: Texts, none of them blank; none at all gives an empty batch.

    Raises:
        InvalidInput: ``queries`` is a ``str`` or no sequence, or one of them is refused by ``route``.

    Example:
        >>> route_batch(["Write it as a limerick", "What is the refund policy?"]).kinds()
        ['advisory_finetune', 'retrieve']
    """
    if isinstance(queries, (str, bytes)) or not isinstance(queries, Sequence):
        raise InvalidInput(f"queries must be a list of str, got {type(queries).__name__}: put one query in a list")
    try:
        found = _router().route_batch(list(queries), os.cpu_count() or 1)
    except (TypeError, UnicodeEncodeError):
        found = None
    # Only a query without words can be blank, and such a query is uncertain.
    suspects = range(len(queries)) if found is None else np.flatnonzero(found[3]).tolist()
    for position in suspects:
        if _is_bad(queries[position]):
            raise _refusal(f"queries[{position}]", queries[position])
    return RouteBatch(*found)


def _reasons(found: Sequence[tuple[int, int, str, float, str]]) -> tuple[Reason, ...]:
    reasons = []
    for start, end, text, weight, rule in found:
        reason = _new(Reason)
        _set_start(reason, start)
        _set_end(reason, end)
        _set_text(reason, text)
        _set_weight(reason, weight)
        _set_rule(reason, rule)
        reasons.append(reason)
    return tuple(reasons)


def _is_bad(query: object) -> bool:
    if not isinstance(query, str) or not query or query.isspace():
        return True
    try:
        query.encode()
    except UnicodeEncodeError:
        return True
    return False


def _refusal(name: str, query: object) -> InvalidInput:
    """What to say of a query that cannot be routed."""
    if not isinstance(query, str):
        return InvalidInput(f"{name} must be a str, got {type(query).__name__}")
    try:
        query.encode()
    except UnicodeEncodeError as error:
        return InvalidInput(f"{name} holds a lone surrogate at index {error.start}: decode it with errors='replace'")
    return InvalidInput(f"{name} is blank: write at least one word")
