"""Measures what an index, a model or an answer is worth, with the questions of its users."""

from __future__ import annotations

from ragstone.evaluation.retrieval import RetrievalReport, evaluate, retrieval, run

__all__ = ["RetrievalReport", "evaluate", "retrieval", "run"]
