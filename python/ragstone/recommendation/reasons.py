"""The sentences that say why: each rests on one piece of evidence, named by its id."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ragstone.recommendation.choice import Choice, audited, facts_asked, facts_change, facts_declared, ready
from ragstone.recommendation.collecting import clean_examples_needed
from ragstone.recommendation.dimensions import days_to_tune
from ragstone.recommendation.expenses import expenses, has_prices, per_month
from ragstone.recommendation.known import Known, audit, context_tokens, contract, interval_days, target, upkeep
from ragstone.recommendation.measurements import Project, QueryShares
from ragstone.recommendation.rules import Rules
from ragstone.recommendation.wording import days_text, number_text, share_text

__all__ = ["Reason", "Veto", "reasons", "vetoes"]


@dataclass(frozen=True, slots=True)
class Reason:
    """A sentence and the id of the evidence that it rests on."""

    text: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Veto:
    """What no score may overrule: its name (``audit``, ``volatile_facts``, ``examples``), and what it forbids."""

    name: str
    text: str
    evidence: str


def vetoes(project: Project, rules: Rules, choice: Choice) -> tuple[Veto, ...]:
    """The vetoes that hold for this project, whether or not the decision would have gone against them."""
    return tuple(_vetoes(project, rules, choice))


def reasons(project: Project, rules: Rules, choice: Choice) -> tuple[Reason, ...]:
    """Why it was decided so: the needs, the rule, what training would take, and what was taken for granted."""
    return (
        *_facts(project, rules, choice),
        *_behaviour(project, rules, choice),
        *_rule(project, rules, choice),
        *_overkill(choice),
        *_prompt(project, rules, choice),
        *_training(project, rules, choice),
        *_constraints(project, rules, choice),
        *_assumed(project, rules, choice),
    )


def _vetoes(project: Project, rules: Rules, choice: Choice) -> Iterator[Veto]:
    if audited(project, rules):
        level = audit(project, rules)
        text = f'Audit is "{level.value}", which forbids fine-tuning alone: retrieval has to be present.'
        yield Veto("audit", text, level.evidence)
    days = interval_days(project, rules)
    # What nobody dated may change any day, but a veto is said only where facts are asked for.
    changes = days.value is None or days.value < rules.stability.stable_days
    if rules.vetoes.volatile_facts and changes and (choice.facts or facts_asked(project, rules)):
        often = "at an unknown rate" if days.value is None else f"every {days.days}"
        text = f"Facts are asked for and change {often}: they are looked up, not trained."
        yield Veto("volatile_facts", text, days.evidence)
    if choice.decision in ("fine_tune", "hybrid") and not ready(project, rules):
        examples = project.examples
        text = (
            f"Not ready, collect: {number_text(examples.usable)} usable examples and "
            f"{number_text(examples.held_out)} held out; training may start with {rules.vetoes.usable_min} and "
            f"{rules.vetoes.held_out_min}."
        )
        evidence = "examples.usable" if examples.usable < rules.vetoes.usable_min else "examples.held_out"
        yield Veto("examples", text, evidence)


def _facts(project: Project, rules: Rules, choice: Choice) -> Iterator[Reason]:
    if audited(project, rules):
        level = audit(project, rules)
        yield Reason(f'Audit is "{level.value}": each answer has to show its source, so facts are required.',
                     level.evidence)  # fmt: skip
    if project.needs.facts_hard:
        yield Reason("Facts are declared a hard need.", "needs.facts_hard")
    if project.queries is not None and project.queries.counted and choice.rule != "R8":
        yield _share(project, project.queries, rules, choice, "facts")


def _behaviour(project: Project, rules: Rules, choice: Choice) -> Iterator[Reason]:
    if project.needs.format_contract_hard:
        text = "The format contract is hard: an answer in another format is useless, so behaviour is required."
        yield Reason(text, "needs.format_contract_hard")
    if project.needs.style_contract_hard:
        text = "The style contract is hard: an answer in another voice is useless, so behaviour is required."
        yield Reason(text, "needs.style_contract_hard")
    if project.queries is not None and project.queries.counted and choice.rule != "R8":
        yield _share(project, project.queries, rules, choice, "behaviour")


def _share(project: Project, shares: QueryShares, rules: Rules, choice: Choice, side: str) -> Reason:
    """What the queries say of one need, and whether that decides it."""
    if side == "facts":
        share, declared, does, need = shares.facts, facts_declared(project, rules), "need facts", "facts are"
    else:
        share, declared, does, need = shares.behaviour, contract(project), "prescribe behaviour", "behaviour is"
    limit, counted, evidence = share_text(rules.shares.required), number_text(shares.counted), f"queries.{side}"
    text = f"{share_text(share)} of {counted} counted queries {does}"
    if choice.rule == "R7":
        return Reason(f"{text}, as far as so few can tell.", evidence)
    if share.low > rules.shares.required:
        return Reason(f"{text}; the whole interval lies above {limit}: {need} required.", evidence)
    if declared:
        return Reason(f"{text}; what is declared decides.", evidence)
    if share.high < rules.shares.required:
        return Reason(f"{text}; the whole interval lies below {limit}: {need} not required.", evidence)
    return Reason(f"{text}; the interval holds {limit}: whether {need} required is open.", evidence)


def _rule(project: Project, rules: Rules, choice: Choice) -> Iterator[Reason]:
    """What the rule that decided says of this project."""
    shares, corpus, days = project.queries, project.corpus, interval_days(project, rules)
    if choice.rule == "R1":
        yield Reason("Both needs are hard, so both are built: retrieval for what is said, fine-tuning for how.",
                     "queries.facts")  # fmt: skip
        work = upkeep(project, rules)
        parts = [number_text(work.hours(one)) for one in ("hybrid", "rag", "fine_tune")]
        text = (
            f"Maintenance of both is at least the sum of each: about {parts[0]} hours a month, {parts[1]} of them for "
            f"retrieval, {parts[2]} for the tuned model, the rest to keep the two in step."
        )
        yield Reason(text, "maintenance.hybrid")
    elif choice.rule == "R2":
        yield Reason("Only facts are required: start with retrieval.", "queries.facts")
    elif choice.rule in ("R3", "R4"):
        yield Reason("Only behaviour is required: fine-tuning serves it.", "queries.behaviour")
    elif choice.rule == "R5":
        often = "nobody knows how often they change" if days.value is None else f"change every {days.days}"
        yield Reason(f"Facts are asked for, though not often enough to require them, and {often}: such facts must "
                     "not be trained.", days.evidence)  # fmt: skip
    elif choice.rule == "R6":
        yield Reason("It is a near tie: a handful of queries would turn the decision.", "rules.shares.required")
    elif choice.rule == "R7" and (shares is None or not shares.queries):
        yield Reason("There is no log of queries: nothing says what is asked.", "queries.counted")
    elif choice.rule == "R7" and shares is not None:
        yield Reason(f"Only {number_text(shares.counted)} of {number_text(shares.queries)} queries count; fewer than "
                     f"{rules.shares.counted_min} decide nothing.", "queries.counted")  # fmt: skip
    elif choice.rule == "R8" and shares is not None:
        yield Reason(f"Of all {number_text(shares.queries)} queries {share_text(shares.facts_of_all)} need facts.",
                     "queries.facts_of_all")  # fmt: skip
        yield Reason(f"Of all queries {share_text(shares.behaviour_of_all)} prescribe behaviour: neither is required "
                     "and nothing is declared, so a plain prompt comes first.", "queries.behaviour_of_all")  # fmt: skip
    elif choice.rule == "R9" and corpus is not None:
        window = context_tokens(project, rules)
        yield Reason(f"Only facts are required, and the corpus has {number_text(corpus.tokens)} tokens, less than "
                     f"{share_text(rules.corpus.prompt_share)} of a context of {number_text(window.value)}: put it "
                     "in the prompt.", "corpus.tokens")  # fmt: skip
    elif choice.rule == "R10":
        yield Reason("Only behaviour is required, and a plain prompt already keeps it.", "evaluation.prompt")
    elif choice.rule == "R11":
        yield Reason("Facts are required, and there is no corpus to look them up in.", "corpus.tokens")


def _overkill(choice: Choice) -> Iterator[Reason]:
    if choice.decision == "rag":
        text = "Building both would be overkill: behaviour is not a hard need, so a prompt takes care of form and tone."
        yield Reason(text, "queries.behaviour")
    elif choice.decision == "fine_tune" or choice.rule == "R5":
        text = "Building both would be overkill: facts are not a hard need."
        yield Reason(text, "queries.facts")


def _prompt(project: Project, rules: Rules, choice: Choice) -> Iterator[Reason]:
    """Always: whether a plain prompt was measured."""
    prompt, rate = project.evaluation.prompt, target(project, rules)
    if prompt is None:
        yield Reason("No plain prompt was measured: do that before anything is built.", "evaluation.prompt")
        return
    passed, tried = prompt
    text = f"A plain prompt passed {number_text(passed)} of {number_text(tried)}"
    proves = "proves" if choice.rule == "R10" else "does not prove"
    if choice.behaviour and not choice.facts:
        yield Reason(f"{text}, which {proves} {share_text(rate.value)}.", "evaluation.prompt")
    else:
        yield Reason(f"{text}.", "evaluation.prompt")


def _training(project: Project, rules: Rules, choice: Choice) -> Iterator[Reason]:
    examples, rate, days = project.examples, target(project, rules), interval_days(project, rules)
    if examples.volatile is not None and examples.volatile.value > 0:
        share = share_text(examples.volatile.value)
        text = f"{share} of the training examples state facts that have changed since: drop or mask them."
        yield Reason(text, "examples.volatile")
    if choice.decision not in ("fine_tune", "hybrid"):
        return
    if choice.decision == "fine_tune":
        yield _stability(project, rules, days)
    needed = clean_examples_needed(rate.value, rules.evidence.tail)
    held, claim = number_text(examples.held_out), share_text(rate.value)
    if examples.held_out >= needed:
        text = f"{held} held-out answers may claim {claim}: {number_text(needed)} without a failure prove it."
    else:
        text = f"{held} held-out answers may not claim {claim}: that takes {number_text(needed)} without a failure."
    yield Reason(text, "examples.held_out")
    if len(examples.labels) > 1:
        text = (
            f"There are {number_text(len(examples.labels))} labels, the rarest with "
            f"{number_text(min(examples.labels.values()))} examples: macro-F1 on held-out answers judges all alike."
        )
        yield Reason(text, "examples.labels")


def _stability(project: Project, rules: Rules, days: Known) -> Reason:
    """Whether anything that changes could get into the training."""
    if not facts_change(project, rules):
        return Reason(f"The data is stable: {days.days} between two versions of a document.", days.evidence)
    often = "Nobody knows how often documents change" if days.value is None else f"Documents change every {days.days}"
    facts = project.queries.facts if project.queries is not None else None
    if facts is not None and facts.high > rules.shares.facts_some:
        rest = f"and up to {share_text(facts.high)} of the counted queries may ask for them: train none of their facts"
        return Reason(f"{often}, {rest}.", "queries.facts")
    return Reason(f"{often}, but hardly any query asks for them.", days.evidence)


def _constraints(project: Project, rules: Rules, choice: Choice) -> Iterator[Reason]:
    """Time, team, money and latency: they turn no rule, but a plan may fail by them."""
    needs, tuned = project.needs, choice.decision in ("fine_tune", "hybrid")
    advised = choice.decision == "rag" or tuned
    if needs.team_hours_per_month is not None and advised:
        hours = upkeep(project, rules).hours(choice.decision)
        enough = "enough" if hours <= needs.team_hours_per_month else "not enough: start with one layer, or find time"
        yield Reason(f"It takes about {number_text(hours)} hours a month; {number_text(needs.team_hours_per_month)} "
                     f"are declared, {enough}.", "needs.team_hours_per_month")  # fmt: skip
    if needs.budget_per_month is not None and needs.queries_per_day is not None and has_prices(project) and advised:
        money = per_month(project, rules, choice.decision)
        enough = "enough" if money <= needs.budget_per_month else "not enough"
        text = f"It costs about {number_text(money)} a month by the declared prices"
        budget = f"{number_text(needs.budget_per_month)} are declared, {enough}"
        yield Reason(f"{text}; {budget}.", "needs.budget_per_month")
    if needs.queries_per_day is not None and tuned:
        yield _volume(project, rules, needs.queries_per_day)
    if needs.deadline_days is not None and tuned:
        days, _ = days_to_tune(project, rules)
        enough = "in time" if days <= needs.deadline_days else "too late: start with a prompt or retrieval"
        yield Reason(f"A tuned model takes about {days_text(days)}, {enough} for {days_text(needs.deadline_days)}.",
                     "needs.deadline_days")  # fmt: skip
    if needs.latency_ms_p95 is not None and advised:
        yield _latency(project, rules, choice.decision, needs.latency_ms_p95)


def _latency(project: Project, rules: Rules, decision: str, most_ms: float) -> Reason:
    found = expenses(project, rules)
    computed = {"rag": found.rag_latency_ms, "fine_tune": found.tuned_latency_ms, "hybrid": found.hybrid_latency_ms}
    ms = computed[decision]
    enough = "within" if ms <= most_ms else "beyond"
    means = "" if ms <= most_ms else ": a smaller model, a faster one or shorter answers bring it down, not the search"
    text = f"An answer takes about {number_text(ms)} ms with a model of the usual speed, {enough} the declared"
    return Reason(f"{text} {number_text(most_ms)} ms{means}.", "needs.latency_ms_p95")


def _volume(project: Project, rules: Rules, queries_per_day: float) -> Reason:
    prices = "the declared prices" if has_prices(project) else "placeholder prices: declare yours"
    volume = expenses(project, rules).break_even_per_day
    if volume is None:
        return Reason(f"A tuned model is cheaper at no volume, by {prices}.", "costs.break_even_per_day")
    text = f"A tuned model is cheaper from about {number_text(math.ceil(volume))} queries a day, by {prices}"
    return Reason(f"{text}; {number_text(queries_per_day)} are asked.", "costs.break_even_per_day")


def _assumed(project: Project, rules: Rules, choice: Choice) -> Iterator[Reason]:
    level, rate, window = audit(project, rules), target(project, rules), context_tokens(project, rules)
    if level.source == "assumed":
        yield Reason(f'Audit is not declared; it is taken as "{level.value}".', level.evidence)
    if window.source == "assumed" and choice.rule in ("R2", "R9"):
        text = f"The context is not declared; it is taken as {number_text(window.value)} tokens."
        yield Reason(text, window.evidence)
    if rate.source == "assumed" and choice.behaviour:
        yield Reason(f"The target is not declared; it is taken as {share_text(rate.value)}.", rate.evidence)
