"""Puts a hand-off together: reads examples, cleans and splits them, measures the case, writes the folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ragstone.recommender.costs import Costs
from ragstone.records import Embedder

if TYPE_CHECKING:
    from ragstone.index import SearchIndex

__all__ = ["FORMATS", "Handoff", "write_bundle"]

FORMATS = ("messages", "prompt_completion", "alpaca")


@dataclass(frozen=True, slots=True, repr=False)
class Handoff:
    """What :func:`write_bundle` wrote; ``ready`` says whether training may start, ``findings`` what stands against it."""

    folder: Path
    read: int
    dropped: int
    masked: int
    train: int
    valid: int
    test: int
    task: str
    labels: int
    leaking: int
    volatile: int
    volatile_proven: int
    personal: int
    ready: bool
    findings: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Everything by name, for JSON."""
        raise NotImplementedError


def write_bundle(
    folder: str | os.PathLike[str],
    *,
    recommendation: Mapping[str, object],
    examples: str | os.PathLike[str] | Iterable[object],
    index: SearchIndex | None = None,
    formats: Sequence[str] = FORMATS,
    seed: int = 0,
    embedder: Embedder | str | None = "builtin",
    schema: Mapping[str, object] | None = None,
    test_share: float = 0.2,
    valid_share: float = 0.1,
    volatile: str = "auto",
    costs: Costs | None = None,
    overwrite: bool = False,
) -> Handoff:
    """Write the bundle; the work behind this signature follows."""
    raise NotImplementedError
