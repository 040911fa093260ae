"""Null retrieval: how often nothing that was returned passes for an answer, and how well that agrees with the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ragstone.errors import InvalidInput
from ragstone.estimates import Estimate, auroc, calibration_error, proportion
from ragstone.evaluation.calibration import Example, examples_of

if TYPE_CHECKING:
    from ragstone.pipeline import Index

__all__ = ["NullReport", "Separation", "null", "null_of"]

_KEPT = 0.95
# Shares of queries answered, most answerable first, at which the risk is told.
_COVERAGES = (0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Separation:
    """How well answerable questions are told from one kind of unanswerable ones.

    ``refused`` is the share of these below the threshold; ``passing`` the share that passes where 95 of 100 answerable
    questions do (FPR95); ``ece`` the expected calibration error over both, each class counting half; ``risk`` the share
    of unanswerable questions among those answered, by the share of all questions answered, again each class half.
    """

    auroc: Estimate
    refused: Estimate
    passing: Estimate
    ece: float
    risk: Mapping[float, float]

    def to_dict(self) -> dict[str, object]:
        """Everything by name, for JSON."""
        estimates = {name: getattr(self, name).to_dict() for name in ("auroc", "refused", "passing")}
        return {**estimates, "ece": self.ece, "risk": {str(share): risk for share, risk in self.risk.items()}}


@dataclass(frozen=True, slots=True, repr=False)
class NullReport:
    """Null retrieval on one index; ``near`` are questions with their answers taken out, ``far`` those given.

    ``rate`` is the share of all questions asked of the whole corpus for which nothing that was returned passes the
    threshold; ``kept`` the share of answerable ones that pass.
    """

    rate: Estimate
    kept: Estimate
    near: Separation | None
    far: Separation | None
    threshold: float
    calibrated: bool
    embedder: str | None
    chunks: int
    documents: int
    generation: int

    def __str__(self) -> str:
        weights = "its own calibration" if self.calibrated else "the weights that ship"
        lines = [
            f"corpus               {self.chunks:,} chunks of {self.documents:,} documents, generation "
            f"{self.generation}",
            f"judged by            {weights}, embedder {self.embedder or 'none: BM25 alone'}",
            f"null retrieval rate  {self.rate}  of {self.rate.samples:,} questions",
            f"answerable kept      {self.kept}  of {self.kept.samples:,}, threshold {self.threshold:.3f}",
        ]
        for name, part in (("near", self.near), ("far", self.far)):
            if part is None:
                lines.append(f"{name:<21}not measured")
                continue
            lines += [
                f"{name + ' AUROC':<21}{part.auroc}  of {part.refused.samples:,} unanswerable",
                f"{name + ' refused':<21}{part.refused}",
                f"{name + ' FPR95':<21}{part.passing}",
                f"{name + ' ECE':<21}{part.ece:.3f}",
                f"{name + ' risk':<21}" + ", ".join(f"{risk:.3f} at {share:.0%}" for share, risk in part.risk.items()),
            ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, object]:
        """Everything by name, for JSON."""
        return {
            "rate": self.rate.to_dict(),
            "kept": self.kept.to_dict(),
            "near": None if self.near is None else self.near.to_dict(),
            "far": None if self.far is None else self.far.to_dict(),
            **{name: getattr(self, name) for name in self.__slots__[4:]},
        }


def null(
    index: Index,
    answerable: Mapping[str, str],
    unanswerable: Sequence[str] | None = None,
    qrels: Mapping[str, Mapping[str, int]] | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> NullReport:
    """Ask questions of which it is known whether the corpus answers them.

    Args:
        index: What is measured, with its calibration if it has one.
        answerable: Text of each question that the corpus answers, by id.
        unanswerable: Questions that it does not answer.
        qrels: Grades of the documents that answer each question. With them each question is asked once more with
            these documents left out: a *near* unanswerable. Questions without a relevant document are left out then.
        progress: Called with (questions asked, questions).

    Raises:
        InvalidInput: There is nothing to measure: no question, or neither unanswerable ones nor judgements.

    >>> import ragstone, tempfile
    >>> from ragstone.evaluation import null
    >>> documents = [ragstone.Document("a", "Refunds take 30 days."), ragstone.Document("b", "Lunch is at noon.")]
    >>> with tempfile.TemporaryDirectory() as folder, ragstone.open(folder, embedder=None) as index:
    ...     _ = index.upsert(documents)
    ...     report = null(index, {"q1": "How long do refunds take?"}, qrels={"q1": {"a": 1}})
    >>> report.near.auroc.value, report.chunks
    (1.0, 2)
    """
    if not unanswerable and qrels is None:
        raise InvalidInput("nothing is known to be unanswerable: pass unanswerable questions, qrels, or both")
    if qrels is None:
        examples = [Example(text, index.search_with_evidence(text)[1], "answerable") for text in answerable.values()]
        examples += examples_of(index, {}, {}, unanswerable or (), progress=progress)
    else:
        examples = list(examples_of(index, answerable, qrels, unanswerable or (), progress=progress))
    return null_of(index, examples)


def null_of(index: Index, examples: Sequence[Example]) -> NullReport:
    """The report for questions that were asked already."""
    if not any(example.kind == "answerable" for example in examples):
        raise InvalidInput("no question is known to be answerable: check that qrels name the ids of the questions")
    name = index.embedder.name if index.embedder is not None else None
    models = [index.judge(example.evidence) for example in examples]
    probability = np.array([model.probability(one.evidence) for model, one in zip(models, examples, strict=True)])
    passed = probability >= np.array([model.threshold for model in models])
    kinds = np.array([example.kind for example in examples])
    yes, whole = kinds == "answerable", kinds != "near"

    def separation(kind: str) -> Separation | None:
        of_kind = kinds == kind
        return _separation(probability[yes], probability[of_kind], passed[of_kind]) if of_kind.any() else None

    return NullReport(
        rate=proportion(int((~passed[whole]).sum()), int(whole.sum())),
        kept=proportion(int(passed[yes].sum()), int(yes.sum())),
        near=separation("near"),
        far=separation("far"),
        threshold=models[0].threshold,
        calibrated=index.calibration() is not None,
        embedder=name,
        chunks=len(index),
        documents=len(index.sources()),
        generation=index.generation,
    )


def _separation(answerable: NDArray[np.float64], others: NDArray[np.float64], passed: NDArray[np.bool_]) -> Separation:
    line = float(np.quantile(answerable, 1 - _KEPT))
    # Each class counts half, so both are repeated to about the same number.
    times = max(1, round(len(answerable) / len(others))), max(1, round(len(others) / len(answerable)))
    both = np.concatenate([np.repeat(answerable, times[1]), np.repeat(others, times[0])])
    truth = np.arange(len(both)) < len(answerable) * times[1]
    order = np.argsort(-both, kind="stable")
    wrong = np.cumsum(~truth[order]) / np.arange(1, len(both) + 1)
    return Separation(
        auroc=auroc(answerable, others),
        refused=proportion(int((~passed).sum()), len(others)),
        passing=proportion(int((others >= line).sum()), len(others)),
        ece=calibration_error(both, truth),
        risk={share: float(wrong[max(0, round(share * len(both)) - 1)]) for share in _COVERAGES},
    )
