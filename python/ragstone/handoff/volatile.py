"""Finds facts that change: by their form (prices, dates, limits …), and by history, where a document stopped saying so.

A model that learnt January's price says it in April. What the index's history proves to have changed is always taken
out; what only looks so is taken out where such facts usually change, and reported where they may be of lasting kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from ragstone.errors import InvalidInput
from ragstone.handoff.spans import SLOT, Span, apart

__all__ = ["Action", "Fact", "History", "action_for", "proven_facts", "volatile_spans"]

Action: TypeAlias = Literal["mask", "drop", "keep"]

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_NUMBER = r"\d{1,3}(?:[ ,.’']\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d+)?"
_CURRENCY = r"(?:[$€£¥₹]|US\$|USD|EUR|GBP|CHF|JPY|INR|AUD|CAD|SEK|NOK|DKK|PLN)"
_MONEY_WORD = r"(?:dollars?|euros?|pounds?|cents?|pence|yen|rupees?|francs?)"
_DATE = (
    r"(?:\d{4}-\d{2}-\d{2}|\d{1,2}[./]\d{1,2}[./]\d{2,4}|Q[1-4][ ]\d{4}|"
    rf"\d{{1,2}}(?:st|nd|rd|th)?[ ](?:of[ ])?{_MONTH}(?:,?[ ]\d{{4}})?|"
    rf"{_MONTH}[ ]\d{{1,2}}(?:st|nd|rd|th)?(?!\d)(?:,?[ ]\d{{4}})?|{_MONTH}[ ]\d{{4}})"
)
_UNIT = (
    r"(?:days?|weeks?|months?|years?|hours?|hrs?|minutes?|mins?|seconds?|kg|g|mg|lbs?|km|m|cm|mm|miles?|mi|l|ml|"
    r"litres?|liters?|kwh|mwh|w|kw|v|mb|gb|tb|kb|mbps|gbps|users?|seats?|licen[cs]es?|requests?|employees|customers|"
    r"devices?|people|points?|°c|°f)"
)
_COUNT = rf"(?:{_NUMBER}|one|two|three|four|five|six|seven|eight|nine|ten|twelve|thirty|sixty|ninety)"
_LIMIT = (
    r"(?:limit(?:ed to|s? (?:of|is|are))?|up to|at most|at least|maximum(?: of)?|minimum(?: of)?|no more than|only|"
    r"in stock:?|quota(?: of)?)"
)
_LEFT = r"(?=[^.]{0,20}\b(?:stock|left|available|remaining)\b)"
_ROLE = (
    r"(?:CEO|CFO|CTO|COO|CIO|president|chair(?:man|woman|person)?|director|head of [a-z]+|managing director|minister|"
    r"manager|founder|owner)"
)
_PERSON = r"[A-Z][\w'’-]+(?:[ ][A-Z][\w'’-]+){1,2}"

# Kind, its form (group 1 where there is one). The first of two that overlap counts.
_RULES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("url", re.compile(r"\bhttps?://[^\s<>\"')\]]+[^\s<>\"')\].,;:!?]|\bwww\.[\w.-]+\.[a-z]{2,}[^\s<>\"')\].,;:!?]*")),
    ("price", re.compile(rf"(?i){_CURRENCY}[ ]?(?:{_NUMBER})(?:[ ]?(?:k|m|bn|million|billion)\b)?")),
    ("price", re.compile(rf"(?i)(?<![\w.,])(?:{_NUMBER})[ ]?(?:{_CURRENCY}|{_MONEY_WORD})(?!\w)")),
    ("percent", re.compile(rf"(?i)(?<![\w.,])(?:{_NUMBER})[ ]?(?:%|per ?cent\b|percentage points?\b)")),
    (
        "deadline",
        re.compile(
            rf"(?i)\b(?:by|before|until|till|deadline(?: is)?|due(?: on)?|expires?(?: on)?|ends?(?: on)?)[ ]({_DATE})"
        ),
    ),
    ("date", re.compile(rf"(?i)(?<![\w.,])(?:{_DATE})(?!\w)")),
    ("version", re.compile(r"(?i)\b(?:version|release|build|firmware|v)[ .]?(\d+(?:\.\d+){0,3}[a-z]?\d*)\b")),
    ("version", re.compile(r"(?<![\w.,])\d+\.\d+\.\d+(?:\.\d+)?(?![\w.]*\d)")),
    ("stock", re.compile(rf"(?i)\b{_LIMIT}[ ]((?:{_NUMBER})(?:[ ]{_UNIT}(?!\w))?)")),
    ("stock", re.compile(rf"(?i)(?<![\w.,])((?:{_NUMBER})[ ](?:items?|units?|pieces|left|remaining)\b){_LEFT}")),
    ("phone", re.compile(r"(?<![\w.,:/-])(?:\+|00)\d{1,3}(?:[ .\-/]?\(?\d{2,5}\)?){2,5}(?![\w-])")),
    ("phone", re.compile(r"(?i)\b(?:call|phone|dial|hotline)[^.\d]{0,20}(\d[\d ./-]{5,16}\d)(?!\w)")),
    (
        "quantity",
        re.compile(rf"(?i)(?<![\w.,]){_COUNT}[ -]?(?:business |working |calendar )?{_UNIT}(?!\w)"),
    ),
    ("role_holder", re.compile(rf"\b(?:[Oo]ur |[Tt]he )?(?i:{_ROLE})(?:[ ](?:is|was)|,)?[ ]({_PERSON})")),
    ("role_holder", re.compile(rf"\b({_PERSON}),? (?:is |was |as )?(?:our |the )?(?i:{_ROLE})\b")),
)
# Kinds that may stand in a text without a digit; all others are not looked for there.
_WITHOUT_DIGITS = frozenset(["url", "quantity", "role_holder"])
_DIGIT = re.compile(r"\d")
# By form alone, these change often enough to be taken out; dates and quantities may be of lasting kind ("since 1998").
_MASKED = frozenset(["price", "percent", "deadline", "version", "stock", "phone", "url", "role_holder"])


class History(Protocol):
    """What an index knows of its past."""

    def superseded(self, texts: Sequence[str]) -> Sequence[Sequence[Any]]:
        """For each text the spans that a document once stated and no longer does."""
        ...


@dataclass(frozen=True, slots=True)
class Fact:
    """A span that may change, and its proof: the document that stopped saying so, and when."""

    span: Span
    proven: bool
    document_id: str = ""
    generation: int | None = None
    time_ms: int | None = None


def volatile_spans(text: str) -> list[Span]:
    """What looks like a fact that changes, in order, without overlaps.

    >>> [(span.kind, span.text) for span in volatile_spans("Plan B costs $12.50 until 31 March 2026, with 20 GB.")]
    [('price', '$12.50'), ('deadline', '31 March 2026'), ('quantity', '20 GB')]
    """
    slots = (Span(*match.span(), "", "") for match in SLOT.finditer(text))
    return [span for span in apart([*slots, *_found(text)]) if span.kind]


def proven_facts(index: History | None, texts: Sequence[str]) -> list[list[Fact]]:
    """For each text the facts that the index's history proves to have changed; without an index none.

    Raises:
        InvalidInput: The index keeps no history that can be asked.
    """
    if index is None or not texts:
        return [[] for _ in texts]
    ask = getattr(index, "superseded", None)
    if not callable(ask):
        raise InvalidInput("the index cannot tell superseded facts: pass one opened by ragstone.open, or None")
    return [_facts(text, found) for text, found in zip(texts, ask(list(texts)), strict=True)]


def action_for(fact: Fact) -> Action:
    """What to do with a fact unless the caller says otherwise."""
    return "mask" if fact.proven or fact.span.kind in _MASKED else "keep"


def _facts(text: str, found: Sequence[Any]) -> list[Fact]:
    forms = list(_found(text))
    spans = {}
    for one in found:
        start, end = int(one.start), int(one.end)
        kind = next((form.kind for form in forms if form.start < end and start < form.end), _slot_kind(str(one.kind)))
        spans[start, end] = Fact(
            Span(start, end, kind, text[start:end]), True, str(one.document_id), int(one.generation), int(one.time_ms)
        )
    kept = {(span.start, span.end) for span in apart(fact.span for fact in spans.values())}
    return [spans[place] for place in sorted(kept)]


def _slot_kind(kind: str) -> str:
    plain = re.sub(r"[^a-z0-9_]", "_", kind.lower())
    return plain if plain[:1].isalpha() else "fact"


def _found(text: str) -> Iterator[Span]:
    numbers = _DIGIT.search(text) is not None
    for kind, pattern in _RULES:
        if not numbers and kind not in _WITHOUT_DIGITS:
            continue
        for match in pattern.finditer(text):
            group = 1 if pattern.groups and match.group(1) is not None else 0
            yield Span(match.start(group), match.end(group), kind, match.group(group))
