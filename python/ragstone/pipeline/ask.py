"""Answers a query by the path that it needs: cited passages, advice on fine-tuning, both, or neither."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ragstone.answerability import Model
from ragstone.citation import context
from ragstone.filters import FilterLike
from ragstone.index import SearchIndex
from ragstone.recommender import advise, factual_part, route
from ragstone.records import Answer, Hit, Path, Recorder, SearchResult, Stages

if TYPE_CHECKING:
    from ragstone._core import Evidence

__all__ = ["ask"]

# Of a bare keyword, and of a question in a script that the router has not learnt, the text tells little: from this
# p_facts on the corpus is asked even where the router is sure, and has to be likelier than not to hold an answer.
_P_FACTS_LEAST = 0.1
_ANSWERABILITY_LEAST = 0.5


def ask(
    index: SearchIndex,
    query: str,
    *,
    judge: Callable[[Evidence], Model],
    top_k: int,
    filter: FilterLike | None,
    principals: Sequence[str] | None,
    timeout_s: float | None,
    query_log: Recorder | None = None,
) -> Answer:
    """See :meth:`ragstone.pipeline.Index.ask`."""
    started = time.perf_counter()
    routed = route(query)
    stages = Stages(route=(time.perf_counter() - started) * 1000)
    path: Path = routed.path
    hits: tuple[Hit, ...] = ()
    result: SearchResult | None = None
    probability: float | None = None
    abstained = False
    # The text alone can leave it open whether a query needs facts; then the corpus itself is asked.
    doubtful = path == "pass" and (routed.uncertain or routed.p_facts >= _P_FACTS_LEAST)
    if path in ("retrieve", "hybrid") or doubtful:
        asked = factual_part(query, routed) if path == "hybrid" else query
        result, evidence = index.search_with_evidence(
            asked, top_k=top_k, filter=filter, principals=principals, timeout_s=timeout_s
        )
        stages = replace(result.stages or Stages(), route=stages.route)
        model = judge(evidence)
        probability, least = model.probability(evidence), model.threshold
        if doubtful and not routed.uncertain:
            least = max(least, _ANSWERABILITY_LEAST)
        found = bool(result.hits) and probability >= least
        hits = result.hits if found else ()
        if doubtful and found:
            path = "retrieve"
        abstained = not found and path != "pass"
    answer = Answer(
        query=query,
        path=path,
        route=routed,
        hits=hits,
        citations=tuple(hit.citation for hit in hits),
        context=context(hits),
        abstained=abstained,
        answerability=probability,
        advice=advise(query, routed) if path in ("advisory_finetune", "hybrid") else None,
        latency_ms=(time.perf_counter() - started) * 1000,
        stages=stages,
    )
    if query_log is not None:
        query_log.record(answer, found=result, top_k=top_k)
    return answer
