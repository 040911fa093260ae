"""Typed conditions on metadata: the expression ``F("year") >= 2020`` and its JSON form.

A filter is a small tree, never a string language, so that no user's text can change its meaning.
"""

from __future__ import annotations

import datetime as _datetime
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias, cast

import numpy as np

from ragstone.arguments import shown, text
from ragstone.errors import InvalidInput
from ragstone.records import MetadataScalar, MetadataValue

__all__ = ["F", "Filter", "FilterLike"]

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
FilterLike: TypeAlias = "Filter | Mapping[str, object]"

_EPOCH = _datetime.datetime(1970, 1, 1, tzinfo=_datetime.UTC)
_INTEGER_MAX = 2**53
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}\S*)?")


class Filter:
    """A condition on documents; combine with ``&``, ``|`` and ``~``.

    >>> from ragstone import F
    >>> (F("year") >= 2020) & ~F("lang").isin(["de", "fr"])
    Filter({"$and": [{"year": {"$gte": 2020}}, {"$not": {"lang": {"$in": ["de", "fr"]}}}]})
    """

    __slots__ = ("_json",)

    def __init__(self, json_form: Mapping[str, object]) -> None:
        """Take the JSON form, as ``{"year": {"$gte": 2020}}``; a date is a ``date`` or ``{"$date": "2024-01-31"}``."""
        self._json = _canonical(json_form)

    @property
    def json_form(self) -> dict[str, object]:
        """The filter in its JSON form."""
        return cast("dict[str, object]", self._json)

    def to_json(self) -> str:
        """The filter as JSON text."""
        return json.dumps(self._json, ensure_ascii=False)

    def __and__(self, other: Filter) -> Filter:
        if not isinstance(other, Filter):
            return NotImplemented
        return Filter({"$and": [self._json, other._json]})

    def __or__(self, other: Filter) -> Filter:
        if not isinstance(other, Filter):
            return NotImplemented
        return Filter({"$or": [self._json, other._json]})

    def __invert__(self) -> Filter:
        return Filter({"$not": self._json})

    def __bool__(self) -> bool:
        raise InvalidInput('a filter has no truth value: combine filters with "&", "|" and "~", each in parentheses')

    def __repr__(self) -> str:
        return f"Filter({json.dumps(self._json, ensure_ascii=False)})"


class F:
    """A metadata field, to be compared with a value.

    Comparisons with ``==  !=  <  <=  >  >=`` and :meth:`isin`, :meth:`notin`, :meth:`exists` give a :class:`Filter`.
    A list passes where one of its elements passes; ``!=`` passes where no element equals and where the field is
    missing. Values of different types never compare equal, but a string that spells a date (``"2024-01-31"``)
    compares with dates too.

    >>> F("published") < __import__("datetime").date(2024, 1, 31)
    Filter({"published": {"$lt": {"$date": [1706659200000000, "2024-01-31"]}}})
    """

    __slots__ = ("_name",)
    # Comparisons build filters, so equal fields cannot be found in sets.
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, name: str) -> None:
        """Name the field."""
        if not isinstance(name, str) or not name or name.startswith("$"):
            raise InvalidInput(f'field name is {shown(name)}: it must be a string, not empty and not starting with "$"')
        self._name = text(name, "field name")

    def _compare(self, operator: str, value: MetadataScalar) -> Filter:
        return Filter({self._name: {operator: value}})

    def __eq__(self, value: object) -> Filter:  # type: ignore[override]
        return self._compare("$eq", cast(MetadataScalar, value))

    def __ne__(self, value: object) -> Filter:  # type: ignore[override]
        return self._compare("$ne", cast(MetadataScalar, value))

    def __lt__(self, value: MetadataScalar) -> Filter:
        return self._compare("$lt", value)

    def __le__(self, value: MetadataScalar) -> Filter:
        return self._compare("$lte", value)

    def __gt__(self, value: MetadataScalar) -> Filter:
        return self._compare("$gt", value)

    def __ge__(self, value: MetadataScalar) -> Filter:
        return self._compare("$gte", value)

    def isin(self, values: Iterable[MetadataScalar]) -> Filter:
        """Whether the field equals one of the values."""
        return Filter({self._name: {"$in": values}})

    def notin(self, values: Iterable[MetadataScalar]) -> Filter:
        """Whether the field equals none of the values."""
        return Filter({self._name: {"$nin": values}})

    def exists(self) -> Filter:
        """Whether the field has a value."""
        return Filter({self._name: {"$exists": True}})

    def __repr__(self) -> str:
        return f"F({self._name!r})"


