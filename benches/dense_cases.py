"""Dense search beyond single unfiltered queries: filters, batches, and rows that come and go."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ragstone
from dense_data import Dataset, exact
from dense_measure import (
    Contestant,
    Questions,
    build,
    check,
    closest,
    contestants,
    percentiles,
    recall,
    versions,
)
from rivals import System

Vectors = NDArray[np.float32]
Ids = NDArray[np.int64]
SELECTIVITIES = (0.0001, 0.001, 0.01, 0.1, 0.5, 1.0)
FILTERED_QUERIES, BATCH_SIZES, BATCH_ROUNDS = 40, (64, 256), 9
FILTERING = ("ragstone", "ragstone-exact", "faiss-flat", "faiss-hnsw")
FILTER_KINDS = {
    "random": "any rows",
    "near": "the rows nearest to the query",
    "far": "the rows farthest from the query",
    "topic": "the rows nearest to a row drawn at random",
}


# --- filters ------------------------------------------------------------------------------------------------------


def filtered(dataset: Dataset, rows: int, asked: Questions, top_k: int, names: list[str]) -> dict[str, Any]:
    """Recall and latency where only some rows pass, by how many and by which.

    Two latencies: with the system's own form of the filter made beforehand, and with the making, from an array of ids.
    """
    vectors = dataset.head(rows)
    systems = build([name for name in names if name in FILTERING], dataset, vectors)
    runners = [Contestant(system, setting) for system in systems for setting in filter_settings(system)]
    outcome: dict[str, Any] = {"filters": FILTER_KINDS, "cases": {}}
    for kind in FILTER_KINDS:
        for share in SELECTIVITIES if kind == "random" else SELECTIVITIES[:-1]:
            cases = list(_filter_cases(kind, share, vectors, dataset.queries, asked, top_k))
            figures = {runner.label: _filter_figures(runner, cases, vectors, top_k) for runner in runners}
            _time_filters(runners, figures, cases, top_k)
            outcome["cases"][f"{kind} {share:.2%}"] = figures
            print(f"{kind} {share:.2%}")
            for label, row in figures.items():
                print(f"  {label:30} recall {row['recall']:.4f}  p50 {row['p50_ms']:9.3f} ms", end="")
                print(f"  from ids {row['p50_from_ids_ms']:9.3f} ms", flush=True)
    outcome["targets"] = _filter_targets(outcome["cases"])
    outcome["versions"] = versions(systems)
    return outcome


def filter_settings(system: System) -> tuple[dict[str, Any], ...]:
    """The settings that take part: all of ours, of a graph the middle ones."""
    return tuple(s for s in system.settings if s.get("efSearch", 64) in (64, 256)) or system.settings


Case = tuple[Vectors, Ids, Ids]  # a query, the ids that pass, the exact answer


def _filter_cases(
    kind: str, share: float, vectors: Vectors, queries: Vectors, asked: Questions, top_k: int
) -> Iterator[Case]:
    """Queries of the reported half, each with a filter of its own."""
    random = np.random.default_rng(5)
    count = max(1, round(share * len(vectors)))
    for number in random.choice(asked.reported, min(FILTERED_QUERIES, len(asked.reported)), replace=False):
        query = queries[number]
        if kind == "random":
            ids = random.choice(len(vectors), count, replace=False)
        else:
            center = vectors[random.integers(len(vectors))] if kind == "topic" else query
            scores = vectors @ (-center if kind == "far" else center)
            ids = np.argpartition(scores, -count)[-count:]
        ids = np.sort(ids).astype(np.int64)
        yield query, ids, _exact_among(vectors, query, ids, top_k)


def _exact_among(vectors: Vectors, query: Vectors, ids: Ids, top_k: int) -> Ids:
    """The exact answer among some rows, float64, ties by id."""
    scores = vectors[ids] @ query
    if len(ids) > top_k:
        # Rounding of float32 products of unit vectors stays far below this margin.
        border = np.partition(scores, -top_k)[-top_k] - 1e-4
        ids = ids[scores >= border]
    found = exact(vectors[ids], query[np.newaxis], min(top_k, len(ids)))[0]
    right: Ids = ids[found]
    return right


def _filter_figures(runner: Contestant, cases: list[Case], vectors: Vectors, top_k: int) -> dict[str, Any]:
    """Recall over all cases; an id that does not pass ends the run."""
    each, same = [], []
    for query, ids, right in cases:
        passing = runner.system.make_filter(ids)
        found = runner.system.search_filtered(query[np.newaxis], top_k, passing, **runner.setting)[0]
        if not np.isin(found[found >= 0], ids).all():
            raise SystemExit(f"{runner.label} found a row that the filter excludes")
        each.append(recall(found, right, vectors, query))
        same.append(np.array_equal(found[: len(right)], right))
    return {
        "recall": round(float(np.mean(each)), 5),
        "recall_worst_query": round(float(np.min(each)), 3),
        "same_ids_as_exact": round(float(np.mean(same)), 4),
    }


def _time_filters(runners: list[Contestant], figures: dict[str, Any], cases: list[Case], top_k: int) -> None:
    random = np.random.default_rng(6)
    walls = np.zeros((2, len(runners), len(cases)))
    for number, (query, ids, _) in enumerate(cases):
        for place in random.permutation(len(runners)):
            runner = runners[place]
            started = time.perf_counter_ns()
            passing = runner.system.make_filter(ids)
            made = time.perf_counter_ns()
            runner.system.search_filtered(query[np.newaxis], top_k, passing, **runner.setting)
            ended = time.perf_counter_ns()
            walls[:, place, number] = ended - made, ended - started
    for place, runner in enumerate(runners):
        figures[runner.label].update(percentiles(walls[0, place] / 1e6))
        figures[runner.label]["p50_from_ids_ms"] = percentiles(walls[1, place] / 1e6)["p50_ms"]


def _filter_targets(cases: dict[str, Any]) -> list[dict[str, Any]]:
    worst = min(figures["ragstone"]["recall"] for figures in cases.values() if "ragstone" in figures)
    lines: list[dict[str, Any]] = [
        {"what": "recall, worst case", "wanted": 0.999, "reached": worst, "met": worst >= 0.999}
    ]
    for rival, times in (("faiss-flat", 4), ("faiss-hnsw efSearch=256", 10)):
        for kind in FILTER_KINDS:
            case = cases[f"{kind} 1.00%"]
            if rival in case:
                reached = round(case[rival]["p50_ms"] / case["ragstone"]["p50_ms"], 2)
                what = f"{kind} 1 %: times faster than {rival}"
                lines.append({"what": what, "wanted": times, "reached": reached, "met": reached >= times})
    return lines


# --- batches ------------------------------------------------------------------------------------------------------


def batches(dataset: Dataset, rows: int, asked: Questions, top_k: int, names: list[str]) -> dict[str, Any]:
    """Queries a second where many come in one call; rounds of all systems interleaved."""
    vectors = dataset.head(rows)
    systems = build(names, dataset, vectors)
    runners = contestants(systems)
    check(runners, dataset, asked, top_k, rows)
    random = np.random.default_rng(7)
    for size in BATCH_SIZES:
        rates = np.zeros((len(runners), BATCH_ROUNDS))
        for number in range(BATCH_ROUNDS):
            queries = dataset.queries[random.choice(asked.reported, size, replace=len(asked.reported) < size)]
            for place in random.permutation(len(runners)):
                started = time.perf_counter()
                runners[place].ask(queries, top_k)
                rates[place, number] = size / (time.perf_counter() - started)
        for runner, rate in zip(runners, rates, strict=True):
            runner.figures[f"queries_per_s_{size}"] = round(float(np.median(rate)), 1)
    for runner in runners:
        shown = "".join(f"{runner.figures[f'queries_per_s_{size}']:11.1f}" for size in BATCH_SIZES)
        print(f"{runner.label:36}{runner.figures['recall']:8.4f}{shown}")
    outcome: dict[str, Any] = {"threads": 2, "figures": {runner.label: runner.figures for runner in runners}}
    ours = next((runner for runner in runners if runner.system.name == "ragstone"), None)
    if ours:
        what, best = f"queries_per_s_{BATCH_SIZES[-1]}", ours.figures[f"queries_per_s_{BATCH_SIZES[-1]}"]
        outcome["targets"] = [{"what": "queries a second", "wanted": 2000, "reached": best, "met": best >= 2000}]
        for level, least in (("our recall", ours.recall_choosing), ("recall 0.99", 0.99)):
            if rival := closest(runners, "faiss-hnsw", least):
                times, label = round(best / rival.figures[what], 2), f"times the rate of {rival.label}, at {level}"
                outcome["targets"].append({"what": label, "wanted": 3, "reached": times, "met": times >= 3})
        print(*outcome["targets"], sep="\n")
    return outcome | {"versions": versions(systems)}


# --- churn --------------------------------------------------------------------------------------------------------


def churn(dataset: Dataset, rows: int, asked: Questions, top_k: int) -> dict[str, Any]:
    """A quarter of the rows deleted, a quarter replaced, a quarter new; then against an index made of the result.

    The base gives ``rows`` vectors to begin with and half as many again: it is cut to two thirds where it is too short.
    """
    rows = min(rows, len(dataset.base) * 2 // 3)
    quarter, random = rows // 4, np.random.default_rng(8)
    vectors = np.ascontiguousarray(dataset.base[: rows + 2 * quarter])
    shuffled = random.permutation(rows)
    gone, changed = shuffled[:quarter], shuffled[quarter : 2 * quarter]
    queries = dataset.queries[asked.reported]

    index = ragstone.DenseIndex(dimension=vectors.shape[1])
    index.add(vectors[:rows])
    outcome: dict[str, Any] = {"rows_before": rows, "before": _answers(index, vectors[:rows], queries, top_k)}
    index.remove(gone)
    for part in np.array_split(np.arange(quarter), 25):
        index.add(vectors[rows + part], ids=changed[part])
    index.add(vectors[rows + quarter :])
    after = vectors.copy()
    after[changed] = vectors[rows : rows + quarter]
    after[rows : rows + quarter] = vectors[rows + quarter :]  # new ids go on from the largest
    after = after[: rows + quarter]
    live = np.ones(len(after), dtype=bool)
    live[gone] = False
    if len(index) != live.sum():
        raise SystemExit(f"the index has {len(index)} vectors, {live.sum()} are left")
    outcome["after"] = _answers(index, after, queries, top_k, live)
    outcome["operations_ms"] = _operations(index, after, live)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        index.save(path)
        fresh = ragstone.DenseIndex(dimension=vectors.shape[1])
        fresh.add(after[live], ids=np.flatnonzero(live))
        outcome["made_anew"] = _answers(fresh, after, queries, top_k, live)
        size = path.stat().st_size
        fresh.save(path)
        outcome["saved_bytes"], outcome["saved_bytes_made_anew"] = size, path.stat().st_size
    print(*(f"{name}: {value}" for name, value in outcome.items()), sep="\n")
    lost = round(outcome["made_anew"]["recall"] - outcome["after"]["recall"], 5)
    outcome["targets"] = [
        {"what": "recall lost by churn, at most", "wanted": 0.001, "reached": lost, "met": lost <= 0.001}
    ]
    return outcome


def _answers(
    index: ragstone.DenseIndex,
    vectors: Vectors,
    queries: Vectors,
    top_k: int,
    live: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """Recall and latency of one state of the index."""
    right = exact(vectors, queries, top_k, live)
    found, _ = index.search(queries, top_k=top_k)
    if live is not None and not live[found].all():
        raise SystemExit("a deleted row was found")
    each = [recall(found[n], right[n], vectors, query) for n, query in enumerate(queries)]
    again, _ = index.search(queries, top_k=top_k, exact=True)
    times = []
    for query in queries:
        started = time.perf_counter()
        index.search(query, top_k=top_k)
        times.append((time.perf_counter() - started) * 1000)
    same = round(float((again == right).all(axis=1).mean()), 4)
    return {"recall": round(float(np.mean(each)), 5), "exact_same_ids": same, **percentiles(np.array(times))}


def _operations(index: ragstone.DenseIndex, vectors: Vectors, live: NDArray[np.bool_]) -> dict[str, float]:
    """Median time of single inserts, replacements and deletes, each seen by the search that follows."""
    random = np.random.default_rng(9)
    times: dict[str, list[float]] = {"insert": [], "replace": [], "delete": []}
    for number in random.choice(np.flatnonzero(live), 200, replace=False):
        vector = np.asarray(random.standard_normal(vectors.shape[1]), dtype=np.float32)
        fresh = len(vectors) + int(number)
        for name, work, expected in (
            ("insert", partial(index.add, vector, ids=[fresh]), True),
            ("replace", partial(index.add, -vector, ids=[fresh]), False),
            ("delete", partial(index.remove, [fresh]), False),
        ):
            started = time.perf_counter()
            work()
            times[name].append((time.perf_counter() - started) * 1000)
            if (int(index.search(vector, top_k=1)[0][0, 0]) == fresh) != expected:
                raise SystemExit(f"the search after {name} does not see it")
    return {name: round(float(np.median(taken)), 4) for name, taken in times.items()}
