"""What share of a log's queries is of which kind, corrected for the errors that the router is known to make.

Counting what the router finds is biased: of 2 % behavioural queries and a router that takes 5 % of the factual ones for
behavioural, 7 % are found. The shares that most likely led to what was found solve found = shares · rates, where
``rates`` are the router's on hand-labelled queries ("adjusted count": Forman, "Quantifying counts and costs via
classification", 2008), kept to shares from 0 to 1 by maximum likelihood (Saerens, Latinne and Decaestecker 2002).

Both the log and those hand-labelled queries are samples. Intervals draw each a thousand times, from Dirichlet
distributions around what was counted, and solve again. Where the rates cannot tell kinds apart, solutions depend on
where the search for them starts; it starts anywhere, so that intervals become wide instead of wrong.

Rates also differ from one collection of queries to the next, by more than chance: a log is one more collection. By how
much follows from the collections that the router's errors were counted on (the moment estimator of the Dirichlet and
multinomial distribution; Mosimann, "On the compound multinomial distribution", 1962), and is drawn as well.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ragstone.arguments import integer
from ragstone.errors import InvalidInput
from ragstone.estimates import Estimate, proportion
from ragstone.recommendation.measurements import QueryShares

__all__ = ["KINDS", "collections_alike", "effective_count", "query_shares", "router_errors", "weighted_share"]

_Array: TypeAlias = NDArray[np.float64]

KINDS = ("other", "behavioural", "factual", "hybrid")
"""The kinds in the order of the router's path codes."""

_DRAWS = 1000
# All or none, but for rounding.
_EDGE = 1e-3
_STEPS = 200
# Added to each count before drawing: Jeffreys' half to what was found, one (Laplace) to each kind of error, of which
# few were seen or none. With less there, intervals fall short where shares are 0; the property test has the coverage.
_PRIOR_FOUND, _PRIOR_ERRORS = 0.5, 1.0
_COUNT_MOST = 1 << 40


def query_shares(
    paths: ArrayLike,
    uncertain: ArrayLike | None = None,
    errors: ArrayLike | None = None,
    *,
    counts: ArrayLike | None = None,
    seed: int = 0,
) -> QueryShares:
    """Estimate the shares of the four kinds in a log from what the router found.

    A text asked 50 times counts 50 times. But the router is right or wrong about it once, so that a log of many
    repeats says less than its length. Repeats count as independent for what users ask, and as one for the
    router's error; interval widths follow from both.

    Args:
        paths: The router's path code of each different text, shape (n,): 0 pass, 1 behavioural, 2 factual, 3 hybrid.
        uncertain: Whether the router was near a threshold, shape (n,).
        errors: How often the router found which kind, in the order of codes: shape (4, 4), rows are true kinds,
            columns found ones; a row without any count says nothing. They are taken to be those of this very log. By
            default :func:`router_errors`, counted on other collections.
        counts: How often each text was asked, shape (n,); once by default.
        seed: Of the draws.

    Returns:
        The shares. Without any query each interval is from 0 to 1, with 0 samples.

    Raises:
        InvalidInput: An array has another shape, or numbers that cannot be.

    >>> counted = [[90, 0, 10, 0], [5, 90, 0, 5], [5, 0, 90, 5], [0, 10, 10, 80]]
    >>> shares = query_shares([2] * 800 + [1] * 200, errors=counted)
    >>> shares.behavioural.low < 0.22 < shares.behavioural.high
    True
    """
    found = _codes(paths)
    weights = _weights(counts, len(found))
    table = router_errors() if errors is None else _error_counts(errors)
    alike = _alike() if errors is None else math.inf
    doubtful = np.zeros(len(found), bool) if uncertain is None else np.asarray(uncertain, dtype=bool)
    if doubtful.shape != found.shape:
        raise InvalidInput(f"uncertain has shape {doubtful.shape}, paths have {found.shape}: pass as many")
    numbers = np.random.default_rng(integer(seed, "seed", 0, (1 << 63) - 1))
    asked = int(weights.sum())
    totals = np.bincount(found, weights=weights, minlength=4).astype(np.float64)
    rates = (table + 1e-3) / (table + 1e-3).sum(axis=1, keepdims=True)
    likely = _solved(_shares_of(totals)[None], rates[None], np.full((1, 4), 0.25))[0]
    size = _independent(likely, rates, asked, effective_count(weights)) if asked else 0.0
    drawn = _drawn(_shares_of(totals) * size, table, alike, numbers)
    values, spread = _told(likely[None])[0], _told(drawn)
    low, high = np.quantile(spread, [0.025, 0.975], axis=0)
    if not asked:
        low, high = np.zeros_like(low), np.ones_like(high)
    estimates = {
        name: _at_least_exact(Estimate(float(value), float(min(a, value)), float(max(b, value)), asked), size)
        for name, value, a, b in zip(_TOLD, values, low, high, strict=True)
    }
    return QueryShares(
        queries=asked,
        counted=round(asked * float(1 - likely[0])),
        uncertain=weighted_share(doubtful, weights),
        **estimates,
    )


