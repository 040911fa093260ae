"""What to collect next, and how many of it, so that the next decision is surer than this one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ragstone.estimates import Estimate
from ragstone.recommendation.choice import Choice
from ragstone.recommendation.known import has_corpus, interval_days, target
from ragstone.recommendation.measurements import Project
from ragstone.recommendation.rules import Rules
from ragstone.recommendation.wording import days_text, number_text, share_text

__all__ = ["Collect", "clean_examples_needed", "collect", "queries_needed"]

# More than so many queries nobody collects to tell a share from a threshold: the need is declared instead.
_QUERIES_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Collect:
    """Something to collect, how many more of it (``None``: it is there or not), and why."""

    what: str
    how_many: int | None
    why: str
    evidence: str


def queries_needed(share: float, limit: float, z: float) -> int | None:
    """How many queries tell a share from a limit: n = z² p (1 - p) / w², w being the distance; ``None``: no number.

    >>> queries_needed(0.3, 0.25, 1.959964)
    323
    """
    if share == limit:
        return None
    needed = math.ceil(z * z * share * (1 - share) / (share - limit) ** 2)
    return needed if needed <= _QUERIES_MAX else None


def clean_examples_needed(rate: float, tail: float) -> int:
    """How many examples without a failure prove a pass rate: n ≥ ln(tail) / ln(rate), the rule of three made exact.

    >>> clean_examples_needed(0.99, 0.05), clean_examples_needed(0.95, 0.05)
    (299, 59)
    """
    return math.ceil(math.log(tail) / math.log(rate) - 1e-9)


def collect(project: Project, rules: Rules, choice: Choice) -> tuple[Collect, ...]:
    """What is missing, most urgent first."""
    return tuple(_missing(project, rules, choice))


def _missing(project: Project, rules: Rules, choice: Choice) -> Iterator[Collect]:
    yield from _queries(project, rules, choice)
    if not has_corpus(project):
        yield Collect("documents in an index", None, "without a corpus nothing can be looked up", "corpus.tokens")
    if choice.rule == "R5":
        yield from _history(project, rules)
    elif interval_days(project).value is None:
        why = "nobody knows how often documents change"
        yield Collect("a history of document versions, or update_interval_days", None, why, "corpus.changes")
    yield from _evaluation(project, rules, choice)
    if choice.decision in ("fine_tune", "hybrid"):
        yield from _examples(project, rules)
    if project.needs.audit is None and choice.decision != "rag":
        yield Collect("whether answers are audited", None, "a high audit requires retrieval", "needs.audit")


def _queries(project: Project, rules: Rules, choice: Choice) -> Iterator[Collect]:
    shares = project.queries
    least = rules.shares.counted_min
    if shares is None or not shares.queries:
        yield Collect("logged queries", least, f"fewer than {least} counted ones decide nothing", "queries.counted")
    elif choice.rule == "R7":
        missing = least - shares.counted
        # Of what comes in, only some counts: with none so far, all that come are thought to.
        more = math.ceil(missing * shares.queries / shares.counted) if shares.counted else missing
        why = f"{shares.counted:,} queries count so far, {least} have to"
        yield Collect("more logged queries", more, why, "queries.counted")
    elif choice.rule == "R6":
        sides = (
            ("need facts", choice.facts, shares.facts, "queries.facts", "declare the audit or facts_hard"),
            ("prescribe behaviour", choice.behaviour, shares.behaviour, "queries.behaviour", "declare the contracts"),
        )
        for side, required, share, evidence, instead in sides:
            if required is None:
                yield _to_clear(share, shares.counted, rules, side, evidence, instead)


def _to_clear(share: Estimate, counted: int, rules: Rules, side: str, evidence: str, instead: str) -> Collect:
    limit = rules.shares.required
    needed = queries_needed(share.value, limit, rules.shares.z)
    why = f"the share of queries that {side}, {share_text(share)}, is too near to {share_text(limit)}"
    if needed is None:
        return Collect("a declaration", None, f"{why} for any number of queries: {instead}", evidence)
    if needed > counted:
        return Collect("more counted queries", needed - counted, f"{why}: it takes {needed:,}, or {instead}", evidence)
    # The queries would do, if each were read rightly: what is left is the router's own error.
    why = f"{why}, because of the router's own error: labels by hand have none; or {instead}"
    return Collect("queries labelled by hand", needed, why, evidence)


def _history(project: Project, rules: Rules) -> Iterator[Collect]:
    days, stable = interval_days(project), rules.stability.stable_days
    if days.value is None:
        why = f"facts are asked for; if they stay as they are for {days_text(stable)}, training may be enough"
        yield Collect(f"{days_text(stable)} of document history, or update_interval_days", None, why, days.evidence)
    if project.queries is not None:
        share = share_text(project.queries.facts)
        why = f"{share} of the counted queries need facts: answer them, and both are built, or leave them out"
        yield Collect("whether those have to be answered: facts_hard", None, why, "queries.facts")


def _evaluation(project: Project, rules: Rules, choice: Choice) -> Iterator[Collect]:
    rate, evaluation = target(project, rules), project.evaluation
    if evaluation.prompt is None:
        needed = clean_examples_needed(rate.value, rules.evidence.tail)
        why = f"{needed:,} without a failure prove {share_text(rate.value)}; prompt first, before anything is built"
        yield Collect("answers of a plain prompt, judged", needed, why, "evaluation.prompt")
    if choice.decision in ("rag", "hybrid") and evaluation.judged_queries < rules.evidence.judged_min:
        missing = rules.evidence.judged_min - evaluation.judged_queries
        yield Collect("queries with judged documents", missing, "retrieval is not evaluated yet",
                      "evaluation.judged_queries")  # fmt: skip


def _examples(project: Project, rules: Rules) -> Iterator[Collect]:
    examples, evidence = project.examples, rules.evidence
    if examples.usable < evidence.start_examples:
        why = f"{rules.vetoes.usable_min} are the floor, gains are seen from {evidence.start_examples}"
        yield Collect("training examples", evidence.start_examples - examples.usable, why, "examples.usable")
    scarce = {label: n for label, n in examples.labels.items() if n < evidence.examples_per_label}
    if scarce:
        missing = sum(evidence.examples_per_label - n for n in scarce.values())
        why = f"{len(scarce):,} labels have fewer than {evidence.examples_per_label} examples"
        yield Collect("training examples of rare labels", missing, why, "examples.labels")
    rate = target(project, rules).value
    needed = max(clean_examples_needed(rate, evidence.tail), evidence.held_out_min)
    if examples.held_out < needed:
        why = f"{number_text(needed)} without a failure prove {share_text(rate)}"
        yield Collect("held-out examples", needed - examples.held_out, why, "examples.held_out")
