"""The definition of right: cosine in NumPy, BM25 in float64, fusion by brute force, all over one table of chunks.

Nothing here is shared with the engine. Texts are made of lower-case ASCII words, which every tokenizer splits alike; an
index that is compared with these functions is opened with ``language="none"``.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LIST_DEPTH = 100  # chunks of each half's list whose union is fused
CONVEX_DEPTH = 1000
SAMPLE = 256
CAP = 12.0

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One live chunk; ``vector`` is ``None`` while it waits to be embedded."""

    document_id: str
    ordinal: int
    text: str
    vector: NDArray[np.float32] | None = None

    @property
    def chunk_id(self) -> str:
        return f"{self.document_id}#{self.ordinal}"

    @property
    def order(self) -> tuple[str, int]:
        """What decides between equal scores."""
        return (self.document_id, self.ordinal)


def terms(text: str) -> list[str]:
    """Lower-case ASCII words of two letters and more."""
    return re.findall(r"[a-z]{2,}", text)


def cosines(query: Sequence[float] | NDArray[np.float32], vectors: Iterable[NDArray[np.float32]]) -> Scores:
    """Cosine of a query with each vector, in float64."""
    rows = np.array(list(vectors), dtype=np.float64).reshape(-1, len(query))
    unit = np.asarray(query, dtype=np.float64)
    return rows @ (unit / np.linalg.norm(unit)) / np.linalg.norm(rows, axis=1)


def bm25(query: str, texts: Sequence[str], k1: float = 1.2, b: float = 0.75) -> Scores:
    """BM25 of each text in the Lucene form: idf = ln(1 + (N - df + 0.5) / (df + 0.5)), without the factor k1 + 1."""
    bags = [Counter(terms(text)) for text in texts]
    lengths = [sum(bag.values()) for bag in bags]
    average = sum(lengths) / len(lengths) if sum(lengths) else 1.0
    scores = np.zeros(len(texts))
    for term, count in sorted(Counter(terms(query)).items()):
        weight = count * idf(len(texts), sum(term in bag for bag in bags))
        for row, (bag, length) in enumerate(zip(bags, lengths, strict=True)):
            if term in bag:
                scores[row] += weight * bag[term] / (bag[term] + k1 * (1 - b + b * length / average))
    return scores


def idf(chunks: int, frequency: int) -> float:
    """Inverse document frequency in the Lucene form."""
    return math.log(1 + (chunks - frequency + 0.5) / (frequency + 0.5))


def spread_bm25(query: str, texts: Sequence[str]) -> float:
    """Spread of a query's BM25 scores over the corpus, from document frequencies alone."""
    bags = [set(terms(text)) for text in texts]
    variance = 0.0
    for term, count in Counter(terms(query)).items():
        frequency = sum(term in bag for bag in bags)
        if frequency:
            share = frequency / len(texts)
            variance += (count * idf(len(texts), frequency)) ** 2 * share * (1 - share)
    return 0.5 * math.sqrt(variance)


def sampled(rows: Sequence[Row]) -> list[int]:
    """The chunks that stand for the corpus: of those with a vector, the 256 of smallest hash."""

    def number(row: int) -> int:
        return int.from_bytes(hashlib.sha256(rows[row].chunk_id.encode()).digest()[:8], "little")

    return sorted((row for row in range(len(rows)) if rows[row].vector is not None), key=number)[:SAMPLE]


def best(rows: Sequence[Row], scores: Scores, eligible: Iterable[int], depth: int) -> list[int]:
    """The eligible rows of highest score, equal scores by document and ordinal."""
    return sorted(eligible, key=lambda row: (-scores[row], rows[row].order))[:depth]


def always(_: Row) -> bool:
    return True


def search_dense(
    rows: Sequence[Row], query: Sequence[float], passes: Callable[[Row], bool] = always, top_k: int = 10
) -> list[tuple[str, float]]:
    """(chunk_id, cosine) of the best chunks that pass."""
    embedded = [row for row in rows if row.vector is not None]
    scores = cosines(query, [row.vector for row in embedded if row.vector is not None])
    found = best(embedded, scores, (n for n, row in enumerate(embedded) if passes(row)), top_k)
    return [(embedded[row].chunk_id, float(scores[row])) for row in found]


def search_bm25(
    rows: Sequence[Row], query: str, passes: Callable[[Row], bool] = always, top_k: int = 10, **parameters: float
) -> list[tuple[str, float]]:
    """(chunk_id, BM25) of the best chunks that pass and share a term with the query."""
    scores = bm25(query, [row.text for row in rows], **parameters) if rows else np.zeros(0)
    found = best(rows, scores, (n for n, row in enumerate(rows) if scores[n] > 0 and passes(row)), top_k)
    return [(rows[row].chunk_id, float(scores[row])) for row in found]


