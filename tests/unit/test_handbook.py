"""Keeps the handbook corpus honest: its counts, its judgements, its literal answers, its two dated editions."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

CORPORA = Path(__file__).resolve().parents[2] / "corpora"
HANDBOOK = CORPORA / "handbook"
DOCUMENTS = HANDBOOK / "documents"
QUERIES = HANDBOOK / "queries"

QUERY_COUNTS = {"answerable.jsonl": 150, "unanswerable.jsonl": 50, "behavioural.jsonl": 50, "hybrid.jsonl": 30}
EDITION_FILES = {"price-list.md", "refund-policy.md", "shipping-rates.html", "support-sla.md", "travel-policy.md"}
_FUNCTION_WORDS = (
    "a an the my me i we our you it its this that of to in on at for with from by as and or but no not if so because "
    "is are am was be been do does did has have had can could may might must shall should will would want "
    "what who whom whose which when where why how how many much more until before while whenever whoever whatever "
    "someone something another out up down off now just long time take takes go"
)


def _text(name: str) -> str:
    """One document as it stands in its file."""
    return (DOCUMENTS / name).read_text(encoding="utf-8")


def _names() -> list[str]:
    """Names of all documents, as the judgements write them."""
    return sorted(path.relative_to(DOCUMENTS).as_posix() for path in DOCUMENTS.rglob("*") if path.is_file())


def _rows(name: str) -> list[dict[str, object]]:
    """The rows of one JSON Lines file."""
    return [json.loads(line) for line in (QUERIES / name).read_text(encoding="utf-8").splitlines()]


def _qrels(name: str) -> list[tuple[str, str, int]]:
    """The judgements of one file, its header checked."""
    header, *lines = (QUERIES / name).read_text(encoding="utf-8").splitlines()
    assert header == "query-id\tcorpus-id\tscore"
    return [(query, document, int(score)) for query, document, score in (line.split("\t") for line in lines)]


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


class _Visible(HTMLParser):
    """Collects the text of a page and the tags that were never closed."""

    VOID = frozenset({"meta", "br", "link", "img", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.metadata: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "meta" and "name" in values:
            self.metadata[str(values["name"])] = str(values["content"])
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _front_matter(text: str) -> dict[str, str]:
    """The flat key and value lines between the two rules at the head of a Markdown file."""
    match = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    assert match is not None
    return {key: value.strip().strip('"') for key, value in (line.split(":", 1) for line in match[1].splitlines())}


def test_documents_are_many_and_in_all_formats() -> None:
    """Catches a corpus that lost documents or a whole format, or holds stubs and bloated files."""
    names = _names()
    assert len(names) == 82
    formats = Counter(Path(name).suffix for name in names)
    assert formats == {".md": 45, ".html": 13, ".txt": 10, ".rst": 10, ".py": 2, ".toml": 1, ".sh": 1}
    lengths = {name: len(_text(name).split()) for name in names}
    assert {name: length for name, length in lengths.items() if not 250 <= length <= 900} == {}
    assert len({hashlib.sha256(_text(name).encode()).digest() for name in names}) == len(names)


def test_documents_are_well_formed() -> None:
    """Catches broken mark-up, which would test the parsers' mercy instead of the search."""
    for name in _names():
        text = _text(name)
        assert "\r" not in text and text.endswith("\n"), name
        match Path(name).suffix:
            case ".html":
                page = _Visible()
                page.feed(text)
                assert page.open == [] and page.metadata["area"], name
            case ".rst":
                lines = text.splitlines()
                assert lines[0] == lines[2] == "=" * len(lines[0]) and len(lines[0]) >= len(lines[1]), name
            case ".md" if text.startswith("---"):
                assert _front_matter(text)["title"], name
            case ".py":
                compile(text, name, "exec")
            case ".toml":
                tomllib.loads(text)


def test_queries_are_counted_unique_and_never_repeated() -> None:
    """Catches a query that stands in two files, which would make two labels true at once."""
    ids: list[str] = []
    texts: list[str] = []
    for name, count in QUERY_COUNTS.items():
        rows = _rows(name)
        assert len(rows) == count
        assert all(row["text"] and row["kind"] for row in rows)
        ids += [str(row["_id"]) for row in rows]
        texts += [" ".join(str(row["text"]).lower().split()) for row in rows]
    assert len(set(ids)) == len(ids) == 280
    assert [text for text, count in Counter(texts).items() if count > 1] == []


def test_kinds_are_balanced() -> None:
    """Catches a set that drifted to one easy kind of query."""
    answerable = Counter(row["kind"] for row in _rows("answerable.jsonl"))
    assert set(answerable) == {"question", "keyword", "identifier", "paraphrase", "typo", "multi", "dated"}
    assert min(answerable.values()) >= 8
    assert Counter(row["kind"] for row in _rows("unanswerable.jsonl")) == {"near": 25, "far": 25}
    assert len(Counter(row["kind"] for row in _rows("behavioural.jsonl"))) >= 8


@pytest.mark.parametrize(("queries", "judgements"), [("answerable", "qrels"), ("hybrid", "qrels-hybrid")])
def test_judgements_name_queries_and_documents(queries: str, judgements: str) -> None:
    """Catches a judgement of a renamed document or query, and a query without any full answer."""
    ids = {str(row["_id"]) for row in _rows(f"{queries}.jsonl")}
    rows = _qrels(f"{judgements}.tsv")
    assert {document for _, document, _ in rows} - set(_names()) == set()
    assert {score for _, _, score in rows} == {1, 2}
    assert {query for query, _, score in rows if score == 2} == ids
    assert {query for query, _, _ in rows} == ids
    assert len({(query, document) for query, document, _ in rows}) == len(rows)


