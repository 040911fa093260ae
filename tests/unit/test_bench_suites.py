"""The pytest-benchmark suites: they run, and only where somebody asks for them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def pytest_of(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", *arguments]
    environment = {**os.environ, "RAGSTONE_SUITE_CHUNKS": "1500"}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)


def test_suites_run() -> None:
    """Catches a suite that broke with the interface that it times, and scripts that are collected as tests."""
    pytest.importorskip("pytest_benchmark")
    found = pytest_of("benches", "--benchmark-disable")
    assert found.returncode == 0, found.stdout + found.stderr
    passed = re.search(r"(\d+) passed", found.stdout)
    assert passed is not None
    assert int(passed.group(1)) >= 13


def test_a_slower_version_fails_the_comparison(tmp_path: Path) -> None:
    """Catches a recipe for comparing two versions that passes whatever became slower."""
    pytest.importorskip("pytest_benchmark")
    one = ("benches", "--benchmark-only", "-k", "route", f"--benchmark-storage=file://{tmp_path}")
    quick = ("--benchmark-max-time=0.1", "--benchmark-min-rounds=5")
    assert pytest_of(*one, *quick, "--benchmark-save=before").returncode == 0
    (saved,) = tmp_path.rglob("0001_before.json")
    text = saved.read_text(encoding="utf-8")
    # The version before, a thousand times as fast.
    saved.write_text(re.sub(r'("median": )[\d.e-]+', r"\g<1>1e-8", text), encoding="utf-8")
    found = pytest_of(*one, *quick, "--benchmark-compare=0001", "--benchmark-compare-fail=median:20%")
    assert found.returncode != 0
    assert "median" in found.stdout + found.stderr


def test_suites_are_no_part_of_the_default_tests(request: pytest.FixtureRequest) -> None:
    """Catches minutes of measuring in every run of the tests."""
    assert request.config.getini("testpaths") == ["tests", "python/ragstone"]
    assert (ROOT / "benches" / "suites" / "test_speed.py").exists()
