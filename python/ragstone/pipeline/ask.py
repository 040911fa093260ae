"""Answers a query by the path that it needs: cited passages, advice on fine-tuning, both, or neither."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ragstone.answerability import Model
from ragstone.citation import context
from ragstone.filters import FilterLike
from ragstone.index import SearchIndex
from ragstone.recommender import advise, factual_part, route
from ragstone.recommender.evidence import may_ask, with_evidence
from ragstone.recommender.reading import heads_of, is_keyword, read_again
from ragstone.recommender.style_guide import is_style_guide
from ragstone.records import Answer, Hit, Recorder, Route, SearchResult, Stages

if TYPE_CHECKING:
    from ragstone._core import Evidence

__all__ = ["ask", "style_guides"]

# Of a long request so many characters of its beginning and its end are read, as by the router: in between is what it
# wants to have worked on.
_READ = (1536, 512)


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
    ends = query if len(query) <= sum(_READ) else f"{query[: _READ[0]]} {query[-_READ[1] :]}"
    routed, vector, stages = _read(index, query, ends)
    hits: tuple[Hit, ...] = ()
    result: SearchResult | None = None
    probability: float | None = None
    found = False
    guides: tuple[str, ...] = ()
    if may_ask(routed):
        behaves = routed.path in ("advisory_finetune", "hybrid")
        # What a behavioural request would retrieve as it stands is what to warn of.
        asked = ends if routed.path == "advisory_finetune" else query
        if routed.path == "hybrid":
            asked = factual_part(query, routed)
        result, evidence = index.search_with_evidence(
            asked,
            # What was embedded to be read is not embedded again.
            vector=vector if asked == ends and index._searches_dense("hybrid") else None,
            top_k=top_k,
            filter=filter,
            principals=principals,
            timeout_s=timeout_s,
        )
        searched = result.stages or Stages()
        stages = replace(searched, route=stages.route, embed=stages.embed + searched.embed)
        model = judge(evidence)
        probability = model.probability(evidence)
        found = bool(result.hits) and probability >= model.threshold
        guides = style_guides(result.hits) if behaves else ()
        routed = with_evidence(
            routed,
            probability if result.hits else 0.0,
            least=model.threshold,
            style_guide=bool(guides),
            keyword=is_keyword(query),
        )
    path = routed.path
    if path == "advisory_finetune":
        # No passage is forced on the request, so there is nothing to be judged or noted either.
        result = probability = None
    elif path in ("retrieve", "hybrid") and found and result is not None:
        hits = result.hits
    answer = Answer(
        query=query,
        path=path,
        route=routed,
        hits=hits,
        citations=tuple(hit.citation for hit in hits),
        context=context(hits),
        abstained=path in ("retrieve", "hybrid") and not found,
        answerability=probability,
        advice=advise(query, routed) if path in ("advisory_finetune", "hybrid") else None,
        warnings=(_warning(guides),) if guides and path == "advisory_finetune" else (),
        latency_ms=(time.perf_counter() - started) * 1000,
        stages=stages,
    )
    if query_log is not None:
        query_log.record(answer, found=result, top_k=top_k)
    return answer


def _read(index: SearchIndex, query: str, ends: str) -> tuple[Route, NDArray[np.float32] | None, Stages]:
    """The route by the query's text, read twice where the index's embedder can; the vector made for that."""
    started = time.perf_counter()
    routed, vector, embedder = route(query), None, index.embedder
    routing = (time.perf_counter() - started) * 1000
    heads = None if is_keyword(query) else heads_of(embedder)
    if embedder is None or heads is None:
        return routed, vector, Stages(route=routing)
    started = time.perf_counter()
    vector = embedder.embed([ends])[0]
    embedded = time.perf_counter()
    routed = read_again(routed, vector, heads)
    routing += (time.perf_counter() - embedded) * 1000
    return routed, vector, Stages(route=routing, embed=(embedded - started) * 1000)


def style_guides(hits: Sequence[Hit]) -> tuple[str, ...]:
    """The style guides among the hits, best first; none unless the best hit is one's."""
    found = {}
    for hit in hits:
        if is_style_guide(hit.citation.source, " > ".join((hit.title, *hit.headings)), hit.text):
            found[hit.document_id] = True
        elif not found:
            break
    return tuple(found)


def _warning(guides: Sequence[str]) -> str:
    names = ", ".join(repr(name) for name in guides)
    return (
        f"for this request retrieval finds first of all how to write ({names}): such chunks describe a voice and do "
        "not give it; do not put them into the prompt in place of facts, but collect texts that follow them, as the "
        "advice says"
    )
