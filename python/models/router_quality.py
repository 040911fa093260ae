"""Measures the router for its report: sources left out, cross-validation, held-out cases, flips, calibration, speed."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

sys.path.insert(0, str(Path(__file__).resolve().parent))

from router_model import (
    CLASSES,
    MARGIN,
    THRESHOLD,
    Data,
    Held,
    Model,
    features,
    first_twins,
    kinds,
    known_errors,
    quantised,
)
from router_rows import CASES, Row, hand_rows, mistyped, training_rows, without_punctuation

JOINT = (
    ("dolly",),
    ("nq", "ifeval"),
    ("msmarco", "followbench"),
    ("banking", "seedclf"),
    ("banking", "followbench"),
    ("bitext", "ifeval"),
)
TABLE = tuple(CLASSES.index(name) for name in ("factual", "behavioural", "hybrid", "other"))
# Plain questions under a label of behaviour: what no reader could tell from the text.
QUESTION = re.compile(r"(?i)\s*(who|what|whats|when|where|why|how|does|do|should|can|is|are) ")


def auc(scores: NDArray[np.float64], labels: NDArray[np.bool_]) -> float:
    """Area under the ROC curve, ties counted half."""
    positives = int(labels.sum())
    ranks = rankdata(scores)
    return float((ranks[labels].sum() - positives * (positives + 1) / 2) / (positives * (len(labels) - positives)))


def calibration_error(probabilities: NDArray[np.float64], labels: NDArray[np.bool_]) -> float:
    """Expected calibration error over ten equal bins."""
    bins = np.minimum((probabilities * 10).astype(int), 9)
    gaps = [
        abs(probabilities[bins == b].mean() - labels[bins == b].mean()) * (bins == b).mean()
        for b in range(10)
        if (bins == b).any()
    ]
    return float(sum(gaps))


def macro_f1(found: NDArray[np.int64], true: NDArray[np.int64]) -> float:
    """Mean F1 of the four classes."""
    scores = []
    for kind in range(4):
        hits = ((found == kind) & (true == kind)).sum()
        scores.append(2 * hits / max(1, (found == kind).sum() + (true == kind).sum()))
    return float(np.mean(scores))


def four_classes(behaviour: NDArray[np.float64], facts: NDArray[np.float64], true: NDArray[np.int64]) -> dict[str, Any]:
    """How well the four classes are found."""
    found = kinds(behaviour, facts)
    near = np.minimum(abs(behaviour - THRESHOLD[0]), abs(facts - THRESHOLD[1])) < MARGIN
    return {
        "n": len(true),
        "macro_f1": macro_f1(found, true),
        "accuracy": float(np.mean(found == true)),
        "auc_behaviour": auc(behaviour, true % 2 == 1),
        "auc_facts": auc(facts, true >= 2),
        "ece_behaviour": calibration_error(behaviour, true % 2 == 1),
        "ece_facts": calibration_error(facts, true >= 2),
        "uncertain": float(near.mean()),
        "accuracy_certain": float(np.mean((found == true)[~near])),
        "counts": [[int(((true == row) & (found == column)).sum()) for column in TABLE] for row in TABLE],
    }


def of_rows(rows: Sequence[Row], model: Model) -> dict[str, Any]:
    """The four classes of rows never learnt from."""
    true = np.array([row.behaviour + 2 * row.facts for row in rows])
    return four_classes(*model.probabilities(features([row.text for row in rows])), true)


def left_out(real: Sequence[Row], own: Sequence[Row], held: Held) -> dict[str, dict[str, Any]]:
    """Quality on public sources that a model never saw, neither as rows nor as topics."""
    found = {}
    for names in JOINT:
        seen = Data.of(training_rows([row for row in real if row.source not in names], own))
        model = quantised(held.apply(seen.model()))[0]
        # A source of one class needs another one to be told from; Bitext's actions are neither.
        rows = [row for row in real if row.source in names and not (row.source == "bitext" and row.facts == 0)]
        behaviour, facts = model.probabilities(features([row.text for row in rows]))
        labels = np.array([row.behaviour == 1 for row in rows])
        correct = (behaviour >= THRESHOLD[0]) == labels
        figures = {
            "n": len(rows),
            "auc": auc(behaviour, labels),
            "balanced_accuracy": float((correct[labels].mean() + correct[~labels].mean()) / 2),
            "ece": calibration_error(behaviour, labels),
            "shares": [
                [float(np.mean(kinds(behaviour, facts)[mask] == kind)) for kind in TABLE] for mask in (~labels, labels)
            ],
        }
        plain = np.array([bool(QUESTION.match(row.text)) and row.source == "dolly" for row in rows]) & labels
        if plain.any():
            figures |= {"noise": int(plain.sum()), "auc_without_noise": auc(behaviour[~plain], labels[~plain])}
        found[" + ".join(names)] = figures
        print(" + ".join(names), figures["auc"], figures.get("auc_without_noise"), flush=True)
    return found


def flips(texts: Sequence[str], model: Model) -> dict[str, float]:
    """The share of decisions that change with what should not matter."""
    rng = random.Random(5)
    changes: dict[str, Callable[[str], str]] = {
        "upper case": str.upper,
        "lower case": str.lower,
        "no final mark": lambda text: text.rstrip("?.! "),
        "no punctuation": without_punctuation,
        "Please …": lambda text: f"Please {text}",
        "Could you please …": lambda text: f"Could you please {text}",
        "… Thanks!": lambda text: f"{text} Thanks!",
        "… Thank you!": lambda text: f"{text} Thank you!",
        "one typing error": lambda text: mistyped(text, rng),
    }
    plain = kinds(*model.probabilities(features(texts)))
    return {
        name: float(np.mean(kinds(*model.probabilities(features([change(text) for text in texts]))) != plain))
        for name, change in changes.items()
    }


def measured(real: Sequence[Row], own: Sequence[Row], data: Data, held: Held, model: Model) -> dict[str, Any]:
    """Every figure of the report."""
    true = (data.behaviour + 2 * data.facts).astype(int)
    hand = np.array([row.hand for row in data.rows]) & first_twins(data)
    behaviour, facts = held.probabilities()
    sources = np.array([row.source for row in data.rows])
    rng = random.Random(3)
    public = rng.sample([row.text for row in real], 4000)
    short = [text for text in public if len(text.split()) <= 8]
    mine = [row.text for row in own]
    print("cross-validated", known_errors(data, held), flush=True)
    return {
        "rows": {"all": len(data.rows), "public": len(real), "hand": len(own)},
        "left_out": left_out(real, own, held),
        "cross_validated": {
            name: four_classes(behaviour[mask], facts[mask], true[mask])
            for name, mask in {
                "all": hand,
                **{str(source): hand & (sources == source) for source in np.unique(sources[hand])},
            }.items()
        },
        "test": {
            "router_cases": of_rows(hand_rows(CASES[0], "test", late=False), model),
            "router_cases, late": of_rows(hand_rows(CASES[0], "test", late=True), model),
            "router_cases_wide": of_rows(hand_rows(CASES[1], "test"), model),
        },
        "flips": {
            "public": flips(public, model),
            "public, up to 8 words": flips(short, model),
            "hand-labelled": flips(mine, model),
            "never learnt from": flips([row.text for path in CASES for row in hand_rows(path, "test")], model),
        },
    }


def report(figures: dict[str, Any]) -> str:
    """The Markdown file beside the training script."""
    rows = figures["rows"]
    lines = [
        "# How well the router decides",
        "",
        "Written by `train_router.py` from `router_quality.json`; the numbers are of the int8 weights that ship, by",
        f"text alone. Learnt from {rows['public']:,} public and {rows['hand']:,} hand-labelled queries.",
        "",
        "## Sources left out of the training",
        "",
        "Each pair holds a source of behaviour and one of facts (Dolly holds both); the model has seen neither, nor",
        "their topics. The rules were written with the public training sources in sight, so these figures are",
        "somewhat kinder than a source that nobody has looked at. *Noise* counts plain questions that a source labels",
        "as behaviour (`Is competition healthy?` under creative writing); the last column leaves them out.",
        "",
        "| left out (n) | AUC | balanced accuracy | ECE | facts found as F / B / H / O | behaviour | noise | without |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, one in figures["left_out"].items():
        shares = [" / ".join(f"{share:.2f}" for share in side) for side in one["shares"]]
        without = f"{one['auc_without_noise']:.3f}" if "noise" in one else "–"
        lines.append(
            f"| {name} ({one['n']:,}) | {one['auc']:.3f} | {one['balanced_accuracy']:.3f} | {one['ece']:.3f} "
            f"| {' | '.join(shares)} | {one.get('noise', 0)} | {without} |"
        )
    mean = np.mean([one["auc"] for one in figures["left_out"].values()])
    lines += [f"| mean | {mean:.3f} | | | | | | |", ""]
    lines += ["## Four classes", "", "Hand-labelled cases; contrast pairs stay together in cross-validation.", ""]
    lines += ["| cases (n) | macro-F1 | accuracy | AUC behaviour / facts | ECE behaviour / facts | uncertain | "]
    lines[-1] += "accuracy of the others |"
    lines += ["|---|---|---|---|---|---|---|"]
    for kind, title in (("cross_validated", "cross-validated"), ("test", "never learnt from")):
        lines += [four_class_line(f"{title}: {name}", one) for name, one in figures[kind].items()]
    for kind, name in (("cross_validated", "all"), ("test", "router_cases_wide")):
        lines += ["", f"{kind}, {name}:".replace("_", " ").capitalize(), "", *table(figures[kind][name]["counts"])]
    lines += ["", "## Decisions that flip", "", "| change | " + " | ".join(figures["flips"]) + " |"]
    lines += ["|---|" + "---|" * len(figures["flips"])]
    for change in next(iter(figures["flips"].values())):
        lines.append(f"| {change} | " + " | ".join(f"{one[change]:.1%}" for one in figures["flips"].values()) + " |")
    return "\n".join([*lines, ""])


def four_class_line(name: str, one: dict[str, Any]) -> str:
    """A row of the table of cases."""
    return (
        f"| {name} ({one['n']:,}) | **{one['macro_f1']:.3f}** | {one['accuracy']:.3f} "
        f"| {one['auc_behaviour']:.3f} / {one['auc_facts']:.3f} "
        f"| {one['ece_behaviour']:.3f} / {one['ece_facts']:.3f} "
        f"| {one['uncertain']:.2f} | {one['accuracy_certain']:.3f} |"
    )


def table(counts: list[list[int]]) -> list[str]:
    """A table of true and found classes."""
    names = [CLASSES[code] for code in TABLE]
    lines = [f"| true \\ found | {' | '.join(names)} |", "|---|---|---|---|---|"]
    return lines + [f"| {name} | {' | '.join(map(str, row))} |" for name, row in zip(names, counts, strict=True)]
