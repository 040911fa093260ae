"""Bad input: each case with its typed error, and the index as it was afterwards."""

from __future__ import annotations

import functools
import math
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import ragstone
from conftest import Opened
from ragstone import BM25Index, DenseIndex, Document, F
from ragstone.embedding.hashing import HashingEmbedder
from ragstone.errors import (
    CorruptIndex,
    DimensionMismatch,
    EmbedderMismatch,
    IncompatibleIndex,
    IndexLocked,
    InvalidInput,
    MissingDependency,
    NotFound,
    RagstoneError,
    SearchTimeout,
    StorageError,
)

HUGE = 10**5000
LONE = "\ud800"
DIMENSION = 8
EMBEDDER = HashingEmbedder(DIMENSION)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[ragstone.Index]:
    with ragstone.open(tmp_path / "kb", embedder=EMBEDDER, language="none") as opened:
        opened.upsert(
            [
                Document("a", "alpha beta", metadata={"year": 2020}),
                Document("b", "alpha gamma", metadata={"year": 2021}, acl=["hr"]),
            ]
        )
        yield opened


def state(index: ragstone.Index) -> object:
    """All that a refused call must leave as it was."""
    hits = index.search("alpha beta", top_k=9, principals=["hr"])
    return index.generation, index.stats(), [(hit.chunk_id, hit.score, hit.metadata) for hit in hits], index.history()


def new(**fields: object) -> list[Document]:
    return [Document(**{"document_id": "c", "text": "delta", **fields})]  # type: ignore[arg-type]


def meta(value: object, name: object = "field") -> list[Document]:
    return new(metadata={name: value})


ONE = [[1.0] * DIMENSION]

