"""How many examples it takes: floors from practice, and for labels the law by which errors fall with their number.

The law err(n) = a n^−b + c (Cortes et al. 1993; Figueroa et al. 2012) is fitted to a learning curve that was measured
with a small classifier. That is a proxy for a language model, and no promise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragstone.estimates import Estimate
from ragstone.scoring import samples_needed

__all__ = ["FLOORS", "Curve", "Law", "Needed", "examples_needed", "fit_law"]

_Values = NDArray[np.float64]

# Least, start, where gains appear, a label's floor and target: OpenAI's guide and common practice; style: LIMA (2023).
FLOORS = {"least": 10, "start": 50, "gains": 100, "label_least": 20, "label_target": 50, "style": 1000, "branch": 10}
_RESAMPLES = 200
# An extrapolation further than this many times the examples there are is no estimate.
_REACH = 100
_POINTS_LEAST = 3


@dataclass(frozen=True, slots=True)
class Law:
    """``err(n) = a n^−b + c``."""

    a: float
    b: float
    c: float

    def error(self, examples: float) -> float:
        """The share of errors after so many examples."""
        return self.a * math.exp(-self.b * math.log(examples)) + self.c

    def examples(self, error: float) -> float:
        """How many examples it takes to get to a share of errors; infinite where more do not lead there."""
        if self.error(1) <= error:
            return 1.0
        if error <= self.c or self.a <= 0 or self.b <= 0:
            return math.inf
        exponent = math.log(self.a / (error - self.c)) / self.b
        return math.exp(exponent) if exponent < 700 else math.inf


@dataclass(frozen=True, slots=True)
class Curve:
    """Accuracy on one held-out part after ``examples[i]`` examples; ``right`` has shape (points, samples)."""

    examples: tuple[int, ...]
    accuracy: tuple[Estimate, ...]
    macro_f1: tuple[float, ...]
    right: NDArray[np.bool_]

    def to_dict(self) -> list[dict[str, object]]:
        """A row for each point, for JSON."""
        return [
            {"examples": count, "accuracy": accuracy.to_dict(), "macro_f1": f1}
            for count, accuracy, f1 in zip(self.examples, self.accuracy, self.macro_f1, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Needed:
    """How many examples an error takes: ``None`` where the law does not lead there, or there are too few points.

    ``low`` and ``high`` enclose 95 % of what resampled held-out samples give; ``high`` is ``None`` where it is no more
    than a guess: the law levels off, or the number lies beyond a hundred times the examples there are.
    """

    error: float
    law: Law | None
    examples: int | None
    low: int | None
    high: int | None

    def to_dict(self) -> dict[str, object]:
        """Everything by name, for JSON."""
        law = None if self.law is None else {"a": self.law.a, "b": self.law.b, "c": self.law.c}
        return {"error": self.error, "law": law, "examples": self.examples, "low": self.low, "high": self.high}

    def __str__(self) -> str:
        if self.law is None:
            return "not estimated: a learning curve of three points or more is needed"
        law = f"err(n) = {self.law.a:.3g} n^-{self.law.b:.3g} + {self.law.c:.3g}"
        if self.examples is None:
            return f"{law}: {self.error:.0%} errors are not reached by more examples of this kind"
        high = "more than can be told" if self.high is None else f"{self.high:,}"
        return f"{law}: {self.error:.0%} errors after about {self.examples:,} examples ({self.low:,} to {high})"


def fit_law(examples: _Values, errors: _Values) -> Law:
    """Least squares over a grid of b and c, a in closed form; later points count more, as they vary less.

    >>> law = fit_law(np.array([25.0, 100, 400, 1600]), 2 * np.array([25.0, 100, 400, 1600]) ** -0.5 + 0.05)
    >>> round(law.b, 1), round(law.examples(0.1))
    (0.5, 1600)
    """
    exponents = np.linspace(0.05, 1.5, 59)[:, None]
    floors = np.linspace(0.0, float(errors.min()), 41)[None, :]
    weight = np.sqrt(examples)
    powers = examples[None, None, :] ** -exponents[:, :, None]
    above = errors[None, None, :] - floors[:, :, None]
    scale = np.maximum((weight * powers * above).sum(axis=2) / (weight * powers**2).sum(axis=2), 0.0)
    misses = (weight * (scale[:, :, None] * powers - above) ** 2).sum(axis=2)
    row, column = np.unravel_index(int(misses.argmin()), misses.shape)
    return Law(float(scale[row, column]), float(exponents[row, 0]), float(floors[0, column]))


def examples_needed(curve: Curve, error: float, *, seed: int = 0) -> Needed:
    """How many examples lead to a share of errors, with the interval from resampling the held-out samples."""
    if len(curve.examples) < _POINTS_LEAST:
        return Needed(error, None, None, None, None)
    counts = np.array(curve.examples, dtype=np.float64)
    wrong = ~curve.right
    law = fit_law(counts, wrong.mean(axis=1))
    numbers, samples = np.random.default_rng(seed), wrong.shape[1]
    drawn = []
    for _ in range(_RESAMPLES):
        chosen = numbers.integers(0, samples, samples)
        drawn.append(fit_law(counts, wrong[:, chosen].mean(axis=1)).examples(error))
    low, high = np.quantile(np.array(drawn), [0.025, 0.975], method="nearest")
    most = _REACH * counts[-1]
    return Needed(error, law, _whole(law.examples(error), most), _whole(low, math.inf), _whole(high, most))


def held_out_needed(share: float) -> int:
    """Held-out examples, none of them wrong, that allow to claim a share: 299 for 99 %."""
    return samples_needed(share)


def _whole(value: float, most: float) -> int | None:
    return math.ceil(value) if math.isfinite(value) and value <= most else None
