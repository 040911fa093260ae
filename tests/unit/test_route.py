"""Would catch a router that decides by case or punctuation, gives wrong spans, or takes bad input."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest

from ragstone.errors import InvalidInput

core = pytest.importorskip("ragstone._core")
if not hasattr(core, "Router"):
    pytest.skip("this build has no router", allow_module_level=True)

import numpy as np  # noqa: E402

from ragstone.recommender import RouteBatch, advise, route, route_batch  # noqa: E402

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "python" / "models" / "router_cases.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]
TEST = [case for case in CASES if case["split"] == "test"]
PATHS = {(1, 0): "retrieve", (0, 1): "advisory_finetune", (1, 1): "hybrid", (0, 0): "pass"}


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("Answer in our brand voice: what is the refund policy?", "hybrid"),
        ("Write it as a limerick", "advisory_finetune"),
        ("What does our style guide say about commas?", "retrieve"),
        ("Write like our style guide", "advisory_finetune"),
        ("refund policy enterprise", "retrieve"),
        ("ERR_CONN_RESET", "retrieve"),
        ("hi, how are you?", "pass"),
        ("write a tweet about our refund policy", "advisory_finetune"),
        ("what is our refund policy", "retrieve"),
        ("Explain CRISPR", "retrieve"),
        ("What does our style guide say about X?", "retrieve"),
        ("List the layers of TCP/IP", "retrieve"),
        ("List the layers of the TCP/IP model", "retrieve"),
        ("Explain natural selection and include its main causes", "retrieve"),
        ("Summarise this: the meeting moved to Tuesday, and Ann brings the plans", "advisory_finetune"),
        ("Explain sarcoidosis to a five-year-old", "hybrid"),
        ("How would you introduce yourself as a knight?", "advisory_finetune"),
        ("cancel my order 123", "pass"),
    ],
)
def test_golden(query: str, path: str) -> None:
    """A model or rule book that loses one of the promised decisions."""
    assert route(query).path == path


def test_cases_never_trained_on() -> None:
    """A quality loss on the project's held-out cases; the bar is below the measured 4-class accuracy (ROUTER.md)."""
    assert len(TEST) >= 150
    right = [route(case["text"]).path == PATHS[case["need_facts"], case["need_behaviour"]] for case in TEST]
    assert sum(right) / len(right) >= 0.85


def test_training_and_test_cases_do_not_meet() -> None:
    """A test case that leaked into the training half or into a template."""
    normal = [" ".join(case["text"].lower().split()) for case in CASES]
    assert len(set(normal)) == len(normal)
    templates = (
        (Path(__file__).parents[2] / "python" / "models" / "router_templates.json").read_text(encoding="utf-8").lower()
    )
    # A single word is also what templates are filled with.
    phrases = [case["text"] for case in TEST if " " in case["text"]]
    assert not [text for text in phrases if f'"{text.lower()}"' in templates]


@pytest.mark.parametrize(
    "change", [str.upper, str.lower, lambda text: text.rstrip("?.! "), lambda text: f"Please {text}"]
)
def test_decisions_do_not_hang_on_case_or_manners(change: object) -> None:
    """Decisions that flip with what does not matter."""
    flips = [route(case["text"]).path != route(change(case["text"])).path for case in TEST]  # type: ignore[operator]
    assert sum(flips) / len(flips) <= 0.03


@pytest.mark.parametrize(
    "query", ["Write a 詩 – “naïve” 🙂 tweet, für Ömer", "ſtraße İstanbul ﬃ what is", "a" * 5000, "x\u0301 " * 3000]
)
def test_spans_are_exact_and_weights_sum(query: str) -> None:
    """Byte offsets taken for str offsets; contributions that do not add up to the decision."""
    result = route(query)
    assert all(reason.text == query[reason.start : reason.end] for reason in result.reasons)
    log_odds = math.log(result.p_behaviour / (1 - result.p_behaviour))
    assert math.isclose(sum(reason.weight for reason in result.reasons), log_odds, abs_tol=1e-3)


@pytest.mark.parametrize("query", ["", "  \n\t", "\ud800", "ok \udfff", None, 3, b"who"])
def test_bad_input_is_refused(query: object) -> None:
    """Blank, undecodable or non-text queries that get a decision."""
    with pytest.raises(InvalidInput, match="query"):
        route(query)  # type: ignore[arg-type]


def test_any_text_gets_an_answer_and_advice_where_due() -> None:
    """A crash on odd text."""
    rng = random.Random(2)
    for _ in range(300):
        query = "x" + "".join(
            chr(rng.choice([rng.randrange(32, 127), rng.randrange(160, 0xD800), 10, 0x1F600]))
            for _ in range(rng.randint(0, 80))
        )
        result = route(query)
        assert 0 <= result.p_behaviour <= 1 and 0 <= result.p_facts <= 1
        if result.path in ("advisory_finetune", "hybrid"):
            assert advise(query, result).next_steps


def test_batch_has_a_row_for_each_query() -> None:
    """Arrays of other types or lengths than promised; an empty batch that fails; counts that do not add up."""
    found = route_batch(["Write it as a limerick", "what is our refund policy", "hi, how are you?"])
    assert isinstance(found, RouteBatch)
    assert found.kinds() == ["advisory_finetune", "retrieve", "pass"]
    assert found.paths.tolist() == [1, 2, 0]
    assert (found.paths.dtype, found.p_facts.dtype, found.uncertain.dtype) == (np.uint8, np.float32, np.bool_)
    assert found.counts() == {"pass": 1, "advisory_finetune": 1, "retrieve": 1, "hybrid": 0}
    assert len(route_batch([])) == 0
    assert len(route_batch(["what is it"] * 5000)) == 5000


@pytest.mark.parametrize("queries", ["who", 3, None, ["who", ""], ["who", 3], ["ok \udfff"], ["a", " \n"]])
def test_bad_batches_are_refused(queries: object) -> None:
    """A batch with a query that ``route`` refuses, or a lone text taken for a list of letters."""
    with pytest.raises(InvalidInput, match="quer"):
        route_batch(queries)  # type: ignore[arg-type]


def test_known_errors_are_counts_by_class() -> None:
    """A file of known errors that does not fit its schema, or that was measured on a handful of cases."""
    path = Path(__file__).parents[2] / "python" / "ragstone" / "recommender" / "router_errors.json"
    errors = json.loads(path.read_text(encoding="utf-8"))
    assert errors["classes"] == ["factual", "behavioural", "hybrid", "other"]
    counts = np.array(errors["counts"])
    assert counts.shape == (4, 4)
    assert counts.sum() > 1000
    assert (counts.diagonal() > counts.sum(axis=1) / 2).all()
