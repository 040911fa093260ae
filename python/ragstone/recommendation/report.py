"""What a recommendation says, in order, once for all forms: sections of lines, tables and charts; and as Markdown.

Every line ends with the id of its evidence, which resolves in ``evidence`` of the recommendation's JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragstone.estimates import Estimate
from ragstone.recommendation.charts import bars, scale, shares
from ragstone.recommendation.wording import days_text, number_text, share_text

if TYPE_CHECKING:
    from ragstone.recommendation.recommendation import Recommendation

__all__ = ["HEADLINES", "Section", "Table", "aligned", "markdown", "sections", "value_text"]

HEADLINES = {
    "rag": "Retrieve: what is asked for is facts",
    "fine_tune": "Fine-tune: what is asked for is behaviour",
    "hybrid": "Both: retrieve what to say, fine-tune how to say it",
    "prompt_first": "Prompt first: neither retrieval nor fine-tuning is called for yet",
    "undecided": "Undecided: collect first",
}
_NAMES = {"rag": "retrieval", "fine_tune": "fine-tuning", "hybrid": "both"}
_COLOURS = {"rag": "rag", "fine_tune": "tune", "hybrid": "both"}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report: ``lines`` pair a sentence with its evidence's id; ``charts`` are SVG, told by ``table``."""

    title: str
    lines: tuple[tuple[str, str], ...] = ()
    table: Table | None = None
    charts: tuple[str, ...] = ()


def sections(made: Recommendation) -> tuple[Section, ...]:
    """The parts of a recommendation's report, those that are empty left out."""
    found = (
        _why(made),
        _dimensions(made),
        _warnings(made),
        _asked(made),
        _corpus(made),
        _layers(made),
        _turns(made),
        _upkeep(made),
        _costs(made),
        _next(made),
        _made(made),
    )
    return tuple(one for one in found if one.lines or one.table)


def markdown(made: Recommendation) -> str:
    """The report as Markdown."""
    blocks = [f"# {HEADLINES[made.decision]}"]
    for section in sections(made):
        blocks.append(f"## {section.title}")
        if section.lines:
            blocks.append("\n".join(f"- {_escaped(text)}{_reference(name)}" for text, name in section.lines))
        if section.table:
            blocks.append("\n".join(_table(section.table)))
    return "\n\n".join(blocks) + "\n"


def _table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(table.head)} |"
    yield "|" + "---|" * len(table.head)
    for row in table.rows:
        yield f"| {' | '.join(_escaped(cell) for cell in row)} |"


def _escaped(text: str) -> str:
    """Text of strangers, such as queries, must not become markup or leave its line."""
    line = " ".join(text.split())
    for mark in "\\`*_[]<>|#":
        line = line.replace(mark, f"\\{mark}")
    return line


def _reference(name: str) -> str:
    return f" `[{name}]`" if name else ""


# ── sections ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _why(made: Recommendation) -> Section:
    verdict = made.verdict
    lines = [(reason.text, reason.evidence) for reason in verdict.reasons]
    lines += [(f"Veto: {veto.text}", veto.evidence) for veto in verdict.vetoes]
    if verdict.margin is not None:
        side = "clear of its limit" if verdict.margin >= 0 else "not clear of its limit"
        lines.append((f"The share that decides is {side} by {100 * abs(verdict.margin):.1f} points.", ""))
    if verdict.ready is not None:
        ready = "Training may start." if verdict.ready else "Not ready for training: collect examples first."
        lines.append((ready, "examples.usable"))
    return Section(f"Why ({verdict.rule})", tuple(lines))


def _dimensions(made: Recommendation) -> Section:
    found = made.verdict.dimensions
    rows = tuple(
        (
            one.name.replace("_", " "),
            f"{one.value:+.2f}",
            f"{one.confidence:.2f}",
            one.source,
            " ".join(f"{text} [{name}]" for text, name in one.evidence),
        )
        for one in found
    )
    drawn = scale("The five dimensions", [(one.name.replace("_", " "), one.value, one.confidence) for one in found])
    head = ("dimension", "-1 fine-tune, +1 retrieve", "confidence", "source", "because")
    return Section("The five dimensions", table=Table(head, rows), charts=(drawn,))


def _warnings(made: Recommendation) -> Section:
    lines = []
    for one in made.warnings:
        lines.append((f"{one.code}: {one.message}", ""))
        lines += [(text, name) for text, name in one.proof]
        lines.append((f"What to do: {one.action}.", ""))
    return Section("Warnings", tuple(lines))


def _asked(made: Recommendation) -> Section:
    found = made.project.queries
    if found is None:
        return Section("What is asked")
    named = [
        ("factual", found.factual),
        ("behavioural", found.behavioural),
        ("hybrid", found.hybrid),
        ("other", found.other),
    ]
    needs = [("need facts", found.facts), ("prescribe behaviour", found.behaviour)]
    rows = tuple((name, share_text(value), "all queries") for name, value in named)
    rows += tuple((name, share_text(value), "queries that count") for name, value in needs)
    rows += (("near a threshold", share_text(found.uncertain), "all queries"),)
    text = f"{found.queries:,} queries were read, of which {found.counted:,} count for one side or both."
    limit = made.verdict.rules.shares.required
    drawn = (
        shares("Kinds of queries", named),
        shares("Needs, and the limit from which one is required", needs, limit=limit),
    )
    lines = [(text, "queries.queries"), ("Shares are corrected for the router's known errors.", "queries.counted")]
    if note := language_note(made):
        lines.append((note, "queries.counted"))
    return Section("What is asked", tuple(lines), Table(("kind", "share (95 % interval)", "of"), rows), drawn)


