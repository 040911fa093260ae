"""Figures of latency: 100,000 chunks, alone and under load, in stages and cold, beside the article's two seconds.

    python benches/eval_latency.py

The texts are those of ``make bench-lexical``, one chunk each, embedded by the built-in table; the index is kept below
``.build/bench``. Where they are not there the handbook stands in, and the names of the figures say so.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import ragstone
from ragstone.bench import Distribution, closed_loop, open_loop, prepared, read_queries
from ragstone.bench.cold import measure_cold
from ragstone.bench.growth import grow
from ragstone.bench.objective import judge
from ragstone.bench.stages import Staged
from ragstone.bench.study import all_threads
from ragstone.errors import IncompatibleIndex

sys.path.insert(0, str(Path(__file__).resolve().parent))
from machine import RESULTS, ROOT
from targets import Figure, show

LEXICAL = ROOT / ".build" / "bench" / "lexical"
KEPT = ROOT / ".build" / "bench" / "kb-latency"
HANDBOOK = ROOT / "corpora" / "handbook"
CHUNKS, QUERIES = 100_000, 500
# 4,000 arrivals carry p99.9. On a machine that is busy with other work fewer come: a third of what fits.
RATE, SECONDS, SHARE = 100.0, 40.0, 1 / 3
OBJECTIVE_MS = 2000.0


def figures(shared: Path) -> list[Figure]:
    """All figures; ``shared`` is not needed."""
    path, queries = kb()
    return [*loaded(path, queries), *started(path, queries), *grown(RESULTS / "growth.json")]


def loaded(path: Path, queries: list[str]) -> list[Figure]:
    """One client, arrivals, stages, and more clients."""
    with ragstone.open(path, read_only=True) as index:
        work = prepared(index, queries, top_k=5)
        size = f"{index.stats()['chunks']:,} chunks, builtin"

        def ask(question: object) -> ragstone.Answer:
            return index.ask(str(question))

        for question in queries[:50]:
            ask(question)
        staged = Staged(ask)
        closed = closed_loop(staged, queries, count=4000, seconds=20)
        rate = min(RATE, max(1.0, closed.throughput * SHARE))
        opened = open_loop(ask, queries, rate=rate, seconds=SECONDS, threads=2)
        verdict = judge(opened, OBJECTIVE_MS)
        found = [
            *percentiles(f"ask, closed loop, one client ({size})", closed.latency),
            *percentiles("ask, open loop, 2 clients, from the intended start", opened.latency),
            Figure(
                name=f"ask, open loop, p99 below {OBJECTIVE_MS:g} ms: {verdict.verdict}",
                value=verdict.measured.high,
                unit="ms",
                target=f"< {OBJECTIVE_MS:g}",
                met=verdict.met,
                n=verdict.measured.samples,
                note=f"upper end of the 95 % interval; {rate:.0f} Poisson arrivals/s",
            ),
        ]
        for stage in staged.table(closed).stages:
            name = f"stage {stage.name} of ask, mean"
            found.append(
                Figure.stated(name, stage.time.mean_ms, unit="ms", n=stage.time.samples, note=f"{stage.share:.0%}")
            )
        for threads in all_threads():
            run = closed_loop(work.ask, queries, threads=threads, seconds=3)
            n = len(run.latency_s)
            found.append(Figure.stated(f"searches a second, {threads} clients", run.throughput, unit="/s", n=n))
    return found


def started(path: Path, queries: list[str]) -> list[Figure]:
    """New processes; the index is open in none other, which would keep its files in memory."""
    found = []
    cold = measure_cold(path, queries, top_k=5, repeats=3)
    for kind, starts in (("cold", cold.cold), ("warm", cold.warm)):
        times = sorted(start.open_ms + start.first_ms for start in starts)
        note = "files dropped from the page cache" if kind == "cold" and cold.dropped else ""
        found.append(Figure.stated(f"new process, {kind}: open and first answer", times[1], unit="ms", n=3, note=note))
    return found


def grown(record: Path) -> Iterator[Figure]:
    """What ``benches/growth.py`` recorded; it takes too long to be run with the rest."""
    if not record.exists():
        return
    result = json.loads(record.read_text(encoding="utf-8"))
    note = f"benches/growth.py, load {result['load_mean']:g}"
    for level in result["levels"]:
        size = f"at {level['chunks']:,} chunks"
        yield Figure.stated(f"chunks a second, built {size}", level["chunks"] / level["build_s"], n=1, note=note)
        yield Figure.stated(f"bytes a chunk {size}", level["size_bytes"] / level["chunks"], n=1, note=note)
        for mode, times in level["latency"].items():
            for name in ("p50", "p99"):
                if ms := times[f"{name}_ms"]:
                    title = f"{mode} search {size}, {name}"
                    yield Figure.stated(title, ms["value"], unit="ms", n=times["samples"], note=note)


def percentiles(name: str, times: Distribution) -> Iterator[Figure]:
    """One figure each; a percentile that the samples do not carry has no value and says what it needs."""
    for row in times.percentiles:
        note = f"[{row.ms.low:.2f}, {row.ms.high:.2f}]" if row.ms else str(row)
        yield Figure.stated(f"{name}, {row.name}", row.ms and row.ms.value, unit="ms", n=times.samples, note=note)


def kb() -> tuple[Path, list[str]]:
    """The index, made if it is not there or is of another version, and what it is asked."""
    texts = LEXICAL / "100k" / "texts.txt"
    if not texts.exists():
        return handbook()
    asked = json.loads((LEXICAL / "queries.json").read_text(encoding="utf-8"))["held_out"]["questions"]
    queries = [str(query) for query in asked][:QUERIES]
    if not usable(KEPT):
        shutil.rmtree(KEPT, ignore_errors=True)
        KEPT.mkdir(parents=True)
        with texts.open(encoding="utf-8", newline="\n") as lines:
            grow((line.rstrip("\n") for line in islice(lines, CHUNKS)), [CHUNKS], folder=KEPT, searches=1)
    return KEPT, queries


def handbook() -> tuple[Path, list[str]]:
    """The handbook's index and its questions."""
    path = KEPT.with_name("kb-latency-handbook")
    if not usable(path):
        shutil.rmtree(path, ignore_errors=True)
        with ragstone.open(path, embedder="builtin") as index:
            index.ingest(HANDBOOK / "documents")
    return path, read_queries(HANDBOOK / "queries" / "answerable.jsonl")


def usable(path: Path) -> bool:
    """Whether an index is there, whole and of this version."""
    try:
        with ragstone.open(path, read_only=True) as index:
            return len(index) > 0
    except (ragstone.NotFound, ragstone.StorageError, IncompatibleIndex):
        return False


if __name__ == "__main__":
    show(figures(ROOT / ".." / "shared"))
