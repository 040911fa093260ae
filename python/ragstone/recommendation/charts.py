"""Charts as SVG text for a page without scripts: shares with intervals, scores on a scale, hours side by side.

Colours are classes (``rag``, ``tune``, ``both``, ``faint``): the style sheet of the page decides them, light or dark.
Every chart has a title for those who do not see it, and the page shows the same numbers as a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from ragstone.estimates import Estimate

__all__ = ["bars", "scale", "shares"]

_WIDTH, _LEFT, _ROW = 720, 210, 34
_SPAN = _WIDTH - _LEFT - 60


def shares(title: str, rows: Sequence[tuple[str, Estimate]], *, limit: float | None = None) -> str:
    """Shares from 0 to 100 % as bars with their intervals; ``limit`` is a threshold, drawn as a line.

    >>> drawn = shares("kinds", [("factual", Estimate(0.5, 0.4, 0.6, 100))], limit=0.2)
    >>> drawn.startswith("<svg") and "50 %" in drawn
    True
    """
    body = [_tick(place, f"{place:.0%}", len(rows)) for place in (0.0, 0.25, 0.5, 0.75, 1.0)]
    if limit is not None:
        body.append(_line(_x(limit), len(rows), "limit"))
    for number, (name, share) in enumerate(rows):
        middle = _middle(number)
        body += [
            _label(name, middle),
            f'<rect class="rag" x="{_LEFT}" y="{middle - 8}" width="{_x(share.value) - _LEFT:.1f}" height="16"/>',
            f'<line class="ink" x1="{_x(share.low):.1f}" x2="{_x(share.high):.1f}" y1="{middle}" y2="{middle}"/>',
            _value(f"{share.value:.0%}".replace("%", " %"), max(_x(share.high), _x(share.value)) + 6, middle),
        ]
    return _svg(title, len(rows), body)


def scale(title: str, rows: Sequence[tuple[str, float, float]]) -> str:
    """Scores from -1 (fine-tune) to +1 (retrieve) as dots, the larger the surer they are (confidence 0 to 1)."""
    ends = ((-1.0, "fine-tune"), (0.0, "either"), (1.0, "retrieve"))
    body = [_tick((place + 1) / 2, name, len(rows)) for place, name in ends]
    for number, (name, score, confidence) in enumerate(rows):
        middle, at = _middle(number), _x((max(-1.0, min(1.0, score)) + 1) / 2)
        kind = "rag" if score > 0 else "tune"
        body += [
            _label(name, middle),
            f'<line class="{kind}" x1="{_x(0.5):.1f}" x2="{at:.1f}" y1="{middle}" y2="{middle}"/>',
            f'<circle class="{kind}" cx="{at:.1f}" cy="{middle}" r="{3 + 6 * max(0.0, min(1.0, confidence)):.1f}"/>',
        ]
    return _svg(title, len(rows), body)


def bars(title: str, rows: Sequence[tuple[str, float, str]], *, unit: str) -> str:
    """Amounts from 0 on, as bars; the third of a row is the colour's class."""
    most = max((amount for _, amount, _ in rows), default=0.0) or 1.0
    body = [_tick(place, f"{place * most:.3g} {unit}", len(rows)) for place in (0.0, 0.5, 1.0)]
    for number, (name, amount, kind) in enumerate(rows):
        middle, right = _middle(number), _x(amount / most)
        body += [
            _label(name, middle),
            f'<rect class="{kind}" x="{_LEFT}" y="{middle - 8}" width="{right - _LEFT:.1f}" height="16"/>',
            _value(f"{amount:.3g}", right + 6, middle),
        ]
    return _svg(title, len(rows), body)


def _x(share: float) -> float:
    return _LEFT + _SPAN * max(0.0, min(1.0, share))


def _middle(row: int) -> int:
    return 30 + row * _ROW


def _label(name: str, middle: int) -> str:
    return f'<text class="name" x="{_LEFT - 10}" y="{middle + 4}" text-anchor="end">{escape(name)}</text>'


def _value(shown: str, x: float, middle: int) -> str:
    return f'<text x="{x:.1f}" y="{middle + 4}">{escape(shown)}</text>'


def _line(x: float, rows: int, kind: str) -> str:
    return f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="10" y2="{12 + rows * _ROW}"/>'


def _tick(share: float, name: str, rows: int) -> str:
    x = _x(share)
    anchor = "start" if share == 0 else "end" if share == 1 else "middle"
    shown = f'<text class="faint" x="{x:.1f}" y="{28 + rows * _ROW}" text-anchor="{anchor}">{escape(name)}</text>'
    return _line(x, rows, "faint") + shown


def _svg(title: str, rows: int, body: Iterable[str]) -> str:
    height = 36 + rows * _ROW
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(title)}</title>{''.join(body)}</svg>"
    )
