"""What retrieving and tuning cost this project: the model of costs, with the project's own volume and prices."""

from __future__ import annotations

from ragstone.recommendation.measurements import Project
from ragstone.recommendation.rules import Rules
from ragstone.recommender.costs import Costs, Prices, Workload, costs

__all__ = ["expenses", "has_prices"]

_DAYS_PER_MONTH = 365.25 / 12
# Taken where no search was measured.
_SEARCH_MS = 5.0
# Name in Needs, name in Prices.
_PRICES = {
    "input_price": "input_per_million_tokens",
    "output_price": "output_per_million_tokens",
    "tuned_input_price": "tuned_input_per_million_tokens",
    "tuned_output_price": "tuned_output_per_million_tokens",
}


def has_prices(project: Project) -> bool:
    """Whether any price is declared; those that are not are placeholders."""
    return any(getattr(project.needs, name) is not None for name in (*_PRICES, "hosting_per_month"))


def expenses(project: Project, rules: Rules) -> Costs:
    """Costs, latencies and break-even volume by what the project declares and holds."""
    needs, work = project.needs, rules.maintenance
    declared = {name: getattr(needs, mine) for mine, name in _PRICES.items() if getattr(needs, mine) is not None}
    if needs.hosting_per_month is not None:
        declared["tuned_host_per_day"] = needs.hosting_per_month / _DAYS_PER_MONTH
    changes = needs.contract_changes_per_year
    changes = work.contract_changes_per_year if changes is None else changes
    measured = project.corpus.search_ms_p95 if project.corpus is not None else None
    return costs(
        Workload() if needs.output_tokens is None else Workload(output_tokens=needs.output_tokens),
        Prices(**declared),
        examples=max(project.examples.usable, rules.evidence.start_examples),
        example_tokens=work.example_tokens,
        epochs=work.epochs,
        retrains=changes + work.drifts_per_year + work.base_retirements_per_year,
        parameters=needs.model_parameters or work.parameters,
        search_ms=_SEARCH_MS if measured is None else measured,
    )
