"""Fits what ``ask`` adds to the router: a second reading by an embedding, and the evidence of the index.

    python python/models/train_evidence.py [--shared ../shared]

To be run again whenever the router, an embedder or the answerability is trained anew; deterministic. The router has
learnt from the hand-labelled queries and is sure of every one of them; so what is fitted to is what a router says that
saw neither the query nor its contrast pair, by cross-validation. That takes some minutes, once for each ``router.bin``,
and is kept in ``.build``; the rest takes a minute or two.

``recommender.reading``: two logistic regressions over the query's embedding and the router's log-odds, on the train
halves of all hand-labelled queries and a part of the public ones. ``recommender.evidence``: one weight, on the train
half of the queries about the handbook's company as far as they are read as prescribing behaviour; for all others it is
1 by design, since these queries have few keywords, and a search too many costs less than one too few. The first
for MiniLM, the second over both embedders that ship. Writes ``reading.bin`` and ``evidence.json`` beside the two
modules, and ``EVIDENCE.md`` here.

Forms of the evidence were chosen by cross-validation on the train half. The test half of the queries in domain was seen
with earlier forms and routers; that the built-in embedder does not read again was decided with it in view.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benches"))

from evidence_cases import (
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
from ragstone import route
from ragstone.estimates import auroc
from ragstone.recommender.evidence import Weights, with_evidence
from ragstone.recommender.reading import is_keyword, log_odds, read_again
from ragstone.records import Embedder, Route
from ragstone.records import Path as RoutePath

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "python" / "models"
PACKAGE = ROOT / "python" / "ragstone" / "recommender"
HELD_OUT = ROOT / ".build" / "router_held_out.json"
EMBEDDERS, READER = ("builtin", "minilm"), "minilm"
QUESTION = 1.0
# On the weights of a vector of unit length; from 0.2 to 2 the cross-validated figures hardly differ.
RIDGE = 0.6
OWN = MODELS / "router_cases.jsonl"
# The public sets are large and of one kind each: a part of them, at half the weight, keeps the second reading from
# forgetting what they taught.
PUBLIC_SOURCES, PUBLIC_ROWS, PUBLIC_WEIGHT = ("banking", "bitext", "dolly", "msmarco", "nq", "seedclf"), 400, 0.5
FAR_SETS, FAR_QUESTIONS = ("xquad-en", "pubmedqa"), 200
PUBLIC = {"nq": 2, "banking": 2, "seedclf": 1}
CLASSES = ("other", "behavioural", "factual", "hybrid")
NAMES: dict[int, RoutePath] = {0: "pass", 1: "advisory_finetune", 2: "retrieve", 3: "hybrid"}
Decide = Callable[[Seen], int]


def main() -> None:
    """Collect, fit, write, test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    options = parser.parse_args()
    known = held_out(options.shared)
    train: dict[str, list[Seen]] = {}
    tables: dict[str, dict[str, list[Seen]]] = {}
    lines: list[str] = []
    for name in EMBEDDERS:
        with handbook(name) as index:
            embedder = index.embedder
            assert embedder is not None
            again, heads = [one.route for one in known], None
            if name == READER:
                vectors = embedder.embed([one.text for one in known])
                again, heads = cross_read(known, vectors), fit_heads(known, vectors).astype("<f4")
                lines = _sources(known, again)
                (PACKAGE / "reading.bin").write_bytes(embedder.fingerprint.encode() + b"\n" + heads.tobytes())
            pairs = {one.text: (one.route, read) for one, read in zip(known, again, strict=True)}
            train[name] = seen(index, cases(IN_DOMAIN, "train"), lambda case, pairs=pairs: pairs[case.text])
            tell = _reader(embedder, heads)
            tables[name] = {title: seen(index, given, tell) for title, given in tested(options.shared).items()}
    pooled = [row for rows in train.values() for row in rows]
    fitted = Weights(QUESTION, fit(pooled))
    target = PACKAGE / "evidence.json"
    target.write_text(json.dumps({"question": fitted.question, "request": fitted.request}, indent=1) + "\n")
    text = "\n".join(_report(fitted, pooled, train, tables, lines)) + "\n"
    (MODELS / "EVIDENCE.md").write_text(text)
    print(text)


@dataclass(frozen=True)
class Known:
    """A query to learn from, and its route by a router that has not learnt from it."""

    text: str
    kind: int
    source: str
    fold: int
    route: Route


