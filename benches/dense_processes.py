"""Dense search measured in processes of their own: opening files cold and warm, and one instruction set each."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import ragstone
from dense_data import Dataset, prepare
from dense_measure import Questions, build, percentiles, recalls
from ragstone import _core
from rivals import load

WARM_ROUNDS, QUERIES_AFTER, ISA_ROUNDS = 5, 200, 3
# System, setting, and how its file is opened: mapped, or read to memory.
OPENED: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("ragstone", {}, "mapped"),
    ("faiss-flat", {}, "mapped"),
    ("faiss-flat", {}, "read"),
    ("faiss-hnsw", {"efSearch": 256}, "mapped"),
    ("faiss-hnsw", {"efSearch": 256}, "read"),
)


def cold(dataset: Dataset, rows: int, top_k: int, names: list[str]) -> dict[str, Any]:
    """Open and first answer after the file was dropped from the page cache, and again; then further queries."""
    outcome: dict[str, Any] = {}
    for name, setting, way in (row for row in OPENED if row[0] in names):
        path = _saved(dataset, rows, name)
        ask = {"task": "open", "system": name, "setting": setting, "way": way, "path": str(path), "top_k": top_k}
        ask["queries"] = str(dataset.folder / "queries.npy")
        _drop_from_cache(path)
        figures: dict[str, Any] = {"file_bytes_per_vector": round(path.stat().st_size / rows, 1), "cold": _child(ask)}
        rounds = [_child(ask) for _ in range(WARM_ROUNDS)]
        figures["warm"] = sorted(rounds, key=lambda figures: float(figures["open_and_first_ms"]))[len(rounds) // 2]
        outcome[name if way == "mapped" else f"{name}, read to memory"] = figures
        print(name, way, json.dumps(figures, indent=1), flush=True)
    return {"figures": outcome, "targets": _cold_targets(outcome)}


def _cold_targets(outcome: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "what": f"open and first query, {state}, ms at most",
            "wanted": most,
            "reached": reached,
            "met": reached <= most,
        }
        for state, most in (("cold", 50), ("warm", 5))
        if "ragstone" in outcome
        for reached in [outcome["ragstone"][state]["open_and_first_ms"]]
    ]


def _saved(dataset: Dataset, rows: int, name: str) -> Path:
    """A saved index of this system; ours is written anew each time, for its format may have changed."""
    path = dataset.folder / f"{name}-{rows}.saved"
    # A system that is kept anyway has its file already.
    system = load(name)
    if system.key and (kept := dataset.folder / f"{system.key}-{rows}.index").exists():
        return kept
    if name == "ragstone" or not path.exists():
        system = build([name], dataset, dataset.head(rows))[0]
        system.save(path)
    return path


def _drop_from_cache(path: Path) -> None:
    """Ask the system to forget the file's pages, as after a restart."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def _open(ask: dict[str, Any]) -> dict[str, Any]:
    """In the child: open, first query, further queries, each different; page faults and memory."""
    queries = np.load(ask["queries"])
    queries = queries[np.random.default_rng(10).permutation(len(queries))[: QUERIES_AFTER + 1]]
    system = load(ask["system"])
    own, faults = _own_memory(), [_faults()]
    started = time.perf_counter()
    if ask["way"] == "mapped":
        system.open(Path(ask["path"]))
    else:
        system.load(Path(ask["path"]), queries.shape[1])
    opened = time.perf_counter()
    faults.append(_faults())
    system.search(queries[:1], ask["top_k"], **ask["setting"])
    answered = time.perf_counter()
    faults.append(_faults())
    after_first = _memory(ask["path"], own)
    times = []
    for number in range(1, len(queries)):
        begun = time.perf_counter()
        system.search(queries[number : number + 1], ask["top_k"], **ask["setting"])
        times.append((time.perf_counter() - begun) * 1000)
    faults.append(_faults())
    return {
        "open_ms": round((opened - started) * 1000, 3),
        "first_ms": round((answered - opened) * 1000, 3),
        "open_and_first_ms": round((answered - started) * 1000, 3),
        "next_10": percentiles(np.array(times[:10])),
        "next_200": percentiles(np.array(times)),
        "major_faults": dict(zip(("open", "first", "next_200"), np.diff(faults).tolist(), strict=True)),
        "memory_mb_after_first": after_first,
        "memory_mb_after_all": _memory(ask["path"], own),
    }


def _faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_majflt


def _memory(path: str, own_before: float) -> dict[str, float]:
    """Resident pages of the index file, and what the process itself took since it opened it, in megabytes."""
    resident, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "Rss":
            resident += int(value.split()[0]) * inside
        elif not value.endswith(" kB") and "-" in name.split()[0]:
            inside = line.endswith(path)
    return {"index_file": round(resident / 1024, 1), "own_added": round(_own_memory() - own_before, 1)}


