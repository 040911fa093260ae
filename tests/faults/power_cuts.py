"""Cuts the power of a real file system, by its shutdown call, and counts what was acknowledged and lost.

The file system is on a loop device.  ``EXT4_IOC_SHUTDOWN``, which xfs has too, makes it drop all that it has not yet
written, as a power cut does; then it is mounted again.  A disk that lies about its flushes is no part of this.  Needs
root, loop devices and mkfs of ext4 and xfs (``apt install e2fsprogs xfsprogs``); everything is unmounted at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from sequence import State, after, found, open_index, perform, write, wrong_hits

import rivals

SHUTDOWN = 0x8004587D
# Drop the journal too, as a power cut does; or write the journal first, so that names survive and contents may not.
POWER, JOURNAL_KEPT = 2, 1
MAKE = {
    "ext4": ["mkfs.ext4", "-q", "-F"],
    "ext4-writeback": ["mkfs.ext4", "-q", "-F"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
}
OPTIONS = {"ext4-writeback": "loop,data=writeback"}


class Disk:
    """A file system of its own kind in a file, mounted."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.image, self.mount = kind, folder / f"{kind}.img", folder / kind
        self.mount.mkdir()
        with self.image.open("wb") as file:
            file.truncate(400 << 20)
        run(*MAKE[kind], str(self.image))
        self.attach()

    def attach(self) -> None:
        run("mount", "-o", OPTIONS.get(self.kind, "loop"), str(self.image), str(self.mount))

    def cut(self, flag: int) -> None:
        descriptor = os.open(self.mount, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, SHUTDOWN, struct.pack("I", flag))
        finally:
            os.close(descriptor)

    def detach(self) -> None:
        for attempt in range(50):
            if subprocess.run(["umount", str(self.mount)], capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.02 * (attempt + 1))
        run("umount", "-l", str(self.mount))


def run(*command: str) -> None:
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    if outcome.returncode:
        raise SystemExit(f"{' '.join(command)}: {outcome.stderr.strip()}")