def filter_json(condition: FilterLike | None) -> str | None:
    """JSON text of a filter in any of its forms, as the engine takes it."""
    if condition is None:
        return None
    if not isinstance(condition, (Filter, Mapping)):
        raise InvalidInput(f"filter is {type(condition).__name__}: pass F(…) comparisons or their JSON form as a dict")
    ready = condition if isinstance(condition, Filter) else Filter(condition)
    return json.dumps(_dates_too(cast("dict[str, Json]", ready.json_form)), ensure_ascii=False)


def _dates_too(condition: dict[str, Json]) -> Json:
    """The same filter, in which a string that spells a date stands for the date too: JSON has no dates of its own."""
    kept: dict[str, Json] = {}
    either: list[Json] = []
    for key, value in condition.items():
        if key in ("$and", "$or"):
            kept[key] = [_dates_too(cast("dict[str, Json]", part)) for part in cast("list[Json]", value)]
        elif key == "$not":
            kept[key] = _dates_too(cast("dict[str, Json]", value))
        else:
            shorthand = not isinstance(value, dict) or "$date" in value
            operators = {"$eq": value} if shorthand else cast("dict[str, Json]", value)
            plain = {name: operand for name, operand in operators.items() if not _spells_dates(operand)}
            if plain or not operators:
                kept[key] = plain
            either += [_either(key, name, operand) for name, operand in operators.items() if name not in plain]
    if either:
        kept["$and"] = [*cast("list[Json]", kept.get("$and", [])), *either]
    return kept


def _spells_dates(operand: Json) -> bool:
    elements = operand if isinstance(operand, list) else [operand]
    return any(_spelled_date(element) is not None for element in elements)


def _spelled_date(value: Json) -> Json:
    """The date that a string spells, or ``None``."""
    if not isinstance(value, str) or not _ISO_DATE.fullmatch(value):
        return None
    try:
        return _parsed_date(value, "a date")
    except InvalidInput:
        return None


def _either(key: str, operator: str, operand: Json) -> Json:
    """A comparison with strings that spell dates, as strings and as dates."""
    elements = operand if isinstance(operand, list) else [operand]
    dates = [date for date in map(_spelled_date, elements) if date is not None]
    if operator in ("$in", "$nin"):
        return {key: {operator: [*elements, *dates]}}
    if operator == "$ne":
        return {key: {"$nin": [*elements, *dates]}}
    return {"$or": [{key: {operator: operand}}, {key: {operator: dates[0]}}]}


def metadata_json(metadata: Mapping[str, MetadataValue], document_id: str) -> str:
    """JSON text of a document's metadata; refuses what cannot be filtered and kept exactly."""
    if not isinstance(metadata, Mapping):
        raise InvalidInput(f"metadata of document {document_id!r} is {type(metadata).__name__}, it must be a mapping")
    encoded: dict[str, Json] = {}
    for name, value in metadata.items():
        what = f"metadata {name!r} of document {document_id!r}"
        if not isinstance(name, str) or not name or name.startswith("$"):
            raise InvalidInput(f'{what}: a name is a string, not empty and not starting with "$"')
        text(name, f"name of {what}")
        encoded[name] = _values(value, what)
    return json.dumps(encoded, ensure_ascii=False)


def _values(value: object, what: str) -> Json:
    """A scalar, or a flat list; the elements of a set in an order that does not change."""
    if isinstance(value, (set, frozenset)):
        return [_scalar(element, what) for element in sorted(value, key=repr)]
    if isinstance(value, (list, tuple)):
        return [_scalar(element, what) for element in value]
    return _scalar(value, what)


def metadata_from_json(encoded: str) -> dict[str, MetadataValue]:
    """The metadata that :func:`metadata_json` encoded."""
    decoded: dict[str, MetadataValue] = {}
    for name, value in json.loads(encoded).items():
        decoded[name] = [_decoded(element) for element in value] if isinstance(value, list) else _decoded(value)
    return decoded


