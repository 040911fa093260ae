"""A report's charts as one PNG, drawn by matplotlib, which only this needs."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from typing import Any

from ragstone.bench.charts import Bars, Lines, charts
from ragstone.bench.optional import needed
from ragstone.bench.report import Report

__all__ = ["write_picture"]


def write_picture(report: Report, path: Path) -> None:
    """Write all charts to one PNG file.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    drawing = needed("matplotlib.figure", "matplotlib")
    canvas = needed("matplotlib.backends.backend_agg", "matplotlib")
    some = charts(report)
    columns = min(2, len(some))
    rows = ceil(len(some) / columns)
    figure = drawing.Figure(figsize=(6.5 * columns, 3.6 * rows), layout="constrained")
    canvas.FigureCanvasAgg(figure)
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for place, chart in zip(places, some, strict=False):
        _draw(place, chart)
    for place in places[len(some) :]:
        place.set_axis_off()
    # In single dollars matplotlib would read mathematics.
    figure.suptitle(
        f"ragstone bench, {report.machine['cpu']}, {report.machine['date']}".replace("$", r"\$"), fontsize=9
    )
    figure.savefig(path, format="png", dpi=130, metadata={"Software": None})


def _draw(axes: Any, chart: Lines | Bars) -> None:
    axes.set_title(chart.title, fontsize=10)
    if isinstance(chart, Bars):
        for number, row in enumerate(chart.rows):
            reached = 0.0
            for name, length in row.parts:
                axes.barh(number, length, left=reached, label=name if number == 0 else None)
                reached += length
        axes.set_yticks(range(len(chart.rows)), [row.name for row in chart.rows])
        axes.set_xlabel(chart.label)
    else:
        for one in chart.series:
            axes.plot([point[0] for point in one.points], [point[1] for point in one.points], ".-", label=one.name)
        axes.set(xlabel=chart.x.label, ylabel=chart.y.label)
        if chart.x.log:
            axes.set_xscale("log")
        if chart.y.log:
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
        if chart.x.ticks:
            axes.set_xticks([value for value, _ in chart.x.ticks], [text for _, text in chart.x.ticks])
            axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
