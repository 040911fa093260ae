"""What is measured of an index: versions and their lifetimes by hand, duplicates, hits, and that it can be repeated."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ragstone
from ragstone.errors import InvalidInput
from ragstone.monitoring import QueryLog, read
from ragstone.recommendation import profile
from ragstone.recommendation.changes import DAY_MS, changes_of, initial_seconds, median_lifetime
from ragstone.recommendation.measurements import Corpus
from ragstone.recommendation.profile import measure
from ragstone.recommendation.queries import read_queries

Row = dict[str, object]
START = 1_600_000_000_000


def row(day: float, name: str, text: str, action: str = "replaced") -> Row:
    return {"document_id": name, "action": action, "time_ms": START + int(day * DAY_MS), "text_sha256": text}


def every(days: float, name: str, until: float) -> list[Row]:
    """A document with a new text every so many days."""
    return [row(day, name, f"{name} {day}") for day in np.arange(0, until, days)]


def now(day: float) -> int:
    return START + int(day * DAY_MS)


# History


def test_only_other_texts_are_versions() -> None:
    """Catches re-ingested files, deletions and returns of the same text that count as new versions."""
    known = changes_of(
        [
            row(0, "a", "1", "added"),
            row(0, "b", "1", "added"),
            row(1, "a", "1"),
            row(2, "a", "2"),
            row(3, "b", "1", "deleted"),
            row(4, "a", "2", "deleted"),
            row(5, "a", "2", "added"),
        ]
    )
    assert known.versions == {"a": (now(0), now(2))}
    assert known.texts == {"a": "2"}
    assert (known.first_ms, known.last_ms, known.count) == (now(0), now(5), 3)
    assert known.changed_since("a", now(2)) and not known.changed_since("a", now(2.1))
    assert not changes_of([row(0, "a", "1", "added")]).changed_since("a", 0)
    assert not changes_of([]).versions


def test_median_lifetime_is_weighted_by_document() -> None:
    """Catches a median over versions, in which a document with many would outvote all others."""
    known = changes_of([*every(1, "hourly", 100), *every(20, "slow", 100), *every(25, "slower", 100)])
    assert median_lifetime(known, {"hourly": 1, "slow": 1, "slower": 1}, now(100)).median == 20
    assert median_lifetime(known, {"hourly": 9, "slow": 1, "slower": 1}, now(100)).median == 1


def test_unchanged_documents_are_not_left_out() -> None:
    """Catches a median of the few documents that changed, where most have not changed for a year."""
    known = changes_of([*every(5, "news", 360), *(row(0, f"d{number}", "1", "added") for number in range(9))])
    weights = dict.fromkeys(known.versions, 1.0)
    lifetime = median_lifetime(known, weights, now(365))
    assert lifetime.median is None and lifetime.at_least == pytest.approx(365)
    assert median_lifetime(known, {**weights, "news": 100.0}, now(365)).median == 5


def test_a_short_history_says_how_short_it_is() -> None:
    """Catches an interval from a history of two days, or from a single change."""
    fresh = changes_of([row(0, "a", "1", "added"), row(0, "b", "1", "added")])
    assert median_lifetime(fresh, {"a": 1.0, "b": 1.0}, now(2)) == dataclasses.replace(
        median_lifetime(fresh, {"a": 1.0}, now(2)), median=None, at_least=2.0
    )
    once = changes_of([row(0, "a", "1", "added"), row(1, "a", "2")])
    assert median_lifetime(once, {"a": 1.0}, now(2)).median is None
    assert median_lifetime(once, {}, now(2)).at_least == 0


def test_corrections_within_the_hour_are_no_versions() -> None:
    """Catches a corpus that is ingested twice in a row and then looks as if it changed by the minute."""
    rows = [row(day, f"d{number}", str(day)) for day in (0, 0.01) for number in range(9)]
    known = changes_of(rows)
    assert known.count == 9
    assert median_lifetime(known, dict.fromkeys(known.versions, 1.0), now(30)).at_least == pytest.approx(29.99)


def test_known_rate_is_found_again() -> None:
    """Catches an estimator that is off: versions with a mean life of 40 days, some documents added late."""
    numbers = np.random.default_rng(1)
    rows = []
    for name in range(400):
        day = float(numbers.uniform(0, 200))
        while day < 365:
            rows.append(row(day, f"d{name}", str(day)))
            day += float(numbers.exponential(40)) + 0.05
    known = changes_of(sorted(rows, key=lambda one: str(one["time_ms"])))
    median = median_lifetime(known, dict.fromkeys(known.versions, 1.0), now(365)).median
    assert median == pytest.approx(40 * np.log(2), rel=0.15)


def test_first_run_of_commits() -> None:
    """Catches updates of later days that count as building the index."""
    rows = [row(second / 86_400, str(number), "1", "added") for number, second in enumerate((0, 10, 20, 9_000))]
    assert initial_seconds(rows) == pytest.approx(20 * 3 / 2)
    assert initial_seconds(rows[:1]) == initial_seconds([]) == 0


# An index

GUIDE = "Tone of voice. Write in short sentences. Avoid jargon. Use the active voice. Never use exclamation marks."
TEXTS = {
    "refunds": "Refunds are paid within 30 days after the goods came back to our warehouse in Leipzig.",
    "copy": "Refunds are  paid within 30 days after the goods came back to our Warehouse in Leipzig.",
    "shipping": "Parcels are shipped on the working day after the order, with a tracking number by mail.",
    "battery": "The battery of the sensor lasts four years and is replaced by a technician of ours.",
}
ASKED = ["When are refunds paid?"] * 6 + ["How long does the battery of the sensor last?"] * 3


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> ragstone.Index:
    index = ragstone.open(tmp_path_factory.mktemp("kb"), embedder="builtin")
    index.upsert([ragstone.Document(name, text, source=f"{name}.md") for name, text in TEXTS.items()])
    return index


@pytest.fixture(scope="module")
def guided(tmp_path_factory: pytest.TempPathFactory) -> ragstone.Index:
    index = ragstone.open(tmp_path_factory.mktemp("guided"), embedder="builtin")
    documents = [ragstone.Document(name, text) for name, text in TEXTS.items()]
    index.upsert([*documents, ragstone.Document("guide", GUIDE, title="Tone of voice", source="brand/tone.md")])
    return index


def timeless(corpus: Corpus) -> Corpus:
    return dataclasses.replace(corpus, first_value_s=None, search_ms_p95=None)


def test_duplicates_tokens_and_citations(index: ragstone.Index) -> None:
    """Catches duplicates told apart by case or blanks, tokens of nothing, and spans that do not fit their text."""
    corpus = measure(index, read_queries(ASKED))
    assert (corpus.documents, corpus.chunks) == (4, 4)
    assert corpus.exact_duplicates is not None and corpus.exact_duplicates.value == 0.5
    assert corpus.near_duplicates is not None and corpus.near_duplicates.value == 0.5
    assert index.embedder is not None
    assert corpus.tokens == sum(index.embedder.count_tokens(list(TEXTS.values())))
    assert corpus.resolvable is not None and corpus.resolvable.value == 1
    assert corpus.first_value_s == 60 and corpus.search_ms_p95 is not None and corpus.search_ms_p95 > 0


@pytest.mark.parametrize("embedder", ["builtin", None])
def test_large_indexes_are_measured_by_a_sample(
    tmp_path: Path, embedder: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches what only an index too large to be read as a whole meets: duplicates and guides found by searching."""
    monkeypatch.setattr(profile, "_READ_CHUNKS", 1)
    monkeypatch.setattr(profile, "_READ_DOCUMENTS", 1)
    with ragstone.open(tmp_path / "kb", embedder=embedder) as index:
        same = ragstone.Document("again", TEXTS["refunds"])
        guide = ragstone.Document("guide", GUIDE, title="Tone of voice", source="brand/tone.md")
        index.upsert([*(ragstone.Document(name, text) for name, text in TEXTS.items()), same, guide])
        corpus = measure(index, read_queries(ASKED))
    # Without vectors only documents of the very same text are known: "copy" differs by a blank.
    assert corpus.exact_duplicates is not None
    assert corpus.exact_duplicates.value == pytest.approx(3 / 6 if embedder else 2 / 6)
    assert (corpus.near_duplicates is None) == (embedder is None)
    assert corpus.style_guide_documents == ("guide",)


