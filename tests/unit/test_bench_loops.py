"""Loops that load a searcher: what is counted as latency, who waits for whom, and how a loop ends."""

from __future__ import annotations

import itertools
import threading
import time

import numpy as np
import pytest

from ragstone import InvalidInput
from ragstone.bench import Distribution, closed_loop, open_loop, samples_needed
from ragstone.bench.distribution import QUANTILES, curve
from ragstone.estimates import quantile

MS = 1 / 1024  # binary, so that sums of it are exact


class Stalling:
    """A searcher on a clock of its own: each answer takes one step, except one that takes as long as 1,024."""

    def __init__(self, stalls_at: int) -> None:
        self.time, self.asked, self.stalls_at = 0.0, 0, stalls_at

    def now(self) -> float:
        return self.time

    def wait_until(self, moment: float) -> None:
        self.time = max(self.time, moment)

    def __call__(self, question: str) -> None:
        self.time += 1024 * MS if self.asked == self.stalls_at else MS
        self.asked += 1


def test_a_closed_loop_hides_a_stall_and_an_open_loop_shows_it() -> None:
    """Catches coordinated omission: latency that is counted from the moment at which the generator came to ask."""
    closed_searcher = Stalling(500)
    closed = closed_loop(closed_searcher, ["a"], count=2048, clock=closed_searcher)
    searcher = Stalling(500)
    opened = open_loop(searcher, ["a"], rate=512, seconds=4, arrivals="fixed", clock=searcher)
    assert len(closed.latency_s) == len(opened.latency_s) == 2048
    # One answer of 2,048 is slow: the 99th percentile of a closed loop knows nothing of it.
    assert closed.latency["p99"].ms is not None
    assert closed.latency["p99"].ms.value == 1000 * MS
    assert closed.latency.max_ms == 1000 * 1024 * MS
    # Arrival m after the stalled one was due 2 m later, and is answered m later than that one: it waits 1,024 - m.
    expected = np.full(2048, MS)
    expected[500] = 1024 * MS
    after = np.arange(1, 1024)
    expected[500 + after] = np.maximum(1024 - after, 1) * MS
    assert opened.latency_s.tolist() == expected.tolist()
    assert opened.latency["p99"].ms is not None
    assert opened.latency["p99"].ms.value == 1000 * np.sort(expected)[int(np.ceil(0.99 * 2048)) - 1]
    assert opened.latency["p99"].ms.value > 900 * closed.latency["p99"].ms.value
    # The searcher itself was as fast in both: that is what service time says.
    assert np.sort(opened.service_s).tolist() == np.sort(closed.service_s).tolist()
    assert (opened.unanswered, opened.saturated, opened.timer_s) == (0, False, 0.0)


def test_more_arrivals_than_answers_are_called_saturated() -> None:
    """Catches a generator that slows down with the searcher, and survivors passed off as all."""
    searcher = Stalling(-1)
    run = open_loop(searcher, ["a"], rate=4096, seconds=1, arrivals="fixed", clock=searcher)
    # Answered at 1,024 a second for two seconds, then given up.
    assert run.saturated
    assert len(run.latency_s) == 4096
    assert len(run.service_s) + run.unanswered == 4096
    assert run.throughput == pytest.approx(1024)
    assert run.unanswered == pytest.approx(2048, abs=2)
    # Those that were never answered had waited longer than those before them, and count.
    assert run.latency_s[-1] == pytest.approx(2 - 4095 / 4096, abs=2 * MS)
    assert "saturated" in str(run)
    assert run.to_dict()["unanswered"] == run.unanswered


def test_a_loop_that_keeps_up_is_not_saturated() -> None:
    """Catches an alarm for Poisson arrivals that are fewer than their rate by chance."""
    for seed in range(20):
        searcher = Stalling(-1)
        run = open_loop(searcher, ["a"], rate=100, seconds=2, seed=seed, clock=searcher)
        assert not run.saturated
        assert run.unanswered == 0


def test_poisson_arrivals_are_poisson_and_repeatable() -> None:
    """Catches gaps of another distribution, another rate, and a schedule that nobody can run again."""
    starts: list[float] = []

    class Noting(Stalling):
        def __call__(self, question: str) -> None:
            starts.append(self.time)

    for _ in range(2):
        clock = Noting(-1)
        open_loop(clock, ["a"], rate=1000, seconds=20, seed=3, clock=clock)
    half = len(starts) // 2
    assert starts[:half] == starts[half:]
    gaps = np.diff(starts[:half])
    assert half == pytest.approx(20_000, abs=5 * 20_000**0.5)
    assert gaps.mean() == pytest.approx(0.001, rel=0.03)
    # An exponential has mean and spread alike, and e^-1 of it lies above its mean.
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.04)
    assert (gaps > gaps.mean()).mean() == pytest.approx(np.exp(-1), abs=0.015)


