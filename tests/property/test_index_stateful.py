"""An index against a dictionary: whatever is done to it in whatever order, it holds and finds what it should."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import ragstone
from conftest import LONG
from oracles import Row, assert_ranking, search_bm25, search_dense, search_hybrid
from ragstone import Document, F
from ragstone.embedding.hashing import HashingEmbedder

WORDS = ["apple", "berry", "cedar", "daisy", "elder", "ferny"]
EMBEDDER = HashingEmbedder(8)

NAMES = st.sampled_from([f"d{n}" for n in range(12)])
TEXTS = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)
YEARS = st.integers(2000, 2004)
ACLS = st.sampled_from([None, [], ["hr"], ["hr", "law"]])
BATCHES = st.lists(st.tuples(NAMES, TEXTS, YEARS, ACLS), min_size=1, max_size=6, unique_by=lambda one: one[0])


class IndexMachine(RuleBasedStateMachine):
    """``model`` maps document ids to the document and whether its chunk has a vector."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="ragstone-stateful-"))
        self.model: dict[str, tuple[Document, bool]] = {}
        self.copies = 0

    @initialize()
    def start(self) -> None:
        self.index = self.open()
        self.reader: ragstone.Index | None = None

    def open(self, **options: object) -> ragstone.Index:
        return ragstone.open(self.folder / "kb", embedder=EMBEDDER, language="none", **options)  # type: ignore[arg-type]

    @rule(batch=BATCHES, later=st.booleans())
    def upsert(self, batch: list[tuple[str, str, int, list[str] | None]], later: bool) -> None:
        documents = [Document(name, text, metadata={"year": year}, acl=acl) for name, text, year, acl in batch]
        count = self.index.upsert(documents, embed="later" if later else "now")
        assert count == sum(bool(document.text) for document in documents)
        self.model |= {document.document_id: (document, not later) for document in documents}

    @rule(names=st.lists(NAMES, max_size=3, unique=True))
    def delete(self, names: list[str]) -> None:
        assert self.index.delete(document_ids=names) == len(self.model.keys() & set(names))
        for name in names:
            self.model.pop(name, None)

    @rule(year=YEARS)
    def delete_by_filter(self, year: int) -> None:
        doomed = [name for name, (document, _) in self.model.items() if document.metadata["year"] == year]
        assert self.index.delete(filter=F("year") == year) == len(doomed)
        for name in doomed:
            del self.model[name]

    @rule()
    def embed_pending(self) -> None:
        waiting = sum(not done and bool(document.text) for document, done in self.model.values())
        assert self.index.embed_pending() == waiting
        self.model = {name: (document, True) for name, (document, _) in self.model.items()}

    @rule()
    def merge(self) -> None:
        self.index.merge()
        assert self.index.stats()["chunks_deleted"] == 0

    @rule()
    def reopen(self) -> None:
        self.index.close()
        self.index = self.open()

    @rule(mmap=st.booleans())
    def read(self, mmap: bool) -> None:
        """A reader keeps the state that it was opened on, whatever the writer does."""
        if self.reader is not None:
            self.reader.close()
        self.reader = self.open(read_only=True, mmap=mmap)
        self.seen = set(self.model)

    @precondition(lambda self: self.reader is not None)
    @rule()
    def refresh(self) -> None:
        assert self.reader is not None
        assert {name for name, *_ in self.reader.sources()} == self.seen
        self.reader.search("apple berry", top_k=20)
        self.reader.refresh()
        assert {name for name, *_ in self.reader.sources()} == set(self.model)
        self.seen = set(self.model)

    @rule()
    def snapshot(self) -> None:
        self.copies += 1
        copy = self.folder / f"copy{self.copies}"
        self.index.snapshot(copy)
        with ragstone.open(copy, embedder=EMBEDDER, verify="full") as index:
            assert {name for name, *_ in index.sources()} == set(self.model)
            assert index.verify() == []

    @rule()
    def verify(self) -> None:
        assert self.index.verify() == []
        assert {document["document_id"] for document in self.index.history()} >= set(self.model)

    @rule(
        words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=3),
        principals=st.sampled_from([[], ["hr"], ["law"], ["nobody"]]),
        year=st.none() | YEARS,
        top_k=st.integers(1, 15),
    )
    def search(self, words: list[str], principals: list[str], year: int | None, top_k: int) -> None:
        text, rows = " ".join(words), self.rows()
        vector = EMBEDDER.embed([text])[0]

        def passes(row: Row) -> bool:
            document = self.model[row.document_id][0]
            visible = document.acl is None or bool({*document.acl} & {*principals})
            return visible and (year is None or document.metadata["year"] == year)

        condition = None if year is None else F("year") == year
        options = {"top_k": top_k, "principals": principals, "filter": condition}
        expected = {
            "bm25": search_bm25(rows, text, passes, 20),
            "dense": search_dense(rows, vector.tolist(), passes, 20),
            "hybrid": search_hybrid(rows, text, vector.tolist(), passes, 20),
        }
        for mode, right in expected.items():
            if mode == "dense" and self.index.stats()["embedder"] is None:
                continue
            hits = self.index.search(text, mode=mode, **options)  # type: ignore[arg-type]
            assert len(hits) == min(top_k, len(right)), f"{mode}: {[hit.document_id for hit in hits]}, not {right}"
            # A spread near zero magnifies the last bit of a cosine; the exact figures have tests of their own.
            assert_ranking([(hit.chunk_id, hit.score) for hit in hits], right, 1e-3 if mode == "hybrid" else 1e-6)
            for hit in hits:
                document = self.model[hit.document_id][0]
                assert hit.text == document.text[hit.citation.start : hit.citation.end]
                assert hit.metadata["year"] == document.metadata["year"]

    def rows(self) -> list[Row]:
        return [
            Row(name, 0, document.text, EMBEDDER.embed([document.text])[0] if done else None)
            for name, (document, done) in sorted(self.model.items())
            if document.text
        ]

    @invariant()
    def holds_what_was_put_in(self) -> None:
        if not hasattr(self, "index"):
            return
        assert {name for name, *_ in self.index.sources()} == set(self.model)
        statistics = self.index.stats()
        assert statistics["documents"] == len(self.model)
        assert statistics["chunks"] == sum(bool(document.text) for document, _ in self.model.values())
        assert statistics["chunks_embedded"] == sum(bool(doc.text) and done for doc, done in self.model.values())
        for name, (document, _) in self.model.items():
            stored = self.index.document(name)
            assert stored is not None
            assert stored.text == document.text
            assert stored.acl == (None if document.acl is None else tuple(document.acl))

    def teardown(self) -> None:
        if hasattr(self, "index"):
            self.index.close()
            if self.reader is not None:
                self.reader.close()
        shutil.rmtree(self.folder)


TestIndex = IndexMachine.TestCase
TestIndex.settings = settings(
    max_examples=400 if LONG else 60, stateful_step_count=80 if LONG else 30, deadline=None, print_blob=True
)


def test_many_small_commits_lose_nothing(tmp_path: Path) -> None:
    """Catches a background merge that forgets what was committed while it ran, or brings back what was deleted."""
    random = np.random.default_rng(7)
    model: dict[str, str] = {}
    with ragstone.open(tmp_path / "kb", embedder=EMBEDDER, language="none") as index:
        for step in range(150):
            name = f"d{random.integers(30)}"
            if random.random() < 0.3:
                index.delete(document_ids=[name])
                model.pop(name, None)
            else:
                text = " ".join(random.choice(WORDS, 5))
                index.upsert([Document(name, text)], embed="later")
                model[name] = text
            stored = {one: index.document(one).text for one, *_ in index.sources()}  # type: ignore[union-attr]
            assert stored == model, f"after step {step}"
        assert index.verify() == []
