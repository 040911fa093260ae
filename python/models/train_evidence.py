"""Fits the weight of ``ragstone.recommender.evidence`` and says what evidence of the index adds to the text.

    python python/models/train_evidence.py [--shared ../shared]

To be run again whenever the router or the answerability is trained anew; deterministic. Fitted on the train half of the
queries about the handbook's company, asked of the handbook with both embedders that ship, as far as the text takes them
to prescribe behaviour. The router has learnt from these queries too, and is sure of every one of them; so what is
fitted to is what a router says that saw neither the query nor its contrast pair, by cross-validation. That takes some
minutes, once for each ``router.bin``, and is kept in ``router_held_out.json``; the rest takes half a minute. Writes
``python/ragstone/recommender/evidence.json`` and ``python/models/EVIDENCE.md``.

The weight for queries that prescribe no behaviour is 1 by design and not fitted: these queries have few keywords, and a
search too many costs less than one too few.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar

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
from ragstone.records import Path as RoutePath  # noqa: E402
from ragstone.records import Route  # noqa: E402

MODELS = ROOT / "python" / "models"
PACKAGE = ROOT / "python" / "ragstone" / "recommender"
HELD_OUT = MODELS / "router_held_out.json"
EMBEDDERS = ("builtin", "minilm")
QUESTION = 1.0
OWN = MODELS / "router_cases.jsonl"
FAR_SETS, FAR_QUESTIONS = ("xquad-en", "pubmedqa"), 200
CLASSES = ("other", "behavioural", "factual", "hybrid")
NAMES: dict[int, RoutePath] = {0: "pass", 1: "advisory_finetune", 2: "retrieve", 3: "hybrid"}
Decide = Callable[[Seen], int]


def main() -> None:
    """Collect, fit, write, test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    options = parser.parse_args()
    held = held_out(options.shared)
    train: dict[str, list[Seen]] = {}
    tables: dict[str, dict[str, list[Seen]]] = {}
    for name in EMBEDDERS:
        with handbook(name) as index:
            train[name] = seen(index, cases(IN_DOMAIN, "train"), lambda case: held[case.text])
            tables[name] = {title: seen(index, given) for title, given in tested(options.shared).items()}
    pooled = [row for rows in train.values() for row in rows]
    fitted = Weights(QUESTION, fit(pooled))
    target = PACKAGE / "evidence.json"
    target.write_text(json.dumps({"question": fitted.question, "request": fitted.request}, indent=1) + "\n")
    ways: dict[str, Decide] = {
        "text alone": text_only,
        "index alone, behaviour by text": index_only(fit_index_only(pooled)),
        "**text and index, as shipped**": joint(fitted),
        "text and index, three free weights": free(fit_free(pooled)),
        "the text's behaviour, true need for facts": lambda row: (text_only(row) & 1) + (row.case.kind & 2),
        "true behaviour, facts as shipped": lambda row: (row.case.kind & 1) + (joint(fitted)(row) & 2),
    }
    text = "\n".join(_report(fitted, ways, train, tables)) + "\n"
    (MODELS / "EVIDENCE.md").write_text(text)
    print(text)


def held_out(shared: Path) -> dict[str, Route]:
    """Routes of the train half by routers that learnt from other queries only; kept until the router changes."""
    digest = hashlib.sha256((PACKAGE / "router.bin").read_bytes()).hexdigest()
    kept = json.loads(HELD_OUT.read_text(encoding="utf-8")) if HELD_OUT.exists() else {"router_sha256": ""}
    if kept["router_sha256"] != digest:
        sys.path.insert(0, str(MODELS))
        from router_model import Data, cross_validated, first_twins
        from router_rows import own_rows, public_rows, training_rows

        print("the router is new: cross-validating it takes some minutes", file=sys.stderr, flush=True)
        data = Data.of(training_rows(public_rows(shared / "data" / "queries"), own_rows()))
        behaviour, facts = cross_validated(data).probabilities()
        wanted = {case.text for case in cases(IN_DOMAIN, "train")}
        found = {
            row.text: [round(float(behaviour[place]), 6), round(float(facts[place]), 6)]
            for place, (row, first) in enumerate(zip(data.rows, first_twins(data), strict=True))
            if first and row.text in wanted
        }
        kept = {"router_sha256": digest, "queries": found}
        HELD_OUT.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return {text: _route(*pair) for text, pair in kept["queries"].items()}


