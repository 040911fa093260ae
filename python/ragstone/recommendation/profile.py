"""Measures an index against the queries of its log: what it holds, how it changes, what searches find in it.

All queries are routed elsewhere; here a sample is searched for. The sample draws from the log as it was asked, so that
a text asked often is likely in it, and weighs by how often it was drawn. Searches go past the index's own query log.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from ragstone.arguments import integer
from ragstone.embedding import embedder as find_embedder
from ragstone.embedding.threads import thread_budget
from ragstone.estimates import Estimate, proportion
from ragstone.recommendation.changes import DAY_MS, Changes, changes_of, initial_seconds, median_lifetime
from ragstone.recommendation.measurements import Corpus
from ragstone.recommendation.queries import LoggedQueries
from ragstone.recommendation.shares import weighted_share
from ragstone.recommender import route_batch
from ragstone.recommender.style_guide import is_style_guide
from ragstone.records import Hit

if TYPE_CHECKING:
    from ragstone.pipeline import Index

__all__ = ["measure"]

_Array: TypeAlias = NDArray[np.float64]
_Progress: TypeAlias = Callable[[int, int], None]

_TOP_K = 5
# So many searches are timed; so many of the others embedded together.
_TIMED, _BLOCK = 100, 64
_BEHAVIOURAL, _FACTUAL = 1, 2
_WINDOWS = (7, 30, 90)
_NEAR = 0.95
# All chunks of a smaller index are read for duplicates, all documents of a smaller one for style guides.
_READ_CHUNKS, _READ_DOCUMENTS = 20_000, 2_000
# So many documents, each so far, tell how many tokens a byte of text has.
_COUNTED_DOCUMENTS, _COUNTED_CHARACTERS = 256, 4_000
_EMBEDDED = 8
_RESAMPLES = 300
_PROOFS = 20
# In a large index style guides are looked for by what they are called and by what they say.
_GUIDE_QUERIES = (
    "style guide tone of voice",
    "brand voice guidelines how we write",
    "writing guidelines avoid use active voice short sentences",
)


@dataclass(frozen=True, slots=True)
class _Found:
    """What the search for one text found, how often the text was drawn, and what the router makes of it."""

    text: str
    weight: int
    path: int
    hits: tuple[Hit, ...]
    answered: bool
    latency_ms: float | None


def measure(
    index: Index,
    queries: LoggedQueries | None = None,
    *,
    seed: int = 0,
    sample: int = 1000,
    progress: _Progress | None = None,
    history: Iterable[Mapping[str, object]] | None = None,
    principals: Sequence[str] | None = None,
) -> Corpus:
    """Measure a corpus by an index and, where there are any, the queries that it is asked.

    The same index, log and seed give the same figures to the bit, but for those that a clock measures: their names end
    in ``_s`` or have ``_ms_``. "Now" is when the last document changed or the last query was asked, whichever is
    later, so that a report can be made again.

    - *Duplicates*: up to 20,000 chunks are all compared by their texts, without regard to case and white space. In a
      larger index, and for near-duplicates in any, at most 256 chunks drawn evenly are searched for by their vectors:
      one with another at a cosine of .95 or more is a near-duplicate. Without vectors documents of the same text count.
    - *Update interval*: the median lifetime of a version, over documents weighted by how often they were retrieved,
      by the estimator of Kaplan and Meier. ``None`` where most of them have not changed as long as they were watched,
      or fewer than three versions ended: ``unchanged_days`` then says how long that is at least.
    - *Churn*: for 7, 30 and 90 days, as far as the history goes back; a document's first version is no change.
    - *Null retrieval*: by the calibrated threshold that ``ask`` uses.
    - *Head share*: hits on the tenth of the retrieved documents that are retrieved most.
    - *First value*: the first run of commits, embedding all chunks at the rate of now, one search; rounded up to 1, 2,
      5, 10 … minutes, for it is an estimate. Parsing before the first commit is not in it.

    Args:
        index: An open index.
        queries: The log; without it figures about queries are ``None``, and all documents weigh the same.
        seed: Of all samples.
        sample: Most queries that are drawn and searched for.
        progress: Called with (searches done, searches to do).
        history: Changes of the documents, as :meth:`ragstone.Index.history` has them, where they are kept elsewhere.
        principals: Who asks; see :meth:`ragstone.Index.search`.

    Raises:
        InvalidInput: An argument cannot be used.

    >>> import ragstone, tempfile
    >>> from ragstone.recommendation.queries import read_queries
    >>> with tempfile.TemporaryDirectory() as folder, ragstone.open(folder, embedder="hashing") as index:
    ...     _ = index.upsert([ragstone.Document("a", "Refunds take 30 days.")])
    ...     corpus = measure(index, read_queries(["How long do refunds take?"]))
    >>> corpus.documents, corpus.resolvable.value
    (1, 1.0)
    """
    integer(sample, "sample", 1, 1_000_000)
    numbers = np.random.default_rng(integer(seed, "seed", 0, (1 << 63) - 1))
    statistics = index._numbers()
    documents, chunks = (cast(int, statistics[name]) for name in ("documents", "chunks"))
    found = _searched(index, queries, sample, numbers, progress, principals) if queries is not None else []
    rows = list(index.history() if history is None else history)
    known = changes_of(rows)
    weights = _retrieved(found) if found else dict.fromkeys(known.versions, 1.0)
    now_ms = _now(known.last_ms, queries)
    lifetime = median_lifetime(known, weights, now_ms)
    history_days = (now_ms - known.first_ms) / DAY_MS
    guides = _style_guides(index, found, documents, principals)
    exact, near = _duplicates(index, chunks, known.texts, principals)
    latencies = sorted(one.latency_ms for one in found if one.latency_ms is not None)
    p95 = latencies[max(-(-95 * len(latencies) // 100) - 1, 0)] if latencies else None
    return Corpus(
        documents=documents,
        chunks=chunks,
        tokens=_tokens(index, statistics, numbers),
        exact_duplicates=exact,
        near_duplicates=near,
        history_days=history_days,
        changes=known.count,
        update_interval_days=lifetime.median,
        unchanged_days=None if lifetime.median is not None else lifetime.at_least,
        churn=MappingProxyType(
            {days: _churn(found, known, now_ms - days * DAY_MS, weights) for days in _WINDOWS if days <= history_days}
        ),
        null_retrieval=_share(found, _FACTUAL, lambda one: not one.answered),
        style_guide_documents=tuple(sorted(guides)),
        style_guide_hits=_share(found, _BEHAVIOURAL, lambda one: any(hit.document_id in guides for hit in one.hits)),
        style_guide_proof=_proof(found, guides),
        resolvable=_resolvable(index, found),
        head_share=_head_share(found, numbers),
        first_value_s=_first_value_s(index, chunks, initial_seconds(rows), found) if chunks else None,
        search_ms_p95=p95,
    )


def _searched(
    index: Index,
    queries: LoggedQueries,
    sample: int,
    numbers: np.random.Generator,
    progress: _Progress | None,
    principals: Sequence[str] | None,
) -> list[_Found]:
    """Search for a sample of the log, text by text, in the order of the log."""
    asked, embed = len(queries), _query_embedder(index)
    drawn = np.sort(numbers.choice(asked, min(sample, asked), replace=False, shuffle=False))
    texts, weights = np.unique(np.searchsorted(np.cumsum(queries.counts), drawn, side="right"), return_counts=True)
    chosen = [queries.texts[number] for number in texts]
    paths = route_batch(chosen).paths.tolist()
    ask = partial(_asked, index, principals)
    found: list[_Found] = []
    # The first ones as users search, one after another, which gives the latency; the others on all cores.
    blocks = [chosen[:_TIMED], *(chosen[first : first + _BLOCK] for first in range(_TIMED, len(chosen), _BLOCK))]
    with ThreadPoolExecutor(thread_budget()) as pool:
        for block in blocks:
            timed = not found
            vectors = [None] * len(block) if timed or embed is None else embed(block)
            for hits, answered, latency_ms in (map if timed else pool.map)(ask, block, vectors):
                if progress is not None:
                    progress(len(found), len(chosen))
                place = len(found)
                found.append(
                    _Found(
                        chosen[place], int(weights[place]), paths[place], hits, answered, latency_ms if timed else None
                    )
                )
    if progress is not None:
        progress(len(chosen), len(chosen))
    return found


def _asked(
    index: Index, principals: Sequence[str] | None, text: str, vector: NDArray[np.float32] | None
) -> tuple[tuple[Hit, ...], bool, float]:
    """Hits, whether they are judged to hold an answer, and milliseconds."""
    result, evidence = index.search_with_evidence(text, vector=vector, top_k=_TOP_K, principals=principals)
    model = index.judge(evidence)
    return result.hits, bool(result.hits) and model.probability(evidence) >= model.threshold, result.latency_ms


def _query_embedder(index: Index) -> Callable[[Sequence[str]], NDArray[np.float32]] | None:
    """What embeds queries, where the index has vectors of it to search."""
    recorded = index._numbers()["embedder"]
    if index.embedder is None or not isinstance(recorded, Mapping):
        return None
    return index.embedder.embed if recorded["fingerprint"] == index.embedder.fingerprint else None


def _share(found: Sequence[_Found], path: int, holds: Callable[[_Found], bool]) -> Estimate | None:
    """The share of the queries of one kind of which something holds; ``None`` without any."""
    of_kind = [one for one in found if one.path == path]
    if not of_kind:
        return None
    return weighted_share([holds(one) for one in of_kind], np.array([one.weight for one in of_kind], dtype=np.float64))


def _retrieved(found: Iterable[_Found]) -> dict[str, float]:
    """How often each document was among the hits."""
    counted: Counter[str] = Counter()
    for one in found:
        for hit in one.hits:
            counted[hit.document_id] += one.weight
    return {name: float(count) for name, count in sorted(counted.items())}


def _now(last_ms: int, queries: LoggedQueries | None) -> int:
    """The latest time that the history or the log knows of."""
    asked = 0 if queries is None or not len(queries.times_ms) else int(queries.times_ms[-1])
    # A log with times that are yet to come says nothing of how long documents have stood.
    return max(last_ms, asked) if asked <= time.time() * 1000 else last_ms


def _churn(found: Sequence[_Found], known: Changes, since_ms: int, weights: Mapping[str, float]) -> Estimate:
    """The share of hits, or without any of documents, whose document changed since."""
    changed = {name for name in weights if known.changed_since(name, since_ms)}
    searched = [one for one in found if one.hits]
    if not searched:
        return weighted_share([name in changed for name in weights], np.array(list(weights.values())))
    shares = [sum(hit.document_id in changed for hit in one.hits) / len(one.hits) for one in searched]
    return weighted_share(shares, np.array([one.weight for one in searched], dtype=np.float64))


def _duplicates(
    index: Index, chunks: int, texts: Mapping[str, str], principals: Sequence[str] | None
) -> tuple[Estimate | None, Estimate | None]:
    """Shares of chunks of which there is another one, of the same text and of nearly the same."""
    if not chunks:
        return None, None
    sampled = [
        index.search_with_evidence(None, vector=vector, mode="dense", top_k=4, principals=principals)[0].hits
        for vector in index.sample()
    ]
    # A chunk that is not its own best hit cannot be seen by who asks.
    seen = [hits for hits in sampled if hits and hits[0].score > 1 - 1e-3]
    near = proportion(sum(len(hits) > 1 and hits[1].score >= _NEAR for hits in seen), len(seen)) if seen else None
    if chunks <= _READ_CHUNKS:
        counted = Counter(
            _digest(chunk.text) for document_id, _, _ in index.sources() for chunk in index.chunks(document_id)
        )
        return _twins(counted.values()), near
    if not seen:
        return _twins(Counter(texts.values()).values()), near
    twins = sum(any(_digest(hit.text) == _digest(hits[0].text) for hit in hits[1:]) for hits in seen)
    return proportion(twins, len(seen)), near


def _digest(text: str) -> bytes:
    plain = " ".join(text.split()).casefold()
    return hashlib.blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _twins(counts: Iterable[int]) -> Estimate | None:
    """The share of those that are not alone; counted, so that there is no interval around it."""
    known = list(counts)
    if not known:
        return None
    share = sum(count for count in known if count > 1) / sum(known)
    return Estimate(share, share, share, sum(known))


def _tokens(index: Index, statistics: Mapping[str, object], numbers: np.random.Generator) -> int:
    """Tokens of all documents, counted by the tokenizer of the embedder or, of many documents, from those of some."""
    known = names = [document_id for document_id, _, _ in index.sources()]
    if len(known) > _COUNTED_DOCUMENTS:
        names = [known[place] for place in np.sort(numbers.choice(len(known), _COUNTED_DOCUMENTS, replace=False))]
    documents = [document.text for document in map(index.document, names) if document is not None]
    texts = [text[:_COUNTED_CHARACTERS] for text in documents]
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    if not size:
        return 0
    counter = index.embedder if index.embedder is not None else find_embedder("builtin")
    counted = sum(counter.count_tokens(texts))
    if len(names) == len(known) and texts == documents:
        return counted
    # What was deleted or replaced keeps its bytes until segments are merged.
    chunks, deleted = (cast(int, statistics[name]) for name in ("chunks", "chunks_deleted"))
    live = cast(int, statistics["text_bytes"]) * chunks / max(chunks + deleted, 1)
    return max(round(counted * live / size), 1)


def _style_guides(
    index: Index, found: Sequence[_Found], documents: int, principals: Sequence[str] | None
) -> frozenset[str]:
    """Documents that tell how to write: among all, or in a large index among those that were found or look like it."""
    hits = {hit.chunk_id: hit for one in found if one.path == _BEHAVIOURAL for hit in one.hits}
    if documents > _READ_DOCUMENTS:
        for query in _GUIDE_QUERIES:
            result, _ = index.search_with_evidence(query, top_k=20, principals=principals)
            hits |= {hit.chunk_id: hit for hit in result.hits}
    guides = {hit.document_id for hit in hits.values() if _is_guide(hit)}
    if documents <= _READ_DOCUMENTS:
        for document_id, source, _ in index.sources():
            document = index.document(document_id) if document_id not in guides else None
            if document is not None and is_style_guide(source, document.title, document.text):
                guides.add(document_id)
    return frozenset(guides)


def _is_guide(hit: Hit) -> bool:
    return is_style_guide(hit.citation.source, " > ".join((hit.title, *hit.headings)), hit.text)


def _proof(found: Sequence[_Found], guides: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """Behavioural queries, those asked most first, each with the style guide that was found for it."""
    proofs = [
        (-one.weight, one.text, next(hit.document_id for hit in one.hits if hit.document_id in guides))
        for one in found
        if one.path == _BEHAVIOURAL and any(hit.document_id in guides for hit in one.hits)
    ]
    return tuple((text, document_id) for _, text, document_id in sorted(proofs)[:_PROOFS])


def _resolvable(index: Index, found: Sequence[_Found]) -> Estimate | None:
    """The share of different citations whose span, cut out of the stored document, has the digest that they state."""
    citations = {hit.citation for one in found for hit in one.hits}
    if not citations:
        return None
    texts: dict[str, str] = {}
    for name in {citation.document_id for citation in citations}:
        document = index.document(name)
        texts[name] = "" if document is None else document.text
    good = 0
    for citation in citations:
        cut = texts[citation.document_id][citation.start : citation.end].encode("utf-8", "surrogatepass")
        good += hashlib.sha256(cut).hexdigest() == citation.sha256
    return proportion(good, len(citations))


def _head_share(found: Sequence[_Found], numbers: np.random.Generator) -> Estimate | None:
    """Hits on the most retrieved tenth of the documents that were retrieved; the interval resamples queries."""
    pairs = [(place, hit.document_id) for place, one in enumerate(found) for hit in one.hits]
    if not pairs:
        return None
    owners = np.array([place for place, _ in pairs])
    _, documents = np.unique([name for _, name in pairs], return_inverse=True)
    weights = np.array([one.weight for one in found], dtype=np.float64)
    drawn = numbers.multinomial(int(weights.sum()), weights / weights.sum(), _RESAMPLES)
    value = _top_tenth(documents, weights[owners])
    low, high = np.quantile([_top_tenth(documents, again[owners]) for again in drawn], [0.025, 0.975])
    return Estimate(value, min(float(low), value), max(float(high), value), int(weights.sum()))


def _top_tenth(documents: NDArray[np.intp], weights: NDArray[np.float64] | NDArray[np.int64]) -> float:
    counts = np.sort(np.bincount(documents, weights=weights))[::-1]
    counts = counts[counts > 0]
    return float(counts[: -(-len(counts) // 10)].sum() / counts.sum()) if len(counts) else 0.0


def _timed(embed: Callable[[Sequence[str]], object], texts: Sequence[str]) -> float:
    """Processor time shared among the threads: what else the machine does now is no part of it."""
    started = time.process_time()
    embed(texts)
    return (time.process_time() - started) / thread_budget()


def _first_value_s(index: Index, chunks: int, commits_s: float, found: Sequence[_Found]) -> float:
    """Seconds from an empty index to the first answer, rounded up to a round number of minutes."""
    seconds = commits_s + min((one.latency_ms for one in found if one.latency_ms is not None), default=0.0) / 1000
    texts = [hit.text for one in found for hit in one.hits][:_EMBEDDED]
    if index.embedder is not None and texts:
        seconds += min(_timed(index.embedder.embed, texts) for _ in range(3)) / len(texts) * chunks
    minutes = 1.0
    for step in (1, 2, 5) * 12:
        if minutes * step * 60 >= seconds:
            return minutes * step * 60
        minutes *= 10 if step == 5 else 1
    return seconds
