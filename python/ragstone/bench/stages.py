"""Where the time of a search goes: its stages as the index itself times them, inside the searches that users make.

Stages are timed one after the other in the same call, so their means, with the rest, add up to the mean of the whole;
percentiles do not, for the slowest embedding and the slowest scan belong to different questions. ``rest`` is what lies
between the stages: checks of arguments, the way into the engine and back, and the waiting for Python's lock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Generic, TypeVar

import numpy as np

from ragstone.bench.distribution import Distribution
from ragstone.bench.loops import Run
from ragstone.errors import InvalidInput
from ragstone.records import Answer, SearchResult, Stages

__all__ = ["STAGES", "Stage", "StageTable", "Staged"]

Q = TypeVar("Q")
STAGES = tuple(field.name for field in fields(Stages))


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: its times, and its share of the mean of the whole."""

    name: str
    time: Distribution
    share: float


@dataclass(frozen=True, slots=True)
class StageTable:
    """The stages that took any time, in order, and the rest."""

    stages: tuple[Stage, ...]
    total: Distribution

    def to_dict(self) -> dict[str, object]:
        """Milliseconds and shares by stage."""
        return {
            "total": self.total.to_dict(),
            **{stage.name: {"share": stage.share, **stage.time.to_dict()} for stage in self.stages},
        }

    def __str__(self) -> str:
        names = [row.name for row in self.total.percentiles if row.ms is not None]
        head = "".join(f"{name:>10}" for name in ("mean", *names))
        lines = [f"{'ms':<10}{head}{'share':>8}"]
        for name, time, share in [
            *((one.name, one.time, one.share) for one in self.stages),
            ("total", self.total, 1.0),
        ]:
            values = "".join(f"{row.ms.value:>10.3f}" for row in time.percentiles if row.ms is not None)
            lines.append(f"{name:<10}{time.mean_ms:>10.3f}{values}{share:>8.1%}")
        return "\n".join(lines)


class Staged(Generic[Q]):
    """A call that notes the stages of each answer; give it to a closed loop of one client, then ask for the table.

    >>> import ragstone, tempfile
    >>> from ragstone.bench.loops import closed_loop
    >>> with tempfile.TemporaryDirectory() as folder, ragstone.open(folder, embedder="hashing") as index:
    ...     _ = index.upsert([ragstone.Document("a", "Refunds take 30 days.")])
    ...     call = Staged(index.search)
    ...     table = call.table(closed_loop(call, ["refunds"], count=50))
    >>> [stage.name for stage in table.stages]
    ['embed', 'filter', 'lexical', 'dense', 'fuse', 'cite', 'rest']
    >>> abs(sum(stage.share for stage in table.stages) - 1) < 1e-9
    True
    """

    def __init__(self, call: Callable[[Q], SearchResult | Answer]) -> None:
        self._call = call
        self._noted: list[Stages] = []

    def __call__(self, question: Q) -> None:
        """Ask, and note the stages."""
        self._noted.append(self._call(question).stages or Stages())

    def table(self, run: Run) -> StageTable:
        """The stages of the answers of a run.

        Raises:
            InvalidInput: The run had several clients, or other answers.
        """
        if run.threads != 1 or len(run.service_s) != len(self._noted):
            raise InvalidInput(
                f"the run has {run.threads} threads and {len(run.service_s)} answers, {len(self._noted)} were noted: "
                "pass the closed loop of one client that called this"
            )
        seconds = np.array([[getattr(one, name) for name in STAGES] for one in self._noted]) / 1000
        rest = np.maximum(run.service_s - seconds.sum(axis=1), 0.0)
        columns = [*zip(STAGES, seconds.T, strict=True), ("rest", rest)]
        whole = sum(float(column.sum()) for _, column in columns)
        return StageTable(
            stages=tuple(
                Stage(name, Distribution.of(column), float(column.sum()) / whole)
                for name, column in columns
                if column.any()
            ),
            total=Distribution.of(run.service_s),
        )
