"""What the READMEs say of recorded results: nothing made up, nothing rounded in our favour, nothing left out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from benches import report

MACHINE = {"cpu": "Processor", "cores": 2, "instruction_set": "avx2", "date": "2026-01-02", "commit": "abc1234"}
SHAPE = {"set": "static-1m", "rows": 100_000, "dimension": 384, "top_k": 10, "queries": 300, "machine": MACHINE}
SINGLE = SHAPE | {
    "read_gb_per_s": {"1 MB": 50.0, "6 MB": 25.0, "56 MB": 12.0},
    "ragstone_bytes_per_vector": {"vec.bits": 52.0, "vec.int8": 384.0, "vec.int8.factors": 8.0, "vec.f32": 1536.0},
    "closest_recall": {
        "faiss-flat": {"setting": {}, "recall": 1.0, "p50_ms": 8.9412, "times_ours": 29.7},
        "faiss-hnsw": {"setting": {"efSearch": 512}, "recall": 0.98889, "p50_ms": 0.7401, "times_ours": 2.46},
    },
    "targets": [
        {"what": "recall", "wanted": 0.995, "reached": 0.99996, "met": True},
        {"what": "times faster than faiss-hnsw", "wanted": 3, "reached": 2.46, "by_cpu": 2.5, "met": False},
    ],
    "build": {"ragstone": {"cpu_s": 0.9}, "faiss-hnsw": {"cpu_s": 143.2}},
    "contestants": {"ragstone": {"recall": 0.99996, "p50_ms": 0.30123}},
    "versions": {"ragstone": "0.1.0", "faiss-cpu": "1.15.1"},
}
BATCH = SHAPE | {
    "threads": 2,
    "figures": {
        "ragstone": {"recall": 0.999, "recall_choosing": 0.999, "queries_per_s_64": 1.0, "queries_per_s_256": 2345.6},
        "faiss-hnsw efSearch=64": {"recall": 0.95, "recall_choosing": 0.95, "queries_per_s_256": 9000.0},
        "faiss-hnsw efSearch=512": {"recall": 0.99, "recall_choosing": 0.9985, "queries_per_s_256": 700.0},
        "faiss-hnsw efSearch=1024": {"recall": 0.999, "recall_choosing": 0.999, "queries_per_s_256": 400.0},
    },
}
RUN = {"answers_sha256": "aa", "recall": 0.999, "default": {"p50_ms": 0.3}}


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of results, in place of the recorded ones, between documents with marks."""
    folder = tmp_path / "benches" / "results"
    folder.mkdir(parents=True)
    for document in (tmp_path / "README.md", tmp_path / "benches" / "README.md"):
        document.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", encoding="utf-8")
    monkeypatch.setattr(report, "ROOT", tmp_path)
    monkeypatch.setattr(report, "RESULTS", folder)
    return folder


def record(folder: Path, name: str, result: dict[str, Any]) -> None:
    (folder / f"{name}.json").write_text(json.dumps(result), encoding="utf-8")


def row(text: str, head: str) -> list[str]:
    """The cells of the one row with this head."""
    (line,) = (line for line in text.splitlines() if line.startswith(f"| {head} |"))
    return line.strip("| ").split(" | ")[1:]


def test_nothing_recorded_says_nothing(results: Path) -> None:
    """Catches a heading without figures, or a crash where no run has been made."""
    assert report.readme() == ""
    assert report.promises() == "No run is recorded."


def test_every_figure_has_its_recall(results: Path) -> None:
    """Catches a figure in the wrong column, recall rounded up to 1, and figures of a rival that took no part."""
    record(results, "dense-static-1m-100000-top10", SINGLE)
    record(results, "dense-static-1m-1000000-top10", SINGLE | {"rows": 1_000_000, "closest_recall": {}})
    text = report.readme()
    assert row(text, "**Ragstone**") == ["**0.301 ms** at 0.9999", "**0.301 ms** at 0.9999"]
    assert row(text, "faiss-flat") == ["8.94 ms at 1.0000: 29.7 ×", "–"]
    assert row(text, "faiss-hnsw") == ["0.74 ms at 0.9888, efSearch 512: 2.46 ×", "–"]
    assert row(text, "build, CPU s: ours / faiss-rabitq / faiss-hnsw")[0] == "0.9 / – / 143"
    assert row(text, "our bytes a vector: bits / 8-bit integers / f32")[0] == "52 / 392 / 1536"
    # 5.2 MB at the rate of 6 MB, 52 MB at that of 56 MB.
    assert row(text, "reading our bits once, at the rate measured in the run") == ["0.208 ms", "4.33 ms"]
    assert "abc1234" in text
    assert "faiss-cpu 1.15.1" in text


def test_the_picture_is_shown_where_there_is_one(results: Path) -> None:
    """Catches a dead link to a plot that was not drawn."""
    record(results, "dense-static-1m-100000-top10", SINGLE)
    assert "![" not in report.readme()
    (results / "dense-static-1m-100000-top10.png").write_bytes(b"")
    assert "(benches/results/dense-static-1m-100000-top10.png)" in report.readme()


