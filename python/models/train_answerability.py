"""Fits the weights of ``ragstone.answerability`` and says how well they tell answerable questions from others.

    python python/models/train_answerability.py [--sets ../shared/data/sets] [--handbook corpora/handbook]

Trained on public question sets, each query asked twice: of the whole corpus (answerable) and with the documents that
answer it filtered out (a *near* unanswerable: same field, no answer). Also asked of another set's corpus (*far*).
Every second question of the project's handbook is trained on too, the others are for testing only. Writes
``python/ragstone/answerability.json`` and ``python/models/ANSWERABILITY.md``; no randomness.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ragstone
from ragstone import Document, F
from ragstone.answerability import features

ROOT = Path(__file__).resolve().parents[2]
TRAINING_SETS = ("xquad-en", "pubmedqa", "cranfield")
QUERIES_MAX = 250  # of each set, evenly spaced
EMBEDDERS = ("minilm", "builtin")
RIDGE = 1.0
HANDBOOK_TIMES = 4
KEPT = 0.93  # share of answerable training questions that the threshold keeps


@dataclass(frozen=True)
class Example:
    """Evidence of one query with what is true of it."""

    evidence: dict[str, Any]
    answerable: bool
    kind: str


def main() -> None:
    """Collect, fit, test, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, default=ROOT.parent / "shared" / "data" / "sets")
    parser.add_argument("--handbook", type=Path, default=ROOT / "corpora" / "handbook")
    options = parser.parse_args()
    models, lines = {}, ["# Answerability: how the shipped weights do", "", __doc__ or "", _table_head()]
    pooled: list[Example] = []
    pooled_test: list[Example] = []
    for embedder in EMBEDDERS:
        train = list(_training(options.sets, embedder))
        own = list(_handbook(options.handbook, embedder))
        # Few beside the public sets', and the only ones that look like a company's: they count several times.
        train += own[::2] * HANDBOOK_TIMES
        test = own[1::2]
        pooled += train
        pooled_test += test
        models[embedder] = _fit(train, hidden=())
        lines += _report(embedder, models[embedder], train, test)
    models["other"] = _fit(pooled, hidden=(0,))
    lines += _report("other (no raw cosine)", models["other"], pooled, pooled_test)
    blind, blind_test = [_without_dense(one) for one in pooled], [_without_dense(one) for one in pooled_test]
    models["bm25"] = _fit(blind, hidden=(0, 1, 2, 7, 9))
    lines += _report("bm25", models["bm25"], blind, blind_test)
    (ROOT / "python" / "ragstone" / "answerability.json").write_text(json.dumps(models, indent=1) + "\n")
    text = "\n".join(lines) + "\n"
    (ROOT / "python" / "models" / "ANSWERABILITY.md").write_text(text)
    print(text)


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _qrels(path: Path) -> dict[str, set[str]]:
    relevant: dict[str, set[str]] = {}
    with path.open(encoding="utf-8") as file:
        for query, document, grade in list(csv.reader(file, delimiter="\t"))[1:]:
            if int(grade) > 0:
                relevant.setdefault(query, set()).add(document)
    return relevant


def _spread(rows: Sequence[Any], most: int) -> list[Any]:
    """At most so many rows, evenly spaced."""
    return [rows[int(place)] for place in np.linspace(0, len(rows) - 1, min(most, len(rows)))]


