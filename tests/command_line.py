"""What tests of the command line share: its exit codes, and the type of the fixture ``run``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

RIGHT, FINDING, BAD_USE, FAILURE = 0, 1, 2, 3

Run: TypeAlias = Callable[..., tuple[int, str, str]]
