"""Splits of any examples: nothing is lost, no near-duplicate, user or thread stands on both sides."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ragstone.handoff.cleaning import clean
from ragstone.handoff.examples import read_examples, task_of
from ragstone.handoff.leakage import find_leaks
from ragstone.handoff.measuring import measure
from ragstone.handoff.spans import SLOT

ALPHABET = [
    "parcel",
    "refund",
    "€20",
    "30 days",
    "a@b.de",
    "où",
    "退货",
    "!",
    "Dear Ms Byron",
    "{{price}}",
    "\u2028",
    "0",
]
texts = st.lists(st.sampled_from(ALPHABET), min_size=1, max_size=14).map(" ".join)
rows = st.fixed_dictionaries(
    {"query": texts, "answer": texts},
    optional={
        "user": st.integers(0, 9),
        "thread": st.sampled_from(["x", "y", "z"]),
        "timestamp": st.integers(1_700_000_000, 1_800_000_000),
        "label": st.sampled_from(["a", "b"]),
    },
)


@settings(deadline=None, max_examples=60)
@given(st.lists(rows, min_size=1, max_size=40), st.integers(0, 5), st.floats(0, 0.4), st.floats(0, 0.4))
def test_splits_are_whole_and_clean(given_rows: list[dict[str, object]], seed: int, valid: float, test: float) -> None:
    """Catches an example lost or doubled, a leak by any measure, or a group that is cut in two."""
    # A request or an answer of nothing but a separator of lines is none.
    assume(any(str(row["query"]).strip() and str(row["answer"]).strip() for row in given_rows))
    read = read_examples(given_rows)
    task = task_of(read.usable)
    cleaned = clean(read.usable, task=task)
    if not cleaned.usable:
        return
    found = measure(
        {},
        read,
        cleaned,
        None,
        task=task,
        embedder=None,
        shares=(valid, test),
        schema=None,
        costs=None,
        target=0.95,
        seed=seed,
    )
    lines = [one.line for part in found.parts.values() for one in part]
    assert sorted([*lines, *(one.line for one in found.dropped)]) == list(range(1, len(given_rows) + 1))
    assert found.leakage.leaking == 0
    held_out = [one.compared for name in ("valid", "test") for one in found.parts[name]]
    assert find_leaks([one.compared for one in found.parts["train"]], held_out, seed=77).leaking == 0
    divided = any("users ask so much alike" in finding for finding in found.findings)
    whole = [[name for name in one.groups if not (divided and name.startswith("user"))] for one in cleaned.usable]
    kept = {one.line: names for one, names in zip(cleaned.usable, whole, strict=True)}
    sides = [{name for one in part for name in kept[one.line]} for part in found.parts.values()]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
    if found.by_time and found.parts["train"] and found.parts["test"]:
        trained = max((one.time_ms or 0 for one in found.parts["train"]), default=0)
        assert max(one.time_ms or 0 for one in found.parts["test"]) >= trained
    if task != "labels":
        assert not any("€20" in SLOT.sub("", one.completion) and "€20" not in one.request for one in cleaned.usable)
    assert not any("a@b.de" in one.request for one in cleaned.usable)
