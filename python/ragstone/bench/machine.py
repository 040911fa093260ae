"""What a figure depends on: the machine, how busy it is, and the versions of what runs on it."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ragstone import _core
from ragstone.embedding.threads import thread_budget

__all__ = ["facts"]

# Extensions that the kernels of search and of embedding models use where they are.
_FLAGS = ("ssse3", "sse4_2", "avx", "avx2", "fma", "f16c", "avx_vnni", "avx512", "amx", "asimd", "sve", "bf16", "i8mm")
_PACKAGES = ("numpy", "onnxruntime", "tokenizers")


def facts() -> dict[str, object]:
    """Machine, load and versions; ``None`` for what the system does not tell.

    >>> found = facts()
    >>> found["cores"] >= 1, found["instruction_set"] in found["instruction_sets"]
    (True, True)
    """
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": _processor("model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": thread_budget(),
        "instruction_set": _core.instruction_set(),
        "instruction_sets": _core.instruction_sets(),
        "flags": _flags(),
        "governor": _line(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        "load_1min": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "memory_gib": _memory_gib(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "ragstone": _core.__version__,
        **{package: _version(package) for package in _PACKAGES},
    }


def _processor(field: str) -> str | None:
    """One field of the first processor, where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    found = (line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == field)
    return next(found, None)


def _flags() -> str | None:
    flags = _processor("flags") or _processor("Features")
    return None if flags is None else " ".join(sorted(one for one in flags.split() if one.startswith(_FLAGS)))


def _line(path: Path) -> str | None:
    try:
        return path.read_text("utf-8", "replace").strip() or None
    except OSError:
        return None


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, OSError, ValueError):
        return None


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
