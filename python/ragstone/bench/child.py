"""The process that :mod:`ragstone.bench.cold` starts: opens an index, asks it, and prints how long each step took."""

from __future__ import annotations

import json
import sys
import time
from itertools import pairwise
from typing import Any

from ragstone.errors import MissingDependency, ModelError, RagstoneError
from ragstone.pipeline import Index, open


def main() -> int:
    """Read what to do as JSON from standard input; print the times as JSON."""
    ask: dict[str, Any] = json.loads(sys.stdin.read())
    try:
        sys.stdout.write(json.dumps(_times(ask)))
    except RagstoneError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


def _times(ask: dict[str, Any]) -> dict[str, object]:
    faults = _faults()
    moments = [time.perf_counter()]
    index = _opened(ask)
    moments.append(time.perf_counter())
    first = None
    for query in ask["queries"]:
        index.search(query, top_k=ask["top_k"], mode=ask["mode"], principals=ask["principals"])
        moments.append(time.perf_counter())
        first = _faults() if first is None else first
    steps = [(after - before) * 1000 for before, after in pairwise(moments)]
    return {"open_ms": steps[0], "first_ms": steps[1], "next_ms": steps[2:], "faults": (first or faults) - faults}


def _opened(ask: dict[str, Any]) -> Index:
    try:
        return open(ask["path"], read_only=True)
    except (MissingDependency, ModelError):
        if ask["mode"] != "bm25":
            raise
        return open(ask["path"], read_only=True, embedder=None)


def _faults() -> int:
    """Major page faults so far; none where the system does not count them."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_majflt


if __name__ == "__main__":
    sys.exit(main())
