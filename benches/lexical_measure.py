"""Measuring lexical systems side by side: answers checked first, then single queries in pairs, query by query."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexical_data import Reference, Terms, overlap, texts_of
from ragstone import _core
from rivals.lexical import LexicalSystem, load, missing

Times = NDArray[np.float64]
BUDGET_S = 15.0  # for one class of one pair: what is slower is asked less often, and says so
QUERIES_MIN = 20


@dataclass
class Contestant:
    """A system with its queries prepared, and what was measured of it."""

    system: LexicalSystem
    prepared: dict[str, list[Any]]
    built: dict[str, Any]
    figures: dict[str, Any] = field(default_factory=dict)
    warm_for: int = 0


# --- building -------------------------------------------------------------------------------------------------------


def source(terms: Terms, name: str, analysis: str) -> tuple[Path, str]:
    """The file of texts that a system indexes, and who analyzes them."""
    if analysis == "own" or load(name).own_terms or (name == "ragstone" and terms.kind == "ragstone"):
        return texts_of(terms.size), "own"
    return terms.texts, "opaque"


def built(name: str, terms: Terms, analysis: str = "opaque", threads: int = 1, anew: bool = False) -> dict[str, Any]:
    """Build a system's index in a process of its own, unless it is there; where it is, and what building took."""
    system = load(name)
    path, analysis = source(terms, name, analysis)
    owner = "ragstone" if system.package == "ragstone" else system.shares or name
    folder = terms.folder / f"index-{owner}-{analysis}-{threads}"
    note = folder.with_suffix(".json")
    build = _digest_of_build() if system.package == "ragstone" else ""
    if note.exists() and not anew:
        known: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
        if known["build"] == build:
            return known
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    ask = {"task": "build", "system": name, "texts": str(path), "folder": str(folder), "analysis": analysis}
    ask |= {"threads": threads, "size": terms.size, "kind": terms.kind}
    made = child(ask, RAGSTONE_THREADS=str(threads))
    made |= {"bytes": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())}
    made |= {"bytes_per_posting": round(made["bytes"] / len(terms.rows), 2), "folder": str(folder), "build": build}
    note.write_text(json.dumps(made) + "\n", encoding="utf-8")
    print(f"built {name} ({analysis}, {threads} threads): {made}", flush=True)
    return made


def _digest_of_build() -> str:
    """Digest of the native module: an index of another one is not ours."""
    return hashlib.sha256(Path(str(_core.__file__)).read_bytes()).hexdigest()[:16]


def child(ask: dict[str, Any], **environment: str) -> dict[str, Any]:
    """Do a task of ``lexical_processes.py`` in a process of its own and read what it says last."""
    script = Path(__file__).with_name("lexical_processes.py")
    command = [sys.executable, str(script), json.dumps(ask)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)
    if outcome.returncode:
        raise RuntimeError((outcome.stderr.strip().splitlines() or ["it said nothing"])[-1])
    said: dict[str, Any] = json.loads(outcome.stdout.strip().splitlines()[-1])
    return said


def contestants(names: list[str], terms: Terms, words: dict[str, list[str]], chosen: str) -> list[Contestant]:
    """Every system open and with its queries prepared; one that cannot be had is left out, aloud."""
    from lexical_data import opaque

    asked = terms.queries(chosen)
    ready = []
    for name in names:
        try:
            if package := missing(name):
                raise FileNotFoundError(package)
            made = built(name, terms)
            system = load(name)
            system.open(Path(made["folder"]))
            ready.append(Contestant(system, {}, made))
        except (OSError, RuntimeError, ImportError) as error:
            print(f"left out: {name}: {error}: see benches/rivals/requirements.txt", flush=True)
            continue
        for kind in words:
            prepared = []
            for text, numbers in zip(words[kind], asked[kind], strict=False):
                opaque_words = [opaque(number) for number in numbers]
                raw = text if system.own_terms or terms.kind == "ragstone" else " ".join(opaque_words)
                prepared.append(system.prepare(opaque_words, raw))
            ready[-1].prepared[kind] = prepared
    return ready


# --- answers --------------------------------------------------------------------------------------------------------


def check(runners: list[Contestant], terms: Terms, chosen: str, count: int, depths: list[int]) -> None:
    """Overlap of every contestant with the exact answer, for every query, before anything is timed."""
    reference = Reference(terms)
    asked = terms.queries(chosen)
    for runner in runners:
        for depth in depths if not runner.system.own_terms else []:
            shares, least, error = [], 1.0, 0.0
            for kind, prepared in runner.prepared.items():
                for query, numbers in zip(prepared, asked[kind][:count], strict=True):
                    answer = runner.system.search(query, depth)
                    found = runner.system.rows(answer)
                    rows, scores = reference.scores(numbers)
                    shares.append(overlap(found, rows, scores, depth))
                    least = min(least, shares[-1][1])
                    if runner.system.name == "ragstone" and len(found):
                        told = runner.system.scores(answer)
                        right = scores[np.searchsorted(rows, found).clip(max=len(rows) - 1)]
                        error = max(error, float(np.max(np.abs(told - right) / right)))
            plain, aware = np.mean(shares, axis=0)
            figures = {"overlap": round(float(plain), 5), "tie_aware": round(float(aware), 5), "worst": round(least, 3)}
            if runner.system.name == "ragstone":
                figures["score_error"] = float(f"{error:.2g}")
            runner.figures[f"exactness@{depth}"] = figures | {"queries": len(shares)}
            print(f"{runner.system.name:14} @{depth:<4} {figures}", flush=True)


