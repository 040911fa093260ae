"""The thresholds, weights and vetoes by which a project is judged: read from ``rules.toml`` and a user's own file."""

from __future__ import annotations

import copy
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from ragstone.arguments import integer, number, one_of, shown
from ragstone.errors import InvalidInput
from ragstone.recommendation.needs import AUDITS
from ragstone.recommendation.tables import read_table, refuse_unknown
from ragstone.recommender.maintenance import Effort

__all__ = ["Rules", "load_rules"]


@dataclass(frozen=True, slots=True)
class Shares:
    """When a need is required, by the share of the queries that have it."""

    required: float
    facts_some: float
    counted_min: int
    z: float


@dataclass(frozen=True, slots=True)
class Stability:
    """Days between two versions of a document that count as volatile and as stable."""

    volatile_days: float
    stable_days: float


@dataclass(frozen=True, slots=True)
class CorpusSize:
    """Sizes of a corpus, in context windows, at which it fits into the prompt and at which nothing does."""

    prompt_share: float
    retrieve_times: float


@dataclass(frozen=True, slots=True)
class Vetoes:
    """What no score may overrule."""

    audits: tuple[str, ...]
    volatile_facts: bool
    usable_min: int
    held_out_min: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """How much has to be measured before something may be said."""

    tail: float
    judged_min: int
    held_out_min: int
    start_examples: int
    examples_per_label: int


@dataclass(frozen=True, slots=True)
class WarningRules:
    """When W1 is raised."""

    behavioural: float
    style_guide_hits: float


@dataclass(frozen=True, slots=True)
class Assumed:
    """What is taken where nothing is declared."""

    audit: str
    context_tokens: int
    target_pass_rate: float
    minutes_per_example: float
    training_days: float
    evaluation_days: float
    working_hours: float


@dataclass(frozen=True, slots=True)
class Confidence:
    """How sure a dimension is."""

    declared: float
    assumed: float
    half_at_changes: float


@dataclass(frozen=True, slots=True)
class Rules:
    """All thresholds, weights and vetoes. ``changed`` names those that a user's file replaced."""

    shares: Shares
    stability: Stability
    corpus: CorpusSize
    vetoes: Vetoes
    evidence: Evidence
    warnings: WarningRules
    assumed: Assumed
    weights: Mapping[str, float]
    audit_scores: Mapping[str, float]
    confidence: Confidence
    maintenance: Effort
    changed: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Tables of names and values, as in the file."""
        tables: dict[str, dict[str, Any]] = {}
        for field in fields(self):
            table = getattr(self, field.name)
            if isinstance(table, Mapping):
                tables[field.name] = dict(table)
            elif field.name != "changed":
                tables[field.name] = {part.name: _plain(getattr(table, part.name)) for part in fields(table)}
        return tables


_TABLES: dict[str, type] = {
    "shares": Shares,
    "stability": Stability,
    "corpus": CorpusSize,
    "vetoes": Vetoes,
    "evidence": Evidence,
    "warnings": WarningRules,
    "assumed": Assumed,
    "confidence": Confidence,
    "maintenance": Effort,
}
# Where a value is more narrowly bound than by its kind; names are those of the file.
_BOUNDS = {
    "shares.required": (0.001, 0.999),
    "shares.facts_some": (0.0, 0.999),
    "shares.z": (0.5, 6.0),
    "stability.volatile_days": (0.001, 1e5),
    "stability.stable_days": (0.001, 1e5),
    "corpus.prompt_share": (0.0, 1.0),
    "corpus.retrieve_times": (1.0, 1e6),
    "evidence.tail": (1e-6, 0.5),
    "warnings.behavioural": (0.0, 1.0),
    "warnings.style_guide_hits": (0.0, 1.0),
    "assumed.target_pass_rate": (0.01, 0.9999),
    "assumed.context_tokens": (1, 10**9),
    "assumed.working_hours": (0.1, 24.0),
    "confidence.declared": (0.0, 1.0),
    "confidence.assumed": (0.0, 1.0),
    "confidence.half_at_changes": (0.001, 1e9),
    "maintenance.examples_renewed": (0.0, 1.0),
    "maintenance.embedded_tokens_per_second": (0.001, 1e12),
    "maintenance.flops_per_second": (1.0, 1e21),
    "maintenance.unknown_interval_days": (0.001, 1e5),
    "vetoes.held_out_min": (1, 10**9),
    "vetoes.usable_min": (1, 10**9),
}
_BELOW = (("shares.facts_some", "shares.required"), ("stability.volatile_days", "stability.stable_days"))


def load_rules(path: str | Path | None = None) -> Rules:
    """The rules that ship, with single values replaced by those of a TOML file of the same form.

    Raises:
        InvalidInput: The file cannot be read, names a key that there is not, or gives a value that cannot be.

    >>> load_rules().shares.required
    0.2
    """
    if path is None:
        return _shipped_rules()
    tables, changed = copy.deepcopy(_shipped()), []
    given = read_table(path)
    refuse_unknown(given, tables, "rules")
    for table, values in given.items():
        if not isinstance(values, Mapping):
            raise InvalidInput(f"{table} is {shown(values)}, it is a table: write [{table}] and its keys below")
        refuse_unknown(values, tables[table], f"table [{table}] of rules")
        for key, value in values.items():
            tables[table][key] = _checked(f"{table}.{key}", value, tables[table][key])
            changed.append(f"{table}.{key}")
    for lower, upper in _BELOW:
        low, high = (tables[table][key] for table, key in (name.split(".") for name in (lower, upper)))
        if low >= high:
            raise InvalidInput(f"{lower} is {low:g} and {upper} {high:g}: the first must be smaller, change one")
    return _built(tables, tuple(changed))


@cache
def _shipped() -> dict[str, dict[str, Any]]:
    return tomllib.loads(files("ragstone.recommendation").joinpath("rules.toml").read_text(encoding="utf-8"))


@cache
def _shipped_rules() -> Rules:
    return _built(_shipped(), ())


def _built(tables: Mapping[str, Mapping[str, Any]], changed: tuple[str, ...]) -> Rules:
    parts: dict[str, Any] = {}
    for name, values in tables.items():
        if name in _TABLES:
            parts[name] = _TABLES[name](**{key: _frozen(value) for key, value in values.items()})
        else:
            parts[name] = MappingProxyType(dict(values))
    return Rules(**parts, changed=changed)


def _checked(name: str, value: object, shipped: object) -> object:
    """A user's value, of the kind of the one that ships."""
    if isinstance(shipped, bool):
        if not isinstance(value, bool):
            raise InvalidInput(f"{name} is {shown(value)}, it must be true or false")
        return value
    if isinstance(shipped, list):
        if not isinstance(value, list):
            raise InvalidInput(f"{name} is {shown(value)}: pass a list of names")
        return [one_of(one, name, AUDITS) for one in value]
    if isinstance(shipped, str):
        return one_of(value, name, AUDITS)
    if name.startswith("audit_scores."):
        return number(value, name, -1.0, 1.0)
    least, most = _BOUNDS.get(name, (0, 10**9) if isinstance(shipped, int) else (0.0, 1e15))
    if isinstance(shipped, int):
        return integer(value, name, math.ceil(least), math.floor(most))
    return number(value, name, least, most)


def _frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _plain(value: object) -> object:
    return list(cast(tuple[object, ...], value)) if isinstance(value, tuple) else value
