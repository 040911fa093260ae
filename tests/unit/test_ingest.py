"""Ingesting files: once, again, changed, vanished, interrupted, and under names that collide."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

import ragstone
from conftest import Opened
from ragstone import Document, IngestReport
from ragstone.embedding.hashing import HashingEmbedder
from ragstone.pipeline import ingest as ingest_module
from ragstone.pipeline.progress import Progress


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "files"
    (path / "sub").mkdir(parents=True)
    (path / "a.md").write_text("# Alpha\n\nalpha text")
    (path / "b.txt").write_text("beta text")
    (path / "sub" / "c.rst").write_text("Gamma\n=====\n\ngamma text")
    return path


def outcomes(report: IngestReport) -> dict[str, int]:
    return dict(Counter(file.outcome for file in report.files))


def ids(index: ragstone.Index) -> set[str]:
    return {document_id for document_id, *_ in index.sources()}


def test_only_what_changed_is_read_again(opened: Opened, folder: Path) -> None:
    """Catches unchanged files that are indexed again, and changed or vanished ones that are not noticed."""
    index = opened()
    report = index.ingest(folder)
    assert outcomes(report) == {"added": 3}
    assert ids(index) == {"a.md", "b.txt", "sub/c.rst"}
    assert report.chunks_added == report.chunks_embedded == sum(file.chunks for file in report.files) == 3
    generation = index.generation
    assert outcomes(index.ingest(folder)) == {"unchanged": 3}
    assert index.generation == generation, "nothing to do is no commit"
    (folder / "a.md").write_text("# Alpha\n\nanother text")
    (folder / "b.txt").unlink()
    (folder / "d.md").write_text("delta text")
    os.utime(folder / "sub" / "c.rst")
    report = index.ingest(folder)
    assert outcomes(report) == {"replaced": 1, "removed": 1, "added": 1, "unchanged": 1}
    assert ids(index) == {"a.md", "d.md", "sub/c.rst"}
    assert index.search("another", mode="bm25")[0].document_id == "a.md"
    assert not index.search("beta", mode="bm25")


def test_a_citation_leads_back_to_the_file(opened: Opened, folder: Path) -> None:
    """Catches a span that does not fit the file that it names."""
    index = opened()
    index.ingest(folder)
    for query in ("alpha", "beta", "gamma"):
        hit = index.search(query, mode="bm25")[0]
        text = Path(hit.citation.source).read_text()
        assert text[hit.citation.start : hit.citation.end] == hit.text


def test_without_sync_what_vanished_stays(opened: Opened, folder: Path) -> None:
    """Catches ``sync=False`` that removes, and ``sync`` that removes outside of the folders given."""
    index = opened()
    index.ingest(folder)
    index.upsert([Document("by hand", "text"), Document("with source", "text", source="/elsewhere/gone.md")])
    (folder / "b.txt").unlink()
    assert "removed" not in outcomes(index.ingest(folder, sync=False))
    assert "removed" not in outcomes(index.ingest(folder / "sub"))
    assert "removed" not in outcomes(index.ingest([folder / "a.md"]))
    assert ids(index) == {"a.md", "b.txt", "sub/c.rst", "by hand", "with source"}
    assert outcomes(index.ingest(folder))["removed"] == 1
    assert ids(index) == {"a.md", "sub/c.rst", "by hand", "with source"}


def test_a_vanished_folder_is_removed_with_its_parent(opened: Opened, folder: Path) -> None:
    """Catches documents of a folder that is gone as a whole."""
    index = opened()
    index.ingest(folder)
    (folder / "sub" / "c.rst").unlink()
    (folder / "sub").rmdir()
    assert outcomes(index.ingest(folder)) == {"unchanged": 2, "removed": 1}


def test_an_interruption_loses_no_commit(opened: Opened, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an ingest that starts from the beginning, or skips what it had not done, after Ctrl-C."""
    for number in range(20):
        (folder / f"n{number:02}.md").write_text(f"number {number}")
    monkeypatch.setattr(ingest_module, "_CHUNKS_MAX", 5)
    real, calls = ingest_module.read_document, []

    def interrupted(path: object, **options: object) -> Document:
        calls.append(path)
        if len(calls) == 13:
            raise KeyboardInterrupt
        return real(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(ingest_module, "read_document", interrupted)
    index = opened()
    with pytest.raises(KeyboardInterrupt):
        index.ingest(folder)
    assert len(ids(index)) == 10
    assert index.verify() == []
    index.close()
    index = opened()
    report = index.ingest(folder)
    assert outcomes(report) == {"unchanged": 10, "added": 13}
    assert index.stats()["chunks_embedded"] == index.stats()["chunks"] == 23


class Interrupting(HashingEmbedder):
    """Raises at its second call, as Ctrl-C would."""

    calls = 0

    def embed(self, texts: object) -> object:  # type: ignore[override]
        self.calls += 1
        if self.calls == 2:
            raise KeyboardInterrupt
        return super().embed(texts)  # type: ignore[arg-type]


def test_embedding_later_goes_on_where_it_stopped(
    opened: Opened, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches vectors that are never made for text that was committed before an interruption."""
    monkeypatch.setattr("ragstone.store._ROWS_MIN", 2)
    monkeypatch.setattr("ragstone.store._ROWS_MAX", 2)
    index = opened(embedder=Interrupting(16))
    report = index.ingest(folder, embed="later")
    assert (report.chunks_added, report.chunks_embedded) == (3, 0)
    assert index.search("gamma")[0].document_id == "sub/c.rst"
    with pytest.raises(KeyboardInterrupt):
        index.embed_pending()
    assert index.stats()["chunks_embedded"] == 2
    index.close()
    index = opened()
    report = index.ingest(folder)
    assert (outcomes(report), report.chunks_embedded) == ({"unchanged": 3}, 1)


def test_names_from_two_roots_do_not_collide(opened: Opened, tmp_path: Path) -> None:
    """Catches a file that replaces another of the same relative name."""
    for root in ("one", "two", "deep/one"):
        (tmp_path / root).mkdir(parents=True)
        (tmp_path / root / "readme.md").write_text(f"text of {root}")
    index = opened()
    roots = [tmp_path / "one", tmp_path / "two", tmp_path / "deep" / "one"]
    assert outcomes(index.ingest(roots)) == {"added": 3}
    expected = {"readme.md", "two/readme.md", "one/readme.md"}
    assert ids(index) == expected
    assert outcomes(index.ingest(reversed(roots))) == {"unchanged": 3}
    (tmp_path / "two" / "readme.md").write_text("changed")
    assert outcomes(index.ingest(roots)) == {"unchanged": 2, "replaced": 1}
    assert ids(index) == expected
    (tmp_path / "four" / "one").mkdir(parents=True)
    (tmp_path / "four" / "one" / "readme.md").write_text("the fourth")
    index.ingest(tmp_path / "four" / "one")
    assert len(ids(index)) == 4, "a third file of both names takes its whole path"


def test_a_document_added_by_hand_keeps_its_name(opened: Opened, folder: Path) -> None:
    """Catches a file that replaces a document which a user named alike."""
    index = opened()
    index.upsert([Document("a.md", "by hand")])
    index.ingest(folder)
    assert ids(index) == {"a.md", "files/a.md", "b.txt", "sub/c.rst"}


def test_the_same_file_by_any_path_is_one_document(
    opened: Opened, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a file that is indexed twice because it was named in two ways."""
    index = opened()
    monkeypatch.chdir(folder)
    ways: list[object] = [".", folder, "a.md", [folder, folder / "sub", "sub/../b.txt"], f"../{folder.name}"]
    assert outcomes(index.ingest(".")) == {"added": 3}
    for way in ways:
        assert set(outcomes(index.ingest(way))) == {"unchanged"}, way  # type: ignore[arg-type]
    assert ids(index) == {"a.md", "b.txt", "sub/c.rst"}


def test_relative_paths_mean_the_folder_of_the_call(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches files of one project that replace or remove those of another, named alike, from another folder."""
    index = opened()
    for project in ("one", "two"):
        (tmp_path / project / "docs").mkdir(parents=True)
        (tmp_path / project / "docs" / "readme.md").write_text(f"text of {project}")
        (tmp_path / project / "docs" / f"{project}.md").write_text(project)
        monkeypatch.chdir(tmp_path / project)
        assert outcomes(index.ingest("docs")) == {"added": 2}
    assert len(ids(index)) == 4


def test_a_name_that_is_not_utf8_is_one_document(opened: Opened, folder: Path) -> None:
    """Catches a name that no index can store, or that is never found again."""
    path = os.fsencode(folder) + b"/\xff\xfe.md"
    with open(path, "wb") as file:
        file.write(b"strange name")
    index = opened()
    report = index.ingest(folder)
    assert outcomes(report) == {"added": 4}
    str(report).encode()
    assert outcomes(index.ingest(folder)) == {"unchanged": 4}
    assert index.search("strange", mode="bm25")[0].citation.source.endswith("\\udcff\\udcfe.md")


def test_a_folder_that_cannot_be_listed_keeps_its_documents(
    opened: Opened, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a lost permission that ends the ingest, or is taken for vanished files."""
    index = opened()
    index.ingest(folder)
    real_scandir, real_lstat, closed = os.scandir, os.lstat, str(folder / "sub")

    def refused(path: object) -> bool:
        return str(path).startswith(closed)

    def scandir(path: object) -> object:
        if refused(path):
            raise PermissionError(13, "Permission denied", str(path))
        return real_scandir(path)  # type: ignore[call-overload]

    def lstat(path: object, **options: object) -> object:
        if refused(path) and str(path) != closed:
            raise PermissionError(13, "Permission denied", str(path))
        return real_lstat(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(os, "lstat", lstat)
    report = index.ingest(folder)
    assert outcomes(report) == {"failed": 1, "unchanged": 2}
    assert report.failed[0].reason == "Permission denied"
    assert "sub/c.rst" in ids(index)


def test_a_file_that_becomes_unreadable_keeps_its_former_text(opened: Opened, folder: Path) -> None:
    """Catches a document that is lost because its file is damaged for a while."""
    index = opened()
    index.ingest(folder)
    (folder / "a.md").write_bytes(bytes(range(256)) * 16)
    report = index.ingest(folder)
    assert [Path(file.source).name for file in report.failed] == ["a.md"]
    assert index.search("alpha", mode="bm25")[0].document_id == "a.md"


def test_ingest_without_an_embedder_is_bm25(opened: Opened, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an index for BM25 alone that waits for vectors."""
    pytest.importorskip("ragstone.embedding.builtin")
    if not Path(ragstone.__file__).with_name("embedding").joinpath("builtin.bin").exists():
        pytest.skip("needs the built-in embedder's table to count tokens")
    index = opened(embedder=None)
    report = index.ingest(folder)
    assert (report.chunks_added, report.chunks_embedded) == (3, 0)
    assert index.search("beta")[0].document_id == "b.txt"


def test_progress_shows_stage_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a progress line that says nothing, or is written where nobody asked for it."""
    import io

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    clock = iter(float(second) for second in range(0, 1000, 10))
    monkeypatch.setattr("ragstone.pipeline.progress.time.monotonic", lambda: next(clock))
    stream = Terminal()
    with Progress(shown=True, stream=stream) as shown:
        shown.update("reading", 10, 1000, "files")
        shown.update("reading", 100, 1000, "files")
        shown.update("embedding", 0, None, "chunks")
    text = stream.getvalue()
    assert "reading: 100 of 1,000 files, 10/s, 1:30 left" in text
    assert text.endswith("\n")
    silent = Terminal()
    with Progress(shown=False, stream=silent) as shown:
        shown.update("reading", 1, 2, "files")
    assert silent.getvalue() == ""


def test_progress_goes_to_standard_error(opened: Opened, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches progress that is mixed into a program's output."""
    opened().ingest(folder, progress=True)
    assert capsys.readouterr().out == ""
