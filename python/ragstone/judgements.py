"""Reads and writes queries, judgements and runs in the forms that others use: TREC, BEIR and RAGAS.

Whatever cannot be used is refused by file and line: a malformed line, a number that is not finite, a query or document
given twice, a judgement of a query that is not there, an empty file. A file whose name ends in ``.gz`` is unpacked on
the way. Files are written in UTF-8 with Unix line ends, and fields between tabs, so that ids may hold blanks.
"""

from __future__ import annotations

import gzip
import json
import math
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, TypeVar, cast

import numpy as np

from ragstone.arguments import text as checked_text
from ragstone.errors import InvalidInput
from ragstone.lines import json_lines, table_lines, text_field, where
from ragstone.records import Document

__all__ = [
    "Judgements",
    "read_beir",
    "read_documents",
    "read_field",
    "read_judged",
    "read_qrels",
    "read_queries",
    "read_ragas",
    "read_run",
    "write_beir",
    "write_qrels",
    "write_run",
]

_Value = TypeVar("_Value")

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Judgements:
    """Queries by id, the grades of their judged documents, and where they come with one, a run: of RAGAS."""

    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]
    run: dict[str, dict[str, float]] | None = None


def read_queries(path: Path) -> dict[str, str]:
    """Texts of queries by id: one JSON object a line, with ``_id`` or ``id``, and ``text`` or ``query``.

    Raises:
        InvalidInput: As all readers here; an id comes twice.
    """
    texts: dict[str, str] = {}
    for number, row in json_lines(path):
        here = where(path, number)
        name = _id(row, here)
        if name in texts:
            raise InvalidInput(f"{here} gives query {name!r} for the second time: keep one")
        texts[name] = text_field(row, ("text", "query"), here)
    return _some(texts, path, "queries")


def read_field(path: Path, field: str) -> dict[str, str]:
    """Another field of each query in such a file, such as its kind: by what results are to be split."""
    values: dict[str, str] = {}
    for number, row in json_lines(path):
        here = where(path, number)
        value = row.get(field)
        if not isinstance(value, (str, int)):
            fields = ", ".join(f'"{name}"' for name in row)
            raise InvalidInput(f'{here} has no text in field "{field}": it has {fields}')
        values[_id(row, here)] = str(value)
    return _some(values, path, "queries")


def read_qrels(path: Path, *, queries: Container[str] | None = None) -> dict[str, dict[str, int]]:
    """Grades: ``query document grade`` (BEIR) or ``query 0 document grade`` (TREC), between tabs, else blanks.

    A first line of which the last field is no number is a header.

    Args:
        path: The file.
        queries: Where given, a judgement of any other query is refused.
    """
    grades: dict[str, dict[str, int]] = {}
    for count, (number, line) in enumerate(table_lines(path)):
        here, fields = where(path, number), _fields(line)
        if len(fields) not in (3, 4):
            raise InvalidInput(
                f"{here} has {len(fields)} fields, it is no judgement: write query, document and grade between tabs"
            )
        query, document, grade = fields[0], fields[-2], fields[-1]
        if _INTEGER.fullmatch(grade) is None:
            if count == 0 and _NUMBER.fullmatch(grade) is None:
                continue
            raise InvalidInput(f"{here} has grade {grade!r}, it is no judgement: write an integer, relevant from 1")
        if queries is not None and query not in queries:
            raise InvalidInput(f"{here} judges query {query!r}, which is not among the queries: check its id")
        of_query = grades.setdefault(query, {})
        if document in of_query:
            raise InvalidInput(f"{here} judges document {document!r} of query {query!r} for the second time: keep one")
        of_query[document] = int(grade)
    return _some(grades, path, "judgements")


def read_judged(queries: Path, qrels: Path) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    """Queries and their judgements: a judgement of a query that is not in the first file is refused."""
    texts = read_queries(queries)
    return texts, read_qrels(qrels, queries=texts)


def read_run(path: Path) -> dict[str, dict[str, float]]:
    """A run in TREC's form, ``query Q0 document rank score tag``: scores by query and document.

    As for trec_eval scores alone make the ranking, ranks are not looked at.
    """
    run: dict[str, dict[str, float]] = {}
    for number, line in table_lines(path):
        fields = _fields(line)
        if len(fields) != 6:
            raise InvalidInput(
                f"{where(path, number)} has {len(fields)} fields, a line of a run has six: query, Q0, document, rank, "
                "score, tag"
            )
        query, _, document, _, score, _ = fields
        value = float(score) if _NUMBER.fullmatch(score) else math.nan
        if not math.isfinite(value):
            raise InvalidInput(f"{where(path, number)} has score {score!r}: write a finite number")
        of_query = run.setdefault(query, {})
        if document in of_query:
            raise InvalidInput(
                f"{where(path, number)} has document {document!r} for query {query!r} for the second time: keep one"
            )
        of_query[document] = value
    return _some(run, path, "results")


def read_documents(path: Path) -> Iterator[Document]:
    """The documents of BEIR's ``corpus.jsonl``, one after another: ``_id``, ``title`` (may be missing), ``text``.

    Other fields are left out. A document without text is left out too, as there is nothing in it to find.
    """
    seen: set[str] = set()
    for number, row in json_lines(path):
        here = where(path, number)
        name, title, text = _id(row, here), row.get("title", ""), row.get("text")
        if name in seen:
            raise InvalidInput(f"{here} gives document {name!r} for the second time: keep one")
        seen.add(name)
        if not isinstance(text, str) or not isinstance(title, str):
            raise InvalidInput(f'{here} has no text in field "text" or "title": give both as strings')
        if text.strip():
            yield Document(name, text, title=title)


