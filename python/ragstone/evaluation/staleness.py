"""Measures how often answers cite what has been superseded: questions whose answers changed, asked after the change."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ragstone.errors import InvalidInput
from ragstone.estimates import Estimate, proportion
from ragstone.filters import FilterLike
from ragstone.index import SearchIndex
from ragstone.lines import json_lines, text_field, where
from ragstone.pipeline import open as open_index
from ragstone.records import Embedder, Hit

__all__ = ["Change", "Replacement", "StaleAnswers", "read_changes", "replaced_answers", "stale_answers"]

_WORD = re.compile(r"\w+|[^\w\s|]")


@dataclass(frozen=True, slots=True)
class Change:
    """A question whose answer changed: the literal old and new text, and the documents that have them.

    ``old_document`` equals ``new_document`` where the document was replaced, else it is the superseded edition.
    Documents are named by id, or by its end after a slash.
    """

    question: str
    old_document: str
    old_text: str
    new_document: str
    new_text: str


@dataclass(frozen=True, slots=True)
class StaleAnswer:
    """One question that was answered with what is superseded; ``rank`` is where that stood, from 1."""

    question: str
    document_id: str
    rank: int


@dataclass(frozen=True, slots=True, repr=False)
class StaleAnswers:
    """What :func:`stale_answers` found.

    ``top`` is the share of questions whose best hit is superseded, ``cited`` of those with any such hit; ``current``
    the share whose hits have the new text. ``unresolved`` counts citations that do not cut their text out of the
    document as it is now. ``unjudged`` questions were left out: their old text is in the new document too.
    """

    questions: int
    top: Estimate
    cited: Estimate
    current: Estimate
    unresolved: int
    unjudged: int
    answers: tuple[StaleAnswer, ...]

    def to_dict(self) -> dict[str, object]:
        """Everything by name, for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __str__(self) -> str:
        return (
            f"best hit superseded {self.top}, any hit {self.cited}, new text among hits {self.current} "
            f"(n = {self.questions}, {self.unjudged} left out, {self.unresolved} citations do not resolve)"
        )

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True, slots=True, repr=False)
class Replacement:
    """What :func:`replaced_answers` found.

    ``before`` are answers of the old editions, which shows that the questions do find them; ``after`` those after the
    same documents were replaced, as another handle of the index gives them; ``beside`` those of an index that keeps
    both editions, ``filtered`` the same with a filter that leaves superseded ones out.
    """

    embedder: str | None
    documents: int
    chunks: int
    before: StaleAnswers
    after: StaleAnswers
    beside: StaleAnswers
    filtered: StaleAnswers

    def to_dict(self) -> dict[str, object]:
        """Everything by name, for JSON."""
        sides = {name: getattr(self, name).to_dict() for name in ("before", "after", "beside", "filtered")}
        return {"embedder": self.embedder, "documents": self.documents, "chunks": self.chunks, **sides}

    def __str__(self) -> str:
        rows = (
            ("before the update (has to be high)", self.before),
            ("after it, same document ids", self.after),
            ("both editions kept", self.beside),
            ("both kept, superseded ones filtered", self.filtered),
        )
        asked = f"{self.after.questions} questions, {self.after.unjudged} left out"
        head = f"{self.documents} documents, {self.chunks} chunks, embedder {self.embedder}; {asked}"
        lines = [head, f"{'stale answers':<36} {'best hit':>22} {'any hit':>22} {'new text found':>22}"]
        for name, one in rows:
            lines.append(f"{name:<36} {one.top!s:>22} {one.cited!s:>22} {one.current!s:>22}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)


def read_changes(path: Path) -> list[Change]:
    """Read a JSON Lines file of changes: ``question`` (or ``fact``), ``old_text``, ``new_text``, ``new_document``.

    ``old_document`` may be left out where the document was replaced.

    Raises:
        InvalidInput: A line lacks a field, or the file has no line; the message names file and line.
    """
    changes = []
    for number, row in json_lines(path):
        here = where(path, number)
        new = text_field(row, ("new_document", "document"), here)
        changes.append(
            Change(
                question=text_field(row, ("question", "fact"), here),
                old_document=text_field(row, "old_document", here) if "old_document" in row else new,
                old_text=text_field(row, "old_text", here),
                new_document=new,
                new_text=text_field(row, "new_text", here),
            )
        )
    if not changes:
        raise InvalidInput(f"file {str(path)!r} has no changes: write one object a line")
    return changes


def stale_answers(
    index: SearchIndex,
    changes: Sequence[Change],
    *,
    top_k: int = 5,
    filter: FilterLike | None = None,
    principals: Sequence[str] | None = None,
) -> StaleAnswers:
    """Ask questions whose answers changed, and count what still comes from before.

    A hit is superseded if it belongs to an old edition under an id of its own, or has the literal old text of a
    document that was replaced. Texts compare by their words and signs, without case and spaces.

    Raises:
        InvalidInput: There is no change, or none whose new document is in the index and without the old text.

    >>> import ragstone, tempfile
    >>> change = Change("refund window", "policy", "30 days", "policy", "45 days")
    >>> with tempfile.TemporaryDirectory() as folder, ragstone.open(folder, embedder="hashing") as index:
    ...     _ = index.upsert([ragstone.Document("policy", "Refund window: 30 days.")])
    ...     before = index.search("refund window")[0].text
    ...     _ = index.upsert([ragstone.Document("policy", "Refund window: 45 days.")])
    ...     stale_answers(index, [change]).top.value
    0.0
    """
    names = [name for name, _, _ in index.sources()]
    return _asked(index, changes, _judged(index, names, changes), names, top_k, filter, principals)


def replaced_answers(
    corpus: str | os.PathLike[str],
    *,
    embedder: str | os.PathLike[str] | Embedder | None = "auto",
    top_k: int = 5,
    superseded: FilterLike | None = None,
) -> Replacement:
    """Replace documents of a corpus by their new editions in a temporary index, and see what answers cite then.

    Args:
        corpus: Folder with ``documents/``, which has both editions, and ``queries/changed-facts.jsonl``.
        embedder: As for :func:`ragstone.open`.
        top_k: Hits of each question.
        superseded: Filter that leaves old editions out; by default ``status`` is not ``superseded``.

    Raises:
        InvalidInput: The corpus lacks a file.
    """
    source = Path(corpus)
    changes = read_changes(source / "queries" / "changed-facts.jsonl")
    if not (source / "documents").is_dir():
        raise InvalidInput(f"{str(source)!r} has no folder 'documents': name the folder of a corpus")
    editions = sorted({(change.old_document, change.new_document) for change in changes})
    for pair in editions:
        for name in pair:
            if not (source / "documents" / name).is_file():
                raise InvalidInput(
                    f"{str(source / 'documents')!r} has no file {name!r}, which changed-facts.jsonl names"
                )
    kept = {"status": {"$ne": "superseded"}} if superseded is None else superseded
    replaced = [
        Change(change.question, change.new_document, change.old_text, change.new_document, change.new_text)
        for change in changes
    ]
    with tempfile.TemporaryDirectory(prefix="ragstone-freshness-") as folder:
        documents = Path(folder) / "documents"
        shutil.copytree(source / "documents", documents)
        with open_index(Path(folder) / "beside", embedder=embedder) as both:
            both.ingest(documents)
            beside = stale_answers(both, changes, top_k=top_k)
            filtered = stale_answers(both, changes, top_k=top_k, filter=kept)
            # What can be judged is what the new editions do not say too: the same questions before and after.
            names = [name for name, _, _ in both.sources()]
            judged = _judged(both, names, replaced)
        for old, new in editions:
            if old != new:
                (documents / old).replace(documents / new)
        path = Path(folder) / "replaced"
        with open_index(path, embedder=embedder) as writer:
            writer.ingest(documents)
            with open_index(path, read_only=True, embedder=writer.embedder) as reader:
                names = [name for name, _, _ in reader.sources()]
                before = _asked(reader, replaced, judged, names, top_k, None, None)
                for _, new in editions:
                    shutil.copyfile(source / "documents" / new, documents / new)
                writer.ingest(documents)
                reader.refresh()
                after = _asked(reader, replaced, judged, names, top_k, None, None)
                statistics = reader.stats()
            called = None if writer.embedder is None else writer.embedder.name
    return Replacement(
        embedder=called,
        documents=int(str(statistics["documents"])),
        chunks=int(str(statistics["chunks"])),
        before=before,
        after=after,
        beside=beside,
        filtered=filtered,
    )


def _judged(index: SearchIndex, names: Sequence[str], changes: Sequence[Change]) -> list[Change]:
    """The changes that literal text can tell: the new document does not have the old text as well."""
    judged = []
    for change in changes:
        name = _named(change.new_document, names)
        document = None if name is None else index.document(name)
        if document is not None and _plain(change.old_text) not in _plain(document.text):
            judged.append(change)
    if not judged:
        raise InvalidInput(
            f"none of the {len(changes)} changes can be judged: their new documents are not in the index, "
            "or have the old text too"
        )
    return judged


def _asked(
    index: SearchIndex,
    changes: Sequence[Change],
    judged: Sequence[Change],
    names: Sequence[str],
    top_k: int,
    filter: FilterLike | None,
    principals: Sequence[str] | None,
) -> StaleAnswers:
    results = index.search_batch(
        [change.question for change in judged], top_k=top_k, filter=filter, principals=principals
    )
    stale, top, current, unresolved = [], 0, 0, 0
    for change, hits in zip(judged, results, strict=True):
        old, new = _named(change.old_document, names), _named(change.new_document, names)
        wrong = [hit for hit in hits if _is_stale(hit, change, old, new)]
        top += bool(wrong) and wrong[0].rank == 1
        current += any(hit.document_id == new and _plain(change.new_text) in _plain(hit.text) for hit in hits)
        unresolved += sum(not _resolves(index, hit) for hit in hits)
        if wrong:
            stale.append(StaleAnswer(change.question, wrong[0].document_id, wrong[0].rank))
    return StaleAnswers(
        questions=len(judged),
        top=proportion(top, len(judged)),
        cited=proportion(len(stale), len(judged)),
        current=proportion(current, len(judged)),
        unresolved=unresolved,
        unjudged=len(changes) - len(judged),
        answers=tuple(stale),
    )


def _is_stale(hit: Hit, change: Change, old: str | None, new: str | None) -> bool:
    if old != new and hit.document_id == old:
        return True
    return hit.document_id == new and _plain(change.old_text) in _plain(hit.text)


def _resolves(index: SearchIndex, hit: Hit) -> bool:
    document = index.document(hit.document_id)
    return document is not None and document.text[hit.citation.start : hit.citation.end] == hit.text


def _named(wanted: str, names: Sequence[str]) -> str | None:
    """The id of a document that is named by it or by its end."""
    return next((name for name in names if name == wanted), None) or next(
        (name for name in names if name.endswith(f"/{wanted}")), None
    )


def _plain(text: str) -> str:
    return f" {' '.join(_WORD.findall(text.casefold()))} "
