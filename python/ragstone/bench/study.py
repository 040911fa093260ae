"""One benchmark of one index, put together: recall, a loop, stages, and whatever more is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ragstone.bench.against import compare
from ragstone.bench.distribution import samples_needed
from ragstone.bench.loops import Arrivals, closed_loop, open_loop
from ragstone.bench.machine import facts
from ragstone.bench.measuring import measured
from ragstone.bench.questions import Workload
from ragstone.bench.report import Report
from ragstone.bench.stages import Staged
from ragstone.embedding.threads import thread_budget
from ragstone.errors import InvalidInput

__all__ = ["all_threads", "study"]

# A loop whose length nobody chose ends with as many answers as p99.9 needs, or after this time.
_COUNT = samples_needed(0.999)
_SECONDS = 5.0
_OPEN_SECONDS = 10.0


def all_threads() -> list[int]:
    """1, 2, … up to the thread budget, and twice as many."""
    budget = thread_budget()
    powers = [1 << power for power in range(budget.bit_length()) if 1 << power < budget]
    return [*powers, budget, 2 * budget]


def study(
    work: Workload,
    *,
    command: str = "",
    seconds: float | None = None,
    rate: float | None = None,
    arrivals: Arrivals = "poisson",
    opened: bool = False,
    clients: int | None = None,
    threads: Sequence[int] = (),
    against: Sequence[str] = (),
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Measure an index.

    Args:
        work: The index and the questions, from :func:`ragstone.bench.prepared`.
        command: How to run it again, for the report.
        seconds: Length of each loop; by default as long as p99.9 needs, at most 5 seconds (open loop: 10).
        rate: Arrivals a second of an open loop; by default half of what one client of a closed loop gets answered.
        arrivals: ``"poisson"`` or ``"fixed"``.
        opened: Whether the loop is open.
        clients: Clients of the loop; by default 1, or the thread budget of an open loop.
        threads: Numbers of clients whose throughput is measured.
        against: Rivals that are compared.
        progress: Told what is being done.

    Raises:
        InvalidInput: An argument cannot be used.
        MissingDependency: A rival is not installed.

    >>> import ragstone, tempfile
    >>> from ragstone.bench import prepared
    >>> with tempfile.TemporaryDirectory() as folder, ragstone.open(folder, embedder="hashing") as index:
    ...     _ = index.upsert([ragstone.Document(str(n), f"article {n} costs {n} euros") for n in range(20)])
    ...     report = study(prepared(index), seconds=0.2)
    >>> report.run.loop, report.findings, [stage.name for stage in report.stages.stages][-1]
    ('closed', (), 'rest')
    """
    if rate is not None and not opened:
        raise InvalidInput(f"rate is {rate:g}, and a closed loop has none: ask for an open loop")
    tell = progress or (lambda _: None)
    length = _SECONDS if seconds is None else seconds
    tell("closed loop, one client")
    benchmark = measured(work)
    call = Staged(work.ask)
    run = closed_loop(call, work.questions, seconds=length, count=_COUNT if seconds is None else None)
    report = Report(command, work.described, facts(), benchmark, run, call.table(run))
    if opened:
        offered = max(run.throughput / 2, 1.0) if rate is None else rate
        tell(f"open loop, {offered:.1f} arrivals/s")
        run = open_loop(
            work.ask,
            work.questions,
            rate=offered,
            seconds=_OPEN_SECONDS if seconds is None else seconds,
            threads=thread_budget() if clients is None else clients,
            arrivals=arrivals,
        )
        report = replace(report, run=run)
    elif clients is not None and clients != 1:
        tell(f"closed loop, {clients} clients")
        report = replace(report, run=closed_loop(work.ask, work.questions, threads=clients, seconds=length))
    if threads:
        tell(f"clients {', '.join(str(one) for one in threads)}")
        runs = tuple(closed_loop(work.ask, work.questions, threads=one, seconds=length) for one in threads)
        report = replace(report, scaling=runs)
    if against:
        report = replace(report, comparison=compare(work, against, seconds=2 * length, progress=progress))
    return report
