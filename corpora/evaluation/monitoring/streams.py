"""Makes streams of queries as a log would have them, steady or with a change in the middle, from a seed.

As a script it writes one as a query log: ``python streams.py FOLDER --queries 6000 --shift answerability``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# The shares of the paths, and what a change of each kind does from the middle on.
PATHS = ("retrieve", "advisory_finetune", "hybrid", "pass")
SHARES = (0.70, 0.15, 0.10, 0.05)
SHIFTS = ("none", "answerability", "answerability-small", "routes", "length", "latency")
ABSTAINS_BELOW = 0.25
# 2026-01-05, a Monday, 00:00 UTC.
START_MS = 1_767_571_200_000
DAY_MS = 86_400_000


def stream(
    seed: int,
    streams: int,
    queries: int,
    *,
    shift: str = "none",
    session: float = 0.0,
    day: float = 0.0,
    queries_a_day: int = 500,
) -> dict[str, Array]:
    """Figures of each query, shape (streams, queries).

    Args:
        seed: Equal seeds give equal streams.
        streams: How many.
        queries: How many in each.
        shift: What changes from the middle on.
        session: Which part of a query's variance it shares with the others of its session, of four on average.
        day: How far answerability, length and latency go up and down in the course of a day, in standard deviations.
        queries_a_day: How many, evenly.
    """
    numbers, shape = np.random.default_rng(seed), (streams, queries)
    begins = numbers.random(shape) < 0.25
    begins[:, 0] = True
    turn = np.cumsum(begins, axis=1) - 1
    hour = np.sin(2 * np.pi * np.arange(queries) / queries_a_day)[None, :]
    late = (np.arange(queries) >= queries // 2)[None, :]

    def noise() -> Array:
        shared = np.take_along_axis(numbers.normal(size=shape), turn, axis=1)
        return np.sqrt(session) * shared + np.sqrt(1 - session) * numbers.normal(size=shape)

    moved = {"answerability": -0.5, "answerability-small": -0.25}.get(shift, 0.0)
    evidence = noise() + day * hour + moved * late
    answerability = 1 / (1 + np.exp(-(1.2 + 1.5 * evidence)))
    score = 6 + 1.5 * (0.6 * evidence + 0.8 * noise())
    words = 1 + np.floor(np.exp(1.9 + 0.5 * (noise() + day * hour) + (0.25 if shift == "length" else 0) * late))
    latency = np.exp(2.5 + 0.35 * (noise() + day * hour) + (0.15 if shift == "latency" else 0) * late)
    # A uniform figure that keeps the session's share of variance, by ranks within each stream.
    chance = np.argsort(np.argsort(noise(), axis=1), axis=1) / queries
    limits = np.cumsum(SHARES)
    if shift == "routes":
        limits = np.where(late[..., None], limits + np.array([-0.10, 0, 0, 0]), limits)
    path = (chance[..., None] >= limits).sum(axis=-1).clip(0, len(PATHS) - 1).astype(np.float64)
    return {"answerability": answerability, "score": score, "words": words, "latency": latency, "path": path}


def signals(made: dict[str, Array]) -> Array:
    """The nine signals that are watched, shape (streams, signals, queries); not a number where a query has none."""
    path, answerability = made["path"], made["answerability"]
    asked = (path == 0) | (path == 2)
    return np.stack(
        [
            np.where(asked, answerability, np.nan),
            (asked & (answerability < ABSTAINS_BELOW)).astype(np.float64),
            np.where(asked, made["score"], np.nan),
            np.log1p(made["words"]),
            *((path == number).astype(np.float64) for number in range(len(PATHS))),
            np.log1p(made["latency"]),
        ],
        axis=1,
    )


def lines(made: dict[str, Array], row: int = 0, queries_a_day: int = 500) -> Iterator[dict[str, object]]:
    """One stream as the records of a query log."""
    for number in range(made["path"].shape[1]):
        figure = {name: float(values[row, number]) for name, values in made.items()}
        path = PATHS[int(figure["path"])]
        asked = path in ("retrieve", "hybrid")
        abstained = asked and figure["answerability"] < ABSTAINS_BELOW
        hits = [f"d{(number * 7 + rank) % 83}" for rank in range(3)] if asked else []
        yield {
            "v": 1,
            "id": f"{number:016x}",
            "time_ms": START_MS + number * DAY_MS // queries_a_day,
            "query": f"question {number % 97}",
            "words": int(figure["words"]),
            "characters": int(6 * figure["words"]),
            "path": path,
            "p_behaviour": 0.9 if path in ("advisory_finetune", "hybrid") else 0.1,
            "answerability": round(figure["answerability"], 4) if asked else None,
            "abstained": abstained,
            "mode": "hybrid" if asked else None,
            "top_k": 5,
            "generation": 1,
            "documents": hits,
            "chunks": [f"{hit}:0" for hit in hits],
            "scores": [round(figure["score"] - rank, 4) for rank in range(len(hits))],
            "latency_ms": round(figure["latency"], 3),
        }
        # Every tenth asker says which document helped: mostly the first.
        if asked and number % 10 == 0:
            yield {"v": 1, "feedback": f"{number:016x}", "time_ms": 0, "grades": {hits[number // 10 % 4 // 3]: 1}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--queries", type=int, default=6000)
    parser.add_argument("--shift", choices=SHIFTS, default="none")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    made = stream(options.seed, 1, options.queries, shift=options.shift)
    with (options.folder / f"queries-{options.shift}-{options.seed}.jsonl").open("w", encoding="utf-8") as file:
        for line in lines(made):
            file.write(json.dumps(line, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
