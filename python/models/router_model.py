"""The router's two heads: features from the engine, fitting, calibration, known errors, and the file of weights."""

from __future__ import annotations

import binascii
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scipy.special import expit

from ragstone import _core
from router_rows import FOLDS, UNKNOWN, Row

BUCKETS = 1 << 16
FINGERPRINT, RULES = _core.route_rules()
COLUMNS = BUCKETS + len(RULES)
THRESHOLD = (0.5, 0.5)
MARGIN = 0.2
# What hangs on punctuation is held tightly: little may change when somebody leaves it out.
MARKS = ("given.colon", "given.quote", "given.block", "given.items", "given.after")
MARKS += ("clause.question", "clause.task", "clause.demand")
L2_HASHED, L2_RULES, L2_MARKS = 1.0, 0.3, 400.0
ITERATIONS = 80
# Classes in the order of their codes: behaviour counts 1, facts count 2.
CLASSES = ("other", "behavioural", "factual", "hybrid")


def features(texts: Sequence[str]) -> csr_matrix:
    """The engine's features, a row for each text."""
    begins, columns, values = _core.route_features(list(texts))
    return csr_matrix((values, columns.astype(np.int32), begins.astype(np.int32)), shape=(len(texts), COLUMNS))


def kinds(behaviour: NDArray[np.float64], facts: NDArray[np.float64]) -> NDArray[np.int64]:
    """Code of each row's class."""
    return np.asarray((behaviour >= THRESHOLD[0]) * 1 + (facts >= THRESHOLD[1]) * 2)


@dataclass(frozen=True)
class Head:
    """One logistic regression."""

    weights: NDArray[np.float64]
    bias: float

    def logits(self, matrix: csr_matrix) -> NDArray[np.float64]:
        """Log-odds of each row."""
        return np.asarray(matrix @ self.weights + self.bias)

    def calibrated(self, slope: float, offset: float) -> Head:
        """With log-odds stretched and moved."""
        return Head(self.weights * slope, self.bias * slope + offset)


@dataclass(frozen=True)
class Model:
    """Both heads."""

    behaviour: Head
    facts: Head

    def probabilities(self, matrix: csr_matrix) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of behaviour and of facts."""
        return expit(self.behaviour.logits(matrix)), expit(self.facts.logits(matrix))


@dataclass(frozen=True)
class Data:
    """Rows as arrays: what is learnt from."""

    rows: tuple[Row, ...]
    matrix: csr_matrix
    weight: NDArray[np.float64]
    behaviour: NDArray[np.float64]
    facts: NDArray[np.float64]
    fold: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Data:
        """Features and labels of rows; a row without a group is put in a fold by its first words."""

        def fold(row: Row) -> int:
            words = " ".join(row.text.lower().split()[:4])
            return row.fold if row.hand else binascii.crc32(words.encode("utf-8", "replace")) % FOLDS

        return cls(
            tuple(rows),
            features([row.text for row in rows]),
            np.array([row.weight for row in rows]),
            np.array([float(row.behaviour) for row in rows]),
            np.array([float(row.facts) for row in rows]),
            np.array([fold(row) for row in rows]),
        )

    def model(self, chosen: NDArray[np.bool_] | None = None) -> Model:
        """Both heads fitted to the chosen rows."""
        chosen = np.ones(len(self.rows), bool) if chosen is None else chosen
        heads = []
        for target in (self.behaviour, self.facts):
            known = np.flatnonzero(chosen & (target != UNKNOWN))
            heads.append(fit(self.matrix[known], target[known], self.weight[known]))
        return Model(*heads)


def fit(matrix: csr_matrix, labels: NDArray[np.float64], weights: NDArray[np.float64]) -> Head:
    """L2-regularised logistic regression by L-BFGS; rules are held less tightly than hashed n-grams."""
    used = np.unique(matrix.indices)
    place = np.zeros(COLUMNS, np.int32)
    place[used] = np.arange(len(used), dtype=np.int32)
    dense = csr_matrix((matrix.data, place[matrix.indices], matrix.indptr), shape=(matrix.shape[0], len(used)))
    transposed = dense.T.tocsr()
    penalty = np.where(used >= BUCKETS, L2_RULES, L2_HASHED)
    penalty[np.isin(used, [BUCKETS + RULES.index(name) for name in MARKS])] = L2_MARKS

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = dense @ parameters[:-1].astype(np.float32) + parameters[-1]
        value = weights @ (np.logaddexp(0, logits) - labels * logits) + 0.5 * penalty @ parameters[:-1] ** 2
        residual = weights * (expit(logits) - labels)
        slope = transposed @ residual.astype(np.float32) + penalty * parameters[:-1]
        return float(value), np.append(slope, residual.sum()).astype(np.float64)

    options = {"maxiter": ITERATIONS, "maxcor": 10}
    found = minimize(loss, np.zeros(len(used) + 1), jac=True, method="L-BFGS-B", options=options).x
    full = np.zeros(COLUMNS)
    full[used] = found[:-1]
    return Head(full, float(found[-1]))


def platt(
    logits: NDArray[np.float64], labels: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[float, float]:
    """Slope and offset that calibrate log-odds (Platt 1999)."""

    def loss(ab: NDArray[np.float64]) -> float:
        scaled = ab[0] * logits + ab[1]
        return float(weights @ (np.logaddexp(0, scaled) - labels * scaled))

    slope, offset = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x
    return float(slope), float(offset)


@dataclass(frozen=True)
class Held:
    """What models say of rows that they were not fitted to, and how to calibrate it."""

    logits: NDArray[np.float64]
    behaviour: tuple[float, float]
    facts: tuple[float, float]

    def probabilities(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of behaviour and of facts, calibrated."""
        pairs = zip((self.behaviour, self.facts), self.logits, strict=True)
        behaviour, facts = (expit(slope * logits + offset) for (slope, offset), logits in pairs)
        return behaviour, facts

    def apply(self, model: Model) -> Model:
        """A model fitted to all rows, calibrated by what was seen on held-out ones."""
        return Model(model.behaviour.calibrated(*self.behaviour), model.facts.calibrated(*self.facts))