def test_answers_are_literal_and_cover_the_corpus() -> None:
    """Catches an answer that its document no longer holds, and a document that nothing asks about."""
    answers = _rows("answers.jsonl")
    full = {(query, document) for query, document, score in _qrels("qrels.tsv") if score == 2}
    assert [row["_id"] for row in answers] == [row["_id"] for row in _rows("answerable.jsonl")]
    for row in answers:
        assert str(row["answer_text"]) in _text(str(row["document"])), row
        assert (row["_id"], row["document"]) in full, row
    assert {str(row["document"]) for row in answers} == set(_names())


def test_paraphrases_share_no_content_word_with_their_document() -> None:
    """Catches a paraphrase that word search could find, which would flatter BM25 alone."""
    documents = {row["_id"]: str(row["document"]) for row in _rows("answers.jsonl")}
    paraphrases = [row for row in _rows("answerable.jsonl") if row["kind"] == "paraphrase"]
    assert len(paraphrases) >= 15
    shared = {
        str(row["text"]): words
        for row in paraphrases
        if (words := (_words(str(row["text"])) - set(_FUNCTION_WORDS.split())) & _words(_text(documents[row["_id"]])))
    }
    assert shared == {}


def test_near_unanswerable_facts_are_absent_where_one_would_look() -> None:
    """Catches an unanswerable question that somebody answered by editing the nearest document."""
    near = [row for row in _rows("unanswerable.jsonl") if row["kind"] == "near"]
    for row in near:
        text = _text(str(row["nearest"])).lower()
        absent = row["absent"]
        assert isinstance(absent, list) and absent
        assert [word for word in absent if word.lower() in text] == [], row


def test_far_unanswerable_queries_are_far() -> None:
    """Catches an off-topic question that talks about the company or its products after all."""
    own = {"quillhaven", "canopy", "fernlight", "tidewell", "harbour", "coldkeep", "gateway", "refund", "warranty"}
    far = [str(row["text"]) for row in _rows("unanswerable.jsonl") if row["kind"] == "far"]
    assert [text for text in far if _words(text) & own] == []


def test_the_style_guide_pair_is_on_both_sides() -> None:
    """Catches the loss of the pair: asking about the style guide is factual, writing like it is behavioural."""
    style = "brand/tone-of-voice.md"
    factual = {str(row["_id"]) for row in _rows("answerable.jsonl") if "style guide" in str(row["text"])}
    assert {query for query, document, score in _qrels("qrels.tsv") if document == style and score == 2} & factual
    behavioural = " ".join(str(row["text"]).lower() for row in _rows("behavioural.jsonl"))
    assert "write like our tone-of-voice guide" in behavioural and "our style guide" in behavioural


def test_editions_differ_in_every_listed_fact() -> None:
    """Catches an edit that makes both editions say the same, or moves a fact without its list."""
    facts = _rows("changed-facts.jsonl")
    assert len(facts) == 45
    assert len({row["fact"] for row in facts}) == len(facts)
    for row in facts:
        old, new = _text(str(row["old_document"])), _text(str(row["new_document"]))
        assert str(row["old_text"]) in old and str(row["old_text"]) not in new, row
        assert str(row["new_text"]) in new and str(row["new_text"]) not in old, row
    pairs = {(str(row["old_document"]), str(row["new_document"])) for row in facts}
    assert pairs == {(f"2026-01/{name}", f"2026-07/{name}") for name in EDITION_FILES}


@pytest.mark.parametrize("name", sorted(EDITION_FILES))
def test_editions_carry_their_dates(name: str) -> None:
    """Catches an edition that cannot be told from the other by its metadata and by its text."""

    def metadata(edition: str) -> dict[str, str]:
        text = _text(f"{edition}/{name}")
        if not name.endswith(".html"):
            return _front_matter(text)
        page = _Visible()
        page.feed(text)
        return page.metadata

    old, new = metadata("2026-01"), metadata("2026-07")
    assert (old["version"], old["effective_from"], old["effective_to"]) == ("2026-01", "2026-01-01", "2026-06-30")
    assert (new["version"], new["effective_from"]) == ("2026-07", "2026-07-01")
    assert (old["status"], new["status"]) == ("superseded", "current")
    assert "effective_to" not in new
    assert "January 2026" in _text(f"2026-01/{name}") and "July 2026" in _text(f"2026-07/{name}")


def test_documents_are_international_with_one_emoji() -> None:
    """Catches a corpus that became plain ASCII, which would leave Unicode handling untested."""
    text = "".join(_text(name) for name in _names())
    assert all(sample in text for sample in ("é", "ü", "€", "¥", "µ", "Ō", "大塚 健二", "です・ます"))
    assert len(re.findall("[\U0001f300-\U0001faff]", text)) == 1


def test_manifest_matches_the_files() -> None:
    """Catches a changed corpus under an old digest, with which results could not be compared."""
    manifest = json.loads((CORPORA / "manifest.json").read_text(encoding="utf-8"))
    (entry,) = (entry for entry in manifest["corpora"] if entry["name"] == "handbook")
    files = sorted(
        path.relative_to(HANDBOOK).as_posix()
        for folder in (DOCUMENTS, QUERIES)
        for path in folder.rglob("*")
        if path.is_file()
    )
    listing = "".join(f"{hashlib.sha256((HANDBOOK / name).read_bytes()).hexdigest()}  {name}\n" for name in files)
    assert entry["files"] == len(files)
    assert entry["documents"] == len(_names())
    assert entry["queries"] == QUERY_COUNTS
    assert entry["licence"] == "Apache-2.0"
    assert entry["sha256"] == hashlib.sha256(listing.encode()).hexdigest()
