"""What a project declares of itself: contracts, limits, prices. All of it is optional; what is measured need not be."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ragstone.arguments import integer, number, one_of, shown, text
from ragstone.errors import InvalidInput
from ragstone.recommendation.tables import read_table, refuse_unknown

__all__ = ["AUDITS", "DEPLOYMENTS", "Needs"]

AUDITS = ("none", "low", "high", "regulated")
DEPLOYMENTS = ("hosted", "own", "device")
_FLAGS = ("format_contract_hard", "style_contract_hard", "facts_hard")
_WHOLE = {"context_tokens": (1, 10**9), "output_tokens": (1, 10**7)}
_NUMBERS = {
    "latency_ms_p95": (1.0, 1e8),
    "queries_per_day": (0.0, 1e12),
    "target_pass_rate": (0.01, 0.9999),
    "update_interval_days": (0.001, 1e5),
    "contract_changes_per_year": (0.0, 1e4),
    "deadline_days": (0.0, 1e5),
    "budget_per_month": (0.0, 1e12),
    "team_hours_per_month": (0.0, 1e6),
    "minutes_per_example": (0.0, 1e4),
    "input_price": (0.0, 1e9),
    "output_price": (0.0, 1e9),
    "tuned_input_price": (0.0, 1e9),
    "tuned_output_price": (0.0, 1e9),
    "hosting_per_month": (0.0, 1e12),
    "model_parameters": (1e6, 1e14),
}


@dataclass(frozen=True, slots=True)
class Needs:
    """What a project needs, as far as it is declared; ``None`` is not declared, which is not the same as no.

    Args:
        audit: ``"none"``, ``"low"``, ``"high"`` or ``"regulated"``: from high on, each answer must show its source.
        format_contract_hard: An answer in another format is useless (a schema, a set of labels).
        style_contract_hard: An answer in another voice is useless.
        facts_hard: An answer without the organisation's own facts is useless.
        latency_ms_p95: What 95 % of answers may take, in milliseconds.
        queries_per_day: How many are asked.
        context_tokens: What the base model reads at once.
        output_tokens: How long an answer is.
        target_pass_rate: Share of answers that have to pass, above 0 and below 1.
        update_interval_days: Days between two versions of a document; a measured history goes first.
        contract_changes_per_year: How often the format, the labels or the style guide change.
        deadline_days: Until when something has to work.
        budget_per_month: In the currency of the prices.
        team_hours_per_month: What the team can spend on keeping it alive.
        minutes_per_example: What it takes to write one training example.
        deployment: ``"hosted"`` (somebody's service), ``"own"`` (own machines) or ``"device"``.
        base_model: Its name, for the record.
        model_parameters: How many the model to be tuned has.
        input_price: Of a million tokens that the base model reads.
        output_price: Of a million tokens that it writes.
        tuned_input_price: Of a million tokens that the tuned model reads.
        tuned_output_price: Of a million tokens that it writes.
        hosting_per_month: Of a tuned model that is hosted by itself.

    Raises:
        InvalidInput: A value cannot be, or two contradict each other.

    >>> Needs(audit="high", style_contract_hard=True).to_dict()
    {'audit': 'high', 'style_contract_hard': True}
    """

    audit: str | None = None
    format_contract_hard: bool | None = None
    style_contract_hard: bool | None = None
    facts_hard: bool | None = None
    latency_ms_p95: float | None = None
    queries_per_day: float | None = None
    context_tokens: int | None = None
    output_tokens: int | None = None
    target_pass_rate: float | None = None
    update_interval_days: float | None = None
    contract_changes_per_year: float | None = None
    deadline_days: float | None = None
    budget_per_month: float | None = None
    team_hours_per_month: float | None = None
    minutes_per_example: float | None = None
    deployment: str | None = None
    base_model: str | None = None
    model_parameters: float | None = None
    input_price: float | None = None
    output_price: float | None = None
    tuned_input_price: float | None = None
    tuned_output_price: float | None = None
    hosting_per_month: float | None = None

    def __post_init__(self) -> None:
        for name, value in self.to_dict().items():
            object.__setattr__(self, name, _checked(name, value))
        self._refuse_contradictions()

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> Needs:
        """Needs from names and values.

        Raises:
            InvalidInput: A name is not known, a value cannot be, or two contradict each other.
        """
        if not isinstance(values, Mapping):
            raise InvalidInput(f"needs are {shown(values)}: pass a mapping of names to values")
        refuse_unknown(values, (field.name for field in fields(cls)), "needs")
        named: dict[str, Any] = {str(name): value for name, value in values.items()}
        return cls(**named)

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Needs:
        """Needs from a TOML file with a line for each, such as ``audit = "high"``.

        Raises:
            InvalidInput: As :meth:`from_mapping`, or the file cannot be read.
        """
        return cls.from_mapping(read_table(path))

    def to_dict(self) -> dict[str, Any]:
        """What is declared, by name."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in values.items() if value is not None}

    def _refuse_contradictions(self) -> None:
        if self.audit in AUDITS[2:] and self.facts_hard is False:
            raise InvalidInput(
                f'audit is "{self.audit}", so each answer must show its source, and facts_hard is false: '
                "drop facts_hard, or declare a lower audit"
            )
        if self.output_tokens and self.context_tokens and self.output_tokens >= self.context_tokens:
            raise InvalidInput(
                f"output_tokens is {self.output_tokens:,} and context_tokens {self.context_tokens:,}: "
                "an answer has to fit into the context, correct one of them"
            )


def _checked(name: str, value: object) -> object:
    """A declared value in its plain form."""
    if name in _FLAGS:
        if not isinstance(value, bool):
            raise InvalidInput(f"{name} is {shown(value)}, it must be true or false")
        return value
    if name in _WHOLE:
        return integer(value, name, *_WHOLE[name])
    if name in _NUMBERS:
        return number(value, name, *_NUMBERS[name])
    if name == "base_model":
        if len(text(value, name)) > 200:
            raise InvalidInput(f"{name} has {len(str(value)):,} characters: a name has at most 200")
        return value
    return one_of(value, name, AUDITS if name == "audit" else DEPLOYMENTS)
