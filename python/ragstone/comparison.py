"""Is one run better than another? Two tests of paired per-query values, and the interval of their difference.

Both runs answered the same queries, so what counts is the difference query by query: most of the spread between queries
is common to both runs and drops out. The randomisation test supposes that nothing but chance decided which of the two
values belongs to which run; the bootstrap asks how far the mean difference would move with other queries. Smucker,
Allan and Carterette (2007) compare both with Student's t, and find that the three agree where queries are enough.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ragstone.arguments import integer
from ragstone.errors import InvalidInput
from ragstone.estimates import Estimate, mean, resampled_means

__all__ = ["Comparison", "bootstrap_test", "compare", "randomisation_test"]

_Values = NDArray[np.float64]

# Up to this many queries with a difference all sums of signs are tried: a million.
_EXACT_MAX = 20
_DRAWS = 10_000
# Signs drawn at once: a few megabytes, whatever the number of queries.
_SIGNS_AT_ONCE = 1 << 22


@dataclass(frozen=True, slots=True)
class Comparison:
    """A run beside its baseline on the same queries. Neither p-value knows how many metrics or runs were compared.

    ``p_randomisation`` is two-sided, and exact where at most 20 queries differ; ``p_bootstrap`` is two-sided too.
    ``difference`` is the mean of value − baseline with its bootstrap interval. ``better``, ``worse`` and ``equal``
    count queries.
    """

    value: float
    baseline: float
    difference: Estimate
    p_randomisation: float
    p_bootstrap: float
    better: int
    worse: int
    equal: int

    def to_dict(self) -> dict[str, object]:
        """All of it in JSON's types."""
        return asdict(self)

    def __str__(self) -> str:
        gain = self.difference
        return (
            f"{self.baseline:.3f} → {self.value:.3f}, {gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}], "
            f"p = {self.p_randomisation:.2g}; {self.better} queries better, {self.worse} worse, {self.equal} equal"
        )


def compare(
    values: ArrayLike, baseline: ArrayLike, *, confidence: float = 0.95, draws: int = _DRAWS, seed: int = 0
) -> Comparison:
    """Compare two runs by one metric.

    Args:
        values: The metric's value for each query, shape (n,).
        baseline: Those of the other run for the same queries, shape (n,).
        confidence: Of the difference's interval.
        draws: Random assignments of signs, where they are too many to try all.
        seed: The same seed gives the same figures.

    Raises:
        InvalidInput: The shapes differ, there is no query, or a value is not finite.

    >>> print(compare([0.9, 0.8, 0.7, 0.9, 1.0, 0.6], [0.5, 0.6, 0.7, 0.4, 0.8, 0.5]))
    0.583 → 0.817, +0.233 [+0.100, +0.367], p = 0.062; 5 queries better, 0 worse, 1 equal
    """
    first, second = _finite(values, "values"), _finite(baseline, "baseline")
    if first.shape != second.shape:
        raise InvalidInput(f"there are {len(first)} values and {len(second)} of the baseline: pass the same queries")
    differences = first - second
    count = len(differences)
    return Comparison(
        value=math.fsum(first) / count,
        baseline=math.fsum(second) / count,
        difference=mean(differences, confidence=confidence, seed=seed),
        p_randomisation=randomisation_test(differences, draws=draws, seed=seed),
        p_bootstrap=bootstrap_test(differences, seed=seed),
        better=int((differences > 0).sum()),
        worse=int((differences < 0).sum()),
        equal=int((differences == 0).sum()),
    )


def randomisation_test(differences: ArrayLike, *, draws: int = _DRAWS, seed: int = 0) -> float:
    """How likely a mean at least as far from zero is if each difference, shape (n,), had its sign by chance.

    Fisher's randomisation test, two-sided. All assignments of signs are tried where at most 20 differences are not
    zero; else ``draws`` random ones, the given one counted among them, so that p is never below 1 / (draws + 1).

    >>> randomisation_test([0.4, 0.2, 0.0, 0.5, 0.2, 0.1])  # 2 of 32 assignments
    0.0625
    """
    samples, draws = _finite(differences, "differences"), integer(draws, "draws", 1, 1 << 31)
    # Zero has no sign: such queries change no sum.
    samples = samples[samples != 0]
    # Sums that are equal but for rounding count as equal.
    far = abs(math.fsum(samples)) - 1e-12 * math.fsum(np.abs(samples))
    if len(samples) <= _EXACT_MAX:
        sums = np.zeros(1)
        for one in samples:
            sums = np.concatenate([sums + one, sums - one])
        return float((np.abs(sums) >= far).mean())
    numbers = np.random.default_rng(seed)
    at_once, reached = max(1, _SIGNS_AT_ONCE // len(samples)), 0
    for start in range(0, draws, at_once):
        drawn = min(at_once, draws - start)
        bits = np.unpackbits(numbers.integers(0, 256, (drawn, -(-len(samples) // 8)), dtype=np.uint8), axis=1)
        sums = 2 * (bits[:, : len(samples)].astype(np.float64) @ samples) - samples.sum()
        reached += int((np.abs(sums) >= far).sum())
    return (reached + 1) / (draws + 1)


def bootstrap_test(differences: ArrayLike, *, seed: int = 0) -> float:
    """Twice the share of 2,000 resamples of the differences, shape (n,), with a mean on the other side of zero.

    It is below 0.05 where the 95 % interval of the mean leaves out zero (percentile bootstrap; Efron and Tibshirani,
    An Introduction to the Bootstrap, section 15.4). With fewer than some thirty queries it is too sure of itself: the
    randomisation test is not.

    >>> bootstrap_test([0.4, 0.2, 0.0, 0.5, 0.2, 0.1]) < 0.01
    True
    >>> bootstrap_test([0.0, 0.0, 0.0])
    1.0
    """
    means = resampled_means(_finite(differences, "differences"), seed=seed)
    below, above = int((means <= 0).sum()), int((means >= 0).sum())
    return min(2 * (min(below, above) + 1) / (len(means) + 1), 1.0)


def _finite(values: ArrayLike, what: str) -> _Values:
    try:
        samples = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidInput(f"{what} are no numbers: pass an array of shape (n,)") from None
    if samples.ndim != 1 or not len(samples) or not np.isfinite(samples).all():
        raise InvalidInput(f"{what} have shape {samples.shape}: pass (n,) finite numbers with at least one")
    return samples
