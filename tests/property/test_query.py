"""Structured queries against their definition in plain Python: which chunks are found, their scores, their order."""

from __future__ import annotations

import math
import random
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import ragstone
from oracles import Row, assert_ranking
from ragstone import Document, Q, Query, Section
from ragstone.chunking import embedding_text

# No two of them joined are a third. Some are one edit apart, some two, some begin alike; "a" is too short for a term
# but takes a place.
WORDS = ["grape", "grapes", "garpe", "gripes", "berry", "bery", "berries", "cedar", "cider", "daisy", "elder", "a"]
SEEDS = st.integers(0, 2**32 - 1)
FIELDS = ("title", "headings", "body")
K1, B = 1.2, 0.75

Tokens = list[tuple[str, int]]


def tokens(text: str) -> Tokens:
    """Terms with their places."""
    return [(word, place) for place, word in enumerate(re.findall(r"[a-z]+", text)) if len(word) > 1]


@dataclass(frozen=True)
class Indexed:
    """A chunk by its parts."""

    row: Row
    title: str
    headings: tuple[str, ...]
    context: str
    body: str

    def texts(self, field: str | None) -> list[str]:
        return {
            None: [self.context, self.body],
            "title": [self.title],
            "headings": [*self.headings],
            "body": [self.body],
        }[field]

    def count(self, of: Callable[[str], int], field: str | None) -> int:
        return sum(of(text) for text in self.texts(field))

    @property
    def length(self) -> int:
        return self.count(lambda text: len(tokens(text)), None)


def edits(one: str, other: str) -> int:
    """Adds, drops, changes and swaps of neighbours between two words."""
    table = {(i, 0): i for i in range(len(one) + 1)} | {(0, j): j for j in range(len(other) + 1)}
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            least = min(table[i - 1, j - 1] + (one[i - 1] != other[j - 1]), table[i - 1, j] + 1, table[i, j - 1] + 1)
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                least = min(least, table[i - 2, j - 2] + 1)
            table[i, j] = least
    return table[len(one), len(other)]


def occurrences(phrase: Tokens, slop: int, text: str) -> int:
    """Places p of a text such that each word stands 0 to ``slop`` behind p plus its own place, one of them at 0."""
    found = tokens(text)
    bases = [{place - own for term, place in found if term == word} for word, own in phrase]
    return sum(all(any(p <= base <= p + slop for base in one) for one in bases) for p in set().union(*bases))


