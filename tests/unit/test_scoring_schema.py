"""Scores of JSON: what parses, what keeps to a schema, which fields are right, and what may be claimed."""

from __future__ import annotations

import sys

import pytest

from ragstone.errors import InvalidInput, MissingDependency
from ragstone.scoring import field_difference, samples_needed, score_json

SCHEMA = {
    "type": "object",
    "required": ["order", "items"],
    "additionalProperties": False,
    "properties": {
        "order": {"type": "string", "pattern": "^Q-[0-9]{4}$"},
        "items": {"type": "array", "items": {"$ref": "#/$defs/item"}},
    },
    "$defs": {"item": {"type": "object", "required": ["price"], "properties": {"price": {"type": "number"}}}},
}


def test_the_bound_is_the_one_that_may_be_claimed() -> None:
    """Catches 100 % claimed from 100 samples: the bound of 300 of 300 is 99.0 %, of 100 of 100 it is 97.0 %."""
    assert round(100 * score_json(["{}"] * 300).at_least, 1) == 99.0
    assert round(100 * score_json(["{}"] * 100).at_least, 1) == 97.0
    assert score_json(["{}"] * 299 + ["no"]).at_least < 0.99
    assert "at least 97.0 %" in str(score_json(["{}"] * 100))
    assert "299 samples" in str(score_json(["{}"] * 100))


@pytest.mark.parametrize(("share", "failures"), [(0.99, 0), (0.9, 0), (0.99, 3), (0.5, 10), (0.999, 0)])
def test_samples_needed_are_enough_and_no_more(share: float, failures: int) -> None:
    """Catches a claim that one sample fewer would have supported, or that the number given does not."""
    needed = samples_needed(share, failures=failures)
    written = ["{}"] * (needed - failures) + ["no"] * failures
    assert score_json(written).at_least >= share
    assert score_json(written[1:]).at_least < share


@pytest.mark.parametrize(
    "text",
    ["", "NaN", "[1,]", "{'a': 1}", '{"a": NaN}', "1e999", '{"a": 1, "a": 2}', "[" * 100_000, "{} {}", "9" * 5000, "{"],
)
def test_what_is_no_json_never_parses(text: str) -> None:
    """Catches Python's own laxness, or an exception of its reader, taken for JSON."""
    found = score_json([text, "{}"])
    assert found.parses.value == 0.5
    assert found.errors[0].message.startswith("is no JSON")


def test_a_code_fence_is_told_apart() -> None:
    """Catches a prompt's habit counted as a model's inability, or forgiven in silence."""
    found = score_json(['```json\n{"a": 1}\n```', "```\nno\n```", "{}"])
    assert (found.parses.value, found.fenced) == (pytest.approx(1 / 3), 1)


def test_fields_compare_by_path_and_value() -> None:
    """Catches order, number format or spaces counted as errors, or a swapped value not counted as one."""
    right = {"order": "Q-1", "items": [{"sku": "a", "price": 2}, {"sku": "b", "price": 3}]}
    turned = {"items": [{"price": 3.0, "sku": "b"}, {"price": 2.0, "sku": "a "}], "order": "Q-1"}
    found = score_json([turned], [right])
    assert found.fields is not None and found.fields.value == 1.0
    assert found.exact is not None and found.exact.value == 0.0, "the order of a list is part of a value"
    wrong = score_json([{"order": "Q-2", "items": [{"sku": "a", "price": 2}]}], [right])
    assert wrong.fields is not None and wrong.fields.value == pytest.approx(2 * 2 / (3 + 5))
    assert wrong.per_field["order"] == (0.0, 1)
    assert wrong.per_field["items[].sku"] == (pytest.approx(2 / 3), 2)
    assert score_json([True], [1]).exact != score_json([1.0], [1]).exact
    nothing = score_json([None, "no"], [right, right])
    assert nothing.fields is not None and (nothing.fields.value, nothing.missing) == (0.0, 1)


def test_a_difference_is_paired() -> None:
    """Catches a baseline that is not subtracted sample by sample."""
    right = [{"a": number, "b": 1} for number in range(50)]
    tuned = [one if number % 10 else {"a": -1} for number, one in enumerate(right)]
    found = field_difference(tuned, [{"b": 1}] * 50, right)
    scores = [score_json(side, right).fields for side in (tuned, [{"b": 1}] * 50)]
    assert scores[0] is not None and scores[1] is not None
    assert found.value == pytest.approx(scores[0].value - scores[1].value)
    assert 0.1 < found.low < found.value < found.high
    with pytest.raises(InvalidInput, match="2 of the baseline"):
        field_difference(["{}"], ["{}"] * 2, ["{}"])


def test_a_schema_is_checked_and_errors_have_paths() -> None:
    """Catches an invalid answer counted as valid, or an error that does not say where."""
    pytest.importorskip("jsonschema", reason="needs the extra [eval]")
    good = '{"order": "Q-1234", "items": [{"price": 2.5}]}'
    written = [good, '{"order": "Q-12", "items": []}', '{"order": "Q-1234", "items": [{}, {"price": "2"}]}', "no", None]
    found = score_json(written, schema=SCHEMA, names=["v", "w", "x", "y", "z"])
    assert found.valid is not None and found.valid.value == 0.2
    assert [(error.sample, error.path) for error in found.errors] == [
        ("w", "order"),
        ("x", found.errors[1].path),
        ("y", ""),
        ("z", ""),
    ]
    assert found.errors[1].path in {"items[0]", "items[1].price"}
    assert found.parses.value == 0.6


def test_a_schema_that_is_none_is_refused() -> None:
    """Catches a wrong or incomplete schema that lets everything pass, or that fetches something."""
    pytest.importorskip("jsonschema", reason="needs the extra [eval]")
    for schema, message in [
        ({"type": "objekt"}, "no JSON Schema at type"),
        ({"$ref": "https://schemas.example/order.json"}, "does not hold"),
        ({"$ref": "#/$defs/nothing"}, "does not hold"),
        ({"pattern": "("}, "at pattern|regular expression"),
        ("object", "an object, or true or false"),
    ]:
        with pytest.raises(InvalidInput, match=message):
            score_json(['"a"'], schema=schema)  # type: ignore[arg-type]
    assert score_json(["1"], schema={"$ref": "https://json-schema.org/draft/2020-12/schema"}).valid is not None


def test_hostile_values_give_a_verdict() -> None:
    """Catches a traceback for what a model may well write."""
    pytest.importorskip("jsonschema", reason="needs the extra [eval]")
    deep: dict[str, object] = {}
    for _ in range(5000):
        deep = {"a": deep}
    endless = {"properties": {"a": {"$ref": "#"}}}
    assert score_json([deep], [deep], schema=endless).valid is not None
    assert score_json([10**400], schema={"multipleOf": 0.5}).errors_total == 1


def test_a_missing_library_names_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an ImportError without a next step."""
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(MissingDependency, match=r"pip install 'ragstone\[eval\]'"):
        score_json(["{}"], schema=True)
    with pytest.raises(InvalidInput, match="1 predictions and 2 references"):
        score_json(["{}"], ["{}", "{}"])
