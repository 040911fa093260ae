"""The hashing embedder: the same vectors everywhere, of unit length, for any text."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ragstone.embedding
from ragstone.embedding.hashing import HashingEmbedder
from ragstone.errors import InvalidInput
from ragstone.records import Embedder

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def test_is_an_embedder() -> None:
    """Catches a member of the protocol that is missing."""
    embedder = HashingEmbedder()
    assert isinstance(embedder, Embedder)
    assert (embedder.name, embedder.dimension) == ("hashing", 256)
    assert ragstone.embedding.embedder("hashing").fingerprint == embedder.fingerprint


def test_same_in_another_process() -> None:
    """Catches a hash that is salted per process: an index would not survive a restart."""
    program = (
        "from ragstone.embedding.hashing import HashingEmbedder as H;"
        "print(H().embed(['Über 3 straße', '']).tobytes().hex(), H().fingerprint)"
    )
    folder = os.path.dirname(os.path.dirname(os.path.dirname(ragstone.embedding.__file__)))
    environment = {**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": folder}
    told = subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True
    ).stdout.split()
    own = HashingEmbedder()
    assert told == [own.embed(["Über 3 straße", ""]).tobytes().hex(), own.fingerprint]


FROZEN_FINGERPRINT = "8d533c83119b2b27"
FROZEN_VECTOR = [0.3535534, -0.7071068, 0.0, 0.3535534, -0.3535534, 0.3535534, 0.0, 0.0]


def test_values_are_frozen() -> None:
    """Catches a changed method under an unchanged fingerprint: raise the version with it."""
    vector = HashingEmbedder(8).embed(["red house"])[0]
    assert HashingEmbedder(8).fingerprint[:16] == FROZEN_FINGERPRINT
    np.testing.assert_allclose(vector, FROZEN_VECTOR, atol=1e-6)


@given(st.lists(TEXT, max_size=5), st.sampled_from([1, 2, 17, 256]))
def test_unit_length_for_any_text(texts: list[str], dimension: int) -> None:
    """Catches NaN, zero vectors and wrong shapes, the empty text and cancelled features included."""
    vectors = HashingEmbedder(dimension).embed(texts)
    assert vectors.shape == (len(texts), dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)


@given(st.lists(TEXT, min_size=2, max_size=5))
def test_a_text_does_not_depend_on_its_neighbours(texts: list[str]) -> None:
    """Catches state that leaks from one text into the next."""
    embedder = HashingEmbedder(32)
    together = embedder.embed(texts)
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    assert together.tobytes() == alone.tobytes()


def test_nearness_follows_shared_words() -> None:
    """Catches hashing without signal: shared words must count, and more than shared endings."""
    embedder = HashingEmbedder()
    query, exact, near, far = embedder.embed(
        ["refund window", "the refund window is 30 days", "refunding windows", "lunch menu for monday"]
    )
    assert query @ exact > query @ far + 0.3
    assert query @ near > query @ far + 0.2


@given(TEXT)
def test_spans_and_counts_agree(text: str) -> None:
    """Catches a chunker's size that differs from the embedder's count."""
    embedder = HashingEmbedder()
    spans = embedder.token_spans(text)
    assert embedder.count_tokens([text]) == [len(spans)]
    assert all(text[start:end].strip() == text[start:end] != "" for start, end in spans)
    assert spans == sorted(spans)


@pytest.mark.parametrize("texts", ["one string", b"bytes", ["fine", 3], ["lone \ud800 surrogate"]])
def test_bad_texts(texts: object) -> None:
    """Catches input that is taken letter by letter, or fails somewhere deep."""
    with pytest.raises(InvalidInput):
        HashingEmbedder().embed(texts)  # type: ignore[arg-type]


@pytest.mark.parametrize("dimension", [0, -3, 65537])
def test_bad_dimension(dimension: int) -> None:
    """Catches a dimension without meaning."""
    with pytest.raises(InvalidInput, match=str(dimension)):
        HashingEmbedder(dimension)
