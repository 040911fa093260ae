"""Kills a writer again and again while other processes read, and counts what was lost and what was read wrong.

A killed process leaves its written pages to the system, so this cannot see a missing sync; it sees stale locks, remains
that stop the next writer, readers that find half a batch, and files taken away under a reader.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from sequence import State, after, found, open_index, perform, write, wrong_hits

from ragstone.errors import NotFound

# States that readers know from the start; the sequence begins anew in a new folder when they are used up.
LENGTH = 1500


def digest(state: State) -> bytes:
    return sha256(json.dumps(state, sort_keys=True).encode()).digest()


def all_states() -> list[State]:
    states: list[State] = [{}]
    for number in range(LENGTH):
        states.append(after(states[-1], write(number, states[-1])))
    return states


def forked(work: Callable[[int], None]) -> tuple[int, int]:
    """A process that runs ``work`` with the writing end of a pipe; returns it and the reading end."""
    receiving, sending = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(receiving)
        code = 1
        try:
            work(sending)
            code = 0
        except BaseException as error:
            os.write(sending, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)
    os.close(sending)
    return process, receiving


def write_on(folder: Path, number: int, states: list[State], sending: int) -> None:
    with open_index(folder / "kb") as index:
        os.write(sending, b"open\n")
        for at in range(number, LENGTH):
            done = write(at, states[at])
            copy = folder / f"copy{at}-{os.getpid()}"
            perform(index, done, copy)
            shutil.rmtree(copy, ignore_errors=True)
            os.write(sending, f"{at}\n".encode())


def read_on(folder: Path, states: dict[bytes, int], seed: int, sending: int) -> None:
    """Open or refresh, and compare all documents and a search with the committed states, until told to stop."""
    stop = folder / "stop"
    dice = random.Random(seed)
    reads = 0
    while not stop.exists():
        try:
            with open_index(folder / "kb", read_only=True, mmap=dice.random() < 0.8) as index:
                newest = -1
                for _ in range(dice.randint(1, 4)):
                    index.refresh()
                    state = found(index)
                    number = states.get(digest(state))
                    if number is None:
                        os.write(sending, f"a state that was never committed: {sorted(state)}\n".encode())
                    elif number < newest:
                        os.write(sending, f"state {number} after state {newest}\n".encode())
                    else:
                        newest = number
                    for wrong in wrong_hits(index, state, dice):
                        os.write(sending, f"{wrong}\n".encode())
                    # What is held stays as it is while the writer goes on.
                    if digest(found(index)) != digest(state):
                        os.write(sending, b"a held state changed\n")
                    reads += 1
        except NotFound:
            time.sleep(0.005)
    os.write(sending, f"reads {reads}\n".encode())


def attack(folder: Path, kills: int, readers: int, seed: int, report: dict[str, int]) -> None:
    """One sequence with its readers; ends after so many kills or at the last write."""
    states = all_states()
    # Where a write changes nothing, as a merge, the later number stands for both.
    known = {digest(state): number for number, state in enumerate(states)}
    reading = [forked(lambda sending, n=n: read_on(folder, known, seed + n, sending)) for n in range(readers)]  # type: ignore[misc]
    dice = random.Random(seed)
    number = 0
    try:
        while report["kills"] < kills and number < LENGTH - 50:
            process, receiving = forked(lambda sending, at=number: write_on(folder, at, states, sending))  # type: ignore[misc]
            time.sleep(dice.random() ** 2 * 0.2)
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            lines = receive(receiving)
            acked = number
            for line in lines:
                if line.isdigit():
                    acked = int(line) + 1
                elif line != "open":
                    print(f"writer {report['kills']}: {line}", flush=True)
                    report["refused"] += 1
            report["kills"] += 1
            report["acknowledged"] += acked - number
            number = judge(folder, states, acked, report)
    finally:
        (folder / "stop").touch()
        for process, receiving in reading:
            for line in receive(receiving):
                if line.startswith("reads "):
                    report["reads"] += int(line.removeprefix("reads "))
                else:
                    print(f"reader: {line[:300]}", flush=True)
                    report["wrong_reads"] += 1
            os.waitpid(process, 0)


def receive(receiving: int) -> list[str]:
    """All lines until the other end is closed, or for 60 seconds."""
    data, end = b"", time.monotonic() + 60
    while select.select([receiving], [], [], max(0, end - time.monotonic()))[0] and (got := os.read(receiving, 65536)):
        data += got
    os.close(receiving)
    return data.decode(errors="replace").splitlines()


def judge(folder: Path, states: list[State], acked: int, report: dict[str, int]) -> int:
    """The writes that are there: all that were acknowledged, and at most one more."""
    if not (folder / "kb").exists() or not list((folder / "kb").glob("manifest-*")):
        report["lost"] += acked
        return 0
    with open_index(folder / "kb", read_only=True) as index:
        there = found(index)
        if report["kills"] % 20 == 0 and (damage := index.verify()):
            print(f"kill {report['kills']}: {damage}", flush=True)
            report["damaged"] += 1
    for number in (acked + 1, acked):
        if there == states[number]:
            return number
    print(f"kill {report['kills']}: neither state {acked} nor {acked + 1}", flush=True)
    report["lost"] += 1
    return max((number for number, state in enumerate(states) if state == there), default=0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=2000)
    parser.add_argument("--readers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where to write: a real disk is slower than memory")
    given = parser.parse_args()
    keys = ("kills", "acknowledged", "reads", "lost", "wrong_reads", "refused", "damaged")
    report = dict.fromkeys(keys, 0)
    turn = 0
    while report["kills"] < given.kills:
        folder = Path(tempfile.mkdtemp(prefix="ragstone-kills-", dir=given.folder))
        try:
            attack(folder, given.kills, given.readers, given.seed + 10 * turn, report)
        finally:
            shutil.rmtree(folder)
        turn += 1
    for key, value in report.items():
        print(f"figure {key} {value}")
    return int(any(report[key] for key in ("lost", "wrong_reads", "refused", "damaged")))


if __name__ == "__main__":
    sys.exit(main())