WRITES: dict[str, tuple[type[Exception], Callable[[ragstone.Index], object]]] = {
    "document, not a list": (InvalidInput, lambda i: i.upsert(new()[0])),
    "no documents at all": (InvalidInput, lambda i: i.upsert(None)),
    "a string": (InvalidInput, lambda i: i.upsert("text")),
    "a list of strings": (InvalidInput, lambda i: i.upsert(["text"])),
    "same id twice": (InvalidInput, lambda i: i.upsert(new() + new())),
    "same id twice, embedded": (InvalidInput, lambda i: i.upsert(new() + new(), embeddings=ONE * 2)),
    "empty id": (InvalidInput, lambda i: i.upsert(new(document_id=""))),
    "long id": (InvalidInput, lambda i: i.upsert(new(document_id="ä" * 2049))),
    "id is a number": (InvalidInput, lambda i: i.upsert(new(document_id=7))),
    "surrogate in id": (InvalidInput, lambda i: i.upsert(new(document_id=LONE))),
    "surrogate in text": (InvalidInput, lambda i: i.upsert(new(text=f"a {LONE}"))),
    "surrogate in title": (InvalidInput, lambda i: i.upsert(new(title=LONE))),
    "surrogate in source": (InvalidInput, lambda i: i.upsert(new(source=LONE))),
    "text is None": (InvalidInput, lambda i: i.upsert(new(text=None))),
    "text is bytes": (InvalidInput, lambda i: i.upsert(new(text=b"delta"))),
    "digest is no digest": (InvalidInput, lambda i: i.upsert(new(content_sha256="zz"))),
    "digest with letters": (InvalidInput, lambda i: i.upsert(new(content_sha256="x" * 64))),
    "digest is a surrogate": (InvalidInput, lambda i: i.upsert(new(content_sha256=LONE))),
    "digest is a number": (InvalidInput, lambda i: i.upsert(new(content_sha256=5))),
    "acl is a string": (InvalidInput, lambda i: i.upsert(new(acl="hr"))),
    "acl is a number": (InvalidInput, lambda i: i.upsert(new(acl=5))),
    "acl can be read once": (InvalidInput, lambda i: i.upsert(new(acl=iter(["hr"])))),
    "acl holds a number": (InvalidInput, lambda i: i.upsert(new(acl=[5]))),
    "surrogate in acl": (InvalidInput, lambda i: i.upsert(new(acl=[LONE]))),
    "metadata is a list": (InvalidInput, lambda i: i.upsert(new(metadata=[1]))),
    "metadata is None": (InvalidInput, lambda i: i.upsert(meta(None))),
    "metadata is bytes": (InvalidInput, lambda i: i.upsert(meta(b"x"))),
    "metadata is an object": (InvalidInput, lambda i: i.upsert(meta(object()))),
    "metadata is a mapping": (InvalidInput, lambda i: i.upsert(meta({"a": 1}))),
    "metadata is nested": (InvalidInput, lambda i: i.upsert(meta([[1]]))),
    "metadata is an array": (InvalidInput, lambda i: i.upsert(meta(np.arange(3)))),
    "metadata is a numpy date": (InvalidInput, lambda i: i.upsert(meta(np.datetime64("2024-01-01", "ns")))),
    "metadata is NaN": (InvalidInput, lambda i: i.upsert(meta(math.nan))),
    "metadata is infinite": (InvalidInput, lambda i: i.upsert(meta(-math.inf))),
    "metadata above 2^53": (InvalidInput, lambda i: i.upsert(meta(2**53 + 1))),
    "metadata is huge": (InvalidInput, lambda i: i.upsert(meta(HUGE))),
    "metadata is hugely negative": (InvalidInput, lambda i: i.upsert(meta(-HUGE))),
    "surrogate in metadata": (InvalidInput, lambda i: i.upsert(meta(LONE))),
    "surrogate in a list": (InvalidInput, lambda i: i.upsert(meta(["a", LONE]))),
    "surrogate in a name": (InvalidInput, lambda i: i.upsert(meta(1, LONE))),
    "name is empty": (InvalidInput, lambda i: i.upsert(meta(1, ""))),
    "name is an operator": (InvalidInput, lambda i: i.upsert(meta(1, "$gte"))),
    "name is a number": (InvalidInput, lambda i: i.upsert(meta(1, 1))),
    "embed is unknown": (InvalidInput, lambda i: i.upsert(new(), embed="never")),
    "embedding has NaN": (InvalidInput, lambda i: i.upsert(new(), embeddings=[[math.nan] * DIMENSION])),
    "embedding is infinite": (InvalidInput, lambda i: i.upsert(new(), embeddings=[[math.inf] * DIMENSION])),
    "embedding is too large": (InvalidInput, lambda i: i.upsert(new(), embeddings=[[1e300] * DIMENSION])),
    "embedding is zero": (InvalidInput, lambda i: i.upsert(new(), embeddings=[[0.0] * DIMENSION])),
    "embedding is narrow": (DimensionMismatch, lambda i: i.upsert(new(), embeddings=[[1.0] * 3])),
    "embedding without values": (DimensionMismatch, lambda i: i.upsert(new(), embeddings=np.ones((1, 0)))),
    "embeddings are ragged": (InvalidInput, lambda i: i.upsert(new(), embeddings=[[1.0], [1.0, 2.0]])),
    "embeddings are text": (InvalidInput, lambda i: i.upsert(new(), embeddings="abc")),
    "embeddings are complex": (InvalidInput, lambda i: i.upsert(new(), embeddings=[[1j] * DIMENSION])),
    "embeddings are flat": (InvalidInput, lambda i: i.upsert(new(), embeddings=[1.0] * DIMENSION)),
    "too many embeddings": (InvalidInput, lambda i: i.upsert(new(), embeddings=ONE * 2)),
    "embedding without text": (InvalidInput, lambda i: i.upsert(new(text=" "), embeddings=ONE)),
    "delete a string": (InvalidInput, lambda i: i.delete(document_ids="a")),
    "delete None": (InvalidInput, lambda i: i.delete(document_ids=None)),
    "delete a number": (InvalidInput, lambda i: i.delete(document_ids=[1])),
    "delete a surrogate": (InvalidInput, lambda i: i.delete(document_ids=["a", LONE])),
    "delete by a bad filter": (InvalidInput, lambda i: i.delete(document_ids=["a"], filter={"$where": 1})),
    "ingest nothing": (InvalidInput, lambda i: i.ingest("no such folder")),
    "ingest and never embed": (InvalidInput, lambda i: i.ingest(".", embed="never")),
    "snapshot into a full folder": (InvalidInput, lambda i: i.snapshot(i.path)),
}

