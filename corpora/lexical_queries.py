"""Makes queries of six classes for the texts of ``lexical.py``, in two sets: one to tune on, one to quote figures of.

``python corpora/lexical_queries.py .build/bench/lexical`` writes ``queries.json`` there. The same texts give the same
queries; no query is in both sets, nor twice in one.

- ``questions``: questions of 5 to 22 words that the texts themselves ask.
- ``keywords``: 2 to 4 words of one text, each in 0.05 to 5 % of all texts.
- ``identifiers``: a function, option, constant or error code of a text; two in five with a keyword of it.
- ``long``: passages of 25 to 45 words.
- ``frequent``: 2 or 3 of the 60 most frequent words that are no function words.
- ``rare``: 1 or 2 words that 2 to 15 of 100,000 texts have.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from queries import _IDENTIFIER, _QUESTION

__all__ = ["CLASSES", "SETS", "main", "make"]

EACH = 250
CLASSES = ("questions", "keywords", "identifiers", "long", "frequent", "rare")
SETS = ("tuning", "held_out")
WORD = re.compile(r"[a-z0-9_]+")
_FUNCTION_WORDS = """
    a about above after again all also am an and any are as at be because been before being below between both but by
    can could did do does doing don down during each few for from further get had has have having he her here hers him
    his how however i if in into is isn it its itself just may me might more most must my no nor not now of off on once
    only or other our ours out over own same see shall she should since so some such than that the their theirs them
    themselves then there therefore these they this those through thus to too under until up upon us very was we were
    what when where which while who whom why will with within without would you your yours
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())


def make(texts: Sequence[str], sample: Sequence[str], seed: int = 7) -> dict[str, dict[str, list[str]]]:
    """Queries by set and class, from all texts (questions) and from a tenth of them (everything else)."""
    documents = [frozenset(WORD.findall(text.lower())) for text in sample]
    frequency = Counter(word for words in documents for word in words)
    found: dict[str, dict[str, list[str]]] = {name: {} for name in SETS}
    makers: dict[str, Iterator[str]] = {
        "questions": _questions(texts, random.Random(seed)),
        "keywords": _keywords(sample, frequency, random.Random(seed + 1)),
        "identifiers": _identifiers(sample, frequency, random.Random(seed + 2)),
        "long": _passages(sample, random.Random(seed + 3)),
        "frequent": _frequent(frequency, random.Random(seed + 4)),
        "rare": _rare(frequency, random.Random(seed + 5)),
    }
    for name in CLASSES:
        made = _distinct(makers[name], len(SETS) * EACH)
        for number, chosen in enumerate(SETS):
            found[chosen][name] = made[number :: len(SETS)]
    return found


def _distinct(queries: Iterable[str], count: int) -> list[str]:
    """The first so many that differ in their words, function words and case aside."""
    made: dict[frozenset[str], str] = {}
    for query in queries:
        words = frozenset(WORD.findall(query.lower())) - FUNCTION_WORDS
        if words:
            made.setdefault(words, query)
        if len(made) == count:
            break
    return list(made.values())


def _questions(texts: Sequence[str], chance: random.Random) -> Iterator[str]:
    """Real questions, those of neighbouring texts far from each other."""
    found = [match[1] for text in texts if "?" in text for match in _QUESTION.finditer(text)]
    chance.shuffle(found)
    for question in found:
        words = question.split()
        plain = [word for word in words if re.fullmatch(r"[\w'’/.()-]+[,?]?", word)]
        if 5 <= len(words) <= 22 and len(plain) == len(words):
            yield question


def _draw(sample: Sequence[str], chance: random.Random, make: Callable[[str], str]) -> Iterator[str]:
    for number in chance.sample(range(len(sample)), len(sample)):
        if query := make(sample[number]):
            yield query


def _keywords(sample: Sequence[str], frequency: Counter[str], chance: random.Random) -> Iterator[str]:
    def one(text: str) -> str:
        words = sorted(_middling(text, frequency, len(sample)))
        size = chance.randint(2, 4)
        return " ".join(chance.sample(words, size)) if len(words) >= size else ""

    return _draw(sample, chance, one)


def _middling(text: str, frequency: Counter[str], texts: int) -> set[str]:
    """Words that neither almost all texts have nor almost none."""
    words = set(re.findall(r"(?<![\w.])[A-Za-z][a-z]{3,15}(?![\w(])", text))
    return {
        word
        for word in map(str.lower, words)
        if 0.0005 * texts <= frequency[word] <= 0.05 * texts and word not in FUNCTION_WORDS
    }


def _identifiers(sample: Sequence[str], frequency: Counter[str], chance: random.Random) -> Iterator[str]:
    def one(text: str) -> str:
        names = sorted({match[0] for match in _IDENTIFIER.finditer(text) if len(match[0]) <= 40})
        if not names:
            return ""
        name = chance.choice(names)
        words = sorted(_middling(text, frequency, len(sample)))
        return f"{name} {chance.choice(words)}" if words and chance.random() < 0.4 else name

    return _draw(sample, chance, one)


def _passages(sample: Sequence[str], chance: random.Random) -> Iterator[str]:
    def one(text: str) -> str:
        words, size = text.split(), chance.randint(25, 45)
        start = chance.randrange(len(words) - size + 1) if len(words) > size else 0
        return " ".join(words[start : start + size])

    return _draw(sample, chance, one)


def _frequent(frequency: Counter[str], chance: random.Random) -> Iterator[str]:
    ordered = sorted(frequency, key=lambda word: (-frequency[word], word))
    top = [word for word in ordered if len(word) > 1 and word.isalpha() and word not in FUNCTION_WORDS][:60]
    for _ in range(100 * EACH):
        yield " ".join(chance.sample(top, chance.randint(2, 3)))


def _rare(frequency: Counter[str], chance: random.Random) -> Iterator[str]:
    words = sorted(
        word for word, df in frequency.items() if 2 <= df <= 15 and re.fullmatch(r"[a-z][a-z0-9_]{3,30}", word)
    )
    for _ in range(4 * EACH if len(words) > 1 else 0):
        yield " ".join(chance.sample(words, chance.randint(1, 2)))


def main() -> None:
    """Write ``queries.json`` beside the texts."""
    folder = Path(sys.argv[1])
    texts = (folder / "1m" / "texts.txt").read_text(encoding="utf-8").split("\n")[:-1]
    made = make(texts, texts[::10])
    partial = folder / "queries.partial"
    partial.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.rename(folder / "queries.json")
    print(folder / "queries.json", {name: [len(made[chosen][name]) for chosen in SETS] for name in CLASSES})


if __name__ == "__main__":
    main()
