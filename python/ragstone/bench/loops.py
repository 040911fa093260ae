"""Two ways to ask under load: a closed loop, whose clients wait for each answer, and an open one, which waits for none.

*Closed loop*: each of n clients asks when its last question was answered. While an answer is slow nothing else is
asked, so the questions that would have had to wait are never measured, and the slow moment counts once however long it
was. Gil Tene called this coordinated omission ("How NOT to Measure Latency", 2013). It is the right measure of
throughput, and of latency for a caller that really is alone.

*Open loop*: questions arrive by a schedule that knows nothing of the answers. Latency counts from the *intended* start
and so includes the wait for a free client, as in wrk2; *service time* counts from the moment at which the question was
really put. Users who do not know of each other are an open loop.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from ragstone.arguments import integer, number, one_of
from ragstone.bench.distribution import Distribution
from ragstone.errors import InvalidInput

__all__ = ["Arrivals", "Clock", "Run", "WallClock", "closed_loop", "open_loop"]

Arrivals: TypeAlias = Literal["poisson", "fixed"]
Q = TypeVar("Q")
_Times = NDArray[np.float64]

_THREADS_MAX = 1024
_SECONDS_MAX = 86_400.0
_ARRIVALS_MAX = 10_000_000
# A sleeping thread wakes some 60 µs late, which would count as latency: the last stretch is spent awake.
_AWAKE_S = 0.0002
# A client that waits looks so often whether another one has failed.
_LOOK_S = 0.1
# An open loop is kept up if it answers this share of what arrives.
_KEPT_UP = 0.95


class Clock(Protocol):
    """Where loops take the time from; tests bring their own."""

    def now(self) -> float:
        """Seconds since some moment."""

    def wait_until(self, moment: float) -> None:
        """Return at that moment, or at once if it has passed."""


class WallClock:
    """The system's steady clock."""

    def now(self) -> float:
        """Seconds since some moment."""
        return time.perf_counter()

    def wait_until(self, moment: float) -> None:
        """Sleep, and stay awake for the last stretch."""
        while (left := moment - time.perf_counter()) > 0:
            time.sleep(left - _AWAKE_S if left > 2 * _AWAKE_S else 0)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What one loop measured.

    ``latency_s`` and ``service_s`` are in the order of (intended) starts; in a closed loop both are the same.
    ``unanswered`` arrivals were still waiting when an open loop was given up; ``latency_s`` holds how long they had
    waited by then, which is less than they would have had to. ``saturated`` tells that more arrived than could be
    answered, so that latency grows with the length of the run. ``timer_s`` is the median delay with which idle clients
    were woken: the generator's own part in each latency.
    """

    loop: Literal["closed", "open"]
    threads: int
    rate: float | None
    arrivals: Arrivals | None
    seconds: float
    latency_s: _Times
    service_s: _Times
    unanswered: int = 0
    saturated: bool = False
    timer_s: float = 0.0

    @property
    def throughput(self) -> float:
        """Answers a second."""
        return len(self.service_s) / self.seconds

    @property
    def latency(self) -> Distribution:
        """From the intended start to the answer."""
        return Distribution.of(self.latency_s)

    @property
    def service(self) -> Distribution:
        """From the real start to the answer."""
        return Distribution.of(self.service_s)

    def to_dict(self) -> dict[str, object]:
        """For JSON; the distributions in place of all times."""
        return {
            "loop": self.loop,
            "threads": self.threads,
            "rate": self.rate,
            "arrivals": self.arrivals,
            "seconds": self.seconds,
            "throughput": self.throughput,
            "unanswered": self.unanswered,
            "saturated": self.saturated,
            "timer_ms": self.timer_s * 1000,
            "latency": self.latency.to_dict(),
            "service": self.service.to_dict(),
        }

    @property
    def title(self) -> str:
        """One line that says what was done."""
        clients = "1 client" if self.threads == 1 else f"{self.threads} clients"
        kind = f"open loop, {self.rate:g} arrivals/s ({self.arrivals})" if self.rate else "closed loop"
        done = f"{len(self.service_s):,} answers in {self.seconds:.1f} s, {self.throughput:,.1f}/s"
        return f"{kind}, {clients}: {done}"

    def __str__(self) -> str:
        latency, service = self.latency, self.service
        lines = [self.title]
        if self.loop == "open":
            lines.append(f"{'ms':<8}{'latency, from the intended start':<36}service time")
            rows = zip(latency.percentiles, service.percentiles, strict=True)
            lines += [f"{one.name:<8}{one!s:<36}{other}" for one, other in rows]
            lines.append(f"{'max':<8}{latency.max_ms:<36.3f}{service.max_ms:.3f}")
        else:
            lines += [f"{'ms':<8}latency", *(f"{one.name:<8}{one}" for one in latency.percentiles)]
            lines.append(f"{'max':<8}{latency.max_ms:.3f}")
        if self.saturated:
            lines.append(
                f"saturated: {self.throughput:,.1f} of {self.rate:g} arrivals/s were answered, {self.unanswered:,} "
                "never; latency grows for as long as this goes on"
            )
        return "\n".join(lines)


def closed_loop(
    call: Callable[[Q], object],
    questions: Sequence[Q],
    *,
    threads: int = 1,
    seconds: float | None = None,
    count: int | None = None,
    clock: Clock | None = None,
) -> Run:
    """Let ``threads`` clients ask one question after the other, each when its last one was answered.

    Args:
        call: Asks one question. Called from several threads at once where ``threads`` is more than 1.
        questions: What is asked, in order, again from the start where they are used up.
        threads: Clients.
        seconds: Ask no more after this time.
        count: Ask no more than so many questions.
        clock: Where the time comes from.

    Raises:
        InvalidInput: An argument cannot be used, or neither ``seconds`` nor ``count`` ends the loop.

    >>> run = closed_loop(len, ["a", "b"], count=10)
    >>> run.loop, len(run.latency_s), run.throughput > 0
    ('closed', 10, True)
    """
    if seconds is None and count is None:
        raise InvalidInput("nothing ends the loop: pass seconds, count, or both")
    length = float("inf") if seconds is None else number(seconds, "seconds", 0.001, _SECONDS_MAX)
    most = _ARRIVALS_MAX if count is None else integer(count, "count", 1, _ARRIVALS_MAX)
    loop = _Loop(call, _some(questions), _clients(threads), clock or WallClock())
    numbers = itertools.count()
    started = loop.clock.now()

    def client() -> None:
        while not loop.stop.is_set():
            mine, begun = next(numbers), loop.clock.now()
            if mine >= most or (mine and begun - started >= length):
                return
            loop.ask(mine, begun, begun)

    loop.run(client)
    rows = loop.rows()
    return Run(
        loop="closed",
        threads=threads,
        rate=None,
        arrivals=None,
        seconds=float(rows[:, 3].max()) - started,
        latency_s=rows[:, 3] - rows[:, 2],
        service_s=rows[:, 3] - rows[:, 2],
    )


def open_loop(
    call: Callable[[Q], object],
    questions: Sequence[Q],
    *,
    rate: float,
    seconds: float,
    threads: int = 1,
    arrivals: Arrivals = "poisson",
    seed: int = 0,
    clock: Clock | None = None,
) -> Run:
    """Let questions arrive ``rate`` times a second for ``seconds``, whether or not earlier ones are answered.

    At most ``threads`` are asked at a time; who finds no client free waits, and that wait is part of the latency. If
    arrivals are still waiting when as much time again has passed, the loop is given up: they are counted as
    ``unanswered``.

    Args:
        call: Asks one question. Called from several threads at once where ``threads`` is more than 1.
        questions: What is asked, in order, again from the start where they are used up.
        rate: Arrivals a second on average.
        seconds: How long they arrive.
        threads: Clients.
        arrivals: ``"poisson"``, as users who do not know of each other, or ``"fixed"``, evenly spaced.
        seed: Of the Poisson arrivals.
        clock: Where the time comes from.

    Raises:
        InvalidInput: An argument cannot be used.

    >>> run = open_loop(len, ["a", "b"], rate=1000, seconds=0.05, arrivals="fixed")
    >>> run.loop, len(run.latency_s), run.unanswered
    ('open', 50, 0)
    """
    length = number(seconds, "seconds", 0.001, _SECONDS_MAX)
    schedule = _schedule(number(rate, "rate", 1e-6, 1e9), length, arrivals, seed)
    loop = _Loop(call, _some(questions), _clients(threads), clock or WallClock())
    numbers = itertools.count()
    woken: list[float] = []
    started = loop.clock.now()

    def client() -> None:
        while not loop.stop.is_set() and (mine := next(numbers)) < len(schedule):
            intended = started + float(schedule[mine])
            idle = False
            while (now := loop.clock.now()) < intended and not loop.stop.is_set():
                idle = True
                loop.clock.wait_until(min(intended, now + _LOOK_S))
            if mine and now > started + 2 * length:
                return
            if idle:
                woken.append(now - intended)
            loop.ask(mine, intended, now)

    loop.run(client)
    rows = loop.rows()
    ended = float(rows[:, 3].max())
    latency = ended - started - schedule
    answered = rows[:, 0].astype(np.intp)
    latency[answered] = rows[:, 3] - rows[:, 1]
    service = rows[:, 3] - rows[:, 2]
    return Run(
        loop="open",
        threads=threads,
        rate=rate,
        arrivals=arrivals,
        seconds=ended - started,
        latency_s=latency,
        service_s=service,
        unanswered=len(schedule) - len(rows),
        # One slow answer at the very end is not more than can be answered.
        saturated=len(rows) < len(schedule) or ended - started > length / _KEPT_UP + float(service.max()),
        timer_s=float(np.median(woken)) if woken else 0.0,
    )


def _schedule(rate: float, seconds: float, arrivals: Arrivals, seed: int) -> _Times:
    """Moments of arrival in seconds from the start, ascending, at least one."""
    one_of(arrivals, "arrivals", ("poisson", "fixed"))
    expected = rate * seconds
    if not 1 <= expected <= _ARRIVALS_MAX:
        raise InvalidInput(
            f"rate {rate:g} for {seconds:g} seconds is {expected:g} arrivals, it must be from 1 to {_ARRIVALS_MAX:,}: "
            "change one of the two"
        )
    if arrivals == "fixed":
        return np.arange(int(expected + 1e-9)) / rate
    # Given their number, Poisson arrivals are uniform.
    numbers = np.random.default_rng(seed)
    return np.sort(numbers.uniform(0, seconds, max(1, int(numbers.poisson(expected)))))


def _clients(threads: int) -> int:
    return integer(threads, "threads", 1, _THREADS_MAX)


def _some(questions: Sequence[Q]) -> Sequence[Q]:
    if not len(questions):
        raise InvalidInput("there are no questions: pass at least one")
    return questions


class _Loop:
    """Clients on threads of their own; the first that fails stops the others."""

    def __init__(self, call: Callable[[Q], object], questions: Sequence[Q], threads: int, clock: Clock) -> None:
        self.call, self.questions, self.threads, self.clock = call, questions, threads, clock
        self.stop = threading.Event()
        # Number, intended start, real start, end; appending is one step for the interpreter.
        self._done: list[tuple[int, float, float, float]] = []

    def ask(self, number: int, intended: float, begun: float) -> None:
        self.call(self.questions[number % len(self.questions)])
        self._done.append((number, intended, begun, self.clock.now()))

    def run(self, client: Callable[[], None]) -> None:
        if self.threads == 1:
            client()
            return

        def guarded() -> None:
            try:
                client()
            except BaseException:
                self.stop.set()
                raise

        with ThreadPoolExecutor(self.threads) as pool:
            try:
                for future in [pool.submit(guarded) for _ in range(self.threads)]:
                    future.result()
            except BaseException:
                self.stop.set()
                raise

    def rows(self) -> _Times:
        """Shape (answers, 4), by number."""
        return np.array(sorted(self._done), dtype=np.float64)
