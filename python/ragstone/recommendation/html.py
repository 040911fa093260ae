"""A recommendation as one page: no scripts, nothing loaded from elsewhere, light or dark as the reader has it."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from ragstone.recommendation.report import HEADLINES, Section, Table, sections

if TYPE_CHECKING:
    from ragstone.recommendation.recommendation import Recommendation

__all__ = ["page"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --paper: #fdfdfb; --line: #d5d8de; --faint: #697180;
        --rag: #2f6f9f; --tune: #b3541e; --both: #6a4c93; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e7ec; --paper: #14171c; --line: #363c46; --faint: #98a1b0;
          --rag: #6fb1e0; --tune: #e6935c; --both: #b79be0; } }
body { margin: 2rem auto; max-width: 62rem; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif;
       color: var(--ink); background: var(--paper); }
h1 { font-size: 1.7rem; line-height: 1.2; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--faint); font-weight: 600; } code { color: var(--faint); font-size: .8em; overflow-wrap: anywhere; }
svg { width: 100%; height: auto; margin: .6rem 0; font: 13px system-ui, sans-serif; }
svg text { fill: var(--ink); } svg text.faint { fill: var(--faint); }
svg .rag { fill: var(--rag); stroke: var(--rag); } svg .tune { fill: var(--tune); stroke: var(--tune); }
svg .both { fill: var(--both); stroke: var(--both); } svg line.faint { stroke: var(--line); }
svg line.ink { stroke: var(--ink); stroke-width: 2; } svg line.limit { stroke: var(--tune); stroke-dasharray: 4 3; }
svg line.rag, svg line.tune { stroke-width: 3; }
"""


def page(made: Recommendation) -> str:
    """The whole page as text, to be written as UTF-8."""
    title = escape(HEADLINES[made.decision])
    body = "".join(_section(section) for section in sections(made))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head>\n<body><h1>{title}</h1>\n{body}</body></html>\n"
    )


def _section(section: Section) -> str:
    return "".join(_parts(section))


def _parts(section: Section) -> Iterator[str]:
    yield f"<section><h2>{escape(section.title)}</h2>\n"
    if section.lines:
        items = (f"<li>{escape(text)}{_reference(name)}</li>" for text, name in section.lines)
        yield f"<ul>{''.join(items)}</ul>\n"
    yield from section.charts
    if section.table:
        yield _table(section.table)
    yield "</section>\n"


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>\n"


def _reference(name: str) -> str:
    return f" <code>[{escape(name)}]</code>" if name else ""
