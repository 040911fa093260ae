"""Labelled queries about the handbook with what text and index say of each: for fitting and measuring the evidence."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

import ragstone
from ragstone.estimates import Estimate
from ragstone.pipeline.ask import style_guides
from ragstone.recommender import factual_part, route
from ragstone.records import Route

ROOT = Path(__file__).resolve().parents[1]
HANDBOOK = ROOT / "corpora" / "handbook"
IN_DOMAIN = ROOT / "corpora" / "evaluation" / "router" / "in_domain.jsonl"
WIDE = ROOT / "python" / "models" / "router_cases_wide.jsonl"
# Classes as numbers: behaviour counts 1, facts 2.
PATHS = {"pass": 0, "advisory_finetune": 1, "retrieve": 2, "hybrid": 3}
# The handbook's own files of queries, which nothing is trained on, and the path that each should take.
HANDBOOK_QUERIES = {
    "answerable": "retrieve",
    "unanswerable": "retrieve",
    "behavioural": "advisory_finetune",
    "hybrid": "hybrid",
}


@dataclass(frozen=True)
class Case:
    """A query with its true class."""

    text: str
    kind: int
    split: str


@dataclass(frozen=True)
class Seen:
    """A case as the router tells it, as it is read again, and as the index does: exactly what ``ask`` goes by."""

    case: Case
    first: Route
    route: Route
    answerability: float
    least: float
    style_guide: bool


def cases(path: Path, split: str | None = None) -> list[Case]:
    """Labelled queries of one file, of one half if named."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    found = [Case(row["text"], row["need_behaviour"] + 2 * row["need_facts"], row["split"]) for row in rows]
    return [case for case in found if split in (None, case.split)]


def handbook_queries() -> dict[str, list[str]]:
    """The texts of the handbook's own files of queries."""
    files = {name: HANDBOOK / "queries" / f"{name}.jsonl" for name in HANDBOOK_QUERIES}
    return {
        name: [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
        for name, path in files.items()
    }


@contextmanager
def handbook(embedder: str) -> Iterator[ragstone.Index]:
    """An index of the handbook, made anew."""
    with TemporaryDirectory() as folder, ragstone.open(folder, embedder=embedder) as index:
        index.ingest(HANDBOOK / "documents")
        yield index


def seen(index: ragstone.Index, given: Sequence[Case], told: Callable[[Case], tuple[Route, Route]]) -> list[Seen]:
    """What text and index say of each case, searched as ``ask`` does; ``told`` has its first and its second route."""
    rows = []
    for case in given:
        first, read = told(case)
        # The spans that a demand stands in are those of the shipped router.
        asked = factual_part(case.text, route(case.text)) if read.path == "hybrid" else case.text
        result, evidence = index.search_with_evidence(asked)
        model = index.judge(evidence)
        answerability = model.probability(evidence) if result.hits else 0.0
        rows.append(Seen(case, first, read, answerability, model.threshold, bool(style_guides(result.hits))))
    return rows


def macro_f1(found: Sequence[int], true: Sequence[int]) -> float:
    """Mean F1 of the four classes."""
    return float(_macro_f1(np.asarray(found)[None], np.asarray(true)[None])[0])


def macro_f1_estimate(found: Sequence[int], true: Sequence[int], *, seed: int = 0) -> Estimate:
    """The same with the percentile bootstrap's interval at 95 %, from 2,000 resamples of the queries."""
    rows = np.random.default_rng(seed).integers(0, len(true), (2_000, len(true)))
    drawn = _macro_f1(np.asarray(found)[rows], np.asarray(true)[rows])
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(value=macro_f1(found, true), low=float(low), high=float(high), samples=len(true))


def _macro_f1(found: NDArray[np.int64], true: NDArray[np.int64]) -> NDArray[np.float64]:
    """By row of shape (resamples, queries)."""
    scores = []
    for kind in range(4):
        hits = ((found == kind) & (true == kind)).sum(axis=1)
        scores.append(2 * hits / np.maximum(1, (found == kind).sum(axis=1) + (true == kind).sum(axis=1)))
    return np.asarray(np.mean(scores, axis=0))
