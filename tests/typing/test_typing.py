"""Type checkers see what users write as it is meant."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_public_types_are_right() -> None:
    """Catches a public signature that changes, loses its type, or takes what it must not."""
    pytest.importorskip("mypy")
    usage = Path(__file__).with_name("usage.py")
    text = usage.read_text(encoding="utf-8")
    assert text.count("assert_type(") >= 25
    assert text.count("# type: ignore[") >= 8
    # --strict has --warn-unused-ignores: a wrong use that passes is an error, too.
    told = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", "pyproject.toml", str(usage)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr


def test_the_package_is_marked_as_typed() -> None:
    """Catches a wheel whose types no checker reads."""
    assert (ROOT / "python" / "ragstone" / "py.typed").is_file()
