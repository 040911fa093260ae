"""Records as the engine takes and gives them: checked and encoded on the way in, decoded and cited on the way out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, TypeAlias, get_args

from ragstone import _core
from ragstone.arguments import integer, listed, number, one_of, shown, text, texts
from ragstone.chunking import embedding_text
from ragstone.citation import cite
from ragstone.errors import InvalidInput
from ragstone.filters import FilterLike, filter_json, metadata_from_json, metadata_json
from ragstone.records import Chunk, Document, Frozen, Hit, SearchResult, Stages

__all__ = [
    "TOP_K_MAX",
    "Fusion",
    "Mode",
    "answered",
    "checked_batch",
    "decoded_chunks",
    "decoded_document",
    "encoded",
    "stages",
    "told",
]

Mode: TypeAlias = Literal["hybrid", "dense", "bm25"]
Fusion: TypeAlias = Literal["self_scaling", "convex", "rrf"]

TOP_K_MAX = 1_000_000
# How much a spread of the cosine counts against a spread of BM25, for an embedder that does not say.
DENSE_WEIGHT = 2.0
_NAME_BYTES_MAX = 4096
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


def checked_batch(documents: Iterable[Document]) -> list[Document]:
    """Documents of one commit, each checked before anything is written, no id twice."""
    if isinstance(documents, Document):
        raise InvalidInput("documents is one document: pass a list of documents")
    checked = [_checked(document) for document in listed(documents, "documents")]
    seen: set[str] = set()
    for document in checked:
        if document.document_id in seen:
            raise InvalidInput(f"document_id {document.document_id!r} is given twice in one batch")
        seen.add(document.document_id)
    return checked


def _checked(document: object) -> Document:
    if not isinstance(document, Document):
        raise InvalidInput(f"documents must be ragstone.Document, not {type(document).__name__}")
    size = len(text(document.document_id, "document_id").encode())
    if not 1 <= size <= _NAME_BYTES_MAX:
        raise InvalidInput(f"document_id has {size} bytes, it needs 1 to {_NAME_BYTES_MAX}")
    for name in ("text", "title", "source", "content_sha256"):
        text(getattr(document, name), f"{name} of document {document.document_id!r}")
    if document.content_sha256 and not _SHA256.fullmatch(document.content_sha256):
        raise InvalidInput(f"content_sha256 of document {document.document_id!r} is not 64 hexadecimal digits")
    if document.acl is not None:
        # What can be read only once would be empty when it is stored.
        if not isinstance(document.acl, Collection):
            raise InvalidInput(f"acl of document {document.document_id!r} is {shown(document.acl)}: pass a list")
        texts(document.acl, f"acl of document {document.document_id!r}", "principal")
    return document


def encoded(document: Document, chunks: Iterable[Chunk]) -> _core._DocumentTuple:
    """A document with its chunks as the engine takes it; refuses what cannot be stored."""
    document = _checked(document)
    acl = None if document.acl is None else list(document.acl)
    return (
        document.document_id,
        document.title,
        document.source,
        document.text,
        metadata_json(document.metadata, document.document_id),
        acl,
        document.content_sha256,
        [
            (chunk.start, chunk.end, list(chunk.headings), _context(document.title, chunk), chunk.page)
            for chunk in chunks
        ],
    )


def _context(title: str, chunk: Chunk) -> str:
    """What stands in front of a chunk's text when it is embedded."""
    full = embedding_text(title, chunk)
    return full[: len(full) - len(chunk.text)].removesuffix("\n")


def decoded_document(found: _core._DocumentTuple) -> Document:
    """A stored document."""
    name, title, source, content, metadata, acl, digest, _ = found
    return Document(
        document_id=name,
        text=content,
        title=title,
        source=source,
        metadata=Frozen(metadata_from_json(metadata)),
        acl=None if acl is None else tuple(acl),
        content_sha256=digest,
    )


def decoded_chunks(found: _core._DocumentTuple) -> list[Chunk]:
    """The chunks of a stored document, in order."""
    content = found[3]
    return [
        Chunk(start=start, end=end, text=content[start:end], headings=tuple(headings), page=page)
        for start, end, headings, _, page in found[7]
    ]


