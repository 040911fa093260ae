"""Packages that only some benchmarks need, imported where they are needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ragstone.errors import MissingDependency

__all__ = ["needed"]


def needed(module: str, package: str) -> Any:
    """A module of an optional package.

    Raises:
        MissingDependency: It is not installed; the message has the pip command.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingDependency(f"{module} cannot be imported ({error}): run pip install {package}") from None