@cache
def router_errors() -> NDArray[np.int64]:
    """The errors of the router that ships, on hand-labelled queries that it was not trained on: shape (4, 4)."""
    held = _held()
    return _in_order(held["classes"], held["counts"])


def collections_alike(tables: ArrayLike) -> float:
    """How alike the rates of several collections are: as if each had been found by so many queries of a kind.

    Args:
        tables: Counts of each collection, shape (collections, 4, 4).

    Returns:
        A number of queries; infinite where rates differ by no more than chance makes them.

    >>> one = [[90, 10, 0, 0], [10, 90, 0, 0], [0, 0, 90, 10], [0, 0, 10, 90]]
    >>> collections_alike([one, one])
    inf
    """
    counts = np.asarray(tables, dtype=np.float64)
    spreads = []
    for place, own in enumerate(counts):
        others = np.delete(counts, place, axis=0).sum(axis=0)
        # Laplace's rule again, so that no error is impossible because the others did not make it.
        expected = (others + 1) / (others + 1).sum(axis=1, keepdims=True) * own.sum(axis=1, keepdims=True)
        sizes, known = own.sum(axis=1), np.maximum(others.sum(axis=1), 1)
        squares = float(((own - expected) ** 2 / np.maximum(expected, 1e-9)).sum())
        # Chance alone makes each row as large as its degrees of freedom, those of the others' rates included.
        chance = float((3 * (sizes > 0) * (1 + sizes / known)).sum())
        growth = float((3 * (sizes - 1).clip(0)).sum())
        spreads.append((squares - chance) / growth if growth else 0.0)
    # A log is one more collection, whatever its size: each counts the same.
    spread = float(np.mean(spreads)) if spreads else 0.0
    return 1 / spread - 1 if spread > 1e-9 else math.inf


@cache
def _held() -> Mapping[str, object]:
    path = files("ragstone.recommender").joinpath("router_errors.json")
    return cast("Mapping[str, object]", json.loads(path.read_text(encoding="utf-8")))


@cache
def _alike() -> float:
    """How alike the collections are that the router's errors were counted on."""
    held = _held()
    sources = held.get("sources")
    if not isinstance(sources, Mapping) or len(sources) < 2:
        return math.inf
    return collections_alike([_in_order(held["classes"], counts) for counts in sources.values()])


def _in_order(classes: object, counts: object) -> NDArray[np.int64]:
    """A table of errors in the order of codes."""
    if not isinstance(classes, list) or sorted(classes) != sorted(KINDS):
        raise InvalidInput(f"the router's errors have classes {classes!r}, they need {', '.join(KINDS)}")
    order = [classes.index(kind) for kind in KINDS]
    return np.asarray(np.asarray(counts, dtype=np.int64)[np.ix_(order, order)])


