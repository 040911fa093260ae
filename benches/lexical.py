"""Lexical search against its rivals on real texts, answers checked against float64 before they are timed.

    python benches/lexical.py --size 1m [--top-k 10,100] [--systems ragstone,tantivy]
    python benches/lexical.py --size 100k --exactness 100000 | --text | --cold | --update | --filters
    python benches/lexical.py --size 1m --isa avx512,avx2,scalar

Rivals come from ``benches/rivals/requirements.txt``; those not installed are left out, aloud. Every system indexes the
same terms; ours finds those of a query in its text while it is timed, the others are given them (``--terms`` says whose
analysis they come from: ``lexical_data.py``). One process (Lucene: one more for each version), one thread, one
processor; each rival is timed beside Ragstone, query by query in random order. Results go to
``benches/results/lexical-*.json``, unless they are of the queries to tune on.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

import lexical_cases
from lexical_data import CLASSES, KINDS, SIZES, Terms, queries, terms
from lexical_measure import Contestant, check, contestants, time_pairs
from machine import save
from plot import plot_lexical
from rivals.lexical import NAMES

# Libraries read these when they are loaded.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "LANCE_CPU_THREADS": "1",
    "RUST_LOG": "error",
}
# At a million texts these take seconds a query, or too long to build.
LARGEST = {"rank-bm25": 10_000, "sqlite-fts5": 100_000}
BUILT_FROM_TEXT = ("ragstone", "tantivy", "lucene-10", "bm25s-numpy", "lancedb", "sqlite-fts5")


def main() -> None:
    """Run one kind of measurement and save it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="100k", choices=list(SIZES))
    parser.add_argument("--terms", default="plain", choices=KINDS, help="whose analysis the terms come from")
    parser.add_argument("--set", default="held_out", choices=("held_out", "tuning"), help="which queries")
    parser.add_argument("--queries", type=int, default=250, help="of each class")
    parser.add_argument("--classes", default=",".join(CLASSES), help="of queries")
    parser.add_argument("--repeats", type=int, default=5, help="of each query, of which the median counts")
    parser.add_argument("--top-k", default="10,100")
    parser.add_argument("--systems", help=f"any of {', '.join(NAMES)}")
    parser.add_argument("--processor", type=int, help="which one all processes share; default: the last")
    parser.add_argument("--no-check", action="store_true", help="time without comparing answers first")
    parser.add_argument("--no-save", action="store_true", help="do not write into benches/results")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--exactness", type=int, help="compare so many generated queries with the exact answer")
    kind.add_argument("--text", action="store_true", help="build from text, analysis included, one and two threads")
    kind.add_argument("--cold", action="store_true", help="open and first query, page cache cold and warm")
    kind.add_argument("--update", action="store_true", help="add one text until a search finds it; cost of a call")
    kind.add_argument("--filters", action="store_true", help="rows that pass: 0.01 %% to all; rows that are deleted")
    kind.add_argument("--isa", help="instruction sets, such as avx512,avx2,scalar: same answers, what time")
    options = parser.parse_args()
    if not ENVIRONMENT.items() <= os.environ.items():
        os.execve(
            sys.executable,
            [sys.executable, *sys.argv],
            ENVIRONMENT | {"RAGSTONE_THREADS": "1"} | os.environ | ENVIRONMENT,
        )
    names = (
        options.systems.split(",")
        if options.systems
        else [name for name in NAMES if SIZES[options.size] <= LARGEST.get(name, 1_000_000)]
    )
    if unknown := set(names) - set(NAMES):
        parser.error(f"there is no system {sorted(unknown)[0]!r}; choose from {', '.join(NAMES)}")
    inverted = terms(options.size, options.terms)
    wanted = options.classes.split(",")
    words = {name: texts[: options.queries] for name, texts in queries(options.set).items() if name in wanted}
    result: dict[str, Any] = {"size": options.size, "terms": options.terms, "set": options.set, "niceness": os.nice(0)}
    result |= {"texts": len(inverted.lengths), "postings": len(inverted.rows), "distinct": len(inverted.starts) - 1}
    if not options.text:
        pin(options.processor)
    mode, outcome = measure(inverted, words, names, options)
    for line in outcome.get("targets", []):
        print(line)
    if options.no_save or options.set == "tuning":
        return
    suffix = f"-{mode}" if mode else ""
    path = save(
        f"lexical-{options.size}{'' if options.terms == 'plain' else '-' + options.terms}{suffix}", result | outcome
    )
    if not mode and (picture := plot_lexical(path)):
        print("drawn", picture)
    print("saved", path)


