"""Evaluates the built-in embedder's table alone, looks for leaked text, and keeps the model card's figures.

    python python/models/check_builtin.py --data ../shared/data [--card python/models/BUILTIN.md]

nDCG@10 with linear gain (Järvelin & Kekäläinen 2002), exact cosine over all documents of a set, title + " " + text,
ties by row. It reads the table's file itself and sums rows with NumPy: a check of the engine as well as of the table.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import train_builtin as training
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

SETS = ("scifact-test", "scifact-train", "cranfield", "xquad-en", "pubmedqa")
PROBE_CHARS = 60
FIGURES_BEGIN, FIGURES_END = "<!-- figures: written by check_builtin.py -->", "<!-- end of figures -->"


def read_table(path: Path) -> tuple[list[str], NDArray[np.int8]]:
    """Vocabulary and rows, in the layout of :func:`train_builtin.write_table`."""
    content = path.read_bytes()
    header = len(training.MAGIC) + 32
    _, dimension, rows, length = struct.unpack_from("<4I", content, header)
    words = content[header + 16 : header + 16 + length].decode().split("\n")
    return words, np.frombuffer(content, np.int8, rows * dimension, header + 16 + length).reshape(rows, dimension)


def embed(texts: Sequence[str], words: Sequence[str], table: NDArray[np.int8]) -> training.Floats:
    """Unit vectors of texts."""
    tokens = [row[row < len(words)] for row in training.tokenize(texts, [*words, "[UNK]"])]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in tokens])])
    columns = np.concatenate(tokens)
    counts = csr_matrix((np.ones(len(columns), np.float32), columns, starts), shape=(len(texts), len(words)))
    return training.normalise(counts @ table.astype(np.float32))[0]


def read_set(folder: Path) -> tuple[dict[str, str], dict[str, str], dict[str, dict[str, int]]]:
    """Documents, queries and judgements of one set."""
    corpus = folder / "corpus.jsonl"
    if not corpus.exists():  # one corpus, two sets of queries
        corpus = folder.parent / "scifact-test" / "corpus.jsonl"
    lines = [json.loads(line) for line in corpus.open(encoding="utf-8")]
    documents = {line["_id"]: f"{line['title']} {line['text']}" for line in lines}
    queries = {line["_id"]: line["text"] for line in map(json.loads, (folder / "queries.jsonl").open(encoding="utf-8"))}
    qrels: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        qrels.setdefault(query, {})[document] = int(grade)
    return documents, queries, qrels


def ndcg_at_10(ranking: Sequence[str], grades: Mapping[str, int]) -> float:
    """nDCG@10 of one query."""
    discounts = 1 / np.log2(np.arange(2, 12))
    gains = np.array([max(grades.get(document, 0), 0) for document in ranking[:10]])
    ideal = np.array(sorted((max(grade, 0) for grade in grades.values()), reverse=True)[:10])
    best = float(ideal @ discounts[: len(ideal)])
    return float(gains @ discounts[: len(gains)]) / best if best > 0 else 0.0


def evaluate(folder: Path, words: Sequence[str], table: NDArray[np.int8]) -> float:
    """Mean nDCG@10 of a set, in percent."""
    documents, queries, qrels = read_set(folder)
    names, judged = list(documents), [query for query in queries if query in qrels]
    vectors = embed(list(documents.values()), words, table)
    scores = embed([queries[query] for query in judged], words, table) @ vectors.T
    best = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    figures = [ndcg_at_10([names[row] for row in rows], qrels[query]) for query, rows in zip(judged, best, strict=True)]
    return 100 * float(np.mean(figures))


def leaked(folder: Path, training_text: str) -> tuple[int, int, int]:
    """Queries found whole, documents found by a probe out of their middle, and documents probed."""
    documents, queries, _ = read_set(folder)
    squeezed = [" ".join(text.lower().split()) for text in documents.values()]
    probes = [text[len(text) // 2 :][:PROBE_CHARS] for text in squeezed if len(text) >= 2 * PROBE_CHARS]
    found = sum(" ".join(query.lower().split()) in training_text for query in queries.values())
    return found, sum(probe in training_text for probe in probes), len(probes)


def training_text(data: Path) -> str:
    """All that the table was trained on, in lower case with single spaces."""
    _, titles, abstracts = training.read_arxiv(data)
    pairs, _ = training.read_dolly(data)
    texts = (*titles, *abstracts, *(side for pair in pairs for side in pair))
    return "\n".join(" ".join(text.lower().split()) for text in texts)


def main() -> None:
    """Print the figures, or write them into the model card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds sets/, pairs/ and queries/")
    parser.add_argument("--table", type=Path, default=training.TABLE)
    parser.add_argument("--card", type=Path, help="the model card whose figures are to be replaced")
    options = parser.parse_args()
    words, table = read_table(options.table)
    trained_on = training_text(options.data)
    digest = hashlib.sha256(options.table.read_bytes()).hexdigest()
    lines = [
        f"`{options.table.name}`: {options.table.stat().st_size:,} bytes, {len(table):,} rows of {table.shape[1]} int8,",
        f"SHA-256 `{digest}`.",
        "",
        "| set | nDCG@10 alone | queries in the training text | documents with a passage in it |",
        "|---|---|---|---|",
    ]
    for name in SETS:
        folder = options.data / "sets" / name
        queries, documents, probed = leaked(folder, trained_on)
        lines.append(f"| {name} | {evaluate(folder, words, table):.1f} | {queries} | {documents} of {probed} |")
    print("\n".join(lines))
    if options.card:
        before, _, rest = options.card.read_text(encoding="utf-8").partition(FIGURES_BEGIN)
        after = rest.partition(FIGURES_END)[2]
        block = f"{FIGURES_BEGIN}\n" + "\n".join(lines) + f"\n{FIGURES_END}"
        options.card.write_text(before + block + after, encoding="utf-8")


if __name__ == "__main__":
    main()
