"""Figures of a whole recommendation: a year of the handbook's company, analysed again and again.

python benches/eval_recommender_report.py
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ragstone
from ragstone.recommendation import Recommendation
from ragstone.recommendation.report import sections

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "corpora" / "evaluation" / "year"))
from year import SHARES, write_year

from targets import Figure, show

REPEATS = 3
AGAIN = "import sys, eval_recommender_report as one; print(one.digest(one.analysed(sys.argv[1])))"


def figures(shared: Path) -> list[Figure]:
    """All figures of the report; ``shared`` is not needed."""
    del shared
    with tempfile.TemporaryDirectory() as place:
        year = Path(place) / "year"
        write_year(year)
        started = time.perf_counter()
        made = analysed(str(year))
        seconds = time.perf_counter() - started
        queries = made.project.queries
        assert queries is not None
        asked = queries.queries
        return [
            Figure.at_most("reports of one seed that differ by a byte", differing(year, made), 0, n=REPEATS),
            Figure.at_most("evidence ids in the report that resolve to nothing", unresolved(made), 0, n=ids(made)),
            Figure.stated("analysing the year, its log and examples", seconds, unit="s", n=asked),
            *share_errors(made),
            Figure.stated("size of the page with charts", len(made.to_html().encode()) / 1024, unit="KiB", n=1),
        ]


def analysed(year: str) -> Recommendation:
    """The recommendation for the year in a folder."""
    folder = Path(year)
    with ragstone.open(folder / "kb", read_only=True) as index:
        recommender = ragstone.Recommender(index, folder / "needs.toml", seed=7)
        return recommender.analyze(folder / "log.jsonl", examples=folder / "examples.jsonl")


def digest(made: Recommendation) -> str:
    """SHA-256 of all forms of a report."""
    forms = (made.to_markdown(), made.to_html(), json.dumps(made.to_dict(), sort_keys=True))
    return hashlib.sha256("\0".join(forms).encode()).hexdigest()


def differing(year: Path, made: Recommendation) -> float:
    """How many of some further analyses, each in its own process, give another report."""
    here = str(Path(__file__).resolve().parent)
    command = [sys.executable, "-c", AGAIN, str(year)]
    others = [subprocess.run(command, cwd=here, capture_output=True, text=True, check=True) for _ in range(REPEATS)]
    return float(sum(other.stdout.strip() != digest(made) for other in others))


def ids(made: Recommendation) -> int:
    """How many references to evidence the report has."""
    return len(_named(made))


def unresolved(made: Recommendation) -> float:
    """How many of them resolve to nothing."""
    known = made.to_dict()["evidence"]
    return float(sum(name not in known for name in _named(made)))


def _named(made: Recommendation) -> list[str]:
    lines = [name for section in sections(made) for _, name in section.lines if name]
    return lines + [name.replace("\\", "") for name in re.findall(r"\\\[([a-z_.\\]+)\\\]", made.to_markdown())]


def share_errors(made: Recommendation) -> list[Figure]:
    """How far the shares are from those that the log was drawn with, corrected for the router's errors."""
    found = made.project.queries
    assert found is not None
    right = {**SHARES, "factual": SHARES["factual"] + SHARES["unanswerable"]}
    kinds = ("factual", "behavioural", "hybrid", "other")
    errors = [abs(getattr(found, kind).value - right[kind]) for kind in kinds]
    within = sum(getattr(found, kind).low <= right[kind] <= getattr(found, kind).high for kind in kinds)
    return [
        Figure.stated("greatest error of a share, corrected", 100 * max(errors), unit="points", n=found.queries),
        Figure.stated("shares within their interval", within, n=len(kinds)),
    ]


if __name__ == "__main__":
    show(figures(Path()))
