"""How likely it is that what was found contains an answer: a calibrated probability from many signals.

No single score separates questions that the corpus answers from those that it does not, so ``threshold`` is on the
probability, never on a cosine. The weights that ship come from ``python/models/train_answerability.py``;
``ragstone.calibrate`` fits weights of an index's own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragstone._core import Evidence

__all__ = ["FEATURES", "Model", "answerability", "expanded", "features", "shipped", "threshold"]

FEATURES = (
    "coverage of the best hit",
    "best coverage of five hits",
    "coverage of the best sentence",
    "idf of the question",
    "idf that the best hit lacks",
    "names and numbers asked for",
    "names and numbers that the best hit lacks",
    "cosine",
    "cosine in spreads",
    "cosine above the next nine",
    "distance beside the next nine",
    "BM25 in spreads",
    "BM25 above the next nine",
    "fused score above those behind",
    "hits shared by both halves",
    "same best hit in both halves",
)
# Standardised features are cut to this, so that no strange value outweighs all others.
_LIMIT = 3.0
# Best BM25 score counted in the fused one, in spreads: the cap of the engine's own fusion.
_BM25_MOST = 12.0


@dataclass(frozen=True, slots=True)
class Model:
    """A logistic regression on standardised features, or on these and all their products.

    ``mean`` and ``scale`` have a value for each of :data:`FEATURES`, ``weight`` for each of :func:`expanded`.
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weight: tuple[float, ...]
    bias: float
    threshold: float

    def probability(self, evidence: Evidence) -> float:
        """That the hits behind this evidence contain an answer; 0 where nothing was found."""
        if not evidence["cosine"] and not evidence["bm25"]:
            return 0.0
        values = self.standardised(features(evidence))
        if len(self.weight) > len(values):
            values = expanded(values)
        total = self.bias + sum(weight * value for weight, value in zip(self.weight, values, strict=True))
        return 1.0 / (1.0 + math.exp(-max(min(total, 60.0), -60.0)))

    def standardised(self, values: list[float]) -> list[float]:
        """Features in units of their spread, none beyond the limit."""
        pairs = zip(values, self.mean, self.scale, strict=True)
        return [max(-_LIMIT, min((value - mean) / scale, _LIMIT)) for value, mean, scale in pairs]


def features(evidence: Evidence) -> list[float]:
    """The signals of both result lists, in the order of :data:`FEATURES`; all are 0 where nothing was found.

    Cosines and BM25 scores enter in units of their spread over the corpus, so that they mean the same for a short and
    a long query and, as far as possible, for different embedders. Nothing here tells a document that was filtered out
    from one that never was there.
    """
    cosine, bm25 = evidence["cosine"], evidence["bm25"]
    total = max(evidence["idf_sum"], 1e-9)
    covered = evidence["covered"]
    best = covered[0] if covered else 0.0
    spread, unit = max(evidence["cosine_spread"], 1e-6), max(evidence["bm25_spread"], 1e-6)
    names = evidence["names"]
    above = cosine[0] - _mean(cosine[1:]) if len(cosine) > 1 else 0.0
    beside = math.log(max(1 - cosine[0], 0.01) / max(1 - _mean(cosine[1:]), 0.01)) if len(cosine) > 1 else 0.0
    hit_cosine = evidence["hit_cosine"]
    values = [
        best / total,
        max(covered, default=0.0) / total,
        evidence["covered_sentence"] / total,
        math.log1p(evidence["idf_sum"]),
        (evidence["idf_sum"] - best) / 10,
        float(min(names, 4)),
        float(min(names - evidence["names_covered"], 3)),
        hit_cosine[0] if hit_cosine else 0.0,
        (hit_cosine[0] - evidence["cosine_mean"]) / spread if hit_cosine else 0.0,
        above / spread,
        beside,
        math.log1p(max(min(bm25[0] / unit, 60.0), 0.0)) if bm25 else 0.0,
        1 - _mean(bm25[1:]) / bm25[0] if len(bm25) > 1 and bm25[0] > 0 else 0.0,
        _lead(evidence, spread, unit),
        evidence["shared"] / 10,
        float(evidence["agree"]),
    ]
    return [value if math.isfinite(value) else 0.0 for value in values]


def expanded(values: list[float]) -> list[float]:
    """Values, then the products of all pairs, each with itself too."""
    products = [a * b for number, a in enumerate(values) for b in values[number:]]
    return [*values, *products]


def answerability(evidence: Evidence, embedder: str | None = None) -> float:
    """Probability, from 0 to 1, that the hits behind this evidence contain an answer, by the weights that ship.

    ``embedder`` is the name of the embedder that made the cosines: those that ship have weights of their own.
    """
    return shipped(evidence, embedder).probability(evidence)


def threshold(evidence: Evidence, embedder: str | None = None) -> float:
    """Probability below which ``ask`` abstains, by the weights that ship: the training script says what it keeps."""
    return shipped(evidence, embedder).threshold


def shipped(evidence: Evidence, embedder: str | None = None) -> Model:
    """The model for what was searched: both halves with a known embedder, with another one, or BM25 alone."""
    models = _models()
    if not evidence["cosine"]:
        return models["bm25"]
    return models.get(embedder or "other", models["other"])


def model_of(fields: Mapping[str, object]) -> Model:
    """A model from its fields as JSON has them.

    Raises:
        ValueError: They are not those of a model.
    """

    def numbers(name: str, lengths: tuple[int, ...]) -> tuple[float, ...]:
        values = fields.get(name)
        if not isinstance(values, list) or len(values) not in lengths:
            raise ValueError(f"{name} is not a list of {' or '.join(map(str, lengths))} numbers")
        return tuple(number(value, name) for value in values)

    def number(value: object, name: str) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e9:
            raise ValueError(f"{name} has {value!r}, which is not a finite number below 1e9")
        return float(value)

    count = len(FEATURES)
    model = Model(
        mean=numbers("mean", (count,)),
        scale=numbers("scale", (count,)),
        weight=numbers("weight", (count, count + count * (count + 1) // 2)),
        bias=number(fields.get("bias"), "bias"),
        threshold=number(fields.get("threshold"), "threshold"),
    )
    if min(model.scale) < 1e-9 or not 0 <= model.threshold <= 1:
        raise ValueError("a scale is not positive, or the threshold is not from 0 to 1")
    return model


def _lead(evidence: Evidence, spread: float, unit: float) -> float:
    """The best hit's fused score, both halves in spreads, above those of the sixth to the tenth."""
    bm25, cosine, lexical = evidence["bm25"], evidence["hit_cosine"], evidence["hit_bm25"]
    factor = min(1 / unit, _BM25_MOST / bm25[0]) if bm25 and bm25[0] > 0 else 0.0
    fused = [factor * score for score in lexical]
    if cosine:
        fused = [score + (own - evidence["cosine_mean"]) / spread for score, own in zip(fused, cosine, strict=True)]
    if not fused:
        return 0.0
    return fused[0] - _mean(fused[5:]) if len(fused) > 5 else fused[0]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


@cache
def _models() -> dict[str, Model]:
    fields = json.loads(files("ragstone").joinpath("answerability.json").read_text(encoding="utf-8"))
    return {name: model_of(model) for name, model in fields.items()}