def test_other_sets_have_a_table_of_their_own(results: Path) -> None:
    """Catches a recorded set that appears nowhere, or top 100 among the figures of top 10."""
    record(results, "dense-static-1m-100000-top100", SINGLE | {"top_k": 100})
    record(results, "dense-concat768-100k-100000-top10", SINGLE | {"set": "concat768-100k", "dimension": 768})
    text = report.readme()
    assert "One query, top 10" not in text
    assert row(text, "static-1m, 100,000 × 384, top 100")[0] == "**0.301 ms** at 0.9999"
    assert row(text, "concat768-100k, 100,000 × 768")[1].startswith("8.94 ms at 1.0000")


def test_filters_show_the_worst_recall_of_all(results: Path) -> None:
    """Catches a table of random filters that hides what correlated ones do."""
    good, bad = {"recall": 1.0, "p50_ms": 0.02}, {"recall": 0.05, "p50_ms": 0.1}
    cases = {
        "random 1.00%": {"ragstone": good, "faiss-hnsw efSearch=256": good},
        "far 1.00%": {"ragstone": good, "faiss-hnsw efSearch=256": bad},
    }
    record(results, "dense-static-1m-100000-top10-filtered", SHAPE | {"cases": cases, "targets": []})
    text = report.readme()
    assert row(text, "1.00%") == ["0.02 ms at 1.0000"] * 2
    assert row(text, "worst recall of all 2 cases, also of filters that go with the query") == [
        "at 1.0000",
        "at 0.0500",
    ]


def test_batches_are_compared_at_our_recall(results: Path) -> None:
    """Catches a comparison with a fast setting of less recall, or with a slow one where a faster has it too."""
    record(results, "dense-static-1m-100000-top10-batch", BATCH)
    (line,) = report.readme().splitlines()
    assert "2,346 queries/s at 0.9990; faiss-hnsw efSearch=512 700 at 0.9900." in line
    record(results, "dense-static-1m-100000-top10-batch", BATCH | {"figures": {}})
    assert report.readme() == ""


def test_different_answers_are_said(results: Path) -> None:
    """Catches a line that claims the same answers on all instruction sets whatever was found."""
    runs = {"avx512, 1 thread": RUN, "avx2, 1 thread": RUN | {"recall": 0.99}}
    record(results, "dense-static-1m-100000-top10-isa", SHAPE | {"figures": runs})
    assert "the same ids and scores to the bit, at 0.9900" in report.readme()
    runs["avx2, 1 thread"] = RUN | {"answers_sha256": "bb"}
    record(results, "dense-static-1m-100000-top10-isa", SHAPE | {"figures": runs})
    assert "2 different answers" in report.readme()


def test_cold_and_churn_are_told(results: Path) -> None:
    """Catches a state or a number of rows mixed up with another."""
    times = {"cold": {"open_and_first_ms": 31.24}, "warm": {"open_and_first_ms": 1.26}}
    record(results, "dense-static-1m-1000000-top10-cold", SHAPE | {"rows": 1_000_000, "figures": {"ragstone": times}})
    states = {
        name: {"recall": recall} for name, recall in (("before", 0.9991), ("after", 0.9982), ("made_anew", 0.9973))
    }
    churn = (
        SHAPE | {"rows": 1_000_000, "rows_before": 666_666, "operations_ms": {"insert": 0.01, "delete": 0.02}} | states
    )
    record(results, "dense-static-1m-1000000-top10-churn", churn)
    cold, changed = report.readme().splitlines()
    assert "1,000,000 × 384: Ragstone 31.2 ms from disk, 1.26 from the page cache" in cold
    assert "666,666 × 384: recall 0.9991 before, 0.9982 after, 0.9973 of" in changed
    assert "up to 0.02 ms" in changed


def test_broken_promises_are_shown(results: Path) -> None:
    """Catches a table of what was kept alone."""
    record(results, "dense-static-1m-100000-top10", SINGLE)
    text = report.promises()
    assert "| recall | 0.995 | 0.99996 | |" in text
    assert "| times faster than faiss-hnsw | 3 | **2.46: missed** | 2.5 |" in text


def test_figures_are_written_once_and_checked(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a check that passes on old figures, and a second writing that changes anything."""
    record(results, "dense-static-1m-100000-top10", SINGLE)
    monkeypatch.setattr(sys, "argv", ["report.py", "--check"])
    assert report.main() == 1
    assert "old" in (report.ROOT / "README.md").read_text(encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["report.py"])
    assert report.main() == 0
    monkeypatch.setattr(sys, "argv", ["report.py", "--check"])
    assert report.main() == 0
    text = (report.ROOT / "benches" / "README.md").read_text(encoding="utf-8")
    assert text.startswith(f"before\n{report.BEGIN}\n| set |")
    assert text.endswith(f"{report.END}\nafter\n")
    record(results, "dense-static-1m-100000-top10", SINGLE | {"targets": []})
    assert report.main() == 1
