"""How many threads this process may keep busy: one budget for every part that computes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ragstone.errors import InvalidInput

__all__ = ["cgroup_cpu_quota", "thread_budget"]


def thread_budget() -> int:
    """Threads to use: ``RAGSTONE_THREADS`` if set, else what affinity and the cgroup's CPU quota allow.

    A fractional quota is rounded down (never below 1): one thread too many is stopped by the kernel for
    the rest of each period, up to 100 ms, which costs more in the slowest queries than it gains in rate.
    A limit that changes while a process runs is seen by the next process.

    Raises:
        InvalidInput: ``RAGSTONE_THREADS`` is not a whole number from 1 to 1024.

    >>> thread_budget() >= 1
    True
    """
    wanted = os.environ.get("RAGSTONE_THREADS", "").strip()
    if wanted:
        if not (wanted.isascii() and wanted.isdigit()) or not 1 <= int(wanted) <= 1024:
            raise InvalidInput(f"RAGSTONE_THREADS is {wanted!r}; set it to a whole number from 1 to 1024, or unset it")
        return int(wanted)
    return _allowed(os.getpid())


@cache
def _allowed(_process: int) -> int:
    """What this process may use, found once: reading the quota takes longer than a search."""
    quota = cgroup_cpu_quota()
    available = _available_cpus()
    return available if quota is None else max(1, min(available, int(quota)))


def _available_cpus() -> int:
    """Processors that the scheduler may use for this process."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def cgroup_cpu_quota(root: Path = Path("/")) -> float | None:
    """The smallest CPU quota on this process's cgroup path, in processors; ``None`` where there is none.

    Reads version 2 (``cpu.max``) and version 1 (``cpu.cfs_quota_us`` over ``cpu.cfs_period_us``); a limit set
    on any ancestor binds too. ``root`` stands in for the file system's root in tests.
    """
    quotas = [quota for folder in _cgroup_folders(root) if (quota := _quota(folder)) is not None]
    return min(quotas, default=None)


def _cgroup_folders(root: Path) -> Iterator[Path]:
    """Folders of the process's CPU cgroup and of its ancestors, in every mounted hierarchy."""
    own = dict(_own_cgroups(root))
    for line in _lines(root / "proc/self/mountinfo"):
        fields = line.split()
        if "-" not in fields or len(fields) < fields.index("-") + 4:
            continue
        kind, options = fields[fields.index("-") + 1], fields[-1].split(",")
        if kind == "cgroup2":
            path = own.get("")
        elif kind == "cgroup" and "cpu" in options:
            path = own.get("cpu")
        else:
            continue
        mount = root / _unescaped(fields[4]).lstrip("/")
        yield mount  # in a container the group's own path is often not visible below the mount, its limit is
        # The mount may show a subtree only; its place in the hierarchy is the mountinfo's root field.
        below = os.path.relpath(path, _unescaped(fields[3])) if path is not None else "."
        folder = mount
        for part in [] if below.startswith("..") else Path(below).parts:
            folder /= part
            yield folder


def _own_cgroups(root: Path) -> Iterator[tuple[str, str]]:
    """Controller name (empty for version 2) and cgroup path of this process."""
    for line in _lines(root / "proc/self/cgroup"):
        fields = line.split(":", 2)
        if len(fields) == 3:
            yield from ((controller, fields[2]) for controller in fields[1].split(","))


def _quota(folder: Path) -> float | None:
    """CPU quota written in one cgroup folder, in processors."""
    if (words := "".join(_lines(folder / "cpu.max")).split()) and len(words) == 2:
        limit, period = words
    else:
        limit = "".join(_lines(folder / "cpu.cfs_quota_us")).strip()
        period = "".join(_lines(folder / "cpu.cfs_period_us")).strip()
    if not (limit.isdigit() and period.isdigit() and int(limit) > 0 and int(period) > 0):
        return None  # "max", "-1" and absent files all mean no limit here
    return int(limit) / int(period)


def _lines(path: Path) -> list[str]:
    """Lines of a small text file; none where it cannot be read."""
    try:
        return path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []


def _unescaped(field: str) -> str:
    """A mountinfo field with its octal escapes undone."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, character)
    return field
