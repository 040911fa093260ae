"""Dense search where codes come into play: the same answers everywhere, changes seen at once, space used again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import ragstone
from ragstone import DenseIndex, Document

ROWS, DIMENSION = 6000, 72  # enough rows for codes


def told(program: str, *arguments: object, **environment: str) -> str:
    """What a program in a process of its own prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def instruction_sets() -> list[str]:
    """Those of this machine that are known by their flags."""
    flags = set(Path("/proc/cpuinfo").read_text().split()) if Path("/proc/cpuinfo").exists() else set[str]()
    return ["scalar"] + [
        name for name, flag in (("ssse3", "ssse3"), ("avx2", "avx2"), ("avx512", "avx512vbmi")) if flag in flags
    ]


def clustered(count: int, seed: int = 1) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    centers = random.standard_normal((100, DIMENSION), dtype=np.float32)
    return centers[random.integers(100, size=count)] + random.standard_normal((count, DIMENSION), dtype=np.float32) / 3


def test_answers_and_files_are_the_same_on_every_instruction_set_and_number_of_threads(tmp_path: Path) -> None:
    """Catches codes, estimates, bounds or an order that depend on how many values are computed at a time."""
    program = """
import hashlib, pathlib, sys
import numpy as np
import ragstone

digest = hashlib.sha256()
folder = pathlib.Path(sys.argv[1])
random = np.random.default_rng(3)
for dimension in (40, 384):
    centers = random.standard_normal((200, dimension))
    vectors = centers[random.integers(200, size=20_050)] + 0.4 * random.standard_normal((20_050, dimension))
    queries, vectors = vectors[:50], vectors[50:]
    index = ragstone.DenseIndex(dimension=dimension)
    index.add(vectors[:15_000])
    index.save(folder / "saved")
    saved = ragstone.DenseIndex.open(folder / "saved")
    for one in (index, saved):
        one.add(vectors[15_000:])
        one.remove(np.arange(0, 20_000, 11))
        for share in (0.01, 0.1, 0.6, 1):
            allowed = None if share == 1 else np.flatnonzero(random.random(20_000) < share)
            for exact in (False, True):
                for part in one.search(queries, top_k=20, exact=exact, filter_ids=allowed):
                    digest.update(part.tobytes())
    saved.save(folder / "again")
    digest.update((folder / "saved").read_bytes() + (folder / "again").read_bytes())
with ragstone.open(folder / "kb", embedder=None, language="none") as index:
    index.upsert([ragstone.Document(f"d{n}", "text") for n in range(6000)], embeddings=vectors[:6000])
    for query in queries[:20]:
        for exact in (False, True):
            digest.update(repr([(hit.chunk_id, hit.score) for hit in index.search(vector=query, exact=exact)]).encode())
print(digest.hexdigest())
"""
    found = set()
    for isa, threads in (*((isa, "1") for isa in instruction_sets()), ("", "2")):
        folder = tmp_path / f"{isa}-{threads}"
        folder.mkdir()
        found.add(told(program, folder, RAGSTONE_ISA=isa, RAGSTONE_THREADS=threads))
    assert len(found) == 1


def test_threads_that_share_one_query_find_the_same() -> None:
    """Catches blocks that are left out or estimated twice where rows are shared out between threads."""
    program = """
import hashlib
import numpy as np
import ragstone

random = np.random.default_rng(4)
index = ragstone.DenseIndex(dimension=16)
index.add(random.standard_normal((400_000, 16), dtype=np.float32))
digest = hashlib.sha256()
for query in random.standard_normal((10, 16)):
    for part in index.search(query, top_k=10):
        digest.update(part.tobytes())
print(digest.hexdigest())
"""
    assert len({told(program, RAGSTONE_THREADS=threads) for threads in ("1", "2", "3")}) == 1


def test_a_batch_finds_what_single_queries_find() -> None:
    """Catches queries of one batch that share what belongs to one of them."""
    index = DenseIndex(dimension=DIMENSION)
    index.add(clustered(3 * ROWS))
    queries = clustered(70, seed=2)
    for allowed in (None, np.arange(0, 3 * ROWS, 3), np.arange(100)):
        for exact in (False, True):
            ids, scores = index.search(queries, exact=exact, filter_ids=allowed)
            for row, query in enumerate(queries):
                alone = index.search(query, exact=exact, filter_ids=allowed)
                assert np.array_equal(alone[0][0], ids[row])
                assert np.array_equal(alone[1][0], scores[row])


@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("exact", [False, True])
def test_changes_are_seen_by_the_next_search(saved: bool, exact: bool, tmp_path: Path) -> None:
    """Catches a vector without a code, a code without its vector, and codes of what a row held before."""
    vectors = clustered(ROWS)
    index = DenseIndex(dimension=DIMENSION)
    index.add(vectors)
    if saved:
        index.save(tmp_path / "vectors")
        index = DenseIndex.open(tmp_path / "vectors")
    random = np.random.default_rng(5)

    def first(vector: NDArray[np.float32]) -> tuple[int, float]:
        ids, scores = index.search(vector, top_k=1, exact=exact)
        return int(ids[0, 0]), float(scores[0, 0])

    for number in range(60):
        vector, other = random.standard_normal((2, DIMENSION)).astype(np.float32)
        new = int(index.add([vector])[0])
        assert first(vector) == (new, pytest.approx(1, abs=1e-6))
        index.add([other], ids=[new])
        assert first(other) == (new, pytest.approx(1, abs=1e-6))
        assert first(vector)[0] != new
        old = number * 97
        assert first(vectors[old]) == (old, pytest.approx(1, abs=1e-6))
        index.add([vector], ids=[old])
        assert first(vector) == (old, pytest.approx(1, abs=1e-6))
        assert first(vectors[old])[0] != old
        assert index.remove([old, new]) == 2
        assert first(vector)[0] != old
        assert first(other)[0] != new
        assert len(index) == ROWS - number - 1