@contextlib.contextmanager
def mounted(kind: str) -> Iterator[Disk]:
    """A fresh disk, taken away whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="ragstone-power-"))
    disk = Disk(kind, folder)
    try:
        yield disk
    finally:
        disk.detach()
        shutil.rmtree(folder)


class Child:
    """A forked process that runs ``work`` and acknowledges by bytes through a pipe."""

    def __init__(self, work: Callable[[Callable[[], None]], None]) -> None:
        self.acks, sending = os.pipe()
        self.process = os.fork()
        if self.process == 0:
            os.close(self.acks)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            try:
                work(lambda: os.write(sending, b"a") and None)
            finally:
                os._exit(0)
        os.close(sending)

    def wait_acks(self, count: int, timeout: float) -> int:
        """Read until so many acknowledgements came, the child ended, or time is up; returns how many came."""
        import select

        came, end = 0, time.monotonic() + timeout
        while came < count and select.select([self.acks], [], [], max(0.0, end - time.monotonic()))[0]:
            got = os.read(self.acks, 1)
            if not got:
                break
            came += 1
        return came

    def kill(self) -> int:
        """End the child; returns how many more acknowledgements it had sent."""
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        rest = 0
        while got := os.read(self.acks, 4096):
            rest += len(got)
        os.close(self.acks)
        return rest


def write_on(folder: Path, number: int, state: State, acknowledge: Callable[[], None], early: bool) -> None:
    """Go on with the sequence until the disk fails; ``early`` is the mistake of saying so before it is done."""
    with open_index(folder / "kb") as index:
        while True:
            done = write(number, state)
            if early:
                acknowledge()
            perform(index, done, folder / f"copy{number}")
            if not early:
                acknowledge()
            state = after(state, done)
            number += 1


def attack(kind: str, cuts: int, seed: int, report: dict[str, int], *, early: bool = False) -> None:
    """Cut the power again and again while an index is written; what is found each time is where the next one begins."""
    dice = random.Random(seed)
    with mounted(kind) as disk:
        number, state = 0, dict[str, str]()
        for cut in range(cuts):
            child = Child(lambda ack, at=number, now=state: write_on(disk.mount, at, now, ack, early))  # type: ignore[misc]
            acked = child.wait_acks(dice.randint(1, 6), 20)
            # Right after an acknowledgement, or somewhere within the next write or the one after it.
            if dice.random() < 0.7 and not early:
                time.sleep(dice.random() * 0.04)
            flag = JOURNAL_KEPT if dice.random() < 0.2 else POWER
            disk.cut(flag)
            acked += child.kill()
            disk.detach()
            disk.attach()
            possible = [(number, state)]
            for _ in range(acked + 1):
                at, before = possible[-1]
                possible.append((at + 1, after(before, write(at, before))))
            number, state = judge(disk.mount, possible[acked:], f"{kind}, cut {cut}, flag {flag}", report)
            report["cuts"] += 1
            report["acknowledged"] += acked
            if number > 400:
                # Begin anew before the disk is full of snapshots.
                shutil.rmtree(disk.mount / "kb")
                number, state = 0, {}


def judge(folder: Path, allowed: list[tuple[int, State]], what: str, report: dict[str, int]) -> tuple[int, State]:
    """Compare what is there with the last acknowledged state, and the one that was being written."""
    try:
        with open_index(folder / "kb", verify="full") as index:
            there = found(index)
            damage = index.verify()
            wrong = wrong_hits(index, there, random.Random(len(there)))
            for copy in folder.glob("copy*"):
                judge_copy(copy, allowed[0][0], report)
                shutil.rmtree(copy)
    except (ragstone_error(), AssertionError) as error:
        print(f"{what}: {type(error).__name__}: {error}")
        report["lost"] += 1
        shutil.rmtree(folder / "kb")
        return 0, {}
    for number, state in allowed:
        if there == state and not damage and not wrong:
            return number, state
    newest = allowed[0][1]
    # A document of the acknowledged state that is gone, unless the write that was under way deletes or replaces it.
    lost = [name for name, text in newest.items() if there.get(name) not in (text, allowed[1][1].get(name))]
    print(f"{what}: {damage or wrong or lost or 'a half batch'}")
    report["lost" if lost else "half_batches"] += 1
    shutil.rmtree(folder / "kb")
    return 0, {}


def judge_copy(copy: Path, acked: int, report: dict[str, int]) -> None:
    """A snapshot that was acknowledged is whole; one that was not may be absent or refused, but not wrong."""
    number = int(copy.name.removeprefix("copy"))
    try:
        with open_index(copy, read_only=True, verify="full") as index:
            if index.verify():
                raise AssertionError(f"{copy.name} is damaged")
            report["snapshots"] += 1
    except ragstone_error():
        if number < acked:
            raise


def ragstone_error() -> type[Exception]:
    from ragstone.errors import RagstoneError

    return RagstoneError


def attack_rivals(kind: str, cuts: int, only: list[str] | None) -> None:
    """Three acknowledged commits of 200 documents, then a cut: how many of the 600 can be found again?"""
    for name, rival in rivals.available(only).items():
        kept = []
        with tempfile.TemporaryDirectory() as folder:
            child = Child(lambda ack, rival=rival, folder=folder: rivals.three_commits(rival, Path(folder), ack))  # type: ignore[misc]
            child.wait_acks(3, 60)
            child.kill()
            if (uncut := rivals.count(rival, Path(folder))) != 600:
                print(f"{name}: {uncut} of 600 are found with no cut at all: left out")
                continue
        for _ in range(cuts):
            with mounted(kind) as disk:
                child = Child(lambda ack, rival=rival, disk=disk: rivals.three_commits(rival, disk.mount, ack))  # type: ignore[misc]
                acked = child.wait_acks(3, 60)
                if acked < 3:
                    child.kill()
                    print(f"{name}: {acked} of 3 commits were acknowledged")
                    break
                disk.cut(POWER)
                child.kill()
                disk.detach()
                disk.attach()
                kept.append(rivals.count(rival, disk.mount))
        if kept:
            seen = sorted({"unreadable" if one < 0 else one for one in kept}, key=str)
            print(f"{name} on {kind}: kept {seen} of 600 in {len(kept)} cuts")
            print(f"figure {name}.{kind}.cuts {len(kept)}")
            print(f"figure {name}.{kind}.kept_min {max(0, min(kept))}")
            print(f"figure {name}.{kind}.unreadable {sum(one < 0 for one in kept)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuts", type=int, default=540, help="power cuts of ragstone, over all file systems")
    parser.add_argument("--rival-cuts", type=int, default=0, help="power cuts of each rival on each file system")
    parser.add_argument("--systems", default="ext4,xfs,ext4-writeback")
    parser.add_argument("--only", help="rivals, by name")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if os.geteuid() != 0:
        print("power_cuts.py mounts file systems: run it as root", file=sys.stderr)
        return 2
    kinds = given.systems.split(",")
    missing = [MAKE[kind][0] for kind in kinds if shutil.which(MAKE[kind][0]) is None]
    if missing:
        print(f"{missing[0]} is missing: apt install e2fsprogs xfsprogs", file=sys.stderr)
        return 2
    # A writer that acknowledges too early loses documents: a judge that does not see it sees nothing.
    seeded = dict.fromkeys(("cuts", "acknowledged", "snapshots", "lost", "half_batches"), 0)
    attack(kinds[0], 20, given.seed, seeded, early=True)
    print(f"figure early_acknowledgement.cuts {seeded['cuts']}")
    print(f"figure early_acknowledgement.lost {seeded['lost'] + seeded['half_batches']}")
    if not seeded["lost"] + seeded["half_batches"]:
        print("a writer that acknowledges too early was not caught", file=sys.stderr)
        return 1
    report = dict.fromkeys(("cuts", "acknowledged", "snapshots", "lost", "half_batches"), 0)
    for place, kind in enumerate(kinds):
        attack(kind, given.cuts // len(kinds), given.seed + place, report)
        print(f"{kind}: {report}", flush=True)
    for key, value in report.items():
        print(f"figure {key} {value}")
    if given.rival_cuts:
        for kind in kinds[:2]:
            attack_rivals(kind, given.rival_cuts, given.only.split(",") if given.only else None)
    return int(report["lost"] + report["half_batches"] > 0)


if __name__ == "__main__":
    sys.exit(main())