def effective_count(weights: _Array) -> float:
    """As how many equally weighted values these count (Kish 1965): (Σw)² / Σw²; 0 for none.

    >>> effective_count(np.array([1.0, 1.0, 1.0])), effective_count(np.array([50.0, 0.0]))
    (3.0, 1.0)
    """
    squares = float((weights * weights).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def weighted_share(holds: ArrayLike, weights: _Array) -> Estimate:
    """The weighted share of values that hold, with the exact interval at the effective count (Korn, Graubard 1998).

    Values may be shares from 0 to 1 themselves, which spread less than the interval says. From 0 to 1 without any.
    """
    total, true = float(weights.sum()), np.asarray(holds, dtype=np.float64)
    if not total:
        return Estimate(0.5, 0.0, 1.0, 0)
    share = min(float((weights * true).sum()) / total, 1.0)
    trials = max(math.floor(effective_count(weights) + 1e-9), 1)
    # A share between two whole numbers of successes gets the wider end of either.
    below, above = math.floor(share * trials + 1e-9), math.ceil(share * trials - 1e-9)
    low, high = proportion(below, trials).low, proportion(above, trials).high
    return Estimate(share, min(low, share), max(high, share), len(true))


_TOLD = (*KINDS, "facts", "behaviour", "facts_of_all", "behaviour_of_all")


def _told(shares: _Array) -> _Array:
    """The eight shares that are reported, shape (draws, 8), of the four kinds."""
    other, behavioural, factual, hybrid = shares.T
    counted = np.maximum(behavioural + factual + hybrid, 1e-12)
    facts, behaviour = factual + hybrid, behavioural + hybrid
    told = [other, behavioural, factual, hybrid, facts / counted, behaviour / counted, facts, behaviour]
    return np.asarray(np.clip(np.stack(told, axis=1), 0.0, 1.0))


def _at_least_exact(share: Estimate, size: float) -> Estimate:
    """A share of all or none, no surer than as many independent queries make it, each read rightly.

    Where all queries are of one kind, each draw of the router's errors has the same answer: drawing tells of no doubt.
    """
    tries = max(math.floor(size + 1e-9), 1)
    low = proportion(tries, tries).low if share.value > 1 - _EDGE else share.low
    high = proportion(0, tries).high if share.value < _EDGE else share.high
    return Estimate(share.value, min(share.low, low), max(share.high, high), share.samples)


def _shares_of(totals: _Array) -> _Array:
    whole = float(totals.sum())
    return totals / whole if whole else np.full(4, 0.25)


def _independent(shares: _Array, rates: _Array, asked: int, texts: float) -> float:
    """As many independent queries would spread as much: sampling divides by all, the router's error by texts."""
    within = float(shares @ (1 - (rates**2).sum(axis=1)))
    whole = 1 - float(((shares @ rates) ** 2).sum())
    spread = max(whole - within, 0.0) / asked + within / texts
    return min(whole / spread, float(asked)) if spread > 0 else float(texts)


def _drawn(found: _Array, table: NDArray[np.int64], alike: float, numbers: np.random.Generator) -> _Array:
    """Shares that could have led to what was found, shape (draws, 4)."""
    rates = numbers.standard_gamma(np.broadcast_to(table + _PRIOR_ERRORS, (_DRAWS, 4, 4)))
    rates /= rates.sum(axis=2, keepdims=True)
    if math.isfinite(alike):
        rates = numbers.standard_gamma(rates * max(alike, 1.0)) + 1e-12
        rates /= rates.sum(axis=2, keepdims=True)
    starts = numbers.dirichlet(np.ones(4), _DRAWS)
    return _solved(numbers.dirichlet(found + _PRIOR_FOUND, _DRAWS), rates, starts)


def _solved(found: _Array, rates: _Array, starts: _Array) -> _Array:
    """The most likely shares, shape (draws, 4), for shares found (draws, 4) and rates (draws, 4, 4)."""
    try:
        shares = np.linalg.solve(np.swapaxes(rates, 1, 2), found[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:
        shares = np.full(found.shape, np.nan)
    # A solution within the bounds is the most likely one; where there is none, expectation and maximisation take turns.
    with np.errstate(invalid="ignore"):
        beyond = ~((shares >= 0) & (shares <= 1)).all(axis=1)
    if beyond.any():
        shares[beyond] = _maximised(found[beyond], rates[beyond], starts[beyond])
    shares /= shares.sum(axis=1, keepdims=True)
    return np.asarray(shares)


def _maximised(found: _Array, rates: _Array, shares: _Array) -> _Array:
    for _ in range(_STEPS):
        expected = np.einsum("di,dij->dj", shares, rates)
        shares = shares * np.einsum("dij,dj->di", rates, found / np.maximum(expected, 1e-300))
    return np.asarray(shares)


def _codes(paths: ArrayLike) -> NDArray[np.int64]:
    try:
        codes = np.asarray(paths)
        whole = codes.astype(np.int64) if codes.size else np.zeros(0, np.int64)
    except (TypeError, ValueError):
        raise InvalidInput("paths are no numbers: pass the router's codes, 0 to 3") from None
    if codes.ndim != 1 or (codes.size and not ((whole == codes).all() and whole.min() >= 0 and whole.max() <= 3)):
        raise InvalidInput(f"paths of shape {codes.shape} are not the router's codes: pass (n,) numbers from 0 to 3")
    return whole


def _weights(counts: ArrayLike | None, texts: int) -> _Array:
    if counts is None:
        return np.ones(texts)
    weights = np.asarray(counts, dtype=np.float64)
    if weights.shape != (texts,):
        raise InvalidInput(f"counts have shape {weights.shape} for {texts} paths: pass one for each")
    if texts and not (weights.min() >= 0 and weights.max() <= _COUNT_MOST):
        raise InvalidInput("counts hold a number that is negative, too large or none: pass how often each was asked")
    return weights


def _error_counts(errors: ArrayLike) -> NDArray[np.int64]:
    given = np.asarray(errors, dtype=np.float64)
    if given.shape != (4, 4):
        raise InvalidInput(f"errors have shape {given.shape}: pass (4, 4), rows true kinds, columns found ones")
    if not ((given >= 0) & (given <= _COUNT_MOST) & (given == np.floor(given))).all():
        raise InvalidInput("errors are no counts: pass whole numbers from 0 on")
    return given.astype(np.int64)
