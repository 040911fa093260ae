"""The five dimensions of the article, each scored from -1 (speaks for fine-tuning) to +1 (speaks for retrieval).

Scores are continuous and shown with what they rest on; the decision is made by rules, never by their sum.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from ragstone.recommendation.known import audit, context_tokens, interval_days
from ragstone.recommendation.measurements import Project
from ragstone.recommendation.rules import Rules
from ragstone.recommendation.wording import days_text, number_text, share_text

__all__ = ["DIMENSIONS", "Dimension", "dimensions", "score"]

DIMENSIONS = ("change_frequency", "corpus_size", "primary_problem", "auditability", "time_to_first_value")
# What a ratio of times to first value has to be, as a power of e, to speak clearly: research's tanh(ln(FT / RAG) / 3).
_CLEAR_RATIO = 3.0
_SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Dimension:
    """How one dimension speaks: ``value`` from -1 (fine-tune) to +1 (retrieve), ``confidence`` from 0 to 1.

    ``evidence`` pairs each sentence with the id of what it rests on; ``source`` is ``measured``, ``declared``,
    ``assumed`` or ``unknown``.
    """

    name: str
    value: float
    confidence: float
    source: str
    evidence: tuple[tuple[str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, for JSON."""
        lines = [{"text": text, "evidence": name} for text, name in self.evidence]
        return {**asdict(self), "evidence": lines}


def dimensions(project: Project, rules: Rules) -> tuple[Dimension, ...]:
    """The five dimensions in the article's order."""
    return (
        _change_frequency(project, rules),
        _corpus_size(project, rules),
        _primary_problem(project),
        _auditability(project, rules),
        _time_to_first_value(project, rules),
    )


def score(dimensions: tuple[Dimension, ...], rules: Rules) -> float:
    """The mean of the dimensions, weighted by weight and confidence; 0 where nothing is known."""
    weights = [rules.weights[one.name] * one.confidence for one in dimensions]
    total = math.fsum(weights)
    return math.fsum(w * one.value for w, one in zip(weights, dimensions, strict=True)) / total if total else 0.0


def _between(value: float, minus: float, plus: float) -> float:
    """-1 at ``minus``, +1 at ``plus``, linear in the logarithm between, and no further."""
    if value <= 0:
        return -1.0 if minus < plus else 1.0
    reach = math.log(value / minus) / math.log(plus / minus)
    return min(max(2 * reach - 1, -1.0), 1.0)


def _change_frequency(project: Project, rules: Rules) -> Dimension:
    days = interval_days(project)
    if days.value is None:
        line = "Nobody knows how often documents change: keep the index's history, or declare an interval."
        return Dimension("change_frequency", 0.0, 0.0, "unknown", ((line, days.evidence),))
    value = _between(days.value, rules.stability.stable_days, rules.stability.volatile_days)
    line = f"The documents that are asked for get a new version every {days_text(days.value)} ({days.source})."
    confidence = rules.confidence.declared
    if days.source == "measured" and project.corpus is not None:
        # A history without any count of changes comes from somewhere else: believed as a declaration is.
        changes = project.corpus.changes
        confidence = changes / (changes + rules.confidence.half_at_changes) if changes else confidence
    return Dimension("change_frequency", value, confidence, days.source, ((line, days.evidence),))


def _corpus_size(project: Project, rules: Rules) -> Dimension:
    if project.corpus is None:
        return Dimension("corpus_size", 0.0, 0.0, "unknown", (("There is no index to measure.", "corpus.tokens"),))
    window, tokens = context_tokens(project, rules), project.corpus.tokens
    least, most = rules.corpus.prompt_share * window.value, rules.corpus.retrieve_times * window.value
    lines = [
        (f"The corpus has {number_text(tokens)} tokens in {number_text(project.corpus.documents)} documents.",
         "corpus.tokens"),
        (f"A context of {number_text(window.value)} tokens ({window.source}) holds {tokens / window.value:.3g} times "
         "less." if tokens > window.value else
         f"A context of {number_text(window.value)} tokens ({window.source}) holds it as a whole.", window.evidence),
    ]  # fmt: skip
    if tokens < least:
        share = share_text(rules.corpus.prompt_share)
        lines.append((f"Below {share} of the context it can stand in the prompt.", "rules.corpus.prompt_share"))
    confidence = rules.confidence.assumed if window.source == "assumed" else 1.0
    return Dimension("corpus_size", _between(tokens, least, most), confidence, "measured", tuple(lines))


def _primary_problem(project: Project) -> Dimension:
    shares = project.queries
    if shares is None or not shares.counted:
        line = "There is no query that counts: nothing says what is asked."
        return Dimension("primary_problem", 0.0, 0.0, "unknown", ((line, "queries.counted"),))
    value = min(max(shares.facts.value - shares.behaviour.value, -1.0), 1.0)
    width = max(shares.facts.high - shares.facts.low, shares.behaviour.high - shares.behaviour.low)
    lines = (
        (f"{share_text(shares.facts)} of {number_text(shares.counted)} counted queries need facts.", "queries.facts"),
        (f"{share_text(shares.behaviour)} of them prescribe form, voice or task.", "queries.behaviour"),
    )
    return Dimension("primary_problem", value, min(max(1.0 - width, 0.0), 1.0), "measured", lines)


def _auditability(project: Project, rules: Rules) -> Dimension:
    level = audit(project, rules)
    stated = "declared" if level.source == "declared" else "not declared, taken as"
    lines = [(f"Audit is {stated} {level.value}.", level.evidence)]
    confidence = rules.confidence.assumed if level.source == "assumed" else 1.0
    if project.corpus is not None and project.corpus.resolvable is not None:
        share = share_text(project.corpus.resolvable)
        lines.append((f"{share} of citations lead to their place in a stored document.", "corpus.resolvable"))
    return Dimension("auditability", rules.audit_scores[level.value], confidence, level.source, tuple(lines))


def _time_to_first_value(project: Project, rules: Rules) -> Dimension:
    days, missing = days_to_tune(project, rules)
    tuning = f"A tuned model takes about {days_text(days)}, with {number_text(missing)} examples still to write."
    seconds = project.corpus.first_value_s if project.corpus is not None else None
    if seconds is None:
        line = "How long retrieval takes to its first answer was not measured."
        lines = ((line, "corpus"), (tuning, "examples.usable"))
        return Dimension("time_to_first_value", 0.0, 0.0, "unknown", lines)
    retrieval = f"Retrieval took {number_text(seconds)} seconds from an empty index to its first answer."
    ratio = days * _SECONDS_PER_DAY / max(seconds, 1e-3)
    value = math.tanh(math.log(max(ratio, 1e-9)) / _CLEAR_RATIO)
    lines = ((retrieval, "corpus.first_value_s"), (tuning, "examples.usable"))
    # Half of it is a formula, however well the other half was measured.
    return Dimension("time_to_first_value", value, 0.5, "measured", lines)


def days_to_tune(project: Project, rules: Rules) -> tuple[float, int]:
    """Days until a tuned model could answer, and how many examples are missing until then."""
    examples, assumed = project.examples, rules.assumed
    missing = max(rules.evidence.start_examples - examples.usable, 0)
    missing += max(rules.evidence.held_out_min - examples.held_out, 0)
    minutes = project.needs.minutes_per_example
    minutes = assumed.minutes_per_example if minutes is None else minutes
    writing = missing * minutes / 60 / assumed.working_hours
    return writing + assumed.training_days + assumed.evaluation_days, missing