def told(
    embedder: object,
    *,
    top_k: int,
    mode: Mode,
    filter: FilterLike | None,
    principals: Sequence[str] | None,
    fusion: Fusion,
    dense_weight: float | None,
    exact: bool = False,
    explain: bool = False,
    evidence: bool = False,
    without: Sequence[str] = (),
    timeout_s: float | None = None,
) -> _core.SearchArguments:
    """The arguments of a search as the engine takes them, each checked."""
    for name, flag in (("exact", exact), ("explain", explain)):
        if not isinstance(flag, bool):
            raise InvalidInput(f"{name} is {flag!r}: pass True or False")
    one_of(fusion, "fusion", get_args(Fusion))
    if dense_weight is None:
        own = getattr(embedder, "dense_weight", DENSE_WEIGHT)
        dense_weight = 0.5 if fusion == "convex" else own
    return {
        "mode": one_of(mode, "mode", get_args(Mode)),
        "fusion": fusion,
        "weight": number(dense_weight, "dense_weight", 0, 1 if fusion == "convex" else 1e6),
        "exact": exact,
        "explain": explain,
        "evidence": evidence,
        "without": texts(without, "without", "document_id"),
        "top_k": integer(top_k, "top_k", 1, TOP_K_MAX),
        "filter": filter_json(filter),
        "principals": [] if principals is None else texts(principals, "principals", "principal"),
        "timeout_s": None if timeout_s is None else number(timeout_s, "timeout_s", 0, float("inf")),
    }


def answered(
    query: str,
    found: Sequence[_core._HitTuple],
    warnings: Sequence[str],
    snapshot: int,
    latency_ms: float,
    *,
    explain: bool,
    mode: str,
) -> SearchResult:
    """The result of one search, its hits ranked and cited."""
    return SearchResult(
        query=query,
        hits=tuple(_hit(one, rank, snapshot, explain, mode) for rank, one in enumerate(found, 1)),
        mode=mode,
        snapshot=snapshot,
        latency_ms=latency_ms,
        warnings=tuple(warnings),
    )


def stages(embed_s: float, engine_s: tuple[float, float, float, float, float], cite_s: float) -> Stages:
    """The stages of one search in milliseconds, from seconds; the engine's last one belongs to citing."""
    filter_s, lexical_s, dense_s, fuse_s, looked_up_s = engine_s
    return Stages(
        embed=embed_s * 1000,
        filter=filter_s * 1000,
        lexical=lexical_s * 1000,
        dense=dense_s * 1000,
        fuse=fuse_s * 1000,
        cite=(looked_up_s + cite_s) * 1000,
    )


def _hit(one: _core._HitTuple, rank: int, snapshot: int, explain: bool, mode: str) -> Hit:
    names, text, score, metadata, headings, page, (start, end), highlights, parts, words = one
    chunk_id, document_id, title, source = names
    return Hit(
        chunk_id=chunk_id,
        document_id=document_id,
        text=text,
        score=score,
        rank=rank,
        metadata=Frozen(metadata_from_json(metadata)),
        citation=cite(
            source=source, document_id=document_id, page=page, start=start, end=end, snapshot=snapshot, text=text
        ),
        highlights=tuple(highlights),
        title=title,
        headings=tuple(headings),
        explain=_explanation(parts, words, mode) if explain else None,
    )


def _explanation(parts: _core._Parts, words: Sequence[_core._TermPart], mode: str) -> Mapping[str, object]:
    bm25_part, dense_part, bm25, cosine, bm25_rank, dense_rank = parts
    # What the words add to BM25 is spread over what BM25 adds to the score.
    share = bm25_part / total if (total := sum(word[3] for word in words)) else 0.0
    return Frozen(
        {
            "mode": mode,
            "parts": Frozen({"bm25": bm25_part, "dense": dense_part}),
            "words": tuple(
                Frozen({"name": name, "term": term, "count": count, "bm25": own, "score": own * share})
                for name, term, count, own in words
            ),
            "bm25": bm25,
            "cosine": cosine,
            "bm25_rank": bm25_rank,
            "dense_rank": dense_rank,
        }
    )
