"""Lexical search beyond single queries: exactness, building from text, opening, updates, filters, instruction sets."""

from __future__ import annotations

import argparse
import inspect
import os
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

import ragstone
from lexical_data import Reference, Terms, lines, opaque, texts_of
from lexical_measure import Contestant, alternate, built, child, contestants
from rivals.lexical import load, missing

SHARES = (0.0001, 0.001, 0.01, 0.1, 0.5, 1.0)
ISA_ROUNDS, WARM_ROUNDS, UPDATES = 3, 5, 200
Line = dict[str, Any]


def most(what: str, wanted: float, reached: float) -> Line:
    """A promise that something is at most so much."""
    return {"what": f"{what}, at most", "wanted": wanted, "reached": reached, "met": reached <= wanted}


# --- exactness ------------------------------------------------------------------------------------------------------


def exactness(terms: Terms, count: int, depth: int = 100, batch: int = 1000) -> dict[str, Any]:
    """Generated queries of 1 to 60 terms against the exact scores: the best 10 and 100, and each score.

    Terms are drawn in three ways, in turns: from one text, from all terms alike, from all occurrences alike; some
    terms twice. A row is right if its exact score ties with that of the last row of the exact list or is better.
    """
    from lexical_data import TIE

    system = load("ragstone")
    system.open(Path(built("ragstone", terms)["folder"]))
    reference = Reference(terms)
    random = np.random.default_rng(12)
    texts = [np.array(sorted(set(line.split()))) for line in islice(lines(terms.texts), 0, None, 7)]
    weights = np.cumsum(terms.frequencies)
    wrong: list[dict[str, Any]] = []
    worst_error, tried, started = 0.0, 0, time.monotonic()
    shares = {10: 0.0, depth: 0.0}
    while tried < count:
        asked = [_generated(number, texts, weights, random) for number in range(tried, min(tried + batch, count))]
        ids, scores = system.index.search([" ".join(map(opaque, query)) for query in asked], top_k=depth)
        for query, found, told in zip(asked, ids, scores, strict=True):
            rows, right = reference.scores(query)
            length = int((found >= 0).sum())
            best = np.sort(np.partition(right, -depth)[-depth:] if len(right) > depth else right)[::-1]
            places = np.searchsorted(rows, found[:length]).clip(max=len(rows) - 1)
            exact = np.where(rows[places] == found[:length], right[places], -1.0)
            error = float(np.max(np.abs(told[:length] - exact) / exact, initial=0.0))
            worst_error = max(worst_error, error)
            good = length == len(best) and len(set(found[:length].tolist())) == length
            for cut in shares:
                share = 1.0
                if len(best):
                    share = float(np.mean(exact[:cut] >= best[: min(cut, len(best))].min() * (1 - TIE)))
                shares[cut] += share
                good &= share == 1.0
            if not good or error > 1e-5:
                wrong.append({"query": query, "found": length, "wanted": len(best), "error": error})
        tried += len(asked)
        if tried % 10_000 == 0:
            print(f"{tried:,} queries, {len(wrong)} wrong, {time.monotonic() - started:.0f} s", flush=True)
    outcome: dict[str, Any] = {f"overlap@{cut}": total / tried for cut, total in shares.items()}
    outcome |= {
        "queries": tried,
        "wrong": len(wrong),
        "examples": wrong[:5],
        "score_error": float(f"{worst_error:.2g}"),
    }
    print(outcome)
    line = {"what": f"generated queries with another answer than float64 has, of {tried:,}", "wanted": 0}
    return outcome | {"targets": [line | {"reached": len(wrong), "met": not wrong}]}


def _generated(number: int, texts: list[Any], weights: Any, random: np.random.Generator) -> list[int]:
    size = int(random.choice((1, 2, 3, 4, 6, 9, 14, 25, 60)))
    if number % 3 == 0:
        words = random.choice(texts[random.integers(len(texts))], size)
        return [_number(str(word)) for word in words]
    if number % 3 == 1:
        return random.integers(len(weights), size=size).tolist()
    found: list[int] = np.searchsorted(weights, random.integers(weights[-1], size=size), side="right").tolist()
    return found


