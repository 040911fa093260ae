"""Marks the structure of reStructuredText: headings, field lists, lists, tables and literal blocks, line by line."""

from __future__ import annotations

import re

from ragstone.documents.metadata import scalar
from ragstone.documents.parsed import Outline, Parsed, lines
from ragstone.records import MetadataValue

__all__ = ["parse_restructured_text"]

_ADORNMENTS = frozenset("=-`:'\"~^_*+#<>.!$%&(),/;?@[\\]{|}")
_FIELD = re.compile(r":([^:\s][^:\n]{0,80}):(?:[ \t]+(.*))?")
_ITEM = re.compile(r"(?:[-*+\u2022]|\(?(?:\d{1,9}|#|[A-Za-z])[.)])(?:\s|$)")
_CODE = re.compile(r"\.\.[ \t]+(?:code-block|code|sourcecode|highlight|parsed-literal|literalinclude|doctest|math)::")
_TABLE_RULE = re.compile(r"=+(?:[ \t]+=+)+")
_ROLE = re.compile(r":[\w:.+-]{1,40}:`([^`<]*?)(?:\s*<[^`>]*>)?`")


def parse_restructured_text(text: str) -> Parsed:
    r"""Parse reStructuredText: the title is the first heading; the field list below it (or at the top) is metadata.

    >>> parsed = parse_restructured_text("Leave\n=====\n\n:Owner: People\n\nText::\n\n    code\n")
    >>> parsed.title, dict(parsed.metadata), [section.kind for section in parsed.sections]
    ('Leave', {'owner': 'People'}, ['heading', 'metadata', 'paragraph', 'code'])
    """
    scanner = _Scanner()
    pending: tuple[int, int, str] | None = None
    for line in lines(text):
        if pending is not None:
            scanner.line(pending, line[2])
        pending = line
    if pending is not None:
        scanner.line(pending, "")
    scanner.outline.close()
    return Parsed(text, scanner.title, scanner.outline.sections, scanner.metadata)


class _Scanner:
    """Sees each line with the one below it, for a heading is known by its underline."""

    def __init__(self) -> None:
        self.outline = Outline()
        self.title = ""
        self.metadata: dict[str, MetadataValue] = {}
        self.levels: list[str] = []  # styles of adornment in the order of their first use
        self.overline: tuple[int, str] | None = None
        self.heading_below = -1  # levels[] of the heading whose underline is the next line; -1 for none
        self.heading_at = (0, "")
        self.code_indent = -1  # lines indented more than this are code; -1 outside code
        self.after_blank = True
        self.in_fields = True
        self.in_simple_table = False

    def line(self, current: tuple[int, int, str], below: str) -> None:
        start, end, line = current
        stripped = line.strip()
        if self.heading_below >= 0:
            self._finish_heading(end)
            return
        if not stripped:
            self.after_blank = True
            if self.outline.kind == "table" and not self.in_simple_table:
                self.outline.close()
            return
        indent = len(line) - len(line.lstrip())
        if self.code_indent >= 0:
            if indent > self.code_indent:
                self.outline.add("code", start, end)
                self.after_blank = False
                return
            self.code_indent = -1
            self.outline.close()
        if indent or not self._is_heading(start, line, stripped, below):
            self._body(start, end, indent, stripped, below)
        self.after_blank = False

    def _is_heading(self, start: int, line: str, stripped: str, below: str) -> bool:
        """Whether this line is an overline, or a title above its underline."""
        mark = _adornment(below)
        own = _adornment(line)
        if own and self.after_blank and self.overline is None and below.strip() and not mark:
            self.overline = (start, own)
            return True
        over, self.overline = self.overline, None
        if not mark or own or len(below.rstrip()) < min(len(stripped), 3):
            if over is not None:
                self.outline.add("paragraph", over[0], start)
            return False
        if over is None and not self.after_blank and self.outline.kind == "paragraph":
            return False
        style = mark * 2 if over is not None and over[1] == mark else mark
        if style not in self.levels:
            self.levels.append(style)
        self.heading_below = self.levels.index(style)
        self.heading_at = (over[0] if over is not None else start, stripped)
        return True

    def _finish_heading(self, end: int) -> None:
        start, name = self.heading_at
        name = _ROLE.sub(r"\1", name[:300]).replace("``", "").replace("`", "")
        self.outline.heading(self.heading_below, name, start, end)
        self.in_fields = self.in_fields or not self.title
        self.title = self.title or name
        self.heading_below = -1
        self.after_blank = True

    def _body(self, start: int, end: int, indent: int, stripped: str, below: str) -> None:
        over, self.overline = self.overline, None
        if over is not None:
            start = over[0]
        field = _FIELD.fullmatch(stripped) if self.in_fields and not indent else None
        if field is not None:
            self.metadata.setdefault(field[1].strip().lower(), scalar((field[2] or "")[:1000]))
            if len(stripped) <= 1000:
                self.outline.add("metadata", start, end)
                return
        elif not stripped.startswith(".. ") and not indent:
            self.in_fields = False
        if _CODE.match(stripped):
            self.outline.close()
            self.outline.add("code", start, end)
            self.code_indent = indent
        elif self.in_simple_table or (not indent and _TABLE_RULE.fullmatch(stripped)):
            self.in_simple_table = not (_TABLE_RULE.fullmatch(stripped) and not below.strip() and self.in_simple_table)
            self.outline.add("table", start, end)
        elif stripped.startswith("+-") or (stripped[0] in "|+" and self.outline.kind == "table"):
            self.outline.add("table", start, end)
        elif self._in_list(indent, stripped):
            self.outline.add("list", start, end)
        else:
            self.outline.add("paragraph", start, end)
        if stripped.endswith("::") and not stripped.startswith(".."):
            self.code_indent = indent

    def _in_list(self, indent: int, stripped: str) -> bool:
        if self.outline.kind == "list":
            return indent > 0 or not self.after_blank or _ITEM.match(stripped) is not None
        return self.after_blank and _ITEM.match(stripped) is not None


def _adornment(line: str) -> str:
    """The mark of a line that consists of one adornment character, three times or more, else an empty string."""
    line = line.rstrip()
    return line[0] if len(line) >= 3 and line[0] in _ADORNMENTS and not line.strip(line[0]) else ""
