"""Measures a fine-tuned model by what it wrote on held-out samples, beside what it should have written.

Two JSON Lines files, matched by id: predictions ``{"id": "7", "prediction": "refund"}`` and references
``{"id": "7", "reference": "refund"}``. What they hold depends on the task: a label or a list of labels; JSON as text or
as a value; or text. A prediction of ``null`` is an answer that the model did not give, and counts as wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, cast

from ragstone.arguments import integer, one_of, shown
from ragstone.errors import InvalidInput
from ragstone.estimates import Estimate, mean, proportion
from ragstone.lines import json_lines, where
from ragstone.scoring import (
    JsonScores,
    LabelDifference,
    LabelScores,
    StyleScores,
    field_difference,
    label_difference,
    parsed,
    score_json,
    score_labels,
    score_style,
    style_difference,
)
from ragstone.scoring.labels import Label
from ragstone.scoring.style import TEXTS_MIN

__all__ = ["Baseline", "FinetuneReport", "Task", "TextScores", "finetune", "read_finetune", "read_schema"]

Task: TypeAlias = Literal["labels", "json", "text"]

_LABEL_CHARACTERS_MAX = 60

_Schema: TypeAlias = "Mapping[str, object] | bool | None"
_Rows: TypeAlias = "dict[str, tuple[int, object]]"


@dataclass(frozen=True, slots=True, repr=False)
class TextScores:
    """Free text: the share equal to its reference but for white space, and its style where there are texts enough."""

    exact: Estimate
    missing: int
    style: StyleScores | None

    def to_dict(self) -> dict[str, object]:
        """Everything by name, for JSON."""
        style = None if self.style is None else self.style.to_dict()
        return {"exact": self.exact.to_dict(), "missing": self.missing, "style": style}

    def __str__(self) -> str:
        style = f"style          not judged: that takes {TEXTS_MIN} texts" if self.style is None else str(self.style)
        return f"exact          {self.exact}\nmissing        {self.missing} predictions\n{style}"

    def __repr__(self) -> str:
        return str(self)


Scores: TypeAlias = "LabelScores | JsonScores | TextScores"


@dataclass(frozen=True, slots=True, repr=False)
class Baseline:
    """The model that was only prompted: its own figures, and what the tuned one gains, sample by sample."""

    scores: Scores
    gains: Mapping[str, Estimate]

    def to_dict(self) -> dict[str, object]:
        """Everything by name, for JSON."""
        return {"scores": self.scores.to_dict(), "gains": {name: one.to_dict() for name, one in self.gains.items()}}

    def __repr__(self) -> str:
        return f"Baseline(gains={dict(self.gains)})"


@dataclass(frozen=True, slots=True, repr=False)
class FinetuneReport:
    """What :func:`finetune` found; ``inferred`` tells that the task was guessed from the data."""

    task: Task
    inferred: bool
    samples: int
    scores: Scores
    baseline: Baseline | None

    def to_dict(self) -> dict[str, object]:
        """Everything by name, for JSON."""
        return {
            "task": self.task,
            "inferred": self.inferred,
            "samples": self.samples,
            "scores": self.scores.to_dict(),
            "baseline": None if self.baseline is None else self.baseline.to_dict(),
        }

    def __str__(self) -> str:
        guessed = ", as the data looks; say so with task= if not" if self.inferred else ""
        lines = [f"task {self.task}{guessed}; {self.samples} samples; intervals of 95 %", str(self.scores)]
        if self.baseline is None:
            lines.append("baseline       none: score the same model with a prompt alone to know what tuning brought")
        else:
            lines += ["baseline", *(f"  {line}" for line in str(self.baseline.scores).splitlines())]
            lines.append("gain over the baseline, on the same samples")
            for name, one in self.baseline.gains.items():
                sure = "" if one.low > 0 or one.high < 0 else "  (may be chance)"
                lines.append(f"  {name:<12} {one.value:+.3f} [{one.low:+.3f}, {one.high:+.3f}]{sure}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)


def finetune(
    predictions: Mapping[str, object],
    references: Mapping[str, object],
    *,
    task: Task | None = None,
    schema: Mapping[str, object] | bool | None = None,
    baseline: Mapping[str, object] | None = None,
    seed: int = 0,
) -> FinetuneReport:
    """Score what a fine-tuned model wrote on held-out samples.

    Args:
        predictions: What it wrote, by id; ``None`` where it wrote nothing.
        references: What it should have written, by the same ids.
        task: ``"labels"``, ``"json"`` or ``"text"``; without it, what the references look like.
        schema: JSON Schema for the task ``"json"``, which it implies.
        baseline: What the same model wrote with a prompt alone, by the same ids. Without it nobody knows what the
            tuning brought.
        seed: Of the resampling: equal seeds give equal reports.

    Raises:
        InvalidInput: The ids differ, there are none, or the references do not fit the task.
        MissingDependency: A schema needs ``pip install 'ragstone[eval]'``.

    >>> report = finetune({"1": "refund", "2": "price"}, {"1": "refund", "2": "refund"}, task="labels")
    >>> report.scores.accuracy.value
    0.5
    """
    for given, what in ((predictions, "predictions"), (baseline, "baseline")):
        if given is not None and given.keys() != references.keys():
            name = sorted(given.keys() ^ references.keys())[0]
            side = what if name in given else "references"
            raise InvalidInput(f"id {shown(name)} is only in the {side}: the same samples belong in both")
    if not references:
        raise InvalidInput("there are no references: give at least one sample")
    chosen = task if task is not None else _looks_like(references, schema)
    one_of(chosen, "task", ("labels", "json", "text"))
    if schema is not None and chosen != "json":
        raise InvalidInput(f'a schema goes with the task "json", not "{chosen}": leave one of them out')
    seed = integer(seed, "seed", 0, (1 << 63) - 1)
    names = sorted(references)
    right, wrote = [references[name] for name in names], [predictions[name] for name in names]
    scores = _score(chosen, wrote, right, names, schema, seed)
    compared = None
    if baseline is not None:
        prompted = [baseline[name] for name in names]
        plain = _score(chosen, prompted, right, names, schema, seed)
        compared = Baseline(plain, _gains((scores, plain), wrote, prompted, right, names, seed))
    return FinetuneReport(task=chosen, inferred=task is None, samples=len(names), scores=scores, baseline=compared)


def read_finetune(
    predictions: Path, references: Path, baseline: Path | None = None
) -> tuple[dict[str, object], dict[str, object], dict[str, object] | None]:
    """Read predictions, references and, where given, a baseline's predictions, and see that they are the same samples.

    Raises:
        InvalidInput: A line cannot be used, an id comes twice, or one file lacks an id of another; the message names
            file and line.
    """
    right = _read(references, ("reference",))
    given = _read(predictions, ("prediction",))
    _same(given, predictions, right, references)
    other = None
    if baseline is not None:
        other = _read(baseline, ("prediction",))
        _same(other, baseline, right, references)
    return (
        {name: value for name, (_, value) in given.items()},
        {name: value for name, (_, value) in right.items()},
        None if other is None else {name: value for name, (_, value) in other.items()},
    )


def read_schema(path: Path) -> Mapping[str, object] | bool:
    """A JSON Schema from a file.

    Raises:
        InvalidInput: There is no such file, or it is no JSON object.
    """
    try:
        schema = parsed(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidInput(f"there is no file {str(path)!r}: check the path") from None
    except (UnicodeDecodeError, InvalidInput) as error:
        raise InvalidInput(f"file {str(path)!r} {error}") from None
    if not isinstance(schema, (dict, bool)):
        raise InvalidInput(f"file {str(path)!r} holds {shown(schema)}: a JSON Schema is an object, or true or false")
    return schema


def _read(path: Path, names: tuple[str, ...]) -> _Rows:
    rows: _Rows = {}
    for number, row in json_lines(path):
        here = where(path, number)
        name = next((row[field] for field in ("id", "_id") if field in row), None)
        if isinstance(name, bool) or not isinstance(name, (str, int)) or not str(name).strip():
            raise InvalidInput(f'{here} has no "id": give each sample one')
        if (field := next((field for field in names if field in row), None)) is None:
            raise InvalidInput(f'{here} has no "{names[0]}": write null where there is none')
        if str(name) in rows:
            raise InvalidInput(f"{here} has the id {shown(str(name))} of line {rows[str(name)][0]}: keep one of them")
        rows[str(name)] = (number, row[field])
    if not rows:
        raise InvalidInput(f"file {str(path)!r} has no samples")
    return rows


def _same(given: _Rows, path: Path, right: _Rows, references: Path) -> None:
    for rows, of, others, other in ((given, path, right, references), (right, references, given, path)):
        for name, (number, _) in rows.items():
            if name not in others:
                raise InvalidInput(
                    f"{where(of, number)} has the id {shown(name)}, which {str(other)!r} lacks: "
                    "the same samples belong in both"
                )


def _looks_like(references: Mapping[str, object], schema: object) -> Task:
    """The task that references like these belong to."""
    values = list(references.values())
    if schema is not None or any(isinstance(value, Mapping) for value in values):
        return "json"
    if any(isinstance(value, list) for value in values):
        return "labels"
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) == len(values) and all(text.lstrip()[:1] in ("{", "[") for text in texts):
        return "json"
    short = all(len(text) <= _LABEL_CHARACTERS_MAX and "\n" not in text for text in texts)
    return "labels" if short and 2 * len(set(texts)) <= len(texts) else "text"


def _score(
    task: Task, given: Sequence[object], right: Sequence[object], names: Sequence[str], schema: _Schema, seed: int
) -> Scores:
    if task == "labels":
        return score_labels(_all_labels(right, names), _all_labels(given, names), seed=seed)
    if task == "json":
        return score_json(given, right, schema=schema, names=names, seed=seed)
    wanted, wrote = _texts(right, names, "reference"), _texts(given, names, "prediction")
    return TextScores(
        exact=proportion(sum(_equal(wrote, wanted)), len(wanted)),
        missing=sum(value is None for value in given),
        style=score_style(wrote, wanted, paired=True, seed=seed) if len(wanted) >= TEXTS_MIN else None,
    )


def _gains(
    scores: tuple[Scores, Scores],
    given: Sequence[object],
    other: Sequence[object],
    right: Sequence[object],
    names: Sequence[str],
    seed: int,
) -> dict[str, Estimate]:
    """What a model gains over the other, on the same samples."""
    ours, plain = scores
    if isinstance(ours, LabelScores):
        labels = (_all_labels(side, names) for side in (right, given, other))
        gained: LabelDifference = label_difference(*labels, seed=seed)
        return {"accuracy": gained.accuracy, "macro-F1": gained.macro_f1}
    if isinstance(ours, JsonScores) and isinstance(plain, JsonScores):
        what = "parses" if ours.valid is None else "valid"
        passed = [float(a) - float(b) for a, b in zip(ours.passed, plain.passed, strict=True)]
        return {what: mean(passed, seed=seed), "fields": field_difference(given, other, right, seed=seed)}
    wanted = _texts(right, names, "reference")
    sides = [_texts(side, names, "prediction") for side in (given, other)]
    equal = [float(a) - float(b) for a, b in zip(*(_equal(side, wanted) for side in sides), strict=True)]
    gains = {"exact": mean(equal, seed=seed)}
    if len(wanted) >= TEXTS_MIN:
        gains["style"] = style_difference(sides[0], sides[1], wanted, seed=seed)
    return gains


def _all_labels(values: Sequence[object], names: Sequence[str]) -> list[Label]:
    return [_label(value, name) for value, name in zip(values, names, strict=True)]


def _label(value: object, name: str) -> Label:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return cast("list[str]", value)
    raise InvalidInput(f"sample {shown(name)} has {shown(value)}: a label is text, or a list of texts")


def _texts(values: Sequence[object], names: Sequence[str], what: str) -> list[str]:
    """Texts; a prediction that was not given is an empty one."""
    ready = []
    for value, name in zip(values, names, strict=True):
        if not isinstance(value, str) and not (value is None and what == "prediction"):
            raise InvalidInput(f'the {what} of sample {shown(name)} is {shown(value)}: the task "text" takes text')
        ready.append(value or "")
    return ready


def _equal(texts: Sequence[str], others: Sequence[str]) -> list[bool]:
    """Which are the same but for white space."""
    return [text.split() == other.split() for text, other in zip(texts, others, strict=True)]
