"""Beside other programs' habits: forked children, Ctrl-C, and results that travel between processes."""

from __future__ import annotations

import copy
import dataclasses
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ragstone


def run(program: str, *arguments: object) -> str:
    told = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )
    assert told.returncode == 0, told.stderr
    return told.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_reads_and_does_not_write(tmp_path: Path) -> None:
    """Catches a child that hangs on its parent's threads, or writes beside its parent."""
    program = """
import os, sys, warnings
warnings.simplefilter("ignore")
import ragstone
index = ragstone.open(sys.argv[1], embedder="hashing")
index.upsert([ragstone.Document(f"d{n}", f"alpha {n}") for n in range(200)])
dense = ragstone.DenseIndex(dimension=8)
dense.add([[n + 1.0] * 8 for n in range(5000)])
dense.search([[1.0] * 8] * 8)
index.search_batch(["alpha"] * 8)
child = os.fork()
if child == 0:
    assert len(index.search_batch(["alpha"] * 8)) == 8
    dense.search([[1.0] * 8] * 8)
    try:
        index.upsert([ragstone.Document("child", "alpha")])
    except ragstone.InvalidInput as error:
        assert "fork" in str(error)
    else:
        os._exit(3)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
index.upsert([ragstone.Document("parent", "alpha")])
assert index.document("child") is None
assert index.verify() == []
index.close()
print("right")
"""
    assert run(program, tmp_path / "kb") == "right\n"


def test_results_travel_between_processes(tmp_path: Path) -> None:
    """Catches a record that multiprocessing, Ray, ``copy.deepcopy`` or ``dataclasses.asdict`` cannot take."""
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        index.upsert([ragstone.Document("a", "alpha", metadata={"year": 2024})])
        result = index.search("alpha", explain=True)
        for record in (result, index.document("a"), ragstone.Document("b", "beta")):
            assert pickle.loads(pickle.dumps(record)) == record
            assert copy.deepcopy(record) == record
            assert dataclasses.asdict(record)  # type: ignore[call-overload]


def test_control_c_stops_a_long_search(tmp_path: Path) -> None:
    """Catches native code that does not listen, or an interruption that leaves the index unusable."""
    program = """
import signal, sys, numpy as np, ragstone
# A shell's background job inherits that Ctrl-C is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
index = ragstone.DenseIndex(dimension=256)
index.add(np.random.default_rng(0).standard_normal((30_000, 256), dtype=np.float32))
queries = np.random.default_rng(1).standard_normal((20_000, 256), dtype=np.float32)
print("ready", flush=True)
try:
    index.search(queries, top_k=10)
except KeyboardInterrupt:
    assert index.search(queries[:2], top_k=3)[0].shape == (2, 3)
    print("stopped", flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.3)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=120)
    assert (rest, process.returncode) == ("stopped\n", 0)
    # 50 ms between looks; the rest is leave for a busy machine.
    assert time.monotonic() - sent < 20


def test_a_killed_writer_leaves_the_last_commit_and_no_lock(tmp_path: Path) -> None:
    """Catches a commit that was reported and is gone, or a lock that outlives its process."""
    program = """
import sys, ragstone
index = ragstone.open(sys.argv[1], embedder="hashing")
for number in range(10_000):
    index.upsert([ragstone.Document(f"d{number:05}", f"alpha {number}")], embed="later")
    print(number, flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "kb")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        last = -1
        for line in process.stdout:
            last = int(line)
            if last >= 40:
                process.kill()
                break
        for line in process.stdout:
            last = int(line) if line.endswith("\n") else last
    with ragstone.open(tmp_path / "kb", embedder="hashing", verify="full") as index:
        names = {name for name, *_ in index.sources()}
        assert {f"d{number:05}" for number in range(last + 1)} <= names
        assert len(names) <= last + 2
        assert index.verify() == []
        index.upsert([ragstone.Document("after", "alpha")])
