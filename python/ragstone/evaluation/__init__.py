"""Measures an index with the questions of its users: retrieval quality by the definitions of trec_eval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ragstone.errors import InvalidInput
from ragstone.index import Fusion, Mode, SearchIndex
from ragstone.metrics import evaluate_run

__all__ = ["evaluate", "run"]

# Documents in a run: what trec_eval's usual cut-offs look at.
_DEPTH = 100
# Chunks searched for each document wanted, since several chunks of one document may stand above the next document's.
_CHUNKS_PER_DOCUMENT = 2


def run(
    index: SearchIndex,
    queries: Mapping[str, str],
    *,
    depth: int = _DEPTH,
    mode: Mode = "hybrid",
    fusion: Fusion = "self_scaling",
    dense_weight: float | None = None,
    filter: Mapping[str, object] | None = None,
) -> dict[str, dict[str, float]]:
    """Search all queries and rank documents by their best chunk: {query: {document: score}}."""
    names = list(queries)
    ranked = index.rank_documents(
        [queries[name] for name in names],
        top_k=depth * _CHUNKS_PER_DOCUMENT,
        mode=mode,
        fusion=fusion,
        dense_weight=dense_weight,
        filter=filter,
    )
    return {name: dict(documents[:depth]) for name, documents in zip(names, ranked, strict=True)}


def evaluate(
    index: SearchIndex,
    queries: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, int]],
    *,
    metrics: Sequence[str] = ("nDCG@10", "P@5", "R@100", "RR@10"),
    mode: Mode = "hybrid",
    fusion: Fusion = "self_scaling",
    dense_weight: float | None = None,
) -> dict[str, float]:
    """Search all queries and average each metric over those that have judgements.

    Args:
        index: What is measured.
        queries: Text of each query by its id.
        qrels: Grade of each judged document by query: 0 is not relevant.
        metrics: Names as in :func:`ragstone.metrics.evaluate_run`.
        mode: Which halves search.
        fusion: How both halves become one ranking.
        dense_weight: Weight of the dense half.

    Raises:
        InvalidInput: No query has a judgement, or a metric is unknown.

    >>> import ragstone, tempfile
    >>> documents = [ragstone.Document("a", "Refunds take 30 days."), ragstone.Document("b", "Lunch is at noon.")]
    >>> with tempfile.TemporaryDirectory() as folder, ragstone.open(folder, embedder="hashing") as index:
    ...     _ = index.upsert(documents)
    ...     evaluate(index, {"q1": "how long do refunds take?"}, {"q1": {"a": 1}}, metrics=["nDCG@10", "RR"])
    {'nDCG@10': 1.0, 'RR': 1.0}
    """
    judged = {name: text for name, text in queries.items() if name in qrels}
    if not judged:
        raise InvalidInput(f"none of the {len(queries)} queries has a judgement in qrels: check that their ids agree")
    found = run(index, judged, mode=mode, fusion=fusion, dense_weight=dense_weight)
    means = evaluate_run(found, {name: qrels[name] for name in judged}, list(metrics))
    return {name: float(value) for name, value in means.items()}
