"""Charts as SVG text: lines on linear or logarithmic axes, and stacked bars. All text that goes in is escaped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Axis", "Bar", "Series", "bars", "lines"]

_WIDTH, _HEIGHT = 640, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 54, 46
_COLOURS = ("#0b6e99", "#c2410c", "#4d7c0f", "#7e22ce", "#b45309", "#be185d", "#0f766e", "#475569", "#854d0e")
_TICKS_MAX = 8


@dataclass(frozen=True, slots=True)
class Axis:
    """A label, whether steps are factors, and ticks with names of their own where round numbers would say less."""

    label: str
    log: bool = False
    ticks: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Series:
    """A line: its name and its points (x, y), or (x, y, low, high) with a whisker."""

    name: str
    points: Sequence[tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of parts one after the other: names and lengths."""

    name: str
    parts: Sequence[tuple[str, float]]


class _Scale:
    """From values to places on the page."""

    def __init__(self, axis: Axis, values: Sequence[float], start: float, end: float) -> None:
        usable = [value for value in values if math.isfinite(value) and (value > 0 or not axis.log)] or [1.0]
        usable += [value for value, _ in axis.ticks]
        low, high = min(usable), max(usable)
        self._log = axis.log
        if axis.log:
            self._low, self._high = math.log(low), math.log(high)
        else:
            self._low, self._high = min(low, 0.0), high
        if self._high <= self._low:
            self._high = self._low + 1.0
        self._start, self._end = start, end
        self.ticks = axis.ticks or tuple((value, f"{value:,.10g}") for value in self._round())

    def __call__(self, value: float) -> float:
        inner = math.log(max(value, 1e-300)) if self._log else value
        share = min(max((inner - self._low) / (self._high - self._low), 0.0), 1.0)
        return self._start + share * (self._end - self._start)

    def _round(self) -> list[float]:
        """Round numbers within the range."""
        if not self._log:
            step = 10 ** math.floor(math.log10(self._high - self._low))
            step *= next(factor for factor in (0.1, 0.2, 0.5, 1, 2) if (self._high - self._low) / (step * factor) <= 7)
            first = math.ceil(self._low / step)
            return [number * step for number in range(first, math.floor(self._high / step) + 1)]
        decades = range(math.floor(self._low / math.log(10)), math.ceil(self._high / math.log(10)) + 1)
        for factors in ((1, 2, 5), (1,)):
            values = [factor * 10.0**decade for decade in decades for factor in factors]
            inside = [value for value in values if self._low - 1e-9 <= math.log(value) <= self._high + 1e-9]
            if len(inside) <= _TICKS_MAX:
                break
        return inside


def lines(title: str, x: Axis, y: Axis, series: Sequence[Series]) -> str:
    """A chart of lines with their points.

    >>> lines("a < b", Axis("n"), Axis("ms"), [Series("x", [(1, 2), (2, 3)])]).count("<circle")
    2
    """
    points = [point for one in series for point in one.points]
    across = _Scale(x, [point[0] for point in points], _LEFT, _WIDTH - _RIGHT)
    up = _Scale(y, [value for point in points for value in point[1:]], _HEIGHT - _BOTTOM, _TOP)
    parts = _frame(across, up, x, y)
    for number, one in enumerate(series):
        colour = _COLOURS[number % len(_COLOURS)]
        places = [(across(point[0]), up(point[1])) for point in one.points]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for (a, b), point in zip(places, one.points, strict=True):
            shown = escape(f"{one.name}: {point[0]:,.6g}, {point[1]:,.6g}")
            parts.append(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.5" fill="{colour}"><title>{shown}</title></circle>')
            if len(point) == 4:
                low, high = up(point[2]), up(point[3])
                parts.append(f'<line x1="{a:.1f}" y1="{low:.1f}" x2="{a:.1f}" y2="{high:.1f}" stroke="{colour}"/>')
    parts += _legend([one.name for one in series]) if len(series) > 1 else []
    return _page(title, _HEIGHT, parts)


def bars(title: str, label: str, rows: Sequence[Bar]) -> str:
    """Stacked horizontal bars, one below the other; equal names have equal colours.

    >>> bars("t", "ms", [Bar("p50", [("embed", 1.0), ("dense", 2.0)])]).count("<rect")
    4
    """
    names = list(dict.fromkeys(name for row in rows for name, _ in row.parts))
    height = _TOP + 34 * len(rows) + _BOTTOM
    across = _Scale(Axis(label), [sum(length for _, length in row.parts) for row in rows], _LEFT, _WIDTH - _RIGHT)
    parts = []
    bottom = height - _BOTTOM + 6
    for value, text in across.ticks:
        place = across(value)
        parts.append(f'<line class="grid" x1="{place:.1f}" y1="{_TOP}" x2="{place:.1f}" y2="{bottom}"/>')
        parts.append(f'<text x="{place:.1f}" y="{bottom + 16}" text-anchor="middle">{escape(text)}</text>')
    parts.append(f'<text x="{(_LEFT + _WIDTH) / 2:.0f}" y="{bottom + 32}" text-anchor="middle">{escape(label)}</text>')
    for number, row in enumerate(rows):
        top, reached = _TOP + 34 * number + 6, 0.0
        parts.append(f'<text x="{_LEFT - 8}" y="{top + 16}" text-anchor="end">{escape(row.name)}</text>')
        for name, length in row.parts:
            start, end = across(reached), across(reached + length)
            reached += length
            colour = _COLOURS[names.index(name) % len(_COLOURS)]
            shown = escape(f"{name}: {length:,.4g}")
            box = f'x="{start:.1f}" y="{top}" width="{max(end - start, 0.0):.1f}" height="22"'
            parts.append(f'<rect {box} fill="{colour}"><title>{shown}</title></rect>')
    parts += _legend(names)
    return _page(title, height, parts)


def _frame(across: _Scale, up: _Scale, x: Axis, y: Axis) -> list[str]:
    parts = []
    for value, text in up.ticks:
        place = up(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" y1="{place:.1f}" x2="{_WIDTH - _RIGHT}" y2="{place:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{place + 4:.1f}" text-anchor="end">{escape(text)}</text>')
    bottom = _HEIGHT - _BOTTOM
    for value, text in across.ticks:
        place = across(value)
        parts.append(f'<line class="grid" x1="{place:.1f}" y1="{_TOP}" x2="{place:.1f}" y2="{bottom}"/>')
        parts.append(f'<text x="{place:.1f}" y="{bottom + 16}" text-anchor="middle">{escape(text)}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle:.0f}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(x.label)}</text>')
    height = (_TOP + bottom) / 2
    turned = f'transform="rotate(-90 14 {height:.0f})"'
    parts.append(f'<text x="14" y="{height:.0f}" text-anchor="middle" {turned}>{escape(y.label)}</text>')
    return parts


def _legend(names: Sequence[str], y: float = 40.0) -> list[str]:
    parts, place = [], float(_LEFT)
    for number, name in enumerate(names):
        colour = _COLOURS[number % len(_COLOURS)]
        parts.append(f'<rect x="{place:.0f}" y="{y - 9:.0f}" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{place + 14:.0f}" y="{y:.0f}">{escape(name)}</text>')
        place += 26 + 7 * len(name)
    return parts


def _page(title: str, height: int, parts: Sequence[str]) -> str:
    head = f'<text class="title" x="{_LEFT}" y="20">{escape(title)}</text>'
    body = "\n".join([head, *parts])
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}">\n{body}\n</svg>'
