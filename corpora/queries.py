"""Makes varied search queries from the pages of a corpus, the same ones each time.

Eight kinds in equal numbers. Which page serves a kind, and which of its sentences, words or headings, is decided by
digests, never by chance, so the same corpus always has the same queries:

- ``title``: the title of a page, without the name of the manual behind it.
- ``heading``: a question made from a heading ("How does ... work?", "What is ...?", "Where is ... explained?").
- ``question``: a question of 5 to 22 words that the text itself asks.
- ``opening``: the first 5 to 14 words of a sentence of a page that was *held out*: it is not in the corpus.
- ``keywords``: 2 to 4 words that occur at least twice in a page.
- ``identifier``: a function, option or constant named in a page; two in five with one more word of it.
- ``manual``: the name of a manual page (``open(2)``), half of them with a heading of such pages.
- ``passage``: 25 to 45 words of running text.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from cleaners import Page

__all__ = ["KINDS", "make_queries", "seeds"]

KINDS = ("title", "heading", "question", "opening", "keywords", "identifier", "manual", "passage")

_STOP_WORDS = """
    about above after again against also because before being below between cannot could different does doing
    during each either every example examples following following from further given have having here however
    into itself might more most must need only other otherwise over same section should since some such than
    that their them then there these they this those through true false under until used using value values want
    were what when where whether which while will with within without would your return returns default first
    second note none null file files
"""
_STOP = frozenset(_STOP_WORDS.split())
_WORD = re.compile(r"[A-Za-z][a-z]{4,15}")
_IDENTIFIER = re.compile(
    r"(?<![\w/.@-])(?:--[a-z][a-z-]{3,24}|[A-Za-z]\w*(?:::\w+)+|[a-z]+(?:_[a-z0-9]+){1,4}|[A-Z]{2,}(?:_[A-Z0-9]+)+"
    r"|[A-Za-z][a-z0-9]+(?:[A-Z][a-z0-9]+){1,4})(?![\w/@])"
)
_GOOD_HEADING = re.compile(
    r"(?!(?:Version|Bug|Changes|See|Detailed|Public|Member|Deprecated|New|Static|Since) )(?=.*[a-z]{4})"
    r"[A-Za-z][\w'/-]*(?: [\w'/-]+){1,8}\??"
)
_QUESTION = re.compile(
    r"(?:(?<=[.!?:] )|^)((?:How|What|Why|When|Where|Which|Who|Can|Does|Do|Is|Are|Should|Will)\s[^.?!\n|<>{}]{12,140}\?)"
)
_SENTENCE = re.compile(r"(?:(?<=[.!?] )|^)([A-Z][a-z]+(?: [A-Za-z(][\w'(),;-]*){7,45}[.?!])(?=\s|$)")


def seeds(page: Page) -> dict[str, str]:
    """What a page offers for queries: at most one text for each kind."""
    paragraphs = [" ".join(paragraph.split()) for paragraph in page.text[:200_000].split("\n\n")]
    flat = " ".join(paragraphs)
    found: dict[str, str] = {}
    title = re.split(r"\s+[-—|·\u2013]\s+| \((?=[A-Z].*\d)", page.title)[0].strip(" ¶")
    if re.fullmatch(r"[\w.:+-]+\([1-9]\w*\)", title):
        found["manual"] = title
    elif 1 <= len(title.split()) <= 12 and len(title) >= 6 and not re.search(r"-\d{5}\.txt$", page.path):
        found["title"] = title
    heading = _chosen(filter(_GOOD_HEADING.fullmatch, (h.strip(" ¶") for h in page.headings[1:])), page.path)
    if heading:
        found["heading"] = heading
    questions = (m[1] for p in paragraphs for m in _QUESTION.finditer(p) if 5 <= len(m[1].split()) <= 22)
    sentences = [m[1] for paragraph in paragraphs for m in _SENTENCE.finditer(paragraph)]
    for kind, candidates in (("question", questions), ("opening", iter(sentences))):
        chosen = _chosen(candidates, page.path)
        if chosen:
            found[kind] = chosen
    words = [word.lower() for word in _WORD.findall(flat)]
    frequent = [word for word, count in Counter(w for w in words if w not in _STOP).most_common(14) if count >= 2]
    if len(frequent) >= 4:
        found["keywords"] = " ".join(
            sorted(frequent, key=lambda word: _digest(page.path + word))[: 2 + _pick(page.path, 3)]
        )
    identifier = _chosen((m[0] for m in _IDENTIFIER.finditer(flat) if len(m[0]) <= 40), page.path)
    if identifier:
        extra = frequent[0] if frequent and _pick(identifier + page.path, 5) < 2 else ""
        found["identifier"] = f"{identifier} {extra}".strip()
    if len(sentences) >= 3:
        start = _pick(page.path, len(sentences) - 2)
        passage = " ".join(sentences[start : start + 3]).split()
        if len(passage) >= 25:
            found["passage"] = " ".join(passage[: 25 + _pick(page.path, 21)])
    return found


def make_queries(
    pages: Iterable[tuple[str, Mapping[str, str]]], held_out: Iterable[tuple[str, Mapping[str, str]]], each: int
) -> list[dict[str, str]]:
    """Up to `each` queries of each kind, in turns, from (path, seeds) of the corpus' pages and of those held out.

    ``source`` is the page that a query was made from; for ``opening`` that page is not in the corpus.
    """
    pools = {"corpus": list(pages), "held out": list(held_out)}
    by_kind: list[list[dict[str, str]]] = []
    seen: set[str] = set()
    for kind in KINDS:
        pool = pools["held out" if kind == "opening" else "corpus"]
        made: list[dict[str, str]] = []
        for path, found in sorted(((p, f) for p, f in pool if kind in f), key=lambda item: _digest(kind + item[0])):
            query = _phrased(kind, found[kind], path)
            if query.lower() not in seen:
                seen.add(query.lower())
                made.append({"query": query, "kind": kind, "source": path})
            if len(made) == each:
                break
        by_kind.append(made)
    return [made[turn] for turn in range(each) for made in by_kind if turn < len(made)]


def _phrased(kind: str, text: str, path: str) -> str:
    if kind == "opening":
        return " ".join(text.split()[: 5 + _pick(path, 10)]).rstrip(".,;:")
    if kind == "manual":
        return (
            text
            if _pick(path, 2)
            else f"{text} {('return value', 'errors', 'options', 'examples', 'files', 'notes')[_pick(text, 6)]}"
        )
    if kind != "heading":
        return text
    text = re.sub(r"^[\d.]+\s+", "", text)
    if text.endswith("?"):
        return text
    if re.match(r"[A-Z][a-z]+ing\b", text):
        return f"How does {text.lower()} work?"
    return (f"What is {text}?", f"How do I use {text}?", f"Where is {text} explained?")[_pick(path, 3)]


def _chosen(candidates: Iterable[str], salt: str) -> str:
    """One of the candidates, decided by digests; empty for none."""
    return min(dict.fromkeys(candidates), key=lambda text: _digest(salt + text), default="")


def _pick(text: str, size: int) -> int:
    return int(_digest(text)[:8], 16) % size


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
