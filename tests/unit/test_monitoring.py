"""Windows of a query log and the alarms on it: right figures, few false alarms, and none missed that is large."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ragstone.cli import monitor
from ragstone.errors import InvalidInput
from ragstone.monitoring import Event, drift, read, windows
from ragstone.monitoring.drift import SIGNALS, capital, sequential_p_values

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "corpora" / "evaluation" / "monitoring"))

import streams  # type: ignore[import-not-found]

BURN, SIZE = 20, 25
DAY = 86_400_000


def event(number: int = 0, **changes: object) -> Event:
    plain = Event(
        id=str(number), time_ms=streams.START_MS + number, query="q", words=1, characters=1, path="retrieve",
        p_behaviour=0.1, answerability=0.9, abstained=False, mode="hybrid", top_k=5, generation=1, documents=("a", "b"),
        chunks=("a:0", "b:0"), scores=(2.0, 1.0), latency_ms=10.0,
    )  # fmt: skip
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of 12 days in which the corpus answers less from the seventh on."""
    folder = tmp_path_factory.mktemp("log")
    made = streams.stream(3, 1, 6000, shift="answerability", session=0.5, day=0.3)
    rows = "".join(json.dumps(line) + "\n" for line in streams.lines(made))
    (folder / "queries-made.jsonl").write_text(rows)
    return folder


# Windows


def test_figures_of_a_window_are_those_of_its_queries() -> None:
    """Catches a rate over other queries than it is about, such as refusals over those that wanted no facts."""
    events = [
        event(0),
        event(1, abstained=True, documents=(), chunks=(), scores=(), answerability=0.1),
        event(2, path="hybrid", latency_ms=30.0),
        event(3, path="advisory_finetune", answerability=None, documents=(), chunks=(), scores=()),
        event(4, path="pass", answerability=None, documents=(), chunks=(), scores=(), abstained=False),
        event(5, path=None, answerability=None, abstained=None, documents=(), chunks=(), scores=()),
    ]
    (window,) = windows(events, "1d")
    assert window.queries == 6
    # Wanted facts: 0, 1, 2 and the plain search 5; of these 1 abstained and 5 found nothing.
    assert window.null_retrieval is not None
    assert (window.null_retrieval.value, window.null_retrieval.samples) == (0.5, 4)
    assert window.behavioural is not None
    assert (window.behavioural.value, window.behavioural.samples) == (0.2, 5)
    assert window.answerability is not None and window.answerability.value == pytest.approx((0.9 + 0.1 + 0.9) / 3)
    assert window.latency_ms_p50.value == 10.0 and window.latency_ms_p99.value == 30.0
    assert (window.judged, dict(window.retrieval)) == (0, {})


def test_retrieval_is_measured_where_it_was_judged() -> None:
    """Catches feedback that is ignored, judgements that it does not override, or "nothing relevant" left out."""
    events = [
        event(0, grades={"b": 1}),
        event(1, grades={}),
        event(2, query="known"),
        event(3, query="known", grades={"a": 0, "b": 1}),
        event(4, query="unjudged"),
        event(5, documents=("a", "a", "b"), chunks=("a:0", "a:1", "b:0"), scores=(3.0, 2.0, 1.0), grades={"b": 1}),
    ]
    (window,) = windows(events, 10, qrels={"known": {"a": 1}})
    assert window.judged == 5
    # Ranks of the first relevant: 2, none, 1, 2, and 2, for two chunks of one document are one.
    assert window.retrieval["RR@10"].value == pytest.approx((0.5 + 0 + 1 + 0.5 + 0.5) / 5)
    assert window.retrieval["P@5"].value == pytest.approx(4 / 25)


def test_windows_cover_all_queries_once() -> None:
    """Catches a query that falls between two windows or in both."""
    times = [0, 1, DAY - 1, DAY, DAY + 5, 9 * DAY]
    events = [event(number, time_ms=time) for number, time in enumerate(times)]
    assert [window.queries for window in windows(events, "1d")] == [3, 2, 1]
    assert [window.queries for window in windows(events, 4)] == [4, 2]
    assert windows(events, "1w")[0].start.isoformat() == "1970-01-01T00:00:00+00:00"
    assert str(windows(events, "1d")).count("\n") == 3
    assert windows([event(time_ms=(1 << 53) - 1)], "1d")[0].queries == 1, "a clock gone wrong"
    for every in ("", "1", "0d", "1y", "-1d", 0, -1, True, None, 1.5):
        with pytest.raises(InvalidInput, match=r"period|every"):
            windows(events, every)  # type: ignore[arg-type]


# Drift