SEARCHES: dict[str, tuple[type[Exception], dict[str, object]]] = {
    "nothing asked": (InvalidInput, {}),
    "empty": (InvalidInput, {"query": ""}),
    "blank": (InvalidInput, {"query": " \t\n\u3000"}),
    "a number": (InvalidInput, {"query": 5}),
    "surrogate": (InvalidInput, {"query": f"alpha {LONE}"}),
    "top_k 0": (InvalidInput, {"query": "alpha", "top_k": 0}),
    "top_k -1": (InvalidInput, {"query": "alpha", "top_k": -1}),
    "top_k 2^63": (InvalidInput, {"query": "alpha", "top_k": 2**63}),
    "top_k huge": (InvalidInput, {"query": "alpha", "top_k": HUGE}),
    "top_k True": (InvalidInput, {"query": "alpha", "top_k": True}),
    "top_k 1.5": (InvalidInput, {"query": "alpha", "top_k": 1.5}),
    "top_k None": (InvalidInput, {"query": "alpha", "top_k": None}),
    "mode": (InvalidInput, {"query": "alpha", "mode": "magic"}),
    "mode number": (InvalidInput, {"query": "alpha", "mode": 3}),
    "mode surrogate": (InvalidInput, {"query": "alpha", "mode": LONE}),
    "fusion": (InvalidInput, {"query": "alpha", "fusion": "magic"}),
    "fusion number": (InvalidInput, {"query": "alpha", "fusion": 1}),
    "weight text": (InvalidInput, {"query": "alpha", "dense_weight": "x"}),
    "weight NaN": (InvalidInput, {"query": "alpha", "dense_weight": math.nan}),
    "weight negative": (InvalidInput, {"query": "alpha", "dense_weight": -0.1}),
    "weight huge": (InvalidInput, {"query": "alpha", "dense_weight": HUGE}),
    "convex weight above 1": (InvalidInput, {"query": "alpha", "dense_weight": 1.1, "fusion": "convex"}),
    "timeout text": (InvalidInput, {"query": "alpha", "timeout_s": "x"}),
    "timeout negative": (InvalidInput, {"query": "alpha", "timeout_s": -1}),
    "timeout NaN": (InvalidInput, {"query": "alpha", "timeout_s": math.nan}),
    "timeout huge": (InvalidInput, {"query": "alpha", "timeout_s": HUGE}),
    "timeout 0": (SearchTimeout, {"query": "alpha", "timeout_s": 0}),
    "principals string": (InvalidInput, {"query": "alpha", "principals": "hr"}),
    "principals number": (InvalidInput, {"query": "alpha", "principals": 5}),
    "principals surrogate": (InvalidInput, {"query": "alpha", "principals": [LONE]}),
    "exact is not a bool": (InvalidInput, {"query": "alpha", "exact": 1}),
    "vector NaN": (InvalidInput, {"vector": [math.nan] * DIMENSION}),
    "vector infinite": (InvalidInput, {"vector": [math.inf] * DIMENSION}),
    "vector zero": (InvalidInput, {"vector": [0] * DIMENSION}),
    "vector narrow": (DimensionMismatch, {"vector": [1] * (DIMENSION - 1)}),
    "vector wide": (DimensionMismatch, {"vector": [1] * (DIMENSION + 1)}),
    "vectors": (InvalidInput, {"vector": [[1] * DIMENSION]}),
    "vector of None": (InvalidInput, {"vector": [None] * DIMENSION}),
    "vector text": (InvalidInput, {"vector": "abc"}),
    "vector for BM25": (InvalidInput, {"vector": [1] * DIMENSION, "mode": "bm25"}),
    "filter number": (InvalidInput, {"query": "alpha", "filter": 5}),
    "filter field alone": (InvalidInput, {"query": "alpha", "filter": F("year")}),
    "filter operator": (InvalidInput, {"query": "alpha", "filter": {"a": {"$regex": "x"}}}),
    "filter connective": (InvalidInput, {"query": "alpha", "filter": {"$where": 1}}),
    "filter and text": (InvalidInput, {"query": "alpha", "filter": {"$and": "x"}}),
    "filter None": (InvalidInput, {"query": "alpha", "filter": {"a": None}}),
    "filter list": (InvalidInput, {"query": "alpha", "filter": {"a": [1]}}),
    "filter empty": (InvalidInput, {"query": "alpha", "filter": {"a": {}}}),
    "filter in": (InvalidInput, {"query": "alpha", "filter": {"a": {"$in": "abc"}}}),
    "filter exists": (InvalidInput, {"query": "alpha", "filter": {"a": {"$exists": "yes"}}}),
    "filter date": (InvalidInput, {"query": "alpha", "filter": {"a": {"$date": "2024-13-01"}}}),
    "filter huge": (InvalidInput, {"query": "alpha", "filter": {"a": HUGE}}),
    "filter NaN": (InvalidInput, {"query": "alpha", "filter": {"a": math.nan}}),
    "filter key": (InvalidInput, {"query": "alpha", "filter": {1: 2}}),
    "filter surrogate key": (InvalidInput, {"query": "alpha", "filter": {LONE: 1}}),
    "filter surrogate operator": (InvalidInput, {"query": "alpha", "filter": {"a": {LONE: 1}}}),
    "filter surrogate value": (InvalidInput, {"query": "alpha", "filter": {"a": LONE}}),
    "filter deep": (
        InvalidInput,
        {"query": "alpha", "filter": functools.reduce(lambda inner, _: {"$not": inner}, range(5000), {"a": 1})},
    ),
    "filter wide": (InvalidInput, {"query": "alpha", "filter": {"$or": [{"a": 1}] * 2000}}),
}

