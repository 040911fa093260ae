"""Indexes written by the engine, read by the reader that was made from FORMAT.md alone: the page and the code agree."""

from __future__ import annotations

import json
import math
import random
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from formats.reader import Damaged, File, Index, Inverted
from ragstone import _core

DIMENSION = 20
WORDS = ["kelp", "fjord", "basalt", "copper", "delta", "Zürich", "日本", "HTTP_404", "naïve", "🐳"]
METADATA = {
    "year": 2021,
    "ratio": -0.5,
    "zero": -0.0,
    "open": True,
    "lang": "en",
    "tags": ["b", "a", "ü"],
    "day": {"$date": [-5, "1969-12-31"]},
    "mixed": ["x", 3, False],
}


def document(name: str, version: int, chunks: int) -> _core.DocumentTuple:
    dice = random.Random(f"{name} {version}")
    text, spans = "", []
    for _ in range(chunks):
        start = len(text)
        text += " ".join(dice.choices(WORDS, k=dice.randint(1, 9)))
        spans.append((start, len(text), ["Top", name], f"{name}: top", dice.choice([None, 7])))
        text += "\r\n\x00 "
    fields = {key: value for key, value in METADATA.items() if dice.random() < 0.7}
    acl = dice.choice([None, [], ["staff", "chef"]])
    digest = dice.choice(["", sha256(text.encode()).hexdigest()])
    return (name, f"Title of {name}", f"{name}.txt", text, json.dumps(fields), acl, digest, spans)


def vectors(count: int, seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)


def open_index(path: Path) -> _core.Index:
    return _core.Index(
        path,
        read_only=False,
        mmap=True,
        verify="full",
        threads=1,
        background_merges=False,
        language="english",
        k1=1.1,
        b=0.7,
        embedder=("test", "test-1", DIMENSION),
    )


def commit(core: _core.Index, documents: list[_core.DocumentTuple], deletes: list[str], seed: int | None) -> None:
    count = sum(len(document[7]) for document in documents)
    core.commit(documents, deletes, None if seed is None else vectors(count, seed))


@pytest.fixture(params=["segments", "merged"])
def core(tmp_path: Path, request: pytest.FixtureRequest) -> _core.Index:
    """An index with every kind of file, and with lists of postings of all forms."""
    core = open_index(tmp_path / "index")
    commit(core, [document(f"d{number:03}", 1, number % 4) for number in range(40)], [], 1)
    many = "kelp " * 300 + "fjord"
    long = ("long", "", "", many, "{}", None, "", [(0, len(many), [], "", None)])
    commit(core, [document("d005", 2, 3), document("rows", 1, 150), long], ["d007", "d011"], None)
    for _ in range(2):
        pending = core.pending(60)
        assert pending is not None
        segment, first_row, texts = pending
        present = [text is not None and number % 3 > 0 for number, text in enumerate(texts)]
        core.attach(segment, first_row, present, vectors(sum(present), first_row))
    commit(core, [document("d020", 2, 2)], ["d021"], 5)
    commit(core, [], ["d022", "rows" if request.param == "merged" else "d030"], None)
    if request.param == "merged":
        assert core.merge(True) > 0
        commit(core, [], ["d001"], None)
    return core


def test_documents_chunks_and_metadata(core: _core.Index, tmp_path: Path) -> None:
    # Catches a page that describes tables, strings, spans or flags otherwise than they are written.
    index = Index(tmp_path / "index")
    assert sorted(index.documents) == sorted(listed[0] for listed in core.documents())
    assert len(index.documents) == core_statistics(core)["documents"]
    for name, found in index.documents.items():
        expected = core.document(name)
        assert expected is not None
        chunks = [(*chunk.span, chunk.headings, chunk.context, chunk.page) for chunk in found.chunks]
        names = (found.document_id, found.title, found.source, found.text)
        assert (*names, found.acl, found.content_sha256, chunks) == (*expected[:4], *expected[5:])
        assert found.metadata == json.loads(expected[4])
        assert all(found.text[start:end] == chunk.text for chunk in found.chunks for start, end in [chunk.span])


def core_statistics(core: _core.Index) -> dict[str, Any]:
    statistics: dict[str, Any] = json.loads(core.statistics())
    return statistics


