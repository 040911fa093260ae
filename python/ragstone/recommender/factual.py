"""What a hybrid query asks of the corpus: its words without those that only prescribe how to answer."""

from __future__ import annotations

from ragstone.records import Route

__all__ = ["factual_part"]

# Families of rules that name a demand on behaviour; "matter" and "action" name what the query is about.
_DEMANDS = ("audience", "extract", "format", "genre", "given", "label", "persona", "style", "transform")
# Log-odds below which a rule's span is too weak a demand to be left out of the search.
_STRONG = 1.0


def factual_part(query: str, route: Route) -> str:
    """The query without the spans that decided for behaviour; the whole query if nothing else is left.

    A corpus should be judged by whether it holds the refund policy, not by whether it says "brand voice".

    >>> from ragstone import route
    >>> query = "Answer in our brand voice: what is the refund policy?"
    >>> factual_part(query, route(query))
    'Answer what is the refund policy?'
    """
    kept = list(query)
    for reason in route.reasons:
        if reason.weight >= _STRONG and reason.rule.split(".")[0] in _DEMANDS:
            kept[reason.start : reason.end] = " " * (reason.end - reason.start)
    # A colon that stood behind a demand is no word to search for.
    words = [word for word in "".join(kept).split() if any(character.isalnum() for character in word)]
    return " ".join(words) or query
