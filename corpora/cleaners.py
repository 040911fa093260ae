"""Turns files of documentation packages into pages: text for people, in formats that Ragstone's parsers read."""

from __future__ import annotations

import gzip
import hashlib
import html
import lzma
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import pairwise

from manpages import man_to_markdown

__all__ = ["Page", "clean", "count_tokens_roughly", "decode", "text_digest"]

CHARACTERS_MIN = 200  # a page with less text than this is a stub: redirections, empty indexes
CHARACTERS_MAX = 1_500_000  # a page with more is a generated list


@dataclass(frozen=True, slots=True)
class Page:
    """One file of the corpus: ``content`` is what is written, ``text`` what a reader sees of it."""

    path: str
    title: str
    content: str
    text: str
    headings: tuple[str, ...] = ()


def clean(path: str, data: bytes) -> Iterator[Page]:
    """Make a page of one file of a package; none where it is no text, or no more than a stub."""
    path, data = _unpacked(path, data)
    kind = _kind(path)
    if kind is None:
        return
    text = decode(data)
    if ("\x00" in text and kind != "info") or text.count("\ufffd") > len(text) // 200:
        return
    page = _CLEANERS[kind](path, text)
    if page is not None and CHARACTERS_MIN <= len(page.text) <= CHARACTERS_MAX:
        yield page


def _unpacked(path: str, data: bytes) -> tuple[str, bytes]:
    try:
        if path.endswith((".gz", ".dz")):
            return path[:-3], gzip.decompress(data)
        if path.endswith(".xz"):
            return path[:-3], lzma.decompress(data)
    except (OSError, EOFError, lzma.LZMAError):
        return path, b""
    return path, data


def _kind(path: str) -> str | None:
    name = path.rsplit("/", 1)[-1].lower()
    if re.search(r"\.rst(\.txt)?$", name) or ("/_sources/" in path and name.endswith(".txt")):
        return "rst"
    if re.search(r"(^|/)man/man\d", path) or re.search(r"\.[1-8](pm|perl|ssl|tcl|posix|erl|curl|freebsd)?$", name):
        return "man"
    for suffix, kind in (
        (".html", "html"),
        (".htm", "html"),
        (".xhtml", "html"),
        (".md", "md"),
        (".pod", "pod"),
        (".txt", "txt"),
        (".text", "txt"),
    ):
        if name.endswith(suffix):
            return kind
    return "info" if re.search(r"\.info(-\d+)?$", name) else None


def decode(data: bytes) -> str:
    """Text of bytes: UTF-8, else the charset that an HTML page names, else Latin-1; line ends become line feeds."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        named = re.search(rb"charset=[\"']?([A-Za-z0-9_-]+)", data[:2048])
        try:
            text = data.decode(named[1].decode() if named else "iso-8859-1", "replace")
        except LookupError:
            text = data.decode("iso-8859-1")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0c", "\n")


def text_digest(text: str) -> str:
    """Digest of a text that ignores differences of white space and case: equal for pages that say the same."""
    return hashlib.sha256(" ".join(text.lower().split()).encode("utf-8", "replace")).hexdigest()


_TOKEN = re.compile(r"[A-Za-z]{1,7}|[0-9]{1,3}|[^\sA-Za-z0-9]")


def count_tokens_roughly(text: str) -> int:
    """Estimate of a text's subwords: letters in sevens, digits in threes, each other mark."""
    return sum(1 for _ in _TOKEN.finditer(text))


# --- plain formats


def _plain(path: str, text: str) -> Page:
    text = _tidy(re.sub(r".\x08", "", text))
    title, headings = "", []
    lines = text.split("\n")
    for line, under in pairwise(lines):
        if _is_underline(under) and 2 < len(line.strip()) <= len(under.rstrip()) + 3 and not _is_underline(line):
            headings.append(line.strip())
    title = headings[0] if headings else next((line.strip() for line in lines if line.strip(" =*-#~")), "")
    return Page(path, title[:120], text, text, tuple(headings[:40]))


def _is_underline(line: str) -> bool:
    return re.fullmatch(r"([=\-~^\"'*+#`])\1{2,}\s*", line) is not None


def _rst(path: str, text: str) -> Page:
    return _plain(re.sub(r"(\.rst)?\.txt$|\.rst$", "", path) + ".rst", text)


