"""Writes the advisory fine-tune path of one query: what is demanded, why retrieval cannot give it, what to do.

The text is put together from the rules that fired, so that the same query always gets the same advice. Numbers and
their sources: 10 examples are the least that fine-tuning services take and 50-100 is where gains are seen (OpenAI's
guide); a share of at least 99 % is shown by 299 held-out answers without a failure, since 0.99^299 < 0.05.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ragstone.errors import InvalidInput
from ragstone.records import Advice, Route

__all__ = ["advise"]

EXAMPLES_TO_START = "50-100"
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class _Demand:
    """One kind of behaviour: its name, why it is learnt and not looked up, what to collect, how to measure it."""

    name: str
    why: str
    collect: str
    measure: str


def held_out_needed(share: float, confidence: float = CONFIDENCE) -> int:
    """Held-out answers, none of them wrong, that show a rate of at least ``share`` (binomial, zero failures).

    >>> held_out_needed(0.99), held_out_needed(0.95), held_out_needed(0.8)
    (299, 59, 14)
    """
    return math.ceil(math.log(1 - confidence) / math.log(share))


_DEMANDS: Mapping[str, _Demand] = {
    "format": _Demand(
        "output format",
        "a fixed output format is a habit, not a fact: passages about the format do not make a model keep it; "
        "prompting "
        "alone often lands near 80 %, fine-tuning near 99 %",
        f"{EXAMPLES_TO_START} pairs of request and answer in exactly this format, at least 10 for each field or "
        "branch of "
        f"its schema; {held_out_needed(0.99)} more held out, because only that many answers without a failure show "
        "99 % validity",
        "check each held-out answer by machine (JSON Schema, word count, number of bullets): 0 failures in "
        f"{held_out_needed(0.99)} "
        f"show at least 99 %, 0 in {held_out_needed(0.95)} only 95 %",
    ),
    "style": _Demand(
        "style and tone",
        "voice is shown by examples, not looked up: style-guide chunks put into the prompt describe the voice but "
        "do not "
        "give it, and they take the place of chunks that hold facts",
        f"{EXAMPLES_TO_START} answers that your editors approve, over many topics, so that the voice and not the "
        "topic is learnt; "
        "keep 20 % out, and add texts in a wrong voice for the measuring",
        "let two editors judge held-out answers blind against the prompt-only ones, and compare length and readability "
        "with the approved texts",
    ),
    "persona": _Demand(
        "persona",
        "a persona has to hold over every turn; retrieval changes what a model knows in one turn, not who it is",
        f"{EXAMPLES_TO_START} conversations of several turns in the persona, with provocations that try to break it",
        "count the held-out turns in which the persona breaks",
    ),
    "genre": _Demand(
        "genre and composition",
        "the text is to be made, not found: no passage of the corpus is the answer",
        f"{EXAMPLES_TO_START} finished pieces of this kind with the brief that each was written from",
        "let editors choose blind between the fine-tuned, the prompt-only and the human piece",
    ),
    "transform": _Demand(
        "transformation of given text",
        "all that is needed stands in the request; retrieved passages would only compete with the text to be worked on",
        f"{EXAMPLES_TO_START} pairs of input and finished output from your own texts, hard ones included",
        "compare held-out outputs with the references, and check that no name or number was lost or invented",
    ),
    "classify": _Demand(
        "classification",
        "the same label has to be given the same way every time; that is learnt from labelled examples, and a "
        "small model "
        "learns it well",
        "50-100 labelled examples per label (20 are the floor), the rare labels and a label for none of these "
        "included, and "
        "at least 30 per label held out",
        "report macro-F1 and accuracy per label on the held-out part, beside a plain classifier over embeddings: "
        "if that "
        "one suffices, no language model is needed",
    ),
    "extract": _Demand(
        "extraction",
        "the values stand in the given text; what has to be learnt is which ones to take and how to write them down",
        f"{EXAMPLES_TO_START} texts with their filled-in fields, at least 10 for each field, with texts in which "
        "the field is absent",
        f"score each field by F1 on held-out texts, and the form of the whole by schema ({held_out_needed(0.99)} "
        "without a failure for 99 %)",
    ),
}
_GENERAL = _Demand(
    "behaviour",
    "the request prescribes how to answer rather than what to know; that is learnt from examples and not looked up",
    f"{EXAMPLES_TO_START} pairs of request and the answer that you would sign",
    "agree on a yes-or-no test for a good answer, and apply it to held-out answers",
)
# Rules (before the dot, or whole) and the demand that they show.
_KINDS: Mapping[str, str] = {
    "format": "format",
    "format.labels": "classify",
    "style": "style",
    "audience": "style",
    "persona": "persona",
    "genre": "genre",
    "genre.write": "genre",
    "transform": "transform",
    "classify": "classify",
    "extract": "extract",
}
_VOLATILE = re.compile(
    r"(?i)\b(prices?|pricing|costs?|fees?|rates?|tariffs?|deadlines?|dates?|polic(?:y|ies)|terms|hours|limits?|versions?|releases?|"
    r"stock|availability|regulations?|discounts?|warranty|opening times?)\b"
)


def advise(query: str, route: Route) -> Advice:
    """Advice for a query that prescribes behaviour. It trains nothing and sends nothing.

    Args:
        query: The query that was routed.
        route: Its route, of path ``advisory_finetune`` or ``hybrid``.

    Raises:
        InvalidInput: The route's path is ``retrieve`` or ``pass``, or its reasons do not belong to ``query``.
    """
    if route.path not in ("advisory_finetune", "hybrid"):
        raise InvalidInput(f"path is {route.path!r}: advice is for 'advisory_finetune' and 'hybrid'")
    if any(query[reason.start : reason.end] != reason.text for reason in route.reasons):
        raise InvalidInput("the route's reasons do not match the query: pass the query that was routed")
    found = _demands(query, route)
    demands = [_DEMANDS.get(kind, _GENERAL) for kind in found]
    hybrid = route.path == "hybrid"
    return Advice(
        summary=_summary([demand.name for demand in demands], hybrid, route.uncertain),
        demands=tuple(
            f"{demand.name}: {_quoted(spans)}" if spans else demand.name
            for demand, spans in zip(demands, found.values(), strict=True)
        ),
        why=(*(f"{demand.name}: {demand.why}" for demand in demands), *(_HYBRID_WHY if hybrid else ())),
        collect=(*(f"{demand.name}: {demand.collect}" for demand in demands), *(_HYBRID_COLLECT if hybrid else ())),
        avoid=_avoid(query, found, hybrid),
        next_steps=_next_steps(demands, hybrid),
    )


_HYBRID_WHY = (
    "the facts that the request asks for are another matter: they are retrieved and cited, so that they stay "
    "current and can be audited",
)
_HYBRID_COLLECT = (
    "for the hybrid: put the retrieved chunks, some of them beside the point, into the training requests and let "
    "the answers "
    "cite them, so that the form and the citing are learnt and not the facts",
)


def _demands(query: str, route: Route) -> dict[str, list[str]]:
    """Kinds of demand with the words that show them, in the order in which the query makes them."""
    found: dict[str, list[str]] = {}
    for reason in sorted(route.reasons, key=lambda reason: (reason.start, reason.end)):
        kind = _KINDS.get(reason.rule) or _KINDS.get(reason.rule.split(".")[0])
        if kind and reason.weight > 0 and reason.text:
            spans = found.setdefault(kind, [])
            if not any(reason.text in span for span in spans):
                spans[:] = [span for span in spans if span not in reason.text] + [reason.text]
    # Rewriting, classifying and extracting name the task itself; a genre beside them is only their material.
    if "genre" in found and found.keys() & {"transform", "classify", "extract"}:
        del found["genre"]
    if found:
        return found
    wording = [reason.text for reason in route.reasons if reason.rule == "wording" and reason.weight > 0]
    return {"behaviour": wording[:1]}


def _quoted(spans: list[str]) -> str:
    """Spans as quoted text, each of at most 60 characters."""
    short = (" ".join(span.split()) for span in spans)
    return ", ".join(f'"{text if len(text) <= 60 else text[:59] + "…"}"' for text in short)


def _joined(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _summary(names: list[str], hybrid: bool, uncertain: bool) -> str:
    what = _joined(names)
    if hybrid:
        text = (
            f"Both: retrieve what to say, and treat how to say it ({what}) as behaviour, "
            "by prompt first and fine-tuning if that fails."
        )
    else:
        text = (
            f"This asks for behaviour ({what}), which more documents cannot give: "
            "prompt first, and fine-tune if that fails."
        )
    return f"{text} The decision is close; check it against a few more queries of this kind." if uncertain else text


def _avoid(query: str, found: Mapping[str, list[str]], hybrid: bool) -> tuple[str, ...]:
    volatile = list(dict.fromkeys(match.lower() for match in _VOLATILE.findall(query)))
    lines = [
        "facts that change (prices, dates, limits, policies, versions, names of role holders): a tuned model "
        "states January's "
        "price in April; keep them in the index, and put a slot such as {{price}} into training answers"
    ]
    if volatile:
        lines.append(f"here above all: {_quoted(volatile)}, which this query mentions; let the index supply it")
    if "style" in found:
        lines.append(
            "the text of the style guide itself: train on texts that follow it, and keep the guide out of the "
            "index that answers"
        )
    if hybrid:
        lines.append("answers whose facts are not in the chunks given with them: that teaches a model to make facts up")
    return tuple(lines)


def _next_steps(demands: list[_Demand], hybrid: bool) -> tuple[str, ...]:
    steps = [
        "write the best prompt you can, with three examples in it, and run it on 10 real requests: if 8 or more "
        "pass, stop here",
        "split off the held-out part before anything else, with near-duplicates on one side, and record the "
        "prompt-only result on it",
        *(f"measure {demand.name}: {demand.measure}" for demand in demands),
        "fine-tune the smallest open-weight model that passes the held-out bar (adapters such as LoRA), stopping "
        "when the "
        "validation loss rises; fewer than 10 usable examples mean: not ready, collect first",
        "train again when the schema, the labels, the style guide or the base model changes, or the held-out "
        "result falls",
    ]
    if hybrid:
        steps.insert(
            0,
            "answer the factual part now from the retrieved chunks and their citations, with the form asked for in "
            "the prompt",
        )
        steps.append("plan for both upkeeps: re-indexing as facts change and re-training as behaviour changes")
    return tuple(steps)
