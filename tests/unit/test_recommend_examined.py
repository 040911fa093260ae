"""Examples looked at before anything is decided: what is usable, held out, and no longer true."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

import ragstone
from ragstone import Document, InvalidInput
from ragstone.recommendation.examined import examine

JANUARY, JULY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
OLD, NEW = "The express surcharge for parcels is 12 euro.", "The express surcharge for parcels is 19 euro."


def test_tells_what_has_changed_and_when(tmp_path: Path) -> None:
    """Catches a stale fact that is not found, a current one that is, and a day other than that of the change."""
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        index.upsert([Document("surcharges", OLD)], changed_at=JANUARY)
        index.upsert([Document("surcharges", NEW)], changed_at=JULY)
        pairs = [(f"What does express cost for parcel number {n} to street {n * 7}?", NEW) for n in range(8)]
        pairs += [("How much is the surcharge for an express parcel?", OLD)]
        found = examine(pairs, index=index)
    assert found.measured.usable == 9
    assert found.measured.volatile is not None and found.measured.volatile.value == pytest.approx(1 / 9)
    assert found.measured.volatile_proof == (("12 euro", "surcharges", "2026-07-01"),)
    assert len(found.requests) == 9


def test_proves_nothing_without_an_index() -> None:
    """Catches a share of zero where nobody looked."""
    found = examine([("Is it warm?", "yes"), ("Is it cold?", "no")] * 2, index=None)
    assert found.measured.volatile is None and found.measured.labels == {"no": 1, "yes": 1}


def test_refuses_nothing() -> None:
    """Catches an empty set that counts as examined."""
    with pytest.raises(InvalidInput):
        examine([], index=None)
