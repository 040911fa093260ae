"""What each way costs to keep alive: recurring tasks with their triggers, hours of people, and compute."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from ragstone.arguments import integer, number
from ragstone.errors import InvalidInput

__all__ = ["Effort", "Maintenance", "Task", "maintenance"]

_DAYS_PER_MONTH = 365.25 / 12


@dataclass(frozen=True, slots=True)
class Effort:
    """How much work a recurring task is; the values that ship, with their sources, are in ``rules.toml``."""

    reindex_hours: float
    reindexes_per_month_max: float
    hours_per_1000_changes: float
    embedded_tokens_per_second: float
    retrieval_watch_hours: float
    retrieval_evaluations_per_year: float
    judged_queries: float
    minutes_per_judgement: float
    unknown_interval_days: float
    training_hours: float
    tuned_evaluation_hours: float
    tuned_watch_hours: float
    contract_changes_per_year: float
    drifts_per_year: float
    base_retirements_per_year: float
    examples_renewed: float
    minutes_per_example: float
    example_tokens: float
    epochs: float
    parameters: float
    flops_per_second: float
    pair_test_hours: float
    pair_tests_per_month: float


@dataclass(frozen=True, slots=True)
class Task:
    """Something that comes back: when, how often, how many hours of people and of machines a month."""

    name: str
    trigger: str
    per_month: float
    hours_per_month: float
    compute_hours_per_month: float = 0.0
    machine: str = "CPU"


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Recurring tasks of retrieval, of a tuned model, and of keeping the two in step."""

    rag: tuple[Task, ...]
    fine_tune: tuple[Task, ...]
    integration: tuple[Task, ...]

    @property
    def hybrid(self) -> tuple[Task, ...]:
        """All tasks of both and of keeping them in step."""
        return self.rag + self.fine_tune + self.integration

    def tasks(self, decision: str) -> tuple[Task, ...]:
        """The tasks that a decision brings: ``"rag"``, ``"fine_tune"`` or ``"hybrid"``; others bring none."""
        return {"rag": self.rag, "fine_tune": self.fine_tune, "hybrid": self.hybrid}.get(decision, ())

    def hours(self, decision: str) -> float:
        """Hours of people a month."""
        # fsum: rounding must not make the whole less than its parts.
        return math.fsum(task.hours_per_month for task in self.tasks(decision))

    def compute_hours(self, decision: str, machine: str) -> float:
        """Hours of ``"CPU"`` or ``"GPU"`` a month."""
        tasks = self.tasks(decision)
        return math.fsum(task.compute_hours_per_month for task in tasks if task.machine == machine)

    def to_dict(self) -> dict[str, Any]:
        """Tasks and sums, for JSON."""
        return {
            decision: {
                "hours_per_month": self.hours(decision),
                "cpu_hours_per_month": self.compute_hours(decision, "CPU"),
                "gpu_hours_per_month": self.compute_hours(decision, "GPU"),
                "tasks": [asdict(task) for task in self.tasks(decision)],
            }
            for decision in ("rag", "fine_tune", "hybrid")
        }


