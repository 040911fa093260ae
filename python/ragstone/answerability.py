"""How likely it is that what was found contains an answer: a calibrated probability from many signals.

No single score separates questions that the corpus answers from those that it does not, so ``threshold`` is on the
probability, never on a cosine. The weights come from ``python/models/train_answerability.py``.
"""

from __future__ import annotations

import json
import math
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, TypedDict, cast

if TYPE_CHECKING:
    from ragstone._core import Evidence

__all__ = ["answerability", "features", "threshold"]


class _Model(TypedDict):
    """One logistic regression: features are standardised, weighted, summed."""

    mean: list[float]
    scale: list[float]
    weight: list[float]
    bias: float
    threshold: float


def features(evidence: Evidence) -> list[float]:
    """The signals of both result lists, as the model takes them; all are zero where nothing was found.

    Cosines and BM25 scores enter in units of their spread over the corpus, so that they mean the same for a short and
    a long query and, as far as possible, for different embedders.
    """
    cosine, bm25 = evidence["cosine"], evidence["bm25"]
    spread = max(evidence["cosine_spread"], 1e-6)
    top = (cosine[0] - evidence["cosine_mean"]) / spread if cosine else 0.0
    lead = (cosine[0] - _mean(cosine[:5])) / spread if cosine else 0.0
    unit = max(evidence["bm25_spread"], 1e-6)
    best = min(bm25[0] / unit, 60.0) if bm25 else 0.0
    margin = min((bm25[0] - _mean(bm25[:5])) / unit, 60.0) if bm25 else 0.0
    covered = evidence["idf_covered"] / evidence["idf_sum"] if evidence["idf_sum"] > 0 else 0.0
    known = evidence["terms_known"] / evidence["terms"] if evidence["terms"] else 0.0
    return [
        cosine[0] if cosine else 0.0,
        top,
        lead,
        math.log1p(max(best, 0.0)),
        math.log1p(max(margin, 0.0)),
        covered,
        known,
        float(evidence["agree"]),
        math.log1p(evidence["terms"]),
        covered * top,
    ]


def answerability(evidence: Evidence, embedder: str | None = None) -> float:
    """Probability, from 0 to 1, that the hits behind this evidence contain an answer.

    ``embedder`` is the name of the embedder that made the cosines: those that ship have weights of their own.
    """
    if not evidence["cosine"] and not evidence["bm25"]:
        return 0.0
    model = _model(evidence, embedder)
    values = zip(features(evidence), model["mean"], model["scale"], model["weight"], strict=True)
    total = model["bias"] + sum(weight * (value - mean) / scale for value, mean, scale, weight in values)
    return 1.0 / (1.0 + math.exp(-max(min(total, 60.0), -60.0)))


def threshold(evidence: Evidence, embedder: str | None = None) -> float:
    """Probability below which ``ask`` abstains; it kept 93 of 100 answerable questions of the training sets."""
    return _model(evidence, embedder)["threshold"]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _model(evidence: Evidence, embedder: str | None) -> _Model:
    """The model for what was searched: both halves with a known embedder, with another one, or BM25 alone."""
    models = _models()
    if not evidence["cosine"]:
        return models["bm25"]
    return models.get(embedder or "other", models["other"])


@cache
def _models() -> dict[str, _Model]:
    text = files("ragstone").joinpath("answerability.json").read_text(encoding="utf-8")
    return cast("dict[str, _Model]", json.loads(text))
