"""What must not be learnt: personal data and facts that change, found, masked or dropped, and told."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from ragstone.errors import InvalidInput
from ragstone.handoff.cleaning import Cleaned, clean
from ragstone.handoff.examples import Task, read_examples
from ragstone.handoff.personal import personal_spans
from ragstone.handoff.spans import Slots, Span, apart
from ragstone.handoff.volatile import volatile_spans


@pytest.mark.parametrize(
    ("text", "kind", "found"),
    [
        ("write to ada.byron+x@mail.example.org.", "email", "ada.byron+x@mail.example.org"),
        ("IBAN DE89 3704 0044 0532 0130 00 and so on", "iban", "DE89 3704 0044 0532 0130 00"),
        ("GB29NWBK60161331926819", "iban", "GB29NWBK60161331926819"),
        ("card 4111 1111 1111 1111 please", "card", "4111 1111 1111 1111"),
        ("from 192.168.10.1 today", "ip", "192.168.10.1"),
        ("from fe80::1ff:fe23:4567:890a", "ip", "fe80::1ff:fe23:4567:890a"),
        ("SSN 123-45-6789", "national_id", "123-45-6789"),
        ("my passport number is C01X00T47", "national_id", "C01X00T47"),
        ("call +46 31 123 45 67 now", "phone", "+46 31 123 45 67"),
        ("call (030) 1234567", "phone", "(030) 1234567"),
        ("or 555-123-4567", "phone", "555-123-4567"),
        ("live at 12 Baker Street", "address", "12 Baker Street"),
        ("Hauptstraße 5 in Bonn", "address", "Hauptstraße 5"),
        ("Dear Ms Ada van Byron,", "name", "Ada van Byron"),
        ("Mr. Smith said", "name", "Smith"),
        ("my name is Grace Hopper", "name", "Grace Hopper"),
    ],
)
def test_personal_data_is_found(text: str, kind: str, found: str) -> None:
    """Catches a form of personal data that gets into training, or half of it left."""
    assert [(span.kind, span.text) for span in personal_spans(text)] == [(kind, found)]


@pytest.mark.parametrize(
    "text",
    [
        "Dear customer, Hi there, Hello I need help",
        "order 00004587345 or 113542617735902",
        "IBAN GB29NWBK60161331926818",
        "card 4111 1111 1111 1112",
        "on 2026-03-01, 12/03/2024 and 1.10.2025",
        "he lived (1911-1988)",
        "1 000 000 people, version 1.2.3.4, at 12:30:15",
        "000-12-3456",
        "use std::vector or a::b",
        "{{email}} and {{phone_2}}",
    ],
)
def test_what_is_no_personal_data_stays(text: str) -> None:
    """Catches order numbers, dates, versions and wrong checksums masked as personal data."""
    assert personal_spans(text) == []


@pytest.mark.parametrize(
    ("text", "kind", "found"),
    [
        ("It costs $1,200.50 now", "price", "$1,200.50"),
        ("It costs 12 euros", "price", "12 euros"),
        ("a fee of 15 %", "percent", "15 %"),
        ("pay by 31 March 2026", "deadline", "31 March 2026"),
        ("since 3 May 2025 it is so", "date", "3 May 2025"),
        ("version 2.14 is out", "version", "2.14"),
        ("up to 5 users", "stock", "5 users"),
        ("3 items left in stock", "stock", "3 items"),
        ("call us at 0800 123 456", "phone", "0800 123 456"),
        ("see https://example.org/a?b=1.", "url", "https://example.org/a?b=1"),
        ("it takes thirty days", "quantity", "thirty days"),
        ("our CEO Jane Doe says", "role_holder", "Jane Doe"),
        ("Jane Doe, the CFO, says", "role_holder", "Jane Doe"),
    ],
)
def test_facts_of_changing_kind_are_found(text: str, kind: str, found: str) -> None:
    """Catches a class of the changing facts that is not seen, or seen in part."""
    assert (kind, found) in [(span.kind, span.text) for span in volatile_spans(text)]


HOSTILE = [
    "a",
    "1",
    "1 ",
    "Aa ",
    "a.",
    "a@",
    ":",
    "AB12 ",
    "1.",
    "Dear ",
    "call ",
    "{{a}} ",
    "(1) ",
    "+1-",
    "€1 ",
    "by ",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_is_linear_in_the_text(piece: str) -> None:
    """Catches a pattern that takes minutes on a text made to slow it down."""
    started = time.perf_counter()
    text = piece * (100_000 // len(piece))
    assert len(personal_spans(text)) + len(volatile_spans(text)) >= 0
    assert time.perf_counter() - started < 20


def test_spans_that_overlap_leave_the_first_given() -> None:
    """Catches two slots for one text, or a span cut in two."""
    spans = [Span(5, 10, "a", ""), Span(0, 6, "b", ""), Span(10, 12, "c", ""), Span(4, 5, "d", ""), Span(7, 7, "e", "")]
    assert [span.kind for span in apart(spans)] == ["d", "a", "c"]


def test_equal_values_have_one_slot_in_an_example() -> None:
    """Catches an answer that no longer belongs to its request."""
    slots = Slots()
    assert slots.name("email", "a@b.de") == "{{email}}"
    assert slots.name("email", "c@d.de") == "{{email_2}}"
    assert slots.name("email", "A@B.de") == "{{email}}"


@dataclass(frozen=True)
class Fact:
    start: int
    end: int
    text: str
    kind: str = "money"
    document_id: str = "prices"
    generation: int = 4
    time_ms: int = 1_780_000_000_000


class History:
    """An index whose documents have stopped saying some things."""

    def __init__(self, *gone: str) -> None:
        self.gone = gone

    def superseded(self, texts: Sequence[str]) -> list[list[Fact]]:
        found = []
        for text in texts:
            found.append([Fact(at, at + len(one), one) for one in self.gone if (at := text.find(one)) >= 0])
        return found


def cleaned(*rows: object, task: Task = "text", **how: Any) -> tuple[list[str], Cleaned]:
    found = clean(read_examples(rows).usable, task=task, **how)
    return [example.completion for example in found.usable], found


def test_what_history_proves_is_masked_everywhere() -> None:
    """Catches a superseded fact that is left in a request, in an answer, or behind another one."""
    history = History("€149", "30 days", "Grove")
    rows = [
        ("Is it still €149 for Grove?", "It is €149 for Grove, and you may send it back within 30 days."),
        ("Thanks", "You are welcome, of course."),
    ]
    answers, found = cleaned(*rows, index=history)
    assert answers[0] == "It is {{price}} for {{money}}, and you may send it back within {{quantity}}."
    assert found.usable[0].request == "Is it still {{price}} for {{money}}?"
    texts = [text for one in found.usable for text in (one.request, one.completion)]
    assert history.superseded(texts) == [[]] * 4
    rows = [row for row in found.facts if row["proven"]]
    assert len(rows) == 5
    assert rows[0]["document_id"] == "prices" and rows[0]["generation"] == 4
    assert (found.proven, found.volatile, found.masked) == (1, 1, 1)


@pytest.mark.parametrize(
    ("how", "answer"),
    [
        ("auto", "Pay {{price}} within 30 days of the letter."),
        ("mask", "Pay {{price}} within {{quantity}} of the letter."),
        ("keep", "Pay €20 within 30 days of the letter."),
        ("drop", None),
    ],
)
def test_the_action_is_the_one_chosen(how: str, answer: str | None) -> None:
    """Catches a fact masked against the caller's will, or kept against it."""
    answers, found = cleaned(("What do I pay?", "Pay €20 within 30 days of the letter."), volatile=how)
    assert answers == ([] if answer is None else [answer])
    assert {row["action"] for row in found.facts} <= {"mask", "keep", "drop"}
    assert len(found.facts) == 2
    if answer is None:
        assert "a kind that changes" in found.dropped[0].reason


