"""Figures of the evidence: the four classes in domain, the paths of ``ask`` on the handbook, style guides, the cost.

    python benches/eval_recommender_evidence.py [--shared ../shared]

The queries in domain are the half that nothing was fitted on; the handbook's own queries were never fitted on at all.
What the text alone decides stands beside each figure, so that it shows what the index adds, or takes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import ragstone
from ragstone.recommender import advise, route
from ragstone.recommender.style_guide import is_style_guide

sys.path.insert(0, str(Path(__file__).resolve().parent))
from evidence_cases import HANDBOOK_QUERIES, IN_DOMAIN, PATHS, cases, handbook, handbook_queries, macro_f1_estimate
from targets import Figure, show

STYLE_GUIDE = IN_DOMAIN.with_name("style_guide.jsonl")
# Right by the text alone before there was evidence: no path of the handbook may fall behind.
BEFORE = {"answerable": 135, "unanswerable": 50, "behavioural": 38, "hybrid": 24}
ROUNDS = 20


def figures(shared: Path) -> list[Figure]:
    """Both embedders that ship; the cost with the built-in one."""
    rows: list[Figure] = []
    for name in ("builtin", "minilm"):
        with handbook(name) as index:
            rows += _in_domain(index, name)
            rows += _handbook(index, name)
            rows += _cost(index, name)
    return [*rows, *_style_guides()]


def _in_domain(index: ragstone.Index, name: str) -> list[Figure]:
    """Macro-F1 of what ``ask`` decides, beside the text's."""
    given = cases(IN_DOMAIN, "test")
    true = [case.kind for case in given]
    both = macro_f1_estimate([PATHS[index.ask(case.text).path] for case in given], true)
    text = macro_f1_estimate([PATHS[route(case.text).path] for case in given], true)
    label, count = "4-class macro-F1 in domain", len(given)
    return [
        Figure.at_least(f"{label}, {name}", both.value, 0.85, n=count, note=f"[{both.low:.3f}, {both.high:.3f}]"),
        Figure.stated(f"{label}, text alone", text.value, n=count, note=f"[{text.low:.3f}, {text.high:.3f}]"),
    ][: 2 if name == "builtin" else 1]


def _handbook(index: ragstone.Index, name: str) -> list[Figure]:
    """How many of the handbook's queries take the intended path, and how many are warned of a style guide."""
    rows = []
    for kind, texts in handbook_queries().items():
        answers = [index.ask(text) for text in texts]
        right = sum(answer.path == HANDBOOK_QUERIES[kind] for answer in answers)
        alone = sum(route(text).path == HANDBOOK_QUERIES[kind] for text in texts)
        note = f"text alone {alone}; warned of a style guide {sum(bool(answer.warnings) for answer in answers)}"
        label = f"intended path of {kind} queries, handbook, {name}"
        rows.append(Figure.at_least(label, right, BEFORE[kind], n=len(texts), note=note))
    return rows


def _cost(index: ragstone.Index, name: str) -> list[Figure]:
    """What the search adds to a request for behaviour, which was once answered by route and advice alone."""
    texts = [text for text in handbook_queries()["behavioural"] if index.ask(text).path == "advisory_finetune"]
    asked, alone = _each(index.ask, texts), _each(_advised, texts)
    more = [(one - other) * 1000 for one, other in zip(asked, alone, strict=True)]
    label = f"evidence for a behavioural request, p50, {name}"
    value, note = statistics.median(more), f"p95 {statistics.quantiles(more, n=20)[-1]:.2f} ms"
    if name == "builtin":
        return [Figure.at_most(label, value, 1.0, n=len(texts), unit="ms", note=note)]
    return [Figure.stated(label, value, n=len(texts), unit="ms", note=note)]


def _advised(text: str) -> object:
    found = route(text)
    return advise(text, found) if found.path in ("advisory_finetune", "hybrid") else None


def _each(do: Callable[[str], object], texts: Sequence[str]) -> list[float]:
    """Seconds that each text takes, the best of some rounds: other work on the machine is no cost of this."""
    best = []
    for text in texts:
        spent = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            do(text)
            spent.append(time.perf_counter() - started)
        best.append(min(spent))
    return best


def _style_guides() -> list[Figure]:
    """Precision and recall on the half of the snippets that the rules were made without."""
    rows = [json.loads(line) for line in STYLE_GUIDE.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row["split"] == "test"]
    found = [row["style_guide"] for row in rows if is_style_guide(row["source"], row["title"], row["text"])]
    there = sum(row["style_guide"] for row in rows)
    return [
        Figure.stated("style guides, precision, held-out snippets", sum(found) / len(found), n=len(found)),
        Figure.stated("style guides, recall, held-out snippets", sum(found) / there, n=there),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    options = parser.parse_args()
    show(figures(options.shared))
