"""Files as strangers write them: each line that cannot be used is refused by file, number and next step."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragstone.errors import InvalidInput
from ragstone.lines import json_lines, table_lines, text_field


def _file(folder: Path, content: bytes, name: str = "x.jsonl") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_reads_what_editors_write(tmp_path: Path) -> None:
    """Catches a byte order mark, Windows line ends, blank lines or a missing last line end that change a row."""
    path = _file(tmp_path, '\ufeff{"a": 1}\r\n\r\n  \n{"a": "\u2028"}'.encode())
    assert list(json_lines(path)) == [(1, {"a": 1}), (4, {"a": "\u2028"})]
    assert list(table_lines(_file(tmp_path, b"a\tb \n"))) == [(1, "a\tb ")]


def test_reads_gzip(tmp_path: Path) -> None:
    """Catches a packed file that is read as it stands, or a torn one that is taken for whole."""
    packed = gzip.compress(b'{"a": 1}\n' * 1000)
    assert len(list(json_lines(_file(tmp_path, packed, "x.jsonl.gz")))) == 1000
    for broken in (packed[:-9], packed[:20] + b"\0\0\0\0" + packed[24:], b"{}"):
        with pytest.raises(InvalidInput, match="gzip"):
            list(json_lines(_file(tmp_path, broken, "y.jsonl.gz")))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}\n{"a": ', "line 2 of .* is not valid JSON"),
        (b"\n\n[1]", "line 3 of .* is no JSON object"),
        (b'{"a": NaN}', "line 1 of .* holds NaN"),
        (b'{"a": -Infinity}', "line 1 of .* holds -Infinity"),
        (b'{"a": 1, "a": 2}', 'line 1 of .* names the field "a" twice'),
        (b"[" * 100_000, "line 1 of .* is not valid JSON"),
        (b'{"a": 1}\n{"\xff": 1}', "line 2 of .* is not UTF-8 at byte 2"),
    ],
)
def test_refuses_a_line_by_file_and_number(tmp_path: Path, content: bytes, message: str) -> None:
    """Catches an error that leaves the user to search for the line."""
    path = _file(tmp_path, content)
    with pytest.raises(InvalidInput, match=message) as caught:
        list(json_lines(path))
    assert "x.jsonl" in str(caught.value)


def test_refuses_what_is_no_file(tmp_path: Path) -> None:
    """Catches a bare OSError for a path that was mistyped."""
    with pytest.raises(InvalidInput, match="there is no file"):
        list(table_lines(tmp_path / "missing"))
    with pytest.raises(InvalidInput, match="is a folder"):
        list(table_lines(tmp_path))


def test_fields() -> None:
    """Catches a field that is taken in the wrong type: a number is no text, a blank is no text."""
    row: dict[str, object] = {"text": "a", "n": 2, "flag": True, "blank": " ", "lone": "\ud800"}
    assert text_field(row, ("missing", "text"), "line 1") == "a"
    for name in ("missing", "n", "flag", "blank", "lone"):
        with pytest.raises(InvalidInput, match=f'line 1 has .*"{name}"'):
            text_field(row, name, "line 1")


@given(st.binary(max_size=200))
def test_any_bytes_are_rows_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Catches any other error than the typed one."""
    path = _file(tmp_path_factory.getbasetemp(), content)
    try:
        rows = list(json_lines(path))
    except InvalidInput as error:
        assert "x.jsonl" in str(error)
    else:
        assert all(isinstance(row, dict) for _, row in rows)
