"""Alarms when a stream of queries changes, with a false-alarm rate that holds however often one looks.

The queries are put together in blocks. Each block's figure (a mean, a share) is ranked among all blocks before it: its
conformal p-value, which is uniform and independent of the others as long as the blocks are exchangeable, whatever their
distribution (Vovk, Gammerman and Shafer 2005). A bettor who starts with 1 and bets on p-values that are
not uniform has a capital that is a martingale: it ever reaches c with a probability of at most 1/c (Ville 1939). So an
alarm at c = signals / α is false with a probability of at most α, over all signals and all looks for ever. The bettor
is the composite jumper of Vovk et al. ("Retrain or not retrain", 2021), on the place and on the spread of the p-values.
"""

from __future__ import annotations

import bisect
import datetime as dt
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ragstone.arguments import integer, number, one_of
from ragstone.errors import InvalidInput
from ragstone.monitoring.events import Event
from ragstone.monitoring.windows import period

__all__ = ["SIGNALS", "Drift", "Shift", "capital", "drift", "sequential_p_values"]

_Array: TypeAlias = NDArray[np.float64]
Season: TypeAlias = Literal["none", "day"]

# How the bettor changes its mind: the chance of it at each step, all tried at once.
_RATES = np.array([1e-4, 1e-3, 1e-2, 1e-1])
# Stakes on small (-) or large (+) p-values, and on p-values near the middle (-) or the ends (+); all keep the capital
# above zero.
_STAKES_PLACE = np.array([-1.8, -0.6, 0.0, 0.6, 1.8])
_STAKES_SPREAD = np.array([-0.8, 0.0, 0.8])
_SHARE_PLACE = 0.75
_SEASON_MS = 6 * 3_600_000
_DAY_MS = 86_400_000


def _share(holds: Callable[[Event], bool | None]) -> Callable[[Event], float | None]:
    def figure(event: Event) -> float | None:
        true = holds(event)
        return None if true is None else float(true)

    return figure


def _route(path: str) -> Callable[[Event], float | None]:
    return _share(lambda event: None if event.path is None else event.path == path)


# What is watched: a figure of each query, of which a block has the mean; ``None`` where a query has none.
SIGNALS: dict[str, Callable[[Event], float | None]] = {
    "answerability": lambda event: event.answerability,
    "abstained": _share(lambda event: event.abstained),
    "top score": lambda event: event.scores[0] if event.scores else None,
    "query length": lambda event: math.log1p(event.words),
    "share of retrieve": _route("retrieve"),
    "share of advisory_finetune": _route("advisory_finetune"),
    "share of hybrid": _route("hybrid"),
    "share of pass": _route("pass"),
    "latency": lambda event: math.log1p(max(event.latency_ms, 0.0)),
}


@dataclass(frozen=True, slots=True)
class Shift:
    """One signal: its mean over the reference and since, and how much evidence there is that it moved.

    ``evidence`` is the greatest capital so far; ``alarm_at`` is when it reached the limit, ``since`` the beginning of
    the change as far as that can be told. Query length and latency are means of log(1 + x).
    """

    signal: str
    reference: float
    recent: float
    evidence: float
    alarm_at: dt.datetime | None
    since: dt.datetime | None

    @property
    def alarm(self) -> bool:
        """Whether the limit was reached."""
        return self.alarm_at is not None


@dataclass(frozen=True, slots=True, repr=False)
class Drift:
    """What :func:`drift` found; ``limit`` is the evidence at which a signal alarms.

    ``blocks`` counts those watched; with none, there were too few queries to tell anything.
    """

    queries: int
    blocks: int
    reference_blocks: int
    block: str
    alpha: float
    limit: float
    shifts: tuple[Shift, ...]

    @property
    def alarms(self) -> tuple[Shift, ...]:
        """The signals that moved."""
        return tuple(shift for shift in self.shifts if shift.alarm)

    def to_dict(self) -> dict[str, object]:
        """Everything by name, for JSON."""
        return {
            "queries": self.queries,
            "blocks": self.blocks,
            "reference_blocks": self.reference_blocks,
            "block": self.block,
            "alpha": self.alpha,
            "limit": self.limit,
            "alarms": [shift.signal for shift in self.alarms],
            "shifts": self.shifts,
        }

    def __str__(self) -> str:
        if not self.blocks:
            return (
                f"drift: too few queries to tell: {self.queries} make no block beyond the {self.reference_blocks} "
                f"of the reference ({self.block} each)"
            )
        lines = [
            f"drift: {len(self.alarms)} alarms in {self.blocks} blocks of {self.block} after {self.reference_blocks} "
            f"of reference; an alarm takes {self.limit:.0f}, false ones at most {100 * self.alpha:g} %",
            f"{'signal':<27} {'reference':>10} {'recent':>10} {'evidence':>10}",
        ]
        for shift in self.shifts:
            mark = "" if shift.since is None else f"  ALARM: changed about {shift.since:%Y-%m-%d %H:%M} UTC"
            lines.append(
                f"{shift.signal:<27} {shift.reference:>10.3f} {shift.recent:>10.3f} {shift.evidence:>10.3g}{mark}"
            )
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)


