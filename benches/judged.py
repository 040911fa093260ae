"""Judged sets for the benches: documents in an index, questions and grades, and embeddings that are made only once."""

from __future__ import annotations

import csv
import hashlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ragstone
from ragstone import Document
from ragstone.records import Embedder

Qrels = dict[str, dict[str, int]]


class Kept:
    """An embedder whose vectors stay in a file: embedding takes minutes, and results are recorded more than once."""

    def __init__(self, embedder: Embedder, folder: Path) -> None:
        """Read what the folder has of this embedder."""
        self.name, self.dimension = embedder.name, embedder.dimension
        self.fingerprint, self.max_tokens = embedder.fingerprint, embedder.max_tokens
        self.dense_weight = getattr(embedder, "dense_weight", 2.0)
        self.count_tokens = embedder.count_tokens
        self._embedder = embedder
        self._path = folder / f"{embedder.name}-{embedder.fingerprint[:16]}.npz"
        self._vectors: dict[bytes, NDArray[np.float32]] = {}
        if self._path.exists():
            kept = np.load(self._path)
            self._vectors = {key.tobytes(): row for key, row in zip(kept["keys"], kept["vectors"], strict=True)}

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of texts, shape (n, dimension); only those never seen before are made."""
        keys = [hashlib.sha256(text.encode()).digest() for text in texts]
        wanted = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._vectors}
        if wanted:
            self._vectors.update(zip(wanted, self._embedder.embed(list(wanted.values())), strict=True))
        return np.array([self._vectors[key] for key in keys], dtype=np.float32).reshape(-1, self.dimension)

    def save(self) -> None:
        """Write all vectors back."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        keys = np.frombuffer(b"".join(self._vectors), dtype=np.uint8).reshape(-1, 32)
        np.savez(self._path, keys=keys, vectors=np.array(list(self._vectors.values()), dtype=np.float32))


def lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def fill(index: ragstone.Index, corpus: Path) -> None:
    """Add and embed all documents of a set."""
    started = time.perf_counter()
    index.upsert(
        Document(document_id=row["_id"], title=row["title"], text=row["text"])
        for row in lines(corpus)
        if row["text"].strip()
    )
    print(f"{corpus.parent.name}: {len(index)} chunks in {time.perf_counter() - started:.0f} s", file=sys.stderr)


def questions(folder: Path) -> tuple[dict[str, str], Qrels]:
    """The judged questions of a set, {name: text}, and their grades, {name: {document: grade}}."""
    qrels: Qrels = {}
    with (folder / "qrels.tsv").open(encoding="utf-8") as file:
        for query, document, grade in list(csv.reader(file, delimiter="\t"))[1:]:
            qrels.setdefault(query, {})[document] = int(grade)
    texts = {row["_id"]: row["text"] for row in lines(folder / "queries.jsonl")}
    return {name: text for name, text in texts.items() if name in qrels}, qrels


def answer_chunks(index: ragstone.Index, folder: Path, every: int = 1) -> tuple[dict[str, str], Qrels]:
    """Questions whose answers are spans of long documents: relevant is the chunk, ``document#ordinal``, that holds one.

    A chunk holds an answer that lies in it whole; of an answer that no chunk has whole, the one with most of it does.
    """
    texts: dict[str, str] = {}
    qrels: Qrels = {}
    for row in lines(folder / "queries.jsonl")[::every]:
        chunks = index.chunks(row["doc"])
        holding: set[int] = set()
        for start, end in row["spans"]:
            shared = [min(end, chunk.end) - max(start, chunk.start) for chunk in chunks]
            holding |= {number for number, length in enumerate(shared) if length == max(shared) and length > 0}
        if holding:
            texts[row["_id"]] = row["text"]
            qrels[row["_id"]] = {f"{row['doc']}#{number}": 1 for number in holding}
    return texts, qrels


def chunk_run(index: ragstone.Index, texts: Mapping[str, str], depth: int, **how: Any) -> dict[str, dict[str, float]]:
    """Search all questions and rank chunks: {name: {chunk: score}}."""
    found = {}
    for name, text in texts.items():
        found[name] = {hit.chunk_id: hit.score for hit in index.search(text, top_k=depth, **how)}
    return found
