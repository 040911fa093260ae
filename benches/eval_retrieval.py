"""Retrieval metrics: equal to trec_eval, how much faster than ranx, and whether comparisons keep their level.

    python benches/eval_retrieval.py [--shared ../shared]

trec_eval (through ir-measures) and ranx come from ``.build/rivals``, see ``benches/rivals/requirements.txt``; without
them their figures are not measured. Every time is the best of some rounds in which all contestants take turns, in one
process, after ranx is compiled and after both gave the same values: the best, as other work on the machine only adds.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import ragstone
from ragstone.comparison import bootstrap_test, randomisation_test
from ragstone.evaluation import retrieval, run
from ragstone.judgements import read_judged
from ragstone.metrics import Judged, evaluate_run

sys.path.insert(0, str(Path(__file__).resolve().parent))
# Behind everything else: NumPy is that of Ragstone.
sys.path.append(str(Path(__file__).resolve().parent.parent / ".build" / "rivals"))
from targets import Figure, show

ROOT = Path(__file__).resolve().parent.parent
RANDOM_RUNS = 10_000
QUERIES, DOCUMENTS, ROUNDS = 10_000, 100, 7
RANX = {
    "nDCG@10": "ndcg@10",
    "P@10": "precision@10",
    "R@100": "recall@100",
    "RR@10": "mrr@10",
    "AP@100": "map@100",
    "Success@10": "hit_rate@10",
}
TREC = ("nDCG@10", "nDCG", "AP", "RR", "P@10", "R@100", "Success@5")
NULLS, LEVEL = 2000, 0.05
HANDBOOK = ROOT / "corpora" / "handbook"

Run = dict[str, dict[str, float]]
Qrels = dict[str, dict[str, int]]


def figures(shared: Path) -> list[Figure]:
    """All figures of retrieval; ``shared`` is not needed."""
    return [trec_eval(), *ranx(), *levels(), *handbook()]


def trec_eval() -> Figure:
    """The greatest difference in any of 10,000 random runs, each one query: ties, negative and zero grades, gaps."""
    name = "retrieval: greatest difference to trec_eval, any query"
    missing = [module for module in ("ir_measures", "pytrec_eval") if find_spec(module) is None]
    if missing:
        return Figure.at_most(name, None, 1e-6, n=0, note=f"not measured: no {' and no '.join(missing)}")
    import ir_measures

    numbers = random.Random(5)
    found: Run = {}
    qrels: Qrels = {}
    for query in map(str, range(RANDOM_RUNS)):
        documents = [f"d{numbers.randrange(10**6)}" for _ in range(numbers.randint(1, 100))]
        grades = numbers.choice([(0, 1), (0, 1, 2, 3), (0,), (0, 0, 0, 1), (-1, 0, 1)])
        qrels[query] = {one: numbers.choice(grades) for one in documents if numbers.random() < 0.5} or {"d": 1}
        steps = numbers.choice([1, 3, 10, 10**9])
        if numbers.random() < 0.95:
            found[query] = {one: numbers.randrange(steps) / steps for one in documents if numbers.random() < 0.9}
    judged = Judged(found, qrels)
    ours = {
        one: dict(zip(TREC, row, strict=True)) for one, row in zip(judged.queries, judged.values(TREC), strict=True)
    }
    measures = [ir_measures.parse_measure(one) for one in TREC]
    rows = list(ir_measures.pytrec_eval.evaluator(measures, qrels).iter_calc(found))
    assert len(rows) == RANDOM_RUNS * len(TREC)
    worst = max(abs(ours[row.query_id][str(row.measure)] - row.value) for row in rows)
    return Figure.at_most(name, float(worst), 1e-6, n=len(rows), note=f"ir-measures; {', '.join(TREC)}")


def ranx() -> list[Figure]:
    """Times of ranx over ours for the same values: from dictionaries, and from what each prepared."""
    names = {
        "dicts": "retrieval: ranx's time / ours, from dictionaries",
        "prepared": "retrieval: ranx's time / ours, both prepared",
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import ranx as rival
    except ImportError as error:
        return [Figure.at_least(name, None, 10, n=0, note=f"not measured: {error}") for name in names.values()]
    found, qrels = drawn()
    ours, theirs = list(RANX), list(RANX.values())
    judged = Judged(found, qrels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        prepared = rival.Run(found), rival.Qrels(qrels)
        # Compiles all of it, for either kind of input.
        for given in ((qrels, found), prepared[::-1]):
            values = rival.evaluate(*given, theirs)
            expected = {name: float(values[RANX[name]]) for name in ours}
            assert_same(evaluate_run(found, qrels, ours), expected)
            assert_same(judged.means(ours), expected)
        times = timed(
            {
                "ranx dicts": lambda: rival.evaluate(qrels, found, theirs),
                "ours dicts": lambda: evaluate_run(found, qrels, ours),
                "ranx prepared": lambda: rival.evaluate(prepared[1], prepared[0], theirs),
                "ours prepared": lambda: judged.means(ours),
            }
        )
    result = []
    for kind, name in names.items():
        a, b = times[f"ranx {kind}"], times[f"ours {kind}"]
        note = f"{a * 1e3:.0f} ms / {b * 1e3:.1f} ms; {QUERIES:,} queries x {DOCUMENTS}, {len(ours)} metrics"
        result.append(Figure.at_least(name, a / b, 10, n=ROUNDS, note=note))
    across = times["ranx prepared"] / times["ours dicts"]
    note = "ours also joins run and judgements, ranx has sorted both before"
    return [
        *result,
        Figure.stated("retrieval: ranx's time prepared / ours from dictionaries", across, n=ROUNDS, note=note),
    ]


def drawn() -> tuple[Run, Qrels]:
    """A run without ties, for ranx breaks them otherwise, with ten judged documents a query, half of them found."""
    numbers = np.random.default_rng(0)
    found: Run = {}
    qrels: Qrels = {}
    for query in range(QUERIES):
        ids = numbers.choice(10**6, DOCUMENTS, replace=False).tolist()
        scores = numbers.permutation(DOCUMENTS) + numbers.random()
        found[f"q{query}"] = {f"d{one}": score for one, score in zip(ids, scores.tolist(), strict=True)}
        some = [*ids[:5], *numbers.integers(10**6, 2 * 10**6, 5).tolist()]
        qrels[f"q{query}"] = {
            f"d{one}": int(grade) for one, grade in zip(some, numbers.integers(1, 4, 10), strict=True)
        }
    return found, qrels


def assert_same(values: Mapping[str, float], expected: Mapping[str, float]) -> None:
    """Nothing is timed that gives other values."""
    for name, value in expected.items():
        assert abs(values[name] - value) < 1e-6, f"{name}: {values[name]}, ranx has {value}"


def timed(contestants: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
    """The least seconds of each."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, measure in contestants.items():
            started = time.perf_counter()
            measure()
            seconds[name].append(time.perf_counter() - started)
    return {name: min(each) for name, each in seconds.items()}


