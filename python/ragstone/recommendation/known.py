"""What is known of each input of a decision, by name: measured, declared, assumed or unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ragstone.estimates import Estimate
from ragstone.recommendation.expenses import expenses
from ragstone.recommendation.measurements import Corpus, Evaluated, Examples, Project, QueryShares
from ragstone.recommendation.rules import Rules
from ragstone.recommendation.wording import days_text
from ragstone.recommender.maintenance import Maintenance, maintenance

__all__ = [
    "Known",
    "audit",
    "context_tokens",
    "contract",
    "evidence",
    "has_corpus",
    "interval_days",
    "target",
    "upkeep",
]

_DAYS_PER_MONTH = 365.25 / 12


@dataclass(frozen=True, slots=True)
class Known:
    """A value, where it comes from (``measured``, ``declared``, ``assumed``, ``unknown``), and its evidence's id.

    ``at_least``: it is a lower bound.
    """

    value: Any
    source: str
    evidence: str
    at_least: bool = False

    @property
    def days(self) -> str:
        """A number of days, in words."""
        return f"at least {days_text(self.value)}" if self.at_least else days_text(self.value)


def audit(project: Project, rules: Rules) -> Known:
    """How well answers have to be accounted for."""
    return _declared(project, "audit", rules.assumed.audit)


def context_tokens(project: Project, rules: Rules) -> Known:
    """What the base model reads at once."""
    return _declared(project, "context_tokens", rules.assumed.context_tokens)


def target(project: Project, rules: Rules) -> Known:
    """Share of answers that have to pass."""
    return _declared(project, "target_pass_rate", rules.assumed.target_pass_rate)


def contract(project: Project) -> bool:
    """Whether a hard contract of form or voice is declared."""
    return bool(project.needs.format_contract_hard or project.needs.style_contract_hard)


def has_corpus(project: Project) -> bool:
    """Whether there is anything to look facts up in."""
    return project.corpus is not None and project.corpus.tokens > 0


def interval_days(project: Project, rules: Rules) -> Known:
    """Days between two versions of a document: what history shows goes before what is declared.

    Documents that were watched for long and stand unchanged are stable, even though no interval was seen; those that
    were watched for a while only may still change every day, but no faster than that is believed.
    """
    measured = project.corpus.update_interval_days if project.corpus is not None else None
    if measured is not None:
        return Known(measured, "measured", "corpus.update_interval_days")
    unchanged = (project.corpus.unchanged_days if project.corpus is not None else None) or 0.0
    if unchanged >= rules.stability.stable_days:
        return Known(unchanged, "measured", "corpus.unchanged_days", at_least=True)
    declared = project.needs.update_interval_days
    if declared is not None:
        return Known(max(declared, unchanged), "declared", "needs.update_interval_days")
    return Known(None, "unknown", "corpus.update_interval_days")


def upkeep(project: Project, rules: Rules) -> Maintenance:
    """The recurring work of each way for this project."""
    corpus, needs = project.corpus, project.needs
    # A history of less than a month does not tell what a month brings.
    counted = corpus is not None and corpus.history_days >= _DAYS_PER_MONTH
    return maintenance(
        rules.maintenance,
        documents=corpus.documents if corpus else 0,
        tokens=corpus.tokens if corpus else 0,
        update_interval_days=interval_days(project, rules).value,
        changes_per_month=corpus.changes / corpus.history_days * _DAYS_PER_MONTH if corpus and counted else None,
        examples=project.examples.usable,
        contract_changes_per_year=needs.contract_changes_per_year,
        minutes_per_example=needs.minutes_per_example,
        parameters=needs.model_parameters,
        base_retires=needs.deployment in (None, "hosted"),
    )


def evidence(project: Project, rules: Rules) -> dict[str, dict[str, Any]]:
    """Every input by its id, such as ``queries.facts`` or ``rules.shares.required``, with value and source."""
    found: dict[str, dict[str, Any]] = {}
    parts: dict[str, tuple[object, type]] = {
        "queries": (project.queries, QueryShares),
        "corpus": (project.corpus, Corpus),
        "examples": (project.examples, Examples),
        "evaluation": (project.evaluation, Evaluated),
    }
    for part, (measured, kind) in parts.items():
        # Without a log or an index the ids still resolve, to what is not known.
        for field in fields(kind):
            value = getattr(measured, field.name, None)
            found[f"{part}.{field.name}"] = _shown(value, _source(value, "measured"))
    for field in fields(project.needs):
        value = getattr(project.needs, field.name)
        found[f"needs.{field.name}"] = _shown(value, _source(value, "declared"))
    for name in ("audit", "context_tokens", "target_pass_rate"):
        if getattr(project.needs, name) is None:
            found[f"needs.{name}"] = _shown(getattr(rules.assumed, name), "assumed")
    for table, values in rules.to_dict().items():
        for key, value in values.items():
            changed = f"{table}.{key}" in rules.changed
            found[f"rules.{table}.{key}"] = _shown(value, "your rules" if changed else "rules")
    work = upkeep(project, rules)
    for decision in ("rag", "fine_tune", "hybrid"):
        found[f"maintenance.{decision}"] = _shown(work.hours(decision), "computed")
    found["costs.break_even_per_day"] = _shown(expenses(project, rules).break_even_per_day, "computed")
    return found


def _declared(project: Project, name: str, assumed: object) -> Known:
    value = getattr(project.needs, name)
    return Known(assumed if value is None else value, "assumed" if value is None else "declared", f"needs.{name}")


def _source(value: object, otherwise: str) -> str:
    return "unknown" if value is None else otherwise


def _shown(value: object, source: str) -> dict[str, Any]:
    if isinstance(value, Estimate):
        return {**value.to_dict(), "source": source}
    return {"value": _plain(value), "source": source}


def _plain(value: object) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Estimate):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    return value
