"""Evaluates the built-in embedder's table alone, looks for leaked text, and keeps the model card's figures.

    python python/models/check_builtin.py --data ../shared/data [--card python/models/BUILTIN.md]

nDCG@10 with linear gain (Järvelin & Kekäläinen 2002), exact cosine over all documents of a set, title + " " + text,
ties by row. It reads the table's file itself and sums rows with NumPy: a check of the engine as well as of the table.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

import train_builtin as training
from minilm_numpy import Floats

SETS = ("scifact-test", "scifact-train", "cranfield", "xquad-en", "pubmedqa")
PROBE_WORDS = 8
FIGURES_BEGIN, FIGURES_END = "<!-- figures: written by check_builtin.py -->", "<!-- end of figures -->"


def read_table(path: Path) -> tuple[list[str], NDArray[np.int8]]:
    """Vocabulary and rows, in the layout of :func:`train_builtin.write_table`."""
    content = path.read_bytes()
    header = len(training.MAGIC) + 32
    _, dimension, rows, length = struct.unpack_from("<4I", content, header)
    words = content[header + 16 : header + 16 + length].decode().split("\n")
    return words, np.frombuffer(content, np.int8, rows * dimension, header + 16 + length).reshape(rows, dimension)


def embed(texts: Sequence[str], words: Sequence[str], table: NDArray[np.int8]) -> Floats:
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


def training_texts(data: Path) -> list[str]:
    """All that the table was trained on."""
    _, titles, abstracts = training.read_arxiv(data)
    pairs, _ = training.read_dolly(data)
    return [*titles, *abstracts, *{side for pair in pairs for side in pair}]


def plain(text: str) -> str:
    """The words of a text, in lower case with single spaces."""
    return " ".join(re.findall(r"\w+", text.lower()))


class Leaks:
    """Finds queries that are a training text, and documents whose middle occurs in one."""

    def __init__(self, folders: Sequence[Path], texts: Sequence[str]) -> None:
        """Pass once over the training texts with the probes of all sets in hand."""
        self.queries = {folder.name: [plain(text) for text in read_set(folder)[1].values()] for folder in folders}
        self.probes = {folder.name: self._probes(folder) for folder in folders}
        wanted = {probe for probes in self.probes.values() for probe in probes}
        self.whole, self.found = {plain(text) for text in texts}, set[str]()
        for text in self.whole:
            words = text.split()
            self.found |= wanted.intersection(
                " ".join(words[start : start + PROBE_WORDS]) for start in range(len(words) - PROBE_WORDS + 1)
            )

    def _probes(self, folder: Path) -> list[str]:
        documents = [plain(text).split() for text in read_set(folder)[0].values()]
        middles = [words[len(words) // 2 :][:PROBE_WORDS] for words in documents]
        return [" ".join(middle) for middle in middles if len(middle) == PROBE_WORDS]

    def report(self, name: str) -> tuple[int, int, int]:
        """Queries found, documents found, and documents probed, of one set."""
        probes = self.probes[name]
        return (
            sum(query in self.whole for query in self.queries[name]),
            sum(p in self.found for p in probes),
            len(probes),
        )


def main() -> None:
    """Print the figures, or write them into the model card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds sets/, pairs/ and queries/")
    parser.add_argument("--table", type=Path, default=training.TABLE)
    parser.add_argument("--card", type=Path, help="the model card whose figures are to be replaced")
    options = parser.parse_args()
    words, table = read_table(options.table)
    folders = [options.data / "sets" / name for name in SETS]
    leaks = Leaks(folders, training_texts(options.data))
    digest = hashlib.sha256(options.table.read_bytes()).hexdigest()
    lines = [
        f"`{options.table.name}`: {options.table.stat().st_size:,} bytes, {len(table):,} rows of {table.shape[1]},",
        f"SHA-256 `{digest}`.",
        "",
        "| set | nDCG@10 alone | queries that are a training text | documents with a passage in one |",
        "|---|---|---|---|",
    ]
    for folder in folders:
        queries, documents, probed = leaks.report(folder.name)
        lines.append(f"| {folder.name} | {evaluate(folder, words, table):.1f} | {queries} | {documents} of {probed} |")
    print("\n".join(lines))
    if options.card:
        before, _, rest = options.card.read_text(encoding="utf-8").partition(FIGURES_BEGIN)
        after = rest.partition(FIGURES_END)[2]
        block = f"{FIGURES_BEGIN}\n" + "\n".join(lines) + f"\n{FIGURES_END}"
        options.card.write_text(before + block + after, encoding="utf-8")


if __name__ == "__main__":
    main()
