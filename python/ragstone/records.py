"""The values that travel between the parts: documents and chunks in, hits, citations and answers out.

All are immutable. Nothing here computes anything beyond rendering itself, and nothing here imports another part.
"""

from __future__ import annotations

import datetime as _datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal, NoReturn, Protocol, TypeAlias, overload, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Advice",
    "Answer",
    "Chunk",
    "Citation",
    "Document",
    "Embedder",
    "FileOutcome",
    "Hit",
    "IngestReport",
    "MetadataScalar",
    "MetadataValue",
    "Path",
    "Reason",
    "Recorder",
    "Route",
    "SearchResult",
    "Section",
    "Stages",
    "Superseded",
]

MetadataScalar: TypeAlias = "str | int | float | bool | _datetime.date | _datetime.datetime"
MetadataValue: TypeAlias = "MetadataScalar | Sequence[MetadataScalar]"
Path: TypeAlias = Literal["retrieve", "advisory_finetune", "hybrid", "pass"]


class Frozen(dict[str, Any]):
    """A dict that cannot be changed; unlike a mapping proxy it can be copied, pickled and taken apart by ``asdict``."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("results are immutable: make a dict of it first")

    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = __ior__ = _refuse

    def __reduce__(self) -> tuple[type[Frozen], tuple[dict[str, Any]]]:
        return Frozen, (dict(self),)


_EMPTY: Mapping[str, MetadataValue] = Frozen()


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into unit vectors.

    ``fingerprint`` is a digest of everything that decides the vectors (weights, tokenizer, pooling,
    normalisation): equal fingerprints give equal vectors, and an index refuses any other.
    """

    @property
    def name(self) -> str:
        """Short name for people: ``minilm``, ``builtin``, ``hashing`` or a model folder's name."""

    @property
    def dimension(self) -> int:
        """Length of each vector."""

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digest that identifies the embedder."""

    @property
    def max_tokens(self) -> int:
        """Tokens of one text that the model takes, special tokens included."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts: an array of shape (n, dimension), float32, each row of unit length."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Model tokens of each text, special tokens not included."""


@dataclass(frozen=True, slots=True)
class Section:
    """A span of a document's text that the parser marked: what the chunker may and may not cut.

    ``kind`` is ``heading``, ``paragraph``, ``list``, ``table``, ``code`` or ``metadata`` (what a parser took as the
    document's metadata: it is not chunked); ``headings`` is the path of
    headings in force, outermost first (a heading's own text is the last part of its path); ``page`` counts from 1 where
    the format has pages.
    Sections are sorted, do not overlap, and need not cover the whole text.
    """

    start: int
    end: int
    kind: Literal["heading", "paragraph", "list", "table", "code", "metadata"]
    headings: tuple[str, ...] = ()
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A text with its identity: the unit that is added, replaced and deleted.

    ``document_id`` is unique within an index: adding it again replaces the document. ``metadata`` maps names to
    strings, numbers, booleans, dates, or lists of one of these. ``acl`` lists the principals who may see the
    document: ``None`` means everyone, an empty list no one. ``source`` is where the text came from (a path);
    ``content_sha256`` is the digest of the source's bytes, which lets ``ingest`` skip what did not change.
    """

    document_id: str
    text: str
    title: str = ""
    metadata: Mapping[str, MetadataValue] = field(default_factory=lambda: _EMPTY)
    acl: Sequence[str] | None = None
    source: str = ""
    sections: Sequence[Section] = ()
    content_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A span of a document: the unit that is embedded, indexed and cited.

    ``start`` and ``end`` are ``str`` indices: ``document.text[start:end] == text``. ``headings`` is the path of
    headings in force at ``start``; title and path stand in front of ``text`` when it is embedded and indexed.
    """

    start: int
    end: int
    text: str
    headings: tuple[str, ...] = ()
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a hit comes from, precisely enough to audit it later.

    ``start`` and ``end`` are ``str`` indices into the document's text as it was indexed; ``snapshot`` is the
    generation of the index that answered; ``sha256`` is the digest of the cited text in UTF-8.
    """

    source: str
    document_id: str
    page: int | None
    start: int
    end: int
    snapshot: int
    sha256: str

    def __str__(self) -> str:
        page = f", page {self.page}" if self.page is not None else ""
        return f"{self.source or self.document_id}{page}, characters {self.start}-{self.end}"


@dataclass(frozen=True, slots=True)
class Hit:
    """One chunk of a search result; ``score`` is higher for better, ``rank`` counts from 1.

    ``highlights`` are (start, end) ``str`` indices into ``text`` where query terms occur. ``explain`` is ``None``
    unless asked for; its ``parts`` add up to ``score``, and the scores of its ``words`` to the part of BM25.
    """

    chunk_id: str
    document_id: str
    text: str
    score: float
    rank: int
    metadata: Mapping[str, MetadataValue]
    citation: Citation
    highlights: tuple[tuple[int, int], ...] = ()
    title: str = ""
    headings: tuple[str, ...] = ()
    explain: Mapping[str, object] | None = None

    def __str__(self) -> str:
        where = " > ".join(part for part in (self.title, *self.headings) if part)
        text = " ".join(self.text.split())
        text = text if len(text) <= 240 else text[:239] + "…"
        head = f"{self.rank}. [{self.score:.3f}] {where}" if where else f"{self.rank}. [{self.score:.3f}]"
        return f"{head}\n   {text}\n   — {self.citation}"

    def _repr_html_(self) -> str:
        return f"<p>{_marked(self)}</p><p><code>{escape(str(self.citation))}</code></p>"


@dataclass(frozen=True, slots=True)
class Stages:
    """Milliseconds of each stage of one search; 0 for one that was not needed. What is left over is argument checks.

    ``filter`` tells which chunks may be found, ``fuse`` scores the chunks of both lists exactly and ranks them, and
    ``cite`` looks up the hits' texts, marks words in them and makes the citations.
    """

    route: float = 0.0
    embed: float = 0.0
    filter: float = 0.0
    lexical: float = 0.0
    dense: float = 0.0
    fuse: float = 0.0
    cite: float = 0.0


@dataclass(frozen=True, slots=True, repr=False)
class SearchResult(Sequence[Hit]):
    """The hits of one search, best first. An empty result is a value, not an error.

    ``warnings`` say what about the query the asker should know: that it has no word to search for, or that a prefix
    stands for more terms than were taken. ``stages`` is ``None`` where queries were answered together.
    """

    query: str
    hits: tuple[Hit, ...]
    mode: str
    snapshot: int
    latency_ms: float
    warnings: tuple[str, ...] = ()
    stages: Stages | None = None

    def __len__(self) -> int:
        return len(self.hits)

    @overload
    def __getitem__(self, position: int) -> Hit: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[Hit]: ...
    def __getitem__(self, position: int | slice) -> Hit | Sequence[Hit]:
        return self.hits[position]

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __str__(self) -> str:
        hits = "1 hit" if len(self.hits) == 1 else f"{len(self.hits)} hits"
        head = f"{hits} for {self.query!r} ({self.mode}, {self.latency_ms:.1f} ms)"
        return "\n".join([head, *(str(hit) for hit in self.hits), *(f"warning: {one}" for one in self.warnings)])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{hit.rank}</td><td>{hit.score:.3f}</td><td>{_marked(hit)}</td>"
            f"<td><code>{escape(str(hit.citation))}</code></td></tr>"
            for hit in self.hits
        )
        return (
            f"<p>{len(self.hits)} hits for <b>{escape(self.query)}</b> "
            f"({escape(self.mode)}, {self.latency_ms:.1f} ms)</p>"
            f"<table><tr><th>#</th><th>score</th><th>text</th><th>source</th></tr>{rows}</table>"
        )


def _marked(hit: Hit) -> str:
    """A hit's text as HTML with its highlights marked."""
    pieces, position = [], 0
    for start, end in hit.highlights:
        pieces += [escape(hit.text[position:start]), "<mark>", escape(hit.text[start:end]), "</mark>"]
        position = end
    return "".join([*pieces, escape(hit.text[position:])])


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a query was routed as it was: ``text == query[start:end]``; a positive ``weight`` speaks for behaviour."""

    start: int
    end: int
    text: str
    weight: float
    rule: str


@dataclass(frozen=True, slots=True, repr=False)
class Route:
    """Which path a query takes, with calibrated probabilities and the spans that decided.

    Where an index was asked as well, ``answerability`` is the probability that it holds an answer, ``p_facts`` counts
    that in, and ``text_p_facts`` is what the text alone said; both are ``None`` where the text decided alone.
    """

    path: Path
    p_behaviour: float
    p_facts: float
    uncertain: bool
    reasons: tuple[Reason, ...] = ()
    text_p_facts: float | None = None
    answerability: float | None = None

    def __str__(self) -> str:
        sure = "uncertain" if self.uncertain else "sure"
        lines = [f"{self.path} ({sure}; p_behaviour {self.p_behaviour:.2f}, p_facts {self.p_facts:.2f})"]
        if self.answerability is None or self.text_p_facts is None:
            lines.append("  decided by the text alone")
        else:
            told = (
                f"the text alone gives p_facts {self.text_p_facts:.2f}, the index answers with {self.answerability:.2f}"
            )
            lines.append(f"  decided with the index: {told}")
        lines += [f"  {reason.weight:+.2f}  {reason.text!r}  ({reason.rule})" for reason in self.reasons]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


@dataclass(frozen=True, slots=True, repr=False)
class Advice:
    """The advisory fine-tune path for one query: what is asked of the model's behaviour, and what to do about it.

    It advises only: nothing is trained and nothing is sent anywhere.
    """

    summary: str
    demands: tuple[str, ...]
    why: tuple[str, ...]
    collect: tuple[str, ...]
    avoid: tuple[str, ...]
    next_steps: tuple[str, ...]

    def __str__(self) -> str:
        blocks = [self.summary]
        for name, lines in (
            ("Why", self.why),
            ("Collect", self.collect),
            ("Do not fine-tune on", self.avoid),
            ("Next steps", self.next_steps),
        ):
            if lines:
                blocks.append("\n".join([f"{name}:", *(f"  - {line}" for line in lines)]))
        return "\n".join(blocks)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """What ``ask`` returns: the path taken, and the evidence or the advice that belongs to it.

    ``context`` is prompt-ready text in which ``[1]`` marks the first citation. ``answerability`` is the estimated
    probability that the hits contain an answer, or ``None`` where nothing was retrieved on purpose; ``abstained``
    is true when that is too low to answer from.
    """

    query: str
    path: Path
    route: Route
    hits: tuple[Hit, ...]
    citations: tuple[Citation, ...]
    context: str
    abstained: bool
    answerability: float | None
    advice: Advice | None
    warnings: tuple[str, ...] = ()
    latency_ms: float = 0.0
    stages: Stages | None = None

    def __str__(self) -> str:
        lines = [f"path: {self.path}"]
        if self.path == "pass":
            lines.append(
                "the query needs neither facts of this corpus nor a lasting change of behaviour: just answer it"
            )
        elif self.answerability is not None:
            verdict = "abstained: the corpus does not seem to hold an answer" if self.abstained else "answerable"
            lines.append(f"{verdict} (answerability {self.answerability:.2f}, {self.latency_ms:.1f} ms)")
        if not self.abstained:
            lines += [str(hit) for hit in self.hits]
        if self.advice is not None:
            lines.append(str(self.advice))
        return "\n".join([*lines, *(f"warning: {warning}" for warning in self.warnings)])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


class Recorder(Protocol):
    """Takes note of what was answered, such as :class:`ragstone.monitoring.QueryLog`. It must neither fail nor wait."""

    def record(
        self, result: Answer | SearchResult, *, found: SearchResult | None = None, top_k: int | None = None
    ) -> object:
        """Note a result; ``found`` is the search behind an answer."""
        ...


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What ``ingest`` did with one file; ``reason`` says why where the outcome is not ``added``."""

    source: str
    outcome: Literal["added", "replaced", "unchanged", "removed", "skipped", "failed"]
    reason: str = ""
    chunks: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class IngestReport:
    """What one ``ingest`` did, file by file. Rates are per second of wall time."""

    files: tuple[FileOutcome, ...]
    chunks_added: int
    chunks_embedded: int
    seconds: float

    def count(self, outcome: str) -> int:
        """Number of files with this outcome."""
        return sum(file.outcome == outcome for file in self.files)

    @property
    def failed(self) -> tuple[FileOutcome, ...]:
        """The files that could not be read, each with its reason."""
        return tuple(file for file in self.files if file.outcome == "failed")

    def __str__(self) -> str:
        counts = ", ".join(
            f"{self.count(name)} {name}"
            for name in ("added", "replaced", "unchanged", "removed", "skipped", "failed")
            if self.count(name)
        )
        rate = self.chunks_added / self.seconds if self.seconds > 0 else 0.0
        lines = [
            f"{len(self.files)} files: {counts or 'nothing to do'}",
            f"{self.chunks_added} chunks added, {self.chunks_embedded} embedded "
            f"in {self.seconds:.1f} s ({rate:.0f} chunks/s)",
        ]
        lines += [f"  failed: {file.source}: {file.reason}" for file in self.failed]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


@dataclass(frozen=True, slots=True)
class Superseded:
    """A span of a text that states what an indexed document once stated and its current version no longer states.

    ``start`` and ``end`` are ``str`` indices into the text, ``text`` is what stands between them. ``kind`` is
    ``number``, ``quantity``, ``money``, ``percentage``, ``date``, ``time``, ``identifier`` or ``name`` (two words of
    it). ``generation`` and ``time_ms`` (since 1970-01-01 UTC) tell which commit replaced the document.
    """

    start: int
    end: int
    text: str
    kind: str
    document_id: str
    generation: int
    time_ms: int