def _markdown(path: str, text: str) -> Page:
    text = _tidy(text)
    headings = re.findall(r"^#{1,4} +(.+?)[ #]*$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    return Page(path, (headings or [""])[0][:120], text, text, tuple(headings[:40]))


def _man(path: str, text: str) -> Page | None:
    name = re.fullmatch(r"(.+)\.(\d\w*)", path.rsplit("/", 1)[-1])
    title, content = man_to_markdown(text, f"{name[1]}({name[2]})" if name else "")
    if not title:
        return None
    headings = tuple(re.findall(r"^### (.+)$", content, re.M)[:40])
    return Page(path + ".md", title, _tidy(content), content, headings)


def _info(path: str, text: str) -> Page:
    nodes = [node.split("\n", 2)[-1] for node in text.split("\x1f")[1:] if re.match(r"\s*File: ", node)]
    text = re.sub(
        r"^\* Menu:\n(?:\n|\*.*\n|[ \t]+\S.*\n)*", "", "\n\n".join(node.strip("\n") for node in nodes), flags=re.M
    )
    return _plain(path + ".txt", re.sub(r"\x00\x08\[.*?\x00\x08\]", "", text))


def _tidy(text: str) -> str:
    text = "".join(c for c in text if c in "\n\t" or c >= " ") if re.search(r"[\x00-\x08\x0b-\x1f]", text) else text
    text = re.sub(r"[ \t]+$", "", text.encode("utf-8", "replace").decode("utf-8"), flags=re.M)
    return re.sub(r"\n{4,}", "\n\n\n", text).strip("\n") + "\n"


# --- perl's pod

_POD_CODE = re.compile(r"\b([BCEFILSXZ])(?:<<+ (.*?) >>+|<([^<>]*)>)", re.S)


def _pod(path: str, text: str) -> Page | None:
    blocks: list[str] = []
    skipping = not text.lstrip().startswith("=")
    for paragraph in re.split(r"\n[ \t]*\n+", text):
        command = re.match(r"\s*=(\w+)[ \t]*([\s\S]*)", paragraph) if paragraph.lstrip("\n").startswith("=") else None
        if command is None:
            if not skipping and paragraph.strip():
                blocks.append(paragraph.strip("\n") if paragraph[:1] in " \t" else _pod_inline(paragraph.strip()))
            continue
        name, rest = command[1], _pod_inline(command[2].strip())
        skipping = name in ("begin", "for", "cut") or (skipping and name not in ("end", "pod", "head1"))
        if name.startswith("head") and rest:
            blocks.append("#" * (min(int(name[4:] or 1), 4) + 1) + " " + " ".join(rest.split()))
        elif name == "item" and rest.strip("* "):
            blocks.append("- " + rest.lstrip("* "))
    name = re.sub(r"\.pod$", "", path.rsplit("/", 1)[-1])
    content = _tidy("\n\n".join([f"# {name}", *blocks]))
    headings = tuple(re.findall(r"^##+ (.+)$", content, re.M)[:40])
    return Page(path + ".md", name, content, content, headings) if blocks else None


def _pod_inline(text: str) -> str:
    def replacement(match: re.Match[str]) -> str:
        code, inner = match[1], match[2] if match[2] is not None else match[3]
        if code == "E":
            return {"lt": "\x01", "gt": "\x02", "verbar": "|", "sol": "/"}.get(inner, html.unescape(f"&{inner};"))
        if code in "XZ":
            return ""
        if code == "L":
            inner = inner.split("|")[0].strip("/").replace('"', "")
        return inner.replace("<", "\x01").replace(">", "\x02")

    for _ in range(5):  # codes nest, innermost first
        text, changed = _POD_CODE.subn(replacement, text)
        if not changed:
            break
    return text.replace("\x01", "<").replace("\x02", ">")


# --- HTML: the structure stays, page furniture, attributes and scripts go


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FURNITURE_TAGS = _words("""
    script style nav aside footer form button svg noscript iframe template select math object
""")
# Classes, roles and ids of navigation in the pages of Sphinx, DocBook, Doxygen, Javadoc, mdBook, rustdoc, wikis.
_FURNITURE = _words("""
    navigation nav navbar navheader navfooter navpath sidebar sphinxsidebar related footer headerlink
    viewcode-link srclink toc table-of-contents toctree-wrapper breadcrumb breadcrumbs search contentinfo
    genindextable rightside test-arrow topnav top-nav top_nav subnav sub-nav sub_nav bottomnav bottom-nav
    mobile-menu mobile-nav menu menu-bar skip-nav skip-link nav-chapters nav-wrapper spirit-nav bd-sidebar
    bd-toc prev-next-area t-navbar printfooter catlinks noprint editsection toplang bottomlang langs memlink
    memlinks
""")
_BLOCK = _words("h1 h2 h3 h4 h5 h6 p ul ol li dl dt dd table tr th td pre blockquote div")
_AS_DIV = _words("section article main header figure details figcaption summary center body")
_INLINE = _words("a span b i em strong code tt sup sub small var kbd label")
_PAIRED = _BLOCK | _AS_DIV | _INLINE


class _Reducer(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.text: list[str] = []
        self.headings: list[str] = []
        self.title = ""
        self.inside_title = False
        self.heading: list[str] | None = None
        self.skipped = ""
        self.skipped_depth = 0
        self.pre = 0

    def updatepos(self, i: int, j: int) -> int:
        """Keep no line numbers: nobody asks for them, and they take a tenth of the time."""
        return j

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self.skipped:
            self.skipped_depth += tag == self.skipped
            return
        if _is_furniture(tag, attrs):
            self.skipped, self.skipped_depth = tag, 1
            return
        if tag == "title":
            self.inside_title = not self.title
        elif tag == "br":
            self.pieces.append("\n" if self.pre else "<br>")
            self.text.append("\n")
        elif ("class", "classifier") in attrs:
            self.handle_data(" : ")  # a style sheet would draw it
        name = "div" if tag in _AS_DIV else tag
        if name not in _BLOCK:
            return
        self.pre += name == "pre"
        if re.fullmatch("h[1-6]", name):
            self.heading = []
        self.pieces.append(f"\n<{name}>")
        self.text.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if self.skipped:
            self.skipped_depth -= tag == self.skipped
            if self.skipped_depth == 0:
                self.skipped = ""
            return
        if tag == "title":
            self.inside_title = False
        name = "div" if tag in _AS_DIV else tag
        if name not in _BLOCK:
            return
        if name == "pre":
            self.pre = max(0, self.pre - 1)
        if self.heading is not None and re.fullmatch("h[1-6]", name):
            self.headings.append(" ".join("".join(self.heading).split()))
            self.heading = None
        self.pieces.append(f"</{name}>")
        self.text.append("\n")

    def handle_data(self, data: str) -> None:
        if self.skipped:
            return
        if self.inside_title:
            self.title += data
            return
        if not self.pre:
            data = re.sub(r"\s+", " ", data)
        if self.heading is not None:
            data = data.replace("¶", "")
            self.heading.append(data)
        self.pieces.append(html.escape(data, quote=False))
        self.text.append(data)


def _is_furniture(tag: str, attrs: list[tuple[str, str | None]]) -> bool:
    if tag in _FURNITURE_TAGS:
        return True
    if tag not in _PAIRED or tag == "body":
        return False
    named = {key: (value or "").lower() for key, value in attrs}
    # The id of a section is its heading in small letters, and there are good sections called "search".
    own_id = named.get("id", "") if tag in ("div", "ul", "table") and "section" not in named.get("class", "") else ""
    names = (*named.get("class", "").split(), named.get("role", ""), own_id)
    return any(name in _FURNITURE for name in names)


_EMPTY_ELEMENT = re.compile(r"\s*<(div|p|li|ul|ol|dl|dt|dd|tr|td|th|table|blockquote|h[1-6]|pre)>\s*</\1>")


def _html(path: str, source: str) -> Page | None:
    reducer = _Reducer()
    try:
        reducer.feed(source)
        reducer.close()
    except AssertionError:  # html.parser gives up so on some broken declarations
        return None
    body = "".join(reducer.pieces)
    while True:
        body, removed = _EMPTY_ELEMENT.subn("", body)
        if not removed:
            break
    title = " ".join(reducer.title.split())[:200]
    content = (
        f'<!DOCTYPE html>\n<html>\n<head><meta charset="utf-8"><title>'
        f"{html.escape(title, quote=False)}</title></head>\n<body>{body}\n</body>\n</html>\n"
    )
    text = re.sub(r"\s*\n\s*\n\s*", "\n\n", "".join(reducer.text)).strip()
    headings = tuple(heading for heading in reducer.headings if heading)[:40]
    # A page of links (an index) has many short lines and hardly a sentence.
    if len(re.findall(r"[a-z]{3,}[.:?!]\s", text + "\n")) * 2000 < len(text) and len(text) > 4000:
        return None
    return Page(re.sub(r"\.(x?html?)$", "", path) + ".html", title, _tidy(content), text, headings)


_CLEANERS = {"html": _html, "rst": _rst, "md": _markdown, "txt": _plain, "man": _man, "info": _info, "pod": _pod}

# --- dictionaries (dictd): one compressed file of entries, one index of headwords

_DIGITS = {c: i for i, c in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")}
_ENTRIES_PER_PAGE = 60


def dictionary_pages(path: str, index: bytes, data: bytes) -> Iterator[Page]:
    """Cut a dictionary into pages of sixty entries, in the order of its index; `path` names the ``.dict.dz`` file."""
    _, content = _unpacked(path, data)
    name = path.rsplit("/", 1)[-1].split(".")[0]
    spans: dict[tuple[int, int], str] = {}
    for line in index.decode("utf-8", "replace").splitlines():
        fields = line.split("\t")
        if len(fields) >= 3 and not fields[0].startswith("00"):
            spans.setdefault((_number(fields[1]), _number(fields[2])), fields[0])
    entries = [(word, decode(content[start : start + size]).strip("\n")) for (start, size), word in spans.items()]
    for first in range(0, len(entries), _ENTRIES_PER_PAGE):
        group = entries[first : first + _ENTRIES_PER_PAGE]
        text = _tidy("\n\n".join(entry for _, entry in group))
        title = f"{name}: {group[0][0]} to {group[-1][0]}"
        yield Page(
            f"{name}-{first // _ENTRIES_PER_PAGE:05d}.txt", title, text, text, tuple(word for word, _ in group[:40])
        )


def _number(digits: str) -> int:
    value = 0
    for digit in digits:
        value = value * 64 + _DIGITS[digit]
    return value