class Oracle:
    """Tests and scores chunks, one at a time, by the definition."""

    def __init__(self, rows: list[Indexed]) -> None:
        self.rows = rows
        self.bags = [Counter(term for text in row.texts(None) for term, _ in tokens(text)) for row in rows]
        lengths = sum(row.length for row in rows)
        self.average = lengths / len(rows) if lengths else 1.0
        self.frequency = Counter(term for bag in self.bags for term in bag)

    def idf(self, frequency: int) -> float:
        return math.log(1 + (len(self.rows) - frequency + 0.5) / (frequency + 0.5))

    def saturation(self, count: float, row: Indexed) -> float:
        return count / (count + K1 * (1 - B + B * row.length / self.average)) if count else 0.0

    def leaf(self, of: Callable[[str], int], weight: float, node: dict[str, Any], row: Indexed) -> tuple[bool, float]:
        field = node.get("field")
        anywhere = row.count(of, None)
        # What is not indexed of a row is not found in its fields either.
        count: float = min(1, anywhere) * row.count(of, field) if field else anywhere
        if anywhere:
            count += sum((factor - 1) * row.count(of, name) for name, factor in node.get("boosts", {}).items())
        return (count if field else anywhere) > 0, weight * self.saturation(max(count, 0), row)

    def term(self, term: str, weight: float, node: dict[str, Any], row: Indexed) -> tuple[bool, float]:
        return self.leaf(lambda text: sum(one == term for one, _ in tokens(text)), weight, node, row)

    def evaluate(self, node: dict[str, Any], row: Indexed) -> tuple[bool | None, float]:
        """Whether a chunk fits (``None``: nothing is said), and what it scores."""
        fits, score = self.evaluate_plain(node, row)
        return fits, score * node.get("boost", 1.0)

    def evaluate_plain(self, node: dict[str, Any], row: Indexed) -> tuple[bool | None, float]:
        if "text" in node:
            asked = Counter(term for term, _ in tokens(node["text"]))
            if not asked:
                return None, 0.0
            parts = [self.term(term, n * self.idf(self.frequency[term]), node, row) for term, n in asked.items()]
            minimum = node.get("minimum", 1)
            minimum = len(parts) if minimum == "all" else min(minimum, len(parts))
            return None if minimum == 0 else sum(fit for fit, _ in parts) >= minimum, sum(one for _, one in parts)
        if "phrase" in node:
            phrase = tokens(node["phrase"])
            if not phrase:
                return None, 0.0
            weight = sum(self.idf(self.frequency[term]) for term, _ in phrase)
            return self.leaf(lambda text: occurrences(phrase, node.get("slop", 0), text), weight, node, row)
        if "prefix" in node or "fuzzy" in node:
            return self.expanded(node, row)
        if "term" in node:
            return self.term(node["term"], self.idf(self.frequency[node["term"]]), node, row)
        kind = next(kind for kind in ("all", "any", "none") if kind in node)
        parts_of = [self.evaluate(part, row) for part in node[kind]]
        said = [fit for fit, _ in parts_of if fit is not None]
        if kind == "none":
            return (None if not said else not any(said)), 0.0
        minimum = len(said) if kind == "all" else min(node.get("minimum", 1), len(said))
        return (None if not minimum else sum(said) >= minimum), sum(score for _, score in parts_of)

    def expanded(self, node: dict[str, Any], row: Indexed) -> tuple[bool, float]:
        if "prefix" in node:
            near = {term: 1.0 for term in self.frequency if term.startswith(node["prefix"])}
        else:
            word, most = node["fuzzy"], node.get("distance", 1)
            away = {term: edits(word, term) for term in self.frequency}
            near = {
                t: 1 - n / min(len(t), len(word)) for t, n in away.items() if n <= most and n < min(len(t), len(word))
            }
        if not near:
            return False, 0.0
        shared = self.idf(max(self.frequency[term] for term in near))
        parts = [self.term(term, shared * close, node, row) for term, close in near.items()]
        return any(fit for fit, _ in parts), sum(score for _, score in parts)

    def search(self, query: Query) -> list[tuple[str, float]]:
        """(chunk_id, score) of what is found, best first."""
        found = []
        for row in self.rows:
            fits, score = self.evaluate(query.json_form, row)
            if fits is not False and score > 1e-12:
                found.append((row.row, score))
        return [(row.chunk_id, score) for row, score in sorted(found, key=lambda pair: (-pair[1], pair[0].order))]


def tree(draw: random.Random, depth: int = 0) -> Query:
    """A random query, leaves of all kinds."""
    some = [draw.choice(WORDS) for _ in range(draw.randint(1, 4))]
    kind = draw.choice(
        ["text", "text", "phrase", "prefix", "fuzzy", "term"] + ["all", "any", "none", "any"] * (depth < 3)
    )
    place: dict[str, Any] = {}
    if draw.random() < 0.3:
        place = {"field": draw.choice(FIELDS)}
    elif draw.random() < 0.2:
        place = {"boosts": {draw.choice(FIELDS): draw.choice([0, 0.5, 2.0, 3.0])}}
    if kind == "text":
        made = Q.text(" ".join(some), minimum=draw.choice([0, 1, 1, 2, 3, "all"]), **place)
    elif kind == "phrase":
        made = Q.phrase(" ".join(some[:3]), slop=draw.choice([0, 0, 1, 3]), **place)
    elif kind == "prefix":
        made = Q.prefix(draw.choice(["g", "gr", "grape", "ber", "unknown"]), **place)
    elif kind == "fuzzy":
        made = Q.fuzzy(draw.choice(["grape", "bery", "cidre", "daisies"]), distance=draw.choice([1, 2]), **place)
    elif kind == "term":
        made = Q.term(draw.choice([*WORDS, "unknown"]), **place)
    else:
        parts = [tree(draw, depth + 1) for _ in range(draw.randint(1, 4))]
        if kind == "any":
            made = Q.any(*parts, minimum=draw.randint(0, len(parts)))
        else:
            made = Q.all(*parts) if kind == "all" else Q.none(*parts)
    return made.boost(draw.choice([0.0, 0.5, 3.0])) if draw.random() < 0.2 else made


