"""Chooses how the two halves of a hybrid search are fused, from judged queries of one's own, by cross-validation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ragstone.errors import InvalidInput
from ragstone.estimates import Estimate, mean
from ragstone.exchange import DENSE_WEIGHT
from ragstone.index import Fusion, SearchIndex
from ragstone.metrics import Judged
from ragstone.records import Embedder

__all__ = ["QUERIES_LEAST", "Candidate", "Tuning", "tune"]

# With fewer, chance moves the mean by more than any weight is worth.
QUERIES_LEAST = 50
_METRIC = "nDCG@10"
_SELF_SCALING = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0)
# With weight 1 the ranking is that of the dense half alone, with 0 in either rule that of BM25.
_CONVEX = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
# As deep as `ragstone.evaluate` looks, so that both report the same figures.
_CHUNKS, _DOCUMENTS = 200, 100
_FOLDS, _REPEATS = 5, 10
_CONFIDENCE = 0.9

_Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to fuse. ``ndcg`` is its mean nDCG@10 over all queries, ``chosen`` the share of folds that chose it."""

    fusion: Fusion
    dense_weight: float
    ndcg: float
    chosen: float

    def __str__(self) -> str:
        return f"{self.fusion}, dense_weight {self.dense_weight:g}"


@dataclass(frozen=True, slots=True, repr=False)
class Tuning:
    """What :func:`tune` found; ``fusion`` and ``dense_weight`` are what to pass to ``search``.

    ``default`` is the nDCG@10 of the index's default. ``held_out`` is that of choosing the best candidate on other
    queries than those it is judged by, and ``gain`` the difference of the two, query by query. ``changed`` is whether
    the choice is another than the default, which it is only where all of ``gain`` is above zero. ``candidates`` are all
    that were tried, the default first; their figures are of all queries, so the best of them looks better than it is.
    """

    fusion: Fusion
    dense_weight: float
    changed: bool
    queries: int
    default: Estimate
    held_out: Estimate
    gain: Estimate
    candidates: tuple[Candidate, ...]
    embedder: str
    generation: int

    def to_dict(self) -> dict[str, object]:
        """All of it in JSON's types."""
        return {"metric": _METRIC, **asdict(self), "candidates": [asdict(one) for one in self.candidates]}

    def __str__(self) -> str:
        if self.changed:
            verdict = f'use fusion="{self.fusion}", dense_weight={self.dense_weight:g} in every search'
        elif self.gain.value > 0:
            verdict = "keep the default: what another weight gains may be chance"
        else:
            verdict = "keep the default: no other weight gains on queries that it was not chosen by"
        shown = sorted(self.candidates, key=lambda one: -one.ndcg)
        width = max(len(str(one)) for one in shown)
        lines = [
            f"{self.queries} judged queries, embedder {self.embedder!r}, generation {self.generation}; {_METRIC}, mean "
            "and 90 % interval",
            f"  default, {self.candidates[0]}: {self.default}",
            f"  best on other queries:  {self.held_out}",
            f"  gain:  {self.gain.value:+.4f} [{self.gain.low:+.4f}, {self.gain.high:+.4f}]",
            verdict,
            "",
            f"{'on all queries, not held out':<{width}}  {_METRIC}  chosen in folds",
            *(f"{one!s:<{width}}  {one.ndcg:>7.4f}  {one.chosen:>15.0%}" for one in shown),
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def tune(
    index: SearchIndex,
    queries: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, int]],
    *,
    principals: Sequence[str] | None = None,
) -> Tuning:
    """Choose the fusion of an index from judged queries, and keep the default unless the gain is real.

    All candidates are searched: the self-scaling rule with dense weights from 0 (BM25 alone) to 6, the convex one with
    0.1 to 1 (dense alone), and the default. The best by nDCG@10 is chosen on four fifths of the queries and judged on
    the rest, for each fifth, ten times over (repeated 5-fold cross-validation). If the 90 % interval of what this gains
    on the default, query by query, lies above zero, the best on all queries is the choice: one gain in twenty that is
    none will still pass. Nothing is stored, and the same input gives the same result.

    Args:
        index: What is searched; it needs vectors, and the embedder that made them.
        queries: Text of each query by its id.
        qrels: Grade of each judged document by query: 0 is not relevant.
        principals: Who asks; see :meth:`ragstone.Index.search`.

    Raises:
        InvalidInput: Fewer than 50 queries have a relevant document, or there is nothing dense to weigh.

    >>> import ragstone, tempfile
    >>> names = [f"{letter}{number}" for letter in "abcdefgh" for number in range(8)]
    >>> with tempfile.TemporaryDirectory() as folder, ragstone.open(folder, embedder="hashing") as index:
    ...     _ = index.upsert([ragstone.Document(name, f"Part {name} is in stock.") for name in names])
    ...     found = ragstone.tune(index, {name: f"part {name}?" for name in names}, {name: {name: 1} for name in names})
    >>> found.fusion, found.dense_weight, found.changed, found.queries
    ('self_scaling', 2.0, False, 64)
    """
    names = _judged(queries, qrels)
    embedder = index.embedder
    if embedder is None or not len(index.sample()):
        raise InvalidInput("the index has no vectors to weigh against BM25: open it with its embedder and embed first")
    generation = index.generation
    # Of the embedder's own weight `search` makes the default.
    tried = _candidates(getattr(embedder, "dense_weight", DENSE_WEIGHT))
    asked = {name: queries[name] for name in names}
    table = _table(index, embedder, asked, {name: qrels[name] for name in names}, tried, principals)
    if index.generation != generation:
        raise InvalidInput("the index was changed while its fusion was tuned: tune it again")
    gains, chosen = _cross_validated(table)
    gain = mean(gains, confidence=_CONFIDENCE)
    means = [math.fsum(column) / len(names) for column in table.T]
    best = means.index(max(means)) if gain.low > 0 else 0
    return Tuning(
        fusion=tried[best][0],
        dense_weight=tried[best][1],
        changed=best != 0,
        queries=len(names),
        default=mean(table[:, 0], confidence=_CONFIDENCE),
        held_out=mean(table[:, 0] + gains, confidence=_CONFIDENCE),
        gain=gain,
        candidates=tuple(
            Candidate(fusion, weight, mean, float(share))
            for (fusion, weight), mean, share in zip(tried, means, chosen, strict=True)
        ),
        embedder=embedder.name,
        generation=generation,
    )


