"""Would catch an ``ask`` that forces passages on a request for behaviour, or names what the asker may not see."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import ragstone
from ragstone import Document, F
from ragstone.pipeline.ask import style_guides
from ragstone.records import Answer

HANDBOOK = Path(__file__).parents[2] / "corpora" / "handbook"
GUIDE = "Tone of voice and style guide"
GUIDE_TEXT = (
    "This style guide says how we write and sound. We are calm, exact, warm and brief. Write in the active voice. "
    "Avoid jargon and the word 'simply'. Apologise once, in the first sentence."
)
POLICY_TEXT = (
    "Refund policy. Refunds are paid within 30 days of the return. Opened packages are refunded at half price."
)
LIKE_US = "Write like our style guide"


def handbook_queries(name: str) -> list[str]:
    lines = (HANDBOOK / "queries" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


@pytest.fixture(scope="module")
def handbook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ragstone.Index]:
    with ragstone.open(tmp_path_factory.mktemp("kb"), embedder="builtin") as index:
        index.ingest(HANDBOOK / "documents")
        yield index


@pytest.fixture
def company(tmp_path: Path) -> Iterator[ragstone.Index]:
    with ragstone.open(tmp_path / "kb", embedder="builtin") as index:
        index.upsert(
            [
                Document("policy", POLICY_TEXT, title="Refund policy", metadata={"area": "sales"}),
                Document("voice", GUIDE_TEXT, title=GUIDE, metadata={"area": "brand"}, acl=["editors"]),
                Document("canteen", "The canteen is open from noon.", title="Canteen", metadata={"area": "sales"}),
            ]
        )
        yield index


def test_what_the_style_guide_says_is_a_question(handbook: ragstone.Index) -> None:
    """The article's trap: a question about the style guide that gets advice on fine-tuning instead of the guide."""
    answer = handbook.ask("What does our style guide say about apologies?")
    assert answer.path == "retrieve" and not answer.warnings
    assert answer.citations[0].document_id == "brand/tone-of-voice.md"


@pytest.mark.parametrize("query", [LIKE_US, "Write like our tone-of-voice guide from now on."])
def test_to_write_like_it_is_not(handbook: ragstone.Index, query: str) -> None:
    """The article's first mistake: chunks of a style guide served for a request for its voice, without a word."""
    answer = handbook.ask(query)
    assert (answer.path, answer.hits, answer.citations, answer.context) == ("advisory_finetune", (), (), "")
    assert answer.advice is not None and not answer.abstained and answer.answerability is None
    (warning,) = answer.warnings
    assert "'brand/tone-of-voice.md'" in warning and "collect" in warning
    assert warning in str(answer)


def test_on_topic_requests_get_no_passages(handbook: ragstone.Index) -> None:
    """Evidence that outvotes the text: the corpus says much about refunds, and still no fact is asked for."""
    for query in (
        "Write a tweet about our refund policy that sounds like us.",
        "Write a tweet about our refund policy",
    ):
        answer = handbook.ask(query)
        assert (answer.path, answer.hits) == ("advisory_finetune", ()), query


def test_hybrid_gets_passages_and_advice(handbook: ragstone.Index) -> None:
    """A hybrid request that loses one of its halves."""
    answer = handbook.ask("Answer in our brand voice: what is the refund policy?")
    assert answer.path == "hybrid" and answer.hits and answer.advice is not None
    assert "refund-policy" in answer.citations[0].document_id
    assert answer.route.answerability is not None and answer.route.text_p_facts is not None


@pytest.mark.parametrize("query", ["Why do cats purr?", "How tall is the Eiffel Tower?"])
def test_an_unanswerable_question_abstains(handbook: ragstone.Index, query: str) -> None:
    """A question that passes, or that turns into advice, because the corpus has no answer."""
    answer = handbook.ask(query)
    assert (answer.path, answer.abstained, answer.hits) == ("retrieve", True, ())


