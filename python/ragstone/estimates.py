"""Numbers that say how sure they are: a value from samples, with the interval in which the true one lies.

Every figure that evaluation reports is an :class:`Estimate`. Which interval it has follows from what it is: a mean is
resampled, a share and a quantile have exact intervals, an area under the curve has DeLong's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ragstone.arguments import integer, number
from ragstone.errors import InvalidInput

__all__ = ["Estimate", "auroc", "calibration_error", "mean", "proportion", "quantile", "resampled_means"]

_Values = NDArray[np.float64]

_RESAMPLES = 2000
# Numbers drawn at once: a few megabytes, whatever the number of samples.
_DRAWN_AT_ONCE = 1 << 20
_CONFIDENCE_MIN, _CONFIDENCE_MAX = 0.5, 0.9999


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value, the interval that holds the true one with the given confidence, and how many samples say so.

    >>> print(Estimate(value=0.7041, low=0.671, high=0.7352, samples=300))
    0.704 [0.671, 0.735]
    """

    value: float
    low: float
    high: float
    samples: int
    confidence: float = 0.95

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    def to_dict(self) -> dict[str, float | int]:
        """The fields by name, for JSON."""
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "samples": self.samples,
            "confidence": self.confidence,
        }


def mean(values: ArrayLike, *, confidence: float = 0.95, seed: int = 0) -> Estimate:
    """The mean of samples, shape (n,), with the percentile bootstrap's interval (Efron 1979): the same for a seed.

    One sample, or samples that are all equal, say nothing about the spread: the interval is then that one value.

    >>> print(mean([0.0, 1.0] * 50))
    0.500 [0.400, 0.600]
    """
    samples, tail = _samples(values, "values"), _tail(confidence)
    low, high = np.quantile(resampled_means(samples, seed=seed), [tail, 1 - tail])
    count = len(samples)
    # fsum: the same mean in whatever order the samples come.
    value = math.fsum(samples) / count
    return Estimate(value, min(float(low), value), max(float(high), value), count, confidence)