def search_hybrid(
    rows: Sequence[Row],
    text: str,
    vector: Sequence[float],
    passes: Callable[[Row], bool] = always,
    top_k: int = 10,
    *,
    fusion: str = "self_scaling",
    weight: float = 2.0,
) -> list[tuple[str, float]]:
    """(chunk_id, fused score): both lists, their union with exact scores of both halves, one rule."""
    if not rows:
        return []
    texts = [row.text for row in rows]
    lexical, cosine = bm25(text, texts), np.full(len(rows), np.nan)
    with_vector = [n for n, row in enumerate(rows) if row.vector is not None]
    if with_vector:
        cosine[with_vector] = cosines(vector, [rows[n].vector for n in with_vector])  # type: ignore[misc]
    depth = max(CONVEX_DEPTH if fusion == "convex" else LIST_DEPTH, top_k)
    # Hits carry 32 bits, and what is equal there is a tie: more digits would tell rounding apart, and ranks with it.
    bm25_list = best(
        rows, lexical.astype(np.float32), (n for n, row in enumerate(rows) if lexical[n] > 0 and passes(row)), depth
    )
    dense_list = best(rows, cosine, (n for n in with_vector if passes(rows[n])), depth)
    union = sorted({*bm25_list, *dense_list})
    if fusion == "rrf":
        fused = reciprocal_rank(bm25_list, dense_list)
    elif fusion == "convex":
        fused = convex(union, lexical, cosine, weight, bool(bm25_list), bool(dense_list))
    else:
        sample = cosine[sampled(rows)]
        unit = min(1 / max(spread_bm25(text, texts), 1e-9), CAP / lexical.max()) if bm25_list else 0.0
        fused = self_scaling(union, lexical, cosine if dense_list else None, unit, sample, weight)
    ranked = sorted(union, key=lambda row: (-fused[row], rows[row].order))[:top_k]
    return [(rows[row].chunk_id, fused[row]) for row in ranked]


def self_scaling(
    union: Sequence[int], lexical: Scores, cosine: Scores | None, unit: float, sample: Scores, weight: float
) -> dict[int, float]:
    """BM25 in units of its spread plus the cosine in units of its own; a chunk without a vector counts as average."""
    fused = {row: float(lexical[row]) * unit for row in union}
    if cosine is not None and sample.std() > 1e-6:
        for row in union:
            if not math.isnan(cosine[row]):
                fused[row] += weight * (cosine[row] - sample.mean()) / sample.std()
    return fused


def convex(
    union: Sequence[int], lexical: Scores, cosine: Scores, weight: float, has_bm25: bool, has_dense: bool
) -> dict[int, float]:
    """Both halves scaled to 0..1 and weighted; a half that found nothing leaves its weight to the other."""
    if not has_dense or not has_bm25:
        weight = float(has_dense)
    known = [cosine[row] for row in union if not math.isnan(cosine[row])]
    low, high = (min(known), max(known)) if has_dense and known else (0.0, 0.0)
    fused = {}
    for row in union:
        fused[row] = (1 - weight) * float(lexical[row]) / lexical.max() if has_bm25 else 0.0
        if has_dense and not math.isnan(cosine[row]):
            fused[row] += weight * ((cosine[row] - low) / (high - low) if high > low else 1.0)
    return fused


def reciprocal_rank(*lists: Sequence[int]) -> dict[int, float]:
    """Sum over the lists of 1 / (60 + rank)."""
    fused: dict[int, float] = {}
    for ranked in lists:
        for rank, row in enumerate(ranked, 1):
            fused[row] = fused.get(row, 0.0) + 1 / (60 + rank)
    return fused


def assert_ranking(got: Sequence[tuple[str, float]], expected: Sequence[tuple[str, float]], tolerance: float) -> None:
    """The same scores place by place, and the same chunks wherever the scores are further apart than the tolerance.

    ``expected`` may be longer than ``got`` by what was asked for beyond ``top_k``: those settle ties at the end.
    """
    assert len(got) <= len(expected), f"{len(got)} hits where {len(expected)} are right"
    truth = dict(expected)
    for place, ((chunk, score), (wanted, right)) in enumerate(zip(got, expected, strict=False)):
        slack = tolerance * max(1.0, abs(right))
        assert abs(score - right) <= slack, f"place {place}: {chunk} scores {score}, {wanted} should with {right}"
        assert chunk in truth, f"place {place}: {chunk} scores {score} and should not be found"
        assert abs(truth[chunk] - score) <= slack, f"place {place}: {chunk} scores {score}, right is {truth[chunk]}"
    assert len({chunk for chunk, _ in got}) == len(got), "a chunk was found twice"


def metric(name: str, cut: int | None, run: Mapping[str, float], grades: Mapping[str, int]) -> float:
    """One query's value of a retrieval metric, from its definition, over the sorted ranking."""
    with np.errstate(over="ignore"):
        ranking = sorted(run, key=lambda document: (np.float32(run[document]), document), reverse=True)
    shown = ranking if cut is None else ranking[:cut]
    hits = [rank for rank, document in enumerate(shown, 1) if grades.get(document, 0) > 0]
    ideal = sorted((grade for grade in grades.values() if grade > 0), reverse=True)
    if name == "P":
        return len(hits) / (cut or 1)
    if name == "Success":
        return float(len(hits) > 0)
    if name == "RR":
        return 1 / hits[0] if hits else 0.0
    if name == "ContextPrecision":
        return len(hits) / len(shown) if shown else 0.0
    if not ideal:
        return 0.0
    if name == "R":
        return len(hits) / len(ideal)
    if name == "AP":
        return sum(number / rank for number, rank in enumerate(hits, 1)) / len(ideal)
    gain = {"nDCG": float, "nDCG(gain=exp)": lambda grade: 2.0**grade - 1}[name]
    found = [max(grades.get(document, 0), 0) for document in shown]
    dcg, best = (
        sum(gain(grade) / math.log2(rank + 1) for rank, grade in enumerate(some, 1)) for some in (found, ideal[:cut])
    )
    return dcg / best