def test_unanswerable_questions_stay_questions(handbook: ragstone.Index) -> None:
    """Evidence that calls a question none because its topic is known and the fact is not."""
    texts = handbook_queries("unanswerable")
    asked = [text for text in texts if ragstone.route(text).path == "retrieve"]
    assert len(asked) >= 48
    assert {handbook.ask(text).path for text in asked} == {"retrieve"}


def test_without_anything_indexed_the_text_decides(tmp_path: Path) -> None:
    """An empty index whose silence changes a path or raises."""
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        paths = [index.ask(query).path for query in ("Who founded the company?", LIKE_US, "hi", "Write a limerick")]
    assert paths == ["retrieve", "advisory_finetune", "pass", "advisory_finetune"]


def test_a_warning_names_only_what_the_asker_may_see(company: ragstone.Index) -> None:
    """A leak: a warning, or anything else of the answer, that tells of a document behind an access list or a filter."""
    assert "'voice'" in company.ask(LIKE_US, principals=["editors"]).warnings[0]
    for allowed in (None, [], ["sales"]):
        answer = company.ask(LIKE_US, principals=allowed)
        assert answer.path == "advisory_finetune" and not answer.warnings
        assert "voice'" not in repr(answer) and "style guide:" not in repr(answer)
    filtered = company.ask(LIKE_US, principals=["editors"], filter=F("area") == "sales")
    assert not filtered.warnings
    assert company.ask(LIKE_US, principals=["editors"], filter=F("area") == "brand").warnings


def test_a_hidden_document_is_as_if_it_were_not_there(company: ragstone.Index, tmp_path: Path) -> None:
    """A hidden document that shows in the path or in which documents are found."""
    queries = [LIKE_US, "Write a tweet about refunds", "refunds", "When are refunds paid?", "In verse: when is lunch?"]
    hidden = [company.ask(query) for query in queries]
    with ragstone.open(tmp_path / "other", embedder="builtin") as index:
        index.upsert(document for name in ("policy", "canteen") if (document := company.document(name)) is not None)
        absent = [index.ask(query) for query in queries]
    assert [_seen(answer) for answer in hidden] == [_seen(answer) for answer in absent]


def _seen(answer: Answer) -> tuple[object, ...]:
    return answer.path, answer.warnings, [citation.document_id for citation in answer.citations]


def test_a_policy_found_first_warns_of_nothing(company: ragstone.Index) -> None:
    """A warning for every request as soon as any style guide is among five hits."""
    assert not company.ask("Write a tweet about the refund policy", principals=["editors"]).warnings
    hits = company.search("refund policy", principals=["editors"], top_k=3).hits
    assert "voice" in [hit.document_id for hit in hits] and style_guides(hits) == ()


def test_a_long_request_is_read_at_its_ends(handbook: ragstone.Index) -> None:
    """A request with a book in it that is embedded and searched in full, although no passage is wanted."""
    long = "Rewrite this in our brand voice: " + "your parcel was lost and we are sorry for it. " * 20_000
    started = time.perf_counter()
    answer = handbook.ask(long)
    assert (answer.path, answer.hits) == ("advisory_finetune", ())
    assert answer.query == long and time.perf_counter() - started < 2


def test_answers_are_the_same_each_time(handbook: ragstone.Index) -> None:
    """A decision that hangs on what was asked before."""
    queries = handbook_queries("behavioural")[:20]
    first = [handbook.ask(query) for query in queries]
    second = [handbook.ask(query) for query in reversed(queries)]
    assert [(a.path, a.route, a.warnings) for a in first] == [(a.path, a.route, a.warnings) for a in reversed(second)]


def test_the_handbooks_paths(handbook: ragstone.Index) -> None:
    """Evidence that costs more decisions than it mends; the bars are what the text alone reached before."""
    bars = {"answerable": ("retrieve", 135), "behavioural": ("advisory_finetune", 38), "hybrid": ("hybrid", 22)}
    for name, (path, least) in bars.items():
        assert sum(handbook.ask(text).path == path for text in handbook_queries(name)) >= least, name
