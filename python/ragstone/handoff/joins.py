"""Finds all pairs of texts that are near-duplicates without comparing all: candidates share a key, then are verified.

Two collectors use it: clusters, which need no pair twice, and leaks, which need one partner per text. Candidates of the
Jaccard measure share a band of MinHash (Broder 1997; Leskovec, Mining of Massive Datasets, 3.4): 32 bands of 4 miss a
pair at .7 once in 6,000 times. Those of the other measures are complete.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ragstone.handoff.similar import CONTAINED, COSINE, JACCARD, ROUNDING, Prints, minhash

__all__ = ["Collector", "join_contained", "join_cosine", "join_exact", "join_jaccard"]

_Places = NDArray[np.int64]
_Keys = NDArray[np.uint64]
_Scores = NDArray[np.float64]

_BANDS, _ROWS = 32, 4
# Signatures that agree at fewer places than this belong to no pair at .7: five standard deviations below.
_SIGNATURE_LEAST = 0.5
_BLOCK = 2048
# Directions in which embeddings are compared first; what is left bounds the rest (Cauchy and Schwarz).
_DIRECTIONS = 64


class Collector(Protocol):
    """What pairs are collected for: which texts to look up among which, and which pairs are still of interest."""

    probes: _Places
    targets: _Places
    # Whether pairs that are settled settle what follows from them: clusters, not leaks.
    transitive: bool

    def open(self, ours: _Places, others: _Places) -> NDArray[np.bool_]:
        """Which pairs still say something new."""
        ...

    def wanted(self, ours: _Places) -> NDArray[np.bool_]:
        """Which probes still need a partner at all."""
        ...

    def add(self, measure: str, ours: _Places, others: _Places, scores: _Scores) -> None:
        """Verified pairs."""
        ...


def join_exact(prints: Prints, into: Collector) -> None:
    """Pairs of the same words."""
    keys = prints.exact.astype(np.uint64)

    def verify(ours: _Places, others: _Places) -> _Scores:
        return np.ones(len(ours))

    _join("exact", keys[into.probes], into.probes, keys[into.targets], into.targets, verify, 1.0, into)


def join_contained(prints: Prints, into: Collector) -> None:
    """Pairs of which the one with fewer runs of eight words has half of them in the other."""
    values, owners = prints.grams.values, np.repeat(np.arange(len(prints.exact)), np.diff(prints.grams.starts))
    rare = _rarest(values, owners, prints.grams.starts)
    probes, targets = np.isin(owners, into.probes), np.isin(owners, into.targets)
    # Whichever of the two has fewer runs has one of its rarest in the other: look up both ways.
    ways = [(probes & rare, targets)] if into.transitive else [(probes & rare, targets), (probes, targets & rare)]
    for ours, others in ways:
        sides = values[ours], owners[ours], values[others], owners[others]
        _join("contained", *sides, prints.contained, CONTAINED, into)


def join_jaccard(prints: Prints, into: Collector, seed: int) -> None:
    """Pairs of which words and pairs of words have a Jaccard similarity of .7."""
    signatures = minhash(prints.shingles, _BANDS * _ROWS, seed)

    def verify(ours: _Places, others: _Places) -> _Scores:
        scores = np.zeros(len(ours))
        for low in range(0, len(ours), 1 << 16):
            part = slice(low, low + (1 << 16))
            agree = (signatures[ours[part]] == signatures[others[part]]).mean(axis=1)
            likely = np.flatnonzero(agree >= _SIGNATURE_LEAST) + low
            scores[likely] = prints.jaccard(ours[likely], others[likely])
        return scores

    for band in range(_BANDS):
        rows = signatures[:, band * _ROWS : (band + 1) * _ROWS].astype(np.uint64)
        keys = rows[:, 0]
        for row in range(1, _ROWS):
            keys = keys * np.uint64(0x9E3779B97F4A7C15) + rows[:, row]
        _join("near", keys[into.probes], into.probes, keys[into.targets], into.targets, verify, JACCARD, into)


def join_cosine(prints: Prints, into: Collector) -> None:
    """Pairs whose embeddings have a cosine of .95, all of them: blocks of products in few directions, then in all."""
    if prints.vectors is None:
        return
    vectors = prints.vectors
    probes = np.intersect1d(into.probes, prints.known)
    targets = np.intersect1d(into.targets, prints.known)
    short = _shortened(vectors)
    for low in range(0, len(probes), _BLOCK):
        ours = probes[low : low + _BLOCK]
        ours = ours[into.wanted(ours)]
        for start in range(0, len(targets), _BLOCK):
            others = targets[start : start + _BLOCK]
            if not len(ours) or (into.transitive and others[-1] < ours[0]):
                continue
            near = short[ours] @ short[others].T >= COSINE - ROUNDING
            _settle(near, ours, others, vectors, into)


def _settle(
    near: NDArray[np.bool_], ours: _Places, others: _Places, vectors: NDArray[np.float32], into: Collector
) -> None:
    """Verify the marked pairs of a block, one a row at a time: where many are alike, few need to be looked at."""
    alive = np.flatnonzero(near.any(axis=1))
    while len(alive):
        first = near[alive].argmax(axis=1)
        left, right = ours[alive], others[first]
        near[alive, first] = False
        fresh = (left != right) & into.open(left, right)
        left, right = left[fresh], right[fresh]
        cosines = np.einsum("ij,ij->i", vectors[left], vectors[right]).astype(np.float64)
        good = cosines >= COSINE - ROUNDING
        into.add("close", left[good], right[good], cosines[good])
        if good.any():
            # What the new pairs have settled need not be looked at.
            rows, columns = np.nonzero(near[alive])
            settled = ~into.open(ours[alive[rows]], others[columns])
            near[alive[rows[settled]], columns[settled]] = False
        alive = alive[near[alive].any(axis=1) & into.wanted(ours[alive])]


def _shortened(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors in the directions that matter most, and the length of the rest: products bound the full ones."""
    if vectors.shape[1] <= _DIRECTIONS + 1:
        return vectors
    moments = vectors.T.astype(np.float64) @ vectors
    _, directions = np.linalg.eigh(moments)
    turned = vectors @ directions[:, -_DIRECTIONS:].astype(np.float32)
    left = np.einsum("ij,ij->i", vectors, vectors) - np.einsum("ij,ij->i", turned, turned)
    # A little more than is left, so that rounding loses no pair.
    rest = np.sqrt(np.maximum(left, 0) + 1e-6)
    return np.ascontiguousarray(np.column_stack([turned, rest]), dtype=np.float32)


