"""What a check for groundedness found: sentences, what of them no source supports, and figures over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["GroundedSentence", "Grounding", "Unsupported"]


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A part of an answer that no source supports; ``start`` and ``end`` are ``str`` indices into the answer.

    ``kind`` is ``number``, ``date``, ``identifier``, ``name``, ``words``, or ``sentence`` where a model judged.
    """

    start: int
    end: int
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class GroundedSentence:
    """One sentence of an answer and how its sources support it.

    ``uncheckable`` tells why it is not counted (``question``, ``greeting``, ``meta``, ``empty``), ``None`` if it is.
    ``score`` is a probability from 0 to 1; ``sources`` are the numbers, from 1, of those that support it best, the best
    first. ``cited`` are the sources that its marks name, ``cited_supported`` whether all of them together support it,
    ``cited_relevant`` for each whether it supports it alone or the others would not without it; ``unknown_marks`` are
    numbers that name no source.
    """

    start: int
    end: int
    text: str
    uncheckable: str | None
    score: float
    supported: bool
    sources: tuple[int, ...]
    unsupported: tuple[Unsupported, ...]
    cited: tuple[int, ...] = ()
    unknown_marks: tuple[int, ...] = ()
    cited_score: float = 0.0
    cited_supported: bool = False
    cited_relevant: tuple[bool, ...] = ()

    @property
    def checkable(self) -> bool:
        """Whether the sentence claims something that sources could support."""
        return self.uncheckable is None


@dataclass(frozen=True, slots=True, repr=False)
class Grounding:
    """An answer, sentence by sentence, beside its sources; ``tier`` says who judged and is part of every name."""

    answer: str
    tier: str
    sentences: tuple[GroundedSentence, ...]
    sources: int

    @property
    def metric(self) -> str:
        """Name of ``rate``: never without its tier."""
        return f"groundedness-{self.tier}"

    @property
    def checked(self) -> tuple[GroundedSentence, ...]:
        """The sentences that can be checked."""
        return tuple(sentence for sentence in self.sentences if sentence.checkable)

    @property
    def rate(self) -> float | None:
        """Supported sentences among those that can be checked; ``None`` where there is none."""
        checked = self.checked
        return sum(sentence.supported for sentence in checked) / len(checked) if checked else None

    @property
    def score(self) -> float | None:
        """Mean score of the sentences that can be checked: finer than ``rate``, to rank answers by."""
        checked = self.checked
        return sum(sentence.score for sentence in checked) / len(checked) if checked else None

    @property
    def unsupported(self) -> tuple[Unsupported, ...]:
        """All parts that no source supports, in order."""
        return tuple(span for sentence in self.sentences for span in sentence.unsupported)

    @property
    def has_marks(self) -> bool:
        """Whether any sentence cites anything."""
        return any(sentence.cited or sentence.unknown_marks for sentence in self.sentences)

    @property
    def citation_recall(self) -> float | None:
        """Share of checkable sentences that their cited sources together support (Gao et al. 2023, ALCE).

        A sentence without a citation counts as not supported; ``None`` where nothing can be checked or nothing cites.
        """
        checked = self.checked
        if not checked or not self.has_marks:
            return None
        return sum(sentence.cited_supported for sentence in checked) / len(checked)

    @property
    def citation_precision(self) -> float | None:
        """Share of citations that are relevant (Gao et al. 2023, ALCE); ``None`` where nothing is cited.

        A citation is, if all that the sentence cites support it, and it does so alone or the others do not without it.
        """
        relevant = sum(sum(sentence.cited_relevant) for sentence in self.checked)
        cited = sum(len(sentence.cited) + len(sentence.unknown_marks) for sentence in self.checked)
        return relevant / cited if cited else None

    def to_dict(self) -> dict[str, object]:
        """All figures and spans, for JSON."""
        return {
            "metric": self.metric,
            "tier": self.tier,
            "rate": self.rate,
            "score": self.score,
            "citation_recall": self.citation_recall,
            "citation_precision": self.citation_precision,
            "sources": self.sources,
            "answer": self.answer,
            "sentences": self.sentences,
        }

    def __str__(self) -> str:
        lines = [_marked(self.answer, self.unsupported, "⟦", "⟧"), ""]
        checked = self.checked
        rate = "nothing to check" if self.rate is None else f"{self.rate:.3f}"
        lines.append(f"{self.metric}: {rate} ({sum(s.supported for s in checked)} of {len(checked)} sentences supported)")
        if self.has_marks:
            lines.append(f"citation recall {_number(self.citation_recall)}, precision {_number(self.citation_precision)}")
        lines += [f"  {span.reason}" for span in self.unsupported]
        return "\n".join(lines)

    def __repr__(self) -> str:
        rate = "None" if self.rate is None else f"{self.rate:.3f}"
        return f"Grounding(metric={self.metric!r}, rate={rate}, sentences={len(self.sentences)}, sources={self.sources})"

    def _repr_html_(self) -> str:
        parts, at = [], 0
        for span in self.unsupported:
            parts.append(escape(self.answer[at : span.start]))
            parts.append(f'<mark title="{escape(span.reason)}">{escape(self.answer[span.start : span.end])}</mark>')
            at = span.end
        parts.append(escape(self.answer[at:]))
        rate = "nothing to check" if self.rate is None else f"{self.rate:.3f}"
        return f"<p style='white-space: pre-wrap'>{''.join(parts)}</p><p>{escape(self.metric)}: {rate}</p>"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def _marked(text: str, spans: Sequence[Unsupported], before: str, after: str) -> str:
    parts, at = [], 0
    for span in spans:
        parts += [text[at : span.start], before, text[span.start : span.end], after]
        at = span.end
    return "".join([*parts, text[at:]])
