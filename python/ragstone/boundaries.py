"""Finds where a document may be cut: sections become units, the smallest spans that packing moves about.

Levels of boundary, from the best: headings, blocks, items of lists, sentences, phrases, and inside a word only where a
word alone is too long, never between a base and its combining marks. All scans take time linear in the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import chain
from typing import NamedTuple

from ragstone.errors import InvalidInput
from ragstone.records import Document, Section

__all__ = ["SPLITS", "Unit", "filled_sections", "phrases", "trimmed", "units_of"]

# What it costs to cut in front of a unit; a full chunk ends at the cheapest boundary in its second half.
HEADING, BLOCK, ITEM, SENTENCE, PHRASE, KEPT, BELOW_HEADING, IN_WORD = range(8)


class Unit(NamedTuple):
    """The smallest span that packing moves about: ``cost`` is that of a cut in front of it."""

    start: int
    end: int
    cost: int
    block: int


def filled_sections(document: Document) -> Iterator[Section]:
    """The document's sections, the gaps between them filled as paragraphs under the heading in force."""
    position, size = 0, len(document.text)
    headings: tuple[str, ...] = ()
    page: int | None = None
    for section in document.sections:
        if not position <= section.start <= section.end <= size:
            raise InvalidInput(
                f"section {section.start}-{section.end} of document {document.document_id!r} is not between "
                f"{position}, the end of the one before, and {size}, the end of the text: sort sections, no overlaps"
            )
        if position < section.start:
            yield Section(position, section.start, "paragraph", headings, page)
        yield section
        position, headings, page = section.end, section.headings, section.page
    if position < size:
        yield Section(position, size, "paragraph", headings, page)


_SHORT = 32  # characters: a shorter paragraph is most likely a heading of the next, and stays with it
_PARAGRAPH_END = re.compile(r"\n[^\S\n]*\n\s*")
_LINE = re.compile(r"\S(?:[^\n]*\S)?")
_ITEM_START = re.compile(r"(?:[-*+•‣◦]|\(?(?:\d{1,9}|[A-Za-z#])[.)])(?=\s)")


