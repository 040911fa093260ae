"""Groundedness over many answers: how much of them their sources support, and whether their citations do.

Rows are as RAGAS names them: ``user_input``, ``retrieved_contexts``, ``response``. The judge's tier is part of the
metric's name: figures of different tiers are different figures.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ragstone import estimates
from ragstone.arguments import listed, text, texts
from ragstone.errors import InvalidInput
from ragstone.estimates import Estimate
from ragstone.grounding import Checker, Grounding
from ragstone.lines import json_lines, text_field, where

if TYPE_CHECKING:
    from ragstone.index import SearchIndex

__all__ = ["GivenAnswer", "GroundedReport", "GroundedRow", "groundedness", "read_answers"]

_WORST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """An answer with what it was asked and the contexts it was written from, in the order that its marks count."""

    user_input: str
    retrieved_contexts: tuple[str, ...]
    response: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class GroundedRow:
    """One answer and what became of it."""

    name: str
    user_input: str
    grounding: Grounding

    def to_dict(self) -> dict[str, object]:
        """Name, question and all figures and spans, for JSON."""
        return {"name": self.name, "user_input": self.user_input, **self.grounding.to_dict()}


@dataclass(frozen=True, slots=True)
class GroundedReport:
    """Groundedness of many answers.

    ``rate`` is the mean over answers of their shares of supported sentences, ``rate_micro`` the share over all
    sentences, which counts them as independent of each other; ``unsupported_answers`` the share of answers with a sentence
    that is not supported. Citation recall and precision are ALCE's, over sentences and over citations; both are ``None``
    where no answer cites. ``uncheckable`` is the share of sentences that claim nothing.
    """

    tier: str
    rate: Estimate | None
    rate_micro: Estimate | None
    unsupported_answers: Estimate | None
    citation_recall: Estimate | None
    citation_precision: Estimate | None
    uncheckable: Estimate | None
    rows: tuple[GroundedRow, ...]

    @property
    def metric(self) -> str:
        """Name of ``rate``: never without its tier."""
        return f"groundedness-{self.tier}"

    def to_dict(self) -> dict[str, object]:
        """All figures by name, and every answer, for JSON."""
        figures = {name: None if value is None else value.to_dict() for name, value in self._figures()}
        return {
            "metric": self.metric,
            "tier": self.tier,
            "answers": len(self.rows),
            "contexts": sum(row.grounding.sources for row in self.rows),
            **figures,
            "rows": [row.to_dict() for row in self.rows],
        }

    def worst(self, count: int = _WORST_SHOWN) -> tuple[GroundedRow, ...]:
        """The answers with something unsupported, the least supported first."""
        found = [row for row in self.rows if row.grounding.rate is not None and row.grounding.rate < 1.0]
        return tuple(sorted(found, key=lambda row: (row.grounding.rate, row.grounding.score))[:count])

    def _figures(self) -> list[tuple[str, Estimate | None]]:
        return [
            ("rate", self.rate),
            ("rate_micro", self.rate_micro),
            ("unsupported_answers", self.unsupported_answers),
            ("citation_recall", self.citation_recall),
            ("citation_precision", self.citation_precision),
            ("uncheckable", self.uncheckable),
        ]

    def __str__(self) -> str:
        labels = {
            "rate": f"{self.metric}, mean of answers",
            "rate_micro": f"{self.metric}, all sentences",
            "unsupported_answers": "answers with an unsupported sentence",
            "citation_recall": f"citation recall ({self.tier})",
            "citation_precision": f"citation precision ({self.tier})",
            "uncheckable": "sentences that claim nothing",
        }
        lines = [f"{len(self.rows)} answers, {sum(row.grounding.sources for row in self.rows)} contexts", ""]
        for name, value in self._figures():
            shown = "none" if value is None else f"{value}  n={value.samples}"
            lines.append(f"{labels[name]:<44} {shown}")
        for row in self.worst():
            lines += ["", f"{row.name}: {row.grounding.rate:.3f}"]
            lines += [f"  {span.reason}" for span in row.grounding.unsupported]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><td>{escape(name)}</td><td>{'none' if value is None else escape(str(value))}</td></tr>"
            for name, value in self._figures()
        )
        worst = "".join(f"<p><b>{escape(row.name)}</b></p>{row.grounding._repr_html_()}" for row in self.worst())
        return f"<p>{escape(self.metric)}, {len(self.rows)} answers</p><table>{cells}</table>{worst}"


def groundedness(
    answers: Iterable[GivenAnswer | Mapping[str, object]],
    *,
    tier: str | os.PathLike[str] = "T0",
    language: str = "english",
    progress: Callable[[int, int], None] | None = None,
) -> GroundedReport:
    """Check every answer against its contexts.

    In tier T0 words weigh by how few of all the contexts given here have them.

    Args:
        answers: Rows with ``user_input``, ``retrieved_contexts`` and ``response``, as RAGAS names them.
        tier: ``"T0"``, or the folder of an ONNX entailment model.
        language: The answers' language, for tier T0.
        progress: Called with the number of answers checked and of all.

    Raises:
        InvalidInput: There is no answer, a row lacks a field, or there is no such tier.
        MissingDependency: A model needs onnxruntime and tokenizers.
        ModelError: The folder is not a usable model folder.

    >>> rows = [{"user_input": "How long?", "retrieved_contexts": ["It takes 30 days."], "response": "It takes 31 days."}]
    >>> report = groundedness(rows)
    >>> report.metric, report.rate.value
    ('groundedness-T0', 0.0)
    """
    given = [_given(answer, number) for number, answer in enumerate(listed(answers, "answers"), 1)]
    if not given:
        raise InvalidInput("there is no answer to check: give at least one row")
    background = sorted({context for answer in given for context in answer.retrieved_contexts})
    checker = Checker(tier, language=language, background=background)
    rows = []
    for number, answer in enumerate(given, 1):
        grounding = checker.check(answer.response, answer.retrieved_contexts)
        rows.append(GroundedRow(answer.name or f"answer {number}", answer.user_input, grounding))
        if progress is not None:
            progress(number, len(given))
    return _report(checker.tier, rows)


def read_answers(path: Path, index: SearchIndex | None = None) -> list[GivenAnswer]:
    """Read answers from JSON Lines with ``response`` and ``retrieved_contexts``; ``user_input`` may be missing.

    With an index, ``retrieved_context_ids`` may stand in place of the contexts: the texts of its chunks by
    ``chunk_id``. Where both stand, they have to be equal.

    Raises:
        InvalidInput: The file or a row cannot be used; the message names the line.
    """
    answers = []
    for number, row in json_lines(path):
        here = where(path, number)
        contexts = _contexts(row, here, index)
        asked = text_field(row, "user_input", here) if row.get("user_input") is not None else ""
        answers.append(GivenAnswer(asked, contexts, text_field(row, "response", here), f"line {number}"))
    if not answers:
        raise InvalidInput(f"file {str(path)!r} has no row: write one JSON object a line")
    return answers


def _contexts(row: Mapping[str, object], here: str, index: SearchIndex | None) -> tuple[str, ...]:
    given = _strings(row, "retrieved_contexts", here)
    ids = _strings(row, "retrieved_context_ids", here)
    if given is None and ids is None:
        raise InvalidInput(f"{here} has no 'retrieved_contexts': give the texts that the answer was written from")
    if ids is None or index is None:
        if given is None:
            raise InvalidInput(f"{here} has 'retrieved_context_ids' alone: name the index that has these chunks (--kb)")
        return given
    stored = tuple(_chunk(index, chunk_id, here) for chunk_id in ids)
    if given is not None and given != stored:
        differs = next((at for at, (a, b) in enumerate(zip(given, stored, strict=False)) if a != b), min(len(given), len(stored)))
        raise InvalidInput(
            f"{here} has {len(given)} contexts and {len(stored)} ids of which number {differs + 1} is another text in the "
            "index: leave out one of the two, or check against the index that answered"
        )
    return stored


def _chunk(index: SearchIndex, chunk_id: str, here: str) -> str:
    document_id, _, ordinal = chunk_id.rpartition("#")
    chunks = index.chunks(document_id) if document_id and ordinal.isdecimal() else []
    if not ordinal.isdecimal() or int(ordinal) >= len(chunks):
        raise InvalidInput(f"{here} names chunk {chunk_id!r}, which is not in the index: check that it is the right one")
    return chunks[int(ordinal)].text


def _strings(row: Mapping[str, object], name: str, here: str) -> tuple[str, ...] | None:
    values = row.get(name)
    if values is None:
        return None
    if not isinstance(values, (list, tuple)) or not all(isinstance(value, str) for value in values):
        raise InvalidInput(f"{here} has {name!r} that is no list of strings")
    return tuple(values)


def _given(answer: GivenAnswer | Mapping[str, object], number: int) -> GivenAnswer:
    if isinstance(answer, GivenAnswer):
        return answer
    here = f"answer {number}"
    if not isinstance(answer, Mapping):
        raise InvalidInput(f"{here} is of type {type(answer).__name__}: pass rows with 'response' and 'retrieved_contexts'")
    contexts = _strings(answer, "retrieved_contexts", here)
    if contexts is None:
        raise InvalidInput(f"{here} has no 'retrieved_contexts': give the texts that the answer was written from")
    response = text(answer.get("response"), f"'response' of {here}")
    asked = text(answer.get("user_input") or "", f"'user_input' of {here}")
    return GivenAnswer(asked, tuple(texts(contexts, here, "context")), response)


def _report(tier: str, rows: Sequence[GroundedRow]) -> GroundedReport:
    groundings = [row.grounding for row in rows]
    rates = [grounding.rate for grounding in groundings if grounding.rate is not None]
    checked = [sentence for grounding in groundings for sentence in grounding.checked]
    total = sum(len(grounding.sentences) for grounding in groundings)
    marked = any(grounding.has_marks for grounding in groundings)
    cited = sum(len(sentence.cited) + len(sentence.unknown_marks) for sentence in checked)
    return GroundedReport(
        tier=tier,
        rate=estimates.mean(rates) if rates else None,
        rate_micro=_share(sum(sentence.supported for sentence in checked), len(checked)),
        unsupported_answers=_share(sum(rate < 1.0 for rate in rates), len(rates)),
        citation_recall=_share(sum(sentence.cited_supported for sentence in checked), len(checked) if marked else 0),
        citation_precision=_share(sum(sum(sentence.cited_relevant) for sentence in checked), cited),
        uncheckable=_share(total - len(checked), total),
        rows=tuple(rows),
    )


def _share(part: int, whole: int) -> Estimate | None:
    return estimates.proportion(part, whole) if whole else None
