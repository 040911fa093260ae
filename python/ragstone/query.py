"""Queries as trees: phrases, prefixes, misspellings, required and excluded parts, fields and boosts.

``index.search("any text")`` takes text as text: no character in it is an operator. What is built here is the structured
form beside it, for people (:meth:`Q.parse`) and programs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeAlias, cast, get_args

from ragstone.arguments import integer, number, one_of, shown, text
from ragstone.errors import InvalidInput

__all__ = ["Field", "Q", "Query", "QueryLike", "asked", "plain"]

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
Field: TypeAlias = Literal["title", "headings", "body"]

BOOST_MAX = 1e6
SLOP_MAX = 1000
DEPTH_MAX = 32
_LEAVES = ("text", "phrase", "prefix", "fuzzy", "term")
_NODES = ("all", "any", "none")
# What may stand beside each kind.
_OPTIONS = {"text": {"minimum"}, "phrase": {"slop"}, "fuzzy": {"distance"}, "any": {"minimum"}}


class Query:
    """A structured query, made by :class:`Q`; it never changes.

    Combine with ``&`` (all), ``|`` (any) and ``~`` (none). The tree says which chunks may be found; every part that is
    not excluded adds its BM25 to the score of each chunk that has it.

    >>> from ragstone import Q
    >>> Q.phrase("exact words") & ~Q.text("draft")
    Query({"all": [{"phrase": "exact words"}, {"none": [{"text": "draft"}]}]})
    """

    __slots__ = ("_json",)

    def __init__(self, json_form: Mapping[str, object]) -> None:
        """Take the JSON form, as ``{"phrase": "exact words", "boost": 2.0}``.

        Raises:
            InvalidInput: It is no query; the message names the part.
        """
        self._json = _canonical(json_form, "query", 0)

    @property
    def json_form(self) -> dict[str, object]:
        """The query in its JSON form, a copy."""
        return cast("dict[str, object]", json.loads(self.to_json()))

    def to_json(self) -> str:
        """The query as JSON text."""
        return json.dumps(self._json, ensure_ascii=False)

    @property
    def words(self) -> str:
        """The words that are not excluded, as plain text: what the dense half embeds."""
        return " ".join(_words(self._json))

    def boost(self, factor: float) -> Query:
        """The same query with its scores multiplied, by 0 to 1,000,000; 0 tests without scoring."""
        factor = number(factor, "boost", 0, BOOST_MAX)
        return Query({**self._json, "boost": factor * cast(float, self._json.get("boost", 1.0))})

    def __and__(self, other: Query) -> Query:
        return Q.all(self, other) if isinstance(other, Query) else NotImplemented

    def __or__(self, other: Query) -> Query:
        return Q.any(self, other) if isinstance(other, Query) else NotImplemented

    def __invert__(self) -> Query:
        return Q.none(self)

    def __bool__(self) -> bool:
        raise InvalidInput('a query has no truth value: combine queries with "&", "|" and "~", each in parentheses')

    def __eq__(self, other: object) -> bool:
        return self._json == other._json if isinstance(other, Query) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __repr__(self) -> str:
        return f"Query({self.to_json()})"


QueryLike: TypeAlias = "str | Query"


class Q:
    """Makes queries. ``field`` looks in one part of a chunk only: ``"title"``, ``"headings"`` or ``"body"``.

    ``boosts`` looks everywhere and lets an occurrence in a field count as often as its factor says:
    ``boosts={"title": 2.0}``. Field tests and phrases read the texts of the chunks that have the words.

    >>> Q.any(Q.text("refund"), Q.phrase("money back").boost(2), Q.fuzzy("recieve"))
    Query({"any": [{"text": "refund"}, {"phrase": "money back", "boost": 2.0}, {"fuzzy": "recieve"}]})
    """

    __slots__ = ()

    @staticmethod
    def text(
        words: str,
        *,
        minimum: int | Literal["all"] = 1,
        field: Field | None = None,
        boosts: Mapping[Field, float] | None = None,
    ) -> Query:
        """Words in any order, analysed as ``search`` does; ``minimum`` of them (or ``"all"``) have to occur."""
        return _leaf("text", words, {"minimum": (minimum, 1)}, field, boosts)

    @staticmethod
    def phrase(
        words: str, *, slop: int = 0, field: Field | None = None, boosts: Mapping[Field, float] | None = None
    ) -> Query:
        """Words one after another. A stop word stands for any one word; ``slop`` words may lie between or be swapped.

        A phrase scores as one rare word: the sum of its words' idf, times the saturation of how often it occurs.
        """
        return _leaf("phrase", words, {"slop": (slop, 0)}, field, boosts)

    @staticmethod
    def prefix(start: str, *, field: Field | None = None, boosts: Mapping[Field, float] | None = None) -> Query:
        """All terms of the index that begin so, at most the 64 most frequent, each scored as the most frequent one.

        The index holds stems: ``connecti`` begins no term where ``connection`` is kept as ``connect``.
        """
        return _leaf("prefix", start, {}, field, boosts)

    @staticmethod
    def fuzzy(
        word: str, *, distance: int = 1, field: Field | None = None, boosts: Mapping[Field, float] | None = None
    ) -> Query:
        """All terms at most 1 or 2 edits away (add, drop, change, swap neighbours), at most the 64 nearest.

        Scored as the most frequent of them times 1 - edits / length, as Lucene does.
        """
        return _leaf("fuzzy", word, {"distance": (distance, 1)}, field, boosts)

    @staticmethod
    def term(term: str, *, field: Field | None = None, boosts: Mapping[Field, float] | None = None) -> Query:
        """One term exactly as the index has it, not analysed: what ``explain`` shows as ``term``."""
        return _leaf("term", term, {}, field, boosts)

    @staticmethod
    def all(*parts: Query) -> Query:
        """Every part has to fit. A part without a word, such as a lone stop word, demands nothing."""
        return Query({"all": _parts("all", parts)})

    @staticmethod
    def any(*parts: Query, minimum: int = 1) -> Query:
        """``minimum`` of the parts have to fit; with 0 they only add to the score."""
        json_form: dict[str, object] = {"any": _parts("any", parts)}
        return Query(json_form if minimum == 1 else {**json_form, "minimum": minimum})

    @staticmethod
    def none(*parts: Query) -> Query:
        """No part may fit; nothing in it scores."""
        return Query({"none": _parts("none", parts)})

    @staticmethod
    def parse(written: str) -> Query:
        """Read the written form: ``refund "exact phrase" +must -not pre* fuzzy~1 title:word``.

        - ``word`` adds to the score; at least one has to occur unless something is required
        - ``"several words"`` is a phrase, ``"several words"~2`` one with slop
        - ``+part`` is required, ``-part`` excluded
        - ``start*`` is a prefix, ``word~`` or ``word~2`` a misspelling
        - ``title:part``, ``headings:part`` and ``body:part`` look in one field
        - ``part^2`` counts twice; ``(part part)`` is a group; a backslash takes the next character as it is

        Raises:
            InvalidInput: Something is malformed; the message names the position, counted from 0.

        >>> Q.parse('refund -draft')
        Query({"all": [{"any": [{"text": "refund"}], "minimum": 0}, {"none": [{"text": "draft"}]}]})
        """
        return _Parser(text(written, "query")).query()


def asked(query: object) -> tuple[str, bool]:
    """A query as the engine takes it: text, or the JSON form of a structured one and ``True``."""
    if isinstance(query, Query):
        return query.to_json(), True
    checked = text(query, "query")
    if not checked.strip():
        raise InvalidInput("query is empty: ask something")
    return checked, False


def plain(query: QueryLike) -> str:
    """The words of a query in either form."""
    return query.words if isinstance(query, Query) else query


def _leaf(
    kind: str,
    words: str,
    options: Mapping[str, tuple[object, object]],
    field: Field | None,
    boosts: Mapping[Field, float] | None,
) -> Query:
    given = {name: value for name, (value, default) in options.items() if value != default}
    places = {name: value for name, value in (("field", field), ("boosts", boosts)) if value is not None}
    return Query({kind: words, **given, **places})


def _parts(kind: str, parts: Sequence[Query]) -> list[dict[str, Json]]:
    for part in parts:
        if not isinstance(part, Query):
            raise InvalidInput(f"Q.{kind} has the part {shown(part)}: wrap text in Q.text(…)")
    return [part._json for part in parts]


def _words(node: Mapping[str, Json]) -> Iterator[str]:
    for kind in _LEAVES:
        if kind in node:
            yield cast(str, node[kind])
    for kind in ("all", "any"):
        for part in cast("list[dict[str, Json]]", node.get(kind, [])):
            yield from _words(part)


def _canonical(node: object, path: str, depth: int) -> dict[str, Json]:
    """A query's JSON form with every value checked; the engine checks it again."""
    if not isinstance(node, Mapping):
        raise InvalidInput(f'{path} is {shown(node)}: it must be a mapping such as {{"text": "refund"}}')
    if depth > DEPTH_MAX:
        raise InvalidInput(f"query is nested deeper than {DEPTH_MAX} levels")
    kinds = [kind for kind in (*_LEAVES, *_NODES) if kind in node]
    if len(kinds) != 1:
        raise InvalidInput(f"{path} has {kinds}: it needs exactly one of {', '.join((*_LEAVES, *_NODES))}")
    kind = kinds[0]
    allowed = {kind, "boost"} | _OPTIONS.get(kind, set()) | ({"field", "boosts"} if kind in _LEAVES else set())
    if unknown := [name for name in node if name not in allowed]:
        raise InvalidInput(f"{path} of kind {kind!r} has {shown(unknown[0])}: it takes {', '.join(sorted(allowed))}")
    result: dict[str, Json] = {}
    if kind in _LEAVES:
        result[kind] = _checked_words(kind, node[kind], path)
    else:
        parts = node[kind]
        if not isinstance(parts, Sequence) or isinstance(parts, (str, bytes)) or not parts:
            raise InvalidInput(f"{path}: {kind!r} takes a list of at least one query, not {shown(parts)}")
        result[kind] = [_canonical(part, f"{path}.{kind}[{place}]", depth + 1) for place, part in enumerate(parts)]
    for name in node:
        if name != kind:
            result[name] = _option(kind, name, node[name], result[kind], path)
    if "field" in result and "boosts" in result:
        raise InvalidInput(f"{path}: field and boosts exclude each other")
    return result