def _rarest(values: _Keys, owners: _Places, starts: _Places) -> NDArray[np.bool_]:
    """The rarest of each text's values, so many that a text with half of its values has one of them."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    order = np.argsort(
        (owners.astype(np.uint64) << np.uint64(32)) | np.minimum(counts[place], 1 << 31).astype(np.uint64)
    )
    sizes = np.diff(starts)
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.arange(len(values)) - np.repeat(starts[:-1], sizes)
    kept = sizes - np.ceil(CONTAINED * sizes).astype(np.int64) + 1
    return np.asarray(rank < kept[owners])


def _join(
    measure: str,
    probe_keys: _Keys,
    probes: _Places,
    keys: _Keys,
    targets: _Places,
    verify: Callable[[_Places, _Places], _Scores],
    least: float,
    into: Collector,
) -> None:
    """Verify probes with targets of equal keys, the n-th target of all probes at a time."""
    order = np.argsort(keys, kind="stable")
    keys, targets = keys[order], targets[order]
    low, high = np.searchsorted(keys, probe_keys, "left"), np.searchsorted(keys, probe_keys, "right")
    step = 0
    while True:
        alive = low + step < high
        if step & (step - 1) == 0:
            alive &= into.wanted(probes)
            if into.transitive:
                alive &= _unsettled(probes, low, high, targets, into)
        probes, low, high = probes[alive], low[alive], high[alive]
        if not len(probes):
            return
        ours, others = probes, targets[low + step]
        fresh = (ours != others) & into.open(ours, others)
        if fresh.any():
            pairs = np.sort(ours[fresh] << 32 | others[fresh])
            pairs = pairs[np.concatenate([[True], pairs[1:] != pairs[:-1]])]
            left, right = pairs >> 32, pairs & 0xFFFFFFFF
            scores = verify(left, right)
            good = scores >= least - 1e-12
            into.add(measure, left[good], right[good], scores[good])
        step += 1


def _unsettled(probes: _Places, low: _Places, high: _Places, targets: _Places, into: Collector) -> NDArray[np.bool_]:
    """Which probes may have a target left that is of interest: in a range settled as a whole none has."""
    between = np.zeros(len(targets), dtype=np.int64)
    between[1:] = np.cumsum(into.open(targets[:-1], targets[1:]))
    filled = low < high
    first = np.where(filled, low, 0)
    settled = between[np.where(filled, high - 1, 0)] == between[first]
    return np.asarray(filled & ~(settled & ~into.open(probes, targets[first])))