def cross_validated(data: Data) -> Held:
    """Log-odds of each row by a model that saw neither it nor its contrast pair."""
    logits = np.zeros((2, len(data.rows)))
    for fold in range(FOLDS):
        held = data.fold == fold
        model = data.model(~held)
        logits[0, held] = model.behaviour.logits(data.matrix[held])
        logits[1, held] = model.facts.logits(data.matrix[held])
    found = []
    for values, target in zip(logits, (data.behaviour, data.facts), strict=True):
        known = target != UNKNOWN
        found.append(platt(values[known], target[known], data.weight[known]))
    return Held(logits, *found)


def known_errors(data: Data, held: Held) -> dict[str, object]:
    """Cross-validated counts on hand-labelled rows as written: rows true, columns found."""
    own = np.array([row.hand for row in data.rows]) & first_twins(data)
    true = (data.behaviour + 2 * data.facts).astype(int)[own]
    found = kinds(*held.probabilities())[own]
    order = [CLASSES.index(name) for name in ("factual", "behavioural", "hybrid", "other")]
    counts = [[int(((true == row) & (found == column)).sum()) for column in order] for row in order]
    return {"classes": [CLASSES[code] for code in order], "counts": counts}


def first_twins(data: Data) -> NDArray[np.bool_]:
    """The rows that are no mistyped or stripped copy of the row before."""
    return np.array([not row.twin for row in data.rows])


def quantised(model: Model) -> tuple[Model, bytes]:
    """The model as the engine will see it, and its file (layout: ``rust/engine/src/routing/linear.rs``)."""
    heads, codes = [], []
    for head in (model.behaviour, model.facts):
        hashed = head.weights[:BUCKETS]
        scale = float(np.float32(np.quantile(np.abs(hashed), 0.9999) / 127))
        code = np.clip(np.rint(hashed / scale), -127, 127).astype(np.int8)
        weights = np.concatenate([code * scale, head.weights[BUCKETS:].astype(np.float32)])
        heads.append((Head(weights, float(np.float32(head.bias))), scale))
        codes.append(code)
    rules = np.stack([head.weights[BUCKETS:] for head, _ in heads], axis=1).astype("<f4")
    body = struct.pack("<7f", *THRESHOLD, MARGIN, *(head.bias for head, _ in heads), *(scale for _, scale in heads))
    return Model(heads[0][0], heads[1][0]), body + rules.tobytes() + np.stack(codes, axis=1).tobytes()


def write_weights(path: Path, body: bytes) -> None:
    """Writes the weights with header and checksum."""
    content = b"RSROUTE1" + struct.pack("<3I", FINGERPRINT, BUCKETS, len(RULES)) + body
    path.write_bytes(content + struct.pack("<I", binascii.crc32(content)))