CALLS: dict[str, tuple[type[Exception], Callable[[Path], object]]] = {
    "verify": (InvalidInput, lambda p: ragstone.open(p / "x", verify="maybe", embedder="hashing")),
    "verify number": (InvalidInput, lambda p: ragstone.open(p / "x", verify=3, embedder="hashing")),
    "language": (InvalidInput, lambda p: ragstone.open(p / "x", language="klingon", embedder="hashing")),
    "language surrogate": (InvalidInput, lambda p: ragstone.open(p / "x", language=LONE, embedder="hashing")),
    "k1": (InvalidInput, lambda p: ragstone.open(p / "x", k1=-1, embedder="hashing")),
    "k1 text": (InvalidInput, lambda p: ragstone.open(p / "x", k1="x", embedder="hashing")),
    "k1 huge": (InvalidInput, lambda p: ragstone.open(p / "x", k1=HUGE, embedder="hashing")),
    "b": (InvalidInput, lambda p: ragstone.open(p / "x", b=1.1, embedder="hashing")),
    "b NaN": (InvalidInput, lambda p: ragstone.open(p / "x", b=math.nan, embedder="hashing")),
    "max_tokens": (InvalidInput, lambda p: ragstone.open(p / "x", max_tokens=1, embedder="hashing")),
    "max_tokens text": (InvalidInput, lambda p: ragstone.open(p / "x", max_tokens="x", embedder="hashing")),
    "embedder": (InvalidInput, lambda p: ragstone.open(p / "x", embedder="nope")),
    "embedder number": (InvalidInput, lambda p: ragstone.open(p / "x", embedder=5)),
    "embedder folder": (RagstoneError, lambda p: ragstone.open(p / "x", embedder=p)),
    "path with NUL": (StorageError, lambda p: ragstone.open(f"{p}/a\0b", embedder="hashing")),
    "nothing to read": (NotFound, lambda p: ragstone.open(p / "none", read_only=True, embedder=None)),
    "empty folder to read": (NotFound, lambda p: ragstone.open(p, read_only=True, embedder=None)),
    "dimension 0": (InvalidInput, lambda p: DenseIndex(dimension=0)),
    "dimension -huge": (InvalidInput, lambda p: DenseIndex(dimension=-HUGE)),
    "dimension 2^62": (InvalidInput, lambda p: DenseIndex(dimension=2**62)),
    "dimension True": (InvalidInput, lambda p: DenseIndex(dimension=True)),
    "ragged ids": (InvalidInput, lambda p: DenseIndex(dimension=1).add([[1]], ids=[[1], [2, 3]])),
    "huge id": (InvalidInput, lambda p: DenseIndex(dimension=1).add([[1]], ids=[HUGE])),
    "id 2^63": (InvalidInput, lambda p: DenseIndex(dimension=1).add([[1]], ids=[2**63])),
    "negative id": (InvalidInput, lambda p: DenseIndex(dimension=1).add([[1]], ids=[-1])),
    "float id": (InvalidInput, lambda p: DenseIndex(dimension=1).add([[1]], ids=[0.5])),
    "too many ids": (InvalidInput, lambda p: DenseIndex(dimension=1).add([[1]], ids=[1, 2])),
    "NaN vector": (InvalidInput, lambda p: DenseIndex(dimension=1).add([[math.nan]])),
    "zero vector": (InvalidInput, lambda p: DenseIndex(dimension=1).add([[0]])),
    "wide vector": (DimensionMismatch, lambda p: DenseIndex(dimension=1).add([[1, 2]])),
    "too many results": (InvalidInput, lambda p: DenseIndex(dimension=1).search([[1]] * 4, top_k=2**27)),
    "dense file missing": (NotFound, lambda p: DenseIndex.open(p / "none")),
    "dense file is a folder": (StorageError, lambda p: DenseIndex.open(p)),
    "save into nowhere": (NotFound, lambda p: DenseIndex(dimension=1).save(p / "no" / "file")),
    "BM25 language": (InvalidInput, lambda p: BM25Index(language="klingon")),
    "BM25 language number": (InvalidInput, lambda p: BM25Index(language=5)),
    "BM25 k1": (InvalidInput, lambda p: BM25Index(k1=math.inf)),
    "BM25 b": (InvalidInput, lambda p: BM25Index(b="x")),
    "BM25 one text": (InvalidInput, lambda p: BM25Index().add("text")),
    "BM25 number": (InvalidInput, lambda p: BM25Index().add(5)),
    "BM25 surrogate": (InvalidInput, lambda p: BM25Index().add([LONE])),
    "BM25 query number": (InvalidInput, lambda p: BM25Index().search(5)),
    "BM25 id twice": (InvalidInput, lambda p: BM25Index().add(["a", "b"], ids=[1, 1])),
    "BM25 file missing": (NotFound, lambda p: BM25Index.open(p / "none")),
    "field without name": (InvalidInput, lambda p: F("")),
    "field surrogate": (InvalidInput, lambda p: F(LONE)),
    "field operator": (InvalidInput, lambda p: F("$and")),
    "field in text": (InvalidInput, lambda p: F("a").isin("abc")),
    "field in None": (InvalidInput, lambda p: F("a").isin(None)),
    "filters joined by and": (InvalidInput, lambda p: (F("a") == 1) and (F("b") == 2)),
}