def _number(word: str) -> int:
    """The number of a term whose opaque word this is."""
    number = 0
    for letter in word:
        number = number * 26 + ord(letter) - 97
    return number


# --- building from text ---------------------------------------------------------------------------------------------


def from_text(terms: Terms, names: list[str]) -> dict[str, Any]:
    """Build from raw text, everyone by its own English analysis: wall and processor time, memory, size."""
    figures: dict[str, Any] = {}
    for threads in (1, 2):
        for name in names:
            if package := missing(name):
                print(f"left out: {name} needs {package}")
                continue
            if name.startswith("bm25s") and terms.size == "1m":
                continue  # lists of a hundred million numbers: more memory than there is
            try:
                made = built(name, terms, "own", threads, anew=True)
            except RuntimeError as error:
                print(f"left out: {name}: {error}")
                continue
            figures[f"{name}, {threads} thread{'s' * (threads > 1)}"] = made
            made.pop("folder")
    size = texts_of(terms.size).stat().st_size
    for made in figures.values():
        made["mb_per_s"] = round(size / 1e6 / made["wall_s"], 1)
    return {"figures": figures, "text_mb": round(size / 1e6, 1), "targets": _build_targets(figures, terms.kind)}


def _build_targets(figures: dict[str, Any], kind: str) -> list[Line]:
    ours = figures.get("ragstone, 2 threads")
    found = []
    for name, times in (("tantivy", 2), ("bm25s-numpy", 5)):
        rival = figures.get(f"{name}, 2 threads")
        if ours and rival:
            reached, by_cpu = rival["wall_s"] / ours["wall_s"], rival["cpu_s"] / ours["cpu_s"]
            found.append(
                {
                    "what": f"build from text, 2 threads: times faster than {name}",
                    "wanted": times,
                    "reached": round(reached, 2),
                    "by_cpu": round(by_cpu, 2),
                    "met": reached >= times,
                }
            )
    if ours and (rival := figures.get("tantivy, 2 threads")):
        found.append(
            most("build from text: times the peak memory of tantivy", 2, round(ours["peak_mb"] / rival["peak_mb"], 2))
        )
    if ours and kind == "ragstone":  # of other terms the postings are not ours to count
        found.append(most("bytes a posting on disk, all in", 4, ours["bytes_per_posting"]))
    return found


# --- opening --------------------------------------------------------------------------------------------------------


