"""Which layer serves which requirement: retrieval for what an answer says, fine-tuning for how, or a prompt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ragstone.recommendation.choice import Choice, audited
from ragstone.recommendation.measurements import Project
from ragstone.recommendation.rules import Rules
from ragstone.recommendation.wording import number_text, share_text

__all__ = ["Layer", "layers"]

# For each decision: who serves facts, who serves behaviour, who serves what needs both.
_SERVED = {
    "rag": ("retrieval", "prompt", "retrieval"),
    "fine_tune": ("request", "fine_tuning", "fine_tuning"),
    "hybrid": ("retrieval", "fine_tuning", "both"),
    "prompt_first": ("prompt", "prompt", "prompt"),
    "undecided": ("open", "open", "open"),
}
_WHY = {
    "retrieval": "looked up at query time, so it is current and can be cited",
    "fine_tuning": "trained, so it holds without long instructions",
    "both": "retrieval brings what the answer says, the tuned model how it says it",
    "prompt": "an instruction in the prompt is enough",
    "request": "facts come with the request, none are trained",
    "open": "not decided before more is known",
}
# Research: searching takes milliseconds, reading 2,000 tokens with a model of 7B parameters about 70 ms.
_LATENCY_ID = "needs.latency_ms_p95"
_LATENCY = "how long the prompt and how large the model is decides this; searching takes milliseconds"


@dataclass(frozen=True, slots=True)
class Layer:
    """A requirement and the layer that serves it.

    ``layer`` is ``retrieval``, ``fine_tuning``, ``both``, ``prompt``, ``request`` (facts come with it) or ``open``.
    """

    requirement: str
    layer: str
    why: str
    evidence: str


def layers(project: Project, rules: Rules, choice: Choice) -> tuple[Layer, ...]:
    """Each requirement that is declared or measured, with the one layer that serves it, or both, stated."""
    facts, behaviour, both = _SERVED[choice.decision]
    by_side = {"facts": facts, "behaviour": behaviour, "both": both}
    return tuple(
        Layer(requirement, by_side[side], _LATENCY if evidence == _LATENCY_ID else _WHY[by_side[side]], evidence)
        for side, requirement, evidence in _requirements(project, rules)
    )


def _requirements(project: Project, rules: Rules) -> Iterator[tuple[str, str, str]]:
    needs, shares = project.needs, project.queries
    if audited(project, rules):
        yield "facts", "each answer shows its source", "needs.audit"
    if needs.facts_hard:
        yield "facts", "answers rest on the organisation's own facts", "needs.facts_hard"
    if needs.format_contract_hard:
        yield "behaviour", "answers keep the format contract", "needs.format_contract_hard"
    if needs.style_contract_hard:
        yield "behaviour", "answers keep the style contract", "needs.style_contract_hard"
    if shares is not None and shares.counted:
        if shares.facts.value > 0:
            yield "facts", f"facts, which {share_text(shares.facts)} of counted queries need", "queries.facts"
        if shares.behaviour.value > 0:
            share = share_text(shares.behaviour)
            yield "behaviour", f"form, voice or task, which {share} of counted queries prescribe", "queries.behaviour"
        if shares.hybrid.value > 0:
            yield "both", f"both at once, as {share_text(shares.hybrid)} of all queries need", "queries.hybrid"
    if needs.latency_ms_p95 is not None:
        yield "both", f"answers within {number_text(needs.latency_ms_p95)} ms", _LATENCY_ID
