"""A sequence of writes that every process can work out for itself, and what an index must hold after each of them.

Write number ``n`` depends on ``n`` and the documents before it alone. So whoever finds an index after a crash can tell
which write was the last to arrive, and readers can tell whether what they see is one committed state and not a mixture.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import ragstone
from ragstone import Document
from ragstone.embedding.hashing import HashingEmbedder

EMBEDDER = HashingEmbedder(16)
NAMES = [f"d{number:02}" for number in range(40)]
WORDS = [
    "anchor",
    "basalt",
    "copper",
    "delta",
    "ember",
    "fjord",
    "granite",
    "harbour",
    "iris",
    "juniper",
    "kelp",
    "lagoon",
]

State = dict[str, str]


@dataclass(frozen=True)
class Write:
    """One acknowledged call: ``upsert``, ``delete``, ``merge``, ``embed`` or ``snapshot``."""

    kind: str
    documents: tuple[tuple[str, str], ...] = ()
    names: tuple[str, ...] = ()
    later: bool = False


def text_of(name: str, number: int, dice: random.Random) -> str:
    paragraphs = (" ".join(dice.choices(WORDS, k=dice.randint(3, 40))) for _ in range(dice.randint(1, 3)))
    return f"{name} as of write {number}.\n\n" + "\n\n".join(paragraphs)


def write(number: int, state: State) -> Write:
    """Write ``number`` onto a state; the first always brings something."""
    dice = random.Random(number)
    kind = (
        "upsert"
        if not state
        else dice.choices(["upsert", "delete", "merge", "embed", "snapshot"], [60, 20, 8, 7, 5])[0]
    )
    if kind == "upsert":
        names = sorted(dice.sample(NAMES, dice.randint(1, 8)))
        return Write(kind, tuple((name, text_of(name, number, dice)) for name in names), later=dice.random() < 0.3)
    if kind == "delete":
        return Write(kind, names=tuple(dice.sample(sorted(state), min(len(state), dice.randint(1, 5)))))
    return Write(kind)


def after(state: State, done: Write) -> State:
    kept = {name: text for name, text in state.items() if name not in done.names}
    return kept | dict(done.documents)


def states() -> Iterator[tuple[int, State]]:
    """Write numbers from 0, each with the documents before it."""
    state: State = {}
    number = 0
    while True:
        yield number, state
        state = after(state, write(number, state))
        number += 1


def perform(index: ragstone.Index, done: Write, folder: Path) -> None:
    if done.kind == "upsert":
        documents = [Document(name, text) for name, text in done.documents]
        index.upsert(documents, embed="later" if done.later else "now")
    elif done.kind == "delete":
        index.delete(document_ids=list(done.names))
    elif done.kind == "merge":
        index.merge()
    elif done.kind == "embed":
        index.embed_pending()
    else:
        index.snapshot(folder)


def open_index(folder: Path, **options: object) -> ragstone.Index:
    return ragstone.open(folder, embedder=EMBEDDER, language="none", max_tokens=32, overlap_tokens=0, **options)  # type: ignore[arg-type]


def found(index: ragstone.Index) -> State:
    """All documents of an index."""
    state: State = {}
    for name, _, _ in index.sources():
        document = index.document(name)
        assert document is not None, f"{name} is listed and not there"
        state[name] = document.text
    return state


def wrong_hits(index: ragstone.Index, state: State, dice: random.Random) -> list[str]:
    """What a search finds that the state does not hold, or fails to find in it."""
    word = dice.choice(WORDS)
    hits = index.search(word, mode="bm25", top_k=500)
    wrong = [
        f"{word} found in {hit.document_id}: {hit.text!r}"
        for hit in hits
        if word not in hit.text.split() or hit.text not in state.get(hit.document_id, "")
    ]
    having = {name for name, text in state.items() if word in text.split()}
    missed = having - {hit.document_id for hit in hits}
    return wrong + [f"{word} not found in {name}" for name in sorted(missed)]
