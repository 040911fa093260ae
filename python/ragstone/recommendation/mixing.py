"""The shares of a log as they would be with another mix, or another number, of queries: intervals keep their precision.

How precise an interval is says how many queries it is worth; an interval of Wilson's for that many, shifted by what the
measured one differs from it, stands at every other share. At the measured share it is the measured interval.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

from ragstone.estimates import Estimate
from ragstone.recommendation.measurements import Project, QueryShares

__all__ = ["wilson", "with_counted", "with_share"]

_Z = 1.959964
_WORTH_MAX = 1e12


def wilson(share: float, samples: float, z: float = _Z) -> tuple[float, float]:
    """Wilson's interval (1927) of a share of so many samples.

    >>> low, high = wilson(0.3, 100)
    >>> round(low, 3), round(high, 3)
    (0.219, 0.396)
    """
    extra = z * z / samples
    middle = (share + extra / 2) / (1 + extra)
    half = z * math.sqrt(share * (1 - share) / samples + extra / samples / 4) / (1 + extra)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def with_share(project: Project, side: str, value: float) -> Project:
    """The project if that share of its queries needed facts (``"facts"``) or prescribed behaviour (``"behaviour"``).

    The other share stays, as far as it can: whoever counts needs one of the two at least, so what no longer needs the
    one needs the other.
    """
    shares = project.queries
    if shares is None or value == getattr(shares, side).value:
        return project
    other = "behaviour" if side == "facts" else "facts"
    kept = getattr(shares, other).value
    values = {side: value, other: kept if kept + value >= 1 else 1 - value}
    return replace(project, queries=_mixed(shares, values["facts"], values["behaviour"]))


def with_counted(project: Project, counted: int) -> Project:
    """The project if so many of its queries counted, in the same mix."""
    shares = project.queries
    if shares is None or not shares.counted or counted == shares.counted:
        return project
    times = counted / shares.counted
    names = ("factual", "behavioural", "hybrid", "other", "facts", "behaviour", "facts_of_all", "behaviour_of_all")
    moved = {name: _moved(share := getattr(shares, name), share.value, times) for name in names}
    return replace(
        project, queries=replace(shares, counted=counted, queries=max(round(shares.queries * times), counted), **moved)
    )


def _mixed(shares: QueryShares, facts: float, behaviour: float) -> QueryShares:
    counts = 1.0 - shares.other.value
    hybrid = max(facts + behaviour - 1, 0.0)
    return replace(
        shares,
        facts=_moved(shares.facts, facts),
        behaviour=_moved(shares.behaviour, behaviour),
        facts_of_all=_moved(shares.facts_of_all, facts * counts),
        behaviour_of_all=_moved(shares.behaviour_of_all, behaviour * counts),
        factual=_moved(shares.factual, (facts - hybrid) * counts),
        behavioural=_moved(shares.behavioural, (behaviour - hybrid) * counts),
        hybrid=_moved(shares.hybrid, hybrid * counts),
    )


def _moved(share: Estimate, value: float, times: float = 1.0) -> Estimate:
    """An estimate at another value, or of so many times as many samples."""
    value = min(max(value, 0.0), 1.0)
    worth = _worth(share)
    was_low, was_high = wilson(share.value, worth)
    low, high = wilson(value, max(worth * times, 1e-6))
    low = min(max(low + share.low - was_low, 0.0), value)
    high = max(min(high + share.high - was_high, 1.0), value)
    return Estimate(value, low, high, round(share.samples * times), share.confidence)


@lru_cache(maxsize=256)
def _worth(share: Estimate) -> float:
    """How many samples have a Wilson interval as wide as this one."""
    width = min(max(share.high - share.low, 0.0), 1.0)
    few, many = 1e-6, _WORTH_MAX
    for _ in range(50):
        middle = math.sqrt(few * many)
        low, high = wilson(share.value, middle)
        few, many = (middle, many) if high - low > width else (few, middle)
    return math.sqrt(few * many)
