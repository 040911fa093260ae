"""What is known of a hand-off before it is written: the numbers from which its pages and triggers are made."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ragstone.handoff.case import LabelCase
from ragstone.handoff.citing import Citing
from ragstone.handoff.cleaning import Cleaned
from ragstone.handoff.examples import Dropped, Example, Task
from ragstone.handoff.leakage import Leakage
from ragstone.handoff.learning import FLOORS
from ragstone.recommender.costs import Costs

__all__ = ["Measured", "claimable", "drift_baseline", "inferred_schema", "outcome_of", "sequential_test"]

# Of the sequential test: how likely a false alarm, how likely a miss, and the loss that matters.
FALSE_ALARM, MISS, LOSS = 0.05, 0.2, 0.05


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything that was found; ``parts`` are the examples of train, valid and test."""

    task: Task
    outcome: str
    recommendation: Mapping[str, Any]
    read: int
    parts: Mapping[str, Sequence[Example]]
    dropped: Sequence[Dropped]
    cleaned: Cleaned
    citing: Citing | None
    by_time: bool
    clusters: int
    largest_cluster: int
    leakage: Leakage
    case: LabelCase | None
    schema: Mapping[str, Any] | None
    schema_given: bool
    labels: Mapping[str, int]
    costs: Costs
    tokens: int
    longest_tokens: int
    embedder: str
    seed: int
    findings: tuple[str, ...]
    ready: bool

    @property
    def examples(self) -> int:
        """Examples of all parts."""
        return sum(len(part) for part in self.parts.values())

    @property
    def held_out(self) -> int:
        """Examples of the test part."""
        return len(self.parts["test"])

    @property
    def wanted(self) -> int:
        """How many examples practice asks for, by task: per label, per field of the schema, or for a style."""
        if self.task == "labels":
            return FLOORS["label_target"] * max(len(self.labels), 2)
        if self.task == "json":
            fields = len(self.schema.get("properties", {})) if self.schema else 1
            return max(FLOORS["gains"], FLOORS["branch"] * fields)
        return FLOORS["style"]


def outcome_of(recommendation: Mapping[str, Any]) -> str:
    """The decision that a record states, plain or in a mapping of its own.

    >>> outcome_of({"decision": {"outcome": "hybrid"}}), outcome_of({})
    ('hybrid', 'unknown')
    """
    value = recommendation.get("decision", recommendation.get("outcome"))
    if isinstance(value, Mapping):
        value = next(
            (value[name] for name in ("outcome", "decision", "name") if isinstance(value.get(name), str)), None
        )
    return value if isinstance(value, str) else "unknown"


def claimable(held_out: int) -> float:
    """The share that may be claimed if none of so many held-out answers is wrong: ``0.05 ** (1 / n)``.

    >>> round(claimable(299), 3), claimable(0)
    (0.99, 0.0)
    """
    return 0.05 ** (1 / held_out) if held_out else 0.0


def sequential_test(bar: float) -> dict[str, float]:
    """Wald's sequential test (1945) of "as good as the bar" against "five points worse", answer by answer.

    ``wrong`` and ``right`` are what an answer adds to the sum, which starts at 0; at ``alarm`` train again, at
    ``clear`` start anew. ``answers`` is about how many it takes to notice.

    >>> test = sequential_test(0.95)
    >>> test["wrong"] > 0 > test["right"], round(test["answers"])
    (True, 93)
    """
    good = min(max(bar, LOSS + 0.01), 0.999)
    bad = good - LOSS
    wrong, right = math.log((1 - bad) / (1 - good)), math.log(bad / good)
    alarm, clear = math.log((1 - MISS) / FALSE_ALARM), math.log(MISS / (1 - FALSE_ALARM))
    drift = (1 - bad) * wrong + bad * right
    answers = ((1 - MISS) * alarm + MISS * clear) / drift
    return {
        "bar": good,
        "worse": bad,
        "wrong": round(wrong, 4),
        "right": round(right, 4),
        "alarm": round(alarm, 4),
        "clear": round(clear, 4),
        "answers": math.ceil(answers),
    }


def drift_baseline(examples: Sequence[Example], task: Task) -> dict[str, object]:
    """Shares of requests by length, in tenths of the training part, and of labels: what the PSI is measured against."""
    lengths = sorted(len(example.compared.split()) for example in examples)
    edges = sorted({lengths[min(len(lengths) - 1, len(lengths) * tenth // 10)] for tenth in range(1, 10)})
    bins = Counter(sum(length > edge for edge in edges) for length in lengths)
    found: dict[str, object] = {
        "formula": "PSI = sum over bins of (now - then) * ln(now / then); shares below 0.0001 count as that",
        "words_up_to": edges,
        "shares": [round(bins[place] / len(lengths), 6) for place in range(len(edges) + 1)],
    }
    if task == "labels":
        counts = Counter(example.completion for example in examples)
        found["labels"] = {label: round(counts[label] / len(examples), 6) for label in sorted(counts)}
    return found


def inferred_schema(values: Sequence[object]) -> dict[str, Any]:
    """A JSON Schema that all values keep to: types, fields, which of them are always there.

    >>> schema = inferred_schema([{"a": 1, "b": ["x"]}, {"a": 2.5}])
    >>> schema["required"], schema["properties"]["a"]
    (['a'], {'type': 'number'})
    """
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_inferred(values)}


def _inferred(values: Sequence[object]) -> dict[str, Any]:
    kinds = sorted({_kind(value) for value in values})
    if "integer" in kinds and "number" in kinds:
        kinds.remove("integer")
    schema: dict[str, Any] = {"type": kinds[0] if len(kinds) == 1 else kinds}
    objects = [value for value in values if isinstance(value, dict)]
    if objects:
        names = list(dict.fromkeys(name for one in objects for name in one))
        schema["properties"] = {name: _inferred([one[name] for one in objects if name in one]) for name in names}
        schema["required"] = [name for name in names if all(name in one for one in objects)]
        schema["additionalProperties"] = False
    items = [item for value in values if isinstance(value, list) for item in value]
    if items:
        schema["items"] = _inferred(items)
    return schema


def _kind(value: object) -> str:
    names: list[tuple[type | tuple[type, ...], str]] = [
        (bool, "boolean"),
        (int, "integer"),
        (float, "number"),
        (str, "string"),
        (list, "array"),
        (dict, "object"),
    ]
    return next((name for kind, name in names if isinstance(value, kind)), "null")