def _route(behaviour: float, facts: float) -> Route:
    return Route(NAMES[(behaviour >= 0.5) + 2 * (facts >= 0.5)], behaviour, facts, uncertain=False)


def tested(shared: Path) -> dict[str, list[Case]]:
    """What is only measured: the test halves, the handbook's own queries, and questions of other fields."""
    sets = {
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


def fit(rows: Sequence[Seen]) -> float:
    """The weight, from 0 to 1, by which requests for behaviour are most likely what they are labelled."""
    text, evidence, truth = signals(rows)

    def loss(weight: float) -> float:
        z = text + weight * evidence
        return float(np.mean(np.logaddexp(0, z) - truth * z))

    return round(float(minimize_scalar(loss, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-6}).x), 3)


def fit_free(rows: Sequence[Seen]) -> NDArray[np.float64]:
    """Weights of text and evidence, and a constant, drawn towards the text's own decision by a ridge of 1."""
    text, evidence, truth = signals(rows)
    x, towards = np.stack([text, evidence, np.ones(len(text))], axis=1), np.array([1.0, 0.0, 0.0])

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = x @ values
        gradient = x.T @ (1 / (1 + np.exp(-z)) - truth) + values - towards
        return float((np.logaddexp(0, z) - truth * z).sum() + ((values - towards) ** 2).sum() / 2), gradient

    return np.asarray(minimize(loss, towards, jac=True, method="L-BFGS-B").x)


def fit_index_only(rows: Sequence[Seen]) -> float:
    """The answerability from which on the index alone would call for facts: best macro-F1 on the train half."""
    true = [row.case.kind for row in rows]
    places = sorted({row.answerability for row in rows})
    return max(places, key=lambda place: macro_f1([index_only(place)(row) for row in rows], true))


