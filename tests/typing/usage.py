"""Uses of the public surface whose types are checked, not run; each ``type: ignore`` marks a use that must not pass."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, assert_type

import numpy as np
from numpy.typing import NDArray

import ragstone
from ragstone import (
    Advice,
    Answer,
    BM25Index,
    Chunk,
    Chunker,
    Citation,
    DenseIndex,
    Document,
    Embedder,
    F,
    Filter,
    Hit,
    Index,
    IngestReport,
    Route,
    SearchResult,
)


def reading(path: Path) -> None:
    with ragstone.open(path, read_only=True, embedder=None, verify="full") as index:
        assert_type(index, Index)
        result = index.search("refund window?", top_k=5, mode="hybrid", filter=F("year") >= 2020, principals=["hr"])
        assert_type(result, SearchResult)
        hit = result[0]
        assert_type(hit, Hit)
        assert_type([one.score for one in result], list[float])
        assert_type(hit.citation, Citation)
        assert_type(hit.citation.page, int | None)
        assert_type(index.search_batch(["a"], filter={"year": {"$gte": 2020}}), list[SearchResult])
        answer = index.ask("Answer in our brand voice: what is the refund policy?")
        assert_type(answer, Answer)
        assert_type(answer.path, Literal["retrieve", "advisory_finetune", "hybrid", "pass"])
        assert_type(answer.advice, Advice | None)
        assert_type(answer.answerability, float | None)
        assert_type(index.stats(), dict[str, object])
        assert_type(index.verify(), list[str])
        assert_type(index.document("a"), Document | None)
        assert_type(index.chunks("a"), list[Chunk])


def writing(index: Index, vectors: NDArray[np.float32]) -> None:
    document = Document(document_id="a", text="…", metadata={"year": 2024, "tags": ["x", "y"]}, acl=["hr"])
    assert_type(index.upsert([document]), int)
    assert_type(index.upsert([document], embeddings=vectors), int)
    assert_type(index.ingest(["handbook/"], progress=True, embed="later"), IngestReport)
    assert_type(index.delete(document_ids=["a"], filter=F("year") < 2019), int)
    index.upsert([document], embed="never")  # type: ignore[arg-type]
    index.search("a", mode="magic")  # type: ignore[arg-type]
    index.search("a", 5)  # type: ignore[call-arg]
    index.ingest("a", False)  # type: ignore[call-arg]
    document.text = "changed"  # type: ignore[misc]
    Document("a", "…", metadata={"nested": {"a": 1}})  # type: ignore[dict-item]


def parts(document: Document, vectors: NDArray[np.float32]) -> None:
    assert_type((F("year") >= 2020) & ~F("lang").isin(["en"]), Filter)
    assert_type(F("year") == 2020, Filter)
    assert_type(ragstone.route("Write it as a limerick"), Route)
    assert_type(Chunker(max_tokens=256, overlap_tokens=32).chunk(document), list[Chunk])
    assert_type(ragstone.embedder("hashing"), Embedder)
    assert_type(ragstone.embedder("hashing").embed(["a"]), NDArray[np.float32])
    dense = DenseIndex(dimension=384)
    assert_type(dense.add(vectors), NDArray[np.int64])
    assert_type(dense.search(vectors, top_k=10), tuple[NDArray[np.int64], NDArray[np.float32]])
    lexical = BM25Index()
    assert_type(lexical.search(["a"]), tuple[NDArray[np.int64], NDArray[np.float32]])
    DenseIndex(384)  # type: ignore[call-arg]
    F("a") & F("b")  # type: ignore[operator]
