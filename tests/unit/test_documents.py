"""What reading files must keep, recognise and refuse: encodings, identities, errors, and which files are found."""

from __future__ import annotations

import datetime
import hashlib
import os
from pathlib import Path

import pytest

from ragstone.documents import find_files, read_document, supported_suffixes
from ragstone.documents.metadata import front_matter, scalar
from ragstone.errors import InvalidInput
from ragstone.records import Document


def read(folder: Path, data: bytes, name: str = "a.txt") -> Document:
    """The only place that writes a file to read."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return read_document(path, root=folder)


TEXT = "Grüße, naïve café – “10 €”\r\n\r\nsecond\tline\n"


@pytest.mark.parametrize(
    ("prefix", "encoding", "recorded"),
    [
        (b"", "utf-8", None),
        (b"\xef\xbb\xbf", "utf-8", None),
        (b"\xff\xfe", "utf-16-le", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be", "utf-16-be"),
        (b"\xff\xfe\0\0", "utf-32-le", "utf-32-le"),
        (b"\0\0\xfe\xff", "utf-32-be", "utf-32-be"),
        (b"", "utf-16-le", "utf-16-le"),
        (b"", "utf-16-be", "utf-16-be"),
        (b"", "cp1252", "cp1252"),
    ],
)
def test_encodings(tmp_path: Path, prefix: bytes, encoding: str, recorded: str | None) -> None:
    """Catches mojibake, a byte order mark in the text, and changed line ends."""
    document = read(tmp_path, prefix + TEXT.encode(encoding))
    assert document.text == TEXT
    assert document.metadata.get("encoding") == recorded


def test_latin_1_is_the_last_resort(tmp_path: Path) -> None:
    """Catches a file refused for one byte that Windows-1252 does not define."""
    document = read(tmp_path, b"caf\xe9 " * 100 + b"\x81")
    assert document.metadata["encoding"] == "latin-1"
    assert document.text.startswith("café")


@pytest.mark.parametrize(
    ("name", "head", "encoding"),
    [
        ("a.html", '<html><head><meta charset="koi8-r"></head><body>', "koi8-r"),
        ("a.html", '<meta http-equiv="Content-Type" content="text/html; charset=Shift_JIS"><p>', "shift_jis"),
        ("a.xml", '<?xml version="1.0" encoding="iso-8859-2"?>\n', "iso8859-2"),
        ("a.py", "# -*- coding: euc-jp -*-\n", "euc_jp"),
    ],
)
def test_declared_encodings(tmp_path: Path, name: str, head: str, encoding: str) -> None:
    """Catches declarations that are not honoured."""
    words = {"koi8-r": "Привет", "iso8859-2": "Łódź"}.get(encoding, "日本語")
    document = read(tmp_path, (head + words).encode(encoding), name)
    assert words in document.text
    assert document.metadata["encoding"] == encoding


@pytest.mark.parametrize("declared", ["zlib", "punycode", "idna", "unicode_escape", "utf-7", "no-such", "rot13"])
def test_declared_encodings_are_not_trusted_blindly(tmp_path: Path, declared: str) -> None:
    """Catches decoders that are no text encodings, or that take quadratic time."""
    document = read(tmp_path, f'<meta charset="{declared}"><p>caf'.encode() + b"\xe9", "a.html")
    assert (document.text, document.metadata["encoding"]) == ("café", "cp1252")


GARBAGE = hashlib.sha512(b"seed").digest() * 40


@pytest.mark.parametrize(
    "data", [b"\0" * 100, b"text\0text", GARBAGE, GARBAGE.replace(b"\0", b""), b"\x89PNG\r\n\x1a\n\0\0\0"]
)
def test_binary_garbage_is_refused(tmp_path: Path, data: bytes) -> None:
    """Catches binary files named .md that fill the index with noise; the file stays as it is."""
    with pytest.raises(InvalidInput, match=r"cannot read '.*a\.md': looks binary"):
        read(tmp_path, data, "a.md")
    assert (tmp_path / "a.md").read_bytes() == data


def test_damaged_utf_16_is_refused(tmp_path: Path) -> None:
    """Catches half characters that are dropped or replaced silently."""
    with pytest.raises(InvalidInput, match="damaged"):
        read(tmp_path, b"\xff\xfea\0\x00\xd8")


def test_control_characters_of_terminals_are_text(tmp_path: Path) -> None:
    """Catches man pages and coloured logs taken for binary."""
    assert read(tmp_path, b"N\x08NA\x08A \x1b[1mbold\x1b[0m\f").text.startswith("N\x08N")


def test_empty_file(tmp_path: Path) -> None:
    """Catches a crash, or a refusal, for a file without bytes."""
    document = read(tmp_path, b"", "empty.md")
    assert (document.text, document.title, list(document.sections)) == ("", "empty.md", [])


def test_identity(tmp_path: Path) -> None:
    """Catches identities that change with the folder that the index is built from."""
    document = read(tmp_path, b"x", "sub/a b.txt")
    assert document.document_id == "sub/a b.txt"
    assert document.source == str(tmp_path / "sub" / "a b.txt")
    assert document.content_sha256 == hashlib.sha256(b"x").hexdigest()
    assert read_document(tmp_path / "sub/a b.txt", document_id="mine").document_id == "mine"
    assert read_document(tmp_path / "sub/a b.txt").document_id == (tmp_path / "sub/a b.txt").as_posix()
    with pytest.raises(InvalidInput, match="is not below root"):
        read_document(tmp_path / "sub/a b.txt", root=tmp_path / "other")


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a root and a path that are the same place, spelled differently."""
    read(tmp_path, b"x", "sub/a.txt")
    monkeypatch.chdir(tmp_path)
    document = read_document("sub/a.txt", root=tmp_path)
    assert (document.document_id, document.source) == ("sub/a.txt", "sub/a.txt")
    assert read_document("sub/a.txt", root=".").document_id == "sub/a.txt"