# --- times ----------------------------------------------------------------------------------------------------------


def time_pairs(runners: list[Contestant], top_k: int, repeats: int) -> None:
    """Time single queries: each rival in turn with ours, query by query in random order, class by class.

    In pairs, because with more systems in the round each would find its data swept out of the caches by all others.
    A rival's ``times_ours`` is the ratio of the two medians of its pair. Our figures are medians over all pairs.
    """
    ours = next((runner for runner in runners if runner.system.name == "ragstone"), None)
    for kind in runners[0].prepared:
        together = []
        for rival in [runner for runner in runners if runner is not ours]:
            pair = [rival] if ours is None else [rival, ours]
            figures = alternate(pair, kind, top_k, repeats)
            if hasattr(rival.system, "alone"):
                figures[0] = _quicker(figures[0], rival, kind, top_k, repeats)
            if ours is not None:
                for what in ("p50_us", "p99_us", "p50_cpu_us", "p99_cpu_us"):
                    figures[0][f"times_{what}"] = round(figures[0][what] / figures[1][what], 2)
                figures[0]["ours"] = figures[1]
                together.append(figures[1])
            rival.figures.setdefault(f"top{top_k}", {})[kind] = figures[0]
            _say(rival.system.name, kind, top_k, figures[0])
        if ours is not None:
            alone = alternate([ours], kind, top_k, repeats)[0]
            middle = {
                what: round(float(np.median([figures[what] for figures in together or [alone]])), 2)
                for what in ("p50_us", "p99_us", "p50_cpu_us", "p99_cpu_us")
            }
            ours.figures.setdefault(f"top{top_k}", {})[kind] = middle | {"queries": alone["queries"], "alone": alone}
            _say("ragstone", kind, top_k, middle)


def _quicker(figures: dict[str, Any], rival: Contestant, kind: str, top_k: int, repeats: int) -> dict[str, Any]:
    """Of a system in a process of its own: the better of its times beside ours, and without waiting for messages."""
    asked = rival.prepared[kind][: figures["queries"]]
    walls, processor = (np.median(np.array(taken), axis=1) / 1e3 for taken in rival.system.alone(asked, top_k, repeats))
    alone = percentiles(walls) | percentiles(processor, "cpu_")
    return (
        figures
        | {what: min(taken, figures[what]) for what, taken in alone.items()}
        | {"beside": figures, "alone": alone}
    )


def _say(name: str, kind: str, top_k: int, figures: dict[str, Any]) -> None:
    ratio = f"  {figures['times_p50_us']:.2f} x / {figures['times_p99_us']:.2f} x" if "times_p50_us" in figures else ""
    print(
        f"{name:14} {kind:12} top {top_k:<4} wall {figures['p50_us']:10.1f} / {figures['p99_us']:10.1f} us   "
        f"cpu {figures['p50_cpu_us']:10.1f} / {figures['p99_cpu_us']:10.1f}{ratio}",
        flush=True,
    )


def alternate(runners: list[Contestant], kind: str, top_k: int, repeats: int) -> list[dict[str, Any]]:
    """Time every contestant on one query before the next, in an order drawn anew each time; medians of the repeats."""
    prepared = [runner.prepared[kind] for runner in runners]
    for runner in runners:
        if hasattr(runner.system, "warm") and runner.warm_for != top_k:
            runner.system.warm(top_k)
            runner.warm_for = top_k
    started = time.perf_counter()
    for runner, queries in zip(runners, prepared, strict=True):
        for query in queries[:5]:
            runner.system.search(query, top_k)
    each = (time.perf_counter() - started) / 5
    count = int(np.clip(BUDGET_S / max(each, 1e-6), min(QUERIES_MIN, len(prepared[0])), len(prepared[0])))
    walls = np.full((len(runners), count, repeats), np.nan)
    processor = np.full_like(walls, np.nan)
    random = np.random.default_rng(4)
    gc.collect()
    gc.disable()
    begun = time.perf_counter()
    done = 0
    for repeat in range(repeats):
        for number in random.permutation(count):
            for place in random.permutation(len(runners)):
                _, wall, cpu = runners[place].system.timed(prepared[place][number], top_k)
                walls[place, number, repeat] = wall
                processor[place, number, repeat] = cpu
        done += 1
        if time.perf_counter() - begun > BUDGET_S:
            break
    gc.enable()
    return [
        percentiles(np.median(walls[place, :, :done], axis=1) / 1e3)
        | percentiles(np.median(processor[place, :, :done], axis=1) / 1e3, "cpu_")
        | {"queries": count, "repeats": done}
        for place in range(len(runners))
    ]


def percentiles(microseconds: Times, clock: str = "") -> dict[str, float]:
    """Median and 99th percentile."""
    return {f"p{cut}_{clock}us": round(float(np.percentile(microseconds, cut)), 2) for cut in (50, 99)}