def _own_memory() -> float:
    """Megabytes of memory that are not pages of files."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) / 1024
    return 0.0


def instruction_sets(dataset: Dataset, rows: int, asked: Questions, options: argparse.Namespace) -> dict[str, Any]:
    """The same index and queries under each instruction set, in alternating processes; and on two threads."""
    _saved(dataset, rows, "ragstone")
    names = options.isa.split(",")
    ask = {"task": "isa", "set": dataset.name, "rows": rows, "top_k": options.top_k, "queries": options.queries}
    runs: dict[str, list[dict[str, Any]]] = {}
    for _ in range(ISA_ROUNDS):
        for name, threads in [(name, 1) for name in names] + [(names[0], 2)]:
            figures = _child(ask, RAGSTONE_ISA=name, RAGSTONE_THREADS=str(threads))
            if figures["instruction_set"] != name:
                raise SystemExit(f"asked for {name}, the process ran {figures['instruction_set']}")
            runs.setdefault(f"{name}, {threads} thread{'s' * (threads > 1)}", []).append(figures)
    outcome: dict[str, Any] = {}
    for name, rounds in runs.items():
        medians = [figures["default"]["p50_ms"] for figures in rounds]
        outcome[name] = min(rounds, key=lambda figures: float(figures["default"]["p50_ms"])) | {"medians_ms": medians}
    digests = {figures["answers_sha256"] for rounds in runs.values() for figures in rounds}
    built = {figures["built_sha256"] for rounds in runs.values() for figures in rounds}
    best = {name: figures["default"]["p50_ms"] for name, figures in outcome.items()}
    targets: list[dict[str, Any]] = [
        {"what": "different answers or scores", "wanted": 1, "reached": len(digests), "met": len(digests) == 1},
        {"what": "different answers after building", "wanted": 1, "reached": len(built), "met": len(built) == 1},
    ]
    first = best[f"{names[0]}, 1 thread"]
    for name, most in (("avx2", 1.3), ("scalar", 5.0)):
        if f"{name}, 1 thread" in best and name != names[0]:
            times = round(best[f"{name}, 1 thread"] / first, 2)
            what = f"{name}: times the time of {names[0]}, at most"
            targets.append({"what": what, "wanted": most, "reached": times, "met": times <= most})
    for name, figures in outcome.items():
        print(f"{name:20} default {figures['default']}  exact {figures['exact']['p50_ms']}  recall {figures['recall']}")
    print(*targets, sep="\n")
    return {"figures": outcome, "targets": targets}


def _isa(ask: dict[str, Any]) -> dict[str, Any]:
    """In the child: answers of the saved index, of a small one built here, and times."""
    dataset = prepare(ask["set"])
    asked = Questions.of(dataset, ask["queries"])
    queries = dataset.queries[asked.reported]
    index = ragstone.DenseIndex.open(dataset.folder / f"ragstone-{ask['rows']}.saved")
    found = index.search(queries, top_k=ask["top_k"])
    exact = index.search(queries, top_k=ask["top_k"], exact=True)
    small = ragstone.DenseIndex(dimension=dataset.base.shape[1])
    small.add(dataset.head(min(ask["rows"], 20_000)))
    return {
        "instruction_set": _core.instruction_set(),
        "recall": round(float(recalls(found[0], dataset, asked.reported, ask["top_k"], ask["rows"]).mean()), 5),
        "answers_sha256": _digest(*found, *exact),
        "built_sha256": _digest(*small.search(queries, top_k=ask["top_k"])),
        "default": _times(index, queries, ask["top_k"], False),
        "exact": _times(index, queries[:100], ask["top_k"], True),
    }


def _times(index: ragstone.DenseIndex, queries: Any, top_k: int, exact: bool) -> dict[str, float]:
    times = []
    for query in queries:
        started = time.perf_counter()
        index.search(query, top_k=top_k, exact=exact)
        times.append((time.perf_counter() - started) * 1000)
    return percentiles(np.array(times))


def _digest(*arrays: Any) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _child(ask: dict[str, Any], **environment: str) -> dict[str, Any]:
    """Run one task in a process of its own."""
    outcome = subprocess.run(
        [sys.executable, __file__, json.dumps(ask)],
        env=os.environ | environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    figures: dict[str, Any] = json.loads(outcome.stdout.splitlines()[-1])
    return figures


if __name__ == "__main__":
    task = json.loads(sys.argv[1])
    print(json.dumps({"open": _open, "isa": _isa}[task["task"]](task)))
