"""Spans of a text that should not be learnt, and the slots that stand for them: ``{{price}}``, ``{{email_2}}``."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["SLOT", "Slots", "Span", "apart"]

SLOT = re.compile(r"\{\{[a-z][a-z0-9_]*\}\}")


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a text, of some kind: ``text == whole[start:end]``."""

    start: int
    end: int
    kind: str
    text: str


def apart(spans: Iterable[Span]) -> list[Span]:
    """Spans in order without overlaps: of those that overlap the first given counts.

    >>> [span.kind for span in apart([Span(4, 9, "date", ""), Span(0, 5, "price", ""), Span(0, 2, "role", "")])]
    ['role', 'date']
    """
    kept: list[Span] = []
    for span in spans:
        place = bisect_left(kept, span.end, key=lambda other: other.start)
        # Those before do not overlap each other, so only the last of them can reach into this one.
        if span.start < span.end and (place == 0 or kept[place - 1].end <= span.start):
            kept.insert(place, span)
    return kept


class Slots:
    """Names of slots within one example: equal values get one slot, further values of a kind are numbered.

    >>> slots = Slots()
    >>> slots.masked("5 € or 7 €, not 5 €", [Span(0, 3, "price", "5 €"), Span(7, 10, "price", "7 €")])
    '{{price}} or {{price_2}}, not 5 €'
    """

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}

    def name(self, kind: str, value: str) -> str:
        """The slot for a value."""
        key = (kind, " ".join(value.casefold().split()))
        if key not in self._names:
            number = self._counts[kind] = self._counts.get(kind, 0) + 1
            self._names[key] = "{{" + (kind if number == 1 else f"{kind}_{number}") + "}}"
        return self._names[key]

    def masked(self, text: str, spans: Iterable[Span]) -> str:
        """A text with slots for some spans, which are in order and do not overlap."""
        pieces, position = [], 0
        for span in spans:
            pieces += [text[position : span.start], self.name(span.kind, text[span.start : span.end])]
            position = span.end
        return "".join([*pieces, text[position:]])
