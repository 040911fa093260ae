"""Dense search against its rivals on real embeddings, answers checked before they are timed.

    python benches/dense.py --set static-1m [--rows N] [--top-k K] [--systems faiss-flat,faiss-hnsw]
    python benches/dense.py --set static-1m --filtered | --batch | --churn | --cold | --isa avx512,avx2,scalar

Rivals come from ``benches/rivals/requirements.txt``; those not installed are left out. All take part in one process,
with one thread (two with ``--batch``); each is timed beside Ragstone, query by query in random order. Settings that
trade time for recall are chosen on one half of the queries and reported on the other. Results go to
``benches/results/dense-*.json``.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import dense_cases
import dense_processes
from dense_data import MAKERS, Dataset, Vectors, prepare, truth
from dense_measure import (
    RECALL_TIE,
    Contestant,
    Questions,
    alternate,
    build,
    bytes_per_vector,
    check,
    closest,
    contestants,
    read_rates,
    time_pairs,
    versions,
)
from machine import save
from plot import plot
from rivals import NAMES

# Libraries of linear algebra read these when they are loaded.
THREADS = ("RAGSTONE_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
# At a million rows only what belongs to the targets: some others take minutes to build or seconds a query.
LARGE = ("ragstone", "ragstone-exact", "faiss-flat", "faiss-rabitq", "faiss-rabitq-rotated", "faiss-hnsw")
# Rows: least recall, and how many times faster than a rival at its closest recall.
TARGETS: dict[int, dict[str, float]] = {
    100_000: {"recall": 0.995, "faiss-flat": 25, "faiss-rabitq": 3, "faiss-hnsw": 2},
    1_000_000: {"recall": 0.99, "faiss-flat": 50, "faiss-rabitq": 6, "faiss-hnsw": 3},
}
EXACT_TARGET = 5  # times faster than faiss-flat


def main() -> None:
    """Run one kind of measurement and save it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", default="static-1m", choices=list(MAKERS))
    parser.add_argument("--rows", type=int, help="only the first rows; default: all")
    parser.add_argument("--queries", type=int, default=300, help="queries that are reported; as many are chosen on")
    parser.add_argument("--top-k", type=int, default=10)
    parser.add_argument("--systems", help=f"any of {', '.join(NAMES)}")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--filtered", action="store_true", help="rows that pass: few to all, random and correlated")
    kind.add_argument("--batch", action="store_true", help="many queries in one call, two threads")
    kind.add_argument("--churn", action="store_true", help="half of the rows deleted or replaced")
    kind.add_argument("--cold", action="store_true", help="open and first queries, page cache cold and warm")
    kind.add_argument("--isa", help="instruction sets, such as avx512,avx2,scalar: same answers, what time")
    kind.add_argument("--build", action="store_true", help="only build, and keep the graphs that take long")
    parser.add_argument("--no-save", action="store_true", help="do not write into benches/results")
    options = parser.parse_args()
    threads = dict.fromkeys(THREADS, "2" if options.batch else "1")
    if not threads.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | threads)
    dataset = prepare(options.set)
    rows = min(options.rows or len(dataset.base), len(dataset.base))
    systems = options.systems.split(",") if options.systems else list(NAMES if rows <= 100_000 else LARGE)
    if unknown := set(systems) - set(NAMES):
        parser.error(f"there is no system {sorted(unknown)[0]!r}; choose from {', '.join(NAMES)}")
    if options.build:
        build(systems, dataset, dataset.head(rows))
        return
    asked = Questions.of(dataset, options.queries)
    truth(dataset, rows)
    name = f"dense-{options.set}-{rows}-top{options.top_k}"
    result: dict[str, Any] = {"set": options.set, "rows": rows, "dimension": dataset.base.shape[1]}
    result |= {"top_k": options.top_k, "queries": len(asked.reported), "data": dataset.recipe["how"]}
    if options.filtered:
        name, outcome = f"{name}-filtered", dense_cases.filtered(dataset, rows, asked, options.top_k, systems)
    elif options.batch:
        name, outcome = f"{name}-batch", dense_cases.batches(dataset, rows, asked, options.top_k, systems)
    elif options.churn:
        name, outcome = f"{name}-churn", dense_cases.churn(dataset, rows, asked, options.top_k)
    elif options.cold:
        name, outcome = f"{name}-cold", dense_processes.cold(dataset, rows, options.top_k, systems)
    elif options.isa:
        name, outcome = f"{name}-isa", dense_processes.instruction_sets(dataset, rows, asked, options)
    else:
        outcome = side_by_side(dataset, rows, asked, options.top_k, systems)
    if options.no_save:
        return
    path = save(name, result | outcome)
    if "contestants" in outcome and (picture := plot(path)):
        print("drawn", picture)
    print("saved", path)


