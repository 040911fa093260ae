"""What users may call: exactly what is exported, all of it explained."""

from __future__ import annotations

import ast
import inspect
import types

import pytest

import ragstone
from hygiene.sources import PACKAGE, ROOT, below
from ragstone import errors, records


def test_what_can_be_imported_is_what_is_exported() -> None:
    """Catches a name that becomes public by accident, or is exported and missing."""
    public = {
        name for name, value in vars(ragstone).items() if name[0] != "_" and not isinstance(value, types.ModuleType)
    }
    assert len(public) >= 35
    # What recommends is imported when it is first asked for.
    later = {"Needs", "Recommendation", "Recommender"}
    assert ragstone.__all__ == sorted(public | later | {"__version__", "metrics"})
    assert all(inspect.isclass(getattr(ragstone, name)) for name in later)
    with pytest.raises(AttributeError, match="no attribute 'Recomender'"):
        _ = ragstone.Recomender  # type: ignore[attr-defined]
    assert set(errors.__all__) <= set(ragstone.__all__)
    assert isinstance(ragstone.metrics, types.ModuleType)


def test_every_public_thing_is_explained() -> None:
    """Catches a class, function, method or property without a docstring."""
    seen, silent = 0, []
    for name in [*ragstone.__all__, *(f"records.{name}" for name in records.__all__)]:
        value = getattr(records, name[8:]) if name.startswith("records.") else getattr(ragstone, name)
        if not (inspect.isclass(value) or inspect.isfunction(value)):
            continue
        if value.__module__.startswith("ragstone"):
            seen += 1
            if not (value.__doc__ or "").strip() or value.__doc__.startswith(f"{value.__name__}("):  # type: ignore[union-attr]
                silent.append(name)
        if inspect.isclass(value):
            for member, kind in inspect.getmembers(
                value, lambda one: inspect.isfunction(one) or isinstance(one, property)
            ):
                if member[0] != "_" and (getattr(kind, "__module__", "") or "ragstone").startswith("ragstone"):
                    seen += 1
                    if not (kind.__doc__ or "").strip():
                        silent.append(f"{name}.{member}")
    assert seen >= 80
    assert silent == []


def test_every_file_begins_with_its_purpose() -> None:
    """Catches a file that does not say what it is for."""
    silent = []
    files = below(PACKAGE, ".py") + below(ROOT / "tests", ".py") + below(ROOT / "benches", ".py")
    for path in files:
        text = path.read_text(encoding="utf-8")
        if text.strip() and not (ast.get_docstring(ast.parse(text)) or "").strip():
            silent.append(str(path.relative_to(ROOT)))
    rust = [path for crate in ("kernels", "engine", "python") for path in below(ROOT / "rust" / crate / "src", ".rs")]
    for path in rust:
        if not path.read_text(encoding="utf-8").startswith("//!"):
            silent.append(str(path.relative_to(ROOT)))
    assert len(files) >= 70
    assert len(rust) >= 50
    assert silent == []
