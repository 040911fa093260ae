"""Extracts the text of HTML with its structure.

The scanner is our own because the standard library's takes quadratic time on unclosed comments and tags.
"""

from __future__ import annotations

import re
from html import unescape
from typing import Literal

from ragstone.documents.metadata import scalar
from ragstone.documents.parsed import Outline, Parsed
from ragstone.records import MetadataValue

__all__ = ["parse_html"]

_TAG = re.compile(r"/?([A-Za-z][A-Za-z0-9:-]{0,31})")
_ATTRIBUTE = re.compile(r"([A-Za-z-]{1,32})\s{0,9}=\s{0,9}(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")
_RAW = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in ("script", "style", "title", "textarea")}
_MAIN = re.compile(r"<main[\s>]|role=[\"']?main\b", re.IGNORECASE)
_GAPS = ("", " ", " | ", "\n", "\n\n")


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BLOCKS = _names(
    "address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption figure footer"
    " form h1 h2 h3 h4 h5 h6 header hgroup hr html legend li main nav ol p pre section summary table tbody tfoot thead"
    " tr ul"
)
_DROPPED = _names("button canvas datalist footer iframe nav noscript object select svg template")
_DROPPED_ROLES = _names("navigation search contentinfo menu")
_WITH_ATTRIBUTES = _names("aside div header main meta section ul")
_TECHNICAL = _names("viewport generator robots theme-color color-scheme referrer format-detection")
_HEADINGS = {f"h{level}": level for level in range(1, 7)}


def parse_html(text: str) -> Parsed:
    r"""Extract the text of an HTML page, white space collapsed outside ``pre``.

    Scripts, styles, navigation, footers and form controls are left out, and all outside ``main`` where there is one.
    Table cells are joined by ``" | "``, list items begin with ``"- "``. The title is the page's, else its first
    heading; metadata are its named ``meta`` elements, but for those that speak to browsers and robots.

    >>> parse_html("<title>T</title><h1>A</h1><p>x &amp; y<script>z</script>").text
    'A\n\nx & y'
    """
    page = _Page(text, only_main=_MAIN.search(text) is not None, drop=True)
    if page.only_main and not page.writer.length:
        page = _Page(text, only_main=False, drop=True)
    if page.dropped or not page.writer.length:  # a <nav> that is never closed, or a page of nothing else
        page = _Page(text, only_main=False, drop=False)
    page.writer.outline.close()
    return Parsed(
        "".join(page.writer.pieces),
        page.title or page.writer.first_heading,
        page.writer.outline.sections,
        page.metadata,
    )


