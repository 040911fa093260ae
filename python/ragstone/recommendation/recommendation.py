"""What a project is advised, with everything that it rests on, as text, Markdown, JSON, a page, or a hand-off."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ragstone.handoff import Handoff, write_bundle
from ragstone.recommendation.expenses import expenses, has_prices
from ragstone.recommendation.html import page
from ragstone.recommendation.known import upkeep
from ragstone.recommendation.measurements import Project
from ragstone.recommendation.policy import Dimension, Verdict
from ragstone.recommendation.report import HEADLINES, aligned, language_note, markdown, value_text
from ragstone.recommendation.sensitivity import FlipPoint, flip_points
from ragstone.recommendation.warnings import Mistake, warnings
from ragstone.recommender.costs import Costs
from ragstone.recommender.maintenance import Maintenance

if TYPE_CHECKING:
    from ragstone.index import SearchIndex

__all__ = ["Recommendation"]


@dataclass(frozen=True, repr=False)
class Recommendation:
    """What a project is advised, and everything that it rests on.

    ``decision`` is ``"rag"``, ``"fine_tune"``, ``"hybrid"``, ``"prompt_first"`` or ``"undecided"``. It holds no time
    of day and no time measured by the clock, so that the same project and seed give the same report to the bit;
    ``timings`` has those (``search_ms_p95``), apart.
    """

    verdict: Verdict
    configuration: Mapping[str, object]
    timings: Mapping[str, float] = field(default_factory=dict, compare=False)
    _index: SearchIndex | None = field(default=None, compare=False)

    @property
    def decision(self) -> str:
        """What is advised."""
        return self.verdict.decision

    @property
    def project(self) -> Project:
        """What was measured and declared."""
        return self.verdict.project

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """The article's five, from -1 (fine-tune) to +1 (retrieve)."""
        return self.verdict.dimensions

    @cached_property
    def warnings(self) -> tuple[Mistake, ...]:
        """The mistakes that are being made, each with its proof."""
        return warnings(self.project, self.verdict.rules)

    @cached_property
    def flip_points(self) -> tuple[FlipPoint, ...]:
        """For each input the nearest value that turns the decision."""
        return flip_points(self.project, self.verdict.rules)

    @cached_property
    def maintenance(self) -> Maintenance:
        """Recurring work of each way."""
        return upkeep(self.project, self.verdict.rules)

    @cached_property
    def costs(self) -> Costs:
        """Costs and latencies of each way."""
        return expenses(self.project, self.verdict.rules)

    @property
    def prices_declared(self) -> bool:
        """Whether any price is the project's own."""
        return has_prices(self.project)

    def to_dict(self) -> dict[str, Any]:
        """All of it for JSON; every evidence id of a sentence is a key of ``evidence``."""
        return {
            **self.verdict.to_dict(),
            "headline": HEADLINES[self.decision],
            "needs": self.project.needs.to_dict(),
            "warnings": [one.to_dict() for one in self.warnings],
            "flip_points": [one.to_dict() for one in self.flip_points],
            "maintenance": self.maintenance.to_dict(),
            "costs": self.costs.to_dict(),
            "configuration": dict(self.configuration),
        }

    def to_markdown(self) -> str:
        """The report as Markdown."""
        return markdown(self)

    def to_html(self) -> str:
        """The report as one page with charts, without scripts, that loads nothing."""
        return page(self)

    def handoff(
        self,
        folder: str | os.PathLike[str],
        examples: str | os.PathLike[str] | Iterable[object],
        *,
        seed: int = 0,
        **options: Any,
    ) -> Handoff:
        """Write what somebody needs who fine-tunes; nothing is trained and nothing is sent.

        Args:
            folder: Where the bundle goes; it must not exist, or be empty.
            examples: Pairs of request and answer: a JSON Lines file, or rows.
            seed: Of the split.
            options: As :func:`ragstone.handoff.write_bundle` has them; costs are by default this project's.

        Raises:
            InvalidInput: The examples cannot be used, or the folder is not empty.
        """
        options = {"costs": self.costs, "index": self._index, **options}
        return write_bundle(folder, recommendation=self.to_dict(), examples=examples, seed=seed, **options)

    def __str__(self) -> str:
        blocks = [f"{self.decision} ({self.verdict.rule}): {HEADLINES[self.decision]}"]
        blocks.append("\n".join(f"  - {reason.text} [{reason.evidence}]" for reason in self.verdict.reasons))
        blocks.append(language_note(self))
        rows = [
            (f"  {one.name.replace('_', ' ')}", f"{one.value:+.2f}", f"{one.source}, confidence {one.confidence:.2f}")
            for one in self.dimensions
        ]
        blocks.append("\n".join(["Dimensions, from -1 fine-tune to +1 retrieve:", *aligned(rows)]))
        for one in self.warnings:
            proof = [f"  - {text}" for text, _ in one.proof]
            blocks.append("\n".join([f"{one.code}: {one.message}", *proof, f"  What to do: {one.action}."]))
        turning = [one for one in self.flip_points if one.then is not None]
        if turning:
            rows = [
                (
                    f"  {one.input}",
                    f"{value_text(one.current)} → {value_text(one.value)}",
                    f"{value_text(one.now)} → {value_text(one.then)}",
                )
                for one in turning
            ]
            blocks.append("\n".join(["What would turn it:", *aligned(rows)]))
        hours = ", ".join(f"{one} {self.maintenance.hours(one):.1f}" for one in ("rag", "fine_tune", "hybrid"))
        blocks.append(f"Upkeep, hours of people a month: {hours}")
        if self.verdict.collect:
            lines = [
                f"  - {one.what}{'' if one.how_many is None else f': {one.how_many:,}'} ({one.why})"
                for one in self.verdict.collect
            ]
            blocks.append("\n".join(["Collect next:", *lines]))
        return "\n\n".join(block for block in blocks if block)

    def __repr__(self) -> str:
        return f"<recommendation: {self.decision} ({self.verdict.rule}), {len(self.warnings)} warnings>"

    def _repr_html_(self) -> str:
        return page(self)
