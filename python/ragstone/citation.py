"""Citations, and the prompt-ready context in which ``[1]`` marks the first of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ragstone.records import Citation, Hit

__all__ = ["cite", "context"]


def cite(
    *, source: str, document_id: str, page: int | None, start: int, end: int, snapshot: int, text: str
) -> Citation:
    """The citation of one chunk; ``sha256`` is of its text in UTF-8, so that an auditor can check the source later."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Citation(
        source=source, document_id=document_id, page=page, start=start, end=end, snapshot=snapshot, sha256=digest
    )


def context(hits: Sequence[Hit]) -> str:
    """The hits as numbered blocks for a prompt: a mark with title, headings and source, then the exact text."""
    blocks = []
    for number, hit in enumerate(hits, 1):
        where = " > ".join(part for part in (hit.title, *hit.headings) if part)
        page = f", page {hit.citation.page}" if hit.citation.page is not None else ""
        source = f"{hit.citation.source or hit.document_id}{page}"
        blocks.append(f"[{number}] {where} ({source})\n{hit.text}" if where else f"[{number}] {source}\n{hit.text}")
    return "\n\n".join(blocks)