def test_changes_of_documents_are_seen_by_the_next_search(tmp_path: Path) -> None:
    """Catches a commit whose vectors are found late, or found after it deleted them."""
    vectors = clustered(ROWS)
    with ragstone.open(tmp_path / "kb", embedder=None, language="none") as index:
        index.upsert([Document(f"d{n:05}", "text") for n in range(ROWS)], embeddings=vectors)

        def first(vector: NDArray[np.float32]) -> str:
            return index.search(vector=vector, top_k=1)[0].document_id

        for number, vector in enumerate(np.random.default_rng(6).standard_normal((6, DIMENSION)).astype(np.float32)):
            index.upsert([Document("new", "text")], embeddings=[vector])
            assert first(vector) == "new"
            index.upsert([Document(f"d{number:05}", "text")], embeddings=[vector])
            assert first(vectors[number]) != f"d{number:05}"
            index.delete(document_ids=["new"])
            assert first(vector) == f"d{number:05}"


def test_files_of_fewer_vectors_are_smaller(tmp_path: Path) -> None:
    """Catches removed vectors whose codes are kept."""
    index = DenseIndex(dimension=DIMENSION)
    index.add(clustered(ROWS))
    index.save(tmp_path / "vectors")
    full = (tmp_path / "vectors").stat().st_size
    index = DenseIndex.open(tmp_path / "vectors")
    index.add(clustered(ROWS, seed=2), ids=np.arange(ROWS))
    index.save(tmp_path / "vectors")
    assert (tmp_path / "vectors").stat().st_size == full
    assert index.remove(np.arange(0, ROWS, 2)) == ROWS / 2
    index.save(tmp_path / "vectors")
    assert (tmp_path / "vectors").stat().st_size < 0.52 * full


def test_merging_gives_back_the_space_of_deleted_vectors(tmp_path: Path) -> None:
    """Catches merges that carry the codes of deleted rows along."""

    def size() -> int:
        return sum(path.stat().st_size for path in (tmp_path / "kb").iterdir() if path.name.startswith("vec-"))

    vectors = clustered(ROWS)
    with ragstone.open(tmp_path / "kb", embedder=None, language="none") as index:
        index.upsert([Document(f"d{n:05}", "text") for n in range(ROWS)], embeddings=vectors)
        full = size()
        index.delete(document_ids=[f"d{n:05}" for n in range(0, ROWS, 2)])
        index.merge()
        assert index.search(vector=vectors[1], top_k=1)[0].document_id == "d00001"
    # Closed, because a merge in the background may have begun the same work and has to remove it.
    assert size() < 0.52 * full


@pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")
def test_memory_of_removed_vectors_is_used_again() -> None:
    """Catches rows that are never used again: an index whose vectors change would grow without end."""
    program = """
import numpy as np
import ragstone

def resident():
    return int(open("/proc/self/statm").read().split()[1])

index = ragstone.DenseIndex(dimension=128)
vectors = np.random.default_rng(7).standard_normal((20_000, 128), dtype=np.float32)
empty = resident()
ids = index.add(vectors)
full = resident()
for turn in range(12):
    if turn % 2:
        index.remove(ids)
        ids = index.add(vectors)
    else:
        index.add(vectors, ids=ids)
    if turn == 1:
        # What a replacement needs for itself is kept by the allocator.
        settled = resident()
print((resident() - settled) / (full - empty))
"""
    assert float(told(program, RAGSTONE_THREADS="1")) < 0.5


def test_a_filter_of_booleans_is_the_ids_where_it_is_true(tmp_path: Path) -> None:
    """Catches bits out of order, a mask of another length than the ids, and ids that are not their rows' numbers."""
    random = np.random.default_rng(3)
    vectors = random.standard_normal((5000, 24)).astype(np.float32)
    index = ragstone.DenseIndex(dimension=24)
    index.add(vectors)
    index.save(tmp_path / "saved")
    mixed = ragstone.DenseIndex.open(tmp_path / "saved")
    mixed.remove([3, 4000])
    mixed.add(vectors[:2], [7, 9000])
    for searched in (index, ragstone.DenseIndex.open(tmp_path / "saved"), mixed):
        for length in (0, 1, 63, 64, 4999, 5000, 9001, 20_000):
            mask = random.random(length) < 0.3
            by_mask = searched.search(vectors[:3], top_k=20, filter_ids=mask)
            by_ids = searched.search(vectors[:3], top_k=20, filter_ids=np.flatnonzero(mask))
            assert np.array_equal(by_mask[0], by_ids[0]) and np.array_equal(by_mask[1], by_ids[1])
    with pytest.raises(ragstone.InvalidInput, match="shape"):
        index.search(vectors[:1], filter_ids=np.ones((2, 2), dtype=bool))
