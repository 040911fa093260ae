"""Settings of all tests, and a few values that many of them need."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import ragstone
from command_line import Run
from ragstone.cli import main
from ragstone.embedding.hashing import HashingEmbedder

# A busy machine makes no test fail: deadlines are for measurements. RAGSTONE_TESTS=long multiplies the examples.
# Where a change is judged the examples are the same each time; elsewhere every run looks for new ones.
_COMMON = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow],
    "print_blob": True,
    "derandomize": bool(os.environ.get("CI")),
}
settings.register_profile("default", **_COMMON)  # type: ignore[arg-type]
settings.register_profile("long", max_examples=2000, stateful_step_count=100, **_COMMON)  # type: ignore[arg-type]
settings.load_profile(os.environ.get("RAGSTONE_TESTS", "default"))

LONG = os.environ.get("RAGSTONE_TESTS") == "long"

Opened = Callable[..., ragstone.Index]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Opens an index below the test's folder, without a model, and closes it afterwards."""
    indexes: list[ragstone.Index] = []

    def open_index(name: str = "kb", **options: object) -> ragstone.Index:
        options.setdefault("embedder", HashingEmbedder(16))
        options.setdefault("language", "none")
        index = ragstone.open(tmp_path / name, **options)  # type: ignore[arg-type]
        indexes.append(index)
        return index

    yield open_index
    for index in indexes:
        index.close()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process: (exit code, standard output, standard error)."""

    def command(*arguments: object) -> tuple[int, str, str]:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return command
