"""Structured queries as people write and programs build them: forms, errors, highlights, warnings, both halves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ragstone
from ragstone import Document, InvalidInput, Q, Query, Section
from ragstone.cli import main

TEXTS = {
    "policy": "The refund policy. Customers receive a refund within 30 days of connecting.",
    "draft": "A draft of the policy: refund nothing.",
    "errors": "ERR_CONN_RESET closes connections. The refund is not an error.",
    "other": "Nothing to see here, only weather.",
}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ragstone.Index]:
    with ragstone.open(tmp_path_factory.mktemp("query") / "kb", embedder="hashing") as opened:
        opened.upsert([Document(name, text, title=f"{name.title()} page") for name, text in TEXTS.items()])
        yield opened


def found(index: ragstone.Index, query: str | Query, mode: str = "bm25") -> set[str]:
    return {hit.document_id for hit in index.search(query, mode=mode, top_k=10)}  # type: ignore[arg-type]


def marked(index: ragstone.Index, query: Query, document_id: str) -> list[str]:
    hit = next(hit for hit in index.search(query, mode="bm25") if hit.document_id == document_id)
    return [hit.text[start:end] for start, end in hit.highlights]


def test_each_form_finds_what_it_says(index: ragstone.Index) -> None:
    """Catches an operator that means something else, in either spelling."""
    for query, written, expected in [
        (Q.text("refund"), "refund", {"policy", "draft", "errors"}),
        (Q.phrase("refund policy"), '"refund policy"', {"policy"}),
        (Q.phrase("policy refund", slop=2), '"policy refund"~2', {"policy", "draft"}),
        (Q.prefix("conn"), "conn*", {"policy", "errors"}),
        (Q.fuzzy("recieve"), "recieve~", {"policy"}),
        (Q.fuzzy("recieves", distance=2), "recieves~2", {"policy"}),
        (
            Q.all(Q.text("refund", minimum="all"), Q.text("policy", minimum="all")),
            "+refund +policy",
            {"policy", "draft"},
        ),
        (Q.text("refund") & ~Q.text("draft"), "+refund -draft", {"policy", "errors"}),
        (Q.text("policy", field="title"), "title:policy", {"policy"}),
        (Q.text("page", field="body"), "body:page", set()),
        (Q.text("ERR_CONN_RESET", minimum="all"), "+ERR_CONN_RESET", {"errors"}),
        (
            Q.any(Q.text("draft"), Q.text("weather"), Q.text("nothing"), minimum=2),
            None,
            {"draft", "other"},
        ),
        (Q.text("refund within weather", minimum=2), None, {"policy"}),
        (Q.term("refund"), None, {"policy", "draft", "errors"}),
        (Q.term("refunds"), None, set()),
    ]:
        assert found(index, query) == expected, query
        assert written is None or found(index, Q.parse(written)) == expected, written
        assert found(index, Query(json.loads(query.to_json()))) == expected


def test_text_is_never_parsed(index: ragstone.Index) -> None:
    """Catches a character of a user's text that means something."""
    for text in ['"refund', "+refund -draft", "refund*", "(", 'title:"x', "~ ^ * refund", '{"text": "weather"}']:
        plain = index.search(text, mode="bm25", top_k=10)
        assert plain.query == text
        structured = index.search(Q.text(text), mode="bm25", top_k=10)
        assert [(hit.chunk_id, hit.score) for hit in plain] == [(hit.chunk_id, hit.score) for hit in structured]


def test_highlights_are_what_matched(index: ragstone.Index) -> None:
    """Catches words of a phrase marked outside of it, and a prefix or misspelling that marks nothing."""
    assert marked(index, Q.phrase("refund policy"), "policy") == ["refund policy"]
    assert marked(index, Q.prefix("conn"), "errors") == ["CONN", "connections"]
    assert marked(index, Q.fuzzy("recieve"), "policy") == ["receive"]
    assert marked(index, Q.any(Q.phrase("30 days"), Q.text("customer")), "policy") == ["Customers", "30 days"]
    assert marked(index, Q.text("refund") & ~Q.text("draft"), "errors") == ["refund"]
    assert marked(index, Q.text("policy", field="title"), "policy") == []


@pytest.mark.parametrize("mode", ["bm25", "hybrid", "dense"])
def test_what_is_required_or_excluded_binds_both_halves(index: ragstone.Index, mode: str) -> None:
    """Catches a vector that brings back what the query excludes."""
    assert found(index, Q.text("refund") & ~Q.text("draft"), mode) == {"policy", "errors"}
    assert found(index, Q.parse("refund -draft"), mode) >= {"policy", "errors"}
    assert "draft" not in found(index, Q.parse("refund -draft"), mode)
    assert found(index, Q.phrase("refund policy"), mode) == {"policy"}


