"""Every figure of evaluation, or of the recommender, beside its target: ``make eval``, ``make eval-recommender``.

    python benches/evaluation.py [--suite recommender] [--shared ../shared] [--only null,grounded] [--no-record]

Each part is a module ``eval_<part>.py``, or ``eval_recommender_<part>.py``, with ``figures(shared)``. What needs the
shared test sets or a rival that is not there is told as not measured. Records into ``benches/results``; parts that were
not run keep what they had.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from machine import RESULTS, facts, save
from targets import SUITES, Figure, show

MODULES = {"evaluation": "eval_{}", "recommender": "eval_recommender_{}"}


def main() -> int:
    """Measure, print, record; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--suite", choices=SUITES, default="evaluation")
    parser.add_argument("--only", help="some of its parts, with commas between them")
    parser.add_argument("--no-record", action="store_true")
    options = parser.parse_args()
    parts = SUITES[options.suite]
    chosen = options.only.split(",") if options.only else parts
    if unknown := set(chosen) - set(parts):
        parser.error(f"there is no part {', '.join(sorted(unknown))}: known are {', '.join(parts)}")
    module = MODULES[options.suite]
    measured = {part: measure(part, module.format(part), options.shared) for part in parts if part in chosen}
    if not options.no_record:
        path = RESULTS / f"{options.suite}.json"
        earlier: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["parts"] if path.exists() else {}
        rows = {part: recorded(figures) for part, figures in measured.items()}
        print("saved", save(options.suite, {"parts": {**earlier, **rows}}))
    missed = [figure for figures in measured.values() for figure in figures if figure.met is False]
    print(f"{sum(map(len, measured.values()))} figures, {len(missed)} targets missed")
    return int(bool(missed))


def measure(part: str, module: str, shared: Path) -> list[Figure]:
    """The figures of one part, printed."""
    started = time.perf_counter()
    figures: list[Figure] = import_module(module).figures(shared)
    print(f"\n{part} ({time.perf_counter() - started:.0f} s)")
    show(figures)
    sys.stdout.flush()
    return figures


def recorded(figures: list[Figure]) -> dict[str, Any]:
    """One part as it is stored: its figures, and the machine that they are from."""
    return {"machine": facts(), "figures": [dataclasses.asdict(figure) for figure in figures]}


if __name__ == "__main__":
    sys.exit(main())
