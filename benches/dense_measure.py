"""Measuring systems side by side: answers checked first, then single queries in pairs, query by query."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dense_data import Dataset, sections, truth
from rivals import System, load, missing

Vectors = NDArray[np.float32]
Ids = NDArray[np.int64]
RECALL_TIE = 0.001
TIE = 1e-9  # cosines closer than this are a tie: any row of it is a right answer


@dataclass
class Contestant:
    """A system under one of its settings, and what was measured of it."""

    system: System
    setting: dict[str, Any]
    recall_choosing: float = 0.0
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Name and setting, as in ``faiss-hnsw efSearch=64``."""
        return " ".join([self.system.name, *(f"{key}={value}" for key, value in self.setting.items())])

    def ask(self, queries: Vectors, top_k: int) -> Ids:
        """Search with this setting."""
        return self.system.search(queries, top_k, **self.setting)


@dataclass(frozen=True)
class Questions:
    """Queries in two halves: settings are chosen on one and reported on the other."""

    choosing: NDArray[np.int64]
    reported: NDArray[np.int64]

    @classmethod
    def of(cls, dataset: Dataset, count: int) -> Questions:
        """At most ``count`` queries to report and as many to choose on, both drawn from all kinds alike."""
        order = np.random.default_rng(3).permutation(len(dataset.queries))
        count = min(count, len(order) // 2)
        return cls(np.sort(order[count : 2 * count]), np.sort(order[:count]))


def build(names: list[str], dataset: Dataset, vectors: Vectors) -> list[System]:
    """Every system over the same vectors; one whose package is not installed is left out, aloud."""
    systems: dict[str, System] = {}
    for name in names:
        if package := missing(name):
            print(f"left out: {name} needs {package}: see benches/rivals/requirements.txt", flush=True)
            continue
        system = load(name)
        system.kept = dataset.folder
        if owner := systems.get(system.shares):
            system.index, system.build_s, system.build_cpu_s = owner.index, owner.build_s, owner.build_cpu_s
        else:
            system.make(vectors)
            print(f"built {name}: {system.build_cpu_s:.2f} CPU s", flush=True)
        systems[name] = system
    return list(systems.values())


def contestants(systems: list[System]) -> list[Contestant]:
    """Every system under each of its settings."""
    return [Contestant(system, dict(setting)) for system in systems for setting in system.settings]


def recalls(found: Ids, dataset: Dataset, wanted: NDArray[np.int64], top_k: int, rows: int) -> NDArray[np.float64]:
    """Share of the exact top k that was found, for each query; refuses answers that are no answers."""
    if found.shape != (len(wanted), top_k) or found.min() < -1 or found.max() >= rows:
        raise SystemExit(f"{found.shape} ids from {found.min()} to {found.max()} for {len(wanted)} queries of {top_k}")
    right = truth(dataset, rows)[wanted, :top_k]
    return np.array(
        [
            recall(ids, exact, dataset.base, query)
            for ids, exact, query in zip(found, right, dataset.queries[wanted], strict=True)
        ]
    )


def recall(found: Ids, exact: NDArray[Any], base: Vectors, query: Vectors) -> float:
    """Share of the exact rows that was found; another row of the same cosine as the last counts too."""
    ids = found[found >= 0]
    if len(np.unique(ids)) != len(ids):
        raise SystemExit(f"an id twice in one answer: {ids}")
    others = np.setdiff1d(ids, exact)
    hits = len(ids) - len(others)
    if len(others):
        asked = query.astype(np.float64)
        hits += int(np.sum(base[others].astype(np.float64) @ asked >= base[exact[-1]].astype(np.float64) @ asked - TIE))
    return hits / max(1, len(exact))


def check(runners: list[Contestant], dataset: Dataset, asked: Questions, top_k: int, rows: int) -> None:
    """Recall of every contestant on both halves, before anything is timed."""
    first = truth(dataset, rows)[asked.reported, :top_k]
    kinds = np.array(dataset.kinds)[asked.reported]
    for runner in runners:
        runner.recall_choosing = recalls_of(runner, dataset, asked.choosing, top_k, rows).mean()
        found = runner.ask(dataset.queries[asked.reported], top_k)
        each = recalls(found, dataset, asked.reported, top_k, rows)
        runner.figures["recall"] = round(float(each.mean()), 5)
        runner.figures["recall_choosing"] = round(float(runner.recall_choosing), 5)
        runner.figures["recall_worst_query"] = round(float(each.min()), 3)
        runner.figures["same_ids_as_exact"] = round(float((found == first).all(axis=1).mean()), 4)
        if runner.system.name == "ragstone":
            runner.figures["recall_by_kind"] = {
                str(kind): round(float(each[kinds == kind].mean()), 4) for kind in np.unique(kinds)
            }
        if runner.system.exact and runner.figures["recall"] < 0.9995:
            raise SystemExit(f"{runner.label} is exact and has recall {runner.figures['recall']}: not timed")
        print(f"{runner.label:36} recall@{top_k} {runner.figures['recall']:.4f}", flush=True)


def recalls_of(
    runner: Contestant, dataset: Dataset, wanted: NDArray[np.int64], top_k: int, rows: int
) -> NDArray[np.float64]:
    """Recall of each of the wanted queries."""
    return recalls(runner.ask(dataset.queries[wanted], top_k), dataset, wanted, top_k, rows)


def time_pairs(runners: list[Contestant], queries: Vectors, top_k: int) -> None:
    """Time single queries: ours alone, then each rival in turn with ours, query by query in random order.

    In pairs, because with more systems in the round each would find its data swept out of the caches by all others.
    A rival's ``times_ours`` is the ratio of the two medians of its pair. Our figures are the medians over all
    pairs.
    """
    ours = next((runner for runner in runners if runner.system.name == "ragstone"), None)
    rivals = [runner for runner in runners if runner is not ours]
    medians = []
    for rival in rivals:
        figures = alternate([rival] if ours is None else [rival, ours], queries, top_k)
        rival.figures.update(figures[0])
        if ours is not None:
            rival.figures["ours_p50_ms"] = figures[1]["p50_ms"]
            rival.figures["times_ours"] = round(figures[0]["p50_ms"] / figures[1]["p50_ms"], 2)
            rival.figures["times_ours_cpu"] = round(figures[0]["cpu_p50_ms"] / figures[1]["cpu_p50_ms"], 2)
            medians.append(figures[1])
    if ours is not None:
        alone = alternate([ours], queries, top_k)[0]
        for name in alone:
            ours.figures[name] = round(float(np.median([figures[name] for figures in medians or [alone]])), 4)
        ours.figures["alone"] = alone


def alternate(runners: list[Contestant], queries: Vectors, top_k: int) -> list[dict[str, float]]:
    """Time single queries, every contestant on one query before the next, in an order drawn anew each time."""
    for runner in runners:
        for query in queries[: min(10, len(queries))]:
            runner.ask(query[np.newaxis], top_k)
    walls = np.zeros((len(runners), len(queries)))
    processor = np.zeros_like(walls)
    random = np.random.default_rng(4)
    gc.collect()
    gc.disable()
    for number in range(len(queries)):
        query = queries[number : number + 1]
        for place in random.permutation(len(runners)):
            used, started = time.process_time_ns(), time.perf_counter_ns()
            runners[place].ask(query, top_k)
            walls[place, number] = time.perf_counter_ns() - started
            processor[place, number] = time.process_time_ns() - used
    gc.enable()
    return [
        percentiles(wall) | {"cpu_p50_ms": round(float(np.median(cpu)), 4)}
        for wall, cpu in zip(walls / 1e6, processor / 1e6, strict=True)
    ]


def percentiles(milliseconds: NDArray[np.float64], digits: int = 4) -> dict[str, float]:
    """Median, 95th and 99th percentile."""
    names = {"p50_ms": 50, "p95_ms": 95, "p99_ms": 99}
    return {name: round(float(np.percentile(milliseconds, cut)), digits) for name, cut in names.items()}


def closest(runners: list[Contestant], name: str, recall_wanted: float) -> Contestant | None:
    """A system's cheapest setting of this recall on the choosing half (ties included), else that of most recall."""
    own = [runner for runner in runners if runner.system.name == name]
    enough = [runner for runner in own if runner.recall_choosing >= recall_wanted - RECALL_TIE]
    return next(iter(enough), max(own, key=lambda runner: runner.recall_choosing, default=None))


def bytes_per_vector(path: Path, rows: int) -> dict[str, float]:
    """Bytes a vector of each section of a saved index of ours, those above one tenth of a byte."""
    sizes = {name: round(len(data) / rows, 2) for name, data in sections(path).items()}
    return {"file": round(path.stat().st_size / rows, 2)} | {name: size for name, size in sizes.items() if size >= 0.1}


def read_rates(vectors: Vectors) -> dict[str, float]:
    """Bytes a second that one thread reads here and now, by size: a dot product of an array with itself."""
    rates = {}
    flat = np.ascontiguousarray(vectors).ravel()
    for megabytes in (1, 6, 56, 150, 400, 1500):
        part = flat[: megabytes * 250_000]
        if len(part) < megabytes * 250_000:
            break
        times = []
        for _ in range(7):
            started = time.perf_counter()
            np.dot(part, part)
            times.append(time.perf_counter() - started)
        rates[f"{megabytes} MB"] = round(part.nbytes / 1e9 / float(np.median(times)), 2)
    return rates


def versions(systems: list[System]) -> dict[str, str]:
    """Versions of the packages that took part."""
    return {system.package: version(system.package) for system in systems}
