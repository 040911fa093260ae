"""How much of what a model wrote is JSON, how much keeps to a schema, and how many of its fields are right.

A rate without its bound is no promise: 100 valid answers of 100 show only that 97 % are, with 95 % confidence.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ragstone.arguments import integer, number, shown
from ragstone.errors import InvalidInput, MissingDependency
from ragstone.estimates import Estimate, proportion

__all__ = ["JsonScores", "SchemaError", "field_difference", "parsed", "samples_needed", "score_json"]

_RESAMPLES = 2000
_ERRORS_SHOWN = 10
_MESSAGE_MAX = 200
_FENCE = re.compile(r"\A\s*```[a-zA-Z]*\s*\n(.*)\n\s*```\s*\Z", re.DOTALL)
# One-sided 95 % is the low end of a two-sided interval of 90 %.
_ONE_SIDED = 0.90

_Leaves = Counter[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class SchemaError:
    """The first thing wrong with one prediction; ``path`` is where, such as ``items[2].price``, ``""`` at the top."""

    sample: str
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.sample}: {self.path or 'the whole'}: {self.message}"


@dataclass(frozen=True, slots=True, repr=False)
class JsonScores:
    """What :func:`score_json` found.

    ``valid`` is the share that parses and keeps to the schema, ``None`` without a schema; ``at_least`` is the share
    that may be claimed with 95 % confidence: the one-sided bound of Clopper and Pearson for ``valid``, or for
    ``parses`` without a schema. ``fenced`` counts predictions that are no JSON only for a code fence around it.
    ``exact`` is the share equal to its reference, lists in order; ``fields`` is F1 over all fields with their values,
    ``per_field`` the same for each field, with how often the references have it. ``passed`` tells for each sample
    whether it is without error.
    """

    samples: int
    parses: Estimate
    valid: Estimate | None
    at_least: float
    fenced: int
    missing: int
    errors: tuple[SchemaError, ...]
    errors_total: int
    exact: Estimate | None
    fields: Estimate | None
    per_field: dict[str, tuple[float, int]]
    passed: tuple[bool, ...]

    def to_dict(self) -> dict[str, object]:
        """Everything by name, for JSON."""
        return {
            "samples": self.samples,
            "parses": self.parses.to_dict(),
            "valid": None if self.valid is None else self.valid.to_dict(),
            "at_least": self.at_least,
            "fenced": self.fenced,
            "missing": self.missing,
            "errors": self.errors,
            "errors_total": self.errors_total,
            "exact": None if self.exact is None else self.exact.to_dict(),
            "fields": None if self.fields is None else self.fields.to_dict(),
            "per_field": {name: {"f1": f1, "references": count} for name, (f1, count) in self.per_field.items()},
        }

    def __str__(self) -> str:
        judged, what = (self.parses, "parses") if self.valid is None else (self.valid, "valid")
        failures = self.samples - round(judged.value * self.samples)
        lines = [f"parses    {self.parses}  of {self.samples} samples, {self.fenced} more but for a code fence"]
        if self.valid is not None:
            lines.append(f"valid     {self.valid}")
        lines.append(f"claim     {what}: at least {100 * self.at_least:.1f} % (95 % confidence, {failures} failures)")
        lines.append(
            f"          to claim 99 % takes {samples_needed(0.99, failures=failures):,} samples with as many failures"
        )
        if self.missing:
            lines.append(f"missing   {self.missing} predictions")
        if self.exact is not None and self.fields is not None:
            lines += [f"exact     {self.exact}", f"fields    {self.fields}  F1"]
            width = max(map(len, self.per_field), default=0)
            worst = sorted(self.per_field.items(), key=lambda pair: (pair[1][0], pair[0]))[:_ERRORS_SHOWN]
            lines += [f"  {name:<{width}}  {f1:.3f}  of {count}" for name, (f1, count) in worst]
        lines += [f"error     {error}" for error in self.errors]
        if self.errors_total > len(self.errors):
            lines.append(f"          and {self.errors_total - len(self.errors)} more")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)


def samples_needed(share: float, *, failures: int = 0) -> int:
    """How many samples, ``failures`` of them wrong, it takes to claim that at least this share is right.

    With 95 % confidence, one-sided; without failures ln 0.05 / ln share, the "rule of three" (Hanley 1983).

    >>> samples_needed(0.99), samples_needed(0.97), samples_needed(0.99, failures=1)
    (299, 99, 473)
    """
    share, failures = number(share, "share", 0.01, 0.9999), integer(failures, "failures", 0, 1 << 30)
    most = max(failures + 1, math.ceil(math.log(0.05) / math.log(share)))
    while proportion(most - failures, most, confidence=_ONE_SIDED).low < share:
        most *= 2
    least = failures
    while most - least > 1:
        middle = (least + most) // 2
        enough = proportion(middle - failures, middle, confidence=_ONE_SIDED).low >= share
        least, most = (least, middle) if enough else (middle, most)
    return most


def parsed(text: str) -> object:
    """A model's text as JSON, strictly: no NaN, no infinite number, no field twice.

    Raises:
        InvalidInput: The text is anything else.
    """
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_distinct)
    except InvalidInput:
        raise
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"is no JSON: {str(error) or 'nested too deep'}") from None


def score_json(
    predictions: Sequence[object],
    references: Sequence[object] | None = None,
    *,
    schema: Mapping[str, object] | bool | None = None,
    names: Sequence[str] | None = None,
    seed: int = 0,
) -> JsonScores:
    """Check what a model wrote as JSON, against a schema and against what it should have written.

    A field is a leaf of the object with its path and value; lists compare as bags, so ``items[].price`` is one field
    however many items there are. F1 is 2 tp / (predicted + right), over all samples; texts compare without white space
    around them, and 1 equals 1.0.

    Args:
        predictions: Texts as the model wrote them, or values that are parsed already; ``None`` where it wrote nothing.
        references: The right values (text is parsed where it is JSON); as many.
        schema: A JSON Schema; its ``$schema`` says which draft, 2020-12 by default. ``format`` is not checked, as the
            standard has it, and nothing is fetched: a ``$ref`` must lie within the schema.
        names: What messages call the samples; by default their numbers from 0.
        seed: Of the resampling for the interval of F1.

    Raises:
        InvalidInput: There are no predictions, not as many references, or the schema is none.
        MissingDependency: A schema needs ``pip install 'ragstone[eval]'``.

    >>> found = score_json(['{"total": 3}', "total: 3"], [{"total": 3}, {"total": 3}])
    >>> found.parses.value, found.fields.value, found.errors[0].message[:10]
    (0.5, 0.6666666666666666, 'is no JSON')
    """
    if not predictions or (references is not None and len(references) != len(predictions)):
        given = "no" if references is None else len(references)
        raise InvalidInput(
            f"there are {len(predictions)} predictions and {given} references: pass as many, at least one"
        )
    called = [str(one) for one in (range(len(predictions)) if names is None else names)]
    check = None if schema is None else _checker(schema)
    values, errors, passed, fenced = [], [], [], 0
    for name, prediction in zip(called, predictions, strict=True):
        value, error = _read(prediction, name)
        if error is not None and isinstance(prediction, str):
            fenced += _is_fenced(prediction)
        if error is None and check is not None:
            error = check(value, name)
        values.append(value)
        passed.append(error is None)
        if error is not None:
            errors.append(error)
    count, missing = len(predictions), sum(one is None for one in predictions)
    parses = count - sum(value is _NOTHING for value in values)
    judged = parses if schema is None else count - len(errors)
    exact: Estimate | None = None
    fields: Estimate | None = None
    per_field: dict[str, tuple[float, int]] = {}
    if references is not None:
        right = [_reference(one) for one in references]
        exact = proportion(sum(_equal(a, b) for a, b in zip(values, right, strict=True)), count)
        fields, per_field = _field_scores(values, right, seed)
    return JsonScores(
        samples=count,
        parses=proportion(parses, count),
        valid=None if schema is None else proportion(judged, count),
        at_least=proportion(judged, count, confidence=_ONE_SIDED).low,
        fenced=fenced,
        missing=missing,
        errors=tuple(errors[:_ERRORS_SHOWN]),
        errors_total=len(errors),
        exact=exact,
        fields=fields,
        per_field=per_field,
        passed=tuple(passed),
    )


def field_difference(
    predictions: Sequence[object], baseline: Sequence[object], references: Sequence[object], *, seed: int = 0
) -> Estimate:
    """F1 over fields of a model less that of its baseline; the interval resamples the same samples for both.

    >>> print(field_difference(['{"a": 1}'] * 9, ['{"a": 2}'] * 9, ['{"a": 1}'] * 9))
    1.000 [1.000, 1.000]
    """
    if not predictions or not len(predictions) == len(baseline) == len(references):
        raise InvalidInput(
            f"there are {len(predictions)} predictions, {len(baseline)} of the baseline and {len(references)} "
            "references: pass as many, at least one"
        )
    right = [_reference(one) for one in references]
    counts = [_agreement([_read(one, "")[0] for one in side], right) for side in (predictions, baseline)]
    return _resampled(lambda weights: _f1(weights @ counts[0]) - _f1(weights @ counts[1]), len(right), seed)


_NOTHING: Any = object()


def _read(prediction: object, name: str) -> tuple[Any, SchemaError | None]:
    """The value of a prediction, or nothing and why."""
    if prediction is None:
        return _NOTHING, SchemaError(name, "", "no prediction")
    if not isinstance(prediction, str):
        return prediction, None
    try:
        return parsed(prediction), None
    except InvalidInput as error:
        return _NOTHING, SchemaError(name, "", _cut(str(error)))


def _reference(value: object) -> object:
    """What should have been written; text that is no JSON stands for itself."""
    if not isinstance(value, str):
        return value
    try:
        return parsed(value)
    except InvalidInput:
        return value


def _is_fenced(text: str) -> bool:
    inner = _FENCE.match(text)
    return inner is not None and _read(inner.group(1), "")[1] is None


def _checker(schema: Mapping[str, object] | bool) -> Callable[[object, str], SchemaError | None]:
    """Finds what a schema has against a value; the library is told to fetch nothing."""
    try:
        import jsonschema
        import referencing.exceptions
        from jsonschema_specifications import REGISTRY
    except ImportError:
        raise MissingDependency("checking a schema needs jsonschema: pip install 'ragstone[eval]'") from None
    if not isinstance(schema, (Mapping, bool)):
        raise InvalidInput(f"schema is {shown(schema)}: a JSON Schema is an object, or true or false")
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise InvalidInput(
            f"schema is no JSON Schema at {_path(error.absolute_path) or 'the top'}: {_cut(error.message)}"
        ) from None
    validator = kind(schema, registry=REGISTRY)

    def check(value: object, name: str) -> SchemaError | None:
        try:
            error = jsonschema.exceptions.best_match(validator.iter_errors(value))
        except referencing.exceptions.Unresolvable as missing:
            raise InvalidInput(
                f"schema refers to {shown(missing.ref)}, which it does not hold: put it under $defs"
            ) from None
        except re.error as wrong:
            raise InvalidInput(f"schema has a pattern that is no regular expression: {wrong}") from None
        except (RecursionError, ArithmeticError):
            return SchemaError(name, "", "nested too deep, or a number too large, to be checked")
        return None if error is None else SchemaError(name, _path(error.absolute_path), _cut(error.message))

    return check


def _path(parts: Sequence[str | int]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.removeprefix(".")


def _leaves(value: object) -> _Leaves | None:
    """The fields of a value with their values as a bag; ``None`` for nothing."""
    return None if value is _NOTHING else Counter(_walk(value))


def _equal(value: object, reference: object) -> bool:
    """Whether two values are the same, lists in order and names in any."""
    return value is not _NOTHING and sorted(_walk(value, "[{}]")) == sorted(_walk(reference, "[{}]"))


def _walk(value: object, place: str = "[]") -> Iterator[tuple[str, str]]:
    """Every leaf with its path; ``place`` is how an element of a list is written in it."""
    # A stack instead of recursion: a model may nest deeper than Python would go.
    stack: list[tuple[object, str]] = [(value, "")]
    while stack:
        value, path = stack.pop()
        if isinstance(value, Mapping) and value:
            stack += [(value[name], f"{path}.{name}" if path else str(name)) for name in value]
        elif isinstance(value, (list, tuple)) and value:
            stack += [(element, path + place.format(number)) for number, element in enumerate(value)]
        else:
            yield path, _canonical(value)


def _canonical(value: object) -> str:
    if isinstance(value, str):
        return f'"{value.strip()}"'
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, default=str)


def _agreement(values: Sequence[object], right: Sequence[object]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """For each sample the fields (predicted and right, predicted, right): shape (n, 3)."""
    rows = []
    for value, reference in zip(values, right, strict=True):
        given, wanted = _leaves(value) or Counter(), _leaves(reference) or Counter()
        rows.append(((given & wanted).total(), given.total(), wanted.total()))
    return np.array(rows, dtype=np.float64)


def _field_scores(
    values: Sequence[object], right: Sequence[object], seed: int
) -> tuple[Estimate, dict[str, tuple[float, int]]]:
    counts = _agreement(values, right)
    both, given, wanted = Counter[str](), Counter[str](), Counter[str]()
    for value, reference in zip(values, right, strict=True):
        here, there = _leaves(value) or Counter(), _leaves(reference) or Counter()
        for bag, found in ((both, here & there), (given, here), (wanted, there)):
            for (path, _), times in found.items():
                bag[path] += times
    per_field = {
        path: (2 * both[path] / (given[path] + wanted[path]), wanted[path]) for path in sorted({*given, *wanted})
    }
    return _resampled(lambda weights: _f1(weights @ counts), len(right), seed), per_field


def _f1(sums: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    both, given, wanted = sums[..., 0], sums[..., 1], sums[..., 2]
    return np.asarray(2 * both / np.maximum(given + wanted, 1.0))


def _resampled(
    measure: Callable[[np.ndarray[Any, np.dtype[np.float64]]], np.ndarray[Any, np.dtype[np.float64]]],
    samples: int,
    seed: int,
) -> Estimate:
    """A measure of weighted samples with the percentile bootstrap's interval."""
    numbers, at_once = np.random.default_rng(seed), max(1, (1 << 20) // samples)
    even = np.full(samples, 1 / samples)
    drawn = [
        measure(numbers.multinomial(samples, even, size=min(at_once, _RESAMPLES - start)).astype(np.float64))
        for start in range(0, _RESAMPLES, at_once)
    ]
    value = float(measure(np.ones((1, samples)))[0])
    low, high = np.quantile(np.concatenate(drawn), [0.025, 0.975])
    return Estimate(value, min(float(low), value), max(float(high), value), samples)


def _cut(message: str) -> str:
    return message if len(message) <= _MESSAGE_MAX else f"{message[: _MESSAGE_MAX - 1]}…"


def _refuse(name: str) -> float:
    raise InvalidInput(f"is no JSON: {name} is no number in it")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise InvalidInput(f"is no JSON: {text[:40]} is greater than any number")
    return value


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise InvalidInput("is no JSON: it names a field twice")
    return row
