"""Filters: both forms, every operator and type, against the same condition in plain Python."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ragstone
from ragstone import Document, F, Filter
from ragstone.embedding.hashing import HashingEmbedder
from ragstone.errors import InvalidInput
from ragstone.filters import filter_json, metadata_from_json, metadata_json

UTC = dt.UTC
EAST = dt.timezone(dt.timedelta(hours=9, minutes=30))
ROWS: list[dict[str, object]] = [
    {"year": 2019, "lang": "en", "draft": True, "score": 0.5, "day": dt.date(2019, 1, 31), "tags": ["a", "b"]},
    {"year": 2020, "lang": "de", "draft": False, "score": -1.5, "day": dt.date(2020, 2, 29), "tags": ["b"]},
    {"year": 2021.0, "lang": "EN", "score": 2**53, "day": dt.datetime(2020, 2, 29, 12), "tags": []},
    {"year": -0.0, "lang": "", "draft": True, "day": dt.datetime(2020, 2, 29, 9, tzinfo=EAST), "tags": ["ä", "z"]},
    {"year": "2020", "lang": ["en", "fr"], "score": 1e300},
    {"other": 1, "year": [2018, 2022], "draft": 1},
    {},
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ragstone.Index]:
    with ragstone.open(tmp_path_factory.mktemp("kb") / "kb", embedder=HashingEmbedder(8)) as opened:
        # Three commits, so that a filter meets several segments with different fields.
        for part in (ROWS[:3], ROWS[3:5], ROWS[5:]):
            opened.upsert([Document(f"d{ROWS.index(row)}", "alpha", metadata=row) for row in part])  # type: ignore[arg-type]
        yield opened


def passing(index: ragstone.Index, condition: Filter | dict[str, object]) -> set[int]:
    """The one place that applies a filter: search and its batch must agree."""
    hits = index.search("alpha", filter=condition, top_k=50)
    batch = index.search_batch(["alpha"], filter=condition, top_k=50)[0]
    assert [hit.document_id for hit in batch] == [hit.document_id for hit in hits]
    return {int(hit.document_id[1:]) for hit in hits}


CASES: list[tuple[Filter, dict[str, object], set[int]]] = [
    (F("year") == 2020, {"year": 2020}, {1}),
    (F("year") == 2021, {"year": {"$eq": 2021}}, {2}),
    (F("year") == 0, {"year": 0}, {3}),
    (F("year") != 2020, {"year": {"$ne": 2020}}, {0, 2, 3, 4, 5, 6}),
    (F("year") >= 2020, {"year": {"$gte": 2020}}, {1, 2, 5}),
    (F("year") > 2020, {"year": {"$gt": 2020}}, {2, 5}),
    (F("year") < 2019, {"year": {"$lt": 2019}}, {3, 5}),
    (F("year") <= 2019, {"year": {"$lte": 2019}}, {0, 3, 5}),
    (F("year") == "2020", {"year": "2020"}, {4}),
    (F("year").isin([2019, "2020", 2022]), {"year": {"$in": [2019, "2020", 2022]}}, {0, 4, 5}),
    (F("year").notin([2019, "2020"]), {"year": {"$nin": [2019, "2020"]}}, {1, 2, 3, 5, 6}),
    (F("year").isin([]), {"year": {"$in": []}}, set()),
    (F("year").notin([]), {"year": {"$nin": []}}, {0, 1, 2, 3, 4, 5, 6}),
    (F("lang") == "en", {"lang": "en"}, {0, 4}),
    (F("lang") == "", {"lang": ""}, {3}),
    (F("lang") < "en", {"lang": {"$lt": "en"}}, {1, 2, 3}),
    (F("tags") == "ä", {"tags": "ä"}, {3}),
    (F("tags") == "b", {"tags": "b"}, {0, 1}),
    (F("tags").exists(), {"tags": {"$exists": True}}, {0, 1, 3}),
    (~F("draft").exists(), {"draft": {"$exists": False}}, {2, 4, 6}),
    (F("draft") == True, {"draft": True}, {0, 3}),  # noqa: E712
    (F("draft") == 1, {"draft": 1}, {5}),
    (F("score") < 0, {"score": {"$lt": 0}}, {1}),
    (F("score") >= 2**53, {"score": {"$gte": 2**53}}, {2, 4}),
    (F("day") == dt.date(2020, 2, 29), {"day": {"$date": "2020-02-29"}}, {1}),
    (F("day") > dt.date(2020, 2, 28), {"day": {"$gt": {"$date": "2020-02-28"}}}, {1, 2, 3}),
    (F("day") < dt.date(2020, 2, 29), {"day": {"$lt": {"$date": "2020-02-29"}}}, {0, 3}),
    (
        F("day") == dt.datetime(2020, 2, 28, 23, 30, tzinfo=UTC),
        {"day": {"$date": "2020-02-28T23:30:00+00:00"}},
        {3},
    ),
    (
        (F("year") >= 2019) & (F("lang") == "en") | (F("other") == 1),
        {"$or": [{"$and": [{"year": {"$gte": 2019}}, {"lang": "en"}]}, {"other": 1}]},
        {0, 5},
    ),
    (
        ~((F("year") > 0) | F("other").exists()),
        {"$not": {"$or": [{"year": {"$gt": 0}}, {"other": {"$exists": True}}]}},
        {3, 4, 6},
    ),
    ((F("year") > 2018) & (F("year") < 2021), {"year": {"$gt": 2018, "$lt": 2021}}, {0, 1, 5}),
    (F("missing") == 1, {"missing": 1}, set()),
]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_both_forms_pass_what_they_should(case: int, index: ragstone.Index) -> None:
    """Catches an operator, a type or a missing field that is treated as another."""
    expression, json_form, expected = CASES[case]
    assert passing(index, expression) == expected
    assert passing(index, json_form) == expected
    assert passing(index, Filter(json_form)) == expected
    assert passing(index, json.loads(expression.to_json())) == expected, "the JSON text must say the same"
    assert passing(index, ~expression) == set(range(len(ROWS))) - expected


def test_empty_forms(index: ragstone.Index) -> None:
    """Catches an empty condition that hides everything, or an empty choice that passes something."""
    everything = set(range(len(ROWS)))
    assert passing(index, {}) == everything
    assert passing(index, {"$and": []}) == everything
    assert passing(index, {"$or": []}) == set()
    assert passing(index, {"$not": {}}) == set()


OPERATORS: dict[str, Callable[[object, object], bool]] = {
    "$eq": lambda one, other: one == other,
    "$lt": lambda one, other: one < other,  # type: ignore[operator]
    "$lte": lambda one, other: one <= other,  # type: ignore[operator]
    "$gt": lambda one, other: one > other,  # type: ignore[operator]
    "$gte": lambda one, other: one >= other,  # type: ignore[operator]
}
SCALARS = st.one_of(
    st.integers(-5, 5),
    st.sampled_from([-1.5, 0.5, 1e-300, -0.0]),
    st.sampled_from(["", "a", "b", "é", "\U0001f600", "\uffff"]),
    st.booleans(),
    st.dates(dt.date(2020, 1, 1), dt.date(2020, 1, 5)),
)
CONDITIONS = st.recursive(
    st.one_of(
        st.tuples(st.sampled_from(sorted(OPERATORS)), st.sampled_from("xy"), SCALARS),
        st.tuples(st.just("$in"), st.sampled_from("xy"), st.lists(SCALARS, max_size=3)),
        st.tuples(st.just("$exists"), st.sampled_from("xy"), st.booleans()),
    ),
    lambda inner: st.one_of(
        st.tuples(st.just("$and"), st.lists(inner, max_size=3)),
        st.tuples(st.just("$or"), st.lists(inner, max_size=3)),
        st.tuples(st.just("$not"), inner),
    ),
    max_leaves=6,
)


def kind(value: object) -> str:
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def passes(condition: tuple[object, ...], row: dict[str, object]) -> bool:
    """The same condition in plain Python: values of different types are never equal and never ordered."""
    operator, *rest = condition
    if operator == "$and":
        return all(passes(part, row) for part in rest[0])  # type: ignore[attr-defined]
    if operator == "$or":
        return any(passes(part, row) for part in rest[0])  # type: ignore[attr-defined]
    if operator == "$not":
        return not passes(rest[0], row)  # type: ignore[arg-type]
    field, operand = rest
    values = row.get(str(field), [])
    values = values if isinstance(values, list) else [values]
    if operator == "$exists":
        return bool(values) == operand
    operands: Sequence[object] = operand if operator == "$in" else [operand]  # type: ignore[assignment]
    compare = OPERATORS["$eq" if operator == "$in" else str(operator)]
    return any(kind(value) == kind(one) and compare(value, one) for value in values for one in operands)


def json_form(condition: tuple[object, ...]) -> dict[str, object]:
    operator, *rest = condition
    if operator in ("$and", "$or"):
        return {str(operator): [json_form(part) for part in rest[0]]}  # type: ignore[attr-defined]
    if operator == "$not":
        return {"$not": json_form(rest[0])}  # type: ignore[arg-type]
    field, operand = rest
    return {str(field): {str(operator): operand}}


@given(
    rows=st.lists(st.dictionaries(st.sampled_from("xy"), SCALARS | st.lists(SCALARS, max_size=3)), max_size=6),
    conditions=st.lists(CONDITIONS, min_size=1, max_size=5),
)
def test_filters_equal_plain_python(
    rows: list[dict[str, object]],
    conditions: list[tuple[object, ...]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Catches a bitmap that is wrong for some type, list, order of strings or nesting."""
    with ragstone.open(tmp_path_factory.mktemp("kb") / "kb", embedder=HashingEmbedder(4)) as index:
        index.upsert([Document(f"d{n}", "alpha", metadata=row) for n, row in enumerate(rows)], embed="later")  # type: ignore[arg-type]
        for condition in conditions:
            expected = {n for n, row in enumerate(rows) if passes(condition, row)}
            assert passing(index, json_form(condition)) == expected, condition


