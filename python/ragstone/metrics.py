"""Retrieval metrics with trec_eval's definitions: grades in, ranked scores in, one number per metric out.

A run maps queries to documents to scores, qrels map queries to documents to grades. As in trec_eval, a document
is relevant from grade 1, documents without judgement are not relevant, and the ranking is by score descending, then
by document id descending, with scores compared in 32-bit floats. Unlike trec_eval's default (and like its ``-c``),
every query of the qrels counts: one that the run lacks scores 0. Queries without judgements are left out.

With r the rank of a relevant document, from 1, its grade g(r), R the number of all relevant documents and n that of
the documents returned:

=====================  =============================================================================================
``P@k``                relevant in the first k / k, even where fewer were returned
``R@k``                relevant in the first k / R
``Success@k``          1 if one of the first k is relevant, else 0
``RR``, ``RR@k``       1 / rank of the first relevant one, 0 if there is none in the first k
``AP``, ``AP@k``       sum of P@r over the relevant ones (in the first k) / R
``nDCG``, ``nDCG@k``   sum of g(r) / log2(r + 1) / that of the best ranking there is (Järvelin, Kekäläinen 2002)
``nDCG(gain=exp)@k``   with 2^g − 1 for g (Burges et al. 2005); also written ``nDCG(dcg='exp-log2')@k``
``ContextPrecision``   relevant / n, or in the first k / min(n, k) with ``@k`` (RAGAS' context precision by ids)
=====================  =============================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from ragstone import _core
from ragstone.errors import InvalidInput

__all__ = ["Judged", "evaluate_run"]

Run: TypeAlias = Mapping[str, Mapping[str, float]]
Qrels: TypeAlias = Mapping[str, Mapping[str, int]]


class Judged:
    """A run joined with its judgements, to be measured many times: it keeps where the relevant documents stand.

    Args:
        run: ``{query: {document: score}}``, higher is better; the order of the mapping does not matter.
        qrels: ``{query: {document: grade}}``, integer grades, relevant from 1.

    Raises:
        InvalidInput: No judgements, no judged query in a run that has queries, a score that is NaN or no number, a
            grade that is no integer of 64 bits; the message names query and document.

    >>> judged = Judged({"q1": {"a": 2.0, "b": 1.0}}, {"q1": {"b": 1}, "q2": {"c": 1}})
    >>> judged.means(["RR", "R@10"])
    {'RR': 0.25, 'R@10': 0.5}
    >>> judged.queries, judged.values(["RR"]).tolist(), judged.retrieved.tolist()
    (('q1', 'q2'), [[0.5], [0.0]], [2, 0])
    """

    __slots__ = ("_core", "queries", "relevant", "retrieved")

    queries: tuple[str, ...]
    """The judged queries; all arrays are in this order."""
    retrieved: NDArray[np.int64]
    """Documents that the run has for each query, shape (queries,)."""
    relevant: NDArray[np.int64]
    """Relevant documents of each query, found or not, shape (queries,)."""

    def __init__(self, run: Run, qrels: Qrels) -> None:
        if not isinstance(run, Mapping) or not isinstance(qrels, Mapping):
            raise InvalidInput(
                "run and qrels must be mappings: {query: {document: score}} and {query: {document: grade}}"
            )
        if not qrels:
            raise InvalidInput("qrels hold no query: there is nothing to evaluate against")
        plain = run if isinstance(run, dict) else dict(run)
        grades = qrels if isinstance(qrels, dict) else dict(qrels)
        if plain and plain.keys().isdisjoint(grades):
            raise InvalidInput(
                f"none of the {len(plain)} queries of the run has judgements: qrels begin with query "
                f"{next(iter(grades))!r}, the run with {next(iter(plain))!r}"
            )
        self._core = _core.Judged(plain, grades)
        self.queries = tuple(grades)
        self.retrieved, self.relevant = self._core.retrieved, self._core.relevant

    def values(self, metrics: Sequence[str]) -> NDArray[np.float64]:
        """Each metric (columns) for each query (rows).

        Raises:
            InvalidInput: An unknown metric, or exponential gain for a grade above 1,000.
        """
        return self._core.values(_names(metrics))

    def means(self, metrics: Sequence[str]) -> dict[str, float]:
        """Each metric's mean over all queries."""
        table = self.values(metrics)
        # fsum: the mean must not depend on the order of the queries.
        sums = (math.fsum(column) for column in table.T.tolist())
        return {name: total / len(table) for name, total in zip(metrics, sums, strict=True)}


@overload
def evaluate_run(
    run: Run, qrels: Qrels, metrics: Sequence[str], per_query: Literal[False] = False
) -> dict[str, float]: ...
@overload
def evaluate_run(
    run: Run, qrels: Qrels, metrics: Sequence[str], per_query: Literal[True]
) -> dict[str, dict[str, float]]: ...
@overload
def evaluate_run(
    run: Run, qrels: Qrels, metrics: Sequence[str], per_query: bool
) -> dict[str, float] | dict[str, dict[str, float]]: ...
def evaluate_run(
    run: Run, qrels: Qrels, metrics: Sequence[str], per_query: bool = False
) -> dict[str, float] | dict[str, dict[str, float]]:
    """Scores a run against judgements.

    Args:
        run: ``{query: {document: score}}``, higher is better; the order of the mapping does not matter.
        qrels: ``{query: {document: grade}}``, integer grades, relevant from 1. A query counts even where none of
            its documents is relevant (all its values are then 0) and where the run lacks it (0 as well).
        metrics: Names as in the table above.
        per_query: Return each query's values instead of their means.

    Returns:
        ``{metric: mean over the queries of the qrels}``, or ``{query: {metric: value}}`` with ``per_query=True``.

    Raises:
        InvalidInput: Unknown metric, no judgements, no judged query in a run that has queries, NaN or non-numeric
            score, grade that is no integer.

    Example:
        >>> run = {"q1": {"a": 2.0, "b": 1.0}, "q2": {"c": 1.0}}
        >>> qrels = {"q1": {"b": 1}, "q2": {"c": 1}, "q3": {"d": 1}}
        >>> evaluate_run(run, qrels, ["RR", "P@1"])
        {'RR': 0.5, 'P@1': 0.3333333333333333}
    """
    names = _names(metrics)
    judged = Judged(run, qrels)
    if not per_query:
        return judged.means(names)
    rows = judged.values(names).tolist()
    return {query: dict(zip(names, row, strict=True)) for query, row in zip(judged.queries, rows, strict=True)}


def _names(metrics: Sequence[str]) -> list[str]:
    right = isinstance(metrics, Sequence) and not isinstance(metrics, str) and all(isinstance(m, str) for m in metrics)
    if not right or not metrics:
        raise InvalidInput(f"metrics must be a non-empty list of names such as ['nDCG@10', 'RR'], got {metrics!r}")
    return list(metrics)
