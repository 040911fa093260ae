"""The repository as a whole: sizes of files, paths in documents, and nothing of the machine that it was written on."""

from __future__ import annotations

import re

from hygiene.sources import PACKAGE, ROOT, below, tracked

LINES_MAX = 600
# Longer files, each with the reason why it is not two.
LONG: dict[str, str] = {}
FOLDERS = ("benches/", "corpora/", "python/", "rust/", "tests/")
# In pieces, so that this file does not name them.
MACHINE = re.compile("|".join(("/" + "work/(main|shared)", "/tmp/" + "wt", "/tmp/" + "bash_jobs")))


def test_no_file_is_too_long() -> None:
    """Catches a file that grows past what one sentence can describe."""
    files = below(PACKAGE, ".py") + below(ROOT / "rust", ".rs")
    assert len(files) >= 100
    long = {
        path.relative_to(ROOT).as_posix() for path in files if path.read_text(encoding="utf-8").count("\n") > LINES_MAX
    }
    assert long == set(LONG)


def test_no_path_of_a_machine() -> None:
    """Catches a file that only works where it was written."""
    found, seen = [], 0
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        seen += 1
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in MACHINE.finditer(text)]
    assert seen >= 150
    assert found == []


def test_documents_name_paths_that_exist() -> None:
    """Catches a document that points to a file which was moved or renamed."""
    documents = sorted(path for path in tracked() if path.parent == ROOT and path.suffix == ".md")
    assert ROOT / "README.md" in documents
    missing = []
    for document in documents:
        for name in re.findall(r"`([\w./*-]+)`", document.read_text(encoding="utf-8")):
            if name.startswith(FOLDERS) and not any(ROOT.glob(name.rstrip("/"))):
                missing.append(f"{document.name}: {name}")
    assert missing == []


def test_the_top_level_is_what_was_agreed() -> None:
    """Catches a new folder or file at the top, which is a decision and not a convenience."""
    top = {path.relative_to(ROOT).parts[0] for path in tracked()}
    fixed = {"Cargo.toml", "pyproject.toml", "rust", "python", "benches", "tests", "corpora"}
    documents = {"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "LICENSE", "NOTICE"}
    tools = {
        "Makefile",
        "Cargo.lock",
        "rustfmt.toml",
        "clippy.toml",
        "rust-toolchain.toml",
        ".gitignore",
        ".ci",
        ".github",
    }
    assert fixed <= top
    assert top <= fixed | documents | tools
