"""Scores what a fine-tuned model wrote: labels, JSON and style, each beside what it should have written.

Texts in, numbers out: nothing here reads files, opens an index or calls a model.
"""

from ragstone.scoring.labels import LabelDifference, LabelScore, LabelScores, label_difference, score_labels
from ragstone.scoring.schema import (
    JsonScores,
    SchemaError,
    field_difference,
    parsed,
    samples_needed,
    score_json,
)
from ragstone.scoring.style import StyleScores, StyleShift, score_style, style_difference, style_features

__all__ = [
    "JsonScores",
    "LabelDifference",
    "LabelScore",
    "LabelScores",
    "SchemaError",
    "StyleScores",
    "StyleShift",
    "field_difference",
    "label_difference",
    "parsed",
    "samples_needed",
    "score_json",
    "score_labels",
    "score_style",
    "style_difference",
    "style_features",
]
