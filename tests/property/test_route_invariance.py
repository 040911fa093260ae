"""What must not change a decision: case, manners, marks, one slip of typing; and batches that decide as one by one."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragstone import route, route_batch
from shared_data import shared_data

MODELS = Path(__file__).resolve().parents[2] / "python" / "models"
WRITTEN = [
    json.loads(line)["text"]
    for path in sorted((MODELS / "router_train").glob("*.jsonl"))
    for line in path.read_text(encoding="utf-8").splitlines()
]
PUBLIC = ("nq", "msmarco", "banking", "ifeval", "dolly15k")
FLIPS = 0.02

written = st.sampled_from(WRITTEN)
anything = st.text(min_size=1).filter(lambda text: not text.isspace())


def _public() -> list[str]:
    rng = random.Random(9)
    texts = []
    for name in PUBLIC:
        rows = (shared_data("queries") / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(row) for row in rng.sample(rows, min(600, len(rows)))]
        texts += [row.get("text") or row["instruction"] for row in rows]
    return texts


def _mistyped(text: str, rng: random.Random) -> str:
    """Two letters of a word swapped, one dropped or one doubled."""
    places = [i for i in range(1, len(text) - 1) if text[i].isalpha() and text[i + 1].isalpha()]
    if not places:
        return text
    place = rng.choice(places)
    middle = rng.choice((text[place + 1] + text[place], text[place + 1], text[place] * 2 + text[place + 1]))
    return text[:place] + middle + text[place + 2 :]


def _stripped(text: str, rng: random.Random) -> str:
    return " ".join(re.sub(r"[^\w\s]", " ", text).split()) or text


CHANGES: dict[str, Callable[[str, random.Random], str]] = {
    "upper case": lambda text, rng: text.upper(),
    "no final mark": lambda text, rng: text.rstrip("?.! ") or text,
    "no punctuation": _stripped,
    "please": lambda text, rng: f"Please {text}",
    "could you": lambda text, rng: f"Could you {text}",
    "thanks": lambda text, rng: f"{text} Thanks!",
    "one typing error": _mistyped,
}


def _flips(texts: list[str], change: str) -> float:
    rng = random.Random(1)
    changed = [CHANGES[change](text, rng) for text in texts]
    return float(np.mean(route_batch(texts).paths != route_batch(changed).paths))


@pytest.mark.parametrize("change", CHANGES)
def test_few_decisions_flip_on_written_queries(change: str) -> None:
    """A router that hangs on what does not matter, on the hand-written queries."""
    assert len(WRITTEN) > 1000
    assert _flips(WRITTEN, change) <= FLIPS


@pytest.mark.parametrize("change", CHANGES)
def test_few_decisions_flip_on_public_queries(change: str) -> None:
    """The same on queries that people asked."""
    assert _flips(_public(), change) <= FLIPS


@given(written)
def test_case_never_matters(text: str) -> None:
    """A feature that sees capital letters."""
    if text.isascii():
        assert route(text.upper()).p_behaviour == route(text.lower()).p_behaviour


@given(written, st.sampled_from(["Please", "please,", "Could you", "Hey, can you", "Hi!"]))
def test_manners_in_front_never_matter(text: str, manners: str) -> None:
    """A polite phrase that is counted."""
    plain, polite = route(text), route(f"{manners} {text}")
    assert (plain.p_behaviour, plain.p_facts) == (polite.p_behaviour, polite.p_facts)


@given(st.lists(anything, max_size=8))
@settings(max_examples=60)
def test_a_batch_decides_like_one_by_one(texts: list[str]) -> None:
    """Rows that change places, or a second way of deciding that drifts from the first."""
    try:
        single = [route(text) for text in texts]
    except ValueError:
        return
    batch = route_batch(texts)
    assert batch.kinds() == [one.path for one in single]
    assert batch.uncertain.tolist() == [one.uncertain for one in single]
    assert np.allclose(batch.p_behaviour, [one.p_behaviour for one in single], atol=1e-6)


@given(anything)
def test_reasons_sum_to_the_decision(text: str) -> None:
    """A contribution that is lost, or a span outside the query."""
    try:
        found = route(text)
    except ValueError:
        return
    total = sum(reason.weight for reason in found.reasons)
    assert abs(np.log(found.p_behaviour / (1 - found.p_behaviour)) - total) < 1e-3
    assert all(text[reason.start : reason.end] == reason.text for reason in found.reasons)
