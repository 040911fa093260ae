"""Retrieve, fine-tune, both or neither: measures a project, decides by rules, and shows what the advice rests on."""

from __future__ import annotations

from ragstone.recommendation.measurements import Corpus, Evaluated, Examples, Project, QueryShares
from ragstone.recommendation.needs import Needs
from ragstone.recommendation.recommendation import Recommendation
from ragstone.recommendation.recommender import Recommender
from ragstone.recommendation.rules import Rules, load_rules

__all__ = [
    "Corpus",
    "Evaluated",
    "Examples",
    "Needs",
    "Project",
    "QueryShares",
    "Recommendation",
    "Recommender",
    "Rules",
    "load_rules",
]