# Metadata comes back as it went in

VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.dates(),
    st.datetimes().map(lambda moment: moment.replace(fold=0)),
    st.datetimes(timezones=st.sampled_from([UTC, EAST, dt.timezone(dt.timedelta(seconds=-3661))])).map(
        lambda moment: moment.replace(fold=0)
    ),
)
METADATA = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(lambda name: name[0] != "$"),
    VALUES | st.lists(VALUES, max_size=3),
    max_size=6,
)


@given(METADATA)
def test_metadata_text_round_trips(metadata: dict[str, object]) -> None:
    """Catches a type that changes on its way through JSON."""
    assert exact(metadata_from_json(metadata_json(metadata, "a"))) == exact(metadata)  # type: ignore[arg-type]


@given(rows=st.lists(METADATA, min_size=1, max_size=5))
def test_metadata_round_trips_through_the_index(
    rows: list[dict[str, object]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Catches a value that the engine rounds, re-types or gives to another document."""
    with ragstone.open(tmp_path_factory.mktemp("kb") / "kb", embedder=HashingEmbedder(4)) as index:
        index.upsert([Document(f"d{n}", "alpha", metadata=row) for n, row in enumerate(rows)], embed="later")  # type: ignore[arg-type]
        index.upsert([Document("other", "alpha")], embed="later")
        index.merge()
        for hit in index.search("alpha", top_k=50):
            if hit.document_id != "other":
                assert exact(hit.metadata) == exact(rows[int(hit.document_id[1:])])  # type: ignore[arg-type]
                stored = index.document(hit.document_id)
                assert stored is not None
                assert exact(stored.metadata) == exact(hit.metadata)  # type: ignore[arg-type]


def exact(metadata: dict[str, object]) -> list[tuple[str, str]]:
    """Values with their types: ``True`` is not 1, 1.0 is not 1, and -0.0 is not 0.0."""
    return sorted((name, repr(value)) for name, value in metadata.items())


def test_numpy_scalars_and_sets_are_taken() -> None:
    """Catches numpy's types stored as something that no filter can compare."""
    text = metadata_json({"i": np.int64(3), "f": np.float32(0.5), "b": np.bool_(True), "s": {"b", "a"}}, "a")  # type: ignore[dict-item]
    assert json.loads(text) == {"i": 3, "f": 0.5, "b": True, "s": ["a", "b"]}


def test_a_filter_is_data() -> None:
    """Catches a filter that changes when the mapping it was made from does, or hides its condition."""
    source: dict[str, object] = {"year": {"$gte": 2020}}
    condition = Filter(source)
    source["year"] = 1
    assert condition.json_form == {"year": {"$gte": 2020}}
    assert filter_json(None) is None
    with pytest.raises(InvalidInput):
        bool(condition)
    with pytest.raises(TypeError):
        condition & 5  # type: ignore[operator]
    with pytest.raises(TypeError):
        {F("a")}
    assert repr(F("year")) == "F('year')"


def test_strings_that_spell_dates_find_dates(tmp_path: Path) -> None:
    """Catches a filter from a shell or a web form, where dates can only be strings, that silently finds nothing."""
    days = {"old": dt.date(2026, 1, 1), "new": dt.date(2026, 7, 1), "text": "2026-07-01"}
    with ragstone.open(tmp_path / "kb", embedder=None) as index:
        index.upsert([ragstone.Document(name, "word", metadata={"day": day}) for name, day in days.items()])

        def found(condition: dict[str, object]) -> set[str]:
            return {hit.document_id for hit in index.search("word", mode="bm25", filter=condition)}

        assert found({"day": "2026-07-01"}) == {"new", "text"}
        assert found({"day": {"$gte": "2026-03-01"}}) == {"new", "text"}
        assert found({"day": {"$lt": "2026-03-01", "$exists": True}}) == {"old"}
        assert found({"day": {"$ne": "2026-07-01"}}) == {"old"}
        assert found({"day": {"$in": ["2026-01-01", "x"]}}) == {"old"}
        assert found({"$not": {"day": {"$nin": ["2026-07-01"]}}}) == {"new", "text"}
        assert found({"day": {"$gte": "not a date"}}) == set()