def documents(draw: random.Random, count: int) -> Iterator[Document]:
    for number in range(count):
        text = " ".join(draw.choices(WORDS, k=draw.choice([1, 2, 4, 12])))
        headings = tuple(" ".join(draw.choices(WORDS, k=2)) for _ in range(draw.randint(0, 2)))
        sections = [Section(0, len(text), "paragraph", headings)]
        title = " ".join(draw.choices(WORDS, k=draw.randint(0, 3)))
        yield Document(f"{number:03}", text, title=title, sections=sections)


def indexed(index: ragstone.Index) -> list[Indexed]:
    """The chunks as they are."""
    rows = []
    for name, _, _ in index.sources():
        document = index.document(name)
        assert document is not None
        for ordinal, chunk in enumerate(index.chunks(name)):
            whole = embedding_text(document.title, chunk)
            context = whole[: len(whole) - len(chunk.text)]
            rows.append(Indexed(Row(name, ordinal, whole), document.title, chunk.headings, context, chunk.text))
    return rows


@given(seed=SEEDS, count=st.integers(1, 40), commits=st.integers(1, 4))
@settings(max_examples=80, deadline=None)
def test_queries_equal_their_definition(seed: int, count: int, commits: int) -> None:
    """Catches rows found or lost wrongly, wrong counts, idf or factors, and results that depend on segments."""
    draw = random.Random(seed)
    queries = [tree(draw) for _ in range(12)]
    with tempfile.TemporaryDirectory() as folder, ragstone.open(folder, embedder=None, language="none") as index:
        made = list(documents(draw, count))
        for part in range(commits):
            index.upsert(made[part::commits])
        index.delete(document_ids=[document.document_id for document in made if draw.random() < 0.1])
        oracle = Oracle(indexed(index))
        before = [index.search(query, mode="bm25", top_k=count, explain=True) for query in queries]
        for query, result in zip(queries, before, strict=True):
            expected = oracle.search(query)
            found = [(hit.chunk_id, hit.score) for hit in result]
            assert {chunk for chunk, _ in found} == {chunk for chunk, _ in expected}, query
            assert_ranking(found, expected, 2e-6)
            for hit in result:
                explained: Any = hit.explain
                assert math.isclose(sum(word["score"] for word in explained["words"]), hit.score, rel_tol=1e-6)
        index.merge()
        after = index.search_batch(queries, mode="bm25", top_k=count)
        for one, other in zip(before, after, strict=True):
            assert [(hit.chunk_id, hit.score) for hit in one] == [(hit.chunk_id, hit.score) for hit in other]


@given(seed=SEEDS)
@settings(max_examples=200, deadline=None)
def test_the_json_form_is_the_query(seed: int) -> None:
    """Catches a form that cannot be read back, and a query that changes on the way."""
    query = tree(random.Random(seed))
    assert Query(query.json_form) == query
    assert hash(Query(query.json_form)) == hash(query)


@given(written=st.text(st.sampled_from('ab +-"*~^()\\:2.title'), max_size=24) | st.text(max_size=12))
@settings(max_examples=500, deadline=None)
def test_what_is_written_is_read_or_refused(written: str) -> None:
    """Catches a parser that fails otherwise than by saying where, or makes what the engine refuses."""
    try:
        query = Q.parse(written)
    except ragstone.InvalidInput as error:
        assert "position" in str(error) or "surrogate" in str(error)
    else:
        assert Query(query.json_form) == query