class _Writer:
    """Writes text, separators only between what is written, and marks sections."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.length = 0
        self.outline = Outline()
        self.first_heading = ""
        self.gap = ""  # to be written in front of the next text
        self.prefix = ""  # to be written between the gap and the next text
        self.mark = 0  # len(pieces) where the heading began
        self.heading: tuple[int, int] | None = None  # level, start

    def separate(self, gap: str) -> None:
        if _GAPS.index(gap) > _GAPS.index(self.gap):
            self.gap = gap

    def write(self, text: str, kind: Literal["paragraph", "list", "table", "code"]) -> None:
        if self.length and self.gap:
            self._put(self.gap)
        if self.prefix:
            self.outline.add(kind, self.length, self.length)
            self._put(self.prefix)
        self.gap = self.prefix = ""
        start = self.length
        if self.heading is not None and self.heading[1] < 0:
            self.heading = (self.heading[0], start)
        self._put(text)
        if self.heading is None:
            self.outline.add(kind, start, self.length)

    def _put(self, text: str) -> None:
        self.pieces.append(text)
        self.length += len(text)

    def begin_heading(self, level: int) -> None:
        self.end_heading()
        self.outline.close()
        self.heading = (level, -1)
        self.mark = len(self.pieces)

    def end_heading(self) -> None:
        if self.heading is not None and self.heading[1] >= 0:
            level, start = self.heading
            name = "".join(self.pieces[self.mark :]).strip().rstrip("\u00b6#").strip()  # Sphinx's permanent links
            if name:
                self.outline.heading(level, name, start, self.length)
                self.first_heading = self.first_heading or name
        self.heading = None


class _Page:
    """One pass over the page."""

    def __init__(self, text: str, *, only_main: bool, drop: bool) -> None:
        self.writer = _Writer()
        self.title = ""
        self.metadata: dict[str, MetadataValue] = {}
        self.only_main = only_main
        self.drop = drop
        self.dropped: list[str] = []  # the element that is left out, once per nesting of its own name
        self.main: list[str] = []
        self.pre = 0
        self.lists = 0
        self.tables = 0
        self.cells = 0
        self.blank = False  # whether white space stands before the next text
        self._run(text)
        self.writer.end_heading()

    def _run(self, text: str) -> None:
        position, size = 0, len(text)
        while position < size:
            open_at = text.find("<", position)
            if open_at < 0:
                open_at = size
            if open_at > position:
                self._text(text[position:open_at])
            if open_at == size:
                return
            position = self._markup(text, open_at)

    def _markup(self, text: str, start: int) -> int:
        """Handle what begins with ``<`` at ``start``; the index behind it."""
        follows = text[start + 1 : start + 2]
        if text.startswith("<!--", start):
            end = text.find("-->", start + 2)
            return len(text) if end < 0 else end + 3
        tag = _TAG.match(text, start + 1)
        if tag is None and follows not in ("!", "?", "/"):
            self._text("<")
            return start + 1
        end = _tag_end(text, start)
        if tag is not None:
            name = tag[1].lower()
            if follows == "/":
                self._close(name)
            else:
                self._open(name, text[tag.end() : end - 1])
                if name in _RAW:
                    return self._raw(name, text, end)
        return end

    def _raw(self, name: str, text: str, start: int) -> int:
        """Skip or take the content of an element that holds no markup."""
        close = _RAW[name].search(text, start)
        end = close.start() if close else len(text)
        if name == "title" and not self.title:
            self.title = " ".join(unescape(text[start:end][:1000]).split())
        return end if close is None else _tag_end(text, end)

    def _text(self, run: str) -> None:
        if self.dropped or (self.only_main and not self.main):
            return
        run = unescape(run) if "&" in run else run
        if self.pre:
            if run.strip() or self.writer.outline.kind == "code":
                self.writer.write(run, "code")
            return
        words = " ".join(run.split())
        if not words:
            self.blank = self.blank or bool(run)
            return
        if (self.blank or run[0].isspace()) and not self.writer.gap and not self.writer.prefix:
            words = " " + words
        kind: Literal["paragraph", "list", "table"] = "table" if self.tables else "list" if self.lists else "paragraph"
        self.writer.write(words if self.writer.length else words.lstrip(), kind)
        self.blank = run[-1].isspace()

    def _open(self, name: str, rest: str) -> None:
        if self.dropped:
            if name == self.dropped[-1]:
                self.dropped.append(name)
            return
        attributes = _attributes(rest) if "=" in rest and name in _WITH_ATTRIBUTES else {}
        if name == "meta":
            self._meta(attributes)
        role = attributes.get("role", "").lower()
        if self.drop and (name in _DROPPED or role in _DROPPED_ROLES) and not rest.endswith("/"):
            self.dropped.append(name)
            return
        if "main" in (name, role) or (self.main and name == self.main[-1]):
            self.main.append(name)
        if self.only_main and not self.main:
            return
        self._begin(name)

    def _begin(self, name: str) -> None:
        writer = self.writer
        if name in ("td", "th"):
            if self.cells:
                writer.separate(" | ")
            self.cells += 1
        elif name == "br":
            writer.separate(" " if self.tables else "\n")
        elif name in _BLOCKS:
            self._separate(name)
            if writer.heading is not None and writer.heading[1] >= 0:  # a heading that was not closed
                writer.end_heading()
        if name in _HEADINGS:
            writer.separate("\n\n")
            writer.begin_heading(_HEADINGS[name])
        elif name == "li" and not self.pre and not self.tables:
            writer.prefix = "- "
        elif name == "tr":
            self.cells = 0
        elif name in ("ul", "ol", "dl"):
            self.lists += 1
        elif name == "table":
            writer.outline.close()
            writer.separate("\n\n")
            self.tables += 1
        elif name == "pre":
            writer.outline.close()
            self.pre += 1

    def _separate(self, name: str) -> None:
        """Part blocks: rows and items by a line break, what is in a cell by a blank, the rest by an empty line."""
        if self.tables and name not in ("tr", "table", "caption"):
            gap = " "
        elif self.tables or self.lists or name in ("li", "tr", "dd", "dt"):
            gap = "\n"
        else:
            gap = "\n\n"
        self.writer.separate(gap)
        self.blank = False

    def _close(self, name: str) -> None:
        if self.dropped:
            if name == self.dropped[-1]:
                self.dropped.pop()
            return
        if self.main and name == self.main[-1]:
            self.main.pop()
        writer = self.writer
        if name in _HEADINGS:
            writer.end_heading()
        if name in _BLOCKS:
            self._separate(name)
        if name in ("ul", "ol", "dl"):
            self.lists = max(0, self.lists - 1)
            writer.separate("\n" if self.lists else "\n\n")
        elif name == "table":
            self.tables = max(0, self.tables - 1)
            writer.separate("\n\n")
            writer.outline.close()
        elif name == "pre":
            self.pre = max(0, self.pre - 1)
            writer.outline.close()

    def _meta(self, attributes: dict[str, str]) -> None:
        name, content = attributes.get("name", "").strip().lower(), attributes.get("content", "").strip()
        if name and content and name not in _TECHNICAL and ":" not in name and len(content) <= 2000:
            self.metadata.setdefault(name[:100], scalar(content))


def _tag_end(text: str, start: int) -> int:
    """The index behind the ``>`` that ends a tag, one within quotes not counted as far as 2,000 characters on."""
    end = text.find(">", start)
    if end < 0:
        return len(text)
    for quote in ('"', "'"):
        if text.count(quote, start, end) % 2:
            closing = text.find(quote, end, end + 2000)
            later = text.find(">", closing, closing + 2000) if closing >= 0 else -1
            return later + 1 if later >= 0 else end + 1
    return end + 1


def _attributes(rest: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(rest[:4000]):
        found.setdefault(match[1].lower(), unescape(match[2] or match[3] or match[4] or ""))
    return found
