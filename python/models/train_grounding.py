"""Fits the weights of groundedness T0 and says how well it tells what a text says from what it does not.

    python python/models/train_grounding.py [--shared ../shared]

Fitted on one half of the sets of ``grounding_sets.py``, told on the other; no text is in both. An example is a sentence
of a genuine answer beside its own text (supported) or beside the most similar other text (not supported); every answer
weighs the same. Swapped numbers and names are not fitted: a sentence with a fact that no source has is not supported,
whatever its score. Words weigh by how few texts of their half have them. Writes
``python/ragstone/grounding/grounding.json`` and ``python/models/GROUNDING.md``; no randomness but the sets' own seed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragstone import estimates
from ragstone._core import Grounder

sys.path.insert(0, str(Path(__file__).resolve().parent))
from grounding_sets import Case, dolly, halves, wrong

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "python" / "ragstone" / "grounding" / "grounding.json"
CARD = ROOT / "python" / "models" / "GROUNDING.md"
RIDGE = 1.0

# One array for each answer: a row of features for each sentence that can be checked.
Answers = list[NDArray[np.float64]]


def main() -> None:
    """Fit on one half, test on the other, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    options = parser.parse_args()
    fitted, told = halves(dolly(options.shared / "data" / "queries" / "dolly15k.jsonl"))
    genuine, other = features(fitted, fitted), features(wrong(fitted), fitted)
    model = fit(genuine, other)
    WEIGHTS.write_text(json.dumps(model, indent=1) + "\n", encoding="utf-8")
    lines = ["# Groundedness T0: how the shipped weights do", "", __doc__ or "", *TABLE]
    lines += row("fitted on, nearest other text", model, genuine, other)
    genuine = features(told, told)
    lines += row("held out, nearest other text", model, genuine, features(wrong(told), told))
    lines += row("held out, five nearest other texts", model, genuine, features(wrong(told, neighbours=5), told))
    lines += row("held out, all words weighing the same", model, features(told, ()), features(wrong(told), ()))
    lines += ["", "Swapped numbers and names, false alarms and speed: `python benches/eval_grounded.py`."]
    CARD.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def features(cases: Sequence[Case], background: Sequence[Case]) -> Answers:
    """Features of each answer that has a sentence to check; the texts of ``background`` weigh words."""
    texts = [text for case in background for text in case.sources]
    reader = Grounder("english", [0.0] * len(Grounder.FEATURES), 0.0, 0.5, texts)
    checked = (reader.check(case.answer, list(case.sources)) for case in cases)
    found = [[row[1][3] for row in rows if row[0][3] is None] for rows in checked]
    return [np.array(rows) for rows in found if rows]


def fit(genuine: Answers, other: Answers) -> dict[str, Any]:
    """Logistic regression by Newton's method with a ridge, on standardised features; weights are of the plain ones."""
    answers = [*genuine, *other]
    rows = np.concatenate(answers)
    truth = np.repeat([1.0] * len(genuine) + [0.0] * len(other), [len(answer) for answer in answers])
    importance = np.concatenate([np.full(len(answer), 1 / len(answer)) for answer in answers])
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    scale[scale < 1e-9] = 1.0
    design = np.column_stack([(rows - mean) / scale, np.ones(len(rows))])
    ridge = np.diag([RIDGE] * rows.shape[1] + [0.0])
    weight = np.zeros(design.shape[1])
    for _ in range(50):
        probability = 1 / (1 + np.exp(-design @ weight))
        gradient = design.T @ (importance * (probability - truth)) + ridge @ weight
        curvature = (design * (importance * probability * (1 - probability))[:, None]).T @ design + ridge
        step = np.linalg.solve(curvature + 1e-9 * np.eye(len(weight)), gradient)
        weight -= step
        if np.abs(step).max() < 1e-10:
            break
    plain = weight[:-1] / scale
    bias = float(weight[-1] - plain @ mean)
    probability = 1 / (1 + np.exp(-(rows @ plain + bias)))
    # From where on a sentence counts as supported: as many genuine ones lie below as others above.
    thresholds = np.linspace(0.05, 0.95, 91)
    missed = [abs((probability[truth == 1] < at).mean() - (probability[truth == 0] >= at).mean()) for at in thresholds]
    return {
        "features": list(Grounder.FEATURES),
        "weights": plain.round(6).tolist(),
        "bias": round(bias, 6),
        "threshold": round(float(thresholds[int(np.argmin(missed))]), 2),
    }


TABLE = (
    "| | answers | AUROC of answers | AUROC of sentences | genuine sentences at the threshold | others | error of calibration |",
    "|---|---|---|---|---|---|---|",
)


def row(name: str, model: dict[str, Any], genuine: Answers, other: Answers) -> list[str]:
    """A line of the table: an answer's score is the mean of its sentences'."""
    good, bad = ([scores(model, rows) for rows in answers] for answers in (genuine, other))
    answers = estimates.auroc([each.mean() for each in good], [each.mean() for each in bad])
    flat, others = np.concatenate(good), np.concatenate(bad)
    sentences = estimates.auroc(flat, others)
    truth = np.repeat([1.0, 0.0], [len(flat), len(others)])
    error = estimates.calibration_error(np.concatenate([flat, others]), truth)
    at = model["threshold"]
    shares = f"{(flat >= at).mean():.3f} | {(others >= at).mean():.3f}"
    return [f"| {name} | {len(good):,} + {len(bad):,} | {answers} | {sentences} | {shares} | {error:.3f} |"]


def scores(model: dict[str, Any], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability that each sentence is supported."""
    return np.asarray(1 / (1 + np.exp(-(rows @ np.array(model["weights"]) + model["bias"]))))


if __name__ == "__main__":
    main()
