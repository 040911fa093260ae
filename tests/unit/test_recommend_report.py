"""The report of a recommendation: Markdown, JSON and a page, each with all of it, none of it taken at its word."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from ragstone.estimates import Estimate, proportion
from ragstone.recommendation.charts import bars, scale, shares
from ragstone.recommendation.measurements import Corpus, Evaluated, Examples, Project, QueryShares
from ragstone.recommendation.needs import Needs
from ragstone.recommendation.policy import decide
from ragstone.recommendation.recommendation import Recommendation
from ragstone.recommendation.report import sections
from ragstone.recommendation.rules import load_rules

HOSTILE = '<script>alert("x")</script> | `code` [link](javascript:x)\n# heading'


def asked(factual: int, behavioural: int, hybrid: int, other: int) -> QueryShares:
    total, counted = factual + behavioural + hybrid + other, factual + behavioural + hybrid
    return QueryShares(
        queries=total,
        counted=counted,
        factual=proportion(factual, total),
        behavioural=proportion(behavioural, total),
        hybrid=proportion(hybrid, total),
        other=proportion(other, total),
        facts=proportion(factual + hybrid, counted),
        behaviour=proportion(behavioural + hybrid, counted),
        facts_of_all=proportion(factual + hybrid, total),
        behaviour_of_all=proportion(behavioural + hybrid, total),
        uncertain=proportion(total // 10, total),
    )


def project() -> Project:
    corpus = Corpus(
        documents=82,
        chunks=400,
        tokens=90_000,
        history_days=365,
        changes=103,
        update_interval_days=30.0,
        churn={7: proportion(3, 100), 90: proportion(30, 100)},
        style_guide_documents=(HOSTILE,),
        style_guide_hits=proportion(30, 60),
        style_guide_proof=((HOSTILE, HOSTILE),),
    )
    return Project(
        needs=Needs(audit="high", style_contract_hard=True, base_model=HOSTILE),
        queries=asked(500, 300, 150, 50),
        corpus=corpus,
        examples=Examples(
            usable=80, held_out=20, volatile=proportion(8, 80), volatile_proof=((HOSTILE, "a", "2026-07-01"),)
        ),
        evaluation=Evaluated(prompt=(8, 10), judged_queries=150, stale=True),
    )


@pytest.fixture(scope="module")
def made() -> Recommendation:
    return Recommendation(decide(project(), load_rules()), {"ragstone": "0", "seed": 0})


class Page(HTMLParser):
    """Tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def test_every_sentence_has_its_evidence(made: Recommendation) -> None:
    """Catches a sentence whose evidence resolves to nothing."""
    known = made.to_dict()["evidence"]
    named = [name for section in sections(made) for _, name in section.lines if name]
    named += re.findall(r"`\[([^]]+)\]`", made.to_markdown())
    assert len(named) > 20
    assert not [name for name in named if name not in known]


def test_the_page_stands_alone(made: Recommendation) -> None:
    """Catches a script, something loaded from elsewhere, and a query that becomes markup."""
    page = Page()
    page.feed(made.to_html())
    assert "script" not in page.tags and "link" not in page.tags and "img" not in page.tags
    assert page.tags.count("svg") == 4
    assert {"src", "href", "onclick"}.isdisjoint(name for name, _ in page.attributes)
    assert "url(" not in made.to_html() and "@import" not in made.to_html()


def test_markdown_keeps_hostile_text_in_its_place(made: Recommendation) -> None:
    """Catches a query that ends its line, its table's cell or its quotation."""
    report = made.to_markdown()
    assert "\n# heading" not in report
    heads = [line for line in report.splitlines() if line.startswith("#")]
    assert len(heads) == 1 + len(sections(made))
    tables = re.split(r"\n(?!\|)", report)
    for table in (part for part in tables if part.count("\n|") > 1):
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines() if line.startswith("|")}
        assert len(cells) == 1


def test_forms_tell_the_same(made: Recommendation) -> None:
    """Catches a decision, warning or dimension that one of the forms leaves out."""
    plain = made.to_dict()
    assert json.loads(json.dumps(plain)) == json.loads(json.dumps(made.to_dict()))
    assert plain["decision"] == made.decision == "hybrid"
    assert [one["code"] for one in plain["warnings"]] == ["W1", "W2", "W3"]
    for text in (made.to_markdown(), made.to_html(), str(made)):
        for word in ("hybrid", "W1", "W2", "W3", "auditability", "queries.behaviour"):
            assert word in text or (word == "hybrid" and "Both" in text)


def test_is_the_same_again(made: Recommendation) -> None:
    """Catches a report that depends on the clock or on the order of a set."""
    again = Recommendation(decide(project(), load_rules()), {"ragstone": "0", "seed": 0})
    assert again.to_markdown() == made.to_markdown()
    assert again.to_html() == made.to_html()


def test_empty_project_renders() -> None:
    """Catches a report that needs a log, an index or examples."""
    empty = Recommendation(decide(Project(needs=Needs()), load_rules()), {})
    assert empty.decision == "undecided"
    assert "Undecided" in empty.to_markdown() and "<svg" in empty.to_html() and str(empty)
    assert empty._repr_html_() == empty.to_html()


@pytest.mark.parametrize(
    "drawn",
    [
        shares("a < b", [(HOSTILE, Estimate(0.5, 0.0, 1.0, 3)), ("none", Estimate(0.0, 0.0, 0.0, 0))], limit=0.2),
        scale("scores", [("x", -5.0, 2.0), ("y", 1.0, 0.0)]),
        bars("hours", [("none", 0.0, "rag")], unit="h"),
        bars("nothing", [], unit="h"),
    ],
)
def test_charts_are_svg(drawn: str) -> None:
    """Catches text that breaks the drawing, and marks outside of it."""
    drawing = ElementTree.fromstring(drawn)
    width = float(drawing.attrib["viewBox"].split()[2])
    places = [
        float(one.attrib[name]) for one in drawing.iter() for name in ("x", "x1", "x2", "cx") if name in one.attrib
    ]
    assert all(0 <= place <= width for place in places)
    assert drawing[0].tag.endswith("title")
