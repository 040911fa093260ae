"""A report as one HTML file that needs nothing else: charts as inline SVG, no scripts, no links, all text escaped."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

from ragstone.bench.charts import Lines, charts
from ragstone.bench.report import Report
from ragstone.bench.svg import bars, lines

__all__ = ["page", "write_page"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --faint: #8884; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --paper: #16181b; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
pre { overflow-x: auto; font: 13px/1.4 ui-monospace, monospace; background: var(--faint); padding: .7rem; }
table { border-collapse: collapse; } td { padding: .1rem 1rem .1rem 0; vertical-align: top; }
svg { width: 100%; max-width: 46rem; display: block; margin: 1rem 0; }
svg text { font: 11px system-ui, sans-serif; fill: var(--ink); } svg .title { font-size: 13px; font-weight: 600; }
svg .grid { stroke: var(--faint); } .finding { color: #c2410c; font-weight: 600; }
"""
# Neither scripts nor anything from elsewhere could run or be fetched, even if a text got past the escaping.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(report: Report) -> str:
    """The whole page as text."""
    findings = "".join(f'<p class="finding">finding: {escape(finding)}</p>' for finding in report.findings)
    drawn = "\n".join(
        lines(chart.title, chart.x, chart.y, chart.series)
        if isinstance(chart, Lines)
        else bars(chart.title, chart.label, chart.rows)
        for chart in charts(report)
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">
<meta name="viewport" content="width=device-width">
<title>ragstone bench</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>ragstone bench</h1>
<p>{escape(str(report.machine.get("date", "")))}</p>
{findings}
<h2>Command</h2>
<pre>{escape(report.command)}</pre>
<h2>Charts</h2>
{drawn}
<h2>Figures</h2>
<pre>{escape(str(report))}</pre>
<h2>Index and questions</h2>
{_table(report.index)}
<h2>Machine</h2>
{_table(report.machine)}
</body>
</html>
"""


def write_page(report: Report, path: Path) -> None:
    """Write the page to a file."""
    path.write_text(page(report), encoding="utf-8", errors="backslashreplace")


def _table(rows: Mapping[str, object]) -> str:
    cells = "".join(f"<tr><td>{escape(name)}</td><td>{escape(_text(value))}</td></tr>" for name, value in rows.items())
    return f"<table>{cells}</table>"


def _text(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, (list, tuple)):
        return ", ".join(str(one) for one in value)
    return f"{value:,}" if isinstance(value, int) else str(value)