def maintenance(
    effort: Effort,
    *,
    documents: int = 0,
    tokens: int = 0,
    update_interval_days: float | None = None,
    changes_per_month: float | None = None,
    examples: int = 0,
    contract_changes_per_year: float | None = None,
    minutes_per_example: float | None = None,
    parameters: float | None = None,
    base_retires: bool = True,
) -> Maintenance:
    """What has to be done again and again, and how much of it.

    A re-index comes with each new version of a document, at most as often as ``effort`` allows; evaluation is renewed
    some times a year; a tuned model is trained again when its contract changes (schema, labels, style guide), when its
    input drifts, and when its base model is retired. Training needs about 4 N T E operations (N parameters, T tokens,
    E epochs; LoRA: forward pass and gradients of activations).

    Args:
        effort: Hours and rates, such as ``load_rules().maintenance``.
        documents: How many the corpus has.
        tokens: How many the corpus has.
        update_interval_days: Days between two versions of a document; ``None`` takes the effort's assumption.
        changes_per_month: How many documents got a new version or went, where that was counted; it goes first.
        examples: How many the model is trained on.
        contract_changes_per_year: Instead of the effort's.
        minutes_per_example: Instead of the effort's.
        parameters: Of the tuned model, instead of the effort's.
        base_retires: Whether somebody else can retire the base model, as services do; own weights stay.

    Raises:
        InvalidInput: A number is negative or not finite.
    """
    if not isinstance(effort, Effort):
        raise InvalidInput(f"effort is of type {type(effort).__name__}: pass load_rules().maintenance")
    documents = integer(documents, "documents", 0, 10**15)
    tokens = integer(tokens, "tokens", 0, 10**18)
    examples = integer(examples, "examples", 0, 10**12)
    days = effort.unknown_interval_days
    if update_interval_days is not None:
        days = number(update_interval_days, "update_interval_days", 0.0, 1e9)
    changes = effort.contract_changes_per_year
    if contract_changes_per_year is not None:
        changes = number(contract_changes_per_year, "contract_changes_per_year", 0.0, 1e6)
    minutes = effort.minutes_per_example
    if minutes_per_example is not None:
        minutes = number(minutes_per_example, "minutes_per_example", 0.0, 1e6)
    if parameters is not None:
        effort = replace(effort, parameters=number(parameters, "parameters", 0.0, 1e15))
    if not base_retires:
        effort = replace(effort, base_retirements_per_year=0.0)
    runs = min(_DAYS_PER_MONTH / days if days else math.inf, effort.reindexes_per_month_max)
    changed = documents * runs
    if changes_per_month is not None:
        changed = number(changes_per_month, "changes_per_month", 0.0, 1e15)
        runs = min(changed, effort.reindexes_per_month_max)
    return Maintenance(
        _of_retrieval(effort, changed, tokens / max(documents, 1) * changed, runs),
        _of_tuned_model(effort, examples, changes / 12, minutes),
        (
            Task("test the pair", "either layer changed", effort.pair_tests_per_month,
                 effort.pair_tests_per_month * effort.pair_test_hours),
        ),
    )  # fmt: skip


def _of_retrieval(effort: Effort, changed: float, tokens: float, runs: float) -> tuple[Task, ...]:
    """For so many changed documents with so many tokens a month, indexed in so many runs."""
    embedding = tokens / effort.embedded_tokens_per_second / 3600
    mending = changed / 1000 * effort.hours_per_1000_changes
    evaluations = effort.retrieval_evaluations_per_year / 12
    judging = evaluations * effort.judged_queries * effort.minutes_per_judgement / 60
    return (
        Task("index new versions", "documents changed", runs, runs * effort.reindex_hours, embedding),
        Task("mend what could not be read", "documents changed", runs, mending),
        Task("judge queries anew", "index grew out of its evaluation", evaluations, judging),
        Task("watch retrieval", "each month", 1.0, effort.retrieval_watch_hours),
    )


def _of_tuned_model(effort: Effort, examples: int, changes: float, minutes: float) -> tuple[Task, ...]:
    hours = effort.training_hours + effort.tuned_evaluation_hours
    renewal = examples * effort.examples_renewed * minutes / 60
    operations = 4 * effort.parameters * examples * effort.example_tokens * effort.epochs
    machine = operations / effort.flops_per_second / 3600
    drifts, retirements = effort.drifts_per_year / 12, effort.base_retirements_per_year / 12

    def training(name: str, trigger: str, per_month: float, writing: float) -> Task:
        return Task(name, trigger, per_month, per_month * (hours + writing), per_month * machine, "GPU")

    return (
        training("train for the new contract", "schema, labels or style guide changed", changes, renewal),
        training("train on new queries", "input drifted (PSI above 0.2), or held-out accuracy fell", drifts, renewal),
        training("train on the next base model", "base model retired", retirements, 0.0),
        Task("watch answers", "each month", 1.0, effort.tuned_watch_hours),
    )