def drift(
    events: Sequence[Event],
    *,
    reference: int | Sequence[Event] = 20,
    block: int | str = 25,
    season: Season = "day",
    alpha: float = 0.01,
    seed: int = 0,
) -> Drift:
    """Tell whether a stream of queries has changed since its reference.

    The guarantee is about blocks that could as well have come in another order. Queries of one session resemble each
    other, which blocks of 25 level out, and those of one time of day do, which is why blocks hold the queries of one
    quarter of the day (UTC) and are ranked among those of the same quarter. What repeats by the week does not fit in:
    ``block="1w"``. The same log may be watched every minute: earlier evidence does not change as it grows, as long as
    its oldest files are still there. For a log that has lost them keep a reference.

    Args:
        events: Queries, oldest first.
        reference: The blocks at the beginning that are taken as right, or another stream that is: nobody bets on them.
        block: Queries in a block, or a period.
        season: ``"day"``, which counts for blocks of less than a day, or ``"none"``: all blocks are ranked together.
        alpha: Greatest probability of any false alarm, over all signals and all times.
        seed: Of the ranks of equal values.

    Raises:
        InvalidInput: An argument cannot be used.

    >>> drift([]).alarms
    ()
    """
    limit_share = number(alpha, "alpha", 1e-9, 0.5)
    one_of(season, "season", ("none", "day"))
    integer(seed, "seed", 0, (1 << 63) - 1)
    given: Sequence[Event] = () if isinstance(reference, int) else reference
    if isinstance(block, str) and period(block) >= _DAY_MS:
        season = "none"
    before = _blocks(given, block, season)
    after = _blocks(events, block, season)
    burn = integer(reference, "reference", 2, 1 << 30) if isinstance(reference, int) else len(before)
    if burn < 2:
        raise InvalidInput(f"reference has {len(given)} queries, which make {burn} blocks: give it 20 blocks or more")
    every = [*before, *after]
    shifts = [] if len(every) <= burn else _shifts(every, burn, season, limit_share, seed)
    return Drift(
        queries=len(events),
        blocks=max(len(every) - burn, 0),
        reference_blocks=burn,
        block=f"{block} queries" if isinstance(block, int) else block,
        alpha=limit_share,
        limit=len(shifts) / limit_share,
        shifts=tuple(shifts),
    )


def sequential_p_values(values: Sequence[float], numbers: np.random.Generator) -> _Array:
    """Conformal p-values: where each value stands among itself and all before it, equal ones at random.

    Uniform on [0, 1] and independent of each other if the values are exchangeable. Small for small values.
    """
    seen: list[float] = []
    p_values = np.empty(len(values))
    for place, (value, chance) in enumerate(zip(values, numbers.random(len(values)), strict=True)):
        below = bisect.bisect_left(seen, value)
        equal = bisect.bisect_right(seen, value, lo=below) - below + 1
        p_values[place] = (below + chance * equal) / (place + 1)
        seen.insert(below, value)
    return p_values


def capital(p_values: _Array) -> _Array:
    """What a bettor against uniform p-values has after each of them, beginning with 1; shape (…, steps) in and out.

    >>> float(capital(np.array([0.5, 0.5])).max()) < 1.2
    True
    """
    place, spread = p_values - 0.5, 6.0 * (p_values - 0.5) ** 2 - 0.5
    return _SHARE_PLACE * _jumped(place, _STAKES_PLACE) + (1 - _SHARE_PLACE) * _jumped(spread, _STAKES_SPREAD)


