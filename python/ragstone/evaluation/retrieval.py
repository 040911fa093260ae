"""Measures an index, or a run of any other system, with the questions of its users and what is relevant to each.

Values are those of trec_eval; see :mod:`ragstone.metrics`. Every figure has the interval in which it would lie with
other questions of the same kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ragstone.arguments import integer
from ragstone.comparison import Comparison, compare
from ragstone.errors import InvalidInput
from ragstone.estimates import Estimate, mean
from ragstone.filters import FilterLike
from ragstone.index import Fusion, Mode, SearchIndex
from ragstone.metrics import Judged, evaluate_run

__all__ = ["METRICS", "RetrievalReport", "evaluate", "retrieval", "run"]

Run: TypeAlias = Mapping[str, Mapping[str, float]]
Qrels: TypeAlias = Mapping[str, Mapping[str, int]]
Estimates: TypeAlias = dict[str, Estimate]

METRICS = ("nDCG@10", "P@5", "R@100", "RR@10")
# Documents in a run: what trec_eval's usual cut-offs look at.
_DEPTH = 100
_DEPTH_MAX = 5000
# Chunks searched for each document wanted, since several chunks of one document may stand above the next document's.
_CHUNKS_PER_DOCUMENT = 2
_ALPHA = 0.05


@dataclass(frozen=True, slots=True, repr=False)
class RetrievalReport:
    """What :func:`retrieval` found; an estimate's ``samples`` is its number of queries.

    ``metrics`` are means over all judged queries. ``strata`` are those over the groups that were asked for,
    ``frequency`` those over the head, queries of which a relevant document is wanted by more than ``tail_most``
    queries, and the tail, all others; it is empty where all documents are wanted equally often. ``per_query`` has each
    query's values. ``comparison`` and ``baseline`` are ``None`` without a baseline.

    ``without_results`` counts judged queries for which nothing was found, ``without_relevant`` those judged to have no
    relevant document: both count as 0. ``unjudged`` counts queries left out because nobody judged them.
    ``missing`` are relevant documents that the index does not have, ``None`` where a run was measured. ``run`` is what
    was measured: a later report can take it as its baseline.
    """

    metrics: Estimates
    strata: dict[str, Estimates]
    frequency: dict[str, Estimates]
    tail_most: int
    per_query: dict[str, dict[str, float]]
    comparison: dict[str, Comparison] | None
    baseline: Estimates | None
    queries: int
    without_results: int
    without_relevant: int
    unjudged: int
    missing: tuple[str, ...] | None
    configuration: dict[str, object]
    run: Run

    @property
    def findings(self) -> tuple[str, ...]:
        """What somebody should look at, in words."""
        found = []
        if self.missing:
            found.append(
                f"{len(self.missing)} relevant documents are not in the index, such as {self.missing[0]!r}: no search "
                "can find them"
            )
        for name, one in (self.comparison or {}).items():
            if one.difference.value < 0 and one.p_randomisation < _ALPHA:
                found.append(f"{name} is worse than the baseline's by {-one.difference.value:.3f}: more than chance")
        return tuple(found)

    def to_dict(self) -> dict[str, object]:
        """All of it but the run in JSON's types."""
        return {
            "metrics": _dicts(self.metrics),
            "strata": {name: _dicts(each) for name, each in self.strata.items()},
            "frequency": {name: _dicts(each) for name, each in self.frequency.items()},
            "tail_most": self.tail_most,
            "baseline": None if self.baseline is None else _dicts(self.baseline),
            "comparison": None
            if self.comparison is None
            else {name: one.to_dict() for name, one in self.comparison.items()},
            "queries": self.queries,
            "without_results": self.without_results,
            "without_relevant": self.without_relevant,
            "unjudged": self.unjudged,
            "missing": None if self.missing is None else list(self.missing),
            "configuration": self.configuration,
            "findings": list(self.findings),
            "per_query": self.per_query,
        }

    def __str__(self) -> str:
        rows = {"all": self.metrics, **({"baseline": self.baseline} if self.baseline else {})}
        if self.frequency:
            rows |= {f"head, wanted by > {self.tail_most}": self.frequency["head"]}
            rows |= {f"tail, wanted by ≤ {self.tail_most}": self.frequency["tail"]}
        rows |= self.strata
        title = f"mean [{100 * next(iter(self.metrics.values())).confidence:.4g} % interval]"
        width = max(map(len, (title, *rows)))
        columns = [max(len(name), 20) for name in self.metrics]
        heads = (f"{name:<{wide}}" for name, wide in zip(self.metrics, columns, strict=True))
        lines = [
            ", ".join(f"{name} {value}" for name, value in self.configuration.items() if value is not None),
            f"{self.queries} judged queries, {self.without_results} of them without results, "
            f"{self.without_relevant} without a relevant document; {self.unjudged} without judgement left out",
            "",
            f"{title:<{width}}  queries  {'  '.join(heads)}".rstrip(),
        ]
        for name, each in rows.items():
            cells = (f"{one!s:<{wide}}" for one, wide in zip(each.values(), columns, strict=True))
            samples = next(iter(each.values())).samples
            lines.append(f"{name:<{width}}  {samples:>7}  {'  '.join(cells)}".rstrip())
        lines += ["", *(f"{name}: {one}" for name, one in self.comparison.items())] if self.comparison else []
        return "\n".join([*lines, *(f"finding: {one}" for one in self.findings)])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def retrieval(
    found: SearchIndex | Run,
    queries: Mapping[str, str] | None,
    qrels: Qrels,
    *,
    metrics: Sequence[str] = METRICS,
    strata: Mapping[str, str] | None = None,
    baseline: Run | None = None,
    depth: int = _DEPTH,
    mode: Mode = "hybrid",
    fusion: Fusion = "self_scaling",
    dense_weight: float | None = None,
    filter: FilterLike | None = None,
    principals: Sequence[str] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> RetrievalReport:
    """Measure how well judged documents are found, with intervals, by strata, and beside a baseline.

    Means are over all queries that have judgements: those of ``queries`` where they are given, else those of
    ``qrels``. Time is not measured here; ``ragstone bench`` does.

    Args:
        found: An index, which is searched, or a run of any system: ``{query: {document: score}}``.
        queries: Text of each query by its id; may be ``None`` for a run.
        qrels: Grade of each judged document by query: relevant from 1.
        metrics: Names as in :mod:`ragstone.metrics`.
        strata: Name of the group of each query, to report them apart; queries that it lacks are in none.
        baseline: Another run over the same queries; :func:`run` makes one with other settings of an index.
        depth: Documents of each query that count, at most; a run is taken whole.
        mode: Which halves search.
        fusion: How both halves become one ranking.
        dense_weight: Weight of the dense half.
        filter: Condition on metadata; see :meth:`ragstone.Index.search`.
        principals: Who asks; see :meth:`ragstone.Index.search`.
        confidence: Of all intervals: percentile bootstrap over queries.
        seed: The same seed gives the same intervals and p-values.

    Raises:
        InvalidInput: No query has a judgement, a judged query is unknown, none of the relevant documents is in the
            index, or a metric is; see :class:`ragstone.metrics.Judged` for runs that cannot be used.

    >>> import ragstone, tempfile
    >>> documents = [ragstone.Document("a", "Refunds take 30 days."), ragstone.Document("b", "Lunch is at noon.")]
    >>> queries, qrels = {"q1": "how long do refunds take?", "q2": "when is lunch?"}, {"q1": {"a": 1}, "q2": {"b": 1}}
    >>> with tempfile.TemporaryDirectory() as folder, ragstone.open(folder, embedder="hashing") as index:
    ...     _ = index.upsert(documents)
    ...     report = retrieval(index, queries, qrels, metrics=["nDCG@10"], strata={"q1": "money", "q2": "food"})
    >>> print(report.metrics["nDCG@10"], report.strata["food"]["nDCG@10"].samples, report.without_results)
    1.000 [1.000, 1.000] 1 0
    """
    judged = _judged(queries, qrels)
    missing: tuple[str, ...] | None = None
    if isinstance(found, SearchIndex):
        if queries is None:
            raise InvalidInput("queries is None, an index needs their texts: pass {query: text}, or a run")
        integer(depth, "depth", 1, _DEPTH_MAX)
        missing = _missing(found, judged)
        searched: Run = run(
            found,
            {name: queries[name] for name in judged},
            depth=depth,
            mode=mode,
            fusion=fusion,
            dense_weight=dense_weight,
            filter=filter,
            principals=principals,
        )
        configuration = _configuration(found, mode, fusion, dense_weight, depth)
    else:
        searched, configuration = found, {"run of": f"{len(found)} queries"}
    measured = Judged(searched, judged)
    values = measured.values(metrics)
    names = list(metrics)

    def means(rows: NDArray[np.bool_]) -> Estimates:
        return {
            name: mean(column, confidence=confidence, seed=seed)
            for name, column in zip(names, values[rows].T, strict=True)
        }

    everything = np.ones(len(judged), dtype=bool)
    head, tail_most = _head(judged)
    other = None if baseline is None else Judged(baseline, judged).values(metrics)
    rows = values.tolist()
    return RetrievalReport(
        metrics=means(everything),
        strata={name: means(members) for name, members in _strata(strata or {}, list(judged)).items()},
        frequency={"head": means(head), "tail": means(~head)} if head.any() and not head.all() else {},
        tail_most=tail_most,
        per_query={name: dict(zip(names, row, strict=True)) for name, row in zip(judged, rows, strict=True)},
        comparison=None
        if other is None
        else {
            name: compare(values[:, column], other[:, column], confidence=confidence, seed=seed)
            for column, name in enumerate(names)
        },
        baseline=None
        if other is None
        else {name: mean(other[:, column], confidence=confidence, seed=seed) for column, name in enumerate(names)},
        queries=len(judged),
        without_results=int((measured.retrieved == 0).sum()),
        without_relevant=int((measured.relevant == 0).sum()),
        unjudged=len(set(queries if queries is not None else searched) - judged.keys()),
        missing=missing,
        configuration=configuration,
        run=searched,
    )


def run(
    index: SearchIndex,
    queries: Mapping[str, str],
    *,
    depth: int = _DEPTH,
    mode: Mode = "hybrid",
    fusion: Fusion = "self_scaling",
    dense_weight: float | None = None,
    filter: FilterLike | None = None,
    principals: Sequence[str] | None = None,
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
        principals=principals,
    )
    return {name: dict(documents[:depth]) for name, documents in zip(names, ranked, strict=True)}


def evaluate(
    index: SearchIndex,
    queries: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, int]],
    *,
    metrics: Sequence[str] = METRICS,
    mode: Mode = "hybrid",
    fusion: Fusion = "self_scaling",
    dense_weight: float | None = None,
) -> dict[str, float]:
    """Search all queries and average each metric over those that have judgements.

    :func:`ragstone.evaluation.retrieval` gives the same means with intervals, strata and each query's values.

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
    return evaluate_run(found, {name: qrels[name] for name in judged}, list(metrics))


def _judged(queries: Mapping[str, str] | None, qrels: Qrels) -> dict[str, Mapping[str, int]]:
    """The judgements of all queries that have some; of a query that is not there, they are a mistake."""
    for value, what in ((queries, "queries"), (qrels, "qrels")):
        if value is not None and not isinstance(value, Mapping):
            raise InvalidInput(f"{what} is of type {type(value).__name__}: pass a mapping by the ids of the queries")
    if queries is not None and qrels:
        unknown = [name for name in qrels if name not in queries]
        if unknown:
            raise InvalidInput(
                f"{len(unknown)} of {len(qrels)} queries of qrels are not among the {len(queries)} queries, such as "
                f"{unknown[0]!r}: check that their ids agree, or leave their judgements out"
            )
        return {name: qrels[name] for name in queries if name in qrels}
    return dict(qrels)


def _missing(index: SearchIndex, judged: Mapping[str, Mapping[str, int]]) -> tuple[str, ...]:
    """The relevant documents that the index does not have."""
    # Refuses what is no judgement first.
    Judged({}, judged)
    wanted = {document: None for grades in judged.values() for document, grade in grades.items() if grade > 0}
    there = {document_id for document_id, *_ in index.sources()}
    missing = tuple(document for document in wanted if document not in there)
    if wanted and len(missing) == len(wanted):
        raise InvalidInput(
            f"none of the {len(wanted)} relevant documents is in the index, such as {missing[0]!r}: judge by the ids "
            "of documents that the index has"
        )
    return missing


def _configuration(
    index: SearchIndex, mode: Mode, fusion: Fusion, dense_weight: float | None, depth: int
) -> dict[str, object]:
    """What was measured: figures without it cannot be compared."""
    numbers = index.stats()
    model = numbers["embedder"]
    return {
        "documents": numbers["documents"],
        "chunks": numbers["chunks"],
        "generation": numbers["generation"],
        "embedder": model.get("name") if isinstance(model, Mapping) else None,
        "mode": mode,
        "fusion": fusion if mode == "hybrid" else None,
        "dense_weight": dense_weight,
        "depth": depth,
    }


def _head(judged: Mapping[str, Mapping[str, int]]) -> tuple[NDArray[np.bool_], int]:
    """Which queries want what many want, and how many are not many: the median, or less where none is above it.

    How often a document is wanted is counted in the judgements, not in the results: what a system never finds would
    else make its own tail, and be bad there whatever it does.
    """
    wanted = Counter(document for grades in judged.values() for document, grade in grades.items() if grade > 0)
    shared = np.array(
        [
            max((wanted[document] for document, grade in grades.items() if grade > 0), default=0)
            for grades in judged.values()
        ]
    )
    levels = np.unique(shared)
    below = levels[levels < levels[-1]]
    most = int(min(np.median(shared), below[-1])) if len(below) else int(levels[-1])
    return shared > most, most


def _strata(strata: Mapping[str, str], names: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """Which queries are in each group, in the order of the groups' names."""
    groups = [strata.get(name) for name in names]
    chosen = sorted({group for group in groups if group is not None})
    if strata and not chosen:
        raise InvalidInput("strata name no judged query: check that their ids agree")
    return {group: np.array([one == group for one in groups]) for group in chosen}


def _dicts(estimates: Estimates) -> dict[str, object]:
    return {name: one.to_dict() for name, one in estimates.items()}