def _decoded(value: object) -> MetadataScalar:
    if isinstance(value, dict):
        spelled = str(value["$date"][1])
        return (
            _datetime.date.fromisoformat(spelled) if len(spelled) == 10 else _datetime.datetime.fromisoformat(spelled)
        )
    return cast(MetadataScalar, value)


def _scalar(value: object, what: str) -> Json:
    """A scalar in JSON; numpy's scalars count as Python's."""
    if isinstance(value, np.generic) and value.dtype.kind in "biufU":
        value = value.item()
    if isinstance(value, str):
        return text(value, what)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) > _INTEGER_MAX:
            raise InvalidInput(f"{what} is {shown(value)}, larger than 2^53: store it as a string to keep it exact")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidInput(f"{what} is {value}: a number must be finite")
        return value
    if isinstance(value, (_datetime.datetime, _datetime.date)):
        return _date(value)
    raise InvalidInput(
        f"{what} is of type {type(value).__name__}: "
        "a value is a str, int, float, bool, date or datetime, or a flat list of these"
    )


def _date(value: _datetime.date | _datetime.datetime) -> Json:
    """A date as microseconds since 1970 (UTC; without a zone it is taken as UTC) and its own spelling."""
    if isinstance(value, _datetime.datetime):
        moment = value if value.tzinfo is not None else value.replace(tzinfo=_datetime.UTC)
    else:
        moment = _datetime.datetime(value.year, value.month, value.day, tzinfo=_datetime.UTC)
    microseconds = (moment - _EPOCH) // _datetime.timedelta(microseconds=1)
    return {"$date": [microseconds, value.isoformat()]}


def _parsed_date(value: object, what: str) -> Json:
    if isinstance(value, str):
        # Python 3.10 does not read the Z with which JavaScript writes UTC.
        spelled = f"{value[:-1]}+00:00" if value.endswith("Z") else value
        try:
            moment = (
                _datetime.date.fromisoformat(spelled)
                if len(spelled) == 10
                else _datetime.datetime.fromisoformat(spelled)
            )
        except ValueError:
            raise InvalidInput(
                f"{what} is the date {value!r}: write it as 2024-01-31 or 2024-01-31T12:00:00+00:00"
            ) from None
        return _date(moment)
    if isinstance(value, (_datetime.date, _datetime.datetime)):
        return _date(value)
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], int):
        return {"$date": cast("list[Json]", value)}
    raise InvalidInput(f"{what} is a date of type {type(value).__name__}: write it as 2024-01-31")


def _canonical(condition: object, depth: int = 0) -> Json:
    """A filter's JSON form with every value checked and every date in microseconds; the engine checks the rest."""
    if not isinstance(condition, Mapping):
        raise InvalidInput(f'filter is {shown(condition)}: it must be a mapping such as {{"year": {{"$gte": 2020}}}}')
    if depth > 64:
        raise InvalidInput("filter is nested deeper than 32 levels")
    result: dict[str, Json] = {}
    for key, value in condition.items():
        if not isinstance(key, str):
            raise InvalidInput(f"filter has the key {shown(key)}: keys are strings")
        text(key, "a key of the filter")
        if key in ("$and", "$or"):
            if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
                raise InvalidInput(f"filter {key!r} takes a list of filters, not {shown(value)}")
            result[key] = [_canonical(part, depth + 1) for part in value]
        elif key == "$not":
            result[key] = _canonical(value, depth + 1)
        elif isinstance(value, Mapping) and "$date" not in value:
            result[key] = {text(name, "an operator"): _operand(name, operand, key) for name, operand in value.items()}
        else:
            result[key] = _value(value, f"filter on {key!r}")
    return result


def _operand(operator: object, operand: object, key: str) -> Json:
    what = f"filter on {key!r}"
    if operator in ("$in", "$nin"):
        if isinstance(operand, (str, bytes)) or not isinstance(operand, Iterable):
            raise InvalidInput(f"{what}: {operator} takes a list of values, not {shown(operand)}")
        return [_value(element, what) for element in operand]
    return _value(operand, what)


def _value(value: object, what: str) -> Json:
    if isinstance(value, Mapping) and set(value) == {"$date"}:
        return _parsed_date(value["$date"], what)
    return _scalar(value, what)
