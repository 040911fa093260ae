"""Style scores: two authors are told apart, one author from himself is not."""

from __future__ import annotations

import json
import random
import re
from functools import cache
from pathlib import Path

import pytest

from ragstone.errors import InvalidInput
from ragstone.scoring import score_style, style_difference
from shared_data import shared_data

HANDBOOK = Path(__file__).resolve().parents[2] / "corpora" / "handbook" / "documents"


def paragraphs(*names: str) -> list[str]:
    """Prose of some documents of the handbook in pieces of about 20 words, front matter left out."""
    pieces = []
    for name in names:
        text = re.sub(r"(?s)\A---.*?---\n", "", (HANDBOOK / name).read_text(encoding="utf-8"))
        sentences = re.split(r"(?<=[.!?])\s+|\n{2,}", text)
        piece = ""
        for sentence in sentences:
            piece = f"{piece} {sentence}".strip()
            if len(piece.split()) >= 20:
                pieces.append(piece)
                piece = ""
    return pieces


@cache
def asked() -> tuple[str, ...]:
    lines = shared_data("queries", "dolly15k.jsonl").read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line]
    return tuple(row["instruction"] for row in rows)


def questions(seed: int = 0) -> list[str]:
    texts = list(asked())
    random.Random(seed).shuffle(texts)
    return texts


def test_the_brand_voice_is_told_from_the_runbooks() -> None:
    """Catches a score that cannot see the difference between two ways of writing in one company."""
    voice = paragraphs("brand/support-replies.md", "brand/tone-of-voice.md")
    runbooks = paragraphs("engineering/runbook-database-failover.md", "engineering/runbook-gateway-rollback.md",
                          "engineering/runbook-ingest-backlog.md")  # fmt: skip
    assert score_style(voice, runbooks).auroc.value >= 0.75


def test_customers_are_told_from_annotators_and_annotators_not_from_themselves() -> None:
    """Catches a score that is high for everything, or for nothing."""
    lines = shared_data("queries", "bitext-intents.jsonl").read_text(encoding="utf-8").split("\n")
    customers = [json.loads(line)["text"] for line in lines if line]
    random.Random(0).shuffle(customers)
    annotators = questions()
    apart = score_style(customers[:300], annotators[:300])
    assert apart.auroc.low >= 0.95
    assert apart.verdict == "different"
    assert apart.words.high < 0, "customers write less"
    itself = score_style(annotators[300:600], annotators[:300])
    assert itself.verdict == "consistent"
    assert itself.auroc_within is not None and itself.auroc_within.value < 0.65


def test_halves_of_one_author_are_seldom_called_different() -> None:
    """Catches a classifier judged on what it has learnt, which would tell anything from anything."""
    shared_data("queries", "dolly15k.jsonl")
    verdicts = [
        score_style(texts[:60], texts[60:120]).verdict for seed in range(6) for texts in [questions(seed)[:120]]
    ]
    assert verdicts.count("different") == 0


def test_pairs_are_held_out_together() -> None:
    """Catches what two texts are about giving away which of them the model wrote."""
    topics = [f"The {name} ships." for name in ("crane", "gate", "probe", "node", "cable") for _ in range(8)]
    assert score_style(topics, topics, paired=True).auroc.value == 0.5


def test_nearer_to_the_style_than_the_baseline() -> None:
    """Catches a comparison with its sign turned, or one that calls equal models different."""
    wanted = [f"We are glad to help, and we have sent item {n} today." for n in range(60)]
    tuned = [f"We are sorry, and we have sent item {n} again." for n in range(60)]
    plain = [f"ITEM {n}: SENT!!" for n in range(60)]
    gained = style_difference(wanted, plain, wanted)
    assert gained.low > 0.4
    lost = style_difference(plain, tuned, wanted)
    assert lost.value <= 0
    same = style_difference(tuned, tuned, wanted)
    assert same.low <= 0 <= same.high


def test_odd_texts_have_a_style_too() -> None:
    """Catches a division by zero words."""
    odd = ["", " ", "…", "42", "漢字のみ", "\n\n", "!?", "```", "a" * 10_000, "\u200b"] * 2
    found = score_style(odd, odd)
    assert 0 <= found.auroc.value <= 1
    assert "style" in str(found)


def test_too_few_texts_are_refused() -> None:
    """Catches a verdict from a handful of texts."""
    with pytest.raises(InvalidInput, match="there are 19 predictions: style takes 20"):
        score_style(["a"] * 19, ["b"] * 20)
    with pytest.raises(InvalidInput, match="pairs are as many"):
        score_style(["a"] * 20, ["b"] * 21, paired=True)
