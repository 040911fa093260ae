"""Takes out of examples what must not be learnt: personal data, facts that change; tells of each what became of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from ragstone.errors import InvalidInput
from ragstone.handoff.examples import Dropped, Example, Task
from ragstone.handoff.personal import personal_spans
from ragstone.handoff.similar import words
from ragstone.handoff.spans import SLOT, Slots, Span
from ragstone.handoff.volatile import Action, Fact, History, action_for, proven_facts, volatile_spans
from ragstone.scoring import parsed

__all__ = ["Cleaned", "Volatile", "clean"]

Volatile: TypeAlias = Literal["auto", "mask", "drop", "keep"]

# A masked answer with fewer words besides its slots teaches nothing.
_WORDS_LEAST = 2
# Masking may bring to light what a longer span hid; it ends soon, for every round leaves less text.
_ROUNDS = 4
# A citation; the numbers in it are no facts.
_CITED = re.compile(r"\[[^\[\]\n]*#\d+\]")


@dataclass(slots=True)
class Cleaned:
    """Examples ready to be split, those that are left out, and a row for each span that was found.

    ``volatile`` and ``proven`` count the examples that state a fact of changing kind, and one proven to have changed,
    before anything was masked; ``masked`` those in which a slot stands now.
    """

    usable: list[Example] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    facts: list[dict[str, object]] = field(default_factory=list)
    personal: list[dict[str, object]] = field(default_factory=list)
    volatile: int = 0
    proven: int = 0
    masked: int = 0
    repeated: int = 0
    conflicts: int = 0


@dataclass(slots=True)
class _Draft:
    """An example under way: its texts (system, turns, answer), its slots, and how it fares."""

    example: Example
    texts: list[str]
    slots: Slots
    reason: str = ""
    volatile: bool = False
    proven: bool = False

    def field_name(self, place: int) -> str:
        if place == 0:
            return "system"
        return "completion" if place == len(self.texts) - 1 else f"turn {place}"


def clean(
    examples: Sequence[Example],
    *,
    task: Task,
    index: History | None = None,
    volatile: Volatile = "auto",
    personal: Literal["mask", "keep"] = "mask",
    passages: bool = False,
) -> Cleaned:
    """Mask or drop what should not be learnt, and leave out what is there twice.

    Facts that history proves to have changed are masked wherever they stand. Those that only look so are masked in
    answers, unless they are copied from the request, and never in labels.

    Args:
        examples: As read.
        task: What is to be learnt.
        index: Where facts are looked up in the history of documents.
        volatile: ``"auto"`` masks what is proven or usually changes and keeps dates and quantities; ``"mask"`` masks
            those too; ``"drop"`` leaves out examples that would be masked; ``"keep"`` only reports.
        personal: ``"mask"``, or ``"keep"`` for texts that may be trained on as they are.
        passages: Whether requests hold chunks of the index, which state what is true today, and answers cite them.

    Raises:
        InvalidInput: The index cannot tell superseded facts.
    """
    drafts = [
        _Draft(example, [example.system, *(text for _, text in example.turns), example.completion], Slots())
        for example in examples
    ]
    found = Cleaned()
    for draft in drafts:
        _personal(draft, task, personal, found)
    for _ in range(_ROUNDS):
        if not _proven(drafts, index, volatile, found, passages):
            break
    for draft in drafts:
        if not draft.reason:
            _by_form(draft, task, volatile, found)
    _finish(drafts, task, found)
    return found


def _personal(draft: _Draft, task: Task, how: str, found: Cleaned) -> None:
    for place, text in enumerate(draft.texts):
        if not text or (task == "labels" and draft.field_name(place) == "completion"):
            continue
        spans = personal_spans(text)
        for span in spans:
            row = {"line": draft.example.line, "field": draft.field_name(place), "kind": span.kind}
            found.personal.append({**row, "start": span.start, "end": span.end, "action": how})
        if spans and how == "mask":
            draft.texts[place] = draft.slots.masked(text, spans)


def _proven(drafts: list[_Draft], index: History | None, volatile: Volatile, found: Cleaned, passages: bool) -> bool:
    """One round over all texts; whether another is needed."""
    places = [
        (draft, place)
        for draft in drafts
        if not draft.reason
        for place in range(len(draft.texts))
        if draft.texts[place] and not (passages and place == len(draft.texts) - 2)
    ]
    texts = [_CITED.sub(lambda mark: " " * len(mark[0]), draft.texts[place]) for draft, place in places]
    again = False
    for (draft, place), facts in zip(places, proven_facts(index, texts), strict=True):
        if not facts:
            continue
        draft.proven = draft.volatile = True
        action: Action = "mask" if volatile == "auto" else volatile
        found.facts += [_row(draft, place, fact, action) for fact in facts]
        if action == "drop":
            draft.reason = "states a fact that its document no longer states"
        elif action == "mask":
            draft.texts[place] = draft.slots.masked(draft.texts[place], [fact.span for fact in facts])
            again = True
    return again


def _by_form(draft: _Draft, task: Task, volatile: Volatile, found: Cleaned) -> None:
    """Facts of changing kind in the answer that the request does not give."""
    if task == "labels":
        return
    place = len(draft.texts) - 1
    given = "\n".join(draft.texts[:place]).casefold()
    facts = [Fact(span, proven=False) for span in volatile_spans(draft.texts[place])]
    facts = [fact for fact in facts if fact.span.text.casefold() not in given]
    if not facts:
        return
    draft.volatile = True
    masked: list[Span] = []
    for fact in facts:
        action = _action(fact, volatile)
        found.facts.append(_row(draft, place, fact, action))
        if action == "mask":
            masked.append(fact.span)
        elif action == "drop":
            draft.reason = "states a fact of a kind that changes"
    if masked and not draft.reason:
        draft.texts[place] = draft.slots.masked(draft.texts[place], masked)


def _action(fact: Fact, volatile: Volatile) -> Action:
    if volatile in ("mask", "keep"):
        return "mask" if volatile == "mask" else "keep"
    usual = action_for(fact)
    return "drop" if volatile == "drop" and usual == "mask" else usual


def _row(draft: _Draft, place: int, fact: Fact, action: Action) -> dict[str, object]:
    span = fact.span
    row: dict[str, object] = {"line": draft.example.line, "field": draft.field_name(place), "kind": span.kind}
    row |= {"text": span.text, "start": span.start, "end": span.end, "proven": fact.proven, "action": action}
    if fact.proven:
        row |= {"document_id": fact.document_id, "generation": fact.generation, "time_ms": fact.time_ms}
    return row


def _finish(drafts: list[_Draft], task: Task, found: Cleaned) -> None:
    """Sort drafts into usable and dropped ones."""
    seen: dict[tuple[str, ...], dict[str, int]] = {}
    for draft in drafts:
        found.volatile += draft.volatile
        found.proven += draft.proven
        example = _done(draft)
        reason = draft.reason or _spoilt(draft, example, task)
        if not reason:
            answers = seen.setdefault((example.system, *words(example.request)), {})
            first = answers.setdefault(example.completion, example.line)
            if first != example.line:
                reason = f"is the same as line {first}"
                found.repeated += 1
            # Another answer to the same request: some wanted both, for labels it is a contradiction.
            found.conflicts += len(answers) > 1 and not reason
        if reason:
            found.dropped.append(Dropped(example.line, reason))
            continue
        found.masked += example != draft.example
        found.usable.append(example)


def _done(draft: _Draft) -> Example:
    roles = [role for role, _ in draft.example.turns]
    turns = tuple(zip(roles, draft.texts[1:-1], strict=True))
    return replace(draft.example, system=draft.texts[0], turns=turns, completion=draft.texts[-1])


def _spoilt(draft: _Draft, example: Example, task: Task) -> str:
    """Why masking has left nothing to learn from."""
    if example.completion == draft.example.completion:
        return ""
    if task == "json":
        spoilt = _is_json(draft.example.completion) and not _is_json(example.completion)
        return "is no JSON any more once its changing facts are masked" if spoilt else ""
    rest = [word for word in words(SLOT.sub(" ", example.completion)) if word]
    return "says little but facts that change" if len(rest) < _WORDS_LEAST else ""


def _is_json(text: str) -> bool:
    try:
        parsed(text)
    except InvalidInput:
        return False
    return True
