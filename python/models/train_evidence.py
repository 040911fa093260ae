"""Fits the weights of ``ragstone.recommender.evidence`` and says what evidence of the index adds to the text.

    python python/models/train_evidence.py [--shared ../shared]

To be run again whenever the router or the answerability is trained anew: under a minute, deterministic. Fitted on the
train halves of two sets of labelled queries, all asked of the handbook with both embedders that ship, as far as the
text takes them to prescribe behaviour: those about the handbook's company, and, with half the weight in all, those
from many other fields, of which the handbook answers none (without them the fit would learn that what the corpus does
not hold was not asked for). Ridge regression towards the text's own decision. Writes
``python/ragstone/recommender/evidence.json`` and ``python/models/EVIDENCE.md``.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benches"))

from evidence_cases import (  # noqa: E402
    HANDBOOK_QUERIES,
    IN_DOMAIN,
    PATHS,
    WIDE,
    Case,
    Seen,
    cases,
    handbook,
    handbook_queries,
    macro_f1,
    macro_f1_estimate,
    seen,
)
from ragstone.estimates import auroc  # noqa: E402
from ragstone.recommender.evidence import Weights, with_evidence  # noqa: E402

EMBEDDERS = ("builtin", "minilm")
RIDGE = 1.0
OTHER_FIELDS = 0.5
OWN = ROOT / "python" / "models" / "router_cases.jsonl"
FAR_SETS, FAR_QUESTIONS = ("xquad-en", "pubmedqa"), 200
CLASSES = ("other", "behavioural", "factual", "hybrid")
Decide = Callable[[Seen], int]


def main() -> None:
    """Collect, fit, write, test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    options = parser.parse_args()
    own, other = {}, {}
    tables: dict[str, dict[str, list[Seen]]] = {}
    for name in EMBEDDERS:
        with handbook(name) as index:
            own[name] = seen(index, cases(IN_DOMAIN, "train"))
            other[name] = seen(index, cases(WIDE, "train"))
            tables[name] = {title: seen(index, given) for title, given in tested(options.shared).items()}
    fitted = fit(own, other)
    alone = {name: fit_index_only(own[name]) for name in EMBEDDERS}
    fields = {"text": fitted.text, "evidence": fitted.evidence, "bias": fitted.bias}
    target = ROOT / "python" / "ragstone" / "recommender" / "evidence.json"
    target.write_text(json.dumps({name: round(value, 4) for name, value in fields.items()}, indent=1) + "\n")
    text = "\n".join(_report(fitted, alone, own, tables)) + "\n"
    (ROOT / "python" / "models" / "EVIDENCE.md").write_text(text)
    print(text)


