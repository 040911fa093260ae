"""Marks the structure of plain text: numbered or upper-case headings on lines of their own; the rest is prose."""

from __future__ import annotations

import re

from ragstone.documents.parsed import Outline, Parsed, lines

__all__ = ["parse_plain_text"]

_NUMBERED = re.compile(r"(\d{1,3}(?:\.\d{1,3}){0,5})\.?[ \t]{1,4}([^\W\d_]\S*(?:[ \t]+\S+){0,11})")
_UPPER = re.compile(r"[^\W\d_a-z][^a-z.;:!?]{2,70}")


def parse_plain_text(text: str) -> Parsed:
    r"""Parse plain text: the title is the first line, where it is short and does not end like a sentence.

    A heading is a line at the margin, after a blank line, of the form ``2.1 Pay`` in front of a blank line, or in upper
    case (``SYNOPSIS``) in front of a blank or indented one.

    >>> [section.headings for section in parse_plain_text("SICK LEAVE\n\n1. Pay\n\nFull.").sections]
    [('SICK LEAVE',), ('Pay',), ('Pay',)]
    """
    outline = Outline()
    title = ""
    seen_text, after_blank = False, True
    candidate: tuple[int, int, str] | None = None  # a line after a blank one: the next line decides
    for start, end, line in lines(text):
        stripped = line.strip()
        if candidate is not None:
            _place(outline, candidate, followed_by=line)
            candidate = None
        if not stripped:
            after_blank = True
            continue
        if not seen_text:
            seen_text = True
            title = stripped if len(stripped) <= 100 and stripped[-1] not in ".,;:!?" else ""
        if after_blank and len(stripped) <= 80 and not line[0].isspace():
            candidate = (start, end, stripped)
        else:
            outline.add("paragraph", start, end)
        after_blank = False
    if candidate is not None:
        _place(outline, candidate, followed_by="")
    outline.close()
    return Parsed(text, title, outline.sections, {})


def _place(outline: Outline, candidate: tuple[int, int, str], followed_by: str) -> None:
    start, end, stripped = candidate
    blank = not followed_by.strip()
    numbered = _NUMBERED.fullmatch(stripped) if blank and stripped[-1] not in ".,;:!?" else None
    if numbered is not None:
        outline.heading(numbered[1].count(".") + 1, numbered[2], start, end)
    elif (blank or followed_by[0].isspace()) and _UPPER.fullmatch(stripped) and stripped.isupper():
        outline.heading(1, stripped, start, end)
    else:
        outline.add("paragraph", start, end)
