"""Measures what an index, a model or an answer is worth, with the questions of its users."""

from __future__ import annotations

from ragstone.evaluation.calibration import CalibrationReport, calibrate
from ragstone.evaluation.finetune import FinetuneReport, finetune
from ragstone.evaluation.freshness import Freshness, freshness
from ragstone.evaluation.null import NullReport, null
from ragstone.evaluation.retrieval import RetrievalReport, evaluate, retrieval, run
from ragstone.evaluation.staleness import Replacement, StaleAnswers, replaced_answers, stale_answers

__all__ = [
    "CalibrationReport",
    "FinetuneReport",
    "Freshness",
    "NullReport",
    "Replacement",
    "RetrievalReport",
    "StaleAnswers",
    "calibrate",
    "evaluate",
    "finetune",
    "freshness",
    "null",
    "replaced_answers",
    "retrieval",
    "run",
    "stale_answers",
]