def read_beir(folder: Path, split: str = "test") -> Judgements:
    """Queries and judgements of a folder in BEIR's layout, which holds only those queries that are judged.

    These are ``queries.jsonl`` and ``qrels/<split>.tsv``, or else ``qrels.tsv``; for ``corpus.jsonl`` see
    :func:`read_documents`.
    """
    texts = read_queries(_found(folder, "queries.jsonl"))
    qrels = read_qrels(_found(folder, f"qrels/{split}.tsv", "qrels.tsv"), queries=texts)
    return Judgements({name: text for name, text in texts.items() if name in qrels}, qrels)


def read_ragas(path: Path) -> Judgements:
    """Rows with RAGAS' columns ``user_input``, ``reference_context_ids`` and, for a run, ``retrieved_context_ids``.

    One JSON object a line. A query's id is ``_id`` or ``id`` where there is one, else the number of its line. All
    references have grade 1, and what was retrieved is ranked in the order in which it stands.
    """
    queries: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    run: dict[str, dict[str, float]] = {}
    for number, row in json_lines(path):
        here = where(path, number)
        name = _id(row, here) if "_id" in row or "id" in row else str(number)
        if name in queries:
            raise InvalidInput(f"{here} gives query {name!r} for the second time: keep one")
        queries[name] = text_field(row, ("user_input",), here)
        qrels[name] = dict.fromkeys(_ids(row, "reference_context_ids", here), 1)
        if row.get("retrieved_context_ids") is not None:
            retrieved = _ids(row, "retrieved_context_ids", here)
            run[name] = {one: float(len(retrieved) - rank) for rank, one in enumerate(retrieved)}
    return Judgements(_some(queries, path, "queries"), qrels, run or None)


def write_qrels(path: Path, qrels: Mapping[str, Mapping[str, int]], *, beir: bool = False) -> None:
    """Write judgements in TREC's form, or in BEIR's with its header.

    Raises:
        InvalidInput: An id is empty or holds a tab or a line end.
    """
    with _opened(path) as file:
        if beir:
            file.write("query-id\tcorpus-id\tscore\n")
        for query, grades in qrels.items():
            for document, grade in grades.items():
                _writable(query, document)
                file.write(f"{query}\t{document}\t{grade}\n" if beir else f"{query}\t0\t{document}\t{grade}\n")


def write_run(path: Path, run: Mapping[str, Mapping[str, float]], *, tag: str = "ragstone") -> None:
    """Write a run in TREC's form, each query's documents as trec_eval ranks them: by 32-bit score, then by id.

    Scores are written so that reading them back gives the same bits.

    Raises:
        InvalidInput: An id is empty or holds a tab or a line end, or a score is not finite.
    """
    with _opened(path) as file:
        for query, scored in run.items():
            with np.errstate(over="ignore"):
                keys = np.array(list(scored.values()), dtype=np.float64).astype(np.float32).tolist()
            ranked = sorted(zip(keys, scored, strict=True), reverse=True)
            for rank, (_, document) in enumerate(ranked, start=1):
                _writable(query, document)
                score = float(scored[document])
                if not math.isfinite(score):
                    raise InvalidInput(
                        f"score of document {document!r} for query {query!r} is {score}: no run has that"
                    )
                file.write(f"{query}\tQ0\t{document}\t{rank}\t{score!r}\t{tag}\n")


def write_beir(
    folder: Path,
    queries: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, int]],
    *,
    documents: Iterable[Document] | None = None,
    split: str = "test",
) -> None:
    """Write a folder in BEIR's layout: ``queries.jsonl``, ``qrels/<split>.tsv``, and ``corpus.jsonl`` if given."""
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    with _opened(folder / "queries.jsonl") as file:
        for name, text in queries.items():
            file.write(json.dumps({"_id": name, "text": text}, ensure_ascii=False) + "\n")
    write_qrels(folder / "qrels" / f"{split}.tsv", qrels, beir=True)
    if documents is not None:
        with _opened(folder / "corpus.jsonl") as file:
            for one in documents:
                row = {"_id": one.document_id, "title": one.title, "text": one.text}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _fields(line: str) -> list[str]:
    return [field.strip() for field in line.split("\t")] if "\t" in line else line.split()


def _id(row: dict[str, object], here: str) -> str:
    name = row.get("_id", row.get("id"))
    if isinstance(name, bool) or not isinstance(name, (str, int)) or name == "":
        raise InvalidInput(f'{here} has no id: give it a field "_id" with a string')
    return str(name)


def _ids(row: dict[str, object], field: str, here: str) -> list[str]:
    values = row.get(field)
    if not isinstance(values, list) or not all(isinstance(one, (str, int)) for one in values):
        raise InvalidInput(f'{here} has no list of ids in field "{field}": give it one, which may be empty')
    return list(dict.fromkeys(map(str, values)))


def _some(found: dict[str, _Value], path: Path, what: str) -> dict[str, _Value]:
    if not found:
        raise InvalidInput(f"file {str(path)!r} has no {what}: it is empty")
    return found


def _found(folder: Path, *names: str) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise InvalidInput(f"folder {str(folder)!r} has no {' and no '.join(map(repr, names))}: pass one in BEIR's layout")


def _opened(path: Path) -> TextIO:
    opened = gzip.open if path.suffix == ".gz" else open
    return cast(TextIO, opened(path, "wt", encoding="utf-8", newline="\n"))


def _writable(query: str, document: str) -> None:
    """Refuses what a line would not give back as it was."""
    for what, name in ((f"query {query!r}", query), (f"document {document!r} of query {query!r}", document)):
        checked_text(name, what)
        if name != name.strip() or not name or re.search(r"[\t\n\r]", name):
            raise InvalidInput(f"the id of {what} is empty, or has a tab, a line end or blanks around it: rename it")
