"""Retrieval quality on public test sets: nDCG@10 of BM25, of each embedder alone, and of the default hybrid.

    python benches/quality.py --sets ../shared/data/sets [--embedders minilm builtin] [--only cranfield]

Texts are chunked as users' texts are, and a document ranks by its best chunk.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import ragstone

sys.path.insert(0, str(Path(__file__).resolve().parent))
from judged import fill, questions
from machine import save

# Sets by the folder that holds their documents: two question sets share one corpus, which is embedded once.
CORPORA = {
    "scifact-test": ("scifact-test", "scifact-train"),
    "cranfield": ("cranfield",),
    "xquad-en": ("xquad-en",),
    "pubmedqa": ("pubmedqa",),
}


def main() -> None:
    """Measure every set with every embedder and save the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, required=True)
    parser.add_argument("--embedders", nargs="+", default=["builtin", "minilm"])
    parser.add_argument("--only", nargs="+", default=list(CORPORA), help="folders of documents")
    parser.add_argument("--max-tokens", type=int, default=256)
    options = parser.parse_args()
    rows: dict[str, dict[str, float]] = {}
    for corpus in options.only:
        for embedder in options.embedders:
            with (
                tempfile.TemporaryDirectory() as folder,
                ragstone.open(folder, embedder=embedder, max_tokens=options.max_tokens) as index,
            ):
                fill(index, options.sets / corpus / "corpus.jsonl")
                for name in CORPORA[corpus]:
                    rows.setdefault(name, {}).update(measure(index, options.sets / name, embedder))
                    print(name, embedder, {key: round(value, 4) for key, value in rows[name].items()}, flush=True)
    result = {"metric": "nDCG@10, linear gain, as trec_eval", "max_tokens": options.max_tokens, "sets": rows}
    print("saved", save("quality", result))


def measure(index: ragstone.Index, folder: Path, embedder: str) -> dict[str, float]:
    """nDCG@10 of one set of questions: BM25, dense, hybrid, plain convex and reciprocal rank."""
    queries, qrels = questions(folder)

    def ndcg(**how: Any) -> float:
        return ragstone.evaluate(index, queries, qrels, metrics=["nDCG@10"], **how)["nDCG@10"]

    return {
        "bm25": ndcg(mode="bm25"),
        f"{embedder} dense": ndcg(mode="dense"),
        f"{embedder} hybrid": ndcg(),
        f"{embedder} convex": ndcg(fusion="convex"),
        f"{embedder} rrf": ndcg(fusion="rrf"),
    }


if __name__ == "__main__":
    main()
