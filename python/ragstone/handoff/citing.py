"""Turns examples into ones that answer from retrieved chunks: the model learns form and citing, the facts stay outside.

As in RAFT (Zhang et al. 2024, arXiv 2403.10131) a request comes with the chunks that answer it and with distractors. An
answer with a number, date, name or code that no chunk has is left out: it would teach the model to make facts up.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ragstone.grounding import Checker
from ragstone.handoff.examples import Dropped, Example
from ragstone.records import Hit, SearchResult

__all__ = ["Citing", "Searches", "with_chunks"]

_DISTRACTORS = 3
_SEARCHED = 10
# Searches that go together.
_AT_ONCE = 256
_SENTENCE_ENDS = ".!?…"
# What no chunk states and a model must not learn; other words that no chunk has are the house's manner of speaking.
_FACTS = frozenset(["number", "date", "identifier", "name"])


class Searches(Protocol):
    """What chunks are looked up in."""

    def search_batch(self, queries: Sequence[str], *, top_k: int = 5) -> Sequence[SearchResult]:
        """Hits for each query."""
        ...


@dataclass(frozen=True, slots=True)
class Citing:
    """Examples with chunks, those that no chunk supports, and how many chunks stand in the requests."""

    usable: tuple[Example, ...]
    dropped: tuple[Dropped, ...]
    oracles: int
    distractors: int


def with_chunks(examples: Sequence[Example], index: Searches, *, seed: int = 0) -> Citing:
    """Put chunks into the requests and citations into the answers.

    Oracles are the hits that support a sentence of the answer (tier T0 of groundedness), or that belong to documents
    the example names; distractors are the best of the other hits. Chunks are shuffled and carry their ids; each
    sentence of the answer that a chunk supports cites it in brackets. Examples with a fact that no chunk states are
    left out, and those without anything to cite.

    Args:
        examples: Examples whose answers state facts of the index.
        index: Where chunks are searched.
        seed: Of the order of chunks.
    """
    checker = Checker()
    usable: list[Example] = []
    dropped: list[Dropped] = []
    oracles = distractors = 0
    for low in range(0, len(examples), _AT_ONCE):
        part = examples[low : low + _AT_ONCE]
        questions = [example.turns[-1][1][:2000] for example in part]
        for example, result in zip(part, index.search_batch(questions, top_k=_SEARCHED), strict=True):
            answer, used = _cited(example, result.hits, checker)
            if not used:
                dropped.append(Dropped(example.line, "states something that no retrieved chunk supports"))
                continue
            others = [hit for hit in result.hits if hit.chunk_id not in {one.chunk_id for one in used}][:_DISTRACTORS]
            shown = [*used, *others]
            random.Random(f"{seed} {example.line}").shuffle(shown)
            usable.append(_asked(example, shown, answer))
            oracles += len(used)
            distractors += len(others)
    return Citing(tuple(usable), tuple(dropped), oracles, distractors)


def _cited(example: Example, hits: Sequence[Hit], checker: Checker) -> tuple[str, list[Hit]]:
    """The answer with a citation after each sentence that states something, and the chunks cited; or nothing."""
    named = [hit for hit in hits if hit.document_id in example.sources or hit.chunk_id in example.sources]
    pool = named or list(hits)
    if not pool:
        return "", []
    used: dict[str, Hit] = {}
    pieces, position = [], 0
    for sentence in checker.check(example.completion, pool).sentences:
        if not sentence.checkable:
            continue
        if not sentence.supported or not sentence.sources:
            if any(part.kind in _FACTS for part in sentence.unsupported):
                return "", []
            continue
        hit = pool[sentence.sources[0] - 1]
        used[hit.chunk_id] = hit
        end = sentence.end
        while end > sentence.start and example.completion[end - 1] in _SENTENCE_ENDS:
            end -= 1
        pieces += [example.completion[position:end], f" [{hit.chunk_id}]"]
        position = end
    return "".join([*pieces, example.completion[position:]]), list(used.values())


def _asked(example: Example, chunks: Sequence[Hit], answer: str) -> Example:
    listed = "\n\n".join(f"[{hit.chunk_id}] {hit.text}" for hit in chunks)
    role, question = example.turns[-1]
    request = f"Answer from these chunks and cite their ids in brackets.\n\n{listed}\n\nQuestion: {question}"
    return replace(example, turns=(*example.turns[:-1], (role, request)), completion=answer, question=example.request)
