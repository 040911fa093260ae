"""Answers a query by the path that it needs: cited passages, advice on fine-tuning, both, or neither."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ragstone.answerability import answerability, threshold
from ragstone.citation import context
from ragstone.filters import FilterLike
from ragstone.index import SearchIndex
from ragstone.recommender import advise, route
from ragstone.records import Answer

__all__ = ["ask"]


def ask(
    index: SearchIndex,
    query: str,
    *,
    top_k: int,
    filter: FilterLike | None,
    principals: Sequence[str] | None,
    timeout_s: float | None,
) -> Answer:
    """See :meth:`ragstone.pipeline.Index.ask`."""
    started = time.perf_counter()
    routed = route(query)
    retrieves = routed.path in ("retrieve", "hybrid")
    hits, probability, abstained = (), None, False
    if retrieves:
        result, evidence = index.search_with_evidence(
            query, top_k=top_k, filter=filter, principals=principals, timeout_s=timeout_s
        )
        name = index.embedder.name if index.embedder is not None else None
        probability = answerability(evidence, name)
        abstained = not result.hits or probability < threshold(evidence, name)
        hits = () if abstained else result.hits
    advice = advise(query, routed) if routed.path in ("advisory_finetune", "hybrid") else None
    return Answer(
        query=query,
        path=routed.path,
        route=routed,
        hits=hits,
        citations=tuple(hit.citation for hit in hits),
        context=context(hits),
        abstained=abstained,
        answerability=probability,
        advice=advice,
        latency_ms=(time.perf_counter() - started) * 1000,
    )