def held_out(shared: Path) -> list[Known]:
    """All of them; kept until the router changes."""
    digest = hashlib.sha256((PACKAGE / "router.bin").read_bytes()).hexdigest()
    kept = json.loads(HELD_OUT.read_text(encoding="utf-8")) if HELD_OUT.exists() else {"router_sha256": ""}
    if kept["router_sha256"] != digest:
        sys.path.insert(0, str(MODELS))
        from router_model import Data, cross_validated, first_twins
        from router_rows import UNKNOWN, own_rows, public_rows, training_rows

        print("the router is new: cross-validating it takes some minutes", file=sys.stderr, flush=True)
        data = Data.of(training_rows(public_rows(shared / "data" / "queries"), own_rows()))
        behaviour, facts = cross_validated(data).probabilities()
        found = {}
        first = first_twins(data)
        for source in sorted({row.source for row in data.rows}):
            rows = [at for at, row in enumerate(data.rows) if row.source == source and first[at]]
            if not data.rows[rows[0]].hand:
                known = [at for at in rows if UNKNOWN not in (data.rows[at].facts, data.rows[at].behaviour)]
                rows = known[:: max(1, len(known) // PUBLIC_ROWS)] if source in PUBLIC_SOURCES else []
            for at in rows:
                row, pair = data.rows[at], (float(behaviour[at]), float(facts[at]))
                found[row.text] = (row.text, row.behaviour + 2 * row.facts, source, int(data.fold[at]), *pair)
        kept = {"router_sha256": digest, "queries": list(found.values())}
        HELD_OUT.parent.mkdir(exist_ok=True)
        HELD_OUT.write_text(json.dumps(kept), encoding="utf-8")
    return [Known(text, kind, source, fold, _route(b, f)) for text, kind, source, fold, b, f in kept["queries"]]


def fit_heads(known: Sequence[Known], vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Both heads of the second reading, shape (2, dimension + 3)."""
    pairs = [(log_odds(one.route.p_behaviour), log_odds(one.route.p_facts), 1.0) for one in known]
    x = np.concatenate([vectors.astype(np.float64), np.array(pairs)], axis=1)
    ridge = np.concatenate([np.full(vectors.shape[1], RIDGE), np.full(3, 1e-3)])
    kinds = np.array([one.kind for one in known])
    weight = np.array([PUBLIC_WEIGHT if one.source in PUBLIC_SOURCES else 1.0 for one in known])
    return np.stack([_logistic(x, truth.astype(np.float64), weight, ridge) for truth in (kinds % 2, kinds // 2)])


def _logistic(
    x: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64], ridge: NDArray[np.float64]
) -> NDArray[np.float64]:
    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = x @ values
        gradient = x.T @ (weight * (1 / (1 + np.exp(-z)) - y)) + ridge * values
        return float((weight * (np.logaddexp(0, z) - y * z)).sum() + (ridge * values**2).sum() / 2), gradient

    return np.asarray(minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 500}).x)


def cross_read(known: Sequence[Known], vectors: NDArray[np.float32]) -> list[Route]:
    """Each query as read again by heads that have not learnt from it or its contrast pair."""
    routes = [one.route for one in known]
    for fold in sorted({one.fold for one in known}):
        inside = [place for place, one in enumerate(known) if one.fold != fold]
        heads = fit_heads([known[place] for place in inside], vectors[inside]).astype(np.float32)
        for place, one in enumerate(known):
            if one.fold == fold and not is_keyword(one.text):
                routes[place] = read_again(one.route, vectors[place], heads)
    return routes


def _reader(embedder: Embedder, heads: NDArray[np.float32] | None) -> Callable[[Case], tuple[Route, Route]]:
    def tell(case: Case) -> tuple[Route, Route]:
        first = route(case.text)
        if heads is None or is_keyword(case.text):
            return first, first
        return first, read_again(first, embedder.embed([case.text])[0], heads)

    return tell


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
    for name, kind in PUBLIC.items():
        path = shared / "data" / "queries" / f"{name}.jsonl"
        if path.exists():
            texts = [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
            spaced = np.linspace(0, len(texts) - 1, min(FAR_QUESTIONS, len(texts))).astype(int)
            sets[f"{name} (the router learnt from it)"] = [Case(texts[place], kind, "test") for place in spaced]
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


def router_only(row: Seen) -> int:
    """The class by the router alone."""
    return PATHS[row.first.path]


def text_only(row: Seen) -> int:
    """The class by the text alone, read twice."""
    return PATHS[row.route.path]


def index_only(least: float) -> Decide:
    """The class if answerability alone told the need for facts."""
    return lambda row: (text_only(row) & 1) + 2 * (row.answerability >= least)


def joint(weights: Weights) -> Decide:
    """The class by text and index."""
    return lambda row: PATHS[joined(row, weights).path]


def joined(row: Seen, weights: Weights) -> Route:
    """The route by text and index."""
    return with_evidence(
        row.route,
        row.answerability,
        least=row.least,
        style_guide=row.style_guide,
        keyword=is_keyword(row.case.text),
        weights=weights,
    )


def free(values: NDArray[np.float64]) -> Decide:
    """The class by three free weights for behavioural requests, and as shipped for others."""

    def decide(row: Seen) -> int:
        if not text_only(row) & 1:
            return joint(Weights(QUESTION, 0.0))(row)
        return 1 + 2 * (values @ (log_odds(row.route.p_facts), evidence_of(row), 1.0) >= 0)

    return decide


def _report(
    fitted: Weights,
    pooled: list[Seen],
    train: dict[str, list[Seen]],
    tables: dict[str, dict[str, list[Seen]]],
    sources: list[str],
) -> list[str]:
    ways: dict[str, Decide] = {
        "router": router_only,
        "router, read again": text_only,
        "**read again, with evidence (ships)**": joint(fitted),
        "index alone for facts, behaviour as read": index_only(fit_index_only(pooled)),
        "three free weights": free(fit_free(pooled)),
        "behaviour as read, true need for facts": lambda row: (text_only(row) & 1) + (row.case.kind & 2),
        "true behaviour, facts as shipped": lambda row: (row.case.kind & 1) + (joint(fitted)(row) & 2),
    }
    halves = {"test": {name: sets["in domain"] for name, sets in tables.items()}, "train, cross-validated": train}
    return [
        "# What ask adds to the router: a second reading, and the evidence of the index",
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
        "| index | queries | router | read again | answerability | ships |",
        "|---|---|---|---|---|---|",
        *(line for name, sets in tables.items() for line in _areas(name, sets["in domain"], fitted)),
        "",
        "## The second reading on the queries that it is fitted to, cross-validated: macro-F1",
        "",
        "| queries | n | router | read again |",
        "|---|---|---|---|",
        *sources,
        "",
        "## All other queries: do the reading and the evidence harm?",
        "",
        "Asked of the handbook: queries of other fields, and questions of fact that it cannot answer. Columns count "
        "right decisions; *spoilt by evidence* are those that were right as read.",
        "",
        "| index | queries | n | router | read again | ships | spoilt by evidence |",
        "|---|---|---|---|---|---|---|",
        *(_harm(name, title, rows, fitted) for name, sets in tables.items() for title, rows in sets.items()),
    ]


def _sources(known: Sequence[Known], read: Sequence[Route]) -> list[str]:
    lines = []
    for source in sorted({one.source for one in known}):
        rows = [(one, again) for one, again in zip(known, read, strict=True) if one.source == source]
        true = [one.kind for one, _ in rows]
        first = macro_f1_estimate([PATHS[one.route.path] for one, _ in rows], true)
        again = macro_f1_estimate([PATHS[own.path] for _, own in rows], true)
        lines.append(f"| {source} | {len(rows)} | {first} | {again} |")
    return lines


def _classes(half: str, name: str, way: str, decide: Decide, rows: list[Seen]) -> str:
    found, true = [decide(row) for row in rows], [row.case.kind for row in rows]
    each = " | ".join(f"{_f1(found, true, kind):.3f}" for kind in range(4))
    return f"| {half} | {name} | {way} | {macro_f1_estimate(found, true)} | {each} |"


def _f1(found: Sequence[int], true: Sequence[int], kind: int) -> float:
    hits = sum(a == b == kind for a, b in zip(found, true, strict=True))
    return 2 * hits / max(1, list(found).count(kind) + list(true).count(kind))


def _areas(name: str, rows: list[Seen], fitted: Weights) -> list[str]:
    scores: tuple[Callable[[Seen], float], ...] = (
        lambda row: row.first.p_facts,
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
    ways: tuple[Decide, ...] = (router_only, text_only, joint(fitted))
    right = [[decide(row) == row.case.kind for row in rows] for decide in ways]
    spoilt = sum(old and not new for old, new in zip(right[1], right[2], strict=True))
    return f"| {name} | {title} | {len(rows)} | {' | '.join(str(sum(own)) for own in right)} | {spoilt} |"


if __name__ == "__main__":
    main()