def _training(sets: Path, embedder: str) -> Iterator[Example]:
    """Each set's queries, asked of the whole corpus, of the corpus without their answers, and of the next set's."""
    everything = {name: _spread(_rows(sets / name / "queries.jsonl"), QUERIES_MAX) for name in TRAINING_SETS}
    for place, name in enumerate(TRAINING_SETS):
        corpus = sets / ("scifact-test" if name == "scifact-train" else name)
        relevant = _qrels(sets / name / "qrels.tsv")
        foreign = everything[TRAINING_SETS[(place + 1) % len(TRAINING_SETS)]]
        with tempfile.TemporaryDirectory() as folder, ragstone.open(folder, embedder=embedder) as index:
            index.upsert(
                Document(document_id=row["_id"], title=row["title"], text=row["text"], metadata={"key": row["_id"]})
                for row in _rows(corpus / "corpus.jsonl")
                if row["text"].strip()
            )
            for row in everything[name]:
                answers = relevant.get(row["_id"], set())
                if not answers:
                    continue
                yield _asked(index, row["text"], answerable=True, kind="answerable")
                without = ~F("key").isin(sorted(answers))
                yield _asked(index, row["text"], answerable=False, kind="near", filter=without)
            for row in _spread(foreign, QUERIES_MAX // 4):
                yield _asked(index, row["text"], answerable=False, kind="far")


def _asked(index: ragstone.Index, query: str, *, answerable: bool, kind: str, filter: Any = None) -> Example:
    _, evidence = index.search_with_evidence(query, top_k=5, filter=filter)
    return Example(evidence=dict(evidence), answerable=answerable, kind=kind)


def _handbook(folder: Path, embedder: str) -> Iterator[Example]:
    """The project's own questions, with their own unanswerable ones."""
    with tempfile.TemporaryDirectory() as place, ragstone.open(place, embedder=embedder) as index:
        index.ingest(folder / "documents")
        for row in _rows(folder / "queries" / "answerable.jsonl"):
            yield _asked(index, row["text"], answerable=True, kind="answerable")
        for row in _rows(folder / "queries" / "unanswerable.jsonl"):
            yield _asked(index, row["text"], answerable=False, kind=row["kind"])


def _without_dense(example: Example) -> Example:
    return Example({**example.evidence, "cosine": [], "agree": False}, example.answerable, example.kind)


def _matrix(examples: Sequence[Example]) -> NDArray[np.float64]:
    return np.array([features(example.evidence) for example in examples])  # type: ignore[arg-type]


def _fit(examples: Sequence[Example], hidden: Sequence[int]) -> dict[str, Any]:
    """Logistic regression by Newton's method with a ridge; hidden features get no weight. Classes weigh the same."""
    values, truth = _matrix(examples), np.array([example.answerable for example in examples], dtype=float)
    mean, scale = values.mean(axis=0), values.std(axis=0)
    scale[scale < 1e-9] = 1.0
    standard = (values - mean) / scale
    standard[:, list(hidden)] = 0.0
    design = np.column_stack([standard, np.ones(len(standard))])
    importance = np.where(truth == 1, 0.5 / truth.mean(), 0.5 / (1 - truth.mean()))
    ridge = np.diag([RIDGE] * standard.shape[1] + [0.0])
    weight = np.zeros(design.shape[1])
    for _ in range(50):
        probability = 1 / (1 + np.exp(-design @ weight))
        gradient = design.T @ (importance * (probability - truth)) + ridge @ weight
        curvature = (design * (importance * probability * (1 - probability))[:, None]).T @ design + ridge
        step = np.linalg.solve(curvature + 1e-9 * np.eye(len(weight)), gradient)
        weight -= step
        if np.abs(step).max() < 1e-10:
            break
    model = {
        "mean": mean.round(6).tolist(),
        "scale": scale.round(6).tolist(),
        "weight": weight[:-1].round(6).tolist(),
        "bias": round(float(weight[-1]), 6),
        "threshold": 0.5,
    }
    kept = _probabilities(model, examples)[truth == 1]
    model["threshold"] = round(float(np.quantile(kept, 1 - KEPT)), 4)
    return model


def _probabilities(model: dict[str, Any], examples: Sequence[Example]) -> NDArray[np.float64]:
    standard = (_matrix(examples) - np.array(model["mean"])) / np.array(model["scale"])
    return 1 / (1 + np.exp(-(standard @ np.array(model["weight"]) + model["bias"])))


def _auroc(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
    greater = (positive[:, None] > negative[None, :]).mean() + 0.5 * (positive[:, None] == negative[None, :]).mean()
    return float(greater)


def _table_head() -> str:
    return (
        "| model | data | questions | AUROC near | AUROC far | answerable kept | near refused | far refused |\n"
        "|---|---|---|---|---|---|---|---|"
    )


def _report(name: str, model: dict[str, Any], train: Sequence[Example], test: Sequence[Example]) -> list[str]:
    lines = []
    for data, examples in (("fitted on", train), ("handbook, held-out half", test)):
        probability = _probabilities(model, examples)
        kinds = ("answerable", "near", "far")
        of = {kind: probability[[example.kind == kind for example in examples]] for kind in kinds}
        refused = {kind: float((values < model["threshold"]).mean()) for kind, values in of.items()}
        lines.append(
            f"| {name} | {data} | {len(examples)} | {_auroc(of['answerable'], of['near']):.3f} "
            f"| {_auroc(of['answerable'], of['far']):.3f} | {1 - refused['answerable']:.3f} "
            f"| {refused['near']:.3f} | {refused['far']:.3f} |"
        )
    return lines


if __name__ == "__main__":
    main()
