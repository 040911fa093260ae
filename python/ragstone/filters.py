"""Typed conditions on metadata: the expression ``F("year") >= 2020`` and its JSON form.

A filter is a small tree, never a string language, so that no user's text can change its meaning.
"""

from __future__ import annotations

import datetime as _datetime
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias, cast

from ragstone.errors import InvalidInput
from ragstone.records import MetadataScalar, MetadataValue

__all__ = ["F", "Filter", "FilterLike"]

Json: TypeAlias = "str | int | float | bool | None | list[Json] | dict[str, Json]"
FilterLike: TypeAlias = "Filter | Mapping[str, object]"

_EPOCH = _datetime.datetime(1970, 1, 1, tzinfo=_datetime.timezone.utc)
_INTEGER_MAX = 2**53


class Filter:
    """A condition on documents; combine with ``&``, ``|`` and ``~``.

    >>> from ragstone import F
    >>> (F("year") >= 2020) & ~F("lang").isin(["de", "fr"])
    Filter({"$and": [{"year": {"$gte": 2020}}, {"$not": {"lang": {"$in": ["de", "fr"]}}}]})
    """

    __slots__ = ("_json",)

    def __init__(self, json_form: Mapping[str, object]) -> None:
        """Take the JSON form, as ``{"year": {"$gte": 2020}}``; dates may be ``date`` objects or ``{"$date": "2024-01-31"}``."""
        self._json = _canonical(json_form)

    @property
    def json_form(self) -> dict[str, object]:
        """The filter in its JSON form."""
        return cast("dict[str, object]", self._json)

    def to_json(self) -> str:
        """The filter as JSON text."""
        return json.dumps(self._json, ensure_ascii=False)

    def __and__(self, other: Filter) -> Filter:
        return Filter({"$and": [self._json, other._json]})

    def __or__(self, other: Filter) -> Filter:
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
    missing. Values of different types never compare equal.

    >>> F("published") < __import__("datetime").date(2024, 1, 31)
    Filter({"published": {"$lt": {"$date": [1706659200000000, "2024-01-31"]}}})
    """

    __slots__ = ("_name",)
    # Comparisons build filters, so equal fields cannot be found in sets.
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, name: str) -> None:
        """Name the field."""
        if not isinstance(name, str) or not name or name.startswith("$"):
            raise InvalidInput(f'field name is {name!r}: it must be a string, not empty and not starting with "$"')
        self._name = name

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
        return Filter({self._name: {"$in": list(values)}})

    def notin(self, values: Iterable[MetadataScalar]) -> Filter:
        """Whether the field equals none of the values."""
        return Filter({self._name: {"$nin": list(values)}})

    def exists(self) -> Filter:
        """Whether the field has a value."""
        return Filter({self._name: {"$exists": True}})

    def __repr__(self) -> str:
        return f"F({self._name!r})"


def filter_json(condition: FilterLike | None) -> str | None:
    """JSON text of a filter in any of its forms."""
    if condition is None:
        return None
    if isinstance(condition, Filter):
        return condition.to_json()
    if isinstance(condition, Mapping):
        return Filter(condition).to_json()
    raise InvalidInput(f"filter is {type(condition).__name__}: pass F(…) comparisons or their JSON form as a dict")


def metadata_json(metadata: Mapping[str, MetadataValue], document_id: str) -> str:
    """JSON text of a document's metadata; refuses what cannot be filtered and kept exactly."""
    if not isinstance(metadata, Mapping):
        raise InvalidInput(f"metadata of document {document_id!r} is {type(metadata).__name__}, it must be a mapping")
    encoded: dict[str, Json] = {}
    for name, value in metadata.items():
        what = f"metadata {name!r} of document {document_id!r}"
        if not isinstance(name, str) or not name or name.startswith("$"):
            raise InvalidInput(f'{what}: a name is a string, not empty and not starting with "$"')
        if isinstance(value, (list, tuple, set, frozenset)):
            elements = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else value
            encoded[name] = [_scalar(element, what) for element in elements]
        else:
            encoded[name] = _scalar(value, what)
    return json.dumps(encoded, ensure_ascii=False)


