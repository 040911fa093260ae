"""Runs an attack, shows what it prints, and keeps its figures: ``record.py NAME -- COMMAND ...``.

An attack prints lines ``figure KEY NUMBER``; a key may be ``system.key`` where several systems were attacked.  The
figures go to ``results/NAME.json`` with the command, the commit, the machine and how long it took, and the pages that
show them are written from there.  The exit code is that of the command, which fails when a promise was broken.
"""

from __future__ import annotations

import json
import math
import os
import platform
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
FIGURE = re.compile(r"^\W*figure ([a-z0-9_.+-]+) (-?[0-9][0-9_]*(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)\s*$", re.IGNORECASE)


def read(line: str) -> tuple[str, float] | None:
    """The figure that a line states.

    >>> read("figure images 1_000_000"), read("..figure usearch.crash 103"), read("image 3 of 7")
    (('images', 1000000), ('usearch.crash', 103), None)
    """
    match = FIGURE.match(line)
    if match is None:
        return None
    value = float(match[2].replace("_", ""))
    return match[1].lower(), int(value) if value.is_integer() and math.isfinite(value) else value


def run(command: list[str]) -> tuple[dict[str, float], int]:
    """Run a command, pass its output on line by line, and collect its figures; one named twice is added up."""
    figures: dict[str, float] = {}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace")
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="", flush=True)
        if (found := read(line)) is not None:
            figures[found[0]] = figures.get(found[0], 0) + found[1]
    return figures, process.wait()


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=HERE, capture_output=True, text=True, check=False).stdout.strip()


def processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    names = re.findall(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return names[0] if names else platform.machine()


def main(arguments: list[str]) -> int:
    if len(arguments) < 3 or arguments[1] != "--" or not re.fullmatch(r"[a-z0-9_]+", arguments[0]):
        print(__doc__, file=sys.stderr)
        return 2
    name, command = arguments[0], arguments[2:]
    changed = "+changes" if git("status", "--porcelain", "-uno", "--", "../../rust", "../../python") else ""
    commit = git("rev-parse", "--short", "HEAD") + changed
    started = time.monotonic()
    figures, code = run(command)
    if not figures:
        print(f"record.py: {shlex.join(command)} stated no figure: nothing was recorded", file=sys.stderr)
        return code or 1
    result = {
        "command": os.environ.get("RECORD_AS") or shlex.join(command),
        "exit": code,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": commit,
        "machine": f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "seconds": round(time.monotonic() - started, 1),
        "figures": figures,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