def resampled_means(values: ArrayLike, *, seed: int = 0) -> NDArray[np.float64]:
    """The means of 2,000 resamples of the samples, shape (2000,): as many drawn from them as there are, with return."""
    samples = _samples(values, "values")
    count = len(samples)
    at_once = max(1, _DRAWN_AT_ONCE // count)
    numbers = np.random.default_rng(seed)
    drawn = [
        samples[numbers.integers(0, count, (min(at_once, _RESAMPLES - start), count), dtype=np.int32)].mean(axis=1)
        for start in range(0, _RESAMPLES, at_once)
    ]
    return np.concatenate(drawn)


def proportion(successes: int, trials: int, *, confidence: float = 0.95) -> Estimate:
    """The share of successes with the exact interval of Clopper and Pearson (1934).

    >>> print(proportion(300, 300, confidence=0.9))  # the low end is one-sided 95 %: "at least 99.0 %"
    1.000 [0.990, 1.000]
    """
    trials = integer(trials, "trials", 1, 1 << 53)
    successes, tail = integer(successes, "successes", 0, trials), _tail(confidence)
    # P(X ≥ s | p) grows with p, P(X ≤ s | p) falls: each end is where one of them is as unlikely as allowed.
    low = _root(lambda p: _beta(p, successes, trials - successes + 1) - tail) if successes else 0.0
    high = _root(lambda p: _beta(p, successes + 1, trials - successes) - (1 - tail)) if successes < trials else 1.0
    return Estimate(successes / trials, low, high, trials, confidence)


def quantile(values: ArrayLike, q: float, *, confidence: float = 0.95) -> Estimate:
    """A quantile, from 0 to 1, by nearest rank, with the interval of order statistics, which knows no distribution.

    How many samples lie below the true quantile is binomial, so two of the samples enclose it (David and Nagaraja,
    Order Statistics, section 7.1). Where there are too few samples for an end, that end is ``-inf`` or ``inf``.

    >>> print(quantile(range(1, 1001), 0.99))
    990.000 [983.000, 997.000]
    >>> quantile(range(100), 0.999).high
    inf
    """
    samples, tail = np.sort(_samples(values, "values")), _tail(confidence)
    q = number(q, "q", 0.0, 1.0)
    count = len(samples)
    value = float(samples[max(math.ceil(q * count - 1e-9), 1) - 1])
    # Ranks from 1; P(at most r − 1 of the samples below the quantile) by the incomplete beta function.
    below = _last(count, lambda rank: _at_most(rank - 1, count, q) <= tail)
    above = _last(count, lambda rank: _at_most(rank - 1, count, q) < 1 - tail) + 1
    low = float(samples[below - 1]) if below >= 1 else -math.inf
    high = float(samples[above - 1]) if above <= count else math.inf
    return Estimate(value, low, high, count, confidence)


def auroc(positive: ArrayLike, negative: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """The chance that a positive scores above a negative, ties counting half, with the interval of DeLong (1988).

    >>> print(auroc([0.9, 0.8, 0.7, 0.6], [0.1, 0.2, 0.3, 0.65]))
    0.938 [0.764, 1.000]
    """
    above, below, tail = _samples(positive, "positive"), _samples(negative, "negative"), _tail(confidence)
    won = _share_below(above, below)
    lost = 1 - _share_below(below, above)
    value = float(won.mean())
    variance = sum(float(part.var(ddof=1)) / len(part) for part in (won, lost) if len(part) > 1)
    reach = _normal_quantile(1 - tail) * math.sqrt(variance)
    return Estimate(value, max(value - reach, 0.0), min(value + reach, 1.0), len(above) + len(below), confidence)


def calibration_error(probabilities: ArrayLike, outcomes: ArrayLike, *, bins: int = 10) -> float:
    """Expected calibration error: how far probabilities are from the share that comes true, over bins of equal count.

    Naeini, Cooper and Hauskrecht (2015). Few samples a bin make it larger than it is: 30 a bin add about .05.

    Args:
        probabilities: Shape (n,), from 0 to 1.
        outcomes: Shape (n,), true or false.
        bins: How many.

    >>> calibration_error([0.5, 0.5, 0.5, 0.5], [True, False, True, False], bins=1)
    0.0
    """
    predicted, true = _samples(probabilities, "probabilities"), _samples(outcomes, "outcomes")
    if len(predicted) != len(true):
        raise InvalidInput(f"there are {len(predicted)} probabilities and {len(true)} outcomes: pass as many")
    bins = min(integer(bins, "bins", 1, 1 << 20), len(predicted))
    order = np.argsort(predicted, kind="stable")
    parts = zip(np.array_split(predicted[order], bins), np.array_split(true[order], bins), strict=True)
    return math.fsum(abs(float(p.mean() - t.mean())) * len(p) for p, t in parts) / len(predicted)


def _samples(values: ArrayLike, what: str) -> _Values:
    try:
        samples = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidInput(f"{what} are no numbers: pass an array of shape (n,)") from None
    if samples.ndim != 1 or not len(samples):
        raise InvalidInput(f"{what} have shape {samples.shape}: pass (n,) with at least one")
    if not np.isfinite(samples).all():
        first = int(np.flatnonzero(~np.isfinite(samples))[0])
        raise InvalidInput(f"{what} hold {samples[first]} at index {first}: pass finite numbers")
    return samples


def _tail(confidence: float) -> float:
    return (1 - number(confidence, "confidence", _CONFIDENCE_MIN, _CONFIDENCE_MAX)) / 2


def _share_below(samples: _Values, others: _Values) -> _Values:
    """For each sample the share of the others that lie below it, ties counting half."""
    ordered = np.sort(others)
    ends = np.searchsorted(ordered, samples, "left") + np.searchsorted(ordered, samples, "right")
    return ends / (2 * len(others))


def _at_most(successes: int, trials: int, p: float) -> float:
    """P(X ≤ successes) for a binomial X."""
    if successes < 0:
        return 0.0
    return 1.0 - _beta(p, successes + 1, trials - successes) if successes < trials else 1.0


def _last(count: int, holds: Callable[[int], bool]) -> int:
    """The last rank from 1 to ``count`` for which a condition holds that holds up to some rank; 0 for none."""
    low, high = 0, count
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def _root(rising: Callable[[float], float]) -> float:
    """Where a rising function on [0, 1] is zero, by halving."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2


def _beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function by its continued fraction (Lentz; Numerical Recipes 6.4)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _beta(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    tiny = 1e-300
    c, d, value = 1.0, 0.0, 1.0
    # Steps needed grow with the root of the greater parameter.
    for step in range(100 + 10 * int(math.sqrt(max(a, b)))):
        half = step // 2
        if step == 0:
            term = 1.0
        elif step % 2 == 0:
            term = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        else:
            term = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        d = 1.0 / (1.0 + term * d or tiny)
        c = (1.0 + term / c) or tiny
        value *= c * d
        if step and abs(c * d - 1.0) < 1e-15:
            break
    return min(front * (value - 1.0), 1.0)


def _normal_quantile(p: float) -> float:
    """Where the standard normal distribution reaches ``p`` ≥ 0.5."""
    low, high = 0.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if 0.5 * math.erfc(-middle / math.sqrt(2)) > p else (middle, high)
    return (low + high) / 2