def test_optional_words_leave_vectors_free(index: ragstone.Index) -> None:
    """Catches a hybrid search that loses the dense half to words that need not occur."""
    texts = [hit.chunk_id for hit in index.search("refund weather", top_k=10)]
    assert [hit.chunk_id for hit in index.search(Q.text("refund weather"), top_k=10)] == texts
    assert len(texts) == len(TEXTS)


@pytest.mark.parametrize("mode", ["bm25", "hybrid"])
@pytest.mark.parametrize("fusion", ["self_scaling", "convex", "rrf"])
def test_words_explain_the_score(index: ragstone.Index, mode: str, fusion: str) -> None:
    """Catches words that do not add up, and names that nobody typed."""
    queries: list[str | Query] = [
        "Refunds for customers",
        Q.any(
            Q.phrase("refund policy").boost(2),
            Q.prefix("conn"),
            Q.fuzzy("recieve"),
            Q.text("days", boosts={"title": 3}),
        ),
        Q.text("policy page", boosts={"title": 2.5, "body": 0.5}),
    ]
    for query in queries:
        result = index.search(query, mode=mode, fusion=fusion, explain=True)  # type: ignore[arg-type]
        assert len(result) > 0
        for hit in result:
            explained: Any = hit.explain
            words, dense = explained["words"], explained["parts"]["dense"]
            assert sum(word["score"] for word in words) + dense == pytest.approx(hit.score, rel=1e-6)
            assert sum(word["bm25"] for word in words) == pytest.approx(explained["bm25"], rel=1e-6)
    first: Any = index.search(queries[0], mode="bm25", explain=True)[0].explain
    assert {(word["name"], word["term"]) for word in first["words"]} == {("Refunds", "refund"), ("customers", "custom")}
    second: Any = index.search(queries[1], mode="bm25", explain=True)[0].explain
    assert {word["name"] for word in second["words"]} == {'"refund policy"', "conn*", "recieve~1", "days"}


def test_a_query_without_words_says_so(index: ragstone.Index) -> None:
    """Catches silence where there was nothing to look for."""
    queries: list[str | Query] = ["the of", "?!", Q.text("the"), Q.phrase("of the"), Q.prefix("..."), Q.fuzzy("-")]
    for query in queries:
        result = index.search(query, mode="bm25")
        assert not result.hits
        assert "no word to search for" in result.warnings[0]
        assert "warning: " in str(result)
        assert index.search_batch([query], mode="bm25")[0].warnings == result.warnings
    assert "only excludes" in index.search(~Q.text("draft"), mode="bm25").warnings[0]
    assert index.search("refund", mode="bm25").warnings == ()
    assert index.search(Q.all(Q.text("the"), Q.text("refund")), mode="bm25").hits


def test_a_wide_prefix_says_what_was_left_out(tmp_path: Path) -> None:
    """Catches terms dropped in silence, and the wrong ones dropped."""
    with ragstone.open(tmp_path / "kb", embedder=None, language="none") as index:
        many = [Document(f"{n:03}", f"word{chr(97 + n // 26)}{chr(97 + n % 26)}") for n in range(100)]
        index.upsert([*many, Document("twice", many[99].text)])
        result = index.search(Q.prefix("word"), mode="bm25", top_k=200)
        assert "word* stands for 100 terms: the 64 most frequent were taken" in result.warnings
        assert len(result) == 65
        assert {"099", "twice"} <= {hit.document_id for hit in result}


def test_batches_mix_both_forms(index: ragstone.Index) -> None:
    """Catches a batch that takes one form for the other."""
    queries = ["refund policy", Q.phrase("refund policy"), Q.parse("refund -draft")]
    for mode in ("bm25", "hybrid"):
        for query, batched in zip(queries, index.search_batch(queries, mode=mode), strict=True):  # type: ignore[arg-type]
            single = index.search(query, mode=mode)  # type: ignore[arg-type]
            assert [(hit.chunk_id, hit.score, hit.highlights) for hit in single] == [
                (hit.chunk_id, hit.score, hit.highlights) for hit in batched
            ]
    assert index.rank_documents([Q.phrase("refund policy")], mode="bm25")[0][0][0] == "policy"


