"""The recorded run: what building and searching cost as one corpus of real texts grows from 10,000 to a million chunks.

    python benches/growth.py [--levels 10000,100000,1000000] [--embedder builtin]

One index is filled level by level with the texts of ``make bench-lexical``, one chunk each, and asked the same real
questions at each. Minutes; the 99th percentiles only mean something where nothing else runs: the record has the load.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

from ragstone.bench.growth import grow, levels_of

sys.path.insert(0, str(Path(__file__).resolve().parent))
from machine import ROOT, save

LEXICAL = ROOT / ".build" / "bench" / "lexical"
QUERIES = 500


def main() -> None:
    """Grow, measure, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--levels", type=levels_of, default="10000,100000,1000000")
    parser.add_argument("--embedder", default="builtin")
    options = parser.parse_args()
    asked = json.loads((LEXICAL / "queries.json").read_text(encoding="utf-8"))["held_out"]["questions"]
    loads, started = [os.getloadavg()[0]], time.perf_counter()

    def progress(done: int, total: int) -> None:
        loads.append(os.getloadavg()[0])
        print(f"{done:,} of {total:,}", file=sys.stderr, flush=True)

    found = grow(
        texts(max(options.levels)),
        options.levels,
        embedder=options.embedder,
        queries=asked[:QUERIES],
        searches=4000,
        seconds=30,
        progress=progress,
    )
    print(found)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        "saved",
        save(
            "growth",
            {
                **found.to_dict(),
                "seconds": round(time.perf_counter() - started, 1),
                "peak_memory_mb": round(memory, 1),
                "load_mean": round(mean(loads), 1),
            },
        ),
    )


def texts(count: int) -> Iterator[str]:
    """Real texts, one a line, of the smallest set that has as many."""
    size = next(name for name, rows in (("10k", 10_000), ("100k", 100_000), ("1m", 1_000_000)) if rows >= count)
    path = LEXICAL / size / "texts.txt"
    if not path.exists():
        raise SystemExit(f"'{path}' is missing: run 'python corpora/lexical.py --into {LEXICAL}' first")
    with path.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            yield line.rstrip("\n")


if __name__ == "__main__":
    main()