def check(error: type[Exception], call: Callable[[], object]) -> str:
    """The one place that looks at an error: exactly this type, lower case, no full stop."""
    with pytest.raises(error) as raised:
        call()
    if error is not RagstoneError:
        assert type(raised.value) is error, f"{type(raised.value).__name__}: {raised.value}"
    message = str(raised.value)
    assert message, "an error without a message"
    assert not message.endswith("."), message
    assert not message[0].isupper(), message
    return message


@pytest.mark.parametrize("case", WRITES)
def test_a_refused_write_changes_nothing(case: str, index: ragstone.Index) -> None:
    """Catches a write that is refused with a foreign error, or after a part of it was done."""
    error, call = WRITES[case]
    before = state(index)
    check(error, lambda: call(index))
    assert state(index) == before
    assert index.verify() == []
    assert index.upsert(new()) == 1, "the index must take a good write after a bad one"


@pytest.mark.parametrize("case", SEARCHES)
def test_a_refused_search_raises_its_error(case: str, index: ragstone.Index) -> None:
    """Catches an argument that is passed on unchecked, and one that poisons what comes after."""
    error, arguments = SEARCHES[case]
    before = state(index)
    check(error, lambda: index.search(**arguments))  # type: ignore[arg-type]
    if "vector" not in arguments and "query" in arguments:
        asked = [arguments["query"]]
        rest = {name: value for name, value in arguments.items() if name != "query"}
        check(error, lambda: index.search_batch(asked, **rest))  # type: ignore[arg-type]
    assert state(index) == before


