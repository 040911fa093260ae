"""Writes the figures of ``benches/results`` into the README, between its two marks; ``--check`` only compares."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benches" / "results"
BEGIN, END = "<!-- figures: written by benches/report.py -->", "<!-- end of figures -->"


def main() -> int:
    """Rewrite the README's figures; with ``--check`` only say whether they are up to date."""
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    fresh = f"{head}{BEGIN}\n{figures()}\n{END}{tail}"
    if "--check" in sys.argv:
        return int(fresh != text)
    path.write_text(fresh, encoding="utf-8")
    return 0


def figures() -> str:
    """All sections for which there is a result."""
    sections = [end_to_end(), quality()]
    return "\n\n".join(section for section in sections if section)


def _result(name: str) -> dict[str, Any] | None:
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _machine(result: dict[str, Any]) -> str:
    machine = result["machine"]
    cpu = f"{machine['cpu']}, {machine['cores']} cores, {machine['instruction_set']}"
    return f"{cpu}, {machine['date']}, commit {machine['commit']}"


def _memory(result: dict[str, Any]) -> str:
    memory = result["memory_mb"]
    return f"{memory['own']:g} / {memory['mapped_files']:g} MB"


def end_to_end() -> str:
    """The recorded run on real documents, one column for each embedder."""
    names = [name for name in ("builtin", "minilm") if _result(f"end_to_end-{name}")]
    results = [result for name in names if (result := _result(f"end_to_end-{name}"))]
    if not results:
        return ""

    def times(figure: str) -> list[str]:
        return [" / ".join(f"{result[figure][cut]:g}" for cut in ("p50", "p95", "p99")) for result in results]

    def values(figure: str, unit: str = "") -> list[str]:
        return [f"{result[figure]:,g}{unit}" if figure in result else "–" for result in results]

    rows = [
        ("chunks, from real files", [f"{result['chunks']:,} from {result['files']:,}" for result in results]),
        ("parse, chunk and commit, chunks/s", values("ingest_chunks_per_s")),
        ("embed, chunks/s", values("embed_chunks_per_s")),
        ("size on disk, bytes a chunk (text included)", values("size_bytes_per_chunk")),
        ("peak memory of ingesting and embedding", values("peak_memory_filling_mb", " MB")),
        ("cold open, then first `ask`", [f"{r['open_cold_ms']:g} + {r['first_ask_cold_ms']:g} ms" for r in results]),
        ("**`ask`, p50 / p95 / p99 ms, query embedding included**", times("ask_ms")),
        ("`search`, hybrid, p50 / p95 / p99 ms", times("search_hybrid_ms")),
        ("`search`, BM25 alone, p50 / p95 / p99 ms", times("search_bm25_ms")),
        ("memory: own / mapped files", [_memory(result) for result in results]),
    ]
    lines = [
        f"**100,000 real chunks** (`make benchmark`, {results[-1]['queries']:,} queries; {_machine(results[-1])}):",
        "",
        "| | " + " | ".join(f"`{name}`" for name in names) + " |",
        "|---|" + "---|" * len(names),
    ]
    lines += ["| " + " | ".join([label, *cells]) + " |" for label, cells in rows]
    return "\n".join(lines)


def quality() -> str:
    """nDCG@10 on public sets."""
    result = _result("quality")
    if not result:
        return ""
    sets = result["sets"]
    columns = [
        "bm25",
        "builtin dense",
        "builtin hybrid",
        "minilm dense",
        "minilm hybrid",
        "minilm convex",
        "minilm rrf",
    ]
    lines = [
        f"**Quality**, nDCG@10 × 100 (`make quality`; {_machine(result)}):",
        "",
        "| set | " + " | ".join(columns) + " |",
        "|---|" + "---|" * len(columns),
    ]
    for name, row in sets.items():
        cells = [f"{100 * row[column]:.1f}" if column in row else "–" for column in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines.append("\nBM25 (1.2, 0.75), Snowball English; `hybrid` is the default fusion, chosen on scifact-train alone.")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
