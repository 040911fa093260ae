"""Tier T0: words, numbers, dates, units, names and identifiers, compared in Rust; needs no model.

It sees wrong numbers, names and foreign words, and neither negation nor who did what to whom. The weights come from
``python/models/train_grounding.py``; ``python/models/GROUNDING.md`` has how good they are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, TypedDict, cast

from ragstone._core import Grounder
from ragstone.grounding.result import GroundedSentence, Unsupported

if TYPE_CHECKING:
    from ragstone._core import _CheckedTuple

__all__ = ["Lexical", "split"]

_QUOTED_MAX = 80


class _Model(TypedDict):
    weights: list[float]
    bias: float
    threshold: float


class Lexical:
    """The judge of tier T0; ``background`` are texts whose rarer words shall weigh more."""

    tier = "T0"

    def __init__(self, *, language: str = "english", background: Sequence[str] = ()) -> None:
        """Load the weights.

        Raises:
            InvalidInput: There is no analyzer for this language.
        """
        model = _model()
        self._core = Grounder(language, model["weights"], model["bias"], model["threshold"], list(background))

    def judge(self, answer: str, sources: Sequence[str]) -> tuple[GroundedSentence, ...]:
        """Every sentence of the answer, judged.

        Raises:
            InvalidInput: Answer or sources have more than 64 MiB.
        """
        return tuple(_sentence(answer, row) for row in self._core.check(answer, list(sources)))


def split(answer: str, sources: int) -> list[tuple[GroundedSentence, str]]:
    """The sentences of an answer with so many sources, not judged, each with its text without citation marks."""
    rows = _splitter().check(answer, [""] * sources)
    return [(_sentence(answer, row), _without_marks(answer, row)) for row in rows]


def _sentence(answer: str, row: _CheckedTuple) -> GroundedSentence:
    (start, end, _, uncheckable), (score, supported, sources, _), unsupported, cited = row
    cited_sources, unknown, cited_score, cited_supported, relevant = cited
    return GroundedSentence(
        start=start,
        end=end,
        text=answer[start:end],
        uncheckable=uncheckable,
        score=score,
        supported=supported,
        sources=tuple(source + 1 for source in sources),
        unsupported=tuple(Unsupported(low, high, what, _reason(answer[low:high], what)) for low, high, what in unsupported),
        cited=tuple(source + 1 for source in cited_sources),
        unknown_marks=tuple(unknown),
        cited_score=cited_score,
        cited_supported=cited_supported,
        cited_relevant=tuple(relevant),
    )


def _reason(text: str, what: str) -> str:
    text = " ".join(text.split())
    text = text if len(text) <= _QUOTED_MAX else f"{text[: _QUOTED_MAX - 1]}…"
    return f"{what} {text!r} {'are' if what == 'words' else 'is'} in no source"


def _without_marks(answer: str, row: _CheckedTuple) -> str:
    (start, end, marks, _), *_ = row
    parts, at = [], start
    for low, high in marks:
        parts.append(answer[at:low].rstrip())
        at = high
    parts.append(answer[at:end])
    return "".join(parts).strip()


@cache
def _model() -> _Model:
    text = files("ragstone.grounding").joinpath("grounding.json").read_text(encoding="utf-8")
    return cast("_Model", json.loads(text))


@cache
def _splitter() -> Grounder:
    return Grounder("none", [0.0] * len(Grounder.FEATURES), 0.0, 0.5, [])