def test_names_that_are_not_unicode(tmp_path: Path) -> None:
    """Catches identities that cannot be written as UTF-8."""
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.txt")
    try:
        with open(path, "wb") as file:
            file.write(b"x")
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    document = read_document(os.fsdecode(path), root=tmp_path)
    assert document.document_id == "caf\\udce9.txt"
    (document.source + document.title).encode("utf-8")


def test_unreadable_files(tmp_path: Path) -> None:
    """Catches errors that do not say which file and why."""
    with pytest.raises(FileNotFoundError, match=r"missing\.txt"):
        read_document(tmp_path / "missing.txt")
    with pytest.raises(InvalidInput, match="not a regular file; pass a folder to find_files"):
        read_document(tmp_path)
    with pytest.raises(InvalidInput, match="cannot read"):
        read_document("a\0b")
    with pytest.raises(InvalidInput, match=r"cannot read '.*': file name too long"):
        read_document(tmp_path / ("x" * 5000))
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(InvalidInput, match="not a regular file"):
        read_document(tmp_path / "pipe.txt")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_forbidden_files(tmp_path: Path) -> None:
    """Catches errors that do not say which file and why."""
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "a.txt").chmod(0)
    with pytest.raises(InvalidInput, match=r"cannot read '.*a\.txt': permission denied"):
        read_document(tmp_path / "a.txt")


def test_size_limit(tmp_path: Path) -> None:
    """Catches a file that is read into memory whatever its size."""
    (tmp_path / "a.txt").write_bytes(b"x" * 101)
    with pytest.raises(InvalidInput, match="has 101 bytes, the limit is 100: split it or raise max_bytes"):
        read_document(tmp_path / "a.txt", max_bytes=100)
    assert len(read_document(tmp_path / "a.txt", max_bytes=101).text) == 101


# --- metadata


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7),
        ("-0", 0),
        ("007", "007"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("1e999", "1e999"),
        ("9" * 19, "9" * 19),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("nan", "nan"),
        ("2026-02-28", datetime.date(2026, 2, 28)),
        ("2026-02-30", "2026-02-30"),
        ("2026-02-28T10:00:00Z", datetime.datetime(2026, 2, 28, 10, tzinfo=datetime.UTC)),
        ("'2026-02-28'", "2026-02-28"),
        ('"a: \\"b\\""', 'a: "b"'),
        ("1.2.3", "1.2.3"),
        ("", ""),
    ],
)
def test_scalars(text: str, value: object) -> None:
    """Catches versions read as numbers, dates that do not exist, and infinities."""
    assert scalar(text) == value and type(scalar(text)) is type(value)


def test_front_matter() -> None:
    """Catches metadata that filters would miss, and values of types that the index does not take."""
    text = (
        "---\r\ntitle: A: B # note\nyear: 2024\ntags: [a, 'b, c', \"d\"]\nnumbers:\n  - 1\n  - 2\nmixed: [1, a]\n"
        "empty:\nnull_too: ~\n# comment\nnested:\n  a: 1\n  b: 2\nfolded: >\n  one\n  two\nurl: http://x.y/#z\n---\nbody"
    )
    metadata, end = front_matter(text)
    assert text[end:].lstrip() == "body"
    assert metadata == {
        "title": "A: B",
        "year": 2024,
        "tags": ["a", "b, c", "d"],
        "numbers": [1, 2],
        "mixed": ["1", "a"],
        "nested": "  a: 1\n  b: 2",
        "folded": ">\n  one\n  two",
        "url": "http://x.y/#z",
    }


