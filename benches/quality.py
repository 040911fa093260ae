"""Retrieval quality on public test sets: nDCG@10 of BM25, of each embedder alone, and of the default hybrid.

    python benches/quality.py --sets ../shared/data/sets [--embedders minilm builtin] [--only scifact-test]

Texts are chunked as users' texts are, and a document ranks by its best chunk.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ragstone
from ragstone import Document

sys.path.insert(0, str(Path(__file__).resolve().parent))
from machine import save

SETS = ("scifact-test", "scifact-train", "cranfield", "xquad-en", "pubmedqa")


def main() -> None:
    """Measure every set with every embedder and save the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, required=True)
    parser.add_argument("--embedders", nargs="+", default=["builtin", "minilm"])
    parser.add_argument("--only", nargs="+", default=SETS)
    parser.add_argument("--max-tokens", type=int, default=256)
    options = parser.parse_args()
    rows: dict[str, Any] = {}
    for name in options.only:
        rows[name] = {}
        for embedder in options.embedders:
            rows[name].update(measure(options.sets, name, embedder, options.max_tokens))
            print(name, embedder, {key: round(value, 4) for key, value in rows[name].items()}, flush=True)
    result = {"metric": "nDCG@10, linear gain, as trec_eval", "max_tokens": options.max_tokens, "sets": rows}
    print("saved", save("quality", result))


def measure(sets: Path, name: str, embedder: str, max_tokens: int) -> dict[str, float]:
    """nDCG@10 of one set: BM25, dense, hybrid, plain convex and reciprocal rank."""
    corpus = sets / ("scifact-test" if name == "scifact-train" else name) / "corpus.jsonl"
    queries = {row["_id"]: row["text"] for row in _rows(sets / name / "queries.jsonl")}
    qrels: dict[str, dict[str, int]] = {}
    with (sets / name / "qrels.tsv").open(encoding="utf-8") as file:
        for query, document, grade in list(csv.reader(file, delimiter="\t"))[1:]:
            qrels.setdefault(query, {})[document] = int(grade)
    documents = [
        Document(document_id=row["_id"], title=row["title"], text=row["text"])
        for row in _rows(corpus)
        if row["text"].strip()
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        ragstone.open(folder, embedder=embedder, max_tokens=max_tokens) as index,
    ):
        started = time.perf_counter()
        index.upsert(documents)
        seconds = time.perf_counter() - started
        print(f"{name}: {len(index)} chunks in {seconds:.0f} s", file=sys.stderr)

        def ndcg(**how: Any) -> float:
            return ragstone.evaluate(index, queries, qrels, metrics=["nDCG@10"], **how)["nDCG@10"]

        return {
            "bm25": ndcg(mode="bm25"),
            f"{embedder} dense": ndcg(mode="dense"),
            f"{embedder} hybrid": ndcg(),
            f"{embedder} convex": ndcg(fusion="convex"),
            f"{embedder} rrf": ndcg(fusion="rrf"),
        }


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