def metadata_from_json(text: str) -> dict[str, MetadataValue]:
    """The metadata that :func:`metadata_json` encoded."""
    decoded: dict[str, MetadataValue] = {}
    for name, value in json.loads(text).items():
        decoded[name] = [_decoded(element) for element in value] if isinstance(value, list) else _decoded(value)
    return decoded


def _decoded(value: object) -> MetadataScalar:
    if isinstance(value, dict):
        text = str(value["$date"][1])
        return _datetime.date.fromisoformat(text) if len(text) == 10 else _datetime.datetime.fromisoformat(text)
    return cast(MetadataScalar, value)


def _scalar(value: object, what: str) -> Json:
    """A scalar in JSON; numpy's scalars count as Python's."""
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):
        value = value.item()
    if isinstance(value, (str, bool)):
        if isinstance(value, str):
            _refuse_surrogates(value, what)
        return value
    if isinstance(value, int):
        if abs(value) > _INTEGER_MAX:
            raise InvalidInput(f"{what} is {value}, larger than 2^53: store it as a string to keep it exact")
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


def _refuse_surrogates(text: str, what: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"{what} has a lone surrogate at index {error.start}: decode it properly first") from None


def _date(value: _datetime.date | _datetime.datetime) -> Json:
    """A date as microseconds since 1970 (UTC; without a zone it is taken as UTC) and its own spelling."""
    if isinstance(value, _datetime.datetime):
        moment = value if value.tzinfo is not None else value.replace(tzinfo=_datetime.timezone.utc)
    else:
        moment = _datetime.datetime(value.year, value.month, value.day, tzinfo=_datetime.timezone.utc)
    microseconds = (moment - _EPOCH) // _datetime.timedelta(microseconds=1)
    return {"$date": [microseconds, value.isoformat()]}


def _parsed_date(value: object, what: str) -> Json:
    if isinstance(value, str):
        try:
            moment = _datetime.date.fromisoformat(value) if len(value) == 10 else _datetime.datetime.fromisoformat(value)
        except ValueError:
            raise InvalidInput(f"{what} is the date {value!r}: write it as 2024-01-31 or 2024-01-31T12:00:00+00:00") from None
        return _date(moment)
    if isinstance(value, (_datetime.date, _datetime.datetime)):
        return _date(value)
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], int):
        return {"$date": cast("list[Json]", value)}
    raise InvalidInput(f"{what} is a date of type {type(value).__name__}: write it as 2024-01-31")


def _canonical(condition: object, depth: int = 0) -> Json:
    """A filter's JSON form with every value checked and every date in microseconds; the engine checks the rest."""
    if not isinstance(condition, Mapping):
        raise InvalidInput(f'filter is {condition!r}: it must be a mapping such as {{"year": {{"$gte": 2020}}}}')
    if depth > 64:
        raise InvalidInput("filter is nested deeper than 32 levels")
    result: dict[str, Json] = {}
    for key, value in condition.items():
        if not isinstance(key, str):
            raise InvalidInput(f"filter has the key {key!r}: keys are strings")
        if key in ("$and", "$or"):
            if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
                raise InvalidInput(f"filter {key!r} takes a list of filters, not {value!r}")
            result[key] = [_canonical(part, depth + 1) for part in value]
        elif key == "$not":
            result[key] = _canonical(value, depth + 1)
        elif isinstance(value, Mapping) and "$date" not in value:
            result[key] = {str(name): _operand(name, operand, key) for name, operand in value.items()}
        else:
            result[key] = _value(value, f"filter on {key!r}")
    return result


def _operand(operator: object, operand: object, key: str) -> Json:
    what = f"filter on {key!r}"
    if operator in ("$in", "$nin"):
        if isinstance(operand, (str, bytes)) or not isinstance(operand, Iterable):
            raise InvalidInput(f"{what}: {operator} takes a list of values, not {operand!r}")
        return [_value(element, what) for element in operand]
    return _value(operand, what)


def _value(value: object, what: str) -> Json:
    if isinstance(value, Mapping) and set(value) == {"$date"}:
        return _parsed_date(value["$date"], what)
    return _scalar(value, what)
