"""Draws recall against latency from a recorded result; without matplotlib there is no picture and no error."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path

SYSTEMS_SHOWN = (
    "ragstone",
    "ragstone-exact",
    "faiss-hnsw",
    "hnswlib",
    "usearch-hnsw",
    "faiss-rabitq",
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
            axes.plot(*zip(*points, strict=True), label=system, **style)
    axes.set(xlabel=f"recall@{data['top_k']}", ylabel="median of one query, ms (lower is better)", yscale="log")
    axes.set_xlim(left=max(0.85, axes.get_xlim()[0]), right=1.002)
    axes.set_title(f"{data['rows']:,} vectors of {data['dimension']} dimensions, one thread ({data['set']})")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize="small")
    picture = result.with_suffix(".png")
    figure.savefig(picture, dpi=130, metadata={"Software": None})
    pyplot.close(figure)
    return picture


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(plot(Path(name)))
