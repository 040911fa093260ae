"""Whether a query needs facts, told by its text and by the index together.

Text alone tells well that a query prescribes behaviour and less well whether it needs facts as well. An index knows
more: whether it holds an answer. That proves nothing by itself, for a search finds something for "write a tweet about
our refund policy" too, and a question remains a question where the corpus has no answer. So each side has its rule:

- Where the text prescribes no behaviour, evidence only speaks for facts: p = 1 - (1 - p_text)(1 - answerability), from
  the p_text on at which a text may be a question at all. A question never stops to be one.
- Where it does, p = sigmoid(a·logit(p_text) + b·max(0, logit(answerability)) + c), fitted on labelled queries
  (``python/models/train_evidence.py``; ``EVIDENCE.md`` there says how well it does). Where the text is not sure of
  that, evidence again only speaks for facts. A style guide that is found for such a request is no evidence: it says
  how to write, not what.

Without an index the text decides alone.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from ragstone.errors import InvalidInput
from ragstone.records import Path, Route

__all__ = ["Weights", "may_ask", "shipped", "with_evidence"]

# Of a bare keyword, and of a question in a script that the router has not learnt, the text tells little: from this
# p_facts on the corpus is asked.
_P_FACTS_LEAST = 0.1
# Where the router calls a decision uncertain, as in train_router.py.
_MARGIN = 0.2
_LIMIT = 20.0
_PATHS: dict[tuple[bool, bool], Path] = {
    (True, False): "retrieve",
    (False, True): "advisory_finetune",
    (True, True): "hybrid",
    (False, False): "pass",
}


@dataclass(frozen=True, slots=True)
class Weights:
    """What the text's log-odds, the evidence and a constant count for a request that prescribes behaviour."""

    text: float
    evidence: float
    bias: float


def may_ask(route: Route) -> bool:
    """Whether evidence can change the route: not for a greeting, a sum, or whatever else surely asks for nothing."""
    return route.path != "pass" or route.p_facts >= _P_FACTS_LEAST


def with_evidence(
    route: Route,
    answerability: float,
    *,
    least: float = 0.0,
    style_guide: bool = False,
    weights: Weights | None = None,
) -> Route:
    """The route as text and index decide it together; ``text_p_facts`` keeps what the text alone said.

    Args:
        route: The route by text alone.
        answerability: Probability, from 0 to 1, that the index answers the query, or for a hybrid one its
            ``factual_part``; see :mod:`ragstone.answerability`.
        least: Answerability below which the index counts as having no answer: where ``ask`` would abstain.
        style_guide: Whether the best hit is a style guide's; see
            :func:`ragstone.recommender.style_guide.is_style_guide`.
        weights: Others than those that ship.

    Raises:
        InvalidInput: ``answerability`` is no number from 0 to 1, or the route has its evidence already.

    >>> from ragstone import route
    >>> question = route("What is our refund policy?")
    >>> with_evidence(question, 0.02).path, with_evidence(question, 0.97).path
    ('retrieve', 'retrieve')
    >>> tweet = route("Write a tweet about our refund policy")
    >>> with_evidence(tweet, 0.6).path
    'advisory_finetune'
    """
    if isinstance(answerability, bool) or not isinstance(answerability, (int, float)) or not 0 <= answerability <= 1:
        raise InvalidInput(f"answerability is {answerability!r}: pass a number from 0 to 1")
    if route.answerability is not None:
        raise InvalidInput("the route has its evidence already: pass the one that the text alone gave")
    behaves = route.path in ("advisory_finetune", "hybrid")
    known = answerability if answerability >= least else 0.0
    if behaves:
        own = weights or shipped()
        evidence = 0.0 if style_guide else max(0.0, _log_odds(known))
        p_facts = _sigmoid(own.text * _log_odds(route.p_facts) + own.evidence * evidence + own.bias)
        if route.p_behaviour < 0.5 + _MARGIN:
            # It may be a plain question after all.
            p_facts = max(p_facts, route.p_facts)
    elif may_ask(route):
        p_facts = 1 - (1 - route.p_facts) * (1 - known)
    else:
        p_facts = route.p_facts
    # The text's own decision for facts stands where nothing speaks against it.
    asks = p_facts >= 0.5 or route.path == "retrieve"
    near = min(abs(route.p_behaviour - 0.5), abs(p_facts - 0.5)) < _MARGIN
    return replace(
        route,
        path=_PATHS[asks, behaves],
        p_facts=p_facts,
        uncertain=near,
        text_p_facts=route.p_facts,
        answerability=float(answerability),
    )


@cache
def shipped() -> Weights:
    """The weights that ship beside this file."""
    fields = json.loads(files("ragstone.recommender").joinpath("evidence.json").read_text(encoding="utf-8"))
    return Weights(**{name: float(fields[name]) for name in ("text", "evidence", "bias")})


def _log_odds(p: float) -> float:
    if p <= 0 or p >= 1:
        return -_LIMIT if p <= 0 else _LIMIT
    return max(-_LIMIT, min(math.log(p / (1 - p)), _LIMIT))


def _sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-max(-_LIMIT, min(z, _LIMIT))))
