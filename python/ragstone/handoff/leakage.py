"""Puts near-duplicates into clusters, and looks for those that stand on both sides of a split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragstone.arguments import texts
from ragstone.handoff.joins import join_contained, join_cosine, join_exact, join_jaccard
from ragstone.handoff.similar import CONTAINED, COSINE, JACCARD, Prints, fingerprints
from ragstone.records import Embedder

__all__ = ["Leak", "Leakage", "clusters", "find_leaks", "leaks_between"]

_Places = NDArray[np.int64]
MEASURES = ("exact", "contained", "near", "close")


@dataclass(frozen=True, slots=True)
class Leak:
    """A held-out text (by its number) of which training has a near-duplicate, by which measure, and how near."""

    held_out: int
    train: int
    measure: str
    similarity: float


@dataclass(frozen=True, slots=True, repr=False)
class Leakage:
    """What :func:`find_leaks` found: for each measure one partner of each held-out text that has one by it.

    Measures are ``exact`` (the same words), ``contained`` (half of one's runs of eight words), ``near`` (Jaccard .7)
    and ``close`` (cosine .95). ``measured`` are those that were looked at: without an embedder ``close`` is not.
    """

    train: int
    held_out: int
    measured: tuple[str, ...]
    leaks: tuple[Leak, ...]

    @property
    def leaking(self) -> int:
        """Held-out texts with a partner by any measure."""
        return len({leak.held_out for leak in self.leaks})

    def count(self, measure: str) -> int:
        """Held-out texts with a partner by one measure."""
        return sum(leak.measure == measure for leak in self.leaks)

    def to_dict(self) -> dict[str, object]:
        """Everything by name, for JSON; of the leaks the first hundred."""
        bounds = {"exact": 1.0, "contained": CONTAINED, "near": JACCARD, "close": COSINE}
        return {
            "train": self.train,
            "held_out": self.held_out,
            "leaking": self.leaking,
            "measures": {name: {"at_least": bounds[name], "leaking": self.count(name)} for name in self.measured},
            "leaks": [
                {"held_out": one.held_out, "train": one.train, "measure": one.measure, "similarity": one.similarity}
                for one in self.leaks[:100]
            ],
        }

    def __str__(self) -> str:
        counts = ", ".join(f"{self.count(name)} {name}" for name in self.measured)
        return f"{self.leaking} of {self.held_out:,} held-out texts have a near-duplicate in training ({counts})"

    def __repr__(self) -> str:
        return str(self)


def find_leaks(
    train: Sequence[str], held_out: Sequence[str], *, embedder: Embedder | None = None, seed: int = 1
) -> Leakage:
    """Look for held-out texts of which training has a near-duplicate.

    Words that more than half of all texts begin or end with, as an instruction does, are left out of the comparison.

    Args:
        train: Texts that a model is trained on.
        held_out: Texts that it is judged by.
        embedder: What tells meaning; without one, three of the four measures are taken.
        seed: Of MinHash; another one than the split's finds what that missed.

    Raises:
        InvalidInput: Something is no text.

    >>> print(find_leaks(["Where is my parcel?", "Close the account"], ["where is MY parcel", "Pay me back"]))
    1 of 2 held-out texts have a near-duplicate in training (1 exact, 0 contained, 1 near)
    """
    ours, others = texts(held_out, "held_out", "held-out text"), texts(train, "train", "training text")
    measured = MEASURES if embedder is not None else MEASURES[:-1]
    if not ours or not others:
        return Leakage(len(others), len(ours), measured, ())
    prints = fingerprints([*ours, *others], embedder)
    return leaks_between(prints, np.arange(len(ours)), np.arange(len(ours), len(ours) + len(others)), seed)


def leaks_between(prints: Prints, held_out: _Places, train: _Places, seed: int) -> Leakage:
    """As :func:`find_leaks`, for texts by their places among those that the prints are of."""
    measured = MEASURES if prints.vectors is not None else MEASURES[:-1]
    found = _Leaks(held_out, train, len(prints.exact))
    for measure in measured if len(held_out) and len(train) else ():
        found.start()
        _run(measure, prints, found, seed)
    leaks = sorted(found.leaks, key=lambda leak: (leak.held_out, MEASURES.index(leak.measure)))
    return Leakage(len(train), len(held_out), measured, tuple(leaks))


def clusters(prints: Prints, groups: Sequence[Sequence[str]], seed: int) -> tuple[_Places, Counter[str]]:
    """A cluster's number for each text: near-duplicates by any measure, and texts that share a group, are in one.

    Returns:
        Shape (n,), numbers from 0 in the order of first members; and how many times each measure joined two clusters.
    """
    found = _Clusters(len(prints.exact))
    _join_groups(found, groups)
    for measure in MEASURES:
        _run(measure, prints, found, seed)
    _, numbers = np.unique(found.roots, return_inverse=True)
    return numbers.astype(np.int64), found.joined


def _run(measure: str, prints: Prints, into: _Clusters | _Leaks, seed: int) -> None:
    if measure == "exact":
        join_exact(prints, into)
    elif measure == "contained":
        join_contained(prints, into)
    elif measure == "near":
        join_jaccard(prints, into, seed)
    else:
        join_cosine(prints, into)


def _join_groups(found: _Clusters, groups: Sequence[Sequence[str]]) -> None:
    first: dict[str, int] = {}
    pairs = [(first.setdefault(name, place), place) for place, names in enumerate(groups) for name in names]
    if pairs:
        joined = np.array(pairs, dtype=np.int64)
        found.add("group", joined[:, 0], joined[:, 1], np.ones(len(pairs)))


class _Clusters:
    """Texts joined by pairs; ``roots`` has for each the first text of its cluster."""

    transitive = True

    def __init__(self, count: int) -> None:
        self.roots = np.arange(count)
        self.probes = self.targets = np.arange(count)
        self.joined: Counter[str] = Counter()

    def open(self, ours: _Places, others: _Places) -> NDArray[np.bool_]:
        return np.asarray(self.roots[ours] != self.roots[others])

    def wanted(self, ours: _Places) -> NDArray[np.bool_]:
        return np.ones(len(ours), dtype=bool)

    def add(self, measure: str, ours: _Places, others: _Places, scores: NDArray[np.float64]) -> None:
        roots = self.roots
        own = np.arange(len(roots))
        before = int((roots == own).sum()) if len(ours) else 0
        while len(ours):
            left, right = roots[ours], roots[others]
            apart = left != right
            ours, others, left, right = ours[apart], others[apart], left[apart], right[apart]
            np.minimum.at(roots, np.maximum(left, right), np.minimum(left, right))
            while (roots[roots] != roots).any():
                roots[:] = roots[roots]
        if before:
            self.joined[measure] += before - int((roots == own).sum())


class _Leaks:
    """One partner for each held-out text (the first ones) among the others, by the measure under way."""

    transitive = False

    def __init__(self, held_out: _Places, train: _Places, count: int) -> None:
        self.probes, self.targets = held_out, train
        self.leaks: list[Leak] = []
        # Of each text its number on its own side.
        self._number = np.zeros(count, dtype=np.int64)
        self._number[held_out], self._number[train] = np.arange(len(held_out)), np.arange(len(train))
        self.start()

    def start(self) -> None:
        """A new measure: nothing is found by it yet."""
        self._found = np.zeros(len(self._number), dtype=bool)

    def open(self, ours: _Places, others: _Places) -> NDArray[np.bool_]:
        return self.wanted(ours)

    def wanted(self, ours: _Places) -> NDArray[np.bool_]:
        return np.asarray(~self._found[ours])

    def add(self, measure: str, ours: _Places, others: _Places, scores: NDArray[np.float64]) -> None:
        for own, other, score in zip(ours.tolist(), others.tolist(), scores.tolist(), strict=True):
            if not self._found[own]:
                self._found[own] = True
                sides = int(self._number[own]), int(self._number[other])
                self.leaks.append(Leak(*sides, measure, round(score, 4)))