def measure(
    inverted: Terms, words: dict[str, list[str]], names: list[str], options: argparse.Namespace
) -> tuple[str, dict[str, Any]]:
    """The kind of measurement that was asked for, by its name in file names."""
    if options.exactness:
        return "exactness", lexical_cases.exactness(inverted, options.exactness)
    if options.text:
        return "text", lexical_cases.from_text(inverted, [name for name in BUILT_FROM_TEXT if name in names])
    if options.cold:
        return "cold", lexical_cases.cold(inverted, names, options.set)
    if options.update:
        return "update", lexical_cases.updates(inverted)
    if options.filters:
        return "filters", lexical_cases.filters(inverted, words, options.set)
    if options.isa:
        return "isa", lexical_cases.instruction_sets(inverted, words, options)
    return "", side_by_side(inverted, words, names, options)


def pin(processor: int | None) -> None:
    """Keep this process and those it starts on one processor: the same caches, and no thread besides."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0)) if processor is None else processor})


def side_by_side(
    inverted: Terms, words: dict[str, list[str]], names: list[str], options: argparse.Namespace
) -> dict[str, Any]:
    """Single queries, one thread: exactness, latency, build, size."""
    depths = [int(depth) for depth in options.top_k.split(",")]
    runners = contestants(names, inverted, words, options.set)
    if not options.no_check:
        check(runners, inverted, options.set, options.queries, depths)
        for runner in runners:
            for depth in depths:
                if runner.system.name == "ragstone" and runner.figures[f"exactness@{depth}"]["tie_aware"] < 1:
                    raise SystemExit("ragstone is exact and its answers are not: not timed")
    for depth in depths:
        time_pairs(runners, depth, options.repeats)
    outcome: dict[str, Any] = {
        "contestants": {runner.system.name: runner.figures | {"build": runner.built} for runner in runners},
        "versions": {runner.system.name: version_of(runner) for runner in runners},
        "targets": judged(runners, options.size) if options.terms in KINDS else [],
    }
    for runner in runners:
        runner.built.pop("folder", None)
        runner.system.close()
    return outcome


def version_of(runner: Contestant) -> str:
    """Version of a package, or what the system says of itself."""
    from importlib.metadata import version

    system = runner.system
    return (
        system.note
        if system.package == "lucene"
        else f"{system.package} {version(system.package)}" + (f", {system.note}" if system.note else "")
    )


# size: class, hits, percentile, rival, and how many times our time its time has to be
TARGETS: dict[str, tuple[tuple[str, str, int, str, str, float], ...]] = {
    "1m": (
        ("L1", "questions", 10, "p50", "tantivy", 8),
        ("L1", "questions", 10, "p50", "pisa-maxscore", 3),
        ("L1", "questions", 10, "p50", "bm25s-numba", 4),
        ("L1", "questions", 10, "p50", "lucene-9", 4),
        ("L1", "questions", 10, "p50", "lucene-10", 2),
        ("L2", "questions", 10, "p99", "tantivy", 7),
        ("L2", "questions", 10, "p99", "pisa-bmw", 4),
        ("L3", "long", 10, "p50", "tantivy", 15),
        ("L3", "long", 10, "p50", "pisa-maxscore", 10),
        ("L4", "questions", 100, "p50", "tantivy", 4),
    ),
    "100k": (
        ("L5", "questions", 10, "p50", "tantivy", 4),
        ("L5", "questions", 10, "p50", "bm25s-numpy", 50),
    ),
}


def judged(runners: list[Contestant], size: str) -> list[dict[str, Any]]:
    """What was promised for this size, what was reached; by wall time, and by processor time."""
    figures = {runner.system.name: runner.figures for runner in runners}
    lines = []
    for _, kind, hits, cut, rival, times in TARGETS.get(size, ()):
        if found := figures.get(rival, {}).get(f"top{hits}", {}).get(kind):
            if "ours" not in found:
                continue
            reached, by_cpu = found[f"times_{cut}_us"], found[f"times_{cut}_cpu_us"]
            what = f"{kind}, top {hits}, {cut}: times faster than {rival}"
            met = min(reached, by_cpu) >= times
            lines.append({"what": what, "wanted": times, "reached": reached, "by_cpu": by_cpu, "met": met})
    for depth in (10, 100):
        if found := figures.get("ragstone", {}).get(f"exactness@{depth}"):
            reached = found["tie_aware"]
            lines.append(
                {"what": f"overlap@{depth}, ties counted", "wanted": 1.0, "reached": reached, "met": reached >= 1}
            )
    ours = next((runner for runner in runners if runner.system.name == "ragstone"), None)
    if ours is not None and size != "10k":
        lines.append(lexical_cases.most("bytes a posting on disk, all in", 4, ours.built["bytes_per_posting"]))
    return lines


if __name__ == "__main__":
    main()
