"""What a benchmark shows: stages that add up, verdicts that are sure, pages that hold whatever text is in them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.dom import minidom

import numpy as np
import pytest

import ragstone
from ragstone import Document, InvalidInput, MissingDependency
from ragstone.bench import closed_loop, open_loop, prepared
from ragstone.bench.growth import grow, levels_of, mixed
from ragstone.bench.loops import Run
from ragstone.bench.machine import facts
from ragstone.bench.objective import judge
from ragstone.bench.page import page, write_page
from ragstone.bench.pictures import write_picture
from ragstone.bench.report import Report
from ragstone.bench.stages import Staged
from ragstone.bench.study import all_threads, study
from ragstone.bench.svg import Axis, Bar, Series, bars, lines

EVIL = '<script>alert("x")</script>&\'</pre></svg>'


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    with ragstone.open(tmp_path_factory.mktemp("bench") / "kb", embedder="hashing") as index:
        index.upsert([Document(str(row), f"article {row} costs {row * 7} euros") for row in range(60)])
        found = study(prepared(index), seconds=0.3, opened=True, rate=300, threads=[1, 2])
        yield replace(found, growth=grow((f"text {row}" for row in range(20)), [10, 20], searches=400))


def run_of(milliseconds: list[float], *, saturated: bool = False) -> Run:
    times = np.array(milliseconds) / 1000
    return Run("open", 1, 10.0, "fixed", 1.0, times, times, saturated=saturated)


def test_stages_add_up_to_the_whole() -> None:
    """Catches a stage that is counted twice or left out, and times of another call."""
    with _index() as index:
        call = Staged(index.search)
        run = closed_loop(call, ["article 7 costs", "euros"], count=400)
        table = call.table(run)
        assert [stage.name for stage in table.stages] == ["embed", "filter", "lexical", "dense", "fuse", "cite", "rest"]
        assert sum(stage.time.mean_ms for stage in table.stages) == pytest.approx(table.total.mean_ms, rel=0.01)
        assert sum(stage.share for stage in table.stages) == pytest.approx(1)
        assert table.total.mean_ms == pytest.approx(run.service_s.mean() * 1000)
        asked = Staged(index.ask)
        names = [
            stage.name for stage in asked.table(closed_loop(asked, ["what does article 7 cost?"], count=50)).stages
        ]
        assert names[:2] == ["route", "embed"]
        words = Staged(lambda query: index.search(query, mode="bm25"))
        shares = {stage.name for stage in words.table(closed_loop(words, ["article"], count=50)).stages}
        assert "lexical" in shares
        with pytest.raises(InvalidInput, match="one client"):
            call.table(closed_loop(index.search, ["a"], count=3))


class _index:
    """A small index in a temporary folder."""

    def __enter__(self) -> ragstone.Index:
        from tempfile import TemporaryDirectory

        self.folder = TemporaryDirectory()
        self.index = ragstone.open(Path(self.folder.name, "kb"), embedder="hashing")
        self.index.upsert([Document(str(row), f"article {row} costs {row * 7} euros") for row in range(200)])
        return self.index

    def __exit__(self, *_: object) -> None:
        self.index.close()
        self.folder.cleanup()


def test_a_verdict_is_as_sure_as_its_samples() -> None:
    """Catches a promise that is called kept because few answers happened to be quick."""
    quick = [1.0] * 1000
    assert judge(run_of(quick), 2.0).verdict == "met"
    assert judge(run_of(quick), 1.0).verdict == "missed"
    few = judge(run_of([1.0] * 200), 2.0)
    assert (few.verdict, few.needs, few.met) == ("unproven", 368, False)
    assert "368 are needed" in str(few)
    # 9 slow ones of 1,000 are within p99, but the true percentile may well be slow.
    near = judge(run_of(quick[9:] + [5.0] * 9), 2.0)
    assert (near.verdict, near.measured.value, near.measured.high) == ("unproven", 1.0, 5.0)
    assert judge(run_of(quick[11:] + [5.0] * 11), 2.0).verdict == "missed"
    assert judge(run_of(quick, saturated=True), 2.0).verdict == "missed"
    assert judge(run_of(quick[:20]), 2.0, q=0.5).verdict == "met"
    for objective, q in ((0, 0.99), (float("nan"), 0.99), (1, 0), (1, 1), (1, 99)):
        with pytest.raises(InvalidInput):
            judge(run_of(quick), objective, q=q)


def test_a_report_has_every_part(report: Report) -> None:
    """Catches a part that is measured and then shown to nobody."""
    shown = str(report)
    for words in ("recall@10", "open loop, 300 arrivals/s", "lexical", "clients", "growth", "thread budget"):
        assert words in shown
    found = json.loads(json.dumps(report.to_dict()))
    assert found["run"]["loop"] == "open"
    assert found["run"]["latency"]["p50_ms"]["low"] <= found["run"]["latency"]["p50_ms"]["value"]
    assert [one["threads"] for one in found["scaling"]] == [1, 2]
    assert found["machine"]["instruction_set"] in found["machine"]["instruction_sets"]
    assert found["index"]["chunks"] == found["chunks"] == 60
    assert [level["chunks"] for level in found["growth"]["levels"]] == [10, 20]
    assert set(found["stages"]) >= {"embed", "lexical", "dense", "fuse", "cite", "rest", "total"}
    assert found["findings"] == []


class _Page(HTMLParser):
    """What a browser would make of a page: its tags and whatever could load or run something."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.loads: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loads += [f"{tag} {name}" for name, _ in attrs if name in ("src", "href", "data") or name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_page_holds_hostile_text_and_needs_nothing_else(report: Report, tmp_path: Path) -> None:
    """Catches a page that runs what is in an index's path or an embedder's name, or loads something from elsewhere."""
    evil = replace(
        report,
        command=f"ragstone bench {EVIL}",
        index={**report.index, "embedder": EVIL, EVIL: EVIL},
        machine={**report.machine, "cpu": EVIL, "date": EVIL},
        benchmark=replace(report.benchmark, embedder=EVIL, queries_empty=report.benchmark.queries),
    )
    made = page(evil)
    assert "<script" not in made
    assert evil.findings
    read = _Page()
    read.feed(made)
    assert read.loads == []
    assert read.tags & {"script", "img", "iframe", "link", "object", "embed", "a", "form"} == set()
    assert read.text.count(EVIL) >= 5
    assert "url(" not in made
    assert "://" not in made
    drawings = re.findall(r"<svg.*?</svg>", made, re.DOTALL)
    assert len(drawings) == 7
    for drawing in drawings:
        minidom.parseString(drawing)
    write_page(replace(evil, command="lone \ud800 surrogate"), tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size > 10_000


def test_charts_hold_hostile_names_and_strange_values() -> None:
    """Catches a chart that fails on one point, equal values, zeros or a name that is markup."""
    for points in ([(1.0, 1.0)], [(1.0, 2.0), (2.0, 2.0)], [(0.0, 0.0)], [(1e-9, 1e9), (1.0, float("inf"))], []):
        for log in (False, True):
            drawn = lines(EVIL, Axis(EVIL, log), Axis(EVIL, log), [Series(EVIL, points), Series("b", points)])
            assert "<script" not in drawn
            minidom.parseString(drawn)
            assert "nan" not in drawn
    minidom.parseString(bars(EVIL, EVIL, [Bar(EVIL, [(EVIL, 0.0), ("b", 1.0)]), Bar("empty", [])]))
    whisker = lines("t", Axis("x"), Axis("y"), [Series("a", [(1, 2, 1, 3)])])
    assert (
        whisker.count("<line")
        == lines("t", Axis("x"), Axis("y"), [Series("a", [(1, 2), (1, 1), (1, 3)])]).count("<line") + 1
    )


def test_places_of_points_follow_their_values() -> None:
    """Catches an axis that is upside down, or a logarithm that is none."""
    drawn = lines("t", Axis("x"), Axis("y", log=True), [Series("a", [(0, 1), (1, 10), (2, 100)])])
    places = [tuple(map(float, place)) for place in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', drawn)]
    (a, b, c) = places
    assert b[0] - a[0] == pytest.approx(c[0] - b[0], abs=0.2)
    assert a[1] - b[1] == pytest.approx(b[1] - c[1], abs=0.2)
    assert a[1] > b[1] > c[1]


def test_a_picture_needs_matplotlib_and_says_so(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a traceback where an optional package is missing."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependency, match="pip install matplotlib"):
        write_picture(report, tmp_path / "bench.png")
    assert not (tmp_path / "bench.png").exists()


def test_a_picture_is_a_png(report: Report, tmp_path: Path) -> None:
    """Catches a chart that only the page can draw."""
    pytest.importorskip("matplotlib")
    write_picture(report, tmp_path / "bench.png")
    assert (tmp_path / "bench.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_growth_measures_each_level_on_its_own_number_of_chunks(tmp_path: Path) -> None:
    """Catches levels that are not reached, texts that are lost, and mixed texts that nobody is told of."""
    read: list[int] = []

    def texts() -> Iterator[str]:
        for row in range(1000):
            read.append(row)
            yield f"article {row} costs {row * 7} euros" if row != 13 else " "

    found = grow(texts(), [50, 120], embedder="hashing", searches=300, folder=tmp_path / "kb")
    assert [level.chunks for level in found.levels] == [50, 120]
    assert len(read) == 120
    assert found.levels[0].size_bytes < found.levels[1].size_bytes
    assert 0 < found.levels[0].build_s < found.levels[1].build_s
    assert (found.mixed, found.embedder) == (0, "hashing")
    assert all(times.samples == 300 for level in found.levels for times in level.latency.values())
    with ragstone.open(tmp_path / "kb", read_only=True) as index:
        assert index.search("article 119 costs 833 euros")[0].text == "article 119 costs 833 euros"
    lexical = grow(["one", "two"], [2], embedder=None, searches=10)
    assert list(lexical.levels[0].latency) == ["bm25"]
    with pytest.raises(InvalidInput, match="there are 2 texts"):
        grow(["one", "two"], [1, 5], embedder=None, searches=10)
    stretched = grow(["one two", "three four"], [2, 9], embedder=None, searches=10, stretch=True)
    assert (stretched.mixed, stretched.levels[1].chunks) == (7, 9)
    assert "7 texts are mixed" in str(stretched)
    for wrong in ([], [5, 5], [9, 2], [0], [True]):
        with pytest.raises(InvalidInput, match="level"):
            grow(["a"] * 10, wrong, embedder=None)
    with pytest.raises(InvalidInput, match="not empty"):
        grow(["a"] * 10, [5], embedder="hashing", folder=tmp_path / "kb")
    with pytest.raises(InvalidInput, match="10000,100000"):
        levels_of("ten")
    with pytest.raises(InvalidInput, match="no texts"):
        next(mixed([]))


def test_mixed_texts_have_the_words_of_their_sources() -> None:
    """Catches words that are made up, lost or doubled where two texts are joined."""
    source = [" ".join(f"{name}{place}" for place in range(10)) for name in "abc"]
    stream = mixed(source, seed=1)
    made = [next(stream) for _ in range(300)]
    assert {len(text.split()) for text in made} == {10}
    assert {text.split()[0] for text in made} == {"a0", "b0", "c0"}
    assert {text.split()[-1] for text in made} == {"a9", "b9", "c9"}
    assert len(set(made)) == 9


def test_the_machine_is_described_without_its_name() -> None:
    """Catches facts that are missing, and such as belong to nobody else."""
    import platform

    found = facts()
    assert {"cpu", "cores", "load_1min", "memory_gib", "system", "python", "ragstone", "numpy"} <= set(found)
    assert platform.node() == "" or platform.node() not in json.dumps(found)
    assert all_threads()[-1] == 2 * all_threads()[-2]


def test_an_open_loop_is_only_asked_for_by_name(report: Report, tmp_path: Path) -> None:
    """Catches a rate that is quietly ignored."""
    with _index() as index:
        work = prepared(index)
        with pytest.raises(InvalidInput, match="ask for an open loop"):
            study(work, rate=5)
        for wrong in ({"seconds": 0}, {"rate": 0, "opened": True}, {"clients": 0}, {"threads": [0]}):
            with pytest.raises(InvalidInput):
                study(work, **{"seconds": 0.01, **wrong})  # type: ignore[arg-type]
        run = open_loop(work.ask, work.questions, rate=200, seconds=0.2)
        assert run.latency.samples == len(run.latency_s)
