"""Measured figures beside their targets: what ``make eval`` and ``make eval-recommender`` print and record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

# For each record in ``benches/results``, the parts in their order: modules ``eval_<part>.py``.
SUITES = {
    "evaluation": ("retrieval", "null", "grounded", "freshness", "finetune", "monitoring", "latency"),
    "recommender": ("router", "external", "evidence", "shares", "policy", "superseded", "handoff", "report"),
}


@dataclass(frozen=True)
class Figure:
    """A figure, what it should be, and whether it is; ``met`` is ``None`` where there is only a figure to state."""

    name: str
    value: float | None
    unit: str
    target: str
    met: bool | None
    n: int
    note: str = ""

    @classmethod
    def at_least(
        cls, name: str, value: float | None, least: float, *, n: int, unit: str = "", note: str = ""
    ) -> Figure:
        """A figure that has to reach a value; one that could not be measured has not."""
        return cls(name, value, unit, f"≥ {least:g}", value is not None and value >= least, n, note)

    @classmethod
    def at_most(cls, name: str, value: float | None, most: float, *, n: int, unit: str = "", note: str = "") -> Figure:
        """A figure that must not pass a value; one that could not be measured has."""
        return cls(name, value, unit, f"≤ {most:g}", value is not None and value <= most, n, note)

    @classmethod
    def stated(cls, name: str, value: float | None, *, n: int, unit: str = "", note: str = "") -> Figure:
        """A figure without a target."""
        return cls(name, value, unit, "", None, n, note)

    def __str__(self) -> str:
        value = "not measured" if self.value is None else f"{self.value:,.4g} {self.unit}".rstrip()
        verdict = {True: "met", False: "MISSED", None: ""}[self.met]
        return f"{self.name:<58} {value:>16}  {self.target:>8}  {verdict:<6}  n={self.n:,}  {self.note}".rstrip()


def show(figures: Iterable[Figure]) -> None:
    """Print figures, one a line."""
    for figure in figures:
        print(figure)


def table(suite: str, result: dict[str, Any]) -> str:
    """All recorded figures as one table in Markdown."""
    lines = ["| | figure | target | | n |", "|---|---|---|---|---|"]
    for part in SUITES[suite]:
        for row in result["parts"].get(part, {"figures": []})["figures"]:
            figure = Figure(**row)
            value = "not measured" if figure.value is None else f"{figure.value:,.4g} {figure.unit}".rstrip()
            verdict = {True: "met", False: "**missed**", None: ""}[figure.met]
            name = f"{figure.name} ({figure.note})" if figure.note else figure.name
            lines.append(f"| {part}: {name} | {value} | {figure.target} | {verdict} | {figure.n:,} |")
    return "\n".join(lines)