def test_odd_queries_and_hidden_documents(index: ragstone.Index, tmp_path: Path) -> None:
    """Catches queries without a word, in any script or of any length, and documents that nobody may see."""
    odd = ["???", "\u200b", "🙂" * 50, "x" * 100_000, "返金はいつですか", "AND OR NOT ( * :", "\x00", "refund\nrefund"]
    assert measure(index, read_queries(odd)).search_ms_p95 is not None
    with ragstone.open(tmp_path / "kb", embedder="builtin") as hidden:
        hidden.upsert([ragstone.Document(name, text, acl=["board"]) for name, text in TEXTS.items()])
        nobody, board = (measure(hidden, read_queries(ASKED), principals=who) for who in (None, ["board"]))
    assert nobody.resolvable is nobody.near_duplicates is None
    assert board.resolvable is not None and board.near_duplicates is not None
    assert nobody.null_retrieval is not None and nobody.null_retrieval.value == 1


def test_null_retrieval_and_head(index: ragstone.Index) -> None:
    """Catches a rate that counts texts instead of queries, or behavioural queries as null."""
    asked = [*ASKED, *["Who won the chess olympiad in Havana?"] * 3, *["Make it rhyme"] * 12]
    corpus = measure(index, read_queries(asked))
    assert corpus.null_retrieval is not None and corpus.null_retrieval.value == pytest.approx(3 / 12)
    assert corpus.head_share is not None and 0 < corpus.head_share.low <= corpus.head_share.value <= 1


