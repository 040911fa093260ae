"""What the README of the benches says of fusion: every goal beside what was reached, none rounded into being kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benches import report

MACHINE = {"cpu": "Processor", "cores": 2, "instruction_set": "avx2", "date": "2026-01-02", "commit": "abc1234"}


def result(reached: float, gain: float) -> dict[str, Any]:
    row = {"nDCG@10": [reached, reached - 0.03, reached + 0.03], "R@10": [0.9, 0.8, 1.0], "R@100": [0.95, 0.9, 1.0]}
    goals = [
        {"set": "small", "what": "nDCG@10 of the default", "wanted": 73.8, "reached": 100 * reached},
        {"set": "small", "what": "default minus RRF", "wanted": 1.5, "reached": 100 * gain},
    ]
    return {
        "embedder": "minilm",
        "draws": 4000,
        "machine": MACHINE,
        "sets": {
            "small": {
                "queries": 1200,
                "chunks": 3400,
                "better_half": "dense",
                "tuned": {
                    "fusion": "convex",
                    "dense_weight": 0.4,
                    "changed": gain > 0.02,
                    "gain": {"mean": gain, "low": gain - 0.02, "high": gain + 0.02},
                },
                "systems": dict.fromkeys(("bm25", "dense", "rrf", "minmax .5", "default"), row),
                "gains": {key: [gain, gain - 0.01, gain + 0.01] for key in ("dense", "minmax .5", "rrf")},
            }
        },
        "means": {key: [gain, gain - 0.01, gain + 0.01] for key in ("minmax .5", "rrf")},
        "targets": [goal | {"met": goal["reached"] >= goal["wanted"]} for goal in goals],
        "bm25_whole_documents": [
            {
                "set": "small",
                "k1": 0.9,
                "b": 0.4,
                "nDCG@10": 0.6762,
                "R@100": 0.9,
                "published": {"nDCG@10": 0.6789, "R@100": None, "source": "a paper"},
            },
            {"set": "small", "k1": 1.2, "b": 0.75, "nDCG@10": 0.691, "R@100": 0.91},
        ],
    }


def written(folder: Path, monkeypatch: pytest.MonkeyPatch, content: dict[str, Any]) -> str:
    (folder / "fusion.json").write_text(json.dumps(content))
    monkeypatch.setattr(report, "RESULTS", folder)
    return report.fusion()


def test_a_goal_that_was_missed_is_bold_and_stays_below_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches 73.79 printed as the 73.8 that it is not."""
    text = written(tmp_path, monkeypatch, result(0.7379, 0.0149))
    assert "**73.7: missed**" in text
    assert "| small | default minus RRF | 1.5 | **1.4: missed** |" in text
    assert "73.8 [" not in text
    assert "small keeps the default, +1.5 [-0.5, +3.5]" in text


def test_a_goal_that_was_kept_is_plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches figures, intervals or goals in each other's columns."""
    text = written(tmp_path, monkeypatch, result(0.7421, 0.0251))
    assert "missed" not in text
    assert "small convex 0.4, +2.5 [+0.5, +4.5]" in text
    (line,) = (line for line in text.splitlines() if line.startswith("| small (1,200, 3,400) |"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[1:5] == ["74.2"] * 4
    assert cells[5:7] == ["74.2 [71.2, 77.2]", "73.8"]
    assert cells[7:] == ["+2.5 [+1.5, +3.5]"] * 3 + ["90.0 / 95.0"]
    assert "| small | 0.9, 0.4 | 67.62 | 90.00 | 67.89 | – | a paper |" in text
    assert "| small | 1.2, 0.75 | 69.10 | 91.00 | – | – | – |" in text


def test_paired_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches intervals of two means drawn apart, which hide a difference that every question has."""
    monkeypatch.syspath_prepend(str(report.ROOT / "benches"))
    import fusion

    values = np.random.default_rng(3).random(200)
    mean, low, high = fusion.gain([{"default": values + 0.01, "rrf": values}], "rrf")
    assert low == pytest.approx(0.01)
    assert mean == pytest.approx(0.01)
    assert high == pytest.approx(0.01)
    mean, low, high = fusion.interval(values)
    assert low < mean < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 200**0.5, rel=0.1)
