"""What the checklist's tests share: a year of a company, texts of each kind, and the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import ragstone

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "corpora" / "evaluation" / "year"))

import year as company

ROOT = Path(__file__).resolve().parents[2]
HANDBOOK = ROOT / "corpora" / "handbook"


@dataclass(frozen=True)
class Year:
    """The folders and files of ``corpora/evaluation/year``, and what is recommended from them."""

    folder: Path
    index: ragstone.Index
    made: ragstone.Recommendation

    @property
    def log(self) -> Path:
        return self.folder / "log.jsonl"

    @property
    def examples(self) -> Path:
        return self.folder / "examples.jsonl"

    @property
    def needs(self) -> Path:
        return self.folder / "needs.toml"

    def again(self, needs: Any = None, **options: Any) -> ragstone.Recommendation:
        """The same year with other needs or rules."""
        declared = self.needs if needs is None else needs
        rules = options.pop("rules", None)
        return ragstone.Recommender(self.index, declared, rules=rules).analyze(
            options.pop("queries", self.log), **options
        )


@pytest.fixture(scope="session")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    folder = tmp_path_factory.mktemp("checklist") / "year"
    company.write_year(folder)
    with ragstone.open(folder / "kb", read_only=True) as index:
        made = ragstone.Recommender(index, folder / "needs.toml").analyze(
            folder / "log.jsonl", examples=folder / "examples.jsonl"
        )
        yield Year(folder, index, made)


@pytest.fixture(scope="session")
def texts() -> dict[str, list[str]]:
    """What users ask of the handbook's company, by kind, as people labelled it."""
    return {kind: [row["text"] for row in rows] for kind, rows in company.pools().items()}


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A JSON Lines file."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path
