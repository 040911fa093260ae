"""Imports point down: the order of the parts, in Python and in Rust, as data."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from hygiene.sources import PACKAGE, ROOT, below, without_comments

# Parts of one layer do not import each other; a part imports from layers above its own in this list.
PYTHON = [
    {"_core", "errors", "records"},
    {"arguments", "boundaries"},
    {"estimates", "lines"},
    {"answerability", "chunking", "citation", "comparison", "documents", "embedding", "filters", "metrics", "query"}
    | {"recommender", "scoring"},
    {"arrays", "calibrated", "exchange", "grounding", "judgements"},
    {"recall", "store"},
    {"index"},
    {"pipeline"},
    {"bench", "evaluation", "handoff", "monitoring", "tuning"},
    {"recommendation"},
    {"__init__"},
    {"demo", "doctor"},
    {"cli"},
]
# (importing part, imported part): why. Only inside a function, so that importing the one does not load the other.
LAZY = {("chunking", "embedding"): "without a counter of tokens, the built-in embedder's is the default"}
OPTIONAL = {"jsonschema", "jsonschema_specifications", "onnxruntime", "ragstone_minilm", "referencing", "tokenizers"}
FORBIDDEN = frozenset(
    [
        "ctypes",
        "dbm",
        "ftplib",
        "http",
        "marshal",
        "pickle",
        "requests",
        "shelve",
        "smtplib",
        "socket",
        "socketserver",
        "ssl",
        "telnetlib",
        "urllib",
        "webbrowser",
        "xmlrpc",
    ]
)

RUST = [
    {"error"},
    {"bitmap", "ids", "instructions", "interrupt", "share"},
    {"storage"},
    {"chunks", "dense", "embedding", "filter", "history", "lexical", "metrics", "routing"},
    {"fusion", "grounding", "tombstones"},
    {"segment"},
    {"snapshot"},
    {"superseded"},
    {"writer"},
    {"merge", "searcher"},
    {"index"},
]


def rank(layers: list[set[str]], part: str) -> int:
    found = [number for number, layer in enumerate(layers) if part in layer]
    assert found, f"{part!r} has no place in the order: give it one"
    return found[0]


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Full names of what a file imports, and whether that happens inside a function or for type checkers alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    late = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) or is_type_checking(node)]
    lazy = {id(node) for outer in late for node in ast.walk(outer)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in lazy
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                yield f"{node.module}.{alias.name}", id(node) in lazy


def test_python_imports_point_down() -> None:
    """Catches a part that begins to know of one above or beside it."""
    files = below(PACKAGE, ".py")
    assert len(files) >= 40
    wrong, used = [], set()
    for path in files:
        part = part_of(path)
        for name, lazy in imports(path):
            first, *rest = name.split(".")
            if first != "ragstone":
                continue
            known = set().union(*PYTHON)
            target = rest[0] if rest and rest[0] in known else "__init__"
            if target == part or rank(PYTHON, target) < rank(PYTHON, part):
                continue
            if lazy and (part, target) in LAZY:
                used.add((part, target))
                continue
            wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []
    assert used == set(LAZY), "an exception that nobody needs"
    assert {part_of(path) for path in files} == set().union(*PYTHON) - {"_core"}, "the order names other parts"


def test_optional_packages_are_imported_where_they_are_needed() -> None:
    """Catches a package beyond numpy that importing ragstone would need, or one that is nowhere declared."""
    seen, wrong = 0, []
    for path in below(PACKAGE, ".py"):
        for name, lazy in imports(path):
            seen += 1
            first = name.split(".")[0]
            allowed = first in sys.stdlib_module_names or first in {"numpy", "ragstone"} or (lazy and first in OPTIONAL)
            if not allowed:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert seen >= 200
    assert wrong == []


def test_no_network_no_pickle_no_code_in_data() -> None:
    """Catches a module that could call out, load objects from data, or run text as code."""
    wrong = []
    for path in below(PACKAGE, ".py"):
        wrong += [f"{path.name} imports {name}" for name, _ in imports(path) if name.split(".")[0] in FORBIDDEN]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id in {"eval", "exec", "compile", "__import__"}:
                    wrong.append(f"{path.name} calls {node.func.id}")
                wrong += [f"{path.name} allows pickle" for word in node.keywords if word.arg == "allow_pickle"]
    assert len(below(PACKAGE, ".py")) >= 40
    assert wrong == []


def test_rust_modules_point_down() -> None:
    """Catches a module of the engine that begins to know of one above or beside it."""
    source = ROOT / "rust" / "engine" / "src"
    files = [path for path in below(source, ".rs") if path.name not in {"lib.rs", "tests.rs"}]
    assert len(files) >= 40
    wrong, edges = [], set()
    for path in files:
        part = path.relative_to(source).with_suffix("").parts[0]
        code = without_comments(path)
        named = set(re.findall(r"\bcrate::(\w+)", code))
        for group in re.findall(r"\bcrate::\{([^;]*)\};", code):
            named |= set(re.findall(r"(?:^|,)\s*(\w+)", group))
        for target in named - {part}:
            edges.add((part, target))
            if rank(RUST, target) >= rank(RUST, part):
                wrong.append(f"{path.relative_to(ROOT)} uses crate::{target}")
    assert len(edges) >= 50
    assert wrong == []
    assert not [edge for edge in edges if edge[1] in {"embedding", "routing"}], "these two stand beside the rest"
    declared = set(re.findall(r"^(?:pub )?mod (\w+);", (source / "lib.rs").read_text(), re.MULTILINE))
    assert declared == set().union(*RUST), "the order names other modules"


def test_only_storage_touches_files() -> None:
    """Catches input or output that goes around the storage trait, and with it around the fault injector."""
    kernels, engine = ROOT / "rust" / "kernels" / "src", ROOT / "rust" / "engine" / "src"
    touching = {
        path.relative_to(ROOT).as_posix()
        for folder in (kernels, engine)
        for path in below(folder, ".rs")
        if re.search(r"\bstd::(fs|net)\b|\bFile::", without_comments(path)) and path.name != "tests.rs"
    }
    assert touching == {"rust/engine/src/storage/disk.rs", "rust/engine/src/storage/map.rs"}
    for path in below(engine, ".rs"):
        assert "pyo3" not in path.read_text(encoding="utf-8"), f"{path.name} knows of Python"