def signals(rows: Sequence[Seen]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Log-odds by the text, evidence, and the truth, of the rows that the text takes for behavioural."""
    used = [row for row in rows if text_only(row) & 1]
    text = np.array([log_odds(row.route.p_facts) for row in used])
    return text, np.array([evidence_of(row) for row in used]), np.array([float(row.case.kind >= 2) for row in used])


def evidence_of(row: Seen) -> float:
    """Log-odds of answerability above even; none where the hit is a style guide's, or ``ask`` would abstain."""
    counts = row.answerability >= row.least and not row.style_guide
    return max(0.0, log_odds(row.answerability)) if counts else 0.0


def log_odds(p: float) -> float:
    """Of a probability, cut where floats end."""
    p = min(max(p, 1e-9), 1 - 1e-9)
    return math.log(p / (1 - p))


def text_only(row: Seen) -> int:
    """The class by the text alone."""
    return PATHS[row.route.path]


def index_only(least: float) -> Decide:
    """The class if answerability alone told the need for facts."""
    return lambda row: (text_only(row) & 1) + 2 * (row.answerability >= least)


def joint(weights: Weights) -> Decide:
    """The class by text and index."""
    return lambda row: PATHS[joined(row, weights).path]


def joined(row: Seen, weights: Weights) -> Route:
    """The route by text and index."""
    return with_evidence(row.route, row.answerability, least=row.least, style_guide=row.style_guide, weights=weights)


def free(values: NDArray[np.float64]) -> Decide:
    """The class by three free weights for behavioural requests, and as shipped for others."""

    def decide(row: Seen) -> int:
        if not text_only(row) & 1:
            return joint(Weights(QUESTION, 0.0))(row)
        return 1 + 2 * (values @ (log_odds(row.route.p_facts), evidence_of(row), 1.0) >= 0)

    return decide


def _report(
    fitted: Weights, ways: dict[str, Decide], train: dict[str, list[Seen]], tables: dict[str, dict[str, list[Seen]]]
) -> list[str]:
    halves = {"test": {name: sets["in domain"] for name, sets in tables.items()}, "train, cross-validated": train}
    return [
        "# Evidence: what the index adds to the text",
        "",
        (__doc__ or "").strip(),
        "",
        f"Weight of evidence for a request that prescribes behaviour: {fitted.request:g}.",
        "",
        "## Queries about the handbook: four classes",
        "",
        "Rows with a *true* label for one need show what is lost by the other: no evidence can mend that. *Three free "
        "weights* are sigmoid(a·text + b·evidence + c) for behavioural requests.",
        "",
        f"| half | index | decided by | macro-F1 [95 %] | {' | '.join(CLASSES)} |",
        "|---|---|---|---|---|---|---|---|",
        *(
            _classes(half, name, way, decide, rows)
            for half, sets in halves.items()
            for name, rows in sets.items()
            for way, decide in ways.items()
        ),
        "",
        "## Does the query need facts? Area under the curve, test half",
        "",
        "| index | queries | text | answerability | both |",
        "|---|---|---|---|---|",
        *(line for name, sets in tables.items() for line in _areas(name, sets["in domain"], fitted)),
        "",
        "## All other queries: does evidence harm?",
        "",
        "Queries of other fields, and questions of fact that the handbook cannot answer, asked of the handbook. "
        "*Gained* and *spoilt* are decisions that evidence put right and wrong.",
        "",
        "| index | queries | n | right by text | right by both | gained | spoilt |",
        "|---|---|---|---|---|---|---|",
        *(_harm(name, title, rows, fitted) for name, sets in tables.items() for title, rows in sets.items()),
    ]


def _classes(half: str, name: str, way: str, decide: Decide, rows: list[Seen]) -> str:
    found, true = [decide(row) for row in rows], [row.case.kind for row in rows]
    each = " | ".join(f"{_f1(found, true, kind):.3f}" for kind in range(4))
    return f"| {half} | {name} | {way} | {macro_f1_estimate(found, true)} | {each} |"


def _f1(found: Sequence[int], true: Sequence[int], kind: int) -> float:
    hits = sum(a == b == kind for a, b in zip(found, true, strict=True))
    return 2 * hits / max(1, list(found).count(kind) + list(true).count(kind))


def _areas(name: str, rows: list[Seen], fitted: Weights) -> list[str]:
    scores: tuple[Callable[[Seen], float], ...] = (
        lambda row: row.route.p_facts,
        lambda row: row.answerability,
        lambda row: joined(row, fitted).p_facts,
    )
    groups = {
        "all": rows,
        "behavioural and hybrid": [row for row in rows if row.case.kind & 1],
        "factual and other": [row for row in rows if not row.case.kind & 1],
    }
    lines = []
    for label, chosen in groups.items():
        cells = []
        for score in scores:
            yes = [score(row) for row in chosen if row.case.kind >= 2]
            cells.append(str(auroc(yes, [score(row) for row in chosen if row.case.kind < 2])))
        lines.append(f"| {name} | {label} ({len(chosen)}) | {' | '.join(cells)} |")
    return lines


def _harm(name: str, title: str, rows: list[Seen], fitted: Weights) -> str:
    before = [text_only(row) == row.case.kind for row in rows]
    after = [joint(fitted)(row) == row.case.kind for row in rows]
    gained = sum(new and not old for old, new in zip(before, after, strict=True))
    spoilt = sum(old and not new for old, new in zip(before, after, strict=True))
    return f"| {name} | {title} | {len(rows)} | {sum(before)} | {sum(after)} | {gained} | {spoilt} |"


if __name__ == "__main__":
    main()
