"""Tasks of the lexical bench that need a process of their own: building, opening, one instruction set."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from lexical_data import lines, opaque, terms
from rivals.lexical import load


def build(ask: dict[str, Any]) -> dict[str, Any]:
    """Build an index; wall and processor time, and the most memory that it took beyond an empty process."""
    system = load(ask["system"])
    before = _peak()
    started = time.perf_counter()
    used = _processor()
    if ask["size"] == "1m" and ask["analysis"] == "opaque" and hasattr(system, "convert"):
        system.convert(terms(ask["size"], ask["kind"]), Path(ask["folder"]))
        return {"converted": True, "threads": ask["threads"]}
    system.build(lines(Path(ask["texts"])), Path(ask["folder"]), ask["analysis"], ask["threads"])
    wall = time.perf_counter() - started
    peak = max(_peak(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
    return {
        "wall_s": round(wall, 2),
        "cpu_s": round(_processor() - used, 2),
        "peak_mb": round(peak),
        "peak_before_mb": round(before),
        "threads": ask["threads"],
        "load_1min": round(os.getloadavg()[0], 1),
    }


def _peak() -> float:
    """Megabytes; not from getrusage, whose maximum a process inherits from the one that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _processor() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def open_index(ask: dict[str, Any]) -> dict[str, Any]:
    """Open an index and ask it one question, then others."""
    system = load(ask["system"])
    faults = _faults()
    started = time.perf_counter()
    system.open(Path(ask["folder"]))
    opened = time.perf_counter()
    prepared = [system.prepare(words, " ".join(words)) for words in ask["queries"]]
    ready = time.perf_counter()
    system.search(prepared[0], 10)
    first = time.perf_counter() - ready
    times = []
    for query in prepared[1:]:
        begun = time.perf_counter()
        system.search(query, 10)
        times.append((time.perf_counter() - begun) * 1000)
    system.close()
    return {
        "open_ms": round((opened - started) * 1000, 3),
        "first_ms": round(first * 1000, 3),
        "open_and_first_ms": round((opened - started + first) * 1000, 3),
        "next_p50_ms": round(float(np.median(times)), 3),
        "major_faults": _faults() - faults,
    }


def _faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_majflt


def isa(ask: dict[str, Any]) -> dict[str, Any]:
    """Answers and times of our index under the instruction set that the environment names."""
    from lexical_measure import Contestant, alternate, built
    from ragstone import _core

    inverted = terms(ask["size"], ask["kind"])
    system = load("ragstone")
    system.open(Path(built("ragstone", inverted)["folder"]))
    runner = Contestant(system, {}, {})
    digest = hashlib.sha256()
    for kind, asked in inverted.queries(ask["set"]).items():
        texts = [" ".join(map(opaque, numbers)) for numbers in asked[: ask["count"]]]
        if ask["kind"] == "ragstone":
            texts = ask["texts"][kind][: ask["count"]]
        runner.prepared[kind] = [system.prepare([], text) for text in texts]
        for query in runner.prepared[kind]:
            for values in system.search(query, ask["top_k"]):
                digest.update(np.ascontiguousarray(values).tobytes())
    figures = {kind: alternate([runner], kind, ask["top_k"], ask["repeats"])[0] for kind in runner.prepared}
    return {"instruction_set": _core.instruction_set(), "answers_sha256": digest.hexdigest(), "classes": figures}


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print(json.dumps({"build": build, "open": open_index, "isa": isa}[given["task"]](given)))