def side_by_side(dataset: Dataset, rows: int, asked: Questions, top_k: int, names: list[str]) -> dict[str, Any]:
    """Single queries, one thread: recall, latency, build time, size."""
    vectors = dataset.head(rows)
    systems = build(names, dataset, vectors)
    runners = contestants(systems)
    check(runners, dataset, asked, top_k, rows)
    queries = dataset.queries[asked.reported]
    time_pairs(runners, queries, top_k)
    outcome: dict[str, Any] = {"read_gb_per_s": read_rates(vectors), "niceness": os.nice(0)}
    ours = next((runner for runner in runners if runner.system.name == "ragstone"), None)
    if ours is not None:
        with tempfile.TemporaryDirectory() as folder:
            ours.system.save(Path(folder) / "index")
            outcome["ragstone_bytes_per_vector"] = bytes_per_vector(Path(folder) / "index", rows)
        outcome["closest_recall"] = equal_recall(runners, ours)
        outcome["targets"] = judged(runners, ours, rows if top_k == 10 else 0, queries)
    outcome["build"] = {
        system.name: {"cpu_s": round(system.build_cpu_s, 2), "wall_s": round(system.build_s, 2)} for system in systems
    }
    outcome["contestants"] = {runner.label: runner.figures for runner in runners}
    outcome["versions"] = versions(systems)
    print_table(runners)
    for line in outcome.get("targets", []):
        print(line)
    return outcome


def equal_recall(runners: list[Contestant], ours: Contestant) -> dict[str, Any]:
    """For every rival: the setting that comes closest to our recall on the choosing half, and what it took."""
    chosen = {}
    for name in dict.fromkeys(runner.system.name for runner in runners):
        runner = closest(runners, name, ours.recall_choosing)
        if runner is not None and runner is not ours:
            figures = {key: runner.figures[key] for key in ("recall", "p50_ms", "times_ours")}
            chosen[name] = {"setting": runner.setting, **figures}
    return chosen


def judged(runners: list[Contestant], ours: Contestant, rows: int, queries: Vectors) -> list[dict[str, Any]]:
    """What was promised for this size, what was reached."""
    wanted = dict(TARGETS.get(rows, {}))
    lines = []
    if promised := wanted.pop("recall", 0):
        lines.append(_line("recall", promised, ours.figures["recall"]))
    for name, times in wanted.items():
        for level, recall in (("our recall", ours.recall_choosing), (f"recall {promised}", promised)):
            if rival := strongest(runners, name, recall):
                what = f"times faster than {rival.label}, at {level} or closest to it"
                lines.append(_line(what, times, rival.figures["times_ours"], rival.figures["times_ours_cpu"]))
    exact = next((runner for runner in runners if runner.system.name == "ragstone-exact"), None)
    flat = next((runner for runner in runners if runner.system.name == "faiss-flat"), None)
    if rows and exact and flat:
        lines.append(_line("exact: queries with the ids of float64", 1.0, exact.figures["same_ids_as_exact"]))
        beside = alternate([flat, exact], queries, 10)
        ratios = [round(beside[0][what] / beside[1][what], 2) for what in ("p50_ms", "cpu_p50_ms")]
        lines.append(_line("exact: times faster than faiss-flat", EXACT_TARGET, *ratios))
    built = {runner.system.name: runner.system.build_cpu_s for runner in runners}
    for name, times in (("faiss-hnsw", 30), ("faiss-rabitq", 3), ("faiss-rabitq-rotated", 3)) if rows else ():
        if built.get(name):
            lines.append(_line(f"build: times less CPU than {name}", times, round(built[name] / built["ragstone"], 2)))
    return lines


def strongest(runners: list[Contestant], name: str, recall_wanted: float) -> Contestant | None:
    """Of all ways to set up an index, the fastest that reaches the recall, else the one of most recall."""
    ways = {runner.system.name for runner in runners if runner.system.name.startswith(name)}
    found = [runner for way in sorted(ways) if (runner := closest(runners, way, recall_wanted))]
    enough = [runner for runner in found if runner.recall_choosing >= recall_wanted - RECALL_TIE]
    if enough:
        return min(enough, key=lambda runner: float(runner.figures["p50_ms"]))
    return max(found, key=lambda runner: runner.recall_choosing, default=None)


def _line(what: str, wanted: float, reached: float, by_cpu: float | None = None) -> dict[str, Any]:
    """One promise. Ratios have to hold by processor time too: other load delays the longer of two systems more."""
    if by_cpu is None:
        return {"what": what, "wanted": wanted, "reached": reached, "met": reached >= wanted}
    return {"what": what, "wanted": wanted, "reached": reached, "by_cpu": by_cpu, "met": min(reached, by_cpu) >= wanted}


def print_table(runners: list[Contestant]) -> None:
    """The contestants, fastest first."""
    print(f"{'':36} recall   p50 ms   p95 ms   p99 ms  cpu p50  build CPU s")
    for runner in sorted(runners, key=lambda runner: float(runner.figures["p50_ms"])):
        row = [runner.figures[key] for key in ("recall", "p50_ms", "p95_ms", "p99_ms", "cpu_p50_ms")]
        shown = f"{row[0]:7.4f}" + "".join(f"{value:9.3f}" for value in row[1:])
        print(f"{runner.label:36}{shown}{runner.system.build_cpu_s:13.2f}")


if __name__ == "__main__":
    main()
