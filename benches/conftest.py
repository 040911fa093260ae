"""Keeps pytest to the suites: the other files here are scripts, and import each other as such."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).resolve().parent

collect_ignore = [*(path.name for path in HERE.glob("*.py")), "rivals"]
