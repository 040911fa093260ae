"""A verdict on latency: whether a percentile under load stays below what was promised, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ragstone.arguments import number
from ragstone.bench.distribution import samples_needed
from ragstone.bench.loops import Run
from ragstone.errors import InvalidInput
from ragstone.estimates import Estimate, quantile

__all__ = ["Verdict", "judge"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """``met`` if the whole interval of the percentile lies below the objective, ``missed`` if its value does not.

    Between the two it is ``unproven``: the value lies below, but too few answers were measured to say so of the true
    one. A saturated run is missed whatever its percentile: it would be higher had it gone on.
    """

    verdict: Literal["met", "missed", "unproven"]
    objective_ms: float
    q: float
    measured: Estimate
    needs: int
    saturated: bool
    run: Run

    @property
    def met(self) -> bool:
        """Whether the objective is kept for certain."""
        return self.verdict == "met"

    def to_dict(self) -> dict[str, object]:
        """The fields by name."""
        return {
            "verdict": self.verdict,
            "objective_ms": self.objective_ms,
            "q": self.q,
            "measured_ms": self.measured.to_dict(),
            "needs": self.needs,
            "saturated": self.saturated,
            "run": self.run.to_dict(),
        }

    def __str__(self) -> str:
        name = f"p{self.q * 100:g}"
        line = f"{self.verdict}: {name} {self.measured.value:.3f} ms, objective < {self.objective_ms:g} ms"
        if self.verdict == "unproven":
            line += f"; interval up to {self.measured.high:.3f} ms of {self.measured.samples:,} answers"
            if self.measured.samples < self.needs:
                line += f", {self.needs:,} are needed: measure longer"
        if self.saturated:
            line += "; more arrived than could be answered"
        return f"{self.run}\n\n{line}"


def judge(run: Run, objective_ms: float = 2000.0, *, q: float = 0.99) -> Verdict:
    """Hold the latency of a run to an objective: the ``q`` quantile below ``objective_ms`` milliseconds.

    Raises:
        InvalidInput: The objective or the quantile is no such number.

    >>> from ragstone.bench.loops import closed_loop
    >>> judge(closed_loop(len, ["a"], count=1000), 500.0).verdict
    'met'
    """
    objective_ms = number(objective_ms, "objective_ms", 1e-6, 1e9)
    if not 0 < number(q, "q", 0, 1) < 1:
        raise InvalidInput(f"q is {q}: pass a quantile between 0 and 1, such as 0.99")
    measured = quantile(run.latency_s * 1000, q)
    verdict: Literal["met", "missed", "unproven"] = "unproven"
    if measured.value >= objective_ms or run.saturated:
        verdict = "missed"
    elif measured.high < objective_ms:
        verdict = "met"
    return Verdict(verdict, objective_ms, q, measured, samples_needed(q), run.saturated, run)