def tested(shared: Path) -> dict[str, list[Case]]:
    """What is only measured: the test halves, the handbook's own queries, and questions of other fields."""
    sets = {
        "in domain, train half": cases(IN_DOMAIN, "train"),
        "in domain": cases(IN_DOMAIN, "test"),
        "other fields, wide cases": cases(WIDE, "test"),
        "other fields, first cases": cases(OWN, "test"),
    }
    for name, texts in handbook_queries().items():
        sets[f"handbook, {name}"] = [Case(text, PATHS[HANDBOOK_QUERIES[name]], "test") for text in texts]
    for name in FAR_SETS:
        path = shared / "data" / "sets" / name / "queries.jsonl"
        if path.exists():
            texts = [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
            spaced = np.linspace(0, len(texts) - 1, FAR_QUESTIONS).astype(int)
            sets[f"questions of {name}"] = [Case(texts[place], PATHS["retrieve"], "test") for place in spaced]
    return sets


def fit(own: dict[str, list[Seen]], other: dict[str, list[Seen]]) -> Weights:
    """Logistic regression of the need for facts, drawn towards the text's decision: weights 1, 0, 0."""
    rows, truth, weight = [], [], []
    for group, whole in ((own, 1.0), (other, OTHER_FIELDS)):
        used = [row for seen_rows in group.values() for row in seen_rows if _behaves(row)]
        total = sum(len(seen_rows) for seen_rows in own.values()) / len(own)
        for row in used:
            evidence = 0.0 if row.style_guide else max(0.0, log_odds(_known(row)))
            rows.append((log_odds(row.route.p_facts), evidence, 1.0))
            truth.append(row.case.kind >= 2)
            share = len(used) / sum(len(seen_rows) for seen_rows in group.values())
            weight.append(whole * total * share / len(used))
    x, y, w = np.array(rows), np.array(truth, dtype=np.float64), np.array(weight)
    towards = np.array([1.0, 0.0, 0.0])

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = x @ values
        gradient = x.T @ (w * (1 / (1 + np.exp(-z)) - y)) + RIDGE * (values - towards)
        return float((w * (np.logaddexp(0, z) - y * z)).sum() + RIDGE / 2 * ((values - towards) ** 2).sum()), gradient

    found = minimize(loss, towards, jac=True, method="L-BFGS-B", bounds=[(0, None), (0, None), (None, None)]).x
    return Weights(*(round(float(value), 4) for value in found))


def fit_index_only(rows: Sequence[Seen]) -> float:
    """The answerability from which on the index alone would call for facts: best macro-F1 on the train half."""
    places = sorted({row.answerability for row in rows})
    true = [row.case.kind for row in rows]
    return max(places, key=lambda place: macro_f1([_index_only(place)(row) for row in rows], true))


def text_only(row: Seen) -> int:
    """The class by the text alone."""
    return PATHS[row.route.path]


def joint(weights: Weights | None = None) -> Decide:
    """The class by text and index."""

    def decide(row: Seen) -> int:
        joined = with_evidence(
            row.route, row.answerability, least=row.least, style_guide=row.style_guide, weights=weights
        )
        return PATHS[joined.path]

    return decide


def _index_only(least: float) -> Decide:
    return lambda row: int(_behaves(row)) + 2 * (row.answerability >= least)


def _behaves(row: Seen) -> bool:
    return row.route.path in ("advisory_finetune", "hybrid")


def _known(row: Seen) -> float:
    return row.answerability if row.answerability >= row.least else 0.0


def log_odds(p: float) -> float:
    """Of a probability, cut where floats end."""
    p = min(max(p, 1e-9), 1 - 1e-9)
    return math.log(p / (1 - p))


def _report(
    fitted: Weights, alone: dict[str, float], own: dict[str, list[Seen]], tables: dict[str, dict[str, list[Seen]]]
) -> list[str]:
    return [
        "# Evidence: what the index adds to the text",
        "",
        (__doc__ or "").strip(),
        "",
        f"Weights: {fitted.text:g} × log-odds by the text + {fitted.evidence:g} × log-odds of answerability above even "
        f"+ {fitted.bias:g}.",
        "",
        "## Queries about the handbook, test half: four classes",
        "",
        "*Oracle* rows have the true label for one need and the text's decision for the other: what is lost there, no "
        "evidence can mend.",
        "",
        f"| index | decided by | macro-F1 [95 %] | {' | '.join(CLASSES)} |",
        "|---|---|---|---|---|---|---|",
        *(line for name in tables for line in _in_domain(name, tables[name], fitted, alone[name])),
        "",
        "## Does the query need facts? Area under the curve, same half",
        "",
        "| index | queries | text | answerability | both |",
        "|---|---|---|---|---|",
        *(line for name in tables for line in _areas(name, tables[name]["in domain"], fitted)),
        "",
        "## Other queries: does evidence harm?",
        "",
        "Queries of other fields, and questions of fact that the handbook cannot answer, asked of the handbook. *Lost* "
        "are questions of fact that no longer count as such; *gained* and *spoilt* are decisions that evidence put "
        "right and wrong.",
        "",
        "| index | queries | n | right by text | right by both | gained | spoilt | facts lost |",
        "|---|---|---|---|---|---|---|---|",
        *(line for name in tables for line in _harm(name, tables[name], fitted)),
    ]


def _in_domain(name: str, sets: dict[str, list[Seen]], fitted: Weights, alone: float) -> list[str]:
    ways: dict[str, Decide] = {
        "text": text_only,
        f"index (answerability ≥ {alone:.2f}), behaviour by text": _index_only(alone),
        "text and index": joint(fitted),
        "oracle for facts": lambda row: int(_behaves(row)) + (row.case.kind & 2),
        "oracle for behaviour, facts by both": lambda row: (row.case.kind & 1) + (joint(fitted)(row) & 2),
    }
    lines = []
    for half in ("in domain", "in domain, train half"):
        rows = sets[half]
        true = [row.case.kind for row in rows]
        for way, decide in ways.items():
            found = [decide(row) for row in rows]
            each = [f"{_f1(found, true, kind):.3f}" for kind in range(4)]
            label = way if half == "in domain" else f"{way} (train half)"
            if half == "in domain" or way in ("text", "text and index"):
                lines.append(f"| {name} | {label} | {macro_f1_estimate(found, true)} | {' | '.join(each)} |")
    return lines


def _f1(found: Sequence[int], true: Sequence[int], kind: int) -> float:
    hits = sum(a == b == kind for a, b in zip(found, true, strict=True))
    return 2 * hits / max(1, list(found).count(kind) + list(true).count(kind))


def _areas(name: str, rows: list[Seen], fitted: Weights) -> list[str]:
    lines = []
    for label, chosen in (
        ("all", rows),
        ("behavioural and hybrid", [row for row in rows if row.case.kind & 1]),
        ("factual and other", [row for row in rows if not row.case.kind & 1]),
    ):
        cells = []
        scores: tuple[Callable[[Seen], float], ...] = (
            lambda row: row.route.p_facts,
            lambda row: row.answerability,
            lambda row: (
                with_evidence(
                    row.route, row.answerability, least=row.least, style_guide=row.style_guide, weights=fitted
                ).p_facts
            ),
        )
        for score in scores:
            yes = [score(row) for row in chosen if row.case.kind >= 2]
            no = [score(row) for row in chosen if row.case.kind < 2]
            cells.append(str(auroc(yes, no)))
        lines.append(f"| {name} | {label} ({len(chosen)}) | {' | '.join(cells)} |")
    return lines


def _harm(name: str, sets: dict[str, list[Seen]], fitted: Weights) -> list[str]:
    lines = []
    for title, rows in sets.items():
        if title.startswith("in domain"):
            continue
        text, both = [text_only(row) for row in rows], [joint(fitted)(row) for row in rows]
        true = [row.case.kind for row in rows]
        before = [one == kind for one, kind in zip(text, true, strict=True)]
        after = [one == kind for one, kind in zip(both, true, strict=True)]
        gained = sum(new and not old for old, new in zip(before, after, strict=True))
        spoilt = sum(old and not new for old, new in zip(before, after, strict=True))
        lost = sum(k >= 2 and t >= 2 > b for k, t, b in zip(true, text, both, strict=True))
        lines.append(
            f"| {name} | {title} | {len(rows)} | {sum(before)} | {sum(after)} | {gained} | {spoilt} | {lost} |"
        )
    return lines


if __name__ == "__main__":
    main()
