"""Small samples of the attacks that have scripts of their own, so that the scripts themselves stay right."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def figures(script: str, *arguments: str) -> dict[str, float]:
    command = [sys.executable, str(HERE / script), *arguments]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert outcome.returncode == 0, outcome.stdout[-2000:] + outcome.stderr[-2000:]
    return {key: float(value) for key, value in re.findall(r"^figure (\S+) (\S+)$", outcome.stdout, re.MULTILINE)}


def test_killed_writers_lose_nothing() -> None:
    """Catches a lock that outlives its process, a half batch, and a reader that sees one."""
    found = figures("kills.py", "--kills", "30", "--readers", "2")
    assert found["kills"] >= 30 and found["acknowledged"] > 20 and found["reads"] > 100
    assert found["lost"] == found["wrong_reads"] == found["refused"] == found["damaged"] == 0