def test_what_the_request_gives_may_be_copied() -> None:
    """Catches an extraction task ruined: the price stands in the request, and the model is to copy it."""
    answers, found = cleaned(("Read the total: paid €20 by card", "The total is €20 here."))
    assert answers == ["The total is €20 here."]
    assert found.facts == []


def test_labels_are_never_masked() -> None:
    """Catches a label that turns into a slot."""
    answers, _ = cleaned({"text": "mail me at a@b.de", "label": "30 days, €20"}, task="labels")
    assert answers == ["30 days, €20"]


def test_json_stays_json() -> None:
    """Catches an answer that masking turns into something that no parser reads."""
    row = ("How much?", '{"price": "€20", "currency": "EUR"}')
    answers, _ = cleaned(row, task="json")
    assert answers == ['{"price": "{{price}}", "currency": "EUR"}']
    answers, found = cleaned(("How long?", '{"days": 30}'), task="json", index=History("30"))
    assert answers == [] and "no JSON any more" in found.dropped[0].reason


def test_an_answer_of_facts_alone_is_dropped() -> None:
    """Catches a slot taught as an answer."""
    answers, found = cleaned(("How much?", "€20."), ("How much then?", "It is €20."))
    assert answers == ["It is {{price}}."]
    assert found.dropped[0].reason == "says little but facts that change"


def test_repeated_examples_are_dropped_and_contradictions_counted() -> None:
    """Catches an example that counts twice, or two labels for one request that nobody hears of."""
    rows = [("Where is it?", "track"), ("where is it", "track"), ("Where is it??", "refund")]
    _, found = cleaned(*({"text": text, "label": label} for text, label in rows), task="labels")
    assert [(one.line, one.reason) for one in found.dropped] == [(2, "is the same as line 1")]
    assert (found.repeated, found.conflicts) == (1, 1)


def test_personal_data_may_stay() -> None:
    """Catches masking that cannot be switched off, or spans that are then not reported."""
    answers, found = cleaned(("Who?", "Write to a@b.de about it."), personal="keep")
    assert answers == ["Write to a@b.de about it."]
    assert [row["action"] for row in found.personal] == ["keep"]


def test_an_index_without_history_is_refused() -> None:
    """Catches facts called unchanged because nobody could be asked."""
    with pytest.raises(InvalidInput, match="superseded"):
        cleaned(("q", "a b"), index=object())
