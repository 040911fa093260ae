"""Everything that one benchmark found, in one value: text for the terminal, a dict for JSON, data for pictures."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from ragstone.bench.against import Comparison
from ragstone.bench.cold import Cold
from ragstone.bench.growth import Growth
from ragstone.bench.loops import Run
from ragstone.bench.measuring import Benchmark
from ragstone.bench.stages import StageTable

__all__ = ["Report"]


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured of one index; parts that were not asked for are ``None`` or empty.

    ``index`` describes the index and the questions, ``machine`` what it ran on, ``command`` how to run it again.
    ``scaling`` has one closed loop for each number of threads.
    """

    command: str
    index: dict[str, object]
    machine: dict[str, object]
    benchmark: Benchmark
    run: Run
    stages: StageTable | None = None
    scaling: tuple[Run, ...] = ()
    cold: Cold | None = None
    growth: Growth | None = None
    comparison: Comparison | None = None

    @property
    def findings(self) -> tuple[str, ...]:
        """What is not as it should be, one line each."""
        found = list(self.benchmark.findings)
        if self.run.saturated:
            found.append(f"{self.run.rate:g} arrivals/s are more than {self.run.threads} clients can have answered")
        if self.comparison is not None:
            found += self.comparison.findings
        return tuple(found)

    def to_dict(self) -> dict[str, object]:
        """One object for JSON; the fields of :class:`Benchmark` are on its first level."""
        return {
            **dataclasses.asdict(self.benchmark),
            "findings": self.findings,
            "command": self.command,
            "index": self.index,
            "machine": self.machine,
            "run": self.run.to_dict(),
            "stages": None if self.stages is None else self.stages.to_dict(),
            "scaling": [run.to_dict() for run in self.scaling],
            "cold": None if self.cold is None else self.cold.to_dict(),
            "growth": None if self.growth is None else self.growth.to_dict(),
            "comparison": None if self.comparison is None else self.comparison.to_dict(),
        }

    def __str__(self) -> str:
        parts = [str(self.benchmark), str(self.run)]
        if self.stages is not None:
            parts.append(f"stages of a search, one client\n{self.stages}")
        if self.scaling:
            parts.append(_scaling(self.scaling))
        parts += [str(part) for part in (self.cold, self.growth, self.comparison) if part is not None]
        shown = set(self.benchmark.findings)
        parts += [f"finding: {finding}" for finding in self.findings if finding not in shown]
        return "\n\n".join(parts)


def _scaling(runs: tuple[Run, ...]) -> str:
    lines = [f"{'clients':<10}{'answers/s':>12}{'times one':>12}{'p50 ms':>10}{'p99 ms':>10}"]
    for run in runs:
        values = (run.latency[name].ms for name in ("p50", "p99"))
        times = "".join(f"{'–':>10}" if one is None else f"{one.value:>10.3f}" for one in values)
        gain = run.throughput / runs[0].throughput
        lines.append(f"{run.threads:<10}{run.throughput:>12,.1f}{gain:>12.2f}{times}")
    return "\n".join(lines)
