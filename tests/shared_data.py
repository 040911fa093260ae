"""Finds the optional folder of large test sets, and skips, saying so, where it is absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_ROOT = Path(os.environ.get("RAGSTONE_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data"


def shared_data(*parts: str) -> Path:
    """Path below the shared data folder; skips the calling test where it does not exist."""
    path = _ROOT.joinpath(*parts)
    if not path.exists():
        pytest.skip(
            f"needs the shared test data {'/'.join(parts)!r}: set RAGSTONE_SHARED to the folder that holds data/"
        )
    return path
