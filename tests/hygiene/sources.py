"""Finds the project's files for the tests of this folder, each of which says how many it must have seen."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "python" / "ragstone"


@cache
def tracked() -> tuple[Path, ...]:
    """All files that are, or are about to be, in the repository; all files where there is none (a source archive)."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        names = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
        return tuple(path for path in names if path.is_file())
    hidden = {".git", ".venv", ".build", "target", "dist", "__pycache__"}
    return tuple(path for path in ROOT.rglob("*") if path.is_file() and not hidden & set(path.relative_to(ROOT).parts))


def below(folder: Path, suffix: str) -> list[Path]:
    """The tracked files of one kind below a folder, sorted."""
    return sorted(path for path in tracked() if path.suffix == suffix and folder in path.parents)


def without_comments(path: Path) -> str:
    """The code of a Rust file: no comments, and nothing from its tests on."""
    lines = path.read_text(encoding="utf-8").split("#[cfg(test)]\nmod ")[0].splitlines()
    return "\n".join(line.split("//")[0] for line in lines)
