"""Splits cleaned examples, looks for leaks, measures the case for labels, says what stands against training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragstone.errors import InvalidInput
from ragstone.handoff.case import LabelCase, measure_labels
from ragstone.handoff.citing import Citing
from ragstone.handoff.cleaning import Cleaned
from ragstone.handoff.examples import Dropped, Example, Examples, Task
from ragstone.handoff.leakage import Leakage, clusters, leaks_between
from ragstone.handoff.learning import FLOORS
from ragstone.handoff.measured import Measured, claimable, inferred_schema, outcome_of
from ragstone.handoff.similar import Prints, fingerprints
from ragstone.handoff.splitting import SPLITS, split_by_label, split_by_time
from ragstone.recommender.costs import Costs
from ragstone.recommender.costs import costs as usual_costs
from ragstone.records import Embedder
from ragstone.scoring import parsed, samples_needed

__all__ = ["measure"]

# Timestamps decide the split where so many examples have one; the least share of the wish that it must hold out.
_TIMED_SHARE, _TESTED_SHARE = 0.9, 0.5
_HELD_OUT_SHARE = 0.95
_CHARACTERS_A_TOKEN = 4
# A cluster that holds more than this share of all examples makes the rest a poor test.
_CLUSTER_SHARE = 0.3
_DIVIDED = "users ask so much alike that none could be held out: the same users are in training and in the test"


def measure(
    recommendation: Mapping[str, Any],
    read: Examples,
    cleaned: Cleaned,
    citing: Citing | None,
    *,
    task: Task,
    embedder: Embedder | None,
    shares: tuple[float, float],
    schema: Mapping[str, Any] | None,
    costs: Costs | None,
    target: float,
    seed: int,
) -> Measured:
    """Everything that the bundle's pages say; equal arguments give equal figures."""
    examples = cleaned.usable
    prints = fingerprints([one.compared for one in examples], embedder)
    found, divided = _clusters(examples, prints, seed)
    side, by_time = _split(examples, found, task, shares, seed)
    parts = {
        name: tuple(one for one, part in zip(examples, side.tolist(), strict=True) if part == place)
        for place, name in enumerate(SPLITS)
    }
    # Another seed than that of the clusters: MinHash then misses other pairs.
    leakage = leaks_between(prints, np.flatnonzero(side != 0), np.flatnonzero(side == 0), seed + 1)
    case = _case(parts, task, embedder, target, seed)
    labels = dict(sorted(Counter(one.completion for one in examples).items())) if task == "labels" else {}
    largest = int(np.bincount(found).max())
    sizes = [sum(map(len, (one.system, one.completion, *(text for _, text in one.turns)))) for one in examples]
    tokens = [-(-size // _CHARACTERS_A_TOKEN) for size in sizes]
    trained = max(len(parts["train"]), 1)
    answers = _schema(examples, task, schema)
    outcome, broken = outcome_of(recommendation), _no_json(examples) if task == "json" else 0
    against = [*_not_advised(outcome), *_broken(broken, len(examples)), *([_DIVIDED] if divided else [])]
    findings = (*against, *_findings(parts, cleaned, citing, leakage, case, labels, largest, task, shares))
    enough = len(parts["train"]) >= FLOORS["least"] and len(parts["test"]) > 0
    several = task != "labels" or len({one.completion for one in parts["train"]}) > 1
    return Measured(
        task=task,
        outcome=outcome,
        recommendation=recommendation,
        read=len(read.usable) + len(read.dropped),
        parts=parts,
        dropped=_dropped(read, cleaned, citing),
        cleaned=cleaned,
        citing=citing,
        by_time=by_time,
        clusters=int(found.max()) + 1,
        largest_cluster=largest,
        leakage=leakage,
        case=case,
        schema=answers,
        schema_given=schema is not None,
        labels=labels,
        costs=costs or usual_costs(examples=trained, example_tokens=sum(tokens) / len(tokens)),
        tokens=sum(tokens) * len(parts["train"]) // len(examples),
        longest_tokens=max(tokens),
        embedder="none" if embedder is None else embedder.name,
        seed=seed,
        findings=findings,
        ready=enough and several and leakage.leaking == 0 and not against,
    )


def _clusters(examples: Sequence[Example], prints: Prints, seed: int) -> tuple[NDArray[np.int64], bool]:
    """What must stay on one side, and whether users had to be divided.

    Users who ask the same things chain all their examples together; then only near-duplicates, threads and documents
    are kept whole, for a test of nothing is worse than one that has met its users.
    """
    most = _CLUSTER_SHARE * len(examples)
    found, _ = clusters(prints, [one.groups for one in examples], seed)
    if np.bincount(found).max() <= most:
        return found, False
    without = [tuple(name for name in one.groups if not name.startswith("user")) for one in examples]
    alone, _ = clusters(prints, without, seed)
    return (alone, True) if np.bincount(alone).max() <= most else (found, False)


def _split(
    examples: Sequence[Example], found: NDArray[np.int64], task: Task, shares: tuple[float, float], seed: int
) -> tuple[NDArray[np.int64], bool]:
    """The split of each example, and whether time decided."""
    times = [one.time_ms for one in examples]
    known = [time for time in times if time is not None]
    if len(known) >= _TIMED_SHARE * len(examples) and len(set(known)) > 1:
        side = split_by_time(found, times, shares)
        # A large cluster that is the latest would leave nothing to test by.
        if (side == 2).sum() >= _TESTED_SHARE * shares[1] * len(examples):
            return side, True
    labels = [one.completion if task == "labels" else "" for one in examples]
    return split_by_label(found, labels, shares, seed), False


def _case(
    parts: Mapping[str, Sequence[Example]], task: Task, embedder: Embedder | None, target: float, seed: int
) -> LabelCase | None:
    if task != "labels" or embedder is None:
        return None
    train, held_out = ([(one.compared, one.completion) for one in parts[name]] for name in ("train", "test"))
    return measure_labels(train, held_out, embedder, target=target, seed=seed)


def _schema(examples: Sequence[Example], task: Task, schema: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if schema is not None or task != "json":
        return schema
    return inferred_schema([parsed(one.completion) for one in examples])


def _dropped(read: Examples, cleaned: Cleaned, citing: Citing | None) -> tuple[Dropped, ...]:
    several = (*read.dropped, *cleaned.dropped, *(() if citing is None else citing.dropped))
    return tuple(sorted(several, key=lambda one: one.line))


def _findings(
    parts: Mapping[str, Sequence[Example]],
    cleaned: Cleaned,
    citing: Citing | None,
    leakage: Leakage,
    case: LabelCase | None,
    labels: Mapping[str, int],
    largest: int,
    task: Task,
    shares: tuple[float, float],
) -> Iterator[str]:
    """What stands against training on these examples, or against believing the evaluation."""
    train, held_out = len(parts["train"]), len(parts["test"])
    if train < FLOORS["least"]:
        yield f"{train} examples to train on, {FLOORS['least']} are the least: collect first"
    elif train < FLOORS["start"]:
        yield f"{train} examples to train on, {FLOORS['start']} are a start"
    if not held_out:
        why = "all belong to one cluster, user or thread" if largest > (1 - shares[1]) * len(cleaned.usable) else ""
        yield f"nothing could be held out{': ' + why if why else ''}: an evaluation is impossible"
    elif held_out < (least := samples_needed(_HELD_OUT_SHARE)):
        yield (
            f"{held_out} held out allow to claim {claimable(held_out):.1%} at most: {least} are needed for 95 %, "
            f"{samples_needed(0.99)} for 99 %"
        )
    elif held_out < (most := samples_needed(0.99)):
        yield f"{held_out} held out allow to claim {claimable(held_out):.1%} at most: {most} are needed for 99 %"
    if leakage.leaking:
        yield f"{leakage.leaking} held-out examples have a near-duplicate in training"
    if largest > _CLUSTER_SHARE * len(cleaned.usable):
        yield f"{largest} of {len(cleaned.usable)} examples are one cluster of near-duplicates or one group"
    if cleaned.proven:
        yield f"{cleaned.proven} examples state facts that their documents no longer state: see volatile_facts.jsonl"
    if citing is not None and citing.dropped:
        yield f"{len(citing.dropped)} answers are left out, for no chunk of the index states what they state"
    if task == "labels":
        yield from _label_findings(parts["train"], labels, case)
    if cleaned.conflicts and task == "labels":
        yield f"{cleaned.conflicts} examples contradict another of the same request: decide which label is right"


def _not_advised(outcome: str) -> Iterator[str]:
    if outcome in ("rag", "prompt_first", "undecided"):
        yield f"the advice is {outcome.replace('_', ' ')}: nothing calls for training yet"


def _broken(answers: int, examples: int) -> Iterator[str]:
    if answers:
        yield f"{answers} of {examples} answers are no JSON: mend or remove them, or leave the schema out"


def _no_json(examples: Sequence[Example]) -> int:
    broken = 0
    for one in examples:
        try:
            parsed(one.completion)
        except InvalidInput:
            broken += 1
    return broken


def _label_findings(train: Sequence[Example], labels: Mapping[str, int], case: LabelCase | None) -> Iterator[str]:
    if len(labels) < 2:
        yield f"all {sum(labels.values())} examples have one label: there is nothing to learn, add the others"
        return
    counts = Counter(one.completion for one in train)
    if few := [label for label in labels if counts[label] < FLOORS["label_least"]]:
        yield f"{len(few)} of {len(labels)} labels have fewer than {FLOORS['label_least']} examples to train on"
    if case is None:
        return
    if case.unseen:
        yield f"{len(case.unseen)} labels are held out and not trained on: more examples of them are needed"
    if case.gain.accuracy.low <= 0:
        yield "the classifier is not proven better than retrieval alone: looking up the nearest examples may do"
