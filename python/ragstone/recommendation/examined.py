"""Looks at examples as they come: how many are usable and would be held out, which state what has changed since."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from ragstone.estimates import proportion
from ragstone.handoff.cleaning import clean
from ragstone.handoff.examples import read_examples, task_of
from ragstone.handoff.measuring import measure
from ragstone.handoff.volatile import History, proven_facts
from ragstone.recommendation.measurements import Examples

if TYPE_CHECKING:
    from ragstone.index import SearchIndex

__all__ = ["Examined", "examine"]

# As the hand-off splits them where nothing else is said.
_VALID_SHARE, _TEST_SHARE = 0.1, 0.2
_TARGET = 0.95


@dataclass(frozen=True, slots=True)
class Examined:
    """What examples are worth, and their requests."""

    measured: Examples
    requests: tuple[str, ...]


def examine(
    examples: str | os.PathLike[str] | Iterable[object], *, index: SearchIndex | None, seed: int = 0
) -> Examined:
    """Read examples and look at them; nothing is masked, and near-duplicates are told by their words alone.

    Args:
        examples: As :meth:`Recommendation.handoff` takes them.
        index: Its history proves which facts have changed; without it nothing is proven, and ``volatile`` is ``None``.
        seed: Of the split.

    Raises:
        InvalidInput: The examples cannot be read, or none is usable.
    """
    read = read_examples(examples)
    task = task_of(read.usable)
    # Repeats are left out by cleaning; facts and personal data stay, since this only counts.
    cleaned = clean(read.usable, task=task, volatile="keep", personal="keep")
    found = measure(
        {},
        read,
        cleaned,
        None,
        task=task,
        embedder=None,
        shares=(_VALID_SHARE, _TEST_SHARE),
        schema=None,
        costs=None,
        target=_TARGET,
        seed=seed,
    )
    facts = proven_facts(cast("History | None", index), [one.completion for one in cleaned.usable])
    proven = (fact for several in facts for fact in several if fact.proven)
    proof = {(fact.span.text, fact.document_id, _day(fact.time_ms)) for fact in proven}
    measured = Examples(
        usable=len(cleaned.usable),
        held_out=found.held_out,
        volatile=None if index is None else proportion(sum(map(bool, facts)), len(cleaned.usable)),
        volatile_proof=tuple(sorted(proof)),
        labels=dict(sorted(Counter(one.completion for one in cleaned.usable).items())) if task == "labels" else {},
        leaking=found.leakage.leaking,
    )
    return Examined(measured, tuple(one.compared for one in cleaned.usable))


def _day(time_ms: int | None) -> str:
    return "" if time_ms is None else datetime.fromtimestamp(time_ms / 1000, UTC).date().isoformat()
