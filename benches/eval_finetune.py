"""Figures of the fine-tune side: what may be claimed from how many samples, and which styles are told apart.

    python benches/eval_finetune.py

The samples are those of `corpora/evaluation/finetune`, the two authors those of the shared texts.
"""

from __future__ import annotations

import json
import random
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ragstone.evaluation.finetune import TextScores, finetune, read_finetune, read_schema
from ragstone.scoring import JsonScores, LabelScores, samples_needed, score_json, score_labels, score_style

sys.path.insert(0, str(Path(__file__).resolve().parent))
from targets import Figure, show

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "corpora" / "evaluation" / "finetune"
# Texts a side of the style figures, and how many pairs of halves of one author.
TEXTS, HALVES = 300, 20


def figures(shared: Path) -> list[Figure]:
    """All figures; those that need the shared texts are told as not measured where these are absent."""
    return [*claims(), *shipped(), *labels(), *styles(shared)]


def claims() -> list[Figure]:
    """Bounds as the checklist has them: 300 valid of 300, 100 of 100."""
    bounds = {count: round(100 * score_json(["{}"] * count).at_least, 1) for count in (300, 100)}
    return [
        exactly("valid JSON, 300 of 300: at least", bounds[300], 99.0, n=300, unit="%"),
        exactly("valid JSON, 100 of 100: at least", bounds[100], 97.0, n=100, unit="%"),
        exactly("samples to claim 99 % without a failure", samples_needed(0.99), 299, n=1, unit=""),
    ]


def exactly(name: str, value: float, right: float, *, n: int, unit: str) -> Figure:
    return Figure(name, value, unit, f"= {right:g}", value == right, n)


def shipped() -> list[Figure]:
    """The samples that ship, tuned model and baseline."""
    found = []
    for task, what in (("labels", "macro-F1"), ("json", "fields F1"), ("text", "style AUROC")):
        given, right, plain = read_finetune(
            *(SAMPLES / f"{task}-{kind}.jsonl" for kind in ("predictions", "references", "baseline"))
        )
        schema = read_schema(SAMPLES / "json-schema.json") if task == "json" and has_jsonschema() else None
        report = finetune(given, right, schema=schema, baseline=plain)
        assert report.baseline is not None
        for name, scores in (("tuned", report.scores), ("prompted", report.baseline.scores)):
            value = figure_of(scores)
            found.append(Figure.stated(f"shipped {task}: {what}, {name}", value, n=report.samples))
    return found


def figure_of(scores: LabelScores | JsonScores | TextScores) -> float:
    if isinstance(scores, LabelScores):
        return scores.macro_f1.value
    if isinstance(scores, JsonScores):
        assert scores.fields is not None
        return scores.fields.value
    assert scores.style is not None
    return scores.style.auroc.value


def has_jsonschema() -> bool:
    return find_spec("jsonschema") is not None


def labels() -> list[Figure]:
    """Macro-F1 of 77 labels and 3,080 samples beside its definition, and its time."""
    numbers = np.random.default_rng(0)
    right = [f"label {number}" for number in numbers.integers(0, 77, 3080)]
    given = [
        f"label {numbers.integers(0, 77)}" if chance < 0.1 else one
        for one, chance in zip(right, numbers.random(3080), strict=True)
    ]
    started = time.perf_counter()
    found = score_labels(right, given)
    seconds = time.perf_counter() - started
    plain = [
        2 * sum(a == b == label for a, b in zip(right, given, strict=True)) / (right.count(label) + given.count(label))
        for label in sorted(set(right))
    ]
    off = abs(found.macro_f1.value - sum(plain) / len(plain))
    return [
        Figure.at_most("macro-F1 of 77 labels, distance to its definition", off, 1e-12, n=3080),
        Figure.stated("macro-F1 of 77 labels with intervals, time", seconds, unit="s", n=3080),
    ]


def styles(shared: Path) -> list[Figure]:
    """Two authors told apart, one author not from himself."""
    files = [shared / "data" / "queries" / name for name in ("bitext-intents.jsonl", "dolly15k.jsonl")]
    names = ("style AUROC, customers against annotators", "style AUROC, halves of one author, mean")
    if not all(path.exists() for path in files):
        return [Figure.at_least(name, None, 0.95, n=0, note="needs the shared texts") for name in names]
    customers, annotators = (read(path, field) for path, field in zip(files, ("text", "instruction"), strict=True))
    apart = score_style(customers[:TEXTS], annotators[:TEXTS])
    halves = []
    for number in range(HALVES):
        random.Random(number).shuffle(annotators)
        halves.append(score_style(annotators[:TEXTS], annotators[TEXTS : 2 * TEXTS], seed=number))
    mean = float(np.mean([one.auroc.value for one in halves]))
    different = sum(one.verdict == "different" for one in halves)
    return [
        Figure.at_least(names[0], apart.auroc.value, 0.95, n=2 * TEXTS),
        Figure.at_most(
            "style AUROC, halves of one author, distance of the mean to .5", abs(mean - 0.5), 0.02, n=HALVES
        ),
        Figure.at_most("halves of one author called different", different, 0, n=HALVES),
    ]


def read(path: Path, field: str) -> list[str]:
    texts = [json.loads(line)[field] for line in path.read_text(encoding="utf-8").split("\n") if line]
    random.Random(0).shuffle(texts)
    return texts


if __name__ == "__main__":
    show(figures(Path(__file__).resolve().parents[2] / "shared"))