@pytest.mark.parametrize("case", CALLS)
def test_a_refused_call_raises_its_error(case: str, tmp_path: Path) -> None:
    """Catches a constructor or an array index that raises a foreign error."""
    error, call = CALLS[case]
    check(error, lambda: call(tmp_path))


def test_a_refused_first_write_records_no_embedder(opened: Opened) -> None:
    """Catches an empty index that keeps the dimension of vectors which it refused."""
    index = opened(embedder=None)
    for bad in ([[math.nan, 1.0]], [[0.0, 0.0]], [[1.0, 2.0], [1.0, 2.0]]):
        check(InvalidInput, lambda bad=bad: index.upsert(new(), embeddings=bad))  # type: ignore[misc]
    check(InvalidInput, lambda: index.upsert(meta(None), embeddings=[[1.0, 2.0]]))
    assert index.stats()["embedder"] is None
    assert index.generation == 1
    assert index.upsert(new(), embeddings=[[1.0, 2.0, 3.0]]) == 1


# Locks and processes


def child(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    preamble = "import sys, ragstone\nfrom ragstone.embedding.hashing import HashingEmbedder\n"
    return subprocess.run(
        [sys.executable, "-c", preamble + program, *map(str, arguments)], capture_output=True, text=True, timeout=60
    )


def test_a_second_writer_is_refused_and_told_who_holds_the_index(index: ragstone.Index) -> None:
    """Catches two writers at once, in one process or in two, and a message that does not name the holder."""
    message = check(IndexLocked, lambda: ragstone.open(index.path, embedder=EMBEDDER))
    assert str(os.getpid()) in message
    told = child(
        "try:\n ragstone.open(sys.argv[1], embedder=HashingEmbedder(8))\n"
        "except ragstone.IndexLocked as error:\n print(error)",
        index.path,
    )
    assert f"process {os.getpid()}" in told.stdout, told.stderr
    index.close()
    with ragstone.open(index.path, embedder=EMBEDDER) as again:
        assert again.upsert(new()) == 1


def test_a_reader_in_another_process_sees_one_state_until_it_refreshes(index: ragstone.Index) -> None:
    """Catches a reader that blocks, mixes two commits, or does not find the new one."""
    program = (
        "index = ragstone.open(sys.argv[1], read_only=True, embedder=HashingEmbedder(8))\n"
        "def show(): print(len(index), index.generation, len(index.search('delta')), flush=True)\n"
        "show(); sys.stdin.readline(); show(); print(index.refresh(), flush=True); show(); print(index.refresh())\n"
    )
    preamble = "import sys, ragstone\nfrom ragstone.embedding.hashing import HashingEmbedder\n"
    with subprocess.Popen(
        [sys.executable, "-c", preamble + program, str(index.path)], stdin=-1, stdout=-1, stderr=-1, text=True
    ) as reader:
        assert reader.stdout is not None
        first = reader.stdout.readline()
        old = index.generation
        index.upsert(new())
        index.delete(document_ids=["a"])
        index.merge()
        rest, errors = reader.communicate("\n", timeout=60)
    assert errors == ""
    assert first.split()[:2] == ["2", str(old)]
    lines = [first, *rest.splitlines(keepends=True)]
    assert lines[1] == lines[0], "the snapshot moved by itself"
    assert lines[2] == "True\n"
    assert lines[3].split()[1] == str(index.generation)
    assert lines[3].split()[2] != "0"
    assert lines[4] == "False\n"


def test_a_reader_cannot_write(index: ragstone.Index) -> None:
    """Catches a write without the lock."""
    with ragstone.open(index.path, read_only=True, embedder=EMBEDDER) as reader:
        for call in (
            lambda: reader.upsert(new()),
            lambda: reader.upsert(new(), embeddings=ONE),
            lambda: reader.delete(document_ids=["a"]),
            lambda: reader.merge(),
        ):
            assert "read_only" in check(InvalidInput, call)
        assert reader.read_only


def test_a_closed_index_takes_no_writes(index: ragstone.Index) -> None:
    """Catches a write after the lock was given back."""
    index.close()
    index.close()
    for call in (
        lambda: index.upsert(new()),
        lambda: index.delete(document_ids=["a"]),
        lambda: index.merge(),
    ):
        assert "closed" in check(InvalidInput, call)


# Damage


def bury_one(index: ragstone.Index) -> None:
    """Leaves tombstones, of so few documents that no merge in the background clears them away."""
    index.upsert([Document(f"d{n}", f"alpha delta {n}") for n in range(10)])
    index.delete(document_ids=["d3"])


def newest(folder: Path, prefix: str) -> Path:
    return max(folder.glob(f"{prefix}*"))


def test_every_flipped_byte_of_a_manifest_is_noticed(index: ragstone.Index) -> None:
    """Catches damage that is passed over, or answered by an older commit."""
    index.close()
    path = newest(index.path, "manifest-")
    whole = path.read_bytes()
    for position in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises((CorruptIndex, IncompatibleIndex)) as raised:
            ragstone.open(index.path, read_only=True, embedder=EMBEDDER)
        assert path.name in str(raised.value)
    path.write_bytes(whole)
    with ragstone.open(index.path, embedder=EMBEDDER) as again:
        assert again.verify() == []


@pytest.mark.parametrize("prefix", ["manifest-", "seg-", "vec-", "del-"])
@pytest.mark.parametrize("keep", [0, 1, 63, 64, 0.5, -1])
def test_a_truncated_file_is_noticed(prefix: str, keep: float, index: ragstone.Index) -> None:
    """Catches a short file that crashes the process or is read as far as it goes."""
    bury_one(index)
    index.close()
    path = newest(index.path, prefix)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep) if keep >= 1 or keep <= 0 else int(len(whole) * keep)])
    message = check(CorruptIndex, lambda: ragstone.open(index.path, read_only=True, embedder=EMBEDDER))
    assert path.name in message


