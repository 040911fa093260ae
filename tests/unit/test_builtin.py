"""The built-in embedder: its protocol, and its vectors and tokens against NumPy and BERT's rules over the same file."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import ragstone.embedding
from ragstone import _core
from ragstone.embedding import builtin
from ragstone.embedding.builtin import BuiltinEmbedder
from ragstone.errors import InvalidInput, StorageError
from ragstone.records import Embedder

TABLE = Path(builtin.__file__).with_name("builtin.bin")
# Letters of many scripts, marks, separators, controls, ideographs; then anything.
HOSTILE = st.text(
    st.one_of(
        st.sampled_from("aeinrst ABÉéß中\u1112\u1161한.,-_#'😀\t\n"),
        st.sampled_from("\u0130\u0131\u03a3\u03c2\u0436\u2019\xb2\xbd\u0301\u0327\u200b\xa0\u3000\ufffd\x00\x0b\x85"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=80,
)


@cache
def read_table() -> tuple[dict[str, int], NDArray[np.int8]]:
    """The file, read from its description alone."""
    content = TABLE.read_bytes()
    assert content[:8] == b"\x89RAGTAB\n"
    assert content[8:40] == sha256(content[40:]).digest()
    version, dimension, rows, length = struct.unpack_from("<4I", content, 40)
    assert version == 1
    words = content[56 : 56 + length].decode().split("\n")
    table = np.frombuffer(content, np.int8, offset=56 + length).reshape(rows, dimension)
    return {word: row for row, word in enumerate(words)}, table


def twin_rows(text: str, vocabulary: dict[str, int]) -> list[int | None]:
    """BERT's rules, one pass over the whole text each; ``None`` is a word that cannot be spelled."""
    visible = (
        c for c in text if c in "\t\n\r" or (unicodedata.category(c) not in ("Cc", "Cf", "Co") and c != "\ufffd")
    )
    spaced = "".join(f" {c} " if "\u3400" <= c <= "\u4dbf" or "\u4e00" <= c <= "\u9fff" else c for c in visible)
    decomposed = (c for c in unicodedata.normalize("NFD", spaced) if unicodedata.category(c) != "Mn")
    lowered = "".join(c.lower() for c in decomposed)
    ascii_marks = "$+<=>^`|~"
    apart = "".join(f" {c} " if unicodedata.category(c)[0] == "P" or c in ascii_marks else c for c in lowered)
    return [row for word in apart.split() for row in spell(word, vocabulary)]


def spell(word: str, vocabulary: dict[str, int]) -> list[int | None]:
    """Greedy longest match first."""
    rows: list[int | None] = []
    start = 0
    while start < len(word) <= 100:
        mark = "##" if start else ""
        end = next((end for end in range(len(word), start, -1) if mark + word[start:end] in vocabulary), None)
        if end is None:
            break
        rows.append(vocabulary[mark + word[start:end]])
        start = end
    return rows if start == len(word) else [None]


def twin_vector(rows: list[int | None], table: NDArray[np.int8]) -> NDArray[np.float32]:
    """Sum and scale, in float64."""
    total = table[[row for row in rows if row is not None]].astype(np.float64).sum(axis=0)
    length = np.linalg.norm(total)
    return np.eye(1, len(total))[0].astype(np.float32) if length == 0 else (total / length).astype(np.float32)


def test_is_an_embedder() -> None:
    """Catches a member of the protocol that is missing, and a table other than the one described."""
    embedder = BuiltinEmbedder()
    assert isinstance(embedder, Embedder)
    assert (embedder.name, embedder.dimension, embedder.max_tokens) == ("builtin", 256, 512)
    assert embedder.fingerprint == sha256(TABLE.read_bytes()[40:]).hexdigest()
    assert ragstone.embedding.embedder("builtin").fingerprint == embedder.fingerprint


def test_table_fits_the_wheel() -> None:
    """Catches a table that outgrew its allowance."""
    assert TABLE.stat().st_size <= 8_000_000


