"""Puts a hand-off together: reads examples, cleans and splits them, measures the case, writes the folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from ragstone.arguments import integer, number, one_of, shown
from ragstone.embedding import embedder as find_embedder
from ragstone.errors import InvalidInput
from ragstone.handoff.citing import Citing, Searches, with_chunks
from ragstone.handoff.cleaning import Cleaned, Volatile, clean
from ragstone.handoff.contents import contents
from ragstone.handoff.examples import Task, read_examples, task_of
from ragstone.handoff.folder import check_place, write_folder
from ragstone.handoff.formats import FORMATS
from ragstone.handoff.measured import outcome_of
from ragstone.handoff.measuring import measure
from ragstone.handoff.volatile import History
from ragstone.recommender.costs import Costs
from ragstone.records import Embedder

if TYPE_CHECKING:
    from ragstone.index import SearchIndex

__all__ = ["Handoff", "write_bundle"]


@dataclass(frozen=True, slots=True, repr=False)
class Handoff:
    """What :func:`write_bundle` wrote.

    ``ready`` says whether training may start, ``findings`` what stands against it. ``volatile`` and ``proven`` count
    examples that stated facts of changing kind, and facts that history proves to have changed; ``personal`` counts
    spans. ``case`` is the measured case for labels, by name.
    """

    folder: Path
    task: Task
    read: int
    dropped: int
    masked: int
    train: int
    valid: int
    test: int
    labels: Mapping[str, int]
    leaking: int
    volatile: int
    proven: int
    personal: int
    case: Mapping[str, object] | None
    ready: bool
    findings: tuple[str, ...]
    files: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Everything by name, for JSON."""
        return {
            "folder": str(self.folder),
            "task": self.task,
            "read": self.read,
            "dropped": self.dropped,
            "masked": self.masked,
            "train": self.train,
            "valid": self.valid,
            "test": self.test,
            "labels": dict(self.labels),
            "leaking": self.leaking,
            "volatile": self.volatile,
            "proven": self.proven,
            "personal": self.personal,
            "case": None if self.case is None else dict(self.case),
            "ready": self.ready,
            "findings": list(self.findings),
            "files": list(self.files),
        }

    def __str__(self) -> str:
        labels = f", {len(self.labels)} labels" if self.labels else ""
        lines = [
            f"{len(self.files)} files in {str(self.folder)!r}; task {self.task}{labels}; "
            f"{'ready to train' if self.ready else 'NOT ready to train'}",
            f"examples   {self.read:,} read, {self.dropped:,} left out, {self.train:,} train, {self.valid:,} valid, "
            f"{self.test:,} held out",
            f"cleaned    {self.masked:,} masked; facts that change in {self.volatile:,}, proven in {self.proven:,}; "
            f"{self.personal:,} spans of personal data",
            f"leakage    {self.leaking} held-out examples have a near-duplicate in training",
        ]
        if self.case is not None:
            for name in ("classifier", "retrieval", "majority"):
                side = cast("Mapping[str, Mapping[str, float]]", self.case[name])
                lines.append(f"{name:<11}accuracy {_range(side['accuracy'])}, macro-F1 {_range(side['macro_f1'])}")
        return "\n".join([*lines, *(f"finding    {one}" for one in self.findings)])

    def __repr__(self) -> str:
        return str(self)


