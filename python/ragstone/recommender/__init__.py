"""Retrieve or fine-tune: what a query asks for, and what to do about the part that retrieval cannot give."""

from __future__ import annotations

from ragstone.recommender.advice import advise
from ragstone.recommender.factual import factual_part
from ragstone.recommender.route import route

__all__ = ["advise", "factual_part", "route"]