def evidence(made: dict[str, np.ndarray]) -> np.ndarray:
    """Capital by stream, signal and block after the reference, by the functions that decide.

    The streams have 500 queries a day: five blocks in each quarter of it, ranked among those of their quarter.
    """
    figures = streams.signals(made)
    count, kinds, queries = figures.shape
    means = np.nanmean(figures.reshape(count, kinds, queries // SIZE, SIZE), axis=3)
    quarter = np.arange(means.shape[2]) // 5 % 4
    p_values = np.empty(means.shape)
    for row, kind, part in np.ndindex(count, kinds, 4):
        mine = quarter == part
        numbers = np.random.default_rng([0, kind, part])
        p_values[row, kind, mine] = sequential_p_values(means[row, kind, mine].tolist(), numbers)
    return capital(p_values[..., BURN:])


def test_simulated_evidence_is_that_of_the_report() -> None:
    """Catches simulations of something else than what users run."""
    made = streams.stream(2, 3, 2500, session=0.5, day=0.5, shift="latency")
    wealth = evidence(made).max(axis=2)
    for row in range(3):
        found = {shift.signal: shift.evidence for shift in drift(events_of(made, row)).shifts}
        # Latency and answerability are rounded in a log, which does not change their order.
        assert [found[name] for name in SIGNALS] == pytest.approx(wealth[row].tolist(), rel=1e-6)


def false_alarms(draws: int, seed: int, session: float, day: float) -> int:
    """How many of 100 × draws steady streams alarm in 60 blocks, on any signal."""
    alarms = 0
    for draw in range(draws):
        made = streams.stream(seed + draw, 100, (BURN + 60) * SIZE, session=session, day=day)
        alarms += int((evidence(made).max(axis=2) >= 100 * len(SIGNALS)).any(axis=1).sum())
    return alarms


@pytest.mark.parametrize(("session", "day"), [(0.0, 0.0), (0.5, 0.5)])
def test_steady_streams_alarm_in_at_most_one_of_a_hundred(session: float, day: float) -> None:
    """Catches a limit that forgets how many signals and looks there are: 2,000 streams each, 9 signals, 60 looks."""
    assert len(SIGNALS) == 9
    assert false_alarms(20, 100, session, day) <= 0.01 * 2000


@pytest.mark.parametrize("seed", range(10))
def test_the_bettor_plays_a_fair_game(seed: int) -> None:
    """Catches odds in the bettor's favour: then no limit would hold. Whatever came before, the next step gains 0."""
    numbers = np.random.default_rng(seed)
    before = numbers.random(int(numbers.integers(1, 200))) ** numbers.choice([0.2, 1.0, 5.0])
    after = (np.arange(2000) + 0.5) / 2000
    path = np.concatenate([np.tile(before, (len(after), 1)), after[:, None]], axis=1)
    wealth = capital(path)
    assert wealth[:, -1].mean() == pytest.approx(float(wealth[0, -2]), rel=1e-5)
    assert wealth.min() > 0


def test_the_bettor_seldom_wins_much_from_chance() -> None:
    """Catches a limit that is reached more often than Ville's inequality allows."""
    wealth = capital(np.random.default_rng(0).random((20_000, 100))).max(axis=1)
    for limit in (2, 10, 100):
        assert (wealth >= limit).mean() <= 1 / limit


def test_p_values_are_uniform_also_with_ties() -> None:
    """Catches ranks that lean to one side where values are equal, which counts and shares always are."""
    numbers = np.random.default_rng(1)
    for values in (numbers.normal(size=4000), numbers.integers(0, 3, 4000), np.zeros(4000)):
        p_values = sequential_p_values(values.tolist(), numbers)
        assert p_values.min() >= 0
        assert p_values.max() <= 1
        distance = np.abs(np.sort(p_values) - (np.arange(4000) + 0.5) / 4000).max()
        assert distance < 1.63 / np.sqrt(4000), "Kolmogorov and Smirnov, 1 %"
        assert abs(np.corrcoef(p_values[:-1], p_values[1:])[0, 1]) < 0.06


@pytest.mark.parametrize(
    ("shift", "signal"),
    [("answerability", 0), ("routes", 5), ("length", 3), ("latency", 8)],
)
def test_shifted_streams_alarm(shift: str, signal: int) -> None:
    """Catches an alarm that never rings, or rings on the wrong signal: 40 streams, changed after half of 4,000."""
    wealth = evidence(streams.stream(7, 40, 4000, shift=shift))
    alarmed = (wealth >= 100 * len(SIGNALS)).any(axis=2)
    assert alarmed[:, signal].mean() >= 0.9
    quiet = [kind for kind in range(9) if kind not in {signal, 0, 1, 2, 4, 5, 6, 7}]
    assert alarmed[:, quiet].mean() <= 0.02


def events_of(made: dict[str, np.ndarray], row: int = 0) -> Sequence[Event]:
    return [
        event(
            number, id=str(line["id"]), time_ms=line["time_ms"], words=line["words"], path=line["path"],
            answerability=line["answerability"], abstained=line["abstained"], documents=tuple(line["documents"]),
            chunks=tuple(line["chunks"]), scores=tuple(line["scores"]), latency_ms=line["latency_ms"],
        )
        for number, line in enumerate(streams.lines(made, row))
        if "feedback" not in line
    ]  # fmt: skip


def test_times_of_day_are_no_drift() -> None:
    """Catches an alarm every day because nights differ from days: steady streams with a strong rhythm."""
    made = streams.stream(11, 6, 4000, day=0.8)
    assert not any(drift(events_of(made, row)).alarms for row in range(6))
    assert all(drift(events_of(made, row), season="none").alarms for row in range(6)), "so the test can fail"


def test_evidence_does_not_change_as_the_log_grows(log: Path) -> None:
    """Catches repeated looks that are new tests: then false alarms would add up."""
    events = list(read(log))
    whole = drift(events)
    first = min(shift.alarm_at for shift in whole.alarms if shift.alarm_at)
    for seen in (2000, 3000, 4000, 5000, 5987):
        part = drift(events[:seen])
        for before, after in zip(part.shifts, whole.shifts, strict=True):
            assert before.evidence <= after.evidence
            assert before.alarm_at in (None, after.alarm_at)
        last = max(one.time_ms for one in events[:seen]) / 1000
        assert bool(part.alarms) == (first.timestamp() <= last)


def test_a_change_is_dated_and_told(log: Path) -> None:
    """Catches a report that names another day or direction."""
    found = drift(read(log))
    shift = next(shift for shift in found.shifts if shift.signal == "answerability")
    assert shift.alarm and shift.since is not None
    days = (shift.since.timestamp() * 1000 - streams.START_MS) / DAY
    assert 5 <= days <= 8, "it changed after six"
    assert shift.recent < shift.reference
    assert "ALARM" in str(found) and found.to_dict()["alarms"] == [one.signal for one in found.alarms]


def test_another_log_may_be_the_reference(log: Path) -> None:
    """Catches a log that begins after the change and so looks steady by itself."""
    events = list(read(log))
    late = events[3200:]
    assert not drift(late).alarms
    assert drift(late, reference=events[:2500]).alarms
    assert not drift(events[2500:3000], reference=events[:2500]).alarms


def test_few_queries_are_no_alarm_and_no_error() -> None:
    """Catches a verdict from too little, or a crash on a log that has just begun."""
    for count in (0, 1, 499, 520):
        found = drift([event(number) for number in range(count)], season="none")
        assert not found.alarms
        assert ("too few" in str(found)) == (count < 525)
    assert drift([event(number) for number in range(600)], season="none").blocks == 4
    plain = [event(n, path=None, answerability=None, abstained=None, p_behaviour=None) for n in range(1000)]
    assert {shift.signal for shift in drift(plain, season="none").shifts} == {"top score", "query length", "latency"}
    assert drift([event(n, time_ms=n * DAY // 50) for n in range(2000)], block="1d").blocks == 19


def test_wrong_arguments_are_refused() -> None:
    """Catches a limit that is none."""
    for arguments, message in (
        ({"alpha": 0}, "alpha"),
        ({"alpha": float("nan")}, "alpha"),
        ({"block": 0}, "block"),
        ({"block": "x"}, "period"),
        ({"reference": 1}, "reference"),
        ({"reference": [event()]}, "reference has 1 queries"),
        ({"season": "week"}, "season"),
        ({"seed": -1}, "seed"),
    ):
        with pytest.raises(InvalidInput, match=message):
            drift([event(number) for number in range(10)], **arguments)  # type: ignore[arg-type]


# The command


def run(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    monitor.add(parser.add_subparsers())
    options = parser.parse_args(["monitor", *map(str, arguments)])
    return int(options.command(options))


def test_the_command_ends_with_1_on_an_alarm(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a verb that a scheduled job could not act on."""
    assert run(log, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert "answerability" in found["drift"]["alarms"]
    assert len(found["windows"]) == 12 and found["log"]["queries"] == 6000
    assert found["windows"][0]["retrieval"]["RR@10"]["samples"] == found["windows"][0]["judged"] > 20
    steady = tmp_path / "steady"
    steady.mkdir()
    rows = [json.dumps(line) + "\n" for line in streams.lines(streams.stream(4, 1, 2000))]
    (steady / "queries-made.jsonl").write_text("".join(rows))
    assert run(steady, "--window", "500", "--reference", "20") == 0
    assert "0 alarms" in capsys.readouterr().out
    assert run(log, "--reference", steady) == 1
    with pytest.raises(InvalidInput, match="go together"):
        run(log, "--qrels", "x")
