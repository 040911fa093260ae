"""Retrieve or fine-tune: what a query asks for, and what to do about the part that retrieval cannot give."""

from __future__ import annotations

from ragstone.recommender.advice import advise
from ragstone.recommender.factual import factual_part
from ragstone.recommender.route import RouteBatch, route, route_batch

__all__ = ["RouteBatch", "advise", "factual_part", "route", "route_batch"]
