"""The first answer of a new process: with the index dropped from the system's page cache, and with it still there.

Cold means that the index's files have to come from the disk. The interpreter, its libraries and the embedder's model
may still be cached: they belong to no index. A virtual machine's disk may be cached by its host, which nobody here can
tell; the major page faults show that the pages were not in this system's own memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ragstone.arguments import integer
from ragstone.errors import InvalidInput, RagstoneError
from ragstone.index import Mode

__all__ = ["Cold", "Start", "drop_from_cache", "measure_cold"]

_REPEATS_MAX = 100


@dataclass(frozen=True, slots=True)
class Start:
    """One new process: milliseconds until the index was open, for the first answer, and for each one after it.

    ``process_ms`` is the whole from starting the interpreter to its end. ``faults`` are the major page faults while
    opening and answering first: reads from the disk that the process had to wait for.
    """

    open_ms: float
    first_ms: float
    next_ms: tuple[float, ...]
    process_ms: float
    faults: int


@dataclass(frozen=True, slots=True)
class Cold:
    """Several starts of each kind, in turn."""

    cold: tuple[Start, ...]
    warm: tuple[Start, ...]
    bytes: int

    @property
    def dropped(self) -> bool:
        """Whether the files really were out of memory; another process that has them open keeps them there."""
        return median(start.faults for start in self.cold) > median(start.faults for start in self.warm)

    def to_dict(self) -> dict[str, object]:
        """Medians, least and greatest over the starts."""
        return {
            "repeats": len(self.cold),
            "bytes": self.bytes,
            "dropped": self.dropped,
            **{kind: {name: _span(starts, name) for name in _NAMES} for kind, starts in self._kinds()},
        }

    def _kinds(self) -> tuple[tuple[str, tuple[Start, ...]], ...]:
        return ("cold", self.cold), ("warm", self.warm)

    def __str__(self) -> str:
        head = f"{'ms, median [least, greatest]':<30}" + "".join(f"{kind:>28}" for kind, _ in self._kinds())
        lines = [f"new process, {len(self.cold)} starts of each kind, {self.bytes:,} bytes of index", head]
        for name, text in _NAMES.items():
            row = f"{text:<30}"
            for _, starts in self._kinds():
                span = _span(starts, name)
                row += f"{'{median:.1f} [{least:.1f}, {greatest:.1f}]'.format(**span):>28}"
            lines.append(row)
        if not self.dropped:
            lines.append("the files stayed in memory: another process has them open, or the system keeps them")
        return "\n".join(lines)


_NAMES = {
    "open_ms": "open",
    "first_ms": "first answer",
    "next_ms": "each of the next ones",
    "process_ms": "whole process",
    "faults": "major page faults (number)",
}


def _span(starts: Sequence[Start], name: str) -> dict[str, float]:
    values: list[float] = []
    for start in starts:
        value = getattr(start, name)
        values += value if isinstance(value, tuple) else [value]
    return {"median": median(values), "least": min(values), "greatest": max(values)}


def measure_cold(
    path: str | os.PathLike[str],
    queries: Sequence[str],
    *,
    top_k: int = 10,
    mode: Mode = "hybrid",
    principals: Sequence[str] = (),
    repeats: int = 5,
) -> Cold:
    """Open an index in new processes, cold and warm in turn, and ask each a different query first.

    Close the index first: what this process has mapped stays in memory.

    Args:
        path: The index directory.
        queries: What is asked, at least one.
        top_k: Hits of each search.
        mode: Which halves search.
        principals: Who asks.
        repeats: Starts of each kind, 1 to 100.

    Raises:
        InvalidInput: An argument cannot be used, or this system cannot drop files from its cache.
        RagstoneError: The new process could not open or search the index; the message is its own.
    """
    integer(repeats, "repeats", 1, _REPEATS_MAX)
    if not queries:
        raise InvalidInput("there are no queries: pass at least one")
    if not hasattr(os, "posix_fadvise"):
        raise InvalidInput("this system has no way to drop files from its cache: measure on Linux")
    folder = Path(path)
    ask: dict[str, Any] = {"path": str(folder), "top_k": top_k, "mode": mode, "principals": list(principals)}
    kinds: dict[bool, list[Start]] = {True: [], False: []}
    for turn in range(repeats):
        for dropped in (True, False):
            asked = [queries[(turn * 2 + (not dropped) + step) % len(queries)] for step in range(11)]
            if dropped:
                drop_from_cache(folder)
            kinds[dropped].append(_start({**ask, "queries": asked}))
    size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    return Cold(tuple(kinds[True]), tuple(kinds[False]), size)


def drop_from_cache(folder: Path) -> None:
    """Ask the system to forget the pages of a folder's files, as after a restart."""
    for path in sorted(folder.iterdir()):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


def _start(ask: dict[str, Any]) -> Start:
    command = [sys.executable, "-m", "ragstone.bench.child"]
    started = time.perf_counter()
    outcome = subprocess.run(command, input=json.dumps(ask), capture_output=True, text=True, check=False)
    process_ms = (time.perf_counter() - started) * 1000
    if outcome.returncode:
        said = outcome.stderr.strip().splitlines()
        raise RagstoneError(
            f"a new process could not search {ask['path']!r}: {said[-1] if said else 'it said nothing'}"
        )
    found = json.loads(outcome.stdout.splitlines()[-1])
    return Start(**{**found, "next_ms": tuple(found["next_ms"]), "process_ms": process_ms})
