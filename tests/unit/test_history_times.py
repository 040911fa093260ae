"""History can be replayed: changes that were made elsewhere keep their own time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import ragstone
from ragstone import Document, InvalidInput

JANUARY = datetime(2026, 1, 1, 12, tzinfo=UTC)


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def test_changes_keep_their_time(tmp_path: Path) -> None:
    """Catches a replayed change that is stamped with the time of the replay, also after reopening and merging."""
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        index.upsert([Document("a", "The fee is 5 euro.")], changed_at=JANUARY)
        index.upsert(
            [Document("a", "The fee is 6 euro.")], changed_at=(JANUARY + timedelta(days=30)).replace(tzinfo=None)
        )
        index.delete(document_ids=["a"], changed_at=JANUARY.astimezone(timezone(timedelta(hours=9))))
        index.upsert([Document("b", "now")])
        index.merge()
    with ragstone.open(tmp_path / "kb", read_only=True) as index:
        times = [change["time_ms"] for change in index.history()]
    january = milliseconds(JANUARY)
    assert times[:3] == [january, january + 30 * 86_400_000, january]
    assert abs(int(str(times[3])) - milliseconds(datetime.now(UTC))) < 60_000


def test_vectors_keep_their_time_too(tmp_path: Path) -> None:
    """Catches the path of ready embeddings that forgets the time."""
    with ragstone.open(tmp_path / "kb", embedder=None) as index:
        index.upsert([Document("a", "north")], embeddings=[[0.0, 1.0]], changed_at=JANUARY)
        assert index.history("a")[0]["time_ms"] == milliseconds(JANUARY)


@pytest.mark.parametrize("moment", [datetime(1969, 1, 1, tzinfo=UTC), datetime(2999, 1, 1), "2026-01-01", 5])
def test_refuses(tmp_path: Path, moment: Any) -> None:
    """Catches a time that history cannot have, and a commit that happened in spite of it."""
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        with pytest.raises(InvalidInput, match="changed_at"):
            index.upsert([Document("a", "x")], changed_at=moment)
        assert len(index) == 0
