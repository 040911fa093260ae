"""The table of the checklist: every row of the article once, and no test named that does not exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ROW = re.compile(r"^\| (S\d+) \| (.+?) \| (.+) \|$", re.MULTILINE)
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


def table() -> list[tuple[str, str, list[tuple[str, str]]]]:
    text = (TESTS / "checklist" / "README.md").read_text(encoding="utf-8")
    return [(name, what, NAMED.findall(tests)) for name, what, tests in ROW.findall(text)]


def defined(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name[:5] == "test_"}


def test_every_row_stands_once() -> None:
    """Catches a claim of the article that nobody answers for, or that is answered twice."""
    assert [name for name, _, _ in table()] == [f"S{number}" for number in range(1, 40)]
    assert all(what.strip() and "|" not in what for _, what, _ in table())


def test_every_named_test_exists() -> None:
    """Catches a test that was renamed or deleted while the table still rests on it."""
    missing = [
        f"{row}: {file}::{test}"
        for row, _, tests in table()
        for file, test in tests
        if not (TESTS / file).is_file() or test not in defined(TESTS / file)
    ]
    assert missing == []
    assert all(tests for _, _, tests in table())


def test_every_test_of_this_folder_stands_in_the_table() -> None:
    """Catches a test of a claim that the table does not show."""
    named = {test for _, _, tests in table() for _, test in tests}
    here = set().union(*(defined(path) for path in (TESTS / "checklist").glob("test_*.py"))) - defined(Path(__file__))
    assert here - named == set()
