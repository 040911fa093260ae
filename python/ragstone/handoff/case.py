"""Measures the case for labels: a small classifier on held-out examples, beside retrieval and the commonest label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragstone.estimates import Estimate, proportion
from ragstone.handoff.classifier import fit_softmax, majority, nearest
from ragstone.handoff.learning import Curve, Needed, examples_needed
from ragstone.records import Embedder
from ragstone.scoring import LabelDifference, LabelScores, label_difference, score_labels

__all__ = ["LabelCase", "measure_labels"]

_Codes = NDArray[np.int64]
_FIRST = 25


@dataclass(frozen=True, slots=True, repr=False)
class LabelCase:
    """What :func:`measure_labels` found, all on the same held-out examples.

    ``gain`` is the classifier less retrieval alone. ``unseen`` are labels of held-out examples that training lacks.
    """

    train: int
    held_out: int
    labels: int
    embedder: str
    penalty: float
    classifier: LabelScores
    retrieval: LabelScores
    majority: LabelScores
    gain: LabelDifference
    curve: Curve
    needed: Needed
    unseen: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Everything by name, for JSON; of the scores accuracy and macro-F1."""
        sides = {"classifier": self.classifier, "retrieval": self.retrieval, "majority": self.majority}
        return {
            "train": self.train,
            "held_out": self.held_out,
            "labels": self.labels,
            "embedder": self.embedder,
            "penalty": self.penalty,
            **{
                name: {"accuracy": one.accuracy.to_dict(), "macro_f1": one.macro_f1.to_dict()}
                for name, one in sides.items()
            },
            "gain": {"accuracy": self.gain.accuracy.to_dict(), "macro_f1": self.gain.macro_f1.to_dict()},
            "curve": self.curve.to_dict(),
            "needed": self.needed.to_dict(),
            "unseen": list(self.unseen),
        }

    def __str__(self) -> str:
        rows = [("classifier", self.classifier), ("retrieval", self.retrieval), ("commonest", self.majority)]
        lines = [f"{self.labels} labels, {self.train:,} examples, {self.held_out:,} held out ({self.embedder})"]
        lines += [f"{name:<11} accuracy {one.accuracy}, macro-F1 {one.macro_f1}" for name, one in rows]
        lines.append(f"{'gain':<11} over retrieval: {self.gain}")
        points = ", ".join(
            f"{count:,}: {one.value:.3f}" for count, one in zip(self.curve.examples, self.curve.accuracy, strict=True)
        )
        lines += [f"{'curve':<11} accuracy by examples: {points}", f"{'needed':<11} {self.needed}"]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)


def measure_labels(
    train: Sequence[tuple[str, str]],
    held_out: Sequence[tuple[str, str]],
    embedder: Embedder,
    *,
    target: float = 0.95,
    seed: int = 0,
) -> LabelCase | None:
    """Train and score the classifier and both baselines; ``None`` where there is one label, or nothing held out.

    Args:
        train: Pairs of request and label.
        held_out: Further pairs; the classifier never sees them before it is scored.
        embedder: What makes vectors of requests.
        target: The accuracy for which needed examples are estimated.
        seed: Of the folds, the curve's order and the resampling.
    """
    if not train or not held_out or len({label for _, label in train}) < 2:
        return None
    names = sorted({label for _, label in (*train, *held_out)})
    code = {name: place for place, name in enumerate(names)}
    seen = np.array([code[label] for _, label in train])
    vectors, queries = (embedder.embed([text for text, _ in side]) for side in (train, held_out))
    right = [label for _, label in held_out]
    model = fit_softmax(vectors, seen, seed=seed)

    def scores(codes: _Codes) -> tuple[LabelScores, list[str]]:
        given = [names[place] for place in codes.tolist()]
        return score_labels(right, given, labels=names, seed=seed), given

    ours, given = scores(model.predict(queries))
    plain, retrieved = scores(nearest(vectors, seen, queries))
    curve = _curve(vectors, seen, queries, np.array([code[label] for label in right]), model.penalty, seed)
    most = majority([label for _, label in train])
    return LabelCase(
        train=len(train),
        held_out=len(held_out),
        labels=len(names),
        embedder=embedder.name,
        penalty=model.penalty,
        classifier=ours,
        retrieval=plain,
        majority=score_labels(right, [most] * len(right), labels=names, seed=seed),
        gain=label_difference(right, given, retrieved, seed=seed),
        curve=curve,
        needed=examples_needed(curve, 1 - target, seed=seed),
        unseen=tuple(sorted({*right} - {label for _, label in train})),
    )


def _curve(
    vectors: NDArray[np.float32], seen: _Codes, queries: NDArray[np.float32], right: _Codes, penalty: float, seed: int
) -> Curve:
    """Accuracy after 25, 50, 100, … examples, each set holding the one before; the penalty keeps its strength."""
    order = _spread(seen, seed)
    counts = [_FIRST << step for step in range(32) if _FIRST << step < len(order)] + [len(order)]
    hits, accuracy, f1 = [], [], []
    for count in counts:
        part = order[:count]
        model = fit_softmax(vectors[part], seen[part], seed=seed, penalty=penalty * len(order) / count)
        given = model.predict(queries)
        hits.append(given == right)
        accuracy.append(_share(hits[-1]))
        f1.append(_macro_f1(right, given))
    return Curve(tuple(counts), tuple(accuracy), tuple(f1), np.array(hits))


def _spread(labels: _Codes, seed: int) -> _Codes:
    """An order in which every beginning has each label as often as the whole: shuffled, dealt by rank in label."""
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    totals, seen = Counter(labels.tolist()), Counter[int]()
    place = np.empty(len(labels))
    for position in shuffled.tolist():
        label = int(labels[position])
        place[position] = (seen[label] + 0.5) / totals[label]
        seen[label] += 1
    return np.asarray(shuffled[np.argsort(place[shuffled], kind="stable")])


def _share(right: NDArray[np.bool_]) -> Estimate:
    return proportion(int(right.sum()), len(right))


def _macro_f1(right: _Codes, given: _Codes) -> float:
    """Mean F1 over labels that occur on either side."""
    values = [
        2 * float(((right == label) & (given == label)).sum()) / float((right == label).sum() + (given == label).sum())
        for label in np.union1d(right, given).tolist()
    ]
    return float(np.mean(values))
