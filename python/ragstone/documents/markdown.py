"""Marks the structure of Markdown: front matter, headings, lists, tables and code, by one pass over its lines."""

from __future__ import annotations

import re

from ragstone.documents.metadata import front_matter
from ragstone.documents.parsed import Outline, Parsed, lines

__all__ = ["parse_markdown"]

_ITEM = re.compile(r"\s{0,64}(?:[-*+]|\d{1,9}[.)])(?:\s|$)")
_CLOSING = re.compile(r"\s+#+$|\s*\{#[^{}]*\}$")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
_EMPHASIS = re.compile(r"(\*\*|__|`+|\*)(\S(?:.*?\S)?)\1")
_RULE = frozenset("|:- \t")
_SPECIAL = frozenset("#`~=-|*+0123456789 \t:")


def parse_markdown(text: str) -> Parsed:
    r"""Parse Markdown (CommonMark with tables): the title is front matter's ``title``, else the first heading.

    >>> [(s.kind, s.headings) for s in parse_markdown("# A\n\ntext\n\n- item\n").sections]
    [('heading', ('A',)), ('paragraph', ('A',)), ('list', ('A',))]
    """
    metadata, start = front_matter(text)
    scanner = _Scanner(text)
    if start:
        scanner.outline.add("metadata", 0, start)
        scanner.outline.close()
    for first, last, line in lines(text, start):
        scanner.line(first, last, line)
    scanner.outline.close()
    title = metadata.get("title")
    return Parsed(text, title if isinstance(title, str) else scanner.title, scanner.outline.sections, metadata)


class _Scanner:
    """Sees one line at a time and remembers what the next one may continue."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.outline = Outline()
        self.title = ""
        self.fence = ""  # the marker that opened the code block
        self.after_blank = True
        self.previous: tuple[int, str] = (0, "")  # the line before, where it is prose

    def line(self, start: int, end: int, line: str) -> None:
        stripped = line.strip()
        if self.fence:
            self.outline.add("code", start, end)
            if stripped.startswith(self.fence) and not stripped.strip(self.fence[0]):
                self.fence = ""
                self.outline.close()
            return
        if not stripped:
            self.after_blank = True
            self.previous = (0, "")
            if self.outline.kind == "table":
                self.outline.close()
            return
        if line[0] in _SPECIAL and self._is_marked(start, end, line, stripped):
            self.previous = (0, "")
        elif self.outline.kind == "table":
            self.outline.add("table", start, end)
        elif self.outline.kind == "list" and (not self.after_blank or line[0] in " \t"):
            self.outline.add("list", start, end)
        else:
            self.outline.add("paragraph", start, end)
            self.previous = (start, stripped)
        self.after_blank = False

    def _is_marked(self, start: int, end: int, line: str, stripped: str) -> bool:
        """Whether the line is a heading, fence, table row, list item or indented code; marks it if so."""
        indent = len(line) - len(line.lstrip())
        if stripped[0] in "`~" and stripped.startswith(("```", "~~~")):
            marker = stripped[0] * (len(stripped) - len(stripped.lstrip(stripped[0])))
            if stripped[0] == "~" or "`" not in stripped[len(marker) :]:
                self.fence = marker
                self.outline.close()
                self.outline.add("code", start, end)
                return True
        if indent <= 3 and stripped[0] == "#":
            level = len(stripped) - len(stripped.lstrip("#"))
            if level <= 6 and stripped[level : level + 1] in ("", " ", "\t"):
                self._heading(level, stripped[level:], start, end)
                return True
        above, prose = self.previous
        if indent <= 3 and stripped[0] in "=-" and prose and not stripped.strip(stripped[0]):
            self.outline.take_back()
            self._heading(1 if stripped[0] == "=" else 2, prose, above, end)
            return True
        if "|" in stripped and "-" in stripped and "|" in prose and _RULE.issuperset(stripped):
            self.outline.take_back()
            self.outline.add("table", above, end)
            return True
        if stripped[0] == "|" and self.outline.kind == "table":
            self.outline.add("table", start, end)
            return True
        if _ITEM.match(line) and (self.outline.kind == "list" or indent <= 3) and not _is_break(stripped):
            self.outline.add("list", start, end)
            return True
        in_code = self.outline.kind == "code" and self.text[start : start + 4] in ("    ", "\t")
        if (indent >= 4 or line[0] == "\t") and self.outline.kind != "list" and (self.after_blank or in_code):
            self.outline.add("code", start, end)
            return True
        return False

    def _heading(self, level: int, name: str, start: int, end: int) -> None:
        name = _plain(name)
        self.title = self.title or name
        if name:
            self.outline.heading(level, name, start, end)
        else:
            self.outline.add("paragraph", start, end)


def _is_break(stripped: str) -> bool:
    """Whether a line is a thematic break such as ``* * *``."""
    marks = stripped.replace(" ", "").replace("\t", "")
    return len(marks) >= 3 and not marks.strip(marks[0]) and marks[0] in "-*_"


def _plain(name: str) -> str:
    """A heading without closing marks, links and emphasis."""
    name = _CLOSING.sub("", name[:300].strip())
    name = _LINK.sub(r"\1", name)
    return _EMPHASIS.sub(r"\2", name).strip()