def levels() -> list[Figure]:
    """How often each test finds a difference at level 0.05 where there is none, over 50 skewed paired values."""
    numbers = np.random.default_rng(9)
    size = numbers.exponential(0.2, (NULLS, 50)) * (numbers.random((NULLS, 50)) < 0.6)
    rows = size * numbers.choice([-1.0, 1.0], size.shape)
    tests = {
        "randomisation": [randomisation_test(row, draws=999, seed=seed) for seed, row in enumerate(rows)],
        "bootstrap": [bootstrap_test(row, seed=seed) for seed, row in enumerate(rows)],
    }
    return [
        Figure.stated(
            f"retrieval: false alarms of the {name} test at {LEVEL}",
            float((np.array(found) <= LEVEL).mean()),
            n=NULLS,
            note="simulated runs of equal quality, 50 queries",
        )
        for name, found in tests.items()
    ]


def handbook() -> list[Figure]:
    """The fixture as its verb measures it, beside BM25 alone."""
    queries, qrels = read_judged(HANDBOOK / "queries" / "answerable.jsonl", HANDBOOK / "queries" / "qrels.tsv")
    with tempfile.TemporaryDirectory() as folder, ragstone.open(folder, embedder="builtin") as index:
        index.ingest([HANDBOOK / "documents"])
        judged = {name: queries[name] for name in queries if name in qrels}
        report = retrieval(index, queries, qrels, baseline=run(index, judged, mode="bm25"))
    assert report.comparison is not None
    corpus = f"{report.configuration['documents']} documents, {report.configuration['chunks']} chunks, builtin"
    result = []
    for name, estimate in report.metrics.items():
        note = f"{estimate}; {corpus}; p = {report.comparison[name].p_randomisation:.2g} against BM25"
        result.append(Figure.stated(f"retrieval: handbook, {name}", estimate.value, n=estimate.samples, note=note))
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    show(figures(parser.parse_args().shared))
