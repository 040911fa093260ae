"""Times as percentiles, each with the interval that holds the true one, or with how many samples it would need."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ragstone.errors import InvalidInput
from ragstone.estimates import Estimate, quantile

__all__ = ["QUANTILES", "Distribution", "Percentile", "curve", "samples_needed"]

QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
_CONFIDENCE = 0.95
# Points of a curve for each factor of ten in rarity.
_POINTS = 12


def samples_needed(q: float, confidence: float = _CONFIDENCE) -> int:
    """How many samples enclose a quantile from both sides: the least n with max(q, 1 - q) ** n ≤ (1 - confidence) / 2.

    With fewer, even the greatest sample lies below the true quantile too often.

    >>> [samples_needed(q) for q in QUANTILES]
    [6, 36, 72, 368, 3688]
    """
    return math.ceil(math.log((1 - confidence) / 2) / math.log(max(q, 1 - q)))


@dataclass(frozen=True, slots=True)
class Percentile:
    """One percentile in milliseconds, or ``None`` where there are fewer than ``needs`` samples."""

    q: float
    ms: Estimate | None
    needs: int

    @property
    def name(self) -> str:
        """Such as ``p99.9``."""
        return f"p{self.q * 100:g}"

    def __str__(self) -> str:
        if self.ms is None:
            return f"needs ≥ {self.needs:,}"
        return f"{self.ms.value:.3f} [{self.ms.low:.3f}, {self.ms.high:.3f}]"


@dataclass(frozen=True, slots=True)
class Distribution:
    """Times in milliseconds: percentiles by nearest rank, each a time that was measured, and their intervals.

    The intervals are those of order statistics and assume no distribution, but that samples do not depend on each
    other. Under load they do, for one slow answer delays the next ones: repeat an open loop to see how far it moves.

    >>> times = Distribution.of([number / 1000 for number in range(1, 1001)])
    >>> times.samples, times.max_ms, str(times["p99"]), str(times["p99.9"])
    (1000, 1000.0, '990.000 [983.000, 997.000]', 'needs ≥ 3,688')
    """

    samples: int
    mean_ms: float
    max_ms: float
    percentiles: tuple[Percentile, ...]

    @classmethod
    def of(cls, seconds: ArrayLike) -> Distribution:
        """The distribution of times in seconds, shape (n,), at least one.

        Raises:
            InvalidInput: There is no time, or one is not finite.
        """
        times = np.asarray(seconds, dtype=np.float64) * 1000
        if times.ndim != 1 or not len(times) or not np.isfinite(times).all():
            raise InvalidInput(f"times have shape {times.shape}: pass (n,) finite ones, at least one")
        rows = []
        for q in QUANTILES:
            needs = samples_needed(q)
            rows.append(
                Percentile(q, quantile(times, q, confidence=_CONFIDENCE) if len(times) >= needs else None, needs)
            )
        return cls(len(times), float(times.mean()), float(times.max()), tuple(rows))

    def __getitem__(self, name: str) -> Percentile:
        return next(row for row in self.percentiles if row.name == name)

    def to_dict(self) -> dict[str, object]:
        """Milliseconds by name; a percentile that the samples do not carry is ``None``, and ``needs`` says how many."""
        return {
            "samples": self.samples,
            "mean_ms": self.mean_ms,
            "max_ms": self.max_ms,
            **{f"{row.name}_ms": None if row.ms is None else row.ms.to_dict() for row in self.percentiles},
            "needs": {row.name: row.needs for row in self.percentiles if row.ms is None},
        }


def curve(seconds: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Points (one in how many, milliseconds) of the whole distribution, from the median to the slowest sample.

    >>> curve(np.arange(1, 101) / 1000)[0], curve(np.arange(1, 101) / 1000)[-1]
    ((2.0, 50.0), (100.0, 100.0))
    """
    ordered = np.sort(seconds) * 1000
    count = len(ordered)
    steps = max(1, math.ceil(_POINTS * math.log10(max(count / 2, 1))))
    rarities = sorted({min(float(count), 2 * (count / 2) ** (step / steps)) for step in range(steps + 1)})
    return [
        (one_in, float(ordered[max(math.ceil(count * (1 - 1 / one_in) - 1e-9), 1) - 1])) for one_in in rarities[:-1]
    ] + [(float(count), float(ordered[-1]))]
