"""Results as files, each with the machine, the commit and the versions that it was measured with."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from ragstone.bench.machine import facts as machine_facts

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benches" / "results"


def facts() -> dict[str, Any]:
    """Machine and versions as every user's benchmark has them, and the commit, which only a checkout knows."""
    changes = "+changes" if _git("status", "--porcelain", "-uno") else ""
    return {**machine_facts(), "commit": _git("rev-parse", "--short", "HEAD") + changes}


def save(name: str, result: dict[str, Any]) -> Path:
    """Write a result as JSON into ``benches/results``."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({**result, "machine": facts()}, indent=1) + "\n", encoding="utf-8")
    return path


def _git(*arguments: str) -> str:
    outcome = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return outcome.stdout.strip()
