"""The builder of the large corpus: its cleaners, its choice of pages, and that equal packages give equal bytes."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CORPORA = Path(__file__).resolve().parents[2] / "corpora"
sys.path.insert(0, str(CORPORA))

import build  # type: ignore[import-not-found]  # noqa: E402
import cleaners  # type: ignore[import-not-found]  # noqa: E402
import manpages  # type: ignore[import-not-found]  # noqa: E402
import queries  # type: ignore[import-not-found]  # noqa: E402

PROSE = "The widget turns slowly while the operator watches the dial. It stops when the lever is pulled down again. "

MAN_PAGE = r"""'\" t
.\" A comment that nobody may read
.de Vb
.  nf
..
.if n \{\
.    ds hidden conditional text
.\}
.TH OPEN 2 2022-10-30 "Linux"
.SH NAME
open \- open a file
.SH SYNOPSIS
.nf
.B #include <fcntl.h>
.BI "int open(const char *" pathname ", int " flags );
.fi
.SH DESCRIPTION
The
.BR open ()
call opens the file \(lqname\(rq, see
.BR close (2).
It isn\(aqt \fIquick\fP.
.TP
.B O_RDONLY
Open for reading,
and nothing else.
.IP \(bu 2
A bullet.
.TS
l l.
Name	Value
_
A	T{
one
T}
.TE
"""

MDOC_PAGE = r"""
.Dd June 1
.Dt LS 1
.Os
.Sh NAME
.Nm ls
.Nd list files
.Sh SYNOPSIS
.Nm
.Op Fl la
.Op Ar file ...
.Sh DESCRIPTION
For each operand,
.Nm
lists it; see
.Xr chmod 1 ,
or set
.Ev COLUMNS .
.Bl -tag
.It Fl a
Include dots.
.El
"""


def test_man_macros_become_markdown() -> None:
    """Catches macros, fonts, comments or conditionals that leak into text, and lost code blocks, tags or tables."""
    title, text = manpages.man_to_markdown(MAN_PAGE, "open(2)")
    assert title == "open(2)"
    assert text.startswith("# open(2)\n\n## NAME\n\nopen - open a file\n")
    assert "```\n#include <fcntl.h>\nint open(const char *pathname, int flags);\n```" in text
    assert "The open() call opens the file “name”, see close(2). It isn't quick." in text
    assert "- O_RDONLY\n  Open for reading, and nothing else." in text
    assert "- A bullet." in text
    assert "Name · Value" in text
    for leaked in ("comment", "conditional", "\\", "\n.", "l l."):
        assert leaked not in text


def test_mdoc_macros_become_markdown() -> None:
    """Catches flags without their dash, a name that is not filled in, and punctuation torn from its word."""
    _, text = manpages.man_to_markdown(MDOC_PAGE, "ls(1)")
    assert "ls — list files" in text
    assert "ls [-la] [file ...]" in text
    assert "ls lists it; see chmod(1), or set COLUMNS." in text
    assert "- -a\n  Include dots." in text


def test_a_man_page_that_includes_another_is_no_page() -> None:
    """Catches stubs (``.so man2/open.2``) that would fill the corpus with empty documents."""
    assert manpages.man_to_markdown(".so man2/open.2\n", "creat(2)") == ("", "")


def one_page(path: str, text: str) -> cleaners.Page:
    """Clean a file that gives exactly one page."""
    pages = list(cleaners.clean(path, text.encode()))
    assert len(pages) == 1
    return pages[0]


def test_html_keeps_structure_and_loses_furniture() -> None:
    """Catches scripts, navigation or attributes left in, and headings, code or table cells taken out."""
    page = one_page(
        "usr/share/doc/x/a.html",
        "<html><head><title>Widgets</title><script>var x = '<p>bad</p>';</script></head><body class='x'>"
        "<nav>bad</nav><div class='sphinxsidebar'>bad<div>bad</div></div>"
        "<section id='search'><h2 class='y'>Search &amp; find<a class='headerlink'>¶</a></h2>"
        f"<p>{PROSE * 3}</p><pre><span class='k'>if</span> x:\n    <span>go()</span></pre>"
        "<dl><dt>size<span class='classifier'>int</span></dt></dl>"
        "<table><tr><td>left</td><td>right</td></tr></table><div><span></span></div></section></body></html>",
    )
    assert "bad" not in page.content
    assert "class=" not in page.content
    assert "¶" not in page.content
    assert "<title>Widgets</title>" in page.content
    assert "<h2>Search &amp; find</h2>" in page.content
    assert "<pre>if x:\n    go()</pre>" in page.content
    assert "<dt>size : int</dt>" in page.content
    assert "<td>left</td>\n<td>right</td>" in page.content
    assert "<div></div>" not in page.content
    assert page.title == "Widgets"
    assert page.headings == ("Search & find",)
    assert "Search & find" in page.text
    assert "<" not in page.text.replace("< ", "")


def test_pages_of_links_and_stubs_are_left_out() -> None:
    """Catches indexes and redirections, which hold no text to search."""
    links = "".join(f"<li><a href='#{i}'>function_{i}</a></li>" for i in range(800))
    assert list(cleaners.clean("a/b.html", f"<ul>{links}</ul>".encode())) == []
    assert list(cleaners.clean("a/c.html", b"<p>Moved.</p>")) == []


def test_files_that_are_no_text_are_left_out() -> None:
    """Catches binary files with the name of a text, and damaged compressed files: neither may stop a build."""
    assert list(cleaners.clean("a/b.txt", bytes(range(256)) * 20)) == []
    assert list(cleaners.clean("a/b.txt.gz", b"\x1f\x8b\x08 damaged")) == []
    assert list(cleaners.clean("a/b.png", PROSE.encode() * 9)) == []


def test_names_follow_formats_and_compression_is_undone() -> None:
    """Catches pages under a name by which the parsers would read them wrongly."""
    names = {
        "usr/share/doc/p/_sources/a.rst.txt": ".rst",
        "usr/share/doc/p/_sources/b.txt": ".rst",
        "usr/share/doc/p/c.txt.gz": ".txt",
        "usr/share/doc/p/d.htm": ".html",
        "usr/share/perl/e.pod": ".md",
        "usr/share/doc/p/f.md": ".md",
    }
    for path, suffix in names.items():
        text = ("=head1 NAME\n\n" if path.endswith(".pod") else "") + PROSE * 4
        data = gzip.compress(text.encode()) if path.endswith(".gz") else text.encode()
        (page,) = cleaners.clean(path, data)
        assert page.path.endswith(suffix), path
        assert "operator watches" in page.content


def test_old_encodings_become_utf8() -> None:
    """Catches pages of mojibake from manuals that are not UTF-8."""
    assert cleaners.decode("naïve café".encode("iso-8859-1")) == "naïve café"
    assert cleaners.decode('<meta charset="iso-8859-2">łódź'.encode("iso-8859-2")).endswith("łódź")
    assert cleaners.decode(b"\xef\xbb\xbfa\r\nb\rc") == "a\nb\nc"


def test_pod_becomes_markdown() -> None:
    """Catches nested formatting codes, entities and sections for other formatters that stay in the text."""
    page = one_page(
        "usr/share/perl/5/pod/perlx.pod",
        "=encoding utf8\n\n=head1 NAME\n\nperlx - B<bold I<and> nested>\n\n=begin html\n\n<b>bad</b>\n\n=end html\n\n"
        "=over 4\n\n=item C<< $a->{b} >>\n\nSee L<the manual|perlop/Ops>, E<lt>tag>. "
        f"{PROSE * 3}\n\n    my $x = 1;\n\n=back\n",
    )
    assert "## NAME\n\nperlx - bold and nested" in page.content
    assert "- $a->{b}" in page.content
    assert "See the manual, <tag>." in page.content
    assert "\n    my $x = 1;" in page.content
    assert "bad" not in page.content


def dictionary(entries: dict[str, str]) -> tuple[bytes, bytes]:
    """Index and compressed content in the format of dictd."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

    def number(value: int) -> str:
        text = ""
        while value or not text:
            text, value = digits[value % 64] + text, value // 64
        return text

    content, index = b"", ""
    for word, meaning in entries.items():
        data = f"{word}\n  {meaning}\n".encode()
        index += f"{word}\t{number(len(content))}\t{number(len(data))}\n"
        content += data
    return index.encode(), gzip.compress(content)


def test_dictionary_entries_are_cut_where_the_index_says() -> None:
    """Catches wrong offsets (base 64, decompressed) and lost entries."""
    index, data = dictionary({f"word{i}": f"meaning {i} " + PROSE for i in range(130)})
    pages = list(cleaners.dictionary_pages("usr/share/dictd/tiny.dict.dz", index, data))
    assert [page.path for page in pages] == ["tiny-00000.txt", "tiny-00001.txt", "tiny-00002.txt"]
    assert pages[1].content.startswith("word60\n  meaning 60 ")
    assert "word119" in pages[1].content
    assert sum(page.content.count("meaning") for page in pages) == 130


def entry(name: str, text: str, package: str = "p", chunks: int = 1) -> build.Entry:
    """Return the entry of a page with this text."""
    return build.Entry(package, name, cleaners.text_digest(text), chunks, len(text))


def test_equal_texts_are_kept_once() -> None:
    """Catches duplicates that differ only in case or white space, within a package and between packages."""
    found = list(
        build.clean_files(
            "p", [("usr/share/doc/p/a.txt", PROSE.encode() * 3), ("usr/share/doc/p/b.txt", PROSE.upper().encode() * 3)]
        )
    )
    assert [page.path for _, page in found] == ["usr/share/doc/p/a.txt"]
    same = [entry(f"{i}.txt", f"text {i % 40}", package) for i in range(80) for package in ("p", "q")]
    chosen, held_out = build.select(same, 10_000)
    assert len(chosen) + len(held_out) == 40


def test_selection_is_the_same_in_any_order_and_grows_by_adding() -> None:
    """Catches a corpus that depends on the order of packages, or a larger one that lacks pages of the smaller."""
    entries = [entry(f"{i}.txt", f"text {i}", f"p{i % 20}") for i in range(2000)]
    small, held_out = build.select(entries, 500)
    again, _ = build.select(entries[::-1], 500)
    large, _ = build.select(entries, 1000)
    assert small == again
    assert len(small) == 500
    assert {e.digest for e in small} <= {e.digest for e in large}
    assert 5 <= len(held_out) <= 45
    assert not {e.digest for e in held_out} & {e.digest for e in large}


def test_no_package_takes_more_than_its_share() -> None:
    """Catches one huge package that would be the corpus."""
    entries = [entry(f"{i}.txt", f"big {i}", "big") for i in range(3000)] + [
        entry(f"{i}.txt", f"{i} small", f"s{i % 9}") for i in range(1200)
    ]
    chosen, _ = build.select(entries, 1000)
    assert sum(e.package == "big" for e in chosen) == 150
    assert len(chosen) == 1000


def test_paths_are_tame_and_distinct() -> None:
    """Catches file names that escape the folder, are hidden, or collide where case does not count."""
    taken: set[str] = set()
    paths = [
        build._tame(p, taken)
        for p in ("usr/share/doc/x/../../etc/a b.txt", "usr/share/doc/x/A.txt", "usr/share/doc/x/a.txt", "x/.hidden")
    ]
    assert len({p.lower() for p in paths}) == 4
    for path in paths:
        assert not any(part in ("", ".", "..") or part.startswith(".") for part in path.split("/"))


def test_queries_are_varied_distinct_and_repeatable() -> None:
    """Catches queries that miss a kind, repeat, change from run to run, or openings from text that is indexed."""
    text = (
        "How does the widget know when to stop turning? " + PROSE * 8 + "Call widget_stop_now() or WIDGET_MAX first. "
    )
    pages = [
        cleaners.Page(f"{i}.txt", f"Widget number {i}", "", f"Text {i}. {text}", ("Widget", f"Turning the widget {i}"))
        for i in range(40)
    ]
    manual = [cleaners.Page(f"m{i}.md", f"widget{i}(3)", "", text, ()) for i in range(40)]
    found = [(page.path, queries.seeds(page)) for page in pages + manual]
    made = queries.make_queries(found[10:], found[:10], 5)
    assert made == queries.make_queries(found[:9:-1], found[:10][::-1], 5)
    assert {query["kind"] for query in made} == set(queries.KINDS)
    assert len({query["query"].lower() for query in made}) == len(made)
    assert all(query["source"] in {path for path, _ in found[:10]} for query in made if query["kind"] == "opening")
    assert all(query["query"].endswith("?") for query in made if query["kind"] in ("question", "heading"))


def test_licences_come_from_the_copyright_file() -> None:
    """Catches packages recorded without their licence."""
    assert build.licences_named("Files: *\nLicense: GPL-2+\n text\n\nFiles: doc\nLicense: GFDL-1.3+\n") == [
        "GFDL-1.3+",
        "GPL-2+",
    ]
    assert build.licences_named("Under the Apache\n License. It permits much.") == ["Apache"]


@pytest.fixture
def tiny_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two tiny real packages in a cache, and a recipe that names them."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed: packages can only be made and read on Debian or a relative")
    debs = tmp_path / "cache" / "debs"
    debs.mkdir(parents=True)
    for name in ("tiny-doc", "small-doc"):
        tree = tmp_path / "tree" / name
        folder = tree / "usr/share/doc" / name
        (folder / "html").mkdir(parents=True)
        for i in range(30):
            (folder / "html" / f"page{i}.html").write_text(
                f"<title>Page {i} of {name}</title><h1>Page {i}</h1><p>{name} {i}. {PROSE * 4}</p>"
            )
        (folder / "notes.txt").write_text("The same notes in both. " + PROSE * 4)
        (folder / "link.html").symlink_to("/etc/passwd")
        (folder / "copyright").write_text("License: MIT\n Do as you like.\n")
        (tree / "DEBIAN").mkdir()
        (tree / "DEBIAN/control").write_text(
            f"Package: {name}\nVersion: 1:1.0\nArchitecture: all\nMaintainer: A <a@example.com>\nDescription: tiny\n"
        )
        subprocess.run(
            ["dpkg-deb", "-b", str(tree), str(debs / f"{name}_1%3a1.0_all.deb")], check=True, capture_output=True
        )
    recipe = tmp_path / "debian.json"
    recipe.write_text(
        json.dumps(
            {"format": 1, "packages": [{"name": n, "take": r"\.(html|txt)$"} for n in ("tiny-doc", "small-doc")]}
        )
    )
    monkeypatch.setattr(build, "RECIPE", recipe)
    monkeypatch.setattr(build, "PACKAGE_SHARE_MAX", 1.0)
    return tmp_path


def contents(folder: Path) -> dict[str, str]:
    """Digest of each file below a folder."""
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def run(root: Path, into: str, *more: str) -> int:
    """Build a corpus of 50 chunks and return the exit status."""
    return int(
        build.main(["--into", str(root / into), "--cache", str(root / "cache"), "--chunks", "50", "--jobs", "1", *more])
    )


def test_a_build_is_repeatable_resumable_and_complete(tiny_recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a build that differs from run to run, follows links, keeps half-written parts, or does its work twice."""
    assert run(tiny_recipe, "one") == 0
    first = contents(tiny_recipe / "one")
    half = next((tiny_recipe / "cache/clean").iterdir())
    (half / "entries.json").unlink()  # as if the build had been stopped while it cleaned this package
    assert run(tiny_recipe, "two") == 0
    assert contents(tiny_recipe / "two") == first
    assert not list(tiny_recipe.rglob("*.partial"))
    summary = json.loads((tiny_recipe / "one/corpus.json").read_text())
    documents = [name for name in first if name.startswith("documents/")]
    assert summary["files"] == len(documents) == 50
    assert not any("link" in name for name in documents)
    assert sum("notes" in name for name in documents) <= 1
    assert [(p["name"], p["version"], p["licences"]) for p in summary["packages"]] == [
        ("tiny-doc", "1:1.0", ["MIT"]),
        ("small-doc", "1:1.0", ["MIT"]),
    ]
    assert "copyright/tiny-doc" in first
    before = (tiny_recipe / "one/corpus.json").stat().st_mtime_ns
    capsys.readouterr()
    assert run(tiny_recipe, "one") == 0
    assert "up to date" in capsys.readouterr().err
    assert (tiny_recipe / "one/corpus.json").stat().st_mtime_ns == before


def test_record_writes_versions_and_a_changed_package_is_refused(
    tiny_recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a manifest without digests, and a damaged package file that passes for the recorded one."""
    assert run(tiny_recipe, "one", "--record") == 0
    recorded = json.loads((tiny_recipe / "debian.json").read_text())
    assert recorded["packages"][0]["version"] == "1:1.0"
    assert len(recorded["packages"][0]["sha256"]) == 64
    assert (
        recorded["recorded"]["documents_sha256"]
        == json.loads((tiny_recipe / "one/corpus.json").read_text())["documents_sha256"]
    )
    package = tiny_recipe / "cache/debs/tiny-doc_1%3a1.0_all.deb"
    package.write_bytes(package.read_bytes() + b"!")
    assert run(tiny_recipe, "two") == 1
    assert "delete the file" in capsys.readouterr().err


def test_a_folder_that_is_no_corpus_is_left_alone(tiny_recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches the loss of a folder of somebody's files that was named by mistake."""
    (tiny_recipe / "mine").mkdir()
    (tiny_recipe / "mine/letter.txt").write_text("dear")
    assert run(tiny_recipe, "mine") == 1
    assert "pass another folder" in capsys.readouterr().err
    assert (tiny_recipe / "mine/letter.txt").read_text() == "dear"


def test_too_few_chunks_is_an_error_with_a_way_out(tiny_recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a corpus smaller than asked for that passes for the whole."""
    assert run(tiny_recipe, "one", "--chunks", "5000") == 1
    assert "pass --chunks" in capsys.readouterr().err
    assert not (tiny_recipe / "one").exists()


@pytest.mark.parametrize(
    ("madison", "download", "says"),
    [
        ("", "exit 1", "apt-get update"),
        ("x | 1.0 | Packages", "echo 'E: no route' >&2; exit 100", "connect to the network"),
    ],
)
def test_without_network_or_lists_the_error_says_what_to_do(
    tiny_recipe: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    madison: str,
    download: str,
    says: str,
) -> None:
    """Catches a bare traceback, or a silent skip, where apt has no lists or no network."""
    tools = tiny_recipe / "tools"
    tools.mkdir()
    for name, script in (("apt-cache", f"echo '{madison}'"), ("apt-get", download)):
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    (tiny_recipe / "cache/debs/tiny-doc_1%3a1.0_all.deb").unlink()
    assert run(tiny_recipe, "one") == 1
    assert says in capsys.readouterr().err


def test_the_recorded_manifest_is_complete() -> None:
    """Catches a package that was added to the recipe without recording its version, digest and licence."""
    recipe = json.loads((CORPORA / "debian.json").read_text())
    assert len(recipe["packages"]) >= 50
    assert recipe["recorded"]["chunks_estimated"] >= 300_000
    assert recipe["recorded"]["queries"] >= 1_000
    for package in recipe["packages"]:
        assert package["version"], package["name"]
        assert len(package["sha256"]) == 64, package["name"]
        assert package["licences"], package["name"]