@pytest.mark.parametrize(
    "text", ["", "---", "---\n", "--- a\n---\n", "----\na: 1\n---\n", " ---\na: 1\n---", "---\na: 1\n"]
)
def test_what_is_no_front_matter(text: str) -> None:
    """Catches prose swallowed as metadata because it begins with a rule."""
    assert front_matter(text) == ({}, 0)


# --- finding files


def tree(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


def found(folder: Path, **options: object) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in find_files(folder, **options)]  # type: ignore[arg-type]


def test_finds_what_can_be_read(tmp_path: Path) -> None:
    """Catches hidden files, tools' folders and binaries in the index, and an order that depends on the disk."""
    wanted = ["README", "a/B.MD", "a/c.py", "b.txt", "z/Makefile", "z/y/x.html"]
    tree(
        tmp_path,
        *wanted,
        ".hidden.md",
        ".git/config.txt",
        "node_modules/m.js",
        "p.png",
        "q.pdf",
        "noext",
        "a/__pycache__/c.py",
    )
    assert found(tmp_path) == wanted


def test_include_and_exclude(tmp_path: Path) -> None:
    """Catches patterns that match too much or too little."""
    tree(tmp_path, "a.md", "b.txt", "docs/c.md", "docs/old/d.md", "e.png", "f.weird")
    assert found(tmp_path, include=["*.md"]) == ["a.md", "docs/c.md", "docs/old/d.md"]
    assert found(tmp_path, include="docs/*") == ["docs/c.md", "docs/old/d.md"]
    assert found(tmp_path, exclude=["old", "a.*"]) == ["b.txt", "docs/c.md"]
    assert found(tmp_path, exclude="docs/old") == ["a.md", "b.txt", "docs/c.md"]
    assert found(tmp_path, include="*") == ["a.md", "b.txt", "docs/c.md", "docs/old/d.md", "f.weird"]


def test_several_paths_give_each_file_once(tmp_path: Path) -> None:
    """Catches documents indexed twice, and files given by name left out for their name."""
    tree(tmp_path, "a/x.md", "a/y.weird")
    paths = [tmp_path / "a" / "y.weird", tmp_path, str(tmp_path / "a"), tmp_path / "a" / "x.md"]
    assert [path.name for path in find_files(paths)] == ["y.weird", "x.md"]


def test_a_missing_path_is_an_error_at_once(tmp_path: Path) -> None:
    """Catches a misspelled folder that looks like an empty one."""
    with pytest.raises(FileNotFoundError):
        find_files([tmp_path, tmp_path / "missing"])


def test_links(tmp_path: Path) -> None:
    """Catches endless loops, doubled documents, and paths that depend on the names of links."""
    tree(tmp_path, "real/x.md", "outside/y.md")
    folder = tmp_path / "real"
    (folder / "loop").symlink_to(folder)
    (folder / "a-link").symlink_to(tmp_path / "outside")
    (folder / "b-link").symlink_to(tmp_path / "outside")
    (folder / "dangling.md").symlink_to(tmp_path / "nowhere")
    (folder / "again.md").symlink_to(folder / "x.md")
    assert len(found(folder)) == 2
    assert found(folder)[0] == "a-link/y.md"


def test_folders_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches files that go missing without a word."""
    tree(tmp_path, "a.md", "b/c.md")
    list_folder = os.scandir

    def refuse(folder: Path) -> object:
        if folder.name == "b":
            raise PermissionError(13, "Permission denied", str(folder))
        return list_folder(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InvalidInput, match=r"cannot list '.*b': Permission denied"):
        list(find_files(tmp_path))
    failed: list[Path] = []
    assert found(tmp_path, on_error=lambda folder, error: failed.append(folder)) == ["a.md"]
    assert failed == [tmp_path / "b"]


def test_supported_suffixes() -> None:
    """Catches a suffix lost, unsorted or in the wrong form."""
    suffixes = supported_suffixes()
    assert {".md", ".rst", ".txt", ".html", ".py", ".toml"} <= set(suffixes)
    assert list(suffixes) == sorted(suffixes) and all(suffix.startswith(".") for suffix in suffixes)
