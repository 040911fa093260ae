"""How often predicted labels are right: accuracy, F1 per label, macro- and micro-averaged, and which are confused.

A sample has one label or several; a prediction of ``None`` is an answer that the model did not give. Everything that
went wrong is counted: missing predictions, and labels that do not exist.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ragstone.arguments import shown
from ragstone.errors import InvalidInput
from ragstone.estimates import Estimate, mean, proportion

__all__ = ["Label", "LabelDifference", "LabelScore", "LabelScores", "label_difference", "score_labels"]

Label: TypeAlias = "str | Collection[str] | None"
_Set: TypeAlias = "frozenset[str] | None"
# What a sample has, what it was given, and what else tells it from others.
_Cell: TypeAlias = "tuple[_Set, _Set, object]"
_Counts: TypeAlias = NDArray[np.float64]

_RESAMPLES = 2000
# Numbers drawn at once: a few megabytes, whatever the number of samples.
_DRAWN_AT_ONCE = 1 << 20
_CONFUSIONS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class LabelScore:
    """One label: how many samples have it, how many were given it, and how far the two agree.

    ``precision`` is ``None`` where it was never predicted, ``recall`` where no sample has it.
    """

    label: str
    references: int
    predictions: int
    precision: Estimate | None
    recall: Estimate | None
    f1: Estimate


@dataclass(frozen=True, slots=True, repr=False)
class LabelScores:
    """What :func:`score_labels` found.

    ``accuracy`` is the share of samples whose labels are exactly the right ones. ``missing`` counts predictions that
    were not given, ``unknown`` the predicted labels that do not exist and how often, ``nearly`` how many of those are
    a known label but for case, spaces and punctuation around it: a prompt or a parser may mend these.
    ``confusions`` are (right, predicted, times), most frequent first; ``""`` stands for a missing prediction.
    """

    samples: int
    accuracy: Estimate
    macro_f1: Estimate
    micro_f1: Estimate
    per_label: tuple[LabelScore, ...]
    confusions: tuple[tuple[str, str, int], ...]
    missing: int
    unknown: dict[str, int]
    nearly: int

    def to_dict(self) -> dict[str, object]:
        """Everything by name, for JSON."""
        return {
            "samples": self.samples,
            "accuracy": self.accuracy.to_dict(),
            "macro_f1": self.macro_f1.to_dict(),
            "micro_f1": self.micro_f1.to_dict(),
            "per_label": self.per_label,
            "confusions": self.confusions,
            "missing": self.missing,
            "unknown": self.unknown,
            "nearly": self.nearly,
        }

    def __str__(self) -> str:
        lines = [
            f"accuracy  {self.accuracy}  of {self.samples} samples",
            f"macro-F1  {self.macro_f1}  over {len(self.per_label)} labels",
            f"micro-F1  {self.micro_f1}",
            f"missing   {self.missing} predictions",
            f"unknown   {sum(self.unknown.values())} predicted labels, {self.nearly} but for case or punctuation",
        ]
        width = max(len(_short(one.label)) for one in self.per_label)
        lines.append(f"{'label':<{width}}  {'right':>6}  {'given':>6}  F1, worst first")
        for one in sorted(self.per_label, key=lambda score: (score.f1.value, score.label))[:_CONFUSIONS_SHOWN]:
            lines.append(f"{_short(one.label):<{width}}  {one.references:>6}  {one.predictions:>6}  {one.f1}")
        for right, given, times in self.confusions[:_CONFUSIONS_SHOWN]:
            lines.append(f"{times:>4} × {_short(right)} taken for {_short(given) or 'nothing'}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True, slots=True)
class LabelDifference:
    """A model less its baseline on the same samples: above 0 where the model is better."""

    accuracy: Estimate
    macro_f1: Estimate

    def __str__(self) -> str:
        return f"accuracy {_signed(self.accuracy)}, macro-F1 {_signed(self.macro_f1)}"


def score_labels(
    references: Sequence[Label],
    predictions: Sequence[Label],
    *,
    labels: Iterable[str] | None = None,
    seed: int = 0,
) -> LabelScores:
    """Compare predicted labels with the right ones, sample by sample.

    F1 of a label is 2 tp / (predicted + right); macro-F1 is its mean over the labels, micro-F1 takes the sums of all
    labels, unknown ones included. White space around labels does not count, all else does.

    Args:
        references: The right label of each sample, or its labels.
        predictions: What the model gave, ``None`` where it gave none; as many.
        labels: All labels there are. Without it, those of the references: a label that a model invents is unknown.
        seed: Of the resampling.

    Returns:
        Figures with 95 % intervals: exact ones for shares (Clopper and Pearson), for F1 by resampling the samples.

    Raises:
        InvalidInput: There are no samples, not as many predictions, or a reference without a label.

    >>> found = score_labels(["refund", "price", "price"], ["refund", "price", "Refund "])
    >>> found.accuracy.value, found.unknown, found.nearly
    (0.6666666666666666, {'Refund': 1}, 1)
    """
    right, given = _sets(references, "references"), _sets(predictions, "predictions")
    _check(right, given)
    known = sorted(_known(right, labels))
    cells: Counter[_Cell] = Counter((*pair, None) for pair in zip(right, given, strict=True))
    table = _Table(cells, known)
    exact = table.f1(table.counts[None, :])
    resampled, micro = table.resampled(seed)
    unknown = Counter(
        label for labels_given in given if labels_given for label in labels_given if label not in set(known)
    )
    plain = {_plain(label) for label in known}
    return LabelScores(
        samples=len(right),
        accuracy=proportion(sum(one == other for one, other in zip(right, given, strict=True)), len(right)),
        macro_f1=_estimate(_macro(exact), _macro(resampled), len(right)),
        micro_f1=_estimate(table.micro(table.counts[None, :]), micro, len(right)),
        per_label=tuple(table.scores(exact, resampled)),
        confusions=_confusions(cells),
        missing=sum(labels_given is None for labels_given in given),
        unknown=dict(sorted(unknown.items(), key=lambda pair: (-pair[1], pair[0]))),
        nearly=sum(times for label, times in unknown.items() if _plain(label) in plain),
    )


def label_difference(
    references: Sequence[Label], predictions: Sequence[Label], baseline: Sequence[Label], *, seed: int = 0
) -> LabelDifference:
    """How much better a model labels than its baseline, with intervals from resampling the same samples for both.

    Raises:
        InvalidInput: As :func:`score_labels`.

    >>> print(label_difference(["a", "b"] * 50, ["a", "b"] * 50, ["a", "a"] * 50))
    accuracy +0.500 [+0.400, +0.600], macro-F1 +0.667 [+0.625, +0.714]
    """
    right, given, other = (
        _sets(part, name)
        for part, name in ((references, "references"), (predictions, "predictions"), (baseline, "baseline"))
    )
    _check(right, given)
    _check(right, other)
    known = sorted(_known(right, None))
    joint = Counter(zip(right, given, other, strict=True))
    counts = np.array(list(joint.values()), dtype=np.float64)
    model, plain = (_Table({(cell[0], cell[n], cell): times for cell, times in joint.items()}, known) for n in (1, 2))

    def gain(drawn: _Counts) -> _Counts:
        return _macro(model.f1(drawn)) - _macro(plain.f1(drawn))

    gained = [float(a == b) - float(a == c) for a, b, c in zip(right, given, other, strict=True)]
    return LabelDifference(
        accuracy=mean(gained, seed=seed),
        macro_f1=_estimate(gain(counts[None, :]), np.concatenate([gain(d) for d in _draws(counts, seed)]), len(right)),
    )


class _Table:
    """Samples by what they have and what they were given: resampling samples is then one multinomial draw of cells."""

    def __init__(self, cells: Mapping[_Cell, int], known: list[str]) -> None:
        self.known = known
        self.counts = np.array(list(cells.values()), dtype=np.float64)
        place = {label: number for number, label in enumerate(known)}
        self._right = np.zeros((len(cells), len(known)))
        self._given = np.zeros((len(cells), len(known)))
        self._unknown = np.zeros(len(cells))
        for row, cell in enumerate(cells):
            right, given = cell[0] or frozenset(), cell[1] or frozenset()
            self._right[row, [place[label] for label in right]] = 1
            self._given[row, [place[label] for label in given if label in place]] = 1
            self._unknown[row] = sum(label not in place for label in given)
        self._both = self._right * self._given

    def resampled(self, seed: int) -> tuple[_Counts, _Counts]:
        """F1 of each label and of all together in new samples of the same size: (draws, labels) and (draws,)."""
        parts = [(self.f1(drawn), self.micro(drawn)) for drawn in _draws(self.counts, seed)]
        return np.concatenate([f1 for f1, _ in parts]), np.concatenate([micro for _, micro in parts])

    def f1(self, counts: _Counts) -> _Counts:
        """F1 of each label, shape (draws, labels); not a number where a draw has the label nowhere."""
        total = counts @ self._right + counts @ self._given
        f1: _Counts = np.divide(2 * (counts @ self._both), total, out=np.full(total.shape, np.nan), where=total > 0)
        return f1

    def micro(self, counts: _Counts) -> _Counts:
        """F1 of all labels together, shape (draws,)."""
        total = counts @ (self._right.sum(axis=1) + self._given.sum(axis=1) + self._unknown)
        return np.asarray(2 * (counts @ self._both.sum(axis=1)) / total)

    def scores(self, exact: _Counts, resampled: _Counts) -> Iterable[LabelScore]:
        """Every label that occurs or was predicted."""
        right, given, both = (
            (self.counts @ part).astype(int).tolist() for part in (self._right, self._given, self._both)
        )
        for number, label in enumerate(self.known):
            if right[number] + given[number] == 0:
                continue
            yield LabelScore(
                label=label,
                references=right[number],
                predictions=given[number],
                precision=proportion(both[number], given[number]) if given[number] else None,
                recall=proportion(both[number], right[number]) if right[number] else None,
                f1=_estimate(exact[:, number], resampled[:, number], right[number]),
            )


def _draws(counts: _Counts, seed: int) -> Iterator[_Counts]:
    """Counts of the cells in new samples of the same size, some draws at once: shape (draws, cells)."""
    samples, numbers = int(counts.sum()), np.random.default_rng(seed)
    at_once = max(1, _DRAWN_AT_ONCE // len(counts))
    for start in range(0, _RESAMPLES, at_once):
        drawn = numbers.multinomial(samples, counts / samples, size=min(at_once, _RESAMPLES - start))
        yield drawn.astype(np.float64)


def _macro(f1: _Counts) -> _Counts:
    """Mean over the labels that a draw has."""
    return np.asarray(np.nanmean(f1, axis=1))


def _estimate(exact: _Counts, resampled: _Counts, samples: int) -> Estimate:
    value = float(exact[0])
    low, high = np.nanquantile(resampled, [0.025, 0.975])
    return Estimate(value, min(float(low), value), max(float(high), value), samples)


def _sets(labels: Sequence[Label], what: str) -> list[_Set]:
    ready: list[_Set] = []
    for number, label in enumerate(labels):
        if label is None:
            ready.append(None)
            continue
        several = (label,) if isinstance(label, str) else tuple(label)
        if not all(isinstance(one, str) for one in several):
            raise InvalidInput(f"{what} {number} is {shown(label)}: a label is text, or a list of texts")
        ready.append(frozenset(stripped for one in several if (stripped := one.strip())) or None)
    return ready


def _check(right: list[_Set], given: list[_Set]) -> None:
    if not right or len(right) != len(given):
        raise InvalidInput(
            f"there are {len(right)} references and {len(given)} predictions: pass as many, at least one"
        )
    if None in right:
        raise InvalidInput(f"reference {right.index(None)} has no label: leave the sample out")


def _known(right: list[_Set], labels: Iterable[str] | None) -> set[str]:
    occurring = {label for several in right if several for label in several}
    if labels is None:
        return occurring
    named = {label.strip() for label in labels}
    if outside := sorted(occurring - named):
        raise InvalidInput(f"references have the label {shown(outside[0])}, which is not among the {len(named)} labels")
    return named


def _confusions(cells: Mapping[_Cell, int]) -> tuple[tuple[str, str, int], ...]:
    wrong = Counter(
        {(_name(right), _name(given)): times for (right, given, _), times in cells.items() if right != given}
    )
    return tuple((*pair, times) for pair, times in sorted(wrong.items(), key=lambda item: (-item[1], item[0])))


def _name(labels: _Set) -> str:
    return ", ".join(sorted(labels or ()))


def _plain(label: str) -> str:
    return label.casefold().strip(" \t\n.,:;!?\"'`*_-")


def _short(label: str) -> str:
    return label if len(label) <= 40 else f"{label[:39]}…"


def _signed(estimate: Estimate) -> str:
    return f"{estimate.value:+.3f} [{estimate.low:+.3f}, {estimate.high:+.3f}]"
