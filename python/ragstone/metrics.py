"""Retrieval metrics with trec_eval's definitions: grades in, ranked scores in, one number per metric out.

A run maps queries to documents to scores, qrels map queries to documents to grades. As in trec_eval, a document
is relevant from grade 1, documents without judgement are not relevant, and the ranking is by score descending, then
by document id descending, with scores compared in 32-bit floats. Unlike trec_eval's default (and like its ``-c``),
every query of the qrels counts: one that the run lacks scores 0. Queries without judgements are left out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias, overload

import numpy as np

from ragstone.errors import InvalidInput

__all__ = ["evaluate_run"]

Run: TypeAlias = Mapping[str, Mapping[str, float]]
Qrels: TypeAlias = Mapping[str, Mapping[str, int]]
# A measure takes the grades in ranked order, all positive grades of the query descending, and the cut.
_Measure: TypeAlias = Callable[[Sequence[int], Sequence[int], int], float]


def _dcg(grades: Sequence[int], cut: int) -> float:
    return sum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades[:cut], start=1) if grade > 0)


def _ndcg(ranked: Sequence[int], ideal: Sequence[int], cut: int) -> float:
    best = _dcg(ideal, cut)
    return _dcg(ranked, cut) / best if best else 0.0


def _average_precision(ranked: Sequence[int], ideal: Sequence[int], cut: int) -> float:
    found, total = 0, 0.0
    for rank, grade in enumerate(ranked[:cut], start=1):
        if grade > 0:
            found += 1
            total += found / rank
    return total / len(ideal) if ideal else 0.0


def _reciprocal_rank(ranked: Sequence[int], ideal: Sequence[int], cut: int) -> float:
    return next((1.0 / rank for rank, grade in enumerate(ranked[:cut], start=1) if grade > 0), 0.0)


def _precision(ranked: Sequence[int], ideal: Sequence[int], cut: int) -> float:
    return sum(grade > 0 for grade in ranked[:cut]) / cut


def _recall(ranked: Sequence[int], ideal: Sequence[int], cut: int) -> float:
    return sum(grade > 0 for grade in ranked[:cut]) / len(ideal) if ideal else 0.0


def _success(ranked: Sequence[int], ideal: Sequence[int], cut: int) -> float:
    return float(any(grade > 0 for grade in ranked[:cut]))


# Name, measure, and whether it needs a cut.
_MEASURES: Mapping[str, tuple[_Measure, bool]] = {
    "nDCG": (_ndcg, False),
    "AP": (_average_precision, False),
    "RR": (_reciprocal_rank, False),
    "P": (_precision, True),
    "R": (_recall, True),
    "Success": (_success, True),
}
_NO_CUT = 1 << 62


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
        metrics: Names out of ``nDCG``, ``nDCG@k`` (linear gain), ``AP``, ``AP@k``, ``RR``, ``RR@k``, ``P@k``
            (divided by k even where fewer were returned), ``R@k``, ``Success@k``.
        per_query: Return each query's values instead of their means.

    Returns:
        ``{metric: mean over the queries of the qrels}``, or ``{query: {metric: value}}`` with ``per_query=True``.

    Raises:
        InvalidInput: Unknown metric, no queries, NaN or non-numeric score, grade that is no integer.

    Example:
        >>> run = {"q1": {"a": 2.0, "b": 1.0}, "q2": {"c": 1.0}}
        >>> qrels = {"q1": {"b": 1}, "q2": {"c": 1}, "q3": {"d": 1}}
        >>> evaluate_run(run, qrels, ["RR", "P@1"])
        {'RR': 0.5, 'P@1': 0.3333333333333333}
    """
    measures = _parse_metrics(metrics)
    if not isinstance(run, Mapping) or not isinstance(qrels, Mapping):
        raise InvalidInput("run and qrels must be mappings: {query: {document: score}} and {query: {document: grade}}")
    if not qrels:
        raise InvalidInput("qrels hold no query: there is nothing to evaluate against")
    values: dict[str, dict[str, float]] = {}
    for query, judged in qrels.items():
        grades = _checked_grades(query, judged)
        ranked = [grades.get(document, 0) for document in _ranking(query, run.get(query, {}))]
        ideal = sorted((grade for grade in grades.values() if grade > 0), reverse=True)
        values[query] = {name: measure(ranked, ideal, cut) for name, (measure, cut) in measures.items()}
    if per_query:
        return values
    # fsum: the mean must not depend on the order of the queries.
    return {name: math.fsum(row[name] for row in values.values()) / len(values) for name in measures}


def _parse_metrics(metrics: Sequence[str]) -> dict[str, tuple[_Measure, int]]:
    """The measure and the cut behind each name."""
    if isinstance(metrics, str) or not isinstance(metrics, Sequence) or not metrics:
        raise InvalidInput(f"metrics must be a non-empty list of names such as ['nDCG@10', 'RR'], got {metrics!r}")
    parsed = {}
    for name in metrics:
        match = re.fullmatch(r"([A-Za-z]+)(?:@([1-9][0-9]{0,8}))?", name) if isinstance(name, str) else None
        base = {"success": "Success"}.get(match[1], match[1]) if match else ""
        if match is None or base not in _MEASURES:
            known = ", ".join(
                f"{known}@k" if needs_cut else f"{known}[@k]" for known, (_, needs_cut) in _MEASURES.items()
            )
            raise InvalidInput(f"unknown metric {name!r}: known are {known}, with k from 1, such as 'nDCG@10'")
        measure, needs_cut = _MEASURES[base]
        if needs_cut and match[2] is None:
            raise InvalidInput(f"metric {name!r} needs a cut: write '{name}@10'")
        parsed[name] = (measure, int(match[2]) if match[2] else _NO_CUT)
    return parsed


def _checked_grades(query: str, judged: Mapping[str, int]) -> Mapping[str, int]:
    if not isinstance(judged, Mapping):
        raise InvalidInput(f"qrels of query {query!r} must map documents to grades, got {type(judged).__name__}")
    for document, grade in judged.items():
        if not isinstance(grade, (int, np.integer)):
            raise InvalidInput(f"grade of document {document!r} for query {query!r} is {grade!r}, expected an integer")
    return judged


def _ranking(query: str, scored: Mapping[str, float]) -> list[str]:
    """Documents by score descending, then id descending."""
    if not isinstance(scored, Mapping):
        raise InvalidInput(f"run of query {query!r} must map documents to scores, got {type(scored).__name__}")
    for document, score in scored.items():
        if not isinstance(document, str):
            raise InvalidInput(f"document {document!r} of query {query!r} is a {type(document).__name__}, expected str")
        if not isinstance(score, (int, float, np.integer, np.floating)) or math.isnan(score):
            raise InvalidInput(f"score of document {document!r} for query {query!r} is {score!r}, expected a number")
    # trec_eval stores scores in 32 bits, which makes ties of what differs beyond them.
    with np.errstate(over="ignore"):
        return sorted(scored, key=lambda document: (np.float32(scored[document]), document), reverse=True)