@pytest.mark.parametrize("prefix", ["seg-", "vec-", "del-"])
def test_a_missing_file_is_noticed(prefix: str, index: ragstone.Index) -> None:
    """Catches a commit that is answered without one of its files."""
    bury_one(index)
    index.close()
    path = newest(index.path, prefix)
    path.unlink()
    assert path.name in check(CorruptIndex, lambda: ragstone.open(index.path, embedder=EMBEDDER))


@pytest.mark.parametrize(
    "prefix",
    [
        "seg-",
        "vec-",
        "del-",
        "manifest-",
    ],
)
def test_verify_finds_damage_that_came_after_opening(prefix: str, index: ragstone.Index) -> None:
    """Catches a check of every byte that leaves some out."""
    bury_one(index)
    path = newest(index.path, prefix)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    damage = index.verify()
    assert len(damage) == 1
    assert path.name in damage[0]


def test_a_newer_format_is_refused_as_such(index: ragstone.Index) -> None:
    """Catches a file of a later release that is called damaged, or read as if it were ours."""
    index.close()
    for prefix in ("manifest-", "seg-", "vec-"):
        path = newest(index.path, prefix)
        whole = path.read_bytes()
        header = bytearray(whole[:60])
        (version,) = struct.unpack_from("<I", header, 8)
        struct.pack_into("<I", header, 8, version + 1)
        path.write_bytes(bytes(header) + struct.pack("<I", zlib.crc32(bytes(header))) + whole[64:])
        message = check(IncompatibleIndex, lambda: ragstone.open(index.path, read_only=True, embedder=EMBEDDER))
        assert path.name in message
        assert str(version + 1) in message
        path.write_bytes(whole)


def test_a_folder_with_other_files_is_refused_and_kept(tmp_path: Path) -> None:
    """Catches an index that is created among, or instead of, somebody's files."""
    (tmp_path / "letter.txt").write_text("dear")
    message = check(InvalidInput, lambda: ragstone.open(tmp_path, embedder="hashing"))
    assert "letter.txt" in message
    assert (tmp_path / "letter.txt").read_text() == "dear"
    check(StorageError, lambda: ragstone.open(tmp_path / "letter.txt", embedder="hashing"))


