"""Figures of freshness: how soon another process finds a write, and how often answers cite what was superseded.

    python benches/eval_freshness.py

All on the handbook, in a temporary folder: what a commit takes is what the disk of that folder takes to sync.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import ragstone
from ragstone.estimates import Estimate
from ragstone.evaluation.freshness import freshness
from ragstone.evaluation.staleness import replaced_answers

sys.path.insert(0, str(Path(__file__).resolve().parent))
from targets import Figure, show

CORPUS = Path(__file__).resolve().parents[1] / "corpora" / "handbook"
# A 99th percentile has an upper end from about 370 samples on.
ROUNDS = 380


def figures(shared: Path) -> list[Figure]:
    """Lags with the built-in embedder, so that they are the index's and not a model's; answers with the same."""
    with tempfile.TemporaryDirectory() as folder, ragstone.open(Path(folder) / "kb", embedder="builtin") as index:
        index.ingest(CORPUS / "documents")
        found = freshness(index, rounds=ROUNDS)
    note = f"{found.chunks} chunks, embedder builtin"
    rows = []
    for lag in found.lags:
        for name, value in (("p50", lag.from_start_ms_p50), ("p99", lag.from_start_ms_p99)):
            rows.append(stated(f"{lag.write} until visible elsewhere, {name} from the call", value, note))
        rows.append(stated(f"{lag.write} until visible elsewhere, p99 from the return", lag.from_return_ms_p99, note))
    broken = found.lost + found.mixed + found.returned + found.own
    rows.append(Figure.at_most("writes lost, states mixed, deleted documents returned", broken, 0, n=3 * ROUNDS))
    answers = replaced_answers(CORPUS, embedder="builtin")
    count = answers.after.questions
    return [
        *rows,
        Figure.stated("stale answers before the update, any hit", answers.before.cited.value, n=count),
        Figure.at_most("stale answers after the update, same document ids", answers.after.cited.value, 0, n=count),
        Figure.at_most("citations that do not resolve after the update", answers.after.unresolved, 0, n=count),
        Figure.stated("stale best hits with both editions kept", answers.beside.top.value, n=count),
        Figure.at_most("stale answers with superseded editions filtered", answers.filtered.cited.value, 0, n=count),
    ]


def stated(name: str, value: Estimate, note: str) -> Figure:
    return Figure.stated(
        name, value.value, unit="ms", n=value.samples, note=f"[{value.low:.1f}, {value.high:.1f}]; {note}"
    )


if __name__ == "__main__":
    show(figures(Path(__file__).resolve().parents[2] / "shared"))
