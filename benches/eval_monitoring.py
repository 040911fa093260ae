"""Figures of monitoring: how often steady streams alarm, how soon shifted ones do, and what logging a query costs.

    python benches/eval_monitoring.py

The streams are simulated: `corpora/evaluation/monitoring/streams.py` says how.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import ragstone
from ragstone.estimates import proportion
from ragstone.monitoring import QueryLog
from ragstone.monitoring.drift import SIGNALS, capital, sequential_p_values

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "corpora" / "evaluation" / "monitoring"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import streams

from targets import Figure, show

# Blocks of 25 queries, 20 for reference, as drift() has them by default; alarms at 1 % over all signals.
BLOCK, REFERENCE, ALPHA = 25, 20, 0.01
STEADY, SHIFTED, WATCHED = 2000, 200, 80
STEADY_KINDS: dict[str, dict[str, float]] = {
    "independent queries": {},
    "sessions that share half their variance": {"session": 0.5},
    "sessions, and days that swing by 0.5 sd": {"session": 0.5, "day": 0.5},
}
RECORDS = 5000


def figures(shared: Path) -> list[Figure]:
    """Simulated streams of nine correlated signals, by the functions that decide in ``ragstone monitor``."""
    rows = []
    for name, options in STEADY_KINDS.items():
        alarms = 0
        for first in range(0, STEADY, 100):
            made = streams.stream(10_000 + first, 100, (REFERENCE + WATCHED) * BLOCK, **options)
            alarms += int(alarmed(made).any(axis=(1, 2)).sum())
        sure = proportion(alarms, STEADY)
        note = f"[{sure.low:.4f}, {sure.high:.4f}]; {WATCHED} looks at {len(SIGNALS)} signals"
        rows.append(Figure.at_most(f"false alarms, {name}", sure.value, ALPHA, n=STEADY, note=note))
    for shift in streams.SHIFTS[1:]:
        rows += power(shift)
    return [*rows, *cost()]


def alarmed(made: dict[str, NDArray[np.float64]]) -> NDArray[np.bool_]:
    """Whether each stream's signal has reached the limit at each block after the reference."""
    signals = streams.signals(made)
    count, kinds, queries = signals.shape
    blocks = np.nanmean(signals.reshape(count, kinds, queries // BLOCK, BLOCK), axis=3)
    # 500 queries a day are five blocks in each quarter of it; a block is ranked among those of its quarter.
    quarter = np.arange(blocks.shape[2]) // 5 % 4
    p_values = np.empty(blocks.shape)
    for row, kind, part in np.ndindex(count, kinds, 4):
        numbers = np.random.default_rng([row, kind, part])
        p_values[row, kind, quarter == part] = sequential_p_values(blocks[row, kind, quarter == part].tolist(), numbers)
    return np.asarray(capital(p_values[..., REFERENCE:]) >= kinds / ALPHA)


def power(shift: str) -> list[Figure]:
    """Streams of 4,000 queries that change after 2,000."""
    hit = alarmed(streams.stream(7, SHIFTED, 4000, shift=shift)).any(axis=1)
    found = hit.any(axis=1)
    delays = (hit[found].argmax(axis=1) + 1 + REFERENCE) * BLOCK - 2000
    rows = [Figure.stated(f"alarm within 2,000 queries, {NAMES[shift]}", float(found.mean()), n=SHIFTED)]
    if found.mean() > 0.5:
        rows.append(Figure.stated("  queries until then, median", float(np.median(delays)), n=int(found.sum())))
    return rows


NAMES = {
    "answerability": "answerability lower by 0.5 sd",
    "answerability-small": "answerability lower by 0.25 sd",
    "routes": "10 points of factual queries to behavioural",
    "length": "length × 1.28 (0.5 sd)",
    "latency": "latency × 1.16 (0.43 sd)",
}


def cost() -> list[Figure]:
    """Time of one record, each way of keeping text."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, ragstone.open(f"{folder}/kb", embedder="hashing") as index:
        index.upsert(ragstone.Document(f"d{n}", f"Document {n} on refunds and lunch.") for n in range(50))
        answer = index.ask("How long do refunds take?")
        for redact in ("none", "hash"):
            with QueryLog(f"{folder}/{redact}", redact=redact, size_bytes_max=1 << 20) as log:
                spent = []
                for _ in range(RECORDS):
                    started = time.perf_counter()
                    log.record(answer)
                    spent.append(time.perf_counter() - started)
                assert log.errors == 0
                size = sum(path.stat().st_size for path in log.path.glob("queries-*"))
            for q in (50, 99):
                value = float(np.percentile(spent, q)) * 1e6
                rows.append(Figure.stated(f"one record, text {redact}, p{q}", value, unit="µs", n=RECORDS))
            rows.append(
                Figure.at_most(f"size of the log, text {redact}", size / (1 << 20), 1.0, n=RECORDS, note="of its limit")
            )
    return rows


if __name__ == "__main__":
    show(figures(Path(__file__).resolve().parents[2] / "shared"))
