"""Decides what a project is advised, and says why: the rule, its reasons, the vetoes, what to collect, who serves what.

The rules are those of the article and, where it does not decide, of the research; both are in ``rules.toml``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ragstone.errors import InvalidInput
from ragstone.recommendation.choice import Choice, choose, facts_declared, ready
from ragstone.recommendation.collecting import Collect, collect
from ragstone.recommendation.dimensions import Dimension, dimensions, score
from ragstone.recommendation.known import contract, evidence
from ragstone.recommendation.layers import Layer, layers
from ragstone.recommendation.measurements import Project
from ragstone.recommendation.reasons import Reason, Veto, reasons, vetoes
from ragstone.recommendation.rules import Rules

__all__ = ["Collect", "Dimension", "Layer", "Reason", "Verdict", "Veto", "decide"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is advised and what that rests on.

    Args:
        decision: ``"rag"``, ``"fine_tune"``, ``"hybrid"``, ``"prompt_first"`` or ``"undecided"``.
        rule: Which rule decided, ``"R1"`` to ``"R11"``.
        facts: Whether facts are required; ``None`` is open.
        behaviour: Whether form, voice or task are required; ``None`` is open.
        reasons: Sentences, each with the id of its evidence in :meth:`to_dict`.
        dimensions: The five, from -1 (fine-tune) to +1 (retrieve).
        score: Their mean by weight and confidence; it is shown, and never decides.
        margin: How far the nearest share that decides is from its limit, less its interval: below 0 where the interval
            holds the limit, ``None`` where no share decides.
        vetoes: What no score may overrule.
        ready: Whether training may start; ``None`` where nothing is trained.
        collect: What to collect next, and how many of it.
        layers: Each requirement with the layer that serves it.
        project: What was decided on.
        rules: By which it was decided.
    """

    decision: str
    rule: str
    facts: bool | None
    behaviour: bool | None
    reasons: tuple[Reason, ...]
    dimensions: tuple[Dimension, ...]
    score: float
    margin: float | None
    vetoes: tuple[Veto, ...]
    ready: bool | None
    collect: tuple[Collect, ...]
    layers: tuple[Layer, ...]
    project: Project
    rules: Rules

    def to_dict(self) -> dict[str, Any]:
        """All of it for JSON; ``evidence`` has under each id a value, its source, and its interval if any."""
        return {
            "decision": self.decision,
            "rule": self.rule,
            "facts_required": self.facts,
            "behaviour_required": self.behaviour,
            "score": self.score,
            "margin": self.margin,
            "ready": self.ready,
            "reasons": [asdict(one) for one in self.reasons],
            "dimensions": [one.to_dict() for one in self.dimensions],
            "vetoes": [asdict(one) for one in self.vetoes],
            "collect": [asdict(one) for one in self.collect],
            "layers": [asdict(one) for one in self.layers],
            "evidence": evidence(self.project, self.rules),
        }


def decide(project: Project, rules: Rules) -> Verdict:
    """What a project is advised: a pure function, the same for the same input.

    Raises:
        InvalidInput: ``project`` or ``rules`` is something else, or more tries passed than were made.
    """
    if not isinstance(project, Project) or not isinstance(rules, Rules):
        raise InvalidInput(
            f"decide was given {type(project).__name__} and {type(rules).__name__}: pass a Project and load_rules()"
        )
    choice = choose(project, rules)
    scored = dimensions(project, rules)
    return Verdict(
        decision=choice.decision,
        rule=choice.rule,
        facts=choice.facts,
        behaviour=choice.behaviour,
        reasons=reasons(project, rules, choice),
        dimensions=scored,
        score=score(scored, rules),
        margin=_margin(project, rules, choice),
        vetoes=vetoes(project, rules, choice),
        ready=ready(project, rules) if choice.decision in ("fine_tune", "hybrid") else None,
        collect=collect(project, rules, choice),
        layers=layers(project, rules, choice),
        project=project,
        rules=rules,
    )


def _margin(project: Project, rules: Rules, choice: Choice) -> float | None:
    shares = project.queries
    if shares is None or choice.rule == "R7":
        return None
    limit = rules.shares.required
    if choice.rule == "R8":
        return limit - max(shares.facts_of_all.high, shares.behaviour_of_all.high)
    distances = [
        max(share.low - limit, limit - share.high)
        for share, declared in ((shares.facts, facts_declared(project, rules)), (shares.behaviour, contract(project)))
        if not declared
    ]
    return min(distances, default=None)
