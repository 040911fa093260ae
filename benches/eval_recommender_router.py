"""Figures of the query router: sources left out, four classes, flips, latency, throughput, size.

    python benches/eval_recommender_router.py [--shared ../shared]

Sources left out and cross-validation need models of their own: ``python python/models/train_router.py`` measures
them and writes ``python/models/router_quality.json``, which is read here. All else is measured here, on the weights
that ship.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from ragstone import route, route_batch
from ragstone.recommender.route import _WEIGHTS, _router
from targets import Figure, show

MODELS = Path(__file__).resolve().parents[1] / "python" / "models"

FLIPS = 0.02
F1 = 0.85


def figures(shared: Path) -> list[Figure]:
    """All figures of the router."""
    sets = shared / "data" / "queries"
    texts = [
        json.loads(line)["text"] for name in ("nq", "msmarco", "banking") for line in lines(sets / f"{name}.jsonl")
    ]
    return [*left_out(), *four_classes(), *flips(texts), *speed(texts)]


def lines(path: Path) -> list[str]:
    """The lines of a file."""
    return path.read_text(encoding="utf-8").splitlines()


def left_out() -> list[Figure]:
    """AUC of behaviour on sources that a model never saw, and calibration, as the training script measured them."""
    quality = json.loads((MODELS / "router_quality.json").read_text(encoding="utf-8"))
    rows = []
    for name, one in quality["left_out"].items():
        note = f"{one['auc_without_noise']:.3f} without {one['noise']} plain questions" if "noise" in one else ""
        rows.append(Figure.at_least(f"AUC of behaviour, left out: {name}", one["auc"], 0.96, n=one["n"], note=note))
        rows.append(Figure.stated(f"calibration error, left out: {name}", one["ece"], n=one["n"]))
    aucs = [one["auc"] for one in quality["left_out"].values()]
    rows.append(Figure.at_least("AUC of behaviour, mean over left-out pairs", mean(aucs), 0.975, n=len(aucs)))
    own = quality["cross_validated"]["all"]
    rows.append(Figure.stated("macro-F1 of four classes, cross-validated by hand", own["macro_f1"], n=own["n"]))
    for head in ("behaviour", "facts"):
        rows.append(Figure.stated(f"calibration error of {head}, cross-validated", own[f"ece_{head}"], n=own["n"]))
    return rows


def four_classes() -> list[Figure]:
    """Macro-F1 on the hand-labelled cases that were never learnt from."""
    rows = []
    for name in ("router_cases", "router_cases_wide"):
        cases = [json.loads(line) for line in lines(MODELS / f"{name}.jsonl")]
        cases = [case for case in cases if case["split"] == "test"]
        true = np.array([case["need_behaviour"] + 2 * case["need_facts"] for case in cases])
        found = route_batch([case["text"] for case in cases]).paths
        hits = [((found == kind) & (true == kind)).sum() for kind in range(4)]
        f1 = [2 * hit / ((found == kind).sum() + (true == kind).sum()) for kind, hit in enumerate(hits)]
        rows.append(Figure.at_least(f"macro-F1 by text alone, {name}", float(mean(f1)), F1, n=len(cases)))
    return rows


def changes() -> dict[str, Callable[[str], str]]:
    """What should not change a decision."""
    rng = random.Random(5)
    return {
        "case": str.upper,
        "final mark": lambda text: text.rstrip("?.! "),
        "punctuation": lambda text: " ".join(re.sub(r"[^\w\s]", " ", text).split()) or text,
        "please": lambda text: f"Could you please {text}",
        "thanks": lambda text: f"{text} Thanks!",
        "one typing error": lambda text: mistyped(text, rng),
    }


def mistyped(text: str, rng: random.Random) -> str:
    """The text with two letters swapped, one dropped or one doubled."""
    places = [i for i in range(1, len(text) - 1) if text[i].isalpha() and text[i + 1].isalpha()]
    if not places:
        return text
    place = rng.choice(places)
    middle = rng.choice((text[place + 1] + text[place], text[place + 1], text[place] * 2 + text[place + 1]))
    return text[:place] + middle + text[place + 2 :]


def flips(texts: Sequence[str]) -> list[Figure]:
    """The share of decisions that a change flips, on public and on hand-written queries."""
    written = [json.loads(line)["text"] for path in sorted(MODELS.glob("router_train/*.jsonl")) for line in lines(path)]
    rows = []
    for name, queries in (("public", random.Random(3).sample(list(texts), 4000)), ("hand-written", written)):
        plain = route_batch(queries).paths
        for what, change in changes().items():
            share = float(np.mean(route_batch([change(query) for query in queries]).paths != plain))
            rows.append(Figure.at_most(f"decisions flipped by {what}, {name}", share, FLIPS, n=len(queries)))
    return rows


def speed(texts: Sequence[str]) -> list[Figure]:
    """Latency in the core and from Python on queries of about 50 characters, and throughput of batches."""
    queries = [text for text in texts if 45 <= len(text) <= 55]
    core = np.min([_router().nanoseconds(queries, 2) for _ in range(5)], axis=0) / 1000
    taken = np.min([_microseconds(queries) for _ in range(5)], axis=0)
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        route_batch(texts)
        seconds.append(time.perf_counter() - started)
    n = len(queries)
    return [
        Figure.at_most("deciding in the core, p50", float(np.quantile(core, 0.5)), 2, n=n, unit="µs", note="best of 5"),
        Figure.at_most(
            "deciding in the core, p99", float(np.quantile(core, 0.99)), 10, n=n, unit="µs", note="best of 5"
        ),
        Figure.at_most(
            "route() from Python with reasons, p50", float(np.median(taken)), 10, n=n, unit="µs", note="best of 5"
        ),
        Figure.at_least("route_batch()", len(texts) / min(seconds), 500_000, n=len(texts), unit="queries/s"),
        Figure.at_most("weights", _WEIGHTS.stat().st_size / 1024, 256, n=1, unit="KiB"),
    ]


def _microseconds(queries: Sequence[str]) -> list[float]:
    taken = []
    for query in queries:
        begin = time.perf_counter_ns()
        route(query)
        taken.append((time.perf_counter_ns() - begin) / 1000)
    return taken


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(__file__).resolve().parents[2] / "shared")
    show(figures(parser.parse_args().shared))
