"""What of a report is drawn, as data: the page draws it as SVG, and matplotlib as PNG."""

from __future__ import annotations

from dataclasses import dataclass

from ragstone.bench.distribution import curve
from ragstone.bench.growth import Growth
from ragstone.bench.loops import Run
from ragstone.bench.report import Report
from ragstone.bench.stages import StageTable
from ragstone.bench.svg import Axis, Bar, Series

__all__ = ["Bars", "Lines", "charts"]

_RARITIES = ((2.0, "p50"), (10.0, "p90"), (100.0, "p99"), (1e3, "p99.9"), (1e4, "p99.99"), (1e5, "p99.999"))


@dataclass(frozen=True, slots=True)
class Lines:
    """A chart of lines."""

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class Bars:
    """A chart of stacked bars."""

    title: str
    label: str
    rows: tuple[Bar, ...]


def charts(report: Report) -> list[Lines | Bars]:
    """The charts of what was measured, in the order of the report."""
    found: list[Lines | Bars] = [_percentiles(report.run)]
    if report.stages is not None:
        found.append(_stages(report.stages))
    if report.scaling:
        found += _threads(report.scaling)
    if report.growth is not None:
        found += _growth(report.growth)
    return found


def _percentiles(run: Run) -> Lines:
    ticks = tuple(tick for tick in _RARITIES if tick[0] <= max(len(run.latency_s), 2))
    series = [Series("latency", curve(run.latency_s))]
    if run.loop == "open":
        series = [
            Series("latency from the intended start", curve(run.latency_s)),
            Series("service time", curve(run.service_s)),
        ]
    return Lines(f"latency, {run.loop} loop", Axis("percentile", True, ticks), Axis("ms", True), tuple(series))


def _stages(table: StageTable) -> Bars:
    parts = tuple((stage.name, stage.time.mean_ms) for stage in table.stages)
    return Bars("where the time of a search goes", "mean, ms", (Bar("search", parts),))


def _threads(runs: tuple[Run, ...]) -> list[Lines | Bars]:
    x = Axis("clients", ticks=tuple((float(run.threads), str(run.threads)) for run in runs))
    rate = Series("answers/s", [(run.threads, run.throughput) for run in runs])
    slow = [
        Series(name, [(run.threads, ms.value, ms.low, ms.high) for run in runs if (ms := run.latency[name].ms)])
        for name in ("p50", "p99")
    ]
    return [
        Lines("throughput, closed loop", x, Axis("answers a second"), (rate,)),
        Lines("latency, closed loop", x, Axis("ms"), tuple(one for one in slow if one.points)),
    ]


def _growth(growth: Growth) -> list[Lines | Bars]:
    x = Axis("chunks", True, tuple((float(level.chunks), f"{level.chunks:,}") for level in growth.levels))
    series = []
    for mode in growth.levels[0].latency:
        for name in ("p50", "p99"):
            times = [(level.chunks, level.latency[mode][name].ms) for level in growth.levels]
            points = [(chunks, ms.value, ms.low, ms.high) for chunks, ms in times if ms]
            if points:
                series.append(Series(f"{mode} {name}", points))
    size = Series("index", [(level.chunks, level.size_bytes / 1e6) for level in growth.levels])
    build = Series("building", [(level.chunks, level.build_s) for level in growth.levels])
    return [
        Lines("latency as the corpus grows", x, Axis("ms", True), tuple(series)),
        Lines("size as the corpus grows", x, Axis("MB", True), (size,)),
        Lines("time to build", x, Axis("s", True), (build,)),
    ]
