"""What the suites share: one index of made-up texts, the same on every machine and in every run."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest

import ragstone

# Fewer only to see that the suites run.
CHUNKS = int(os.environ.get("RAGSTONE_SUITE_CHUNKS", "20000"))
WORDS, LENGTH, QUERIES = 30_000, 80, 64


def words(count: int, numbers: np.random.Generator) -> list[str]:
    """Words of Zipf's frequencies, as running text has them."""
    return [f"word{rank}" for rank in np.minimum(numbers.zipf(1.3, count), WORDS).tolist()]


@pytest.fixture(scope="session")
def texts() -> list[str]:
    numbers = np.random.default_rng(1)
    return [" ".join(words(LENGTH, numbers)) for _ in range(CHUNKS)]


@pytest.fixture(scope="session")
def queries() -> list[str]:
    numbers = np.random.default_rng(2)
    return [" ".join(words(6, numbers)) for _ in range(QUERIES)]


@pytest.fixture(scope="session")
def index(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ragstone.Index]:
    with ragstone.open(tmp_path_factory.mktemp("suite") / "kb", embedder="builtin") as opened:
        embedder = opened.embedder
        assert embedder is not None
        documents = [ragstone.Document(f"{row:06}", text) for row, text in enumerate(texts)]
        opened.upsert(documents, embeddings=embedder.embed(texts))
        opened.merge()
        yield opened