def _checked_words(kind: str, words: object, path: str) -> str:
    checked = text(words, f"{kind!r} of {path}")
    if kind in ("prefix", "fuzzy") and len(checked.split()) != 1:
        raise InvalidInput(f"{path}: {kind!r} takes one word, not {shown(checked)}")
    if not checked.strip():
        raise InvalidInput(f"{path}: {kind!r} is empty")
    return checked


def _option(kind: str, name: str, value: object, parts: Json, path: str) -> Json:
    what = f"{name} of {path}"
    if name == "minimum":
        if kind == "text":
            return "all" if value == "all" else integer(value, what, 0, 1_000_000)
        return integer(value, what, 0, len(cast("list[Json]", parts)))
    if name == "slop":
        return integer(value, what, 0, SLOP_MAX)
    if name == "distance":
        return integer(value, what, 1, 2)
    if name == "boost":
        return number(value, what, 0, BOOST_MAX)
    if name == "field":
        return one_of(value, what, get_args(Field))
    if not isinstance(value, Mapping):
        raise InvalidInput(f'{what} is {shown(value)}: pass a mapping such as {{"title": 2.0}}')
    fields = get_args(Field)
    return {one_of(key, f"a key of {what}", fields): number(one, what, 0, BOOST_MAX) for key, one in value.items()}