def test_clients_ask_at_the_same_time_and_each_question_in_turn() -> None:
    """Catches clients that wait for each other, and questions that are skipped or asked twice."""
    inside, most, seen = 0, 0, []
    lock = threading.Lock()

    def slow(question: int) -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
            seen.append(question)
        time.sleep(0.002)
        with lock:
            inside -= 1

    run = closed_loop(slow, range(7), threads=4, count=70)
    assert most == 4
    assert sorted(seen) == sorted(list(range(7)) * 10)
    assert len(run.latency_s) == 70
    assert run.latency_s.min() >= 0.002
    most = 0
    run = open_loop(slow, range(7), rate=100, seconds=0.5, threads=3, arrivals="fixed")
    assert (len(run.latency_s), run.unanswered) == (50, 0)
    assert (run.latency_s >= run.service_s - 1e-9).all()


def test_a_client_that_fails_ends_the_loop() -> None:
    """Catches an error that is lost in a thread, and clients that go on for the rest of the time."""

    def failing(question: str) -> None:
        time.sleep(0.001)
        raise KeyError(question)

    started = time.perf_counter()
    for threads in (1, 3):
        with pytest.raises(KeyError):
            closed_loop(failing, ["a"], threads=threads, seconds=60)
        with pytest.raises(KeyError):
            open_loop(failing, ["a"], threads=threads, rate=0.5, seconds=60, arrivals="fixed")
    assert time.perf_counter() - started < 10


def test_a_closed_loop_ends_by_time_or_count() -> None:
    """Catches a loop that never ends, and one that measures nothing because its time was too short."""
    searcher = Stalling(-1)
    run = closed_loop(searcher, ["a"], seconds=1, clock=searcher)
    assert len(run.latency_s) == 1024
    assert (run.seconds, run.throughput) == (1.0, 1024.0)
    searcher = Stalling(0)
    assert len(closed_loop(searcher, ["a"], seconds=0.001, count=5, clock=searcher).latency_s) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": 0, "seconds": 1}, "rate"),
        ({"rate": float("nan"), "seconds": 1}, "rate"),
        ({"rate": 10, "seconds": -1}, "seconds"),
        ({"rate": 0.1, "seconds": 1}, "change one of the two"),
        ({"rate": 1e8, "seconds": 1}, "change one of the two"),
        ({"rate": 10, "seconds": 1, "threads": 0}, "threads"),
        ({"rate": 10, "seconds": 1, "arrivals": "magic"}, "arrivals"),
    ],
)
def test_loops_that_cannot_be_run_are_refused(arguments: dict[str, object], message: str) -> None:
    """Catches memory filled by a schedule, and a loop of nothing."""
    with pytest.raises(InvalidInput, match=message):
        open_loop(len, ["a"], **arguments)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="nothing ends the loop"):
        closed_loop(len, ["a"])
    with pytest.raises(InvalidInput, match="no questions"):
        closed_loop(len, [], count=1)


def test_a_percentile_without_samples_enough_says_how_many_it_needs() -> None:
    """Catches a p99.9 of three hundred samples, which is their maximum by another name."""
    numbers = np.random.default_rng(5)
    for q in QUANTILES:
        needs = samples_needed(q)
        # As many enclose the quantile, one less leaves an end open: by the order statistics themselves.
        ends = [quantile(numbers.random(count), q) for count in (needs, needs - 1)]
        assert np.isfinite([ends[0].low, ends[0].high]).all()
        assert not np.isfinite([ends[1].low, ends[1].high]).all()
    few = Distribution.of(numbers.random(3687))
    assert few["p99.9"].ms is None
    assert str(few["p99.9"]) == "needs ≥ 3,688"
    assert few.to_dict()["p99.9_ms"] is None
    assert few.to_dict()["needs"] == {"p99.9": 3688}
    assert Distribution.of(numbers.random(3688))["p99.9"].ms is not None
    for wrong in ([], [[1.0]], [float("nan")]):
        with pytest.raises(InvalidInput, match="times"):
            Distribution.of(wrong)


def test_intervals_of_percentiles_hold_the_true_one() -> None:
    """Catches an interval that is too narrow: of a known distribution it has to hold the quantile 95 times in 100."""
    numbers = np.random.default_rng(6)
    held = 0
    for _ in range(400):
        ms = Distribution.of(numbers.exponential(0.010, 500))["p99"].ms
        assert ms is not None
        held += ms.low <= -10 * np.log(0.01) <= ms.high
    assert held / 400 >= 0.93


def test_a_curve_goes_from_the_median_to_the_slowest() -> None:
    """Catches a plot that leaves out the tail, or one that falls."""
    times = np.random.default_rng(7).lognormal(size=5000)
    points = curve(times)
    assert points[0][0] == 2
    assert points[-1] == (5000.0, times.max() * 1000)
    assert all(a < b and c <= d for (a, c), (b, d) in itertools.pairwise(points))
    assert curve(np.array([0.5])) == [(1.0, 500.0)]
