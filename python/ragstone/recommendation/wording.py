"""Numbers as the sentences of a recommendation show them."""

from __future__ import annotations

from ragstone.estimates import Estimate

__all__ = ["days_text", "number_text", "share_text"]


def number_text(value: float) -> str:
    """A number with its thousands apart, and no more digits than it deserves.

    >>> number_text(128000), number_text(3.14159), number_text(0.0)
    ('128,000', '3.14', '0')
    """
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def share_text(share: Estimate | float) -> str:
    """A share in percent, with its interval where it has one.

    >>> share_text(0.042), share_text(Estimate(0.31, 0.28, 0.35, 388))
    ('4.2 %', '31 % (28 to 35 %)')
    """
    if isinstance(share, Estimate):
        return f"{share_text(share.value)} ({_percent(share.low)} to {share_text(share.high)})"
    return f"{_percent(share)} %"


def days_text(days: float) -> str:
    """A number of days.

    >>> days_text(1), days_text(28.0), days_text(0.25)
    ('1 day', '28 days', '0.25 days')
    """
    return "1 day" if days == 1 else f"{number_text(days)} days"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0")