def test_style_guide_found_for_behavioural_queries(index: ragstone.Index, guided: ragstone.Index) -> None:
    """Catches the article's first mistake going unseen, a warning without proof, or one where there is no guide."""
    queries = read_queries(["Rewrite this more politely: no refunds"] * 5 + ASKED)
    corpus = measure(guided, queries)
    assert corpus.style_guide_documents == ("guide",)
    assert corpus.style_guide_hits is not None and corpus.style_guide_hits.value == 1
    assert corpus.style_guide_proof == (("Rewrite this more politely: no refunds", "guide"),)
    without = measure(index, queries)
    assert without.style_guide_documents == () and without.style_guide_proof == ()
    assert without.style_guide_hits is not None and without.style_guide_hits.value == 0


def test_churn_follows_what_is_retrieved(index: ragstone.Index) -> None:
    """Catches churn of the whole corpus instead of what queries hit, and windows longer than the history."""
    rows = [*every(10, "refunds", 50), *(row(0, name, "1", "added") for name in ("copy", "shipping", "battery"))]
    asked = [{"text": text, "ts": now(45) / 1000} for text in ASKED]
    corpus = measure(index, read_queries(asked), history=rows)
    assert (corpus.history_days, corpus.changes) == (45, 4)
    # Each search finds all four documents, of which one changed in the last 7 days.
    assert {days: one.value for days, one in corpus.churn.items()} == {7: pytest.approx(0.25), 30: pytest.approx(0.25)}
    assert corpus.update_interval_days is None and corpus.unchanged_days == pytest.approx(45)
    quiet = measure(index, read_queries(asked), history=[row(0, name, "1", "added") for name in TEXTS])
    assert quiet.churn[30].value == 0 and quiet.churn[30].high > 0


def test_same_seed_same_bits(guided: ragstone.Index) -> None:
    """Catches an unseeded sample, an order of sets, or a clock in what has to be the same."""
    queries = read_queries([f"{text} {number}" for number in range(60) for text in (*ASKED[:1], "Make it rhyme")])
    first, again, other = (measure(guided, queries, seed=seed, sample=40) for seed in (3, 3, 4))
    assert timeless(first) == timeless(again)
    assert timeless(other) != timeless(first)


def test_searches_are_not_logged(tmp_path: Path) -> None:
    """Catches an analysis that writes itself into the log that it analyses."""
    with (
        QueryLog(tmp_path / "log") as log,
        ragstone.open(tmp_path / "kb", embedder="hashing", query_log=log) as index,
    ):
        index.upsert([ragstone.Document(name, text) for name, text in TEXTS.items()])
        measure(index, read_queries(ASKED))
        index.ask("When are refunds paid?")
    assert len(read(tmp_path / "log")) == 1


@pytest.mark.parametrize("embedder", [None, "hashing"])
def test_empty_index_and_no_queries(tmp_path: Path, embedder: str | None) -> None:
    """Catches divisions by zero where there is no document, no query, or no vector."""
    with ragstone.open(tmp_path / "kb", embedder=embedder) as index:
        empty = measure(index, read_queries(ASKED))
        assert (empty.documents, empty.chunks, empty.tokens, empty.changes) == (0, 0, 0, 0)
        assert empty.null_retrieval is not None and empty.null_retrieval.value == 1
        assert (empty.exact_duplicates, empty.resolvable, empty.head_share, empty.first_value_s) == (None,) * 4
        index.upsert([ragstone.Document(name, text) for name, text in TEXTS.items()])
        unasked = measure(index)
        assert unasked.tokens > 0 and unasked.exact_duplicates is not None
        assert (unasked.null_retrieval, unasked.search_ms_p95, unasked.style_guide_hits) == (None,) * 3
        assert measure(index, read_queries(ASKED)).null_retrieval is not None


def test_progress_and_interruption(index: ragstone.Index) -> None:
    """Catches progress that never ends, and an interruption that is swallowed."""
    seen: list[tuple[int, int]] = []
    measure(index, read_queries(ASKED), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(0, 2), (1, 2), (2, 2)]

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(index, read_queries(ASKED), progress=interrupt)


@pytest.mark.parametrize("arguments", [{"sample": 0}, {"sample": True}, {"seed": -1}, {"seed": 0.5}])
def test_impossible_arguments_are_refused(index: ragstone.Index, arguments: dict[str, Any]) -> None:
    """Catches a sample of nothing."""
    with pytest.raises(InvalidInput):
        measure(index, read_queries(ASKED), **arguments)
