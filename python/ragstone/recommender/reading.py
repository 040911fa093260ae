"""Reads a query a second time, by the meaning of its words: what an embedding adds to the router's decision.

The router knows forms and the words that it was taught. That "brag", "lullaby" or "as a stern butler" prescribe how to
answer, it can tell only of words that it has met; MiniLM has met more. Where that is an index's embedder, its vector of
the query and the router's log-odds together decide, by two linear heads fitted to the hand-labelled queries
(``python/models/train_evidence.py``; ``EVIDENCE.md`` there has the figures). The built-in embedder adds next to
nothing, for it too knows words without their order. Of a keyword, the router's word stands.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from ragstone.errors import InvalidInput
from ragstone.records import Embedder, Path, Reason, Route

__all__ = ["Heads", "heads_of", "is_keyword", "log_odds", "read_again", "sigmoid"]

_KEYWORD_WORDS = 3
# Of the reason that carries what the embedding adds to the log-odds of behaviour.
RULE = "meaning"
_PATHS: tuple[Path, ...] = ("pass", "advisory_finetune", "retrieve", "hybrid")
_MARGIN = 0.2
_LIMIT = 15.0

# Shape (2, dimension + 3): for behaviour, then for facts, the weights of the vector, of the router's log-odds of
# behaviour and of facts, and a constant.
Heads = NDArray[np.float32]


def is_keyword(query: str) -> bool:
    """Whether a query is too short to have a form: at most three words.

    >>> is_keyword("tone of voice"), is_keyword("write in our voice")
    (True, False)
    """
    return len(query.split(maxsplit=_KEYWORD_WORDS)) <= _KEYWORD_WORDS


def heads_of(embedder: Embedder | None) -> Heads | None:
    """The weights for an embedder's vectors; ``None`` for one that was not fitted to, whatever its name."""
    fingerprint, heads = _shipped()
    return heads if embedder is not None and embedder.fingerprint == fingerprint else None


def read_again(route: Route, vector: NDArray[np.float32], heads: Heads) -> Route:
    """The route by the query's form and by its meaning; the weights of its reasons still sum to ``p_behaviour``.

    Args:
        route: The route by the text's form, as :func:`ragstone.route` gives it.
        vector: The query's embedding, shape (dimension,), of unit length.
        heads: The weights for it, see :func:`heads_of`.

    Raises:
        InvalidInput: The vector's length is not the one that the weights are for.
    """
    if vector.shape != (heads.shape[1] - 3,):
        raise InvalidInput(f"vector has shape {vector.shape}, the weights are for ({heads.shape[1] - 3},)")
    before = log_odds(route.p_behaviour)
    seen = np.concatenate([vector, [before, log_odds(route.p_facts), 1.0]]).astype(np.float64)
    # An exact sum: decisions are the same to the bit on every machine that makes the same vector.
    behaviour, facts = (math.fsum((head * seen).tolist()) for head in heads.astype(np.float64))
    p_behaviour, p_facts = sigmoid(behaviour), sigmoid(facts)
    return replace(
        route,
        path=_PATHS[(p_behaviour >= 0.5) + 2 * (p_facts >= 0.5)],
        p_behaviour=p_behaviour,
        p_facts=p_facts,
        uncertain=min(abs(p_behaviour - 0.5), abs(p_facts - 0.5)) < _MARGIN,
        reasons=(*route.reasons, Reason(0, 0, "", log_odds(p_behaviour) - before, RULE)),
    )


def log_odds(p: float) -> float:
    """Of a probability, cut where it hardly differs from 0 or 1."""
    p = min(max(p, sigmoid(-_LIMIT)), sigmoid(_LIMIT))
    return math.log(p / (1 - p))


def sigmoid(z: float) -> float:
    """The probability of log-odds."""
    return 1 / (1 + math.exp(-max(-_LIMIT, min(z, _LIMIT))))


@cache
def _shipped() -> tuple[str, Heads]:
    """From their file: the fingerprint of the embedder, a line of its own, and the weights of both heads."""
    data = files("ragstone.recommender").joinpath("reading.bin").read_bytes()
    fingerprint, _, weights = data.partition(b"\n")
    return fingerprint.decode("ascii"), np.frombuffer(weights, dtype="<f4").reshape(2, -1)
