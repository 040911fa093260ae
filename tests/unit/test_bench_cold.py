"""First answers of new processes: what is timed there, and what becomes of a process that fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import ragstone
from ragstone import Document, InvalidInput, RagstoneError
from ragstone.bench.cold import Cold, Start, drop_from_cache, measure_cold

pytestmark = pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="this system cannot drop files from its cache")


@pytest.fixture
def kb(tmp_path: Path) -> Path:
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        index.upsert([Document(str(row), f"article {row} costs {row * 7} euros") for row in range(50)])
    return tmp_path / "kb"


def test_each_kind_of_start_is_timed_in_processes_of_its_own(kb: Path) -> None:
    """Catches times of this process, kinds that are mixed up, and an index that is changed by being measured."""
    before = {path.name: path.read_bytes() for path in kb.iterdir()}
    found = measure_cold(kb, ["article 7", "euros"], repeats=2, top_k=3)
    assert (len(found.cold), len(found.warm)) == (2, 2)
    for start in (*found.cold, *found.warm):
        assert 0 < start.open_ms < start.process_ms
        assert 0 < start.first_ms < start.process_ms
        assert len(start.next_ms) == 10
    assert {path.name: path.read_bytes() for path in kb.iterdir()} == before
    assert found.bytes == sum(len(content) for content in before.values())
    assert "first answer" in str(found)
    assert found.to_dict()["repeats"] == 2


def test_files_that_stay_in_memory_are_said_to() -> None:
    """Catches a warm start that is called cold because dropping the files did nothing."""
    quick, slow = Start(1, 1, (1,), 9, 0), Start(9, 9, (1,), 99, 40)
    assert Cold((slow, slow, quick), (quick, quick, quick), 1).dropped
    kept = Cold((quick,), (quick,), 1)
    assert not kept.dropped
    assert "stayed in memory" in str(kept)
    assert kept.to_dict()["dropped"] is False


def test_a_process_that_fails_is_an_error_of_its_own(kb: Path, tmp_path: Path) -> None:
    """Catches figures of a process that never searched, and an error that hides its reason."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(RagstoneError, match=r"NotFound: index in .*empty"):
        measure_cold(tmp_path / "empty", ["a"], repeats=1)
    with pytest.raises(InvalidInput, match="no queries"):
        measure_cold(kb, [])
    for repeats in (0, 101):
        with pytest.raises(InvalidInput, match="repeats"):
            measure_cold(kb, ["a"], repeats=repeats)
    drop_from_cache(kb)
    with ragstone.open(kb, read_only=True) as index:
        assert index.verify() == []