def test_metadata_columns(core: _core.Index, tmp_path: Path) -> None:
    # Catches sort keys, dictionaries or access lists that differ from the documents' own metadata.
    kinds = {str: "string", bool: "bool", int: "number", float: "number", dict: "date"}
    for segment in Index(tmp_path / "index").segments:
        expected: dict[tuple[str, str, str], set[tuple[Any, int]]] = {}
        for number, found in enumerate(segment.documents):
            for key, values in found.metadata.items():
                for value in values if isinstance(values, list) else [values]:
                    plain = value["$date"][0] if isinstance(value, dict) else value
                    expected.setdefault(("user", key, kinds[type(value)]), set()).add((plain, number))
            for principal in found.acl or []:
                expected.setdefault(("acl", "", "string"), set()).add((principal, number))
        assert {key: set(pairs) for key, pairs in segment.fields.items()} == expected
        restricted = segment.file.column("meta.restricted", "Q")
        bits = {number for number in range(len(segment.documents)) if restricted[number // 64] >> number % 64 & 1}
        assert bits == {number for number, found in enumerate(segment.documents) if found.acl is not None}


def test_postings_and_tombstones_give_the_scores_of_bm25(core: _core.Index, tmp_path: Path) -> None:
    # Catches postings, counts, lengths or corrections for deleted rows that are described wrongly.
    index = Index(tmp_path / "index")
    frequencies = [len(rows) for segment in index.segments for rows in segment.postings.values()]
    assert min(frequencies) == 1
    assert any(2 <= count <= 64 for count in frequencies)
    assert max(frequencies) > 64 or "rows" not in index.documents
    assert max(count for segment in index.segments for _, count in segment.postings.get("kelp", [])) == 300
    for terms in (["kelp"], ["fjord", "basalt"], ["copper", "delta", "kelp"], ["nowhere"]):
        hits = core.search(
            (" ".join(terms), False),
            None,
            {
                "mode": "bm25",
                "fusion": "self_scaling",
                "weight": 2.0,
                "top_k": 10_000,
                "filter": None,
                "principals": ["staff"],
                "timeout_s": None,
                "exact": False,
                "explain": False,
                "evidence": False,
                "without": [],
            },
        )[0]
        found = {hit[0][0]: hit[2] for hit in hits}
        hidden = {name for name, document in index.documents.items() if document.acl == []}
        scores = {name: score for name, score in index.bm25(terms).items() if name.split("#")[0] not in hidden}
        assert found == pytest.approx(scores, rel=1e-6)
    assert core_statistics(core)["tokens"] == sum(
        sum(segment.lengths) - segment.deleted_length for segment in index.segments
    )


def test_vectors(core: _core.Index, tmp_path: Path) -> None:
    # Catches rows, padding or bitmaps of vectors that are described wrongly, and vectors that are not of length 1.
    index = Index(tmp_path / "index")
    query = vectors(1, 99)[0]
    hits = core.search(
        None,
        query,
        {
            "mode": "dense",
            "fusion": "self_scaling",
            "weight": 2.0,
            "top_k": 10_000,
            "filter": None,
            "principals": ["staff"],
            "timeout_s": None,
            "exact": False,
            "explain": False,
            "evidence": False,
            "without": [],
        },
    )[0]
    cosines = {}
    for segment in index.segments:
        for found in segment.live:
            for row in (row for row in found.rows if row in segment.vectors and found.acl != []):
                vector = segment.vectors[row]
                assert math.hypot(*vector) == pytest.approx(1, abs=1e-6)
                dot = sum(a * float(b) for a, b in zip(vector, query, strict=True))
                cosines[f"{found.document_id}#{row - found.rows.start}"] = dot / math.hypot(*map(float, query))
    assert {hit[0][0]: hit[2] for hit in hits} == pytest.approx(cosines, abs=1e-5)
    assert len(cosines) > 30


def test_history_and_manifest(core: _core.Index, tmp_path: Path) -> None:
    # Catches a change log or a manifest whose fields differ from the page.
    index = Index(tmp_path / "index")
    assert index.history == sorted(
        json.loads(core.history(None)), key=lambda one: (one["generation"], one["document_id"])
    )
    latest = {change["document_id"]: change for change in index.history}
    for name, found in index.documents.items():
        assert latest[name]["text_sha256"] == sha256(found.text.encode()).hexdigest()
    assert {name for name, change in latest.items() if change["action"] != "deleted"} == set(index.documents)
    settings = index.manifest["settings"]
    assert (index.manifest["generation"], settings["k1"], settings["b"]) == (core.generation, 1.1, 0.7)
    assert settings["embedder"] == {"name": "test", "fingerprint": "test-1", "dimension": DIMENSION}
    listed = [entry["segment"]["name"] for entry in index.manifest["segments"]]
    assert {path.name for path in (tmp_path / "index").iterdir()} >= {"LOCK", *listed}


def test_sample_sketch(core: _core.Index, tmp_path: Path) -> None:
    # Catches a sketch whose hashes are not those that the page defines.
    for segment in Index(tmp_path / "index").segments:
        names = [
            (row, f"{found.document_id}#{row - found.rows.start}") for found in segment.documents for row in found.rows
        ]
        expected = sorted((int.from_bytes(sha256(name.encode()).digest()[:8], "little"), row) for row, name in names)
        numbers = segment.file.column("chunk.sketch", "Q")
        assert list(zip(numbers[::2], numbers[1::2], strict=True)) == expected[:1024]


def test_damage_is_noticed(core: _core.Index, tmp_path: Path) -> None:
    # Catches a byte that the checksums of the page do not cover.
    core.close()
    dice = random.Random(1)
    for path in sorted((tmp_path / "index").iterdir()):
        good = path.read_bytes()
        for at in dice.sample(range(len(good)), min(len(good), 40)) if path.name != "LOCK" else []:
            path.chmod(0o644)
            path.write_bytes(good[:at] + bytes([good[at] ^ 1 << at % 8]) + good[at + 1 :])
            with pytest.raises(Damaged):
                Index(tmp_path / "index")
        path.write_bytes(good)
    Index(tmp_path / "index")


def test_indexes_saved_on_their_own(tmp_path: Path) -> None:
    # Catches the files of DenseIndex and LexicalIndex differing from the page.
    dense = _core.DenseIndex(DIMENSION)
    ids = np.array([7, 3, 12], dtype=np.int64)
    dense.add(vectors(3, 1), ids)
    dense.save(tmp_path / "dense")
    file = File(tmp_path / "dense", "DIDX")
    assert file.column("didx.ids", "q") == (3, 7, 12)
    assert file.column("didx.head", "q") == (12,)
    assert file.column("vec.head", "I") == (DIMENSION, 32, 3, 3)
    first = vectors(3, 1)[1]
    assert file.column("vec.f32", "f")[:DIMENSION] == pytest.approx(tuple(first / np.linalg.norm(first)), abs=1e-6)
    lexical = _core.LexicalIndex("english", 1.2, 0.75)
    lexical.add(["kelp kelp", "fjord"], np.array([5, 2], dtype=np.int64), threads=1)
    lexical.save(tmp_path / "lexical")
    file = File(tmp_path / "lexical", "LIDX")
    assert file.column("index.ids", "q") == (2, 5)
    head = json.loads(file.sections["index.head"])
    assert (head["language"], head["k1"], head["b"], head["next_id"]) == ("english", 1.2, 0.75, 6)
    assert file.column("lex.lengths", "I") == (1, 2)


def test_lists_of_postings_of_every_form(tmp_path: Path) -> None:
    # Catches a form of postings that is described wrongly: one, a flat list, rows, blocks, bits, counts of their own.
    steps = {"one": 19_000, "flat": 5000, "rows": 100, "blocks": 40, "bits": 3, "all": 1}

    def count(row: int, step: int) -> int:
        return 1 + (row // step) % 3 + 60 * (row == 4200)

    texts = [
        " ".join(f"{word} " * count(row, step) for word, step in steps.items() if row % step == 0)
        for row in range(18_000)
    ]
    lexical = _core.LexicalIndex("none", 1.2, 0.75)
    lexical.add(texts, None, threads=1)
    lexical.save(tmp_path / "lexical")
    inverted = Inverted(File(tmp_path / "lexical", "LIDX"), len(texts))
    expected = {word: [(row, count(row, step)) for row in range(0, len(texts), step)] for word, step in steps.items()}
    assert inverted.postings == expected