def test_saved_arrays_that_are_damaged_are_refused(tmp_path: Path) -> None:
    """Catches garbage that is mapped as vectors or postings."""
    dense, lexical = DenseIndex(dimension=4), BM25Index()
    dense.add(np.eye(4))
    lexical.add(["alpha beta", "gamma"])
    kinds: list[tuple[DenseIndex | BM25Index, str]] = [(dense, "dense"), (lexical, "lexical")]
    for index, name in kinds:
        path = tmp_path / name
        index.save(path)
        whole = path.read_bytes()
        for position in range(0, len(whole), 11):
            damaged = bytearray(whole)
            damaged[position] ^= 0x04
            path.write_bytes(damaged)
            with pytest.raises((CorruptIndex, IncompatibleIndex)):
                type(index).open(path)
        for garbage in (b"", b"garbage", os.urandom(4096)):
            path.write_bytes(garbage)
            check(CorruptIndex, lambda path=path, index=index: type(index).open(path))  # type: ignore[misc]
    dense.save(tmp_path / "dense")
    check(CorruptIndex, lambda: BM25Index.open(tmp_path / "dense"))


# Embedders


def test_another_embedder_is_refused_by_name(index: ragstone.Index) -> None:
    """Catches vectors of two models in one index."""
    index.close()
    message = check(EmbedderMismatch, lambda: ragstone.open(index.path, embedder=HashingEmbedder(9)))
    assert "8 dimensions" in message
    assert "9 dimensions" in message


def test_brought_vectors_are_not_mixed_with_an_embedder(opened: Opened) -> None:
    """Catches an embedder that adds its vectors, of equal dimension, to those that a user brought."""
    with opened(embedder=None) as index:
        index.upsert(new(), embeddings=ONE)
    index = opened(embedder=EMBEDDER)
    before = state(index)
    check(EmbedderMismatch, lambda: index.upsert([Document("x", "alpha")]))
    assert state(index) == before
    assert index.upsert([Document("x", "alpha")], embed="later") == 1
    check(EmbedderMismatch, index.embed_pending)
    check(InvalidInput, lambda: index.search("alpha", mode="dense"))
    assert [hit.document_id for hit in index.search("alpha")] == ["x"]


def test_a_missing_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Catches a bare ImportError where the onnx extra is not installed."""
    monkeypatch.setattr("ragstone.embedding.find_spec", lambda name: None)
    message = check(MissingDependency, lambda: ragstone.open(tmp_path / "kb", embedder="minilm"))
    assert "pip install 'ragstone[onnx]'" in message


# Files


def test_files_that_cannot_be_read_are_lines_in_the_report(opened: Opened, tmp_path: Path) -> None:
    """Catches one bad file that ends the ingest, or is indexed as noise."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "good.md").write_text("# Good\n\nalpha beta")
    (folder / "garbage.md").write_bytes(bytes(range(256)) * 64)
    (folder / "elf.txt").write_bytes(b"\x7fELF\x02\x01\x01" + bytes(512))
    (folder / "empty.md").write_bytes(b"")
    os.symlink(folder / "nowhere", folder / "dangling.md")
    os.mkfifo(folder / "pipe.md")
    index = opened()
    report = index.ingest(folder)
    assert {Path(file.source).name for file in report.failed} == {"garbage.md", "elf.txt"}
    assert all(file.reason for file in report.failed)
    assert {name for name, *_ in index.sources()} == {"good.md", "empty.md"}
    assert index.search("alpha")[0].document_id == "good.md"
    assert "garbage.md" in str(report)


def test_a_file_that_may_not_be_read_is_a_line_in_the_report(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a lost permission that ends the ingest or removes the document."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.md").write_text("alpha")
    (folder / "b.md").write_text("beta")
    index = opened()
    index.ingest(folder)
    (folder / "b.md").write_text("beta changed")
    real = Path.open

    def refuse(path: Path, *arguments: object, **options: object) -> object:
        if path.name == "b.md":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **options)  # type: ignore[arg-type,call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    report = index.ingest(folder)
    assert [Path(file.source).name for file in report.failed] == ["b.md"]
    assert {name for name, *_ in index.sources()} == {"a.md", "b.md"}
