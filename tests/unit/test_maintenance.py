"""What keeping each way alive takes: by hand for one project, and how it moves with its inputs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from ragstone.errors import InvalidInput
from ragstone.recommendation.rules import load_rules
from ragstone.recommender.maintenance import Effort, maintenance

EFFORT = load_rules().maintenance
PROJECT: dict[str, Any] = {"documents": 2000, "tokens": 7_200_000, "update_interval_days": 30.4375, "examples": 1000}


def test_hours_are_those_of_the_formula() -> None:
    """Catches a unit that is mixed up: one version a month makes every rate easy to follow."""
    found = maintenance(EFFORT, **PROJECT)
    indexing, mending, judging, watching = found.rag
    assert indexing.per_month == pytest.approx(1.0)
    assert indexing.hours_per_month == pytest.approx(0.25)
    assert indexing.compute_hours_per_month == pytest.approx(7_200_000 / 2000 / 3600)
    assert mending.hours_per_month == pytest.approx(2 * 0.5)
    assert judging.hours_per_month == pytest.approx(4 / 12 * 59 * 2 / 60)
    assert watching.hours_per_month == 2.0
    contract, drift, retirement, sampling = found.fine_tune
    writing = 1000 * 0.10 * 3 / 60
    assert contract.hours_per_month == pytest.approx(2 / 12 * (7 + writing))
    assert drift.hours_per_month == pytest.approx(1 / 12 * (7 + writing))
    assert retirement.hours_per_month == pytest.approx(1 / 12 * 7)
    # 4 N T E operations: 8e9 parameters, half a million tokens, three epochs.
    assert contract.compute_hours_per_month == pytest.approx(2 / 12 * 4 * 8e9 * 5e5 * 3 / 4e14 / 3600)
    assert (contract.machine, indexing.machine) == ("GPU", "CPU")
    assert sampling.hours_per_month == 2.0
    assert found.hours("hybrid") == pytest.approx(found.hours("rag") + found.hours("fine_tune") + 2 * 1.5)


def test_the_research_s_training_takes_four_minutes() -> None:
    """Catches a factor in the training formula: 8B parameters, 1M tokens, 3 epochs are 9.6e16 operations."""
    effort = replace(EFFORT, contract_changes_per_year=12.0, drifts_per_year=0.0, base_retirements_per_year=0.0)
    hours = maintenance(effort, examples=2000).compute_hours("fine_tune", "GPU")
    assert hours * 60 == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("name", "less", "more", "layer"),
    [
        ("documents", 10, 10_000, "rag"),
        ("update_interval_days", 300.0, 3.0, "rag"),
        ("examples", 50, 5000, "fine_tune"),
        ("contract_changes_per_year", 0.0, 12.0, "fine_tune"),
        ("minutes_per_example", 1.0, 30.0, "fine_tune"),
    ],
)
def test_more_to_do_takes_more_hours_of_its_layer_alone(name: str, less: Any, more: Any, layer: str) -> None:
    """Catches an input that is ignored, pulls the wrong way, or adds to the other layer."""
    few, many = (maintenance(EFFORT, **{**PROJECT, name: value}) for value in (less, more))
    other = "fine_tune" if layer == "rag" else "rag"
    assert few.hours(layer) < many.hours(layer)
    assert few.hours(other) == many.hours(other)
    assert few.hours("hybrid") < many.hours("hybrid")


def test_own_weights_are_not_retired() -> None:
    """Catches a retirement that a service announces, planned for a model that nobody can take away."""
    hosted, own = (maintenance(EFFORT, **PROJECT, base_retires=retires) for retires in (True, False))
    assert hosted.hours("fine_tune") - own.hours("fine_tune") == pytest.approx(7 / 12)


def test_a_larger_model_trains_longer() -> None:
    """Catches a declared size that changes nothing, or the hours of people."""
    small, large = (maintenance(EFFORT, **PROJECT, parameters=size) for size in (1e9, 70e9))
    assert large.compute_hours("fine_tune", "GPU") == pytest.approx(70 * small.compute_hours("fine_tune", "GPU"))
    assert large.hours("hybrid") == small.hours("hybrid")


def test_versions_are_collected_to_a_run_a_day() -> None:
    """Catches an index that is rebuilt for every change of a corpus that changes each minute."""
    each_minute = maintenance(EFFORT, **{**PROJECT, "update_interval_days": 1 / 1440})
    assert each_minute.rag[0].per_month == EFFORT.reindexes_per_month_max
    assert maintenance(EFFORT, update_interval_days=0.0).rag[0].per_month == EFFORT.reindexes_per_month_max


def test_an_unknown_interval_takes_the_rules_assumption() -> None:
    """Catches an unknown rate of change that is read as never."""
    assumed = {**PROJECT, "update_interval_days": EFFORT.unknown_interval_days}
    assert maintenance(EFFORT, **{**PROJECT, "update_interval_days": None}) == maintenance(EFFORT, **assumed)


def test_to_dict_adds_up() -> None:
    """Catches a sum in the report that is not that of its tasks."""
    told = maintenance(EFFORT, **PROJECT).to_dict()
    assert told.keys() == {"rag", "fine_tune", "hybrid"}
    for way in told.values():
        assert way["hours_per_month"] == math.fsum(task["hours_per_month"] for task in way["tasks"])
    names = [task["name"] for task in told["hybrid"]["tasks"]]
    assert len(set(names)) == len(names) == 9
    assert all(task["trigger"] for task in told["hybrid"]["tasks"])
    assert maintenance(EFFORT).hours("prompt_first") == 0.0


@pytest.mark.parametrize(
    "bad",
    [
        {"documents": -1},
        {"tokens": 1.5},
        {"examples": 10**5000},
        {"update_interval_days": -1.0},
        {"update_interval_days": float("nan")},
        {"contract_changes_per_year": float("inf")},
        {"minutes_per_example": "3"},
    ],
)
def test_numbers_that_cannot_be_are_refused(bad: dict[str, Any]) -> None:
    """Catches a number that would make hours negative, endless or no number."""
    with pytest.raises(InvalidInput, match=next(iter(bad))):
        maintenance(EFFORT, **bad)


def test_an_effort_of_another_kind_is_refused() -> None:
    """Catches a crash far from its cause."""
    with pytest.raises(InvalidInput, match="load_rules"):
        maintenance({"reindex_hours": 1})  # type: ignore[arg-type]
    assert isinstance(EFFORT, Effort)


def test_counted_changes_go_before_the_interval() -> None:
    """Catches a corpus of which a tenth changes weekly counted as one that stands still, or as wholly changing."""
    effort = load_rules().maintenance
    still = maintenance(effort, documents=1000, tokens=10**6, update_interval_days=365.0)
    counted = maintenance(effort, documents=1000, tokens=10**6, update_interval_days=365.0, changes_per_month=400.0)
    index, mend = counted.rag[0], counted.rag[1]
    assert index.per_month == effort.reindexes_per_month_max
    assert mend.hours_per_month == pytest.approx(0.4 * effort.hours_per_1000_changes)
    assert counted.hours("rag") > still.hours("rag")
    assert maintenance(effort, documents=0, tokens=0, changes_per_month=0.0).rag[0].hours_per_month == 0
