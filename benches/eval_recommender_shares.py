"""Figures of measuring a project: how well shares of query kinds are estimated, and what it takes in all.

    python benches/eval_recommender_shares.py [--shared ../shared]

Simulated logs have random true shares, found kinds drawn by the router's own error rates, and errors counted anew for
each log, so that what is known of the router is as uncertain as it really is. Drawn logs are made of the hand-labelled
test queries instead, and the router itself errs on them: its errors there are not those that it was counted to make.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import ragstone
from ragstone.errors import RagstoneError
from ragstone.recommendation.profile import measure
from ragstone.recommendation.queries import read_queries
from ragstone.recommendation.shares import KINDS, query_shares, router_errors
from ragstone.recommender import route_batch

sys.path.insert(0, str(Path(__file__).resolve().parent))
from targets import Figure, show

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / ".build" / "bench"
MODELS = ROOT / "python" / "models"
SIZES = (50, 500, 5_000)
CASES = ("router_cases.jsonl", "router_cases_wide.jsonl")
LOGS = 500
QUERIES = 10_000
# Indexes of 100,000 chunks that other benchmarks leave.
LARGE = ("kb-latency", "kb-builtin-100000", "kb-minilm-100000")


def figures(shared: Path, build: Path = BUILD) -> list[Figure]:
    """Errors and coverage of shares, simulated and drawn; seconds for 10,000 queries over 100,000 chunks."""
    rows = [row for size in SIZES for row in _simulated(size)]
    rows += _drawn()
    numbers = np.random.default_rng(0)
    paths, uncertain = numbers.integers(0, 4, QUERIES), numbers.random(QUERIES) < 0.1
    took = min(_seconds(lambda: query_shares(paths, uncertain)) for _ in range(5))
    rows.append(Figure.at_most(f"shares of {QUERIES:,} routed queries", took, 0.2, n=5, unit="s", note="best of five"))
    return rows + _whole(shared, build)


def _simulated(size: int) -> list[Figure]:
    """Logs of which only the counts are made up: truth, what the router finds, what is known of its errors."""
    table = router_errors()
    rates = table / table.sum(axis=1, keepdims=True)
    numbers = np.random.default_rng(size)
    errors, held = [], []
    for log in range(LOGS):
        shares = numbers.dirichlet(np.ones(4))
        counted = np.stack([numbers.multinomial(row.sum(), rate) for row, rate in zip(table, rates, strict=True)])
        found = np.repeat(np.arange(4), numbers.multinomial(size, shares @ rates))
        wrong, inside = _compared(shares, query_shares(found, errors=counted, seed=log))
        errors += wrong
        held += inside
    note, error, covered = f"{LOGS:,} simulated logs", float(np.mean(errors)), float(np.mean(held))
    name = f"mean error of a share, n = {size:,}"
    first = (
        Figure.at_most(name, error, 0.03, n=len(errors), note=note)
        if size == 500
        else Figure.stated(name, error, n=len(errors), note=note)
    )
    met = 0.93 <= covered <= 0.97
    second = Figure(f"coverage of 95 % intervals, n = {size:,}", covered, "", ".93–.97", met, len(held), note)
    return [first, second]


def _drawn(logs: int = 300, size: int = 500) -> list[Figure]:
    """Logs of labelled test queries of one collection, drawn with random shares: the router as it is."""
    numbers = np.random.default_rng(0)
    collections = [labelled(name, "test") for name in CASES]
    routes = [route_batch(texts) for texts, _ in collections]
    errors, held, plain = [], [], []
    for log in range(logs):
        (_, kinds), routed = collections[log % len(CASES)], routes[log % len(CASES)]
        pools = [np.flatnonzero(kinds == kind) for kind in range(4)]
        drawn = numbers.multinomial(size, numbers.dirichlet(np.ones(4)))
        chosen = np.concatenate([numbers.choice(pool, count) for pool, count in zip(pools, drawn, strict=True)])
        which, counts = np.unique(chosen, return_counts=True)
        estimated = query_shares(routed.paths[which], routed.uncertain[which], counts=counts, seed=log)
        wrong, inside = _compared(drawn / size, estimated)
        errors += wrong
        held += inside
        found = np.bincount(routed.paths[chosen], minlength=4) / size
        plain += np.abs(found - drawn / size).tolist()
    note = f"{logs} logs of {sum(len(texts) for texts, _ in collections)} hard test queries"
    return [
        Figure.stated("mean error of a share, real router, n = 500", float(np.mean(errors)), n=len(errors), note=note),
        Figure.stated("the same, counted without correction", float(np.mean(plain)), n=len(plain), note=note),
        Figure.stated("coverage, real router, n = 500", float(np.mean(held)), n=len(held), note=note),
    ]


def _compared(shares: NDArray[np.float64], estimated: object) -> tuple[list[float], list[bool]]:
    """How far each kind's share is off, and whether its interval holds the true one."""
    found = [getattr(estimated, kind) for kind in KINDS]
    wrong = [abs(one.value - float(true)) for one, true in zip(found, shares, strict=True)]
    inside = [one.low - 1e-9 <= float(true) <= one.high + 1e-9 for one, true in zip(found, shares, strict=True)]
    return wrong, inside


def labelled(name: str, split: str) -> tuple[list[str], NDArray[np.int64]]:
    """A collection of the project's own labelled queries, and their kinds as codes."""
    lines = (MODELS / name).read_text(encoding="utf-8").splitlines()
    rows = [row for line in lines if (row := json.loads(line))["split"] == split]
    kinds = [int(bool(row["need_behaviour"])) + 2 * int(bool(row["need_facts"])) for row in rows]
    return [row["text"] for row in rows], np.array(kinds)


def _whole(shared: Path, build: Path) -> list[Figure]:
    """Reading, routing and measuring real questions over a large index."""
    rows = []
    for name in LARGE:
        label = f"{QUERIES:,} queries over {name}"
        try:
            index = ragstone.open(build / name, read_only=True)
            asked = questions(shared)
        except (RagstoneError, OSError) as error:
            rows.append(Figure.stated(label, None, n=0, unit="s", note=type(error).__name__))
            continue
        with index, tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "log.jsonl"
            path.write_text("".join(json.dumps({"text": text}) + "\n" for text in asked), encoding="utf-8")
            # What a process does once is not part of a measurement.
            index.search(asked[0])
            route_batch(asked[:1])
            before = time.process_time()
            took = _seconds(lambda path=path, index=index: _analysed(path, index))
            spent, load = time.process_time() - before, os.getloadavg()[0]
            note = f"{len(index):,} chunks; {spent:.1f} s of processor time, load {load:.1f}"
        rows.append(Figure.at_most(label, took, 10, n=len(asked), unit="s", note=note))
    return rows


def _analysed(path: Path, index: ragstone.Index) -> None:
    log = read_queries(path)
    routed = route_batch(log.texts)
    query_shares(routed.paths, routed.uncertain, counts=log.counts)
    measure(index, log)


def questions(shared: Path) -> list[str]:
    """Real questions of the public sets, each once."""
    texts: dict[str, None] = {}
    for name in ("msmarco", "nq"):
        for line in (shared / "data" / "queries" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
            texts[json.loads(line)["text"]] = None
    return list(texts)[:QUERIES]


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--build", type=Path, default=BUILD)
    options = parser.parse_args()
    show(figures(options.shared, options.build))
