"""Answerability: a probability whatever the evidence, from signals that mean what they say."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ragstone
from ragstone import Document
from ragstone.answerability import FEATURES, Model, answerability, expanded, features, model_of, shipped, threshold

NOTHING: dict[str, Any] = {
    "terms": 0,
    "terms_known": 0,
    "idf_sum": 0.0,
    "bm25": [],
    "bm25_spread": 0.0,
    "cosine": [],
    "cosine_mean": 0.0,
    "cosine_spread": 0.0,
    "agree": False,
    "shared": 0,
    "hit_bm25": [],
    "hit_cosine": [],
    "covered": [],
    "covered_sentence": 0.0,
    "names": 0,
    "names_covered": 0,
}
GOOD: dict[str, Any] = {
    **NOTHING,
    "terms": 4,
    "terms_known": 4,
    "idf_sum": 20.0,
    "bm25": [18.0] + [6.0] * 9,
    "bm25_spread": 1.5,
    "cosine": [0.8] + [0.3] * 9,
    "cosine_mean": 0.05,
    "cosine_spread": 0.08,
    "agree": True,
    "shared": 6,
    "hit_bm25": [18.0] + [6.0] * 9,
    "hit_cosine": [0.8] + [0.3] * 9,
    "covered": [20.0, 8.0, 8.0, 6.0, 6.0],
    "covered_sentence": 18.0,
    "names": 1,
    "names_covered": 1,
}
BAD: dict[str, Any] = {
    **GOOD,
    "bm25": [5.0] * 10,
    "cosine": [0.25] * 10,
    "agree": False,
    "shared": 1,
    "hit_bm25": [5.0] * 10,
    "hit_cosine": [0.25] * 10,
    "covered": [5.0] * 5,
    "covered_sentence": 5.0,
    "names_covered": 0,
}

finite = st.floats(-1e12, 1e12)
scores = st.lists(finite, max_size=10)


@st.composite
def anything(draw: st.DrawFn) -> dict[str, Any]:
    lexical = draw(scores)
    dense = draw(st.one_of(st.just([]), st.lists(finite, min_size=len(lexical), max_size=len(lexical))))
    return {
        **NOTHING,
        "idf_sum": draw(st.floats(0, 1e12)),
        "bm25": draw(scores),
        "bm25_spread": draw(finite),
        "cosine": draw(scores),
        "cosine_mean": draw(finite),
        "cosine_spread": draw(finite),
        "agree": draw(st.booleans()),
        "shared": draw(st.integers(0, 10)),
        "hit_bm25": lexical,
        "hit_cosine": dense,
        "covered": draw(st.lists(st.floats(0, 1e12), max_size=5)),
        "covered_sentence": draw(st.floats(0, 1e12)),
        "names": draw(st.integers(0, 100)),
        "names_covered": draw(st.integers(0, 100)),
    }


@given(anything(), st.sampled_from([None, "minilm", "builtin", "none of these"]))
def test_any_evidence_gives_a_probability(evidence: dict[str, Any], embedder: str | None) -> None:
    """Catches division by zero, an overflow and a NaN where scores are strange."""
    values = features(evidence)  # type: ignore[arg-type]
    assert len(values) == len(FEATURES)
    assert all(math.isfinite(value) for value in values)
    assert 0 <= answerability(evidence, embedder) <= 1  # type: ignore[arg-type]


@pytest.mark.parametrize("embedder", ["minilm", "builtin", None])
def test_a_good_find_is_likelier_than_a_bad_one(embedder: str | None) -> None:
    """Catches weights that are mixed up: a hit with all words, far above the others, against ten alike with few."""
    good, bad = answerability(GOOD, embedder), answerability(BAD, embedder)  # type: ignore[arg-type]
    assert good > 0.9 > 0.3 > bad
    assert bad < threshold(BAD, embedder) < good  # type: ignore[arg-type]
    without = {"cosine": [], "hit_cosine": [], "agree": False, "shared": 0}
    assert answerability({**GOOD, **without}) > 0.8 > answerability({**BAD, **without})  # type: ignore[typeddict-item]


def test_what_was_not_found_has_no_answer() -> None:
    """Catches a bias mistaken for evidence."""
    assert answerability(NOTHING, "minilm") == 0.0  # type: ignore[arg-type]


def test_products_are_of_all_pairs() -> None:
    """Catches a pair left out or taken twice, which would shift all weights."""
    assert expanded([2.0, 3.0]) == [2.0, 3.0, 4.0, 6.0, 9.0]
    assert len(expanded([1.0] * len(FEATURES))) == len(FEATURES) * (len(FEATURES) + 3) // 2


def test_strange_values_are_limited() -> None:
    """Catches one absurd signal that outweighs all others."""
    count = len(FEATURES)
    model = Model((0.0,) * count, (1e-3,) * count, (1.0,) * count, 0.0, 0.5)
    assert max(model.standardised([1e9] * count)) == 3.0


def fields(**changed: object) -> dict[str, object]:
    count = len(FEATURES)
    good: dict[str, object] = {"mean": [0.0] * count, "scale": [1.0] * count, "weight": [0.0] * count}
    return {**good, "bias": 0.0, "threshold": 0.5, **changed}


@pytest.mark.parametrize(
    "changed",
    [
        {"mean": []},
        {"weight": [0.0] * 3},
        {"weight": "many"},
        {"scale": [0.0] * len(FEATURES)},
        {"scale": [float("nan")] * len(FEATURES)},
        {"bias": None},
        {"bias": True},
        {"bias": 1e300},
        {"threshold": 1.5},
        {"threshold": float("nan")},
    ],
)
def test_damaged_models_are_refused(changed: dict[str, object]) -> None:
    """Catches a file of nonsense that makes every answer look certain, or divides by zero."""
    assert model_of(fields()).threshold == 0.5
    with pytest.raises(ValueError, match=next(iter(changed)) + "|scale is not positive|threshold"):
        model_of(fields(**changed))


def test_weights_are_chosen_by_what_searched() -> None:
    """Catches weights for cosines used where there were none."""
    assert shipped(GOOD, "minilm") is not shipped(GOOD, "builtin")  # type: ignore[arg-type]
    assert shipped(GOOD, "some model") is shipped(GOOD, None)  # type: ignore[arg-type]
    assert shipped({**GOOD, "cosine": []}, "minilm") is shipped({**GOOD, "cosine": []}, None)  # type: ignore[typeddict-item]


def test_evidence_says_what_the_best_hits_have(tmp_path: Path) -> None:
    """Catches coverage of another hit, sentences run together, and a document left out that still counts."""
    texts = {
        "a": "Refunds of Anna's orders are paid within 30 days. Lunch is at noon.",
        "b": "Refunds are never discussed. Orders are sent on Mondays.",
        "c": "The moon is far away.",
    }
    with ragstone.open(tmp_path, embedder="hashing") as index:
        index.upsert([Document(name, text) for name, text in texts.items()])
        question = "When does Anna get refunds, within 30 days, at noon?"
        result, evidence = index.search_with_evidence(question, top_k=1)
        assert result.hits[0].document_id == "a"
        assert evidence["covered"][0] > evidence["covered"][1]
        assert 0 < evidence["covered_sentence"] < evidence["covered"][0]
        assert (evidence["names"], evidence["names_covered"]) == (2, 2)
        assert (
            len(evidence["hit_bm25"]) == len(evidence["hit_cosine"]) == evidence["shared"] == 3
            or evidence["shared"] >= 1
        )
        without, less = index.search_with_evidence(question, without=["a", "unknown"])
        assert {hit.document_id for hit in without.hits} <= {"b", "c"}
        assert max(less["covered"]) < evidence["covered"][0]
        assert answerability(less) < answerability(evidence)


def test_what_was_left_out_looks_like_what_never_was(tmp_path: Path) -> None:
    """Catches a signal that betrays left-out documents: calibration would learn it, and fail on real questions."""
    texts = [f"topic {number} alpha{number % 7} beta{number % 5} gamma{number % 3}" for number in range(200)]
    everything = [Document(f"d{number}", text) for number, text in enumerate(texts)]
    with (
        ragstone.open(tmp_path / "a", embedder="hashing") as whole,
        ragstone.open(tmp_path / "b", embedder="hashing") as cut,
    ):
        whole.upsert(everything)
        cut.upsert([document for document in everything if document.document_id != "d17"])
        question = "alpha3 beta2 gamma2 of topic 17"
        filtered = answerability(whole.search_with_evidence(question, without=["d17"])[1])
        removed = answerability(cut.search_with_evidence(question)[1])
        there = answerability(whole.search_with_evidence(question)[1])
    assert abs(filtered - removed) < 0.05
    assert there > filtered
