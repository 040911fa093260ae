"""Turns a file's bytes into text: byte order marks, UTF-8, declared encodings, UTF-16, at last Western European."""

from __future__ import annotations

import codecs
import re

from ragstone.errors import InvalidInput

__all__ = ["decode"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(
    rb"<meta[^>]{0,200}?charset\s{0,9}=\s{0,9}[\"']?([\w.:-]{1,40})"  # HTML
    rb"|<\?xml[^>]{0,100}?encoding\s{0,9}=\s{0,9}[\"']([\w.:-]{1,40})"  # XML
    rb"|^[^\n]{0,40}#[^\n]{0,80}?coding[:=][ \t]{0,9}([\w.-]{1,40})",  # source code
    re.IGNORECASE,
)
# Only plain tables and well-known multi-byte encodings: some of Python's codecs take more than linear time.
_TRUSTED = re.compile(
    r"iso8859-\d+|cp125\d|cp437|cp85\d|cp866|koi8-[rtu]|mac-\w+|gb\w+|big5\w*|shift_jis\w*|euc_\w+|cp9\d\d|utf-16.*"
)
_CONTROLS = bytes({*range(32)} - {*b"\b\t\n\v\f\r\x1b"}) + b"\x7f"
_LATIN_CONTROLS = bytes(range(0x80, 0xA0))


def decode(data: bytes) -> tuple[str, str]:
    """Decode a file: its text without byte order mark, and the name of the encoding.

    Raises:
        InvalidInput: the bytes look binary: NUL bytes, or more than one control character in 200.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _strict(data[len(mark) :], encoding), encoding
    if b"\0" in data:
        encoding = _utf16_without_mark(data)
        return _strict(data, encoding), encoding
    _check_controls(data, _CONTROLS)
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return _decode_legacy(data)


def _strict(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"looks binary or damaged: {encoding} cannot decode byte {data[error.start]:#04x} at offset {error.start}"
        ) from None


def _utf16_without_mark(data: bytes) -> str:
    """UTF-16 of mostly Latin text has a NUL in every second byte, and hardly one elsewhere."""
    first, second = data[0::2].count(0), data[1::2].count(0)
    if len(data) % 2 == 0 and max(first, second) * 4 > len(data) // 2 and min(first, second) * 100 <= len(data):
        return "utf-16-be" if first > second else "utf-16-le"
    raise InvalidInput(f"looks binary: {first + second} NUL bytes, the first at offset {data.index(0)}")


def _check_controls(data: bytes, controls: bytes) -> None:
    count = len(data) - len(data.translate(None, controls))
    if count * 200 > len(data):
        raise InvalidInput(f"looks binary: {count} of {len(data)} bytes are control characters")


def _decode_legacy(data: bytes) -> tuple[str, str]:
    declared = _DECLARED.search(data[:4096])
    if declared is not None:
        name = next(group for group in declared.groups() if group).decode("ascii", "replace")
        try:
            encoding = codecs.lookup(name).name
            if encoding == "iso8859-1":
                encoding = "cp1252"  # as every browser reads it
            if _TRUSTED.fullmatch(encoding):
                return data.decode(encoding), encoding
        except (LookupError, UnicodeDecodeError, ValueError):
            pass
    try:
        return data.decode("cp1252"), "cp1252"
    except UnicodeDecodeError:
        _check_controls(data, _CONTROLS + _LATIN_CONTROLS)
        return data.decode("latin-1"), "latin-1"
