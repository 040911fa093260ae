"""The texts and queries that lexical search is measured on: chunks of the promised size, none twice, sets disjoint."""

from __future__ import annotations

import random
import sys
from pathlib import Path

CORPORA = Path(__file__).resolve().parents[2] / "corpora"
sys.path.insert(0, str(CORPORA))

import lexical  # type: ignore[import-not-found]  # noqa: E402
import lexical_queries  # type: ignore[import-not-found]  # noqa: E402

CHANCE = random.Random(5)
WORDS = ["".join(CHANCE.choices("abcdefghijklmnopqrstuvwxyz", k=CHANCE.randint(3, 9))) for _ in range(30_000)]


def prose(words: int) -> str:
    return " ".join(CHANCE.choice(WORDS) for _ in range(words))


def test_chunks_have_90_to_190_words_and_lose_only_the_rest() -> None:
    """Catches chunks out of bounds, words lost between two chunks, and lines that are longer than a chunk."""
    pages = [[prose(CHANCE.choice((3, 12, 40, 700))) for _ in range(CHANCE.randint(1, 40))] for _ in range(40)]
    for number, page in enumerate(pages):
        chunks = list(lexical.chunks_of(page, str(number)))
        assert all(90 <= len(chunk.split()) <= 190 for chunk in chunks)
        words = " ".join(page).split()
        together = " ".join(chunks).split()
        assert together == words[: len(together)]
        assert len(words) - len(together) < 166
    assert list(lexical.chunks_of([prose(89)], "")) == []
    assert list(lexical.chunks_of(pages[0], "a")) == list(lexical.chunks_of(pages[0], "a"))


def test_tables_and_encoded_data_are_no_prose() -> None:
    """Catches numbers, rulers and base64 among the texts."""
    assert lexical.is_prose(prose(100).split())
    assert not lexical.is_prose(["0x1f", "17", "99"] * 40)
    assert not lexical.is_prose(["QUJD" * 12] * 100)
    assert not lexical.is_prose(["word"] * 100)


def test_html_becomes_lines_of_its_blocks() -> None:
    """Catches words glued together at a tag's place, and scripts or navigation among the text."""
    page = "<head><title>T</title></head><p>one <b>two</b>\nthree</p><script>x()</script><td>a</td><td>b &amp; c</td>"
    assert [line for line in lexical.html_lines(page) if line] == ["one two three", "a b & c"]


def test_the_two_sets_of_queries_share_nothing() -> None:
    """Catches a query to tune on among those that are quoted, a class that is missing, and another draw each time."""
    lists = "What is the meaning of {0} and {1}? It is {2}_{3} or, rarely, error {4}{5}."
    texts = [f"{lists.format(*CHANCE.sample(WORDS, 6)).capitalize()} {prose(110)}" for _ in range(3000)]
    made = lexical_queries.make(texts, texts[::2])
    assert made == lexical_queries.make(texts, texts[::2])
    for name in lexical_queries.CLASSES:
        tuning, held_out = (
            {frozenset(query.lower().split()) for query in made[chosen][name]} for chosen in lexical_queries.SETS
        )
        assert not tuning & held_out, name
        assert min(len(tuning), len(held_out)) >= 40, name
    assert all(25 <= len(query.split()) <= 45 for query in made["held_out"]["long"])
    assert all(5 <= len(query.split()) <= 22 for query in made["held_out"]["questions"])
