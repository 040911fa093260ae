"""What no recommendation may do, told from the project alone: break a veto, or move the wrong way with an input."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ragstone.recommendation.choice import choose
from ragstone.recommendation.measurements import Project
from ragstone.recommendation.needs import AUDITS
from ragstone.recommendation.rules import Rules

RETRIEVES, TUNES = {"rag", "hybrid"}, {"fine_tune", "hybrid"}


def with_need(project: Project, **changes: Any) -> Project:
    if changes.get("audit") in ("high", "regulated") and project.needs.facts_hard is False:
        changes["facts_hard"] = None
    return replace(project, needs=replace(project.needs, **changes))


def broken_vetoes(project: Project, decision: str, ready: bool | None) -> list[str]:
    """Which vetoes a decision breaks, told from the project alone."""
    needs, examples, shares, corpus = project.needs, project.examples, project.queries, project.corpus
    broken = []
    if needs.audit in ("high", "regulated") and decision in ("fine_tune", "prompt_first"):
        broken.append("audit")
    days = corpus.update_interval_days if corpus and corpus.update_interval_days is not None else None
    if days is None:
        unchanged = (corpus.unchanged_days if corpus else None) or 0.0
        days = unchanged if unchanged >= 90 else needs.update_interval_days
    asked = needs.facts_hard or (shares is not None and shares.facts.low > 0.05)
    if asked and (days is None or days < 90) and decision == "fine_tune":
        broken.append("volatile facts")
    if (ready is None) != (decision not in TUNES):
        broken.append("readiness of what is not trained")
    if ready and (examples.usable < 10 or examples.held_out < 1):
        broken.append("examples")
    if decision == "hybrid":
        hard = needs.audit in ("high", "regulated") or needs.facts_hard or (shares and shares.facts.low > 0.2)
        form = needs.format_contract_hard or needs.style_contract_hard or (shares and shares.behaviour.low > 0.2)
        broken += [] if hard and form else ["hybrid without both needs"]
    return broken


def wrong_moves(project: Project, decision: str, rules: Rules) -> list[str]:
    """Which turns of an input move the decision the wrong way."""
    wrong = []
    if decision in RETRIEVES:
        level = AUDITS.index(project.needs.audit or "low")
        for audit in AUDITS[level + 1 :]:
            if choose(with_need(project, audit=audit), rules).decision not in RETRIEVES:
                wrong.append(f"audit {audit} removes retrieval")
    for contract in ("format_contract_hard", "style_contract_hard"):
        then = choose(with_need(project, **{contract: True}), rules).decision
        if decision in TUNES and then not in TUNES:
            wrong.append(f"{contract} removes behaviour")
    corpus = project.corpus
    if corpus is not None and corpus.update_interval_days is not None:
        for faster in (0.5, 0.05):
            days = corpus.update_interval_days * faster
            then = choose(replace(project, corpus=replace(corpus, update_interval_days=days)), rules).decision
            if then == "fine_tune" and decision != "fine_tune":
                wrong.append(f"an update every {days} days moves {decision} to fine_tune")
            if decision in RETRIEVES and then != decision:
                wrong.append(f"an update every {days} days moves {decision} to {then}")
    return wrong