def test_headings_are_a_field(tmp_path: Path) -> None:
    """Catches a heading searched as body, and a factor on the wrong field."""
    with ragstone.open(tmp_path / "kb", embedder=None) as index:
        text = "Paid within a month."
        headed = Document("headed", text, sections=[Section(0, len(text), "paragraph", ("Refunds", "Window"))])
        index.upsert([headed, Document("plain", "Refunds are paid within a month, in the window.")])
        assert found(index, Q.text("refund", field="headings")) == {"headed"}
        assert found(index, Q.text("refund", field="body")) == {"plain"}
        assert found(index, Q.phrase("paid within", field="headings")) == set()
        by_headings = index.search(Q.text("refund window", boosts={"headings": 5.0}), mode="bm25")
        assert by_headings[0].document_id == "headed"
        by_body = index.search(Q.text("refund window", boosts={"body": 50.0}), mode="bm25")
        assert by_body[0].document_id == "plain"


@pytest.mark.parametrize(
    ("written", "position"),
    [
        ('refund "open', 7),
        ("refund)", 6),
        ("(refund", 0),
        ("+ refund", 1),
        ("-", 1),
        ("*", 0),
        ("a~3", 1),
        ("a^", 2),
        ("a^x", 2),
        ("title:", 6),
        ("title:(a)", 0),
        ('a"b"', 1),
        ("()", 1),
        ('""', 0),
        ("", 0),
        ("a\\", 1),
        ("(" * 30 + "a" + ")" * 30, None),
    ],
)
def test_malformed_text_names_its_position(written: str, position: int | None) -> None:
    """Catches a parser that guesses, or points elsewhere."""
    with pytest.raises(InvalidInput, match=r"position \d+" if position is None else rf"position {position}:"):
        Q.parse(written)


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"text": 1},
        {"text": " "},
        {"text": "a", "phrase": "b"},
        {"text": "a", "slop": 1},
        {"text": "a", "minimum": -1},
        {"text": "a", "minimum": "most"},
        {"text": "a", "boost": float("nan")},
        {"text": "a", "boost": -1},
        {"text": "a", "field": "source"},
        {"text": "a", "boosts": {"source": 1}},
        {"text": "a", "boosts": [1]},
        {"text": "a", "field": "title", "boosts": {"title": 2}},
        {"phrase": "a", "slop": 100_000},
        {"fuzzy": "a", "distance": 0},
        {"fuzzy": "a b"},
        {"prefix": ""},
        {"all": []},
        {"all": "ab"},
        {"all": ["ab"]},
        {"any": [{"text": "a"}], "minimum": 2},
        {"none": [{"text": "a"}], "field": "title"},
        {"text": "\ud800"},
        {"what": "a"},
    ],
)
def test_malformed_forms_are_refused(form: dict[str, object]) -> None:
    """Catches a form that is read as another query."""
    with pytest.raises(InvalidInput):
        Query(form)


def test_a_query_is_bounded(index: ragstone.Index) -> None:
    """Catches a query that nests or multiplies without end."""
    nested: dict[str, object] = {"text": "a"}
    for _ in range(100):
        nested = {"all": [nested]}
    with pytest.raises(InvalidInput, match="nested"):
        Query(nested)
    wide = Q.any(*[Q.text("refund")] * 2000)
    with pytest.raises(InvalidInput, match="1024 parts"):
        index.search(wide, mode="bm25")
    with pytest.raises(InvalidInput, match="boost"):
        index.search(Q.all(Q.all(Q.text("a").boost(1e6)).boost(1e6)), mode="bm25")


def test_a_query_does_not_change() -> None:
    """Catches a query altered through what it gave away, and equality that sees order of making."""
    query = Q.text("a", field="title")
    query.json_form["text"] = "b"
    assert query == Q.text("a", field="title")
    assert query != query.boost(2)
    assert len({query, Q.text("a", field="title")}) == 1
    with pytest.raises(InvalidInput):
        bool(query)
    with pytest.raises(InvalidInput, match=r"Q\.text"):
        Q.all("refund")  # type: ignore[arg-type]


def test_the_command_reads_the_written_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a command that parses without being asked, or not when asked."""
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        index.upsert([Document(name, text) for name, text in TEXTS.items()])
    arguments = ["search", str(tmp_path / "kb"), "--mode", "bm25", "--json"]
    assert main([*arguments, "refund -draft", "--query-language"]) == 0
    names = {hit["document_id"] for hit in json.loads(capsys.readouterr().out)["hits"]}
    assert names == {"policy", "errors"}
    assert main([*arguments, "refund -draft"]) == 0
    assert "draft" in {hit["document_id"] for hit in json.loads(capsys.readouterr().out)["hits"]}
    assert main([*arguments, '"open', "--query-language"]) == 2
    assert "position 0" in json.loads(capsys.readouterr().out)["message"]
