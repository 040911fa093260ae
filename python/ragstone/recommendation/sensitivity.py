"""Which input would turn the decision, and at what value: each turned alone, both sides decided."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from ragstone.recommendation.choice import choose, ready
from ragstone.recommendation.known import audit, context_tokens, interval_days, target
from ragstone.recommendation.measurements import Project
from ragstone.recommendation.mixing import with_counted, with_share
from ragstone.recommendation.needs import AUDITS
from ragstone.recommendation.rules import Rules

__all__ = ["FlipPoint", "flip_points"]

# Values at which each number is tried on either side, before the first turn is narrowed down by halving.
_TRIED = 160
_HALVINGS = 48


@dataclass(frozen=True, slots=True)
class FlipPoint:
    """The nearest value of one input, all else as it is, that turns something.

    Args:
        input: Evidence id of the input.
        dimension: To which of the five it belongs, or ``"needs"``.
        current: Its value now; ``None`` is not known.
        value: The nearest value that turns it; ``None``: no value does.
        holds: The value beside it that does not, as near as was looked; ``None`` where ``value`` is.
        turns: What is turned: ``"decision"``, or ``"ready"`` (whether training may start).
        now: What it is now.
        then: What it becomes; ``None`` where no value turns it.
    """

    input: str
    dimension: str
    current: Any
    value: Any
    holds: Any
    turns: str
    now: Any
    then: Any

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Dial:
    """An input that can be turned: its value, how to set it, and what may be set, on a scale that is even or not."""

    input: str
    dimension: str
    current: Any
    turn: Callable[[Any], Project]
    choices: Sequence[Any] = ()
    least: float = 0.0
    most: float = 0.0
    whole: bool = False
    logarithmic: bool = False


def flip_points(project: Project, rules: Rules) -> tuple[FlipPoint, ...]:
    """For each input the nearest value that turns the decision, and for examples the one that lets training start.

    Numbers are tried outward from the current value, and the first turn is narrowed down by halving. Where the current
    value is not known, the values are tried from the least. Nearest is by ratio for sizes and times, by difference
    for shares.
    """
    found = []
    decided = partial(_decision, rules=rules)
    for dial in dials(project, rules):
        found.append(_flip(dial, project, "decision", decided))
        if dial.input in ("examples.usable", "examples.held_out") and choose(project, rules).decision in (
            "fine_tune",
            "hybrid",
        ):
            found.append(_flip(dial, project, "ready", partial(ready, rules=rules)))
    return tuple(found)


def dials(project: Project, rules: Rules) -> Iterator[Dial]:
    """Every input that can be turned."""
    yield from _share_dials(project)
    yield from _corpus_dials(project, rules)
    yield from _declared_dials(project, rules)
    yield from _evaluation_dials(project, rules)


def _decision(project: Project, rules: Rules) -> str:
    return choose(project, rules).decision


def _share_dials(project: Project) -> Iterator[Dial]:
    shares = project.queries
    if shares is None or not shares.counted:
        return
    for side in ("facts", "behaviour"):
        turn = partial(with_share, project, side)
        yield Dial(f"queries.{side}", "primary_problem", getattr(shares, side).value, turn, most=1.0)
    yield Dial("queries.counted", "primary_problem", shares.counted, partial(with_counted, project), least=1,
               most=10**7, whole=True, logarithmic=True)  # fmt: skip


def _corpus_dials(project: Project, rules: Rules) -> Iterator[Dial]:
    corpus, days, window = project.corpus, interval_days(project), context_tokens(project, rules)

    def with_days(value: float) -> Project:
        if days.source == "measured" and corpus is not None:
            return replace(project, corpus=replace(corpus, update_interval_days=value))
        return _with_need(project, "update_interval_days", value)

    yield Dial(days.evidence if days.value is not None else "needs.update_interval_days", "change_frequency",
               days.value, with_days, least=0.1, most=36_500.0, logarithmic=True)  # fmt: skip
    if corpus is not None:
        for name in ("tokens", "documents"):
            yield Dial(f"corpus.{name}", "corpus_size", getattr(corpus, name),
                       partial(_with_part, project, "corpus", name), least=1, most=10**13, whole=True,
                       logarithmic=True)  # fmt: skip
        if corpus.first_value_s is not None:
            yield Dial("corpus.first_value_s", "time_to_first_value", corpus.first_value_s,
                       partial(_with_part, project, "corpus", "first_value_s"), least=0.001, most=1e9,
                       logarithmic=True)  # fmt: skip
    yield Dial("needs.context_tokens", "corpus_size", window.value, partial(_with_need, project, "context_tokens"),
               least=1_000, most=10**9, whole=True, logarithmic=True)  # fmt: skip


def _declared_dials(project: Project, rules: Rules) -> Iterator[Dial]:
    needs = project.needs
    yield Dial("needs.audit", "auditability", audit(project, rules).value, partial(_with_need, project, "audit"),
               choices=AUDITS)  # fmt: skip
    for name in ("format_contract_hard", "style_contract_hard", "facts_hard"):
        turn = partial(_with_need, project, name)
        yield Dial(f"needs.{name}", "primary_problem", bool(getattr(needs, name)), turn, choices=(False, True))
    for name, most in (("latency_ms_p95", 1e8), ("queries_per_day", 1e12), ("team_hours_per_month", 1e6),
                       ("budget_per_month", 1e12), ("deadline_days", 1e5)):  # fmt: skip
        if getattr(needs, name) is not None:
            turn = partial(_with_need, project, name)
            yield Dial(f"needs.{name}", "needs", getattr(needs, name), turn, least=1, most=most, logarithmic=True)


def _evaluation_dials(project: Project, rules: Rules) -> Iterator[Dial]:
    examples, evaluation = project.examples, project.evaluation
    passed, tried = evaluation.prompt or (None, rules.evidence.held_out_min * 5)
    yield Dial("evaluation.prompt", "needs", passed, lambda value: _with_prompt(project, int(value), tried), most=tried,
               whole=True)  # fmt: skip
    yield Dial("needs.target_pass_rate", "needs", target(project, rules).value,
               partial(_with_need, project, "target_pass_rate"), least=0.01, most=0.9999)  # fmt: skip
    for part, name, current in (
        ("evaluation", "judged_queries", evaluation.judged_queries),
        ("examples", "usable", examples.usable),
        ("examples", "held_out", examples.held_out),
    ):
        dimension = "time_to_first_value" if part == "examples" else "needs"
        yield Dial(f"{part}.{name}", dimension, current, partial(_with_part, project, part, name), most=10**6,
                   whole=True)  # fmt: skip


def _with_need(project: Project, name: str, value: Any) -> Project:
    changes = {name: value}
    if name == "audit" and project.needs.facts_hard is False:
        # An audit contradicts the declaration that facts are not hard: whoever turns the one drops the other.
        changes["facts_hard"] = None
    if name == "facts_hard" and value is False:
        # Not declared, rather than declared not to be: a high audit would contradict that.
        changes["facts_hard"] = None
    if name == "context_tokens" and project.needs.output_tokens and value <= project.needs.output_tokens:
        changes["output_tokens"] = None
    return replace(project, needs=replace(project.needs, **changes))


def _with_part(project: Project, part: str, name: str, value: Any) -> Project:
    return replace(project, **{part: replace(getattr(project, part), **{name: value})})


def _with_prompt(project: Project, passed: int, tried: int) -> Project:
    return replace(project, evaluation=replace(project.evaluation, prompt=(passed, tried)))


def _flip(dial: Dial, project: Project, turns: str, outcome: Callable[[Project], Any]) -> FlipPoint:
    now = outcome(project)
    pairs = list(_of_choices(dial, now, outcome) if dial.choices else _of_numbers(dial, now, outcome))
    if not pairs:
        return FlipPoint(dial.input, dial.dimension, dial.current, None, None, turns, now, None)
    holds, value = min(pairs, key=lambda pair: _distance(dial, pair[1]))
    then = outcome(dial.turn(value))
    return FlipPoint(dial.input, dial.dimension, dial.current, value, holds, turns, now, then)


def _distance(dial: Dial, value: Any) -> float:
    if dial.current is None:
        return float(value)
    if dial.choices:
        return abs(dial.choices.index(value) - dial.choices.index(dial.current))
    if dial.logarithmic:
        return abs(math.log(max(value, 1e-9) / max(dial.current, 1e-9)))
    return float(abs(value - dial.current))


def _of_choices(dial: Dial, now: Any, outcome: Callable[[Project], Any]) -> Iterator[tuple[Any, Any]]:
    for choice in dial.choices:
        if choice != dial.current and outcome(dial.turn(choice)) != now:
            yield dial.current, choice


def _of_numbers(dial: Dial, now: Any, outcome: Callable[[Project], Any]) -> Iterator[tuple[Any, Any]]:
    """Pairs of a value that turns nothing and its neighbour that does: at most one below and one above."""
    if dial.current is None:
        ways: tuple[list[Any], ...] = (_steps(dial, dial.least, dial.most),)
    else:
        current = min(max(dial.current, dial.least), dial.most)
        ways = (_steps(dial, current, dial.most), _steps(dial, current, dial.least))
    for values in ways:
        before = None
        for value in values:
            if value == dial.current:
                before = value
                continue
            if outcome(dial.turn(value)) != now:
                # Not known now, and turned by the least value already: nothing beside it holds.
                yield _narrowed(dial, before, value, now, outcome) if before is not None else (None, value)
                break
            before = value


def _steps(dial: Dial, start: float, end: float) -> list[Any]:
    if dial.logarithmic:
        low = max(start, 1e-9)
        values = [low * (max(end, 1e-9) / low) ** (step / _TRIED) for step in range(_TRIED + 1)]
    else:
        values = [start + (end - start) * step / _TRIED for step in range(_TRIED + 1)]
    values[0], values[-1] = start, end
    return list(dict.fromkeys(round(value) for value in values)) if dial.whole else values


def _narrowed(dial: Dial, holds: Any, turns: Any, now: Any, outcome: Callable[[Project], Any]) -> tuple[Any, Any]:
    """The turn between two values, narrowed down by halving; both ends keep what they say."""
    for _ in range(_HALVINGS):
        middle = (holds + turns) / 2
        if dial.logarithmic and holds > 0 and turns > 0:
            middle = math.sqrt(holds * turns)
        middle = round(middle) if dial.whole else middle
        if middle in (holds, turns):
            if not dial.whole or abs(holds - turns) <= 1:
                break
            middle = (holds + turns) // 2
        if outcome(dial.turn(middle)) == now:
            holds = middle
        else:
            turns = middle
    return holds, turns