def units_of(text: str, block: Section, index: int) -> Iterator[Unit]:
    """The units of one section, which is number ``index`` of its document; metadata has none."""
    start, end = trimmed(text, block.start, block.end)
    if start == end or block.kind == "metadata":
        return
    if block.kind == "heading":
        yield Unit(start, end, HEADING, index)
    elif block.kind == "list":
        yield from _items(text, start, end, index)
    elif block.kind in ("code", "table"):
        yield from _lines(text, Unit(start, end, BLOCK, index))
    else:
        for paragraph_end in _PARAGRAPH_END.finditer(text, start, end):
            if paragraph_end.start() - start < _SHORT:
                continue
            yield from _sentences(text, Unit(start, paragraph_end.start(), BLOCK, index))
            start = paragraph_end.end()
        yield from _sentences(text, Unit(start, end, BLOCK, index))


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without the white space at its ends; an empty one where there is nothing else."""
    piece = text[start:end].rstrip()
    return start + len(piece) - len(piece.lstrip()), start + len(piece)


def _items(text: str, start: int, end: int, block: int) -> Iterator[Unit]:
    """Items of a list, each with the lines that continue it."""
    item_start, item_end, cost = start, start, BLOCK
    for line in _LINE.finditer(text, start, end):
        if item_end > item_start and _ITEM_START.match(text, line.start(), line.end()):
            yield Unit(item_start, item_end, cost, block)
            item_start, cost = line.start(), ITEM
        item_end = line.end()
    yield Unit(item_start, item_end, cost, block)


def _lines(text: str, unit: Unit) -> Iterator[Unit]:
    """Lines that are not blank; a line after a blank one and without indentation is the better boundary."""
    before, cost = unit.start, unit.cost
    for line in _LINE.finditer(text, unit.start, unit.end):
        if line.start() > unit.start:
            gap = text[before : line.start()]
            cost = ITEM if gap.endswith("\n") and gap.count("\n") > 1 else SENTENCE
        yield Unit(line.start(), line.end(), cost, unit.block)
        before = line.end()


_CLOSERS = "\"'\u201d\u2019\u00bb)\\]*_"  # quotes, brackets, emphasis
_WIDE_ENDS, _WIDE_CLOSERS = (
    "\u3002\uff01\uff1f\uff61",
    "\u201d\u2019\u300d\u300f\uff09\u3011\u300b\"')",
)  # Chinese, Japanese
_SENTENCE_END = re.compile(rf"([.!?\u2026][{_CLOSERS}]{{0,3}})\s+")
_ANY_SENTENCE_END = re.compile(rf"{_SENTENCE_END.pattern}|([{_WIDE_ENDS}][{_WIDE_CLOSERS}]{{0,3}})\s*")
_ABBREVIATIONS = " mr mrs ms dr prof st vs cf approx ca resp incl excl viz al dept est rev gen col sgt capt lt hon bzw "
_BEFORE_NUMBERS = (
    " no nos nr fig figs eq eqs sec ch chap vol pp p art jan feb mar apr jun jul aug sep sept oct nov dec approx ca "
)
_DOTTED = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")


def _sentences(text: str, unit: Unit) -> Iterator[Unit]:
    """Sentences of a paragraph: terminators followed by blanks, but not within abbreviations, initials or lists."""
    start, stop, cost = unit.start, unit.end, unit.cost
    wide = not text.isascii() and any(text.find(mark, start, stop) >= 0 for mark in _WIDE_ENDS)
    for match in (_ANY_SENTENCE_END if wide else _SENTENCE_END).finditer(text, start, stop):
        if match.end() >= stop:
            break
        if match.lastindex == 1 and not _ends_sentence(text, start, match.start(), match.end()):
            continue
        yield Unit(start, match.end(match.lastindex or 0), cost, unit.block)
        start, cost = match.end(), SENTENCE
    if start < stop:
        yield Unit(start, stop, cost, unit.block)


def _ends_sentence(text: str, start: int, mark: int, after: int) -> bool:
    if text[after].islower():
        return False
    if text[mark] != "." or mark == start:
        return True
    words = text[max(start, mark - 16) : mark].split()
    word = words[-1].lstrip("(\"'“\u2018[*_") if words else ""
    if word.isdigit():
        return mark - len(word) > start  # "1." that opens a sentence numbers it
    if f" {word.lower()} " in (_BEFORE_NUMBERS if text[after].isdigit() else _ABBREVIATIONS):
        return False
    return not (_DOTTED.fullmatch(word) and (word.isupper() or "." in word))  # "J. Smith", "e.g. This"


def _phrase_units(width: int) -> Callable[[str, Unit], Iterator[Unit]]:
    def split(text: str, unit: Unit) -> Iterator[Unit]:
        cost, before = unit.cost, unit.start
        for start, end in phrases(text, unit.start, unit.end, width):
            if start > unit.start:
                cost = PHRASE if start > before else IN_WORD
            yield Unit(start, end, cost, unit.block)
            before = end

    return split


def phrases(text: str, start: int, stop: int, width: int) -> Iterator[tuple[int, int]]:
    """Spans of at most ``width`` characters that end at white space, or inside a longer word; width 0: characters.

    A cut inside a word does not separate a base from its combining marks, up to a bound.
    """
    words = _phrase_pattern(max(width, 1))
    while (match := words.search(text, start, stop)) is not None:
        end = match.end()
        if width and end < stop and not text[end].isspace():
            end = _cluster_end(text, match.start(), end, stop)
        yield match.start(), end
        start = end


def _phrase_pattern(width: int) -> re.Pattern[str]:
    inside = rf"(?:.{{0,{width - 2}}}\S)?" if width > 1 else ""
    return re.compile(rf"\S{inside}(?!\S)|\S{{1,{width}}}", re.DOTALL)  # re caches compiled patterns


SPLITS = (_sentences, _lines, *map(_phrase_units, (64, 16, 4, 1, 0)))


def _cluster_end(text: str, start: int, end: int, stop: int) -> int:
    """The boundary between user-perceived characters nearest to ``end``: at or before it, else a little after."""
    for candidate in chain(range(end, max(start, end - 16), -1), range(end + 1, min(stop, end + 16) + 1)):
        if candidate == stop or not _joins(text, candidate):
            return candidate
    return end


def _joins(text: str, index: int) -> bool:
    """Whether the character at ``index`` belongs to the one before it (the main rules of Unicode annex 29)."""
    character, before = text[index], text[index - 1]
    if character < "\u0300":
        return False
    if character in "\u200c\u200d" or (before == "\u200d" and character > "\u2000"):
        return True
    if "\U0001f1e6" <= character <= "\U0001f1ff":  # flags are pairs of regional indicators
        flags = index
        while flags > max(0, index - 64) and "\U0001f1e6" <= text[flags - 1] <= "\U0001f1ff":
            flags -= 1
        return (index - flags) % 2 == 1
    if "\U0001f3fb" <= character <= "\U0001f3ff" or "\U000e0020" <= character <= "\U000e007f":
        return True
    return "\u1160" <= character <= "\u11ff" or unicodedata.category(character).startswith("M")