def cold(terms: Terms, names: list[str], chosen: str) -> dict[str, Any]:
    """Open and first question after the files were dropped from the page cache, and again; then further questions."""
    numbers = terms.queries(chosen)["questions"]
    asked = [[opaque(number) for number in query] for query in numbers if query][:51]
    figures: dict[str, Any] = {}
    for name in names:
        if name == "rank-bm25" or missing(name):
            continue
        ask: dict[str, Any] = {"task": "open", "system": name, "queries": asked}
        try:
            ask["folder"] = built(name, terms)["folder"]
            _drop_from_cache(Path(ask["folder"]))
            once = child(ask)
            rounds = [child(ask) for _ in range(WARM_ROUNDS)]
        except RuntimeError as error:
            print(f"left out: {name}: {error}")
            continue
        rounds.sort(key=lambda round: float(round["open_and_first_ms"]))
        figures[name] = {"cold": once, "warm": rounds[len(rounds) // 2]}
        print(name, figures[name], flush=True)
    targets = []
    if "ragstone" in figures:
        targets.append(most("open and first query, warm, ms", 5, figures["ragstone"]["warm"]["open_and_first_ms"]))
    return {"figures": figures, "targets": targets}


def _drop_from_cache(folder: Path) -> None:
    """Ask the system to forget the pages of all files of a folder, as after a restart."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


# --- updates, and what a call costs ---------------------------------------------------------------------------------


def updates(terms: Terms) -> dict[str, Any]:
    """One text more, until a search finds it; the same for replacing and removing; and the cost of a call."""
    index = ragstone.BM25Index.open(Path(built("ragstone", terms)["folder"]) / "index")
    texts = list(islice(lines(terms.texts), UPDATES))
    times: dict[str, list[float]] = {"add": [], "replace": [], "remove": []}
    for number, text in enumerate(texts):
        mark = "zz" + "".join(chr(97 + int(digit)) for digit in f"{number:08d}")
        started = time.perf_counter()
        (made,) = index.add([f"{text} {mark}"]).tolist()
        found = index.search(mark, top_k=1)[0][0, 0]
        times["add"].append((time.perf_counter() - started) * 1000)
        started = time.perf_counter()
        index.add([f"{text} {mark} {mark}"], ids=[made])
        again = index.search(mark, top_k=1)[0][0, 0]
        times["replace"].append((time.perf_counter() - started) * 1000)
        if found != made or again != made:
            raise SystemExit(f"text {made} was added and {found}, {again} are found")
        if number % 2:
            started = time.perf_counter()
            index.remove([made])
            gone = index.search(mark, top_k=1)[0][0, 0]
            times["remove"].append((time.perf_counter() - started) * 1000)
            if gone != -1:
                raise SystemExit(f"text {made} was removed and is found")
    figures: dict[str, Any] = {
        what: {f"p{cut}_ms": round(float(np.percentile(taken, cut)), 3) for cut in (50, 99)} | {"times": len(taken)}
        for what, taken in times.items()
    }
    figures["call_us"] = call_cost()
    print(figures)
    targets = [
        most("one text added and found, ms", 1, figures["add"]["p50_ms"]),
        most("a call from Python, microseconds", 5, figures["call_us"]["unknown term"]),
    ]
    return {"figures": figures, "targets": targets}


def call_cost(rounds: int = 20_000) -> dict[str, float]:
    """Microseconds of a search that has nothing to do: what the call itself costs."""
    index = ragstone.BM25Index()
    index.add(["some words of a text"])
    found = {}
    for name, query in (("unknown term", "zzzz"), ("one hit", "words")):
        taken = []
        for _ in range(rounds):
            started = time.perf_counter_ns()
            index.search(query)
            taken.append(time.perf_counter_ns() - started)
        found[name] = round(float(np.median(taken)) / 1000, 2)
    return found


# --- filters and deletes --------------------------------------------------------------------------------------------


class _Filtered:
    """Our index under a filter, as a system to be timed."""

    def __init__(self, index: ragstone.BM25Index, passing: Any) -> None:
        self.index = index
        self.options = {} if passing is None else {"filter_ids": passing}

    def search(self, query: Any, top_k: int) -> Any:
        """Search among what passes."""
        return self.index.search(query, top_k=top_k, **self.options)

    def timed(self, query: Any, top_k: int) -> tuple[Any, int, int]:
        """The answer, wall and processor time."""
        used, started = time.process_time_ns(), time.perf_counter_ns()
        answer = self.search(query, top_k)
        wall = time.perf_counter_ns() - started
        return answer, wall, time.process_time_ns() - used


def filters(terms: Terms, words: dict[str, list[str]], chosen: str) -> dict[str, Any]:
    """Questions where only some rows pass, and where some are deleted, each beside the same without."""
    path = Path(built("ragstone", terms)["folder"]) / "index"
    (whole,) = contestants(["ragstone"], terms, words, chosen)
    rows = len(terms.lengths)
    random = np.random.default_rng(6)
    filtering = "filter_ids" in inspect.signature(ragstone.BM25Index.search).parameters
    if not filtering:
        print("this BM25Index takes no filter: deletes only")
    reference = Reference(terms)
    asked = terms.queries(chosen)["questions"]
    outcome: dict[str, Any] = {}
    for share in SHARES:
        passing = np.zeros(rows, dtype=bool)
        passing[random.choice(rows, max(1, round(share * rows)), replace=False)] = True
        ways: dict[str, Any] = {}
        if filtering:
            ways["filter"] = _Filtered(ragstone.BM25Index.open(path), passing)
        if 0.4 < share < 1:
            index = ragstone.BM25Index.open(path)
            index.remove(np.flatnonzero(~passing))
            ways["deleted"] = _Filtered(index, None)
        for name, system in ways.items():
            runner = Contestant(system, whole.prepared, {})
            exact = (
                _exact_among(system, whole.prepared["questions"], asked, reference, passing)
                if name == "filter"
                else None
            )
            for kind in ("questions", "long", "keywords"):
                narrow, wide = alternate([runner, whole], kind, 10, 3)
                figures = {"us": narrow["p50_us"], "without_us": wide["p50_us"], "p99_us": narrow["p99_us"]}
                figures |= {"times": round(narrow["p50_us"] / wide["p50_us"], 3), "overlap": exact}
                outcome[f"{name} {share:.2%} {kind}"] = figures
                print(f"{name} {share:.2%} {kind}", figures, flush=True)
    slowest = max((figures["times"] for name, figures in outcome.items() if "questions" in name), default=0.0)
    return {"cases": outcome, "targets": [most("filters and deletes: times of the search without", 1, slowest)]}


def _exact_among(system: Any, prepared: list[Any], asked: list[list[int]], reference: Reference, passing: Any) -> float:
    """Overlap with the exact answer among the rows that pass, ties counted."""
    from lexical_data import overlap

    shares = []
    for query, numbers in zip(prepared, asked, strict=False):
        rows, scores = reference.scores(numbers)
        kept = passing[rows]
        found = system.search(query, 10)[0][0]
        shares.append(overlap(found[found >= 0], rows[kept], scores[kept], 10)[1])
    return round(float(np.mean(shares)), 5)


# --- instruction sets -----------------------------------------------------------------------------------------------


def instruction_sets(terms: Terms, words: dict[str, list[str]], options: argparse.Namespace) -> dict[str, Any]:
    """The same index and queries under each instruction set, in alternating processes."""
    built("ragstone", terms)
    names = options.isa.split(",")
    ask = {"task": "isa", "size": terms.size, "kind": terms.kind, "set": options.set, "count": options.queries}
    ask |= {"texts": words if terms.kind == "ragstone" else {}, "repeats": options.repeats}
    outcome: dict[str, Any] = {}
    digests: dict[int, set[str]] = {}
    for top_k in (10, 100):
        runs: dict[str, list[dict[str, Any]]] = {}
        for _ in range(ISA_ROUNDS):
            for name in names:
                figures = child(ask | {"top_k": top_k}, RAGSTONE_ISA=name)
                if figures["instruction_set"] != name:
                    raise SystemExit(f"asked for {name}, the process ran {figures['instruction_set']}")
                runs.setdefault(name, []).append(figures)
                digests.setdefault(top_k, set()).add(figures["answers_sha256"])
        for name, rounds in runs.items():
            classes = {
                kind: {
                    what: round(float(np.median([figures["classes"][kind][what] for figures in rounds])), 2)
                    for what in ("p50_us", "p99_us", "p50_cpu_us", "p99_cpu_us")
                }
                for kind in rounds[0]["classes"]
            }
            outcome.setdefault(name, {})[f"top{top_k}"] = classes
            print(name, top_k, {kind: figures["p50_us"] for kind, figures in classes.items()}, flush=True)
    different = max(len(found) for found in digests.values())
    targets = [most("different answers or scores", 1, different)]
    for name, wanted in (("avx2", 1.5), ("scalar", 4.0)):
        for hits, kind in (("top10", "questions"), ("top10", "long"), ("top100", "questions")):
            if name in outcome and name != names[0]:
                times = outcome[name][hits][kind]["p50_us"] / outcome[names[0]][hits][kind]["p50_us"]
                targets.append(most(f"{kind}, {hits}, {name}: times the time of {names[0]}", wanted, round(times, 2)))
    return {"figures": outcome, "targets": targets}
