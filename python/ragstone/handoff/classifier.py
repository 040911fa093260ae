"""A small classifier over embeddings: softmax regression, its penalty chosen by cross-validation; and two baselines.

It is no product but a measurement: what a few lines of NumPy learn from the user's own labelled examples says whether
labels can be learnt at all, how many examples it takes, and what a language model would have to beat.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Softmax", "fit_softmax", "majority", "nearest"]

_Vectors = NDArray[np.float32]
_Values = NDArray[np.float64]
_Codes = NDArray[np.int64]

PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2)
_FOLDS = 3
# Cross-validation looks at no more: the penalty does not hang on the last example.
_CHOOSING_MAX = 1000
_STEPS, _STEPS_CHOOSING = 60, 25
_NEIGHBOURS = 5
_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Softmax:
    """A fitted classifier: ``classes`` are codes, ``penalty`` what cross-validation chose."""

    classes: _Codes
    weights: _Vectors
    bias: _Vectors
    penalty: float

    def predict(self, vectors: _Vectors) -> _Codes:
        """The likeliest class of each vector, ties to the smaller code."""
        return np.asarray(self.classes[(vectors @ self.weights + self.bias).argmax(axis=1)])


def fit_softmax(vectors: _Vectors, labels: _Codes, *, seed: int, penalty: float | None = None) -> Softmax:
    """Fit softmax regression by Böhning's method with Nesterov's momentum.

    The loss is the mean cross-entropy + penalty × ‖weights‖² / 2.

    Args:
        vectors: Shape (n, dimension).
        labels: Shape (n,), codes; one class alone is predicted always.
        seed: Of the folds.
        penalty: Of the weights; without it the one with the best cross-validated loss.
    """
    chosen = _chosen_penalty(vectors, labels, seed) if penalty is None else penalty
    return _fit(vectors, labels, chosen, _STEPS)


def nearest(vectors: _Vectors, labels: _Codes, queries: _Vectors, *, neighbours: int = _NEIGHBOURS) -> _Codes:
    """Retrieval alone: the label with the largest sum of cosines among the nearest examples."""
    classes, codes = np.unique(labels, return_inverse=True)
    count = min(neighbours, len(labels))
    found = np.empty(len(queries), dtype=np.int64)
    for low in range(0, len(queries), _BLOCK):
        cosines = queries[low : low + _BLOCK] @ vectors.T
        best = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        rows = np.arange(len(cosines))[:, None]
        votes = np.zeros((len(cosines), len(classes)))
        np.add.at(votes, (np.broadcast_to(rows, best.shape), codes[best]), cosines[rows, best])
        # Classes without a vote must not win by cosines below zero.
        seen = np.zeros(votes.shape, dtype=bool)
        seen[np.broadcast_to(rows, best.shape), codes[best]] = True
        found[low : low + _BLOCK] = classes[np.where(seen, votes, -np.inf).argmax(axis=1)]
    return found


def majority(labels: Sequence[str]) -> str:
    """The most frequent label; of equally frequent ones the first by name."""
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label))


def _chosen_penalty(vectors: _Vectors, labels: _Codes, seed: int) -> float:
    numbers = np.random.default_rng(seed)
    sample = numbers.permutation(len(labels))[:_CHOOSING_MAX]
    folds = numbers.permutation(np.arange(len(sample)) % _FOLDS)
    if len(sample) < 2 * _FOLDS:
        return 1e-3
    # A fold's training part is smaller: the same strength for each example.
    losses = {penalty: 0.0 for penalty in PENALTIES}
    for fold in range(_FOLDS):
        seen, out = sample[folds != fold], sample[folds == fold]
        for penalty in PENALTIES:
            model = _fit(vectors[seen], labels[seen], penalty * len(labels) / len(seen), _STEPS_CHOOSING)
            losses[penalty] += _loss(model, vectors[out], labels[out])
    return min(losses, key=lambda penalty: (losses[penalty], penalty))


def _loss(model: Softmax, vectors: _Vectors, labels: _Codes) -> float:
    """Sum of cross-entropies; a class that training has not seen counts as very unlikely."""
    scores = _probabilities(vectors @ model.weights + model.bias)
    place = np.searchsorted(model.classes, labels)
    place = np.minimum(place, len(model.classes) - 1)
    right = np.where(model.classes[place] == labels, scores[np.arange(len(labels)), place], 0.0)
    return float(-np.log(np.maximum(right, 1e-6)).sum())


def _fit(vectors: _Vectors, labels: _Codes, penalty: float, steps: int) -> Softmax:
    classes, codes = np.unique(labels, return_inverse=True)
    centre = vectors.mean(axis=0)
    centred = vectors - centre
    # The loss curves nowhere more than half of the moments say (Böhning 1992): Newton's step with that bound is safe.
    moments = centred.T.astype(np.float64) @ centred / len(vectors)
    step = np.linalg.inv(0.5 * moments + penalty * np.eye(len(moments))).astype(np.float32)
    target = np.zeros((len(codes), len(classes)), dtype=np.float32)
    target[np.arange(len(codes)), codes] = 1.0
    weights = np.zeros((vectors.shape[1], len(classes)), dtype=np.float32)
    # The bias starts at the classes' shares and moves with the unit step of its own curvature.
    bias = np.log(target.mean(axis=0) + np.float32(1e-6))
    before_weights, before_bias = weights, bias
    for number in range(steps):
        momentum = np.float32(number / (number + 3))
        ahead_weights = weights + momentum * (weights - before_weights)
        ahead_bias = bias + momentum * (bias - before_bias)
        gap = (_probabilities(centred @ ahead_weights + ahead_bias) - target) / np.float32(len(vectors))
        before_weights, before_bias = weights, bias
        weights = ahead_weights - step @ (centred.T @ gap + np.float32(penalty) * ahead_weights)
        bias = ahead_bias - gap.sum(axis=0)
    return Softmax(classes, weights, np.asarray(bias - centre @ weights, dtype=np.float32), penalty)


def _probabilities(scores: _Vectors) -> _Vectors:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
