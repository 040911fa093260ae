"""The article's three mistakes, each with its proof: style guides retrieved, volatile facts trained, no evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ragstone.recommendation.choice import Choice, choose
from ragstone.recommendation.measurements import Project
from ragstone.recommendation.rules import Rules
from ragstone.recommendation.wording import number_text, share_text

__all__ = ["Mistake", "warnings"]

# Enough lines to believe it; the rest is counted.
_PROOF_SHOWN = 10
# Shares come from sums of shares: what is a fifth must not be less by a rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake that is being made: ``W1``, ``W2`` or ``W3``, what shows it, and what to do about it.

    ``proof`` pairs each line with the id of the evidence that it rests on.
    """

    code: str
    message: str
    proof: tuple[tuple[str, str], ...]
    action: str

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, for JSON."""
        return {**asdict(self), "proof": [{"text": text, "evidence": name} for text, name in self.proof]}


def warnings(project: Project, rules: Rules) -> tuple[Mistake, ...]:
    """The mistakes that this project makes, or is about to make by following the advice unprepared."""
    return tuple(_mistakes(project, rules))


def _mistakes(project: Project, rules: Rules) -> Iterator[Mistake]:
    if lines := tuple(_style_guides(project, rules)):
        yield Mistake(
            "W1",
            "Behavioural queries are answered with chunks of a style guide: retrieval is used for behaviour.",
            lines,
            "take style guides out of the index for these queries; put the style into the prompt, or train it",
        )
    if lines := tuple(_volatile(project)):
        yield Mistake(
            "W2",
            "Training examples state facts that have changed since: a model would learn what is no longer true.",
            lines,
            "drop these examples, mask the facts as slots, or leave them to retrieval; the hand-off does either",
        )
    if lines := tuple(_unevaluated(project, rules, choose(project, rules))):
        yield Mistake(
            "W3",
            "Evaluation is missing, stale, too small or leaking: nobody would notice that the answers are wrong.",
            lines,
            "measure a plain prompt, judge queries on the index as it is, and keep examples out of the training",
        )


def _style_guides(project: Project, rules: Rules) -> Iterator[tuple[str, str]]:
    shares, corpus = project.queries, project.corpus
    if shares is None or corpus is None or corpus.style_guide_hits is None:
        return
    # Hybrid queries ask for a fact, which a style guide may well hold: only purely behavioural ones are proof.
    behavioural = _of_counted(shares.behavioural.value, 1 - shares.other.value)
    if behavioural + _ROUNDING < rules.warnings.behavioural:
        return
    if corpus.style_guide_hits.value + _ROUNDING < rules.warnings.style_guide_hits:
        return
    yield f"{share_text(behavioural)} of the counted queries are behavioural.", "queries.behavioural"
    share = share_text(corpus.style_guide_hits.value)
    yield f"{share} of them find a style guide among their first five hits.", "corpus.style_guide_hits"
    for query, document in corpus.style_guide_proof[:_PROOF_SHOWN]:
        yield f'"{_short(query)}" finds "{_short(document)}".', "corpus.style_guide_proof"
    yield from _rest(len(corpus.style_guide_proof), "queries", "corpus.style_guide_proof")


def _volatile(project: Project) -> Iterator[tuple[str, str]]:
    examples = project.examples
    if examples.volatile is None or examples.volatile.value <= 0:
        return
    share, usable = share_text(examples.volatile.value), number_text(examples.usable)
    yield f"{share} of {usable} usable examples state a fact that has changed.", "examples.volatile"
    # Several examples may state the same fact.
    proof = tuple(dict.fromkeys(examples.volatile_proof))
    for span, document, day in proof[:_PROOF_SHOWN]:
        yield f'"{_short(span)}" changed in "{_short(document)}" on {day}.', "examples.volatile_proof"
    yield from _rest(len(proof), "facts", "examples.volatile_proof")


def _unevaluated(project: Project, rules: Rules, choice: Choice) -> Iterator[tuple[str, str]]:
    evaluation, examples, least = project.evaluation, project.examples, rules.evidence
    if evaluation.prompt is None:
        yield "No plain prompt was measured.", "evaluation.prompt"
    if evaluation.stale:
        yield "The evaluation was made on an older index.", "evaluation.stale"
    if choice.decision in ("rag", "hybrid") and evaluation.judged_queries < least.judged_min:
        judged = number_text(evaluation.judged_queries)
        text = f"Retrieval is advised and {judged} queries are judged: {least.judged_min} are the least."
        yield text, "evaluation.judged_queries"
    if choice.decision in ("fine_tune", "hybrid") and examples.held_out < least.held_out_min:
        held = number_text(examples.held_out)
        text = f"Tuning is advised and {held} examples are held out: {least.held_out_min} are the least."
        yield text, "examples.held_out"
    for leaking, what, name in (
        (evaluation.leaking, "judged queries", "evaluation.leaking"),
        (examples.leaking, "held-out examples", "examples.leaking"),
    ):
        if leaking > 0:
            yield f"{number_text(leaking)} {what} leak: they, or near copies, are in the training.", name


def _of_counted(share: float, counted: float) -> float:
    return min(share / counted, 1.0) if counted > 0 else 0.0


def _rest(found: int, what: str, evidence: str) -> Iterator[tuple[str, str]]:
    if found > _PROOF_SHOWN:
        yield f"And {number_text(found - _PROOF_SHOWN)} more {what}.", evidence


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 120 else f"{line[:119]}…"
