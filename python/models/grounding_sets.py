"""Answers with their sources, genuine and made wrong in a known way: what groundedness is fitted and judged on.

From people's answers about a given text (databricks-dolly-15k: closed_qa, information_extraction, summarization) come

- ``genuine``: the answer with the text that it was written from;
- ``wrong``: the answer with the most similar other text by BM25;
- ``number`` and ``name``: one number or name of the answer swapped for another of its kind from the same corpus that
  the right text does not have; the genuine answer is kept beside it.

Rows are split in two halves by a digest of their text, so that no text is in both. What numbers and names are is
decided here by plain patterns, not by the code under test. The same seed gives the same sets.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Literal

from ragstone import BM25Index

__all__ = ["Case", "Kind", "Swap", "dolly", "halves", "handbook", "swaps", "wrong"]

Kind = Literal["number", "name"]

_CATEGORIES = {"closed_qa", "information_extraction", "summarization"}
# Share of the smaller text's words that the other has: excerpts of one article are no wrong documents.
_NEAR_COPY = 0.6
_MARK = re.compile(r"\[\d+\]")
_NUMBER = re.compile(r"(?<![\w.,-])\d[\d,.]*\d(?![\w-])|(?<![\w.,-])\d(?![\w.,-]*\w)")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}(?: [A-Z][a-z]{2,}){0,2}(?=[ .,;:!?]|$)")
_WORD = re.compile(r"\w+")
_MONTHS = set(
    "January February March April May June July August September October November December Monday Tuesday Wednesday "
    "Thursday Friday Saturday Sunday The This These That It In On At He She They We You And But For".split()
)


@dataclass(frozen=True)
class Case:
    """An answer and its sources."""

    name: str
    answer: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Swap:
    """A case made wrong: the span of what was put in, and what stood there."""

    case: Case
    genuine: Case
    kind: Kind
    start: int
    end: int
    was: str


def dolly(path: Path) -> list[Case]:
    """One answer for each text of Dolly, without its footnote marks; texts that differ by spaces are one."""
    cases: dict[str, Case] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        row = json.loads(line)
        text = _MARK.sub("", row["context"] or "").strip()
        key = " ".join(text.split())
        if row["category"] in _CATEGORIES and len(key) >= 200 and key not in cases:
            cases[key] = Case(f"dolly-{number}", _MARK.sub("", row["response"] or "").strip(), (text,))
    return [case for case in cases.values() if case.answer]


def handbook(folder: Path) -> list[Case]:
    """The handbook's answers, each with the document that has it (as written: these are quotations)."""
    rows = (folder / "queries" / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    cases = []
    for row in map(json.loads, rows):
        text = (folder / "documents" / row["document"]).read_text(encoding="utf-8")
        cases.append(Case(f"handbook-{row['_id']}", row["answer_text"], (text,)))
    return cases


def halves(cases: Sequence[Case]) -> tuple[list[Case], list[Case]]:
    """The half to fit on and the half to report on."""
    parts: tuple[list[Case], list[Case]] = ([], [])
    for case in cases:
        parts[sha256(case.sources[0].encode()).digest()[0] % 2].append(case)
    return parts


def wrong(cases: Sequence[Case], *, neighbours: int = 1) -> list[Case]:
    """Each answer with the texts of other answers that are most similar to its own, near-copies of it left out."""
    index = BM25Index()
    texts = [case.sources[0] for case in cases]
    index.add(texts)
    words = [frozenset(_WORD.findall(text.lower())) for text in texts]
    pairs = []
    for place, case in enumerate(cases):
        found = [int(other) for other in index.search(texts[place], top_k=neighbours + 8)[0][0] if other >= 0]
        alike = [len(words[place] & words[other]) / min(len(words[place]), len(words[other])) for other in found]
        kept = [texts[other] for other, share in zip(found, alike, strict=True) if other != place and share < _NEAR_COPY]
        if len(kept) >= neighbours:
            pairs.append(replace(case, name=f"{case.name}-wrong", sources=tuple(kept[:neighbours])))
    return pairs


def swaps(cases: Sequence[Case], kind: Kind, seed: int = 0) -> list[Swap]:
    """One swap in each answer that has a number or a name, from what all texts together have of that kind."""
    chance = random.Random(f"{seed}-{kind}")
    pool = sorted({found for case in cases for text in case.sources for _, _, found in _found(text, kind)})
    made = []
    for case in cases:
        places = list(_found(case.answer, kind))
        if not places:
            continue
        start, end, was = chance.choice(places)
        text = " ".join(case.sources)
        for _ in range(200):
            other = chance.choice(pool)
            if _same_kind(was, other, kind) and not _present(other, text + " " + case.answer, kind):
                answer = case.answer[:start] + other + case.answer[end:]
                swapped = replace(case, name=f"{case.name}-{kind}", answer=answer)
                made.append(Swap(swapped, case, kind, start, start + len(other), was))
                break
    return made


def _found(text: str, kind: Kind) -> Iterator[tuple[int, int, str]]:
    pattern = _NUMBER if kind == "number" else _NAME
    for match in pattern.finditer(text):
        line = text[: match.start()].rsplit("\n", 1)[-1]
        numbering = not line.strip() and re.match(r"[.):]", text[match.end() :])
        if kind == "number" and (numbering or _value(match.group()) is None):
            continue
        if kind == "name" and _MONTHS & set(match.group().split()):
            continue
        yield match.start(), match.end(), match.group()


def _value(number: str) -> float | None:
    try:
        return float(number.replace(",", ""))
    except ValueError:
        return None


def _same_kind(was: str, other: str, kind: Kind) -> bool:
    if kind == "name":
        return len(was.split()) == len(other.split())
    year = r"1[0-9]{3}|20[0-9]{2}"
    if re.fullmatch(year, was) or re.fullmatch(year, other):
        return bool(re.fullmatch(year, was) and re.fullmatch(year, other))
    return abs(len(was) - len(other)) <= 1 and ("." in was) == ("." in other)


def _present(other: str, text: str, kind: Kind) -> bool:
    if kind == "name":
        words = {word.lower() for word in _WORD.findall(text)}
        return any(word.lower() in words for word in other.split())
    value = _value(other)
    return any(_value(found.strip(".,")) == value for found in re.findall(r"\d[\d,.]*", text))