class _Parser:
    """Reads the written form: a clause is a sign, a field, a word, phrase or group, and what follows it."""

    def __init__(self, written: str) -> None:
        self.written = written
        self.at = 0

    def query(self) -> Query:
        parsed = self.group(0)
        if self.at < len(self.written):
            raise self.error('")" without "("', self.at)
        return parsed

    def error(self, problem: str, at: int) -> InvalidInput:
        return InvalidInput(f"query at position {at}: {problem} in {shown(self.written)}")

    def peek(self) -> str:
        return self.written[self.at : self.at + 1]

    def group(self, depth: int) -> Query:
        begin = self.at
        required: list[Query] = []
        optional: list[Query] = []
        excluded: list[Query] = []
        if depth > DEPTH_MAX // 3:
            raise self.error("groups are nested too deeply", begin)
        while True:
            while self.peek().isspace():
                self.at += 1
            if self.peek() in ("", ")"):
                break
            sign = self.peek() if self.peek() in "+-" else ""
            self.at += len(sign)
            clause = self.clause(depth, required=sign == "+")
            {"+": required, "-": excluded, "": optional}[sign].append(clause)
        if not required and not optional and not excluded:
            raise self.error("nothing to search for", begin)
        if not required and not excluded:
            return optional[0] if len(optional) == 1 else Q.any(*optional)
        parts = [*required]
        if optional:
            parts.append(Q.any(*optional, minimum=0))
        if excluded:
            parts.append(Q.none(*excluded))
        return parts[0] if len(parts) == 1 else Q.all(*parts)

    def clause(self, depth: int, required: bool) -> Query:
        begin = self.at
        field: Field | None = None
        for name in get_args(Field):
            if self.written.startswith(f"{name}:", self.at):
                field = name
                self.at += len(name) + 1
                break
        if self.peek() == "(":
            if field is not None:
                raise self.error("a field belongs to a word or phrase, not to a group", begin)
            made = self.parenthesised(depth)
        elif self.peek() == '"':
            words = self.quoted()
            slop = self.integer_after("~") if self.peek() == "~" else 0
            if not 0 <= (slop or 0) <= SLOP_MAX:
                raise self.error(f"slop is above {SLOP_MAX}", self.at)
            made = Q.phrase(words, slop=slop or 0, field=field)
        else:
            made = self.word(field, required)
        if self.peek() == "^":
            made = made.boost(self.factor())
        if self.peek() not in ("", ")") and not self.peek().isspace():
            raise self.error(f"{self.peek()!r} where a space belongs", self.at)
        return made

    def parenthesised(self, depth: int) -> Query:
        begin = self.at
        self.at += 1
        made = self.group(depth + 1)
        if self.peek() != ")":
            raise self.error('"(" without ")"', begin)
        self.at += 1
        return made

    def quoted(self) -> str:
        begin = self.at
        self.at += 1
        letters = []
        while self.peek() not in ("", '"'):
            letters.append(self.letter())
        if not self.peek():
            raise self.error("a quotation mark is not closed", begin)
        self.at += 1
        words = "".join(letters)
        if not words.strip():
            raise self.error("a phrase is empty", begin)
        return words

    def letter(self) -> str:
        """One character, a backslash before it taken off."""
        if self.peek() == "\\":
            self.at += 1
            if not self.peek():
                raise self.error("a backslash ends the query", self.at - 1)
        self.at += 1
        return self.written[self.at - 1]

    def word(self, field: Field | None, required: bool) -> Query:
        begin = self.at
        letters = []
        while self.peek() and not self.peek().isspace() and self.peek() not in '()"*~^':
            letters.append(self.letter())
        word = "".join(letters)
        if not word.strip():
            problem = f"a word is missing before {self.peek()!r}" if self.peek().strip() else "a word is missing"
            raise self.error(problem, begin)
        if self.peek() and self.peek() in "*~" and len(word.split()) != 1:
            raise self.error(f"{self.peek()!r} belongs to one word, not to {shown(word)}", begin)
        if self.peek() == "*":
            self.at += 1
            return Q.prefix(word, field=field)
        if self.peek() == "~":
            at = self.at
            distance = self.integer_after("~")
            if distance not in (None, 1, 2):
                raise self.error("the distance of a misspelling is 1 or 2", at)
            return Q.fuzzy(word, distance=distance or 1, field=field)
        # A required word has to occur as a whole, not some part of it.
        return Q.text(word, minimum="all" if required else 1, field=field)

    def integer_after(self, mark: str) -> int | None:
        self.at += len(mark)
        begin = self.at
        while self.peek() and self.peek() in "0123456789" and self.at - begin < 6:
            self.at += 1
        return int(self.written[begin : self.at]) if self.at > begin else None

    def factor(self) -> float:
        self.at += 1
        begin = self.at
        while self.peek() and self.peek() in "0123456789.":
            self.at += 1
        try:
            return number(float(self.written[begin : self.at]), "boost", 0, BOOST_MAX)
        except ValueError:
            raise self.error('a number from 0 to 1000000 has to follow "^"', begin) from None
