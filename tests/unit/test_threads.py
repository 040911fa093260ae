"""The thread budget: what the environment, the affinity mask and cgroups of both versions allow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ragstone.embedding import threads
from ragstone.embedding.threads import cgroup_cpu_quota, thread_budget
from ragstone.errors import InvalidInput

V2_MOUNT = "30 23 0:26 {root} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNT = "31 24 0:27 {root} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"


def tree(root: Path, files: dict[str, str]) -> Path:
    """A file system with these files."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        # version 2, limit on the process's own group
        (
            {
                "proc/self/mountinfo": V2_MOUNT.format(root="/"),
                "proc/self/cgroup": "0::/jobs/app\n",
                "sys/fs/cgroup/jobs/app/cpu.max": "150000 100000\n",
            },
            1.5,
        ),
        # version 2, the parent's limit is the smaller one
        (
            {
                "proc/self/mountinfo": V2_MOUNT.format(root="/"),
                "proc/self/cgroup": "0::/jobs/app\n",
                "sys/fs/cgroup/jobs/app/cpu.max": "800000 100000\n",
                "sys/fs/cgroup/jobs/cpu.max": "200000 100000\n",
            },
            2.0,
        ),
        # version 2, no limit
        (
            {
                "proc/self/mountinfo": V2_MOUNT.format(root="/"),
                "proc/self/cgroup": "0::/\n",
                "sys/fs/cgroup/cpu.max": "max 100000\n",
            },
            None,
        ),
        # version 2, a container that sees only its own subtree, mounted at the top
        (
            {
                "proc/self/mountinfo": V2_MOUNT.format(root="/docker/abc"),
                "proc/self/cgroup": "0::/docker/abc\n",
                "sys/fs/cgroup/cpu.max": "300000 100000\n",
            },
            3.0,
        ),
        # version 1
        (
            {
                "proc/self/mountinfo": V1_MOUNT.format(root="/"),
                "proc/self/cgroup": "4:memory:/x\n3:cpu,cpuacct:/x\n",
                "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us": "250000\n",
                "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us": "100000\n",
            },
            2.5,
        ),
        # version 1, -1 means no limit
        (
            {
                "proc/self/mountinfo": V1_MOUNT.format(root="/"),
                "proc/self/cgroup": "3:cpu,cpuacct:/x\n",
                "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
        # both at once: the group of each hierarchy counts
        (
            {
                "proc/self/mountinfo": V2_MOUNT.format(root="/") + V1_MOUNT.format(root="/"),
                "proc/self/cgroup": "3:cpu,cpuacct:/x\n0::/y\n",
                "sys/fs/cgroup/y/cpu.max": "900000 100000\n",
                "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us": "400000\n",
                "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us": "100000\n",
            },
            4.0,
        ),
        # nothing to read at all, and nonsense in every file
        ({}, None),
        (
            {
                "proc/self/mountinfo": "- cgroup2\n\n1 2 - \n" + V2_MOUNT.format(root="/"),
                "proc/self/cgroup": "::\nx\n0::/a\n",
                "sys/fs/cgroup/a/cpu.max": "12 0\n",
                "sys/fs/cgroup/cpu.max": "many few words\n",
            },
            None,
        ),
    ],
)
def test_quota(tmp_path: Path, files: dict[str, str], quota: float | None) -> None:
    """Catches a quota missed in one of the layouts that containers really have."""
    assert cgroup_cpu_quota(tree(tmp_path, files)) == quota


def test_this_machine_is_readable() -> None:
    """Catches a reader that fails on the files of the machine it runs on."""
    quota = cgroup_cpu_quota()
    assert quota is None or quota > 0


@pytest.mark.parametrize(
    ("quota", "cpus", "budget"), [(None, 6, 6), (1.9, 6, 1), (0.2, 6, 1), (4.0, 6, 4), (64.0, 6, 6)]
)
def test_budget_is_the_smaller(monkeypatch: pytest.MonkeyPatch, quota: float | None, cpus: int, budget: int) -> None:
    """Catches a budget above the quota (the kernel would stop threads) or of no thread at all."""
    monkeypatch.delenv("RAGSTONE_THREADS", raising=False)
    monkeypatch.setattr(threads, "cgroup_cpu_quota", lambda: quota)
    monkeypatch.setattr(threads, "_available_cpus", lambda: cpus)
    threads._allowed.cache_clear()
    assert thread_budget() == budget
    threads._allowed.cache_clear()


def test_variable_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a user's setting that is ignored."""
    monkeypatch.setenv("RAGSTONE_THREADS", " 7 ")
    assert thread_budget() == 7


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "1025", "²", "99999999999999999999"])
def test_bad_variable(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Catches a mistyped setting that is silently taken for something else."""
    monkeypatch.setenv("RAGSTONE_THREADS", value)
    with pytest.raises(InvalidInput, match="RAGSTONE_THREADS"):
        thread_budget()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity masks")
def test_affinity_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a count of all processors where only some may be used."""
    monkeypatch.delenv("RAGSTONE_THREADS", raising=False)
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert thread_budget() == 1
    finally:
        os.sched_setaffinity(0, before)