def _judged(queries: Mapping[str, str], qrels: Mapping[str, Mapping[str, int]]) -> list[str]:
    """The queries that have a relevant document, in order: any other scores 0 whatever is done."""
    for value, what in ((queries, "queries"), (qrels, "qrels")):
        if not isinstance(value, Mapping):
            raise InvalidInput(f"{what} is of type {type(value).__name__}: pass a mapping by the ids of the queries")
    judged = {name: qrels[name] for name in queries if name in qrels}
    # Refuses what is no judgement before anything is searched.
    counted = Judged({}, judged) if judged else None
    names = [name for name, some in zip(counted.queries, counted.relevant, strict=True) if some] if counted else []
    if len(names) < QUERIES_LEAST:
        raise InvalidInput(
            f"{len(names)} of {len(queries)} queries have a relevant document in qrels, tuning needs {QUERIES_LEAST}: "
            f"judge {QUERIES_LEAST - len(names)} more"
        )
    return names


def _candidates(own: float) -> list[tuple[Fusion, float]]:
    """What is tried, the default first."""
    both: tuple[tuple[Fusion, tuple[float, ...]], ...] = (("self_scaling", _SELF_SCALING), ("convex", _CONVEX))
    default: tuple[Fusion, float] = ("self_scaling", float(own))
    return list(dict.fromkeys([default, *((fusion, weight) for fusion, weights in both for weight in weights)]))


class _Remembering:
    """An embedder that embeds its last texts only once: every candidate asks the same queries."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._texts: Sequence[str] = ()
        self._vectors = np.empty((0, embedder.dimension), dtype=np.float32)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._embedder, name)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if list(texts) != list(self._texts):
            self._texts, self._vectors = list(texts), self._embedder.embed(texts)
        return self._vectors


def _table(
    index: SearchIndex,
    embedder: Embedder,
    queries: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, int]],
    tried: Sequence[tuple[Fusion, float]],
    principals: Sequence[str] | None,
) -> _Values:
    """nDCG@10 of each query (rows) with each candidate (columns), searched by the engine itself."""
    remembering = cast(Embedder, _Remembering(embedder))
    searched = SearchIndex(index._core, path=index.path, embedder=remembering, chunker=index.chunker)
    # A dense search refuses, and says why, where a hybrid one would do without the vectors of another embedder.
    searched.rank_documents(list(queries.values())[:1], mode="dense", principals=principals)
    table, judged = np.empty((len(queries), len(tried))), {name: qrels[name] for name in queries}
    for column, (fusion, weight) in enumerate(tried):
        ranked = searched.rank_documents(
            list(queries.values()), top_k=_CHUNKS, fusion=fusion, dense_weight=weight, principals=principals
        )
        run = {name: dict(documents[:_DOCUMENTS]) for name, documents in zip(queries, ranked, strict=True)}
        table[:, column] = Judged(run, judged).values([_METRIC])[:, 0]
    return table


def _cross_validated(table: _Values) -> tuple[_Values, _Values]:
    """What each query gains on the first candidate by the one that is best on other queries; how often each is that."""
    numbers = np.random.default_rng(0)
    gains, chosen = np.zeros(len(table)), np.zeros(table.shape[1])
    for _ in range(_REPEATS):
        shuffled = numbers.permutation(len(table))
        for fold in range(_FOLDS):
            judged = shuffled[fold::_FOLDS]
            others = np.delete(shuffled, np.s_[fold::_FOLDS])
            # Of equal means the first: the default.
            best = int(table[others].mean(axis=0).argmax())
            gains[judged] += (table[judged, best] - table[judged, 0]) / _REPEATS
            chosen[best] += 1 / (_REPEATS * _FOLDS)
    return gains, chosen
