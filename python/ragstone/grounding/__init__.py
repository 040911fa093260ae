"""Whether an answer says what its sources say, sentence by sentence, and which parts of it no source supports.

Groundedness is supported sentences among those that can be checked. Who judges is a tier, and the tier is part of
the metric's name: ``groundedness-T0`` compares words and facts and needs no model; ``groundedness-T1:<model>`` asks an
ONNX entailment model of yours.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

from ragstone.arguments import listed, text
from ragstone.errors import InvalidInput
from ragstone.grounding.lexical import Lexical
from ragstone.grounding.result import GroundedSentence, Grounding, Unsupported
from ragstone.records import Hit

__all__ = ["Checker", "GroundedSentence", "Grounding", "Unsupported", "check"]


class _Judge(Protocol):
    tier: str

    def judge(self, answer: str, sources: Sequence[str]) -> tuple[GroundedSentence, ...]: ...


class Checker:
    """Checks many answers with one tier: a model is loaded once.

    ``background`` are texts, such as all chunks that were retrieved, whose rarer words weigh more in tier T0; without
    any, all words weigh the same. ``language`` is that of tier T0's analyzer.
    """

    def __init__(
        self, tier: str | os.PathLike[str] = "T0", *, language: str = "english", background: Sequence[str] = ()
    ) -> None:
        """Load the tier: ``"T0"``, or the folder of an ONNX entailment model.

        Raises:
            InvalidInput: There is no such tier and no such folder, or no analyzer for the language.
            MissingDependency: A model needs onnxruntime and tokenizers.
            ModelError: The folder is not a usable model folder.
        """
        self._judge = _judge(tier, language, background)

    @property
    def tier(self) -> str:
        """``T0``, or ``T1:`` with the model's name."""
        return self._judge.tier

    def check(self, answer: str, sources: Sequence[str | Hit]) -> Grounding:
        """As :func:`check`."""
        answer = text(answer, "answer")
        texts = [_source(source, number) for number, source in enumerate(listed(sources, "sources"), 1)]
        sentences = self._judge.judge(answer, texts)
        return Grounding(answer=answer, tier=self.tier, sentences=sentences, sources=len(texts))


def check(
    answer: str, sources: Sequence[str | Hit], *, tier: str | os.PathLike[str] = "T0", language: str = "english"
) -> Grounding:
    """Check an answer against the sources that it was written from.

    Args:
        answer: The text to check; marks such as ``[1]`` or ``[1, 3]`` cite sources by number, from 1.
        sources: Texts or hits, in the order in which the answer numbers them.
        tier: ``"T0"``, or the folder of an ONNX entailment model.
        language: The answer's language, for tier T0.

    Raises:
        InvalidInput: Something is not a text, there is no such tier, or there are more than 64 MiB.
        MissingDependency: A model needs onnxruntime and tokenizers.
        ModelError: The folder is not a usable model folder.

    >>> found = check("Refunds take 31 days [1].", ["A refund takes thirty days."])
    >>> print(found)
    Refunds take ⟦31 days⟧ [1].
    <BLANKLINE>
    groundedness-T0: 0.000 (0 of 1 sentences supported)
    citation recall 0.000, precision 0.000
      number '31 days' is in no source
    >>> check("A refund takes 30 days [1].", ["A refund takes thirty days."]).rate
    1.0
    """
    checker = _plain_checker(language) if tier == "T0" else Checker(tier, language=language)
    return checker.check(answer, sources)


@cache
def _plain_checker(language: str) -> Checker:
    return Checker(language=language)


def _judge(tier: str | os.PathLike[str], language: str, background: Sequence[str]) -> _Judge:
    if tier == "T0":
        return Lexical(language=language, background=background)
    if isinstance(tier, (str, os.PathLike)) and Path(tier).is_dir():
        from ragstone.grounding.entailment import Entailment

        return Entailment(Path(tier))
    raise InvalidInput(f"there is no tier {tier!r}: pass 'T0', or the folder of an ONNX entailment model")


def _source(source: str | Hit, number: int) -> str:
    return source.text if isinstance(source, Hit) else text(source, f"source {number}")
