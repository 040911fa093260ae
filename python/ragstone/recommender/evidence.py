"""Whether a query needs facts, told by its text and by the index together.

The text tells well what a query demands, but not of a bare keyword whether it is a question. An index knows more:
whether it holds an answer. That it holds none proves nothing, for a question remains a question where the corpus has
no answer; and that it holds one proves little, for a search finds something for "write a tweet about our refund
policy" too. So evidence only ever speaks for facts, and where the text prescribes behaviour it speaks softly:

    p_facts = sigmoid(logit(text's p_facts) + weight · max(0, logit(answerability)))

For a text that prescribes no behaviour the weight is 1: two independent witnesses, whose odds multiply. For one that
does it is fitted on labelled queries (``python/models/train_evidence.py``; ``EVIDENCE.md`` there says how little it
changes), and a style guide that is found counts for nothing: it says how to write, not what. Of a keyword whose text
leaves it open, the corpus decides. Without an index the text decides alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from ragstone.errors import InvalidInput
from ragstone.recommender.reading import log_odds, sigmoid
from ragstone.records import Path, Route

__all__ = ["Weights", "may_ask", "shipped", "with_evidence"]

# Of a bare keyword, and of a question in a script that the router has not learnt, the text tells little: from this
# p_facts on the corpus is asked.
_P_FACTS_LEAST = 0.1
# Where the router calls a decision uncertain, as in train_router.py.
_MARGIN = 0.2
_PATHS: dict[tuple[bool, bool], Path] = {
    (True, False): "retrieve",
    (False, True): "advisory_finetune",
    (True, True): "hybrid",
    (False, False): "pass",
}


@dataclass(frozen=True, slots=True)
class Weights:
    """What evidence counts for a query that prescribes no behaviour, and for a request that does."""

    question: float
    request: float


def may_ask(route: Route) -> bool:
    """Whether evidence can change the route: not for a greeting, a sum, or whatever else surely asks for nothing."""
    return route.path != "pass" or route.p_facts >= _P_FACTS_LEAST


def with_evidence(
    route: Route,
    answerability: float,
    *,
    least: float = 0.0,
    style_guide: bool = False,
    keyword: bool = False,
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
        keyword: Whether the query is too short to have a form; see :func:`ragstone.recommender.reading.is_keyword`.
        weights: Others than those that ship.

    Raises:
        InvalidInput: ``answerability`` is no number from 0 to 1, or the route has its evidence already.

    >>> keyword = Route("pass", p_behaviour=0.01, p_facts=0.3, uncertain=True)
    >>> with_evidence(keyword, 0.9).path, with_evidence(keyword, 0.2).path
    ('retrieve', 'pass')
    >>> question = Route("retrieve", p_behaviour=0.01, p_facts=0.9, uncertain=False)
    >>> with_evidence(question, 0.02).path
    'retrieve'
    """
    if isinstance(answerability, bool) or not isinstance(answerability, (int, float)) or not 0 <= answerability <= 1:
        raise InvalidInput(f"answerability is {answerability!r}: pass a number from 0 to 1")
    if route.answerability is not None:
        raise InvalidInput("the route has its evidence already: pass the one that the text alone gave")
    behaves = route.path in ("advisory_finetune", "hybrid")
    own = weights or shipped()
    weight = own.request if behaves else own.question
    counts = answerability >= max(least, 0.5) and may_ask(route) and not (behaves and style_guide)
    p_facts = route.p_facts
    if counts:
        # Where the text is sure already, rounding must not take anything away.
        p_facts = max(p_facts, sigmoid(log_odds(p_facts) + weight * log_odds(answerability)))
        if keyword and not behaves:
            p_facts = max(p_facts, answerability)
    # Whatever the router's threshold is, evidence never speaks against facts.
    asks = p_facts >= 0.5 or route.path in ("retrieve", "hybrid")
    return replace(
        route,
        path=_PATHS[asks, behaves],
        p_facts=p_facts,
        uncertain=min(abs(route.p_behaviour - 0.5), abs(p_facts - 0.5)) < _MARGIN,
        text_p_facts=route.p_facts,
        answerability=float(answerability),
    )


@cache
def shipped() -> Weights:
    """The weights that ship beside this file."""
    fields = json.loads(files("ragstone.recommender").joinpath("evidence.json").read_text(encoding="utf-8"))
    return Weights(float(fields["question"]), float(fields["request"]))