def language_note(made: Recommendation) -> str:
    """What to know of a log that is not in English; empty where there is nothing."""
    language = str(made.configuration.get("language", "none"))
    if language in ("english", "none"):
        return ""
    return (
        f"The log seems to be in {language.capitalize()}, and the router has learnt English: "
        "check what it says of a few dozen queries before relying on the shares."
    )


def _corpus(made: Recommendation) -> Section:
    corpus = made.project.corpus
    if corpus is None:
        return Section("What there is to look up")
    rows = [
        ("documents", f"{corpus.documents:,}"),
        ("chunks", f"{corpus.chunks:,}"),
        ("tokens", f"{corpus.tokens:,}"),
        ("history", f"{corpus.changes:,} changes in {days_text(corpus.history_days)}"),
    ]
    if corpus.update_interval_days is not None:
        rows.append(("median time between two versions, by query", days_text(corpus.update_interval_days)))
    rows += [
        (f"retrieved chunks that changed within {days} days", share_text(value)) for days, value in corpus.churn.items()
    ]
    measured: tuple[tuple[str, Estimate | None], ...] = (
        ("chunks that are exact duplicates", corpus.exact_duplicates),
        ("chunks that are near-duplicates", corpus.near_duplicates),
        ("factual queries without an answer in the corpus", corpus.null_retrieval),
        ("behavioural queries that find a style guide", corpus.style_guide_hits),
        ("citations whose span is in the document", corpus.resolvable),
        ("hits on the most retrieved tenth of documents", corpus.head_share),
    )
    rows += [(name, share_text(value)) for name, value in measured if value is not None]
    return Section("What there is to look up", table=Table(("measured of the index", "value"), tuple(rows)))


def _layers(made: Recommendation) -> Section:
    rows = tuple(
        (one.requirement, one.layer.replace("_", "-"), f"{one.why} [{one.evidence}]") for one in made.verdict.layers
    )
    return Section("Who serves what", table=Table(("requirement", "layer", "because"), rows) if rows else None)


def _turns(made: Recommendation) -> Section:
    turning = [one for one in made.flip_points if one.then is not None]
    rows = tuple(
        (one.input, value_text(one.current), value_text(one.value), f"{value_text(one.now)} → {value_text(one.then)}")
        for one in turning
    )
    still = sorted({one.input for one in made.flip_points} - {one.input for one in turning})
    lines = ((f"No value alone turns it: {', '.join(still)}.", ""),) if still else ()
    head = ("input", "now", "turns at", "what turns")
    return Section("What would turn it", lines, Table(head, rows) if rows else None)


def value_text(value: object) -> str:
    """A value of an input as a report shows it."""
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and abs(value) < 1e-6:
        return "0"
    return number_text(value) if isinstance(value, (int, float)) else str(value).replace("_", "-")


def _upkeep(made: Recommendation) -> Section:
    work = made.maintenance
    chosen = made.decision if made.decision in _NAMES else "hybrid"
    rows = [
        (
            task.name,
            task.trigger,
            f"{task.per_month:.2g}",
            f"{task.hours_per_month:.1f}",
            f"{task.compute_hours_per_month:.2g} {task.machine}",
        )
        for task in work.tasks(chosen)
    ]
    rows.append((f"all of it, {_NAMES[chosen]}", "", "", f"{work.hours(chosen):.1f}", ""))
    hours = [(_NAMES[one], work.hours(one), _COLOURS[one]) for one in _NAMES]
    lines = tuple(
        (f"{name}: {amount:.1f} hours of people a month.", f"maintenance.{one}")
        for one, (name, amount, _) in zip(_NAMES, hours, strict=True)
    )
    head = ("task", "trigger", "times a month", "hours of people", "hours of machines")
    drawn = bars("Hours of people a month", hours, unit="h")
    return Section("What keeps it alive", lines, Table(head, tuple(rows)), (drawn,))


def _costs(made: Recommendation) -> Section:
    found = made.costs
    rows = (
        ("retrieval", f"{found.rag_per_query:.6f}", f"{found.rag_latency_ms:,.0f} ms"),
        ("fine-tuned model", f"{found.tuned_per_query:.6f}", f"{found.tuned_latency_ms:,.0f} ms"),
        ("both", f"{found.hybrid_per_query:.6f}", f"{found.hybrid_latency_ms:,.0f} ms"),
    )
    volume = found.break_even_per_day
    text = (
        "A tuned model never pays for itself at these prices."
        if volume is None
        else f"A tuned model pays for itself from {number_text(volume)} queries a day on."
    )
    assumed = "" if made.prices_declared else " Prices are placeholders: declare yours in the needs."
    return Section(
        "What it costs",
        ((text + assumed, "costs.break_even_per_day"),),
        Table(("way", "per query", "latency, model included (computed)"), rows),
    )


def _next(made: Recommendation) -> Section:
    rows = tuple(
        (one.what, "" if one.how_many is None else f"{one.how_many:,}", f"{one.why} [{one.evidence}]")
        for one in made.verdict.collect
    )
    return Section("What to collect next", table=Table(("what", "how many more", "because"), rows) if rows else None)


def _made(made: Recommendation) -> Section:
    rows = tuple((name.replace("_", " "), _plain(value)) for name, value in made.configuration.items())
    return Section("How this was made", table=Table(("", ""), rows))


def _plain(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines of a terminal, columns under each other."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
