"""Scores what a tuned model wrote for the requests beside this file: labels, JSON or style, each with its bound.

    python eval.py predictions.jsonl [--baseline prompted.jsonl]

``requests.jsonl`` has what to ask: ``{"id", "messages"}``. Answer each and write ``{"id", "prediction"}``, one a line;
the same with the plain prompt of ``baseline_prompt.txt`` for the baseline. Exit code 1 says that a bar of
``thresholds.json`` was missed. Needs ``pip install ragstone``, and ``'ragstone[eval]'`` where there is a schema.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ragstone.scoring import label_difference, samples_needed, score_json, score_labels, score_style, style_difference

STYLE_TEXTS_LEAST = 20


def rows(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def matched(path: Path, references: Sequence[dict[str, Any]]) -> list[Any]:
    """Predictions in the order of the references; a missing one counts as not given."""
    given = {str(row["id"]): row["prediction"] for row in rows(path)}
    known = [str(row["id"]) for row in references]
    if unknown := sorted(given.keys() - set(known)):
        raise SystemExit(f"{path} has the id {unknown[0]!r}, which references.jsonl lacks: answer requests.jsonl")
    if missing := sum(name not in given for name in known):
        sys.stdout.write(f"{missing} of {len(known)} requests have no prediction: they count as wrong\n")
    return [given.get(name) for name in known]


def score(here: Path, given: list[Any], right: list[Any], bars: dict[str, Any]) -> tuple[list[str], bool]:
    """The report's lines for one model, and whether it passes every bar."""
    task = bars["task"]
    if task == "labels":
        labels = json.loads((here / "labels.json").read_text(encoding="utf-8"))
        found = score_labels(right, given, labels=list(labels["labels"]))
        passed = found.accuracy.value >= bars["accuracy"] and found.macro_f1.value >= bars["macro_f1"]
        return [str(found), f"bar       accuracy {bars['accuracy']:.3f}, macro-F1 {bars['macro_f1']:.3f}"], passed
    if task == "json":
        path = here / "schema.json"
        schema = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        checked = score_json(given, right, schema=schema)
        return [str(checked), f"bar       at least {bars['valid']:.0%} valid"], checked.at_least >= bars["valid"]
    texts = [text or "" for text in given]
    equal = sum(one.split() == other.split() for one, other in zip(texts, right, strict=True))
    lines = [f"exact     {equal} of {len(right)}"]
    wanted = [row["text"] for row in rows(here / "style_ref.jsonl")]
    if min(len(texts), len(wanted)) < STYLE_TEXTS_LEAST:
        return [*lines, f"style     not judged: that takes {STYLE_TEXTS_LEAST} texts a side"], False
    style = score_style(texts, wanted)
    return [*lines, str(style), f"bar       {bars['style']}"], style.verdict == bars["style"]


def gain(task: str, given: list[Any], other: list[Any], right: list[Any]) -> str:
    """What the tuned model gains over the prompted one, on the same requests."""
    if task == "labels":
        return str(label_difference(right, given, other))
    if task == "text" and len(right) >= STYLE_TEXTS_LEAST:
        return f"style {style_difference([one or '' for one in given], [one or '' for one in other], right)}"
    tuned, plain = (score_json(side, right) for side in (given, other))
    return f"parses {tuned.parses.value - plain.parses.value:+.3f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Score predictions, print the report; 0 where all bars are reached."""
    parser = argparse.ArgumentParser(description="Score what a tuned model wrote for requests.jsonl.")
    parser.add_argument("predictions", type=Path)
    parser.add_argument("--baseline", type=Path, help="predictions of the same model with a prompt alone")
    options = parser.parse_args(arguments)
    here = Path(__file__).resolve().parent
    bars = json.loads((here / "thresholds.json").read_text(encoding="utf-8"))
    references = rows(here / "references.jsonl")
    right = [row["reference"] for row in references]
    given = matched(options.predictions, references)
    lines, passed = score(here, given, right, bars)
    lines.append(
        f"claim     {len(right)} held out: 99 % may be claimed from {samples_needed(0.99)} on, none of them wrong"
    )
    if options.baseline is None:
        lines.append("baseline  none: answer the requests with a prompt alone to know what tuning brought")
    else:
        other = matched(options.baseline, references)
        lines += ["baseline", *(f"  {line}" for line in score(here, other, right, bars)[0])]
        lines.append(f"gain      {gain(bars['task'], given, other, right)}")
    lines.append("passed" if passed else "NOT PASSED")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
