"""The decision itself: the first rule that fits, from R1 to R11, and nothing but the rule."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ragstone.errors import InvalidInput
from ragstone.estimates import Estimate
from ragstone.recommendation.known import audit, context_tokens, contract, has_corpus, interval_days, target
from ragstone.recommendation.measurements import Project
from ragstone.recommendation.rules import Rules

__all__ = [
    "DECISIONS",
    "Choice",
    "audited",
    "choose",
    "facts_asked",
    "facts_change",
    "facts_declared",
    "proven",
    "ready",
]

DECISIONS = {
    "R1": "hybrid",
    "R2": "rag",
    "R3": "fine_tune",
    "R4": "fine_tune",
    "R5": "undecided",
    "R6": "undecided",
    "R7": "undecided",
    "R8": "prompt_first",
    "R9": "prompt_first",
    "R10": "prompt_first",
    "R11": "undecided",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A decision, the rule that made it, and which needs are required (``None``: open)."""

    decision: str
    rule: str
    facts: bool | None
    behaviour: bool | None


def choose(project: Project, rules: Rules) -> Choice:
    """The first rule that fits decides.

    ====  ============================================================================  ============
    R8    nothing is declared, and among all queries both shares lie below the limit     prompt_first
    R7    there is no log, or it has too few counted queries                            undecided
    R6    a need is not declared and its interval holds the limit                       undecided
    R11   facts are required and there is no corpus to look them up in                  undecided
    R1    both are required                                                             hybrid
    R9    only facts, no audit, and the corpus fits into the prompt                     prompt_first
    R2    only facts                                                                    rag
    R10   only behaviour, and a plain prompt provably passes                            prompt_first
    R5    only behaviour, but facts are asked for and change, or nobody knows           undecided
    R4    as R5, but facts are stable                                                   fine_tune
    R3    only behaviour                                                                fine_tune
    ====  ============================================================================  ============
    """
    facts, behaviour = _needs(project, rules)
    rule = _before_needs(project, rules)
    if rule is None:
        if facts is None or behaviour is None:
            rule = "R6"
        elif facts:
            rule = _with_facts(project, rules, behaviour)
        else:
            # Neither is required: what counts for both sides is counted, so one share is at least a half.
            rule = _with_behaviour(project, rules) if behaviour else "R8"
    return Choice(DECISIONS[rule], rule, facts, behaviour)


def audited(project: Project, rules: Rules) -> bool:
    """Whether each answer has to show its source, so that retrieval has to be present."""
    return audit(project, rules).value in rules.vetoes.audits


def facts_declared(project: Project, rules: Rules) -> bool:
    """Whether facts are required by declaration, whatever the queries say."""
    return audited(project, rules) or project.needs.facts_hard is True


def facts_asked(project: Project, rules: Rules) -> bool:
    """Whether facts are asked for often enough that training must not make them up."""
    return project.queries is not None and project.queries.facts.low > rules.shares.facts_some


def facts_change(project: Project, rules: Rules) -> bool:
    """Whether documents change faster than a model is trained, or nobody knows how fast."""
    days = interval_days(project).value
    return days is None or days < rules.stability.stable_days


def ready(project: Project, rules: Rules) -> bool:
    """Whether training may start: enough usable examples, and some held out."""
    examples = project.examples
    return examples.usable >= rules.vetoes.usable_min and examples.held_out >= rules.vetoes.held_out_min


def proven(passed: int, tried: int, rate: float, tail: float) -> bool:
    """Whether the exact one-sided lower bound of a pass rate reaches a rate (Clopper and Pearson).

    It does if so few failures were rare at that rate: P(failures ≤ seen) ≤ tail.

    >>> proven(59, 59, 0.95, 0.05), proven(58, 58, 0.95, 0.05)
    (True, False)
    """
    failed = tried - passed
    if not 0 <= failed <= tried:
        raise InvalidInput(f"{passed:,} of {tried:,} tries passed: at most as many can pass as were tried")
    if tried == 0 or passed < rate * tried:
        return False
    logs = math.lgamma(tried + 1) - math.lgamma(failed + 1) - math.lgamma(passed + 1)
    term = math.exp(logs + failed * math.log1p(-rate) + passed * math.log(rate))
    total = 0.0
    # From the failures seen down: below the mean each number is rarer than the one above it.
    for failures in range(failed, -1, -1):
        total += term
        if total > tail or term < total * 1e-17:
            break
        term *= failures * rate / ((tried - failures + 1) * (1 - rate))
    return total <= tail


def _before_needs(project: Project, rules: Rules) -> str | None:
    shares, limit = project.queries, rules.shares.required
    if shares is None:
        return "R7"
    nothing_declared = not (contract(project) or facts_declared(project, rules))
    if nothing_declared and shares.queries and max(shares.facts_of_all.high, shares.behaviour_of_all.high) < limit:
        return "R8"
    return "R7" if shares.counted < rules.shares.counted_min else None


def _needs(project: Project, rules: Rules) -> tuple[bool | None, bool | None]:
    """Whether facts and behaviour are required."""
    shares, limit = project.queries, rules.shares.required
    facts, behaviour = facts_declared(project, rules), contract(project)
    if shares is None:
        return facts or None, behaviour or None
    return facts or _above(shares.facts, limit), behaviour or _above(shares.behaviour, limit)


def _above(share: Estimate, limit: float) -> bool | None:
    if share.low > limit:
        return True
    return False if share.high < limit else None


def _with_facts(project: Project, rules: Rules, behaviour: bool) -> str:
    if not has_corpus(project) or project.corpus is None:
        return "R11"
    if behaviour:
        return "R1"
    window = context_tokens(project, rules).value
    fits = project.corpus.tokens < rules.corpus.prompt_share * window
    return "R9" if fits and not audited(project, rules) else "R2"


def _with_behaviour(project: Project, rules: Rules) -> str:
    prompt = project.evaluation.prompt
    if prompt is not None and proven(*prompt, target(project, rules).value, rules.evidence.tail):
        return "R10"
    if not facts_asked(project, rules):
        return "R3"
    return "R5" if rules.vetoes.volatile_facts and facts_change(project, rules) else "R4"