def _jumped(odds: _Array, stakes: _Array) -> _Array:
    """The jumper's capital; ``odds`` have mean 0 where p-values are uniform, and 1 + stake × odds stays above 0."""
    count, rates = len(stakes), _RATES[:, None]
    purse = np.full((*odds.shape[:-1], len(_RATES), count), 1 / (count * len(_RATES)))
    total = np.empty(odds.shape)
    for step in range(odds.shape[-1]):
        purse = (1 - rates) * purse + rates * purse.mean(axis=-1, keepdims=True)
        purse *= 1 + stakes * odds[..., step, None, None]
        total[..., step] = purse.sum(axis=(-2, -1))
    return total


def _blocks(events: Sequence[Event], block: int | str, season: str) -> list[list[Event]]:
    """Full blocks, ordered by their ends; in a season, blocks hold queries of one quarter of the day."""
    if isinstance(block, str):
        length = period(block)
        groups = [list(group) for _, group in groupby(events, key=lambda event: event.time_ms // length)]
        # The last period may not be over yet.
        return groups[:-1]
    size = integer(block, "block", 1, 1 << 30)
    waiting: dict[int, list[Event]] = {}
    full = []
    for event in events:
        group = waiting.setdefault(_quarter(event) if season == "day" else 0, [])
        group.append(event)
        if len(group) == size:
            full.append(list(group))
            group.clear()
    return full


def _quarter(event: Event) -> int:
    return event.time_ms % _DAY_MS // _SEASON_MS


@dataclass(frozen=True, slots=True)
class _Watched:
    """One signal's figure of each block that has one; the first ``start`` are the reference's."""

    signal: str
    figures: list[float]
    p_values: _Array
    blocks: list[list[Event]]
    start: int


def _shifts(blocks: list[list[Event]], burn: int, season: str, alpha: float, seed: int) -> list[Shift]:
    watched = [
        _watched(name, blocks, burn, season, [seed, number])
        for number, (name, figure) in enumerate(SIGNALS.items())
        # Decided by the reference alone: a choice that depends on what is watched would spoil the guarantee.
        if any(figure(event) is not None for block in blocks[:burn] for event in block)
    ]
    shifts: dict[str, Shift] = {}
    # Signals of as many blocks, which mostly is all of them, are followed in one go.
    for _, same in groupby(sorted(watched, key=_steps), key=_steps):
        together = list(same)
        wealth = capital(np.stack([one.p_values[one.start :] for one in together]))
        shifts |= {
            one.signal: _shift(one, row, len(watched) / alpha) for one, row in zip(together, wealth, strict=True)
        }
    return [shifts[one.signal] for one in watched]


def _steps(one: _Watched) -> int:
    return len(one.p_values) - one.start


def _watched(name: str, blocks: list[list[Event]], burn: int, season: str, seed: list[int]) -> _Watched:
    figure, figures, kept, start = SIGNALS[name], [], [], 0
    for place, block in enumerate(blocks):
        values = [value for event in block if (value := figure(event)) is not None]
        if values:
            figures.append(math.fsum(values) / len(values))
            kept.append(block)
            start += place < burn
    quarters = np.array([_quarter(block[0]) if season == "day" else 0 for block in kept])
    p_values = np.empty(len(kept))
    for quarter in range(_DAY_MS // _SEASON_MS):
        mine = np.flatnonzero(quarters == quarter)
        numbers = np.random.default_rng([*seed, quarter])
        p_values[mine] = sequential_p_values([figures[number] for number in mine], numbers)
    return _Watched(name, figures, p_values, kept, start)


def _shift(one: _Watched, wealth: _Array, limit: float) -> Shift:
    reached = np.flatnonzero(wealth >= limit)
    recent, alarm_at, since = one.figures[one.start :], None, None
    if len(reached):
        first = int(reached[0])
        # Where the capital began to grow is where the change began, as far as the bettor can tell.
        changed = min(int(np.argmin(wealth[: first + 1])) + 1, first)
        alarm_at, since = _moment(one.blocks[one.start + first][-1]), _moment(one.blocks[one.start + changed][0])
        recent = recent[changed:]
    return Shift(
        signal=one.signal,
        reference=float(np.mean(one.figures[: one.start])),
        recent=float(np.mean(recent)) if recent else float("nan"),
        evidence=float(wealth.max(initial=0.0)) if len(wealth) else 1.0,
        alarm_at=alarm_at,
        since=since,
    )


def _moment(event: Event) -> dt.datetime:
    return dt.datetime.fromtimestamp(min(event.time_ms, 253_402_300_799_000) / 1000, dt.UTC)
