"""Runs what the README tells a user to run."""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
DIALOGUES = re.findall(r"```pycon\n(.*?)```", README, flags=re.DOTALL)


def test_the_example_runs_as_it_stands(tmp_path: Path) -> None:
    """Catches a README whose first example has drifted from the package."""
    example, _ = EXAMPLES
    (tmp_path / "corpora").symlink_to(ROOT / "corpora")
    outcome = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    first, path, citation, advice = outcome.stdout.splitlines()[:4]
    assert first.startswith("note, characters 0-")
    assert path == "hybrid"
    assert "/corpora/handbook/documents/" in citation
    assert advice


def test_the_example_of_vectors_runs_as_it_stands(tmp_path: Path) -> None:
    """Catches an example of arrays that has drifted, or shapes that are not those its comments tell."""
    _, example = EXAMPLES
    example += "\nprint(ids.shape, (ids % 7).any(), len(DenseIndex.open('vectors.index')))"
    outcome = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout == "(3, 10) False 19998\n"


def test_dialogues_run_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an answer that the README shows and the package does not give, on the index of its first example."""
    (tmp_path / "corpora").symlink_to(ROOT / "corpora")
    subprocess.run([sys.executable, "-c", EXAMPLES[0]], cwd=tmp_path, capture_output=True, check=True)
    monkeypatch.chdir(tmp_path)
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner()
    for number, dialogue in enumerate(DIALOGUES):
        runner.run(parser.get_doctest(dialogue, {}, f"dialogue {number}", "README.md", 0))
    assert runner.summarize(verbose=False) == (0, 29)


def test_the_walk_through_of_evaluation_runs_as_it_stands(tmp_path: Path) -> None:
    """Catches a command of the README that is refused, or that fails on the corpora that it names."""
    (tmp_path / "corpora").symlink_to(ROOT / "corpora")
    block = README.partition("## Measure it")[2].partition("```sh\n")[2].partition("```")[0]
    commands = [line for line in block.splitlines() if not line.startswith("#")]
    assert len(commands) == 8
    for command in commands:
        words = shlex.split(command.replace(".venv/bin/ragstone", f"{sys.executable} -m ragstone.cli"))
        quick = ["--rounds", "3"] if "freshness" in words else ["--seconds", "1"] if "latency" in words else []
        outcome = subprocess.run([*words, *quick], cwd=tmp_path, capture_output=True, text=True, check=False)
        # A second of questions is too short to prove a 99th percentile.
        assert outcome.returncode == ("latency" in words), (command, outcome.stdout, outcome.stderr)
        assert outcome.stdout


def test_the_walk_through_of_recommending_runs_as_it_stands(tmp_path: Path) -> None:
    """Catches a command that is refused, and a report in the README that is not the one that it prints."""
    (tmp_path / "corpora").symlink_to(ROOT / "corpora")
    section = README.partition("## Retrieve, or fine-tune?")[2].partition("\n## ")[0]
    commands = section.partition("```sh\n")[2].partition("```")[0].splitlines()
    assert len(commands) == 3
    printed = ""
    for command, code in zip(commands, (0, 1, 0), strict=True):
        program, *words = shlex.split(command.partition("  #")[0])
        words = [sys.executable, *([] if program.endswith("python") else ["-m", "ragstone.cli"]), *words]
        outcome = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        # Warnings are findings.
        assert outcome.returncode == code, (command, outcome.stdout, outcome.stderr)
        printed += outcome.stdout
    told = section.partition("```text\n")[2].partition("```")[0].splitlines()
    assert len(told) > 20
    lines = set(printed.splitlines()) | {"…"}
    assert [line for line in told if line not in lines] == []
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    "target",
    ["demo", "test", "offline", "help", "check", "wheel", "bench-dense", "bench-lexical", "eval", "eval-recommender"],
)
def test_named_make_targets_exist(target: str) -> None:
    """Catches a command in the README that make does not know."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"make {target}" in README
    assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)
