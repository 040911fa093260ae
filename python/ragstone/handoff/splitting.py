"""Splits examples into train, valid and test: clusters stay whole, the latest are tested, labels are spread evenly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["SPLITS", "split_by_label", "split_by_time"]

SPLITS = ("train", "valid", "test")
_Places = NDArray[np.int64]


def split_by_time(clusters: _Places, times: Sequence[int | None], shares: tuple[float, float]) -> _Places:
    """The latest clusters are tested, those before validate: no example of training is later than a tested cluster.

    A cluster is as late as its latest example; examples without a time count as the earliest.

    Args:
        clusters: Shape (n,), the cluster of each example, from 0.
        times: When each was written, in milliseconds.
        shares: Of all examples for valid and for test, at most.

    Returns:
        Shape (n,): 0 for train, 1 for valid, 2 for test.

    >>> split_by_time(np.array([0, 1, 2, 3, 0]), [1, 2, 3, 4, 5], (0.2, 0.4)).tolist()
    [2, 0, 0, 1, 2]
    """
    count = int(clusters.max()) + 1
    latest = np.full(count, np.iinfo(np.int64).min)
    known = [latest.min() if time is None else time for time in times]
    np.maximum.at(latest, clusters, np.array(known, dtype=np.int64))
    sizes = np.bincount(clusters, minlength=count)
    side = np.zeros(count, dtype=np.int64)
    order = np.lexsort((np.arange(count), -latest))
    taken = 0
    for part, share in ((2, shares[1]), (1, shares[0])):
        room = share * len(clusters)
        while taken < count and sizes[order[taken]] <= room + 1e-9:
            side[order[taken]] = part
            room -= sizes[order[taken]]
            taken += 1
    return np.asarray(side[clusters])


def split_by_label(clusters: _Places, labels: Sequence[str], shares: tuple[float, float], seed: int) -> _Places:
    """Every split gets its share of each label as far as clusters allow (iterative stratification, Sechidis 2011).

    Args:
        clusters: Shape (n,), the cluster of each example, from 0.
        labels: Of each example; all equal where there are none.
        shares: Of all examples for valid and for test.
        seed: Of the order in which clusters are dealt.

    Returns:
        Shape (n,): 0 for train, 1 for valid, 2 for test.

    >>> parts = split_by_label(np.arange(20), ["a", "b"] * 10, (0.1, 0.2), seed=0)
    >>> np.bincount(parts).tolist()
    [14, 2, 4]
    """
    count = int(clusters.max()) + 1
    sizes = np.bincount(clusters, minlength=count)
    members: list[Counter[str]] = [Counter() for _ in range(count)]
    for cluster, label in zip(clusters.tolist(), labels, strict=True):
        members[cluster][label] += 1
    totals = Counter(labels)
    wanted = (1 - shares[0] - shares[1], *shares)
    need = [{label: part * times for label, times in totals.items()} for part in wanted]
    room = [part * len(clusters) for part in wanted]
    shuffled = np.random.default_rng(seed).permutation(count)
    # Large clusters first, for small ones fill what is left; rare labels before frequent ones.
    rarity = np.array([min(totals[label] for label in one) for one in members])
    side = np.zeros(count, dtype=np.int64)
    for cluster in shuffled[np.lexsort((rarity[shuffled], -sizes[shuffled]))].tolist():
        best = _neediest(members[cluster], int(sizes[cluster]), need, room)
        side[cluster] = best
        room[best] -= sizes[cluster]
        for label, times in members[cluster].items():
            need[best][label] -= times
    return np.asarray(side[clusters])


def _neediest(labels: Counter[str], size: int, need: list[dict[str, float]], room: list[float]) -> int:
    """The split that lacks these labels most, by the share of what it still needs; train where none has room."""
    fitting = [part for part in (0, 1, 2) if part == 0 or size <= room[part] + 0.5]
    lack = {part: sum(times * need[part][label] for label, times in labels.items()) for part in fitting}
    most = max(lack.values())
    return next(part for part in (2, 1, 0) if part in lack and lack[part] == most)