def write_bundle(
    folder: str | os.PathLike[str],
    *,
    recommendation: Mapping[str, object],
    examples: str | os.PathLike[str] | Iterable[object],
    index: SearchIndex | None = None,
    formats: Sequence[str] = FORMATS,
    seed: int = 0,
    embedder: Embedder | str | None = "builtin",
    schema: Mapping[str, object] | None = None,
    test_share: float = 0.2,
    valid_share: float = 0.1,
    volatile: Volatile = "auto",
    personal: Literal["mask", "keep"] = "mask",
    target: float = 0.95,
    costs: Costs | None = None,
    overwrite: bool = False,
) -> Handoff:
    """Write all that somebody needs who fine-tunes: data, split without leaks, evaluation, costs, triggers, upkeep.

    The folder appears whole or not at all, and equal arguments give equal bytes.

    Args:
        folder: Where to; it must not exist, or be empty.
        recommendation: The decision record, kept as it is; ``decision`` and ``maintenance`` are read from it.
        examples: A file of JSON Lines, or rows or pairs; see :mod:`ragstone.handoff.examples` for the fields.
        index: The project's index: its history proves which facts have changed, and where the decision is ``hybrid``
            its chunks are put into the requests.
        formats: Which of ``"messages"``, ``"prompt_completion"`` and ``"alpaca"``.
        seed: Of everything that is drawn.
        embedder: What tells near-duplicates by meaning and measures labels; ``None`` leaves both out.
        schema: JSON Schema of the answers; inferred where all are JSON.
        test_share: Of the examples, held out.
        valid_share: Of the examples, for early stopping.
        volatile: What becomes of facts that change: ``"auto"``, ``"mask"``, ``"drop"`` or ``"keep"``.
        personal: Whether personal data is masked.
        target: The accuracy for which needed examples are estimated.
        costs: From :func:`ragstone.recommender.costs.costs`, with your prices; by default placeholders.
        overwrite: Replace a former bundle that holds nothing else.

    Raises:
        InvalidInput: An argument cannot be used, no example is usable, or the folder is not free.
        StorageError: The folder cannot be written.

    >>> import tempfile
    >>> pairs = [(f"Where is parcel {n} to {town}?", "track") for n, town in enumerate(["Rome", "Oslo", "Lima"] * 9)]
    >>> pairs += [(f"Refund order {n} because of {why}", "refund") for n, why in enumerate(["dust", "rust"] * 9)]
    >>> with tempfile.TemporaryDirectory() as place:
    ...     done = write_bundle(f"{place}/bundle", recommendation={"decision": "fine_tune"}, examples=pairs)
    >>> done.task, done.labels, done.leaking
    ('labels', {'refund': 18, 'track': 27}, 0)
    """
    place = _place(folder, overwrite)
    record = _record(recommendation)
    forms = _forms(formats)
    if schema is not None and not isinstance(schema, Mapping):
        raise InvalidInput(f"schema is {shown(schema)}: pass a JSON Schema as a mapping, or None")
    seed = integer(seed, "seed", 0, (1 << 63) - 1)
    shares = (number(valid_share, "valid_share", 0, 0.45), number(test_share, "test_share", 0, 0.45))
    one_of(volatile, "volatile", ("auto", "mask", "drop", "keep"))
    one_of(personal, "personal", ("mask", "keep"))
    number(target, "target", 0.01, 0.9999)
    meaning = find_embedder(embedder) if isinstance(embedder, str) else embedder
    read = read_examples(examples)
    task = "json" if schema is not None else task_of(read.usable)
    past = cast("History | None", index)
    citing: Citing | None = None
    cleaned = clean(read.usable, task=task, index=past, volatile=volatile, personal=personal)
    if index is not None and task == "text" and outcome_of(record) == "hybrid":
        citing = with_chunks(read.usable, cast("Searches", index), seed=seed)
        again = clean(citing.usable, task=task, index=past, volatile=volatile, personal=personal, passages=True)
        cleaned = _with_former_facts(again, cleaned)
    if not cleaned.usable:
        first = (*cleaned.dropped, *(() if citing is None else citing.dropped))[0].reason
        raise InvalidInput(f"none of {len(read.usable):,} examples is left after cleaning; the first {first}")
    found = measure(
        record,
        read,
        cleaned,
        citing,
        task=task,
        embedder=meaning,
        shares=shares,
        schema=schema,
        costs=costs,
        target=target,
        seed=seed,
    )
    written = contents(found, forms)
    write_folder(place, written, overwrite=overwrite)
    parts = found.parts
    return Handoff(
        folder=place,
        task=task,
        read=found.read,
        dropped=len(found.dropped),
        masked=cleaned.masked,
        train=len(parts["train"]),
        valid=len(parts["valid"]),
        test=len(parts["test"]),
        labels=found.labels,
        leaking=found.leakage.leaking,
        volatile=cleaned.volatile,
        proven=cleaned.proven,
        personal=len(cleaned.personal),
        case=None if found.case is None else found.case.to_dict(),
        ready=found.ready,
        findings=found.findings,
        files=tuple(sorted(written)),
    )


def _place(folder: object, overwrite: object) -> Path:
    if not isinstance(folder, (str, os.PathLike)) or not str(folder):
        raise InvalidInput(f"folder is {shown(folder)}: pass the name of a folder")
    if not isinstance(overwrite, bool):
        raise InvalidInput(f"overwrite is {shown(overwrite)}: pass True or False")
    check_place(Path(folder), overwrite=overwrite)
    return Path(folder)


def _record(recommendation: object) -> dict[str, Any]:
    """The decision record as plain JSON."""
    if not isinstance(recommendation, Mapping):
        raise InvalidInput(f"recommendation is {shown(recommendation)}: pass a mapping, such as to_dict() gives")
    try:
        plain = json.loads(json.dumps(dict(recommendation), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"the recommendation cannot be written as JSON: {error}") from None
    return cast("dict[str, Any]", plain)


def _forms(formats: object) -> tuple[str, ...]:
    if isinstance(formats, str) or not isinstance(formats, Iterable) or not (named := list(formats)):
        raise InvalidInput(f"formats are {shown(formats)}: pass a list of {', '.join(FORMATS)}")
    for name in named:
        one_of(name, "format", FORMATS)
    return tuple(form for form in FORMATS if form in named)


def _with_former_facts(cleaned: Cleaned, before: Cleaned) -> Cleaned:
    """What became of examples with chunks, and what history proves of all, those that no chunk supports included."""
    proven = [row for row in before.facts if row["proven"]]
    cleaned.facts = proven + [row for row in cleaned.facts if not row["proven"]]
    cleaned.proven, cleaned.volatile = before.proven, before.volatile
    return cleaned


def _range(estimate: Mapping[str, float]) -> str:
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"
