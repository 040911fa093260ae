"""Indexes for arrays: ids, shapes, padding, files and threads. The scores themselves have property tests."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from ragstone import BM25Index, DenseIndex
from ragstone.errors import InvalidInput

AXES = np.eye(4, dtype=np.float32)


def test_shapes_types_and_padding() -> None:
    """Catches results that cannot be used as arrays when fewer are found than asked for."""
    dense = DenseIndex(dimension=4)
    ids, scores = dense.search(AXES, top_k=3)
    assert (ids.shape, ids.dtype, scores.shape, scores.dtype) == ((4, 3), np.int64, (4, 3), np.float32)
    assert np.all(ids == -1)
    assert np.all(scores == -np.inf)
    assert dense.add(AXES[:2]).tolist() == [0, 1]
    ids, scores = dense.search(AXES[0], top_k=3)
    assert ids.tolist() == [[0, 1, -1]]
    assert scores.tolist() == [[1.0, 0.0, -np.inf]]
    ids, scores = dense.search(np.empty((0, 4), dtype=np.float32), top_k=3)
    assert ids.shape == scores.shape == (0, 3)
    lexical = BM25Index()
    lexical.add(["a cat", "two dogs"])
    ids, scores = lexical.search(["dog", "bird", ""], top_k=2)
    assert ids.tolist() == [[1, -1], [-1, -1], [-1, -1]]
    assert ids.dtype == np.int64
    assert scores.dtype == np.float32
    assert lexical.search([], top_k=2)[0].shape == (0, 2)


def test_ids_continue_and_replace() -> None:
    """Catches an id that is given twice, and a replaced vector or text that is still found."""
    dense = DenseIndex(dimension=4)
    assert dense.add(AXES[:1], ids=[7]).tolist() == [7]
    assert dense.add(AXES[1:3]).tolist() == [8, 9]
    dense.add(AXES[3:], ids=[7])
    assert len(dense) == 3
    assert dense.search(AXES[0], top_k=4)[1][0].tolist() == [0.0, 0.0, 0.0, -np.inf]
    assert dense.search(AXES[3], top_k=1)[0].tolist() == [[7]]
    assert dense.remove([9, 9, 100]) == 1
    assert dense.add(AXES[2:3]).tolist() == [10], "a removed id is not given again"
    lexical = BM25Index()
    assert lexical.add(["one"], ids=[7]).tolist() == [7]
    assert lexical.add(["two"]).tolist() == [8]
    lexical.add(["three"], ids=[7])
    assert lexical.search("one")[0][0][0] == -1
    assert lexical.search("three")[0][0][0] == 7
    assert lexical.remove([7, 7]) == 1
    assert len(lexical) == 1


def test_kinds_of_arrays_are_taken() -> None:
    """Catches an array whose layout or type is misread."""
    plain = DenseIndex(dimension=4)
    plain.add(AXES * 3)
    for vectors in (
        AXES.tolist(),
        np.asfortranarray(AXES),
        AXES.astype(np.float64),
        AXES.astype(np.float16),
        AXES.astype(np.int8),
        np.repeat(AXES, 2, axis=0)[::2],
        AXES.astype(">f4"),
    ):
        index = DenseIndex(dimension=4)
        index.add(vectors)
        for query in (AXES[2], AXES[2].tolist(), AXES[2].astype(np.float64)[np.newaxis]):
            assert [part.tolist() for part in index.search(query)] == [part.tolist() for part in plain.search(AXES[2])]


def test_a_filter_may_name_ids_that_do_not_exist() -> None:
    """Catches a filter that finds more or less than the ids that are there."""
    index = DenseIndex(dimension=4)
    index.add(AXES)
    assert index.search(AXES[0], top_k=4, filter_ids=[3, 1, 99, 1])[0].tolist() == [[1, 3, -1, -1]]
    assert index.search(AXES[0], top_k=1, filter_ids=[])[0].tolist() == [[-1]]
    assert index.search(AXES[0], top_k=1, filter_ids=np.array([], dtype=np.float64))[0].tolist() == [[-1]]


def test_saving_replaces_the_file_in_one_step(tmp_path: Path) -> None:
    """Catches a saved index that changes under a reader, loses its settings, or leaves remains."""
    dense = DenseIndex(dimension=4)
    dense.add(AXES, ids=[5, 3, 9, 1])
    dense.save(tmp_path / "dense")
    reader = DenseIndex.open(tmp_path / "dense")
    dense.remove([5])
    dense.save(tmp_path / "dense")
    assert reader.search(AXES[0], top_k=1)[0].tolist() == [[5]]
    again = DenseIndex.open(tmp_path / "dense")
    assert (len(again), again.dimension) == (3, 4)
    assert again.add(AXES[:1]).tolist() == [10]
    lexical = BM25Index(language="german", k1=0.9, b=0.4)
    lexical.add(["die Häuser", "ein Hund"])
    lexical.save(tmp_path / "lexical")
    opened = BM25Index.open(tmp_path / "lexical")
    for one, other in zip(opened.search("Haus hunde"), lexical.search("Haus hunde"), strict=True):
        assert np.array_equal(one, other)
    assert opened.search("haus")[0][0][0] == 0
    assert opened.add(["neu"]).tolist() == [2]
    assert {path.name for path in tmp_path.iterdir()} == {"dense", "lexical"}


def test_results_are_the_same_on_any_number_of_threads() -> None:
    """Catches a score or an order that depends on how the rows are shared out."""
    program = (
        "import numpy as np, ragstone, hashlib\n"
        "random = np.random.default_rng(3)\n"
        "index = ragstone.DenseIndex(dimension=33)\n"
        "index.add(random.standard_normal((5000, 33)))\n"
        "ids, scores = index.search(random.standard_normal((20, 33)), top_k=50)\n"
        "print(hashlib.sha256(ids.tobytes() + scores.tobytes()).hexdigest())"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"RAGSTONE_THREADS": threads, "RAGSTONE_ISA": isa},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2", "7")
        for isa in ("scalar", "")
    }
    assert len(told) == 1


@pytest.mark.parametrize("kind", ["dense", "lexical"])
def test_threads_may_share_an_index(kind: str) -> None:
    """Catches a search beside an addition that crashes, or finds a half-added row."""
    dense, lexical = DenseIndex(dimension=4), BM25Index(language="none")
    failures: list[object] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                if kind == "dense":
                    found = dense.search(AXES[0], top_k=64)[1][0]
                    assert np.all((found == -np.inf) | (found == 1.0))
                else:
                    found = lexical.search("alpha", top_k=64)[0][0]
                    assert len(set(found[found >= 0].tolist())) == np.count_nonzero(found >= 0)
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(60):
        dense.add(AXES[:1])
        lexical.add(["alpha"])
    done.set()
    for reader in readers:
        reader.join()
    assert failures == []
    assert len(dense) == len(lexical) == 60


def test_texts_are_indexed_and_found_the_same_on_any_number_of_threads(tmp_path: Path) -> None:
    """Catches a file or a result that depends on how texts or queries are shared out."""
    program = (
        "import hashlib, pathlib, ragstone, sys\n"
        "texts = [' '.join(f'w{i * i % (7 + j)} é{j % (i + 1)}' for j in range(i % 40)) for i in range(20_000)]\n"
        "index = ragstone.BM25Index()\n"
        "index.add(texts)\n"
        "ids, scores = index.search([f'w{i} é{i % 5}' for i in range(40)], top_k=50)\n"
        "index.save(sys.argv[1])\n"
        "told = ids.tobytes() + scores.tobytes() + pathlib.Path(sys.argv[1]).read_bytes()\n"
        "print(hashlib.sha256(told).hexdigest())"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / threads)],
            env={"RAGSTONE_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2", "5")
    }
    assert len(told) == 1


def test_a_long_add_can_be_stopped() -> None:
    """Catches an addition that ignores Ctrl-C, or leaves a part of its texts behind."""
    index = BM25Index()
    index.add(["kept"])
    texts = [" ".join(f"word{number}" for number in range(20_000))] * 1000

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            index.add(texts)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(index) == 1
    assert index.add(["word5"]).tolist() == [1]
    assert index.search("word5 kept", top_k=3)[0].tolist() in ([[0, 1, -1]], [[1, 0, -1]])


def test_a_text_that_cannot_be_stored_is_named() -> None:
    """Catches an error that does not say which text it is about, and texts added beside it."""
    index = BM25Index()
    for texts in (["fine", "lone \ud800"], ["fine", 5], "one string", 7):
        with pytest.raises(InvalidInput, match=r"text 1|texts is"):
            index.add(texts)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="query 0"):
        index.search("lone \ud800")
    with pytest.raises(InvalidInput, match="query 1"):
        index.search(["a", None])  # type: ignore[list-item]
    assert len(index) == 0
    assert index.add(text for text in ("a generator", "of texts")).tolist() == [0, 1]  # type: ignore[arg-type]
