"""Draws recorded results, recall or kinds of queries against time; without matplotlib no picture and no error."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FINEST = 0.0005  # share missed that the picture still tells from nothing
SYSTEMS_SHOWN = (
    "ragstone",
    "ragstone-exact",
    "faiss-hnsw",
    "hnswlib",
    "usearch-hnsw",
    "faiss-rabitq",
    "faiss-rabitq-rotated",
    "faiss-flat",
    "faiss-sq8",
    "lancedb-ivf-rq",
)


def plot(result: Path) -> Path | None:
    """Write a PNG beside the result; recall from left to right, milliseconds upwards, both axes towards better."""
    if find_spec("matplotlib") is None:
        return None
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    data = json.loads(result.read_text(encoding="utf-8"))
    figure, axes = pyplot.subplots(figsize=(7.5, 4.5), layout="constrained")
    for system in SYSTEMS_SHOWN:
        points = sorted(
            (figures["recall"], figures["p50_ms"])
            for label, figures in data["contestants"].items()
            if label.split()[0] == system
        )
        if points:
            ours = system.startswith("ragstone")
            style = {"linewidth": 2.5, "markersize": 10, "marker": "*"} if ours else {"linewidth": 1.2, "marker": "o"}
            axes.plot(*zip(*points, strict=True), label=system, clip_on=False, **style)
    axes.set(xlabel=f"recall@{data['top_k']}", ylabel="median of one query, ms (lower is better)", yscale="log")
    # Equal steps for equal factors of what is missed: 90, 99 and 99.9 % are as far apart as they are in work.
    axes.set_xscale("function", functions=(_spread, _gathered))
    ticks = (0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xlim(0.88, 1.0003)
    axes.set_title(f"{data['rows']:,} vectors of {data['dimension']} dimensions, one thread ({data['set']})")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize="small")
    picture = result.with_suffix(".png")
    figure.savefig(picture, dpi=130, metadata={"Software": None})
    pyplot.close(figure)
    return picture


def plot_lexical(result: Path) -> Path | None:
    """Write a PNG beside the result: for each class of queries a group of bars, one a system, median and p99."""
    if find_spec("matplotlib") is None:
        return None
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    data = json.loads(result.read_text(encoding="utf-8"))
    timed = {name: figures["top10"] for name, figures in data["contestants"].items() if "top10" in figures}
    if not timed:
        return None
    kinds = list(next(iter(timed.values())))
    figure, axes = pyplot.subplots(figsize=(9, 4.5), layout="constrained")
    width = 0.8 / len(timed)
    for place, (name, classes) in enumerate(timed.items()):
        middle = [classes[kind]["p50_us"] for kind in kinds]
        slow = [max(0.0, classes[kind]["p99_us"] - classes[kind]["p50_us"]) for kind in kinds]
        at = np.arange(len(kinds)) + (place - (len(timed) - 1) / 2) * width
        style = {"color": "black"} if name == "ragstone" else {}
        axes.bar(at, middle, width, label=name, **style)
        axes.errorbar(at, middle, [np.zeros(len(slow)), slow], fmt="none", ecolor="grey", linewidth=0.8)
    axes.set_xticks(range(len(kinds)), kinds)
    axes.set(yscale="log", ylabel="one query, µs: median, and p99 above (lower is better)")
    axes.set_title(f"BM25, top 10 of {data['texts']:,} texts, one thread")
    axes.grid(alpha=0.3, axis="y", which="both")
    axes.legend(fontsize="small", ncols=2)
    picture = result.with_suffix(".png")
    figure.savefig(picture, dpi=130, metadata={"Software": None})
    pyplot.close(figure)
    return picture


def _spread(recall: NDArray[np.float64]) -> NDArray[np.float64]:
    return -np.log(np.maximum(1.0 - recall, 0.0) + FINEST)


def _gathered(place: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 + FINEST - np.exp(-place)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(plot(Path(name)))
