"""What a figure depends on: the machine, the build and the versions, recorded beside every result."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import ragstone
from ragstone import _core
from ragstone.embedding.threads import thread_budget

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benches" / "results"


def facts() -> dict[str, Any]:
    """Machine, build and versions."""
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "commit": _git("rev-parse", "--short", "HEAD") + ("+changes" if _git("status", "--porcelain", "-uno") else ""),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": thread_budget(),
        "load_1min": round(os.getloadavg()[0], 1),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "python": platform.python_version(),
        "ragstone": ragstone.__version__,
        "instruction_set": _core.instruction_set(),
        **{package: _version(package) for package in ("numpy", "onnxruntime", "tokenizers")},
    }


def save(name: str, result: dict[str, Any]) -> Path:
    """Write a result as JSON into ``benches/results``."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({**result, "machine": facts()}, indent=1) + "\n", encoding="utf-8")
    return path


def _git(*arguments: str) -> str:
    outcome = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return outcome.stdout.strip()


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