# Characters that newer Unicode editions added or moved are left to the comparison with the library itself.
@settings(max_examples=300, deadline=None)  # the first example reads the table
@given(
    st.text(
        st.sampled_from(
            "aeinrst ABÉéß\u0130\u03a3\u03c2\u0436中한.,-_#'\u2019\u0301\u0327\u200b\u00a0\ufffd\x00\x0b\t\n"
        ),
        max_size=80,
    )
)
def test_equals_the_twin(text: str) -> None:
    """Catches another tokenization than BERT's, another table, and any rounding but the last."""
    vocabulary, table = read_table()
    rows = twin_rows(text, vocabulary)
    embedder = BuiltinEmbedder()
    assert embedder.count_tokens([text]) == [len(rows)]
    np.testing.assert_allclose(embedder.embed([text])[0], twin_vector(rows, table), rtol=0, atol=1e-7)


@settings(deadline=None)
@given(HOSTILE)
def test_any_text_has_a_unit_vector_and_sound_spans(text: str) -> None:
    """Catches NaN, zero vectors, and spans that count bytes instead of characters."""
    embedder = BuiltinEmbedder()
    vector, spans = embedder.embed([text])[0], embedder.token_spans(text)
    assert vector.dtype == np.float32
    assert abs(float(np.linalg.norm(vector)) - 1) < 1e-5
    assert len(spans) == embedder.count_tokens([text])[0]
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert spans == sorted(spans)


def test_spans_are_str_indices() -> None:
    """Catches spans in bytes or UTF-16 behind characters that take more than one of these."""
    text = "😀 naïve 中文 unaffable"
    words = [text[start:end] for start, end in BuiltinEmbedder().token_spans(text)]
    assert words == ["😀", "naïve", "中", "文", "una", "ffa", "ble"]


def test_nothing_is_cut_off() -> None:
    """Catches a silent limit on the length of a text."""
    embedder = BuiltinEmbedder()
    short, long = embedder.embed(["refund", "refund " + "galaxy " * 5000])
    assert abs(float(short @ long) - float(short @ embedder.embed(["galaxy"])[0])) < 0.01
    assert embedder.count_tokens(["galaxy " * 5000]) == [5000]


def test_same_alone_in_company_and_in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches vectors that depend on neighbours, on the number of threads, or on who else is embedding."""
    embedder = BuiltinEmbedder()
    texts = [f"paragraph {number} about {'returns and refunds ' * (number % 13)}" for number in range(300)]
    alone = np.vstack([embedder.embed([text]) for text in texts])
    for threads in ("1", "2", "7"):
        monkeypatch.setenv("RAGSTONE_THREADS", threads)
        assert np.array_equal(embedder.embed(texts), alone)
    with ThreadPoolExecutor(4) as pool:
        assert all(np.array_equal(vectors, alone) for vectors in pool.map(embedder.embed, [texts] * 8))


def test_same_in_another_process() -> None:
    """Catches anything salted per process: an index would not survive a restart."""
    program = (
        "from ragstone.embedding.builtin import BuiltinEmbedder as B;"
        "print(B().embed(['Über 3 straße', '']).tobytes().hex(), B().fingerprint)"
    )
    folder = os.path.dirname(os.path.dirname(os.path.dirname(builtin.__file__)))
    environment = {**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": folder}
    told = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True)
    embedder = BuiltinEmbedder()
    assert told.stdout.split() == [embedder.embed(["Über 3 straße", ""]).tobytes().hex(), embedder.fingerprint]


def test_shape_of_nothing() -> None:
    """Catches an empty list that gives a one-dimensional array."""
    assert BuiltinEmbedder().embed([]).shape == (0, 256)
    assert BuiltinEmbedder().count_tokens([]) == []


@pytest.mark.parametrize("texts", [["a", 3], ["lone \ud800 surrogate"], "a string instead of a list"])
def test_refuses_what_is_not_text(texts: list[str]) -> None:
    """Catches a crash, or a replacement character slipped in, where the call should be fixed."""
    with pytest.raises(InvalidInput):
        BuiltinEmbedder().embed(texts)


def test_damaged_table_is_refused(tmp_path: Path) -> None:
    """Catches wrong vectors from a table that was cut or changed on disk."""
    content = TABLE.read_bytes()
    for damaged in (b"", content[:1000], content[:-1], content[:5000] + b"\x7f\x00" + content[5002:]):
        path = tmp_path / "table.bin"
        path.write_bytes(damaged)
        with pytest.raises(StorageError):
            _core.StaticEmbedder(str(path))
