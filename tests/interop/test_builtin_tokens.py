"""The built-in embedder's tokens against those of the `tokenizers` library, character by character."""

from __future__ import annotations

import random
import struct
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ragstone.embedding import builtin
from ragstone.embedding.builtin import BuiltinEmbedder

tokenizers = pytest.importorskip("tokenizers")

# Their place among other marks changes when a text is decomposed; they stand in no vocabulary, only in unknown words.
MUSICAL_MARKS = range(0x1D165, 0x1D173)


def library() -> tuple[tokenizers.Tokenizer, np.ndarray, int]:
    """BERT's tokenizer over our vocabulary, our rows with a zero row for the unknown, and the unknown's number."""
    content = Path(builtin.__file__).with_name("builtin.bin").read_bytes()
    _, dimension, rows, length = struct.unpack_from("<4I", content, 40)
    numbers = {word: row for row, word in enumerate(content[56 : 56 + length].decode().split("\n"))}
    numbers["[UNK]"] = rows
    table = np.frombuffer(content, np.int8, offset=56 + length).reshape(rows, dimension).astype(np.int64)
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(numbers, unk_token="[UNK]"))
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    return tokenizer, np.vstack([table, np.zeros((1, dimension), np.int64)]), rows


def texts() -> Iterator[str]:
    """Every assigned character between letters, before letters and with an accent; then random company."""
    known = [
        chr(code)
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) not in ("Cn", "Co", "Cs") and code not in MUSICAL_MARKS
    ]
    for start in range(0, len(known), 200):
        yield " ".join(f"ab{c}cd the{c} {c}ing e{c}\u0301" for c in known[start : start + 200])
    source = random.Random(0)
    for _ in range(3000):
        yield "".join(
            source.choice(known) if source.random() < 0.3 else source.choice("aeinrs ,.é\u0301中") for _ in range(60)
        )
    yield from ("a" * length for length in range(97, 104))
    yield from ("e\u0301" * length for length in range(97, 104))


def test_same_tokens_over_all_of_unicode() -> None:
    """Catches any text that the two would cut differently: the table was trained on the library's tokens."""
    tokenizer, table, unknown = library()
    embedder = BuiltinEmbedder()
    compared = 0
    for text in texts():
        encoding = tokenizer.encode(text, add_special_tokens=False)
        assert embedder.token_spans(text) == encoding.offsets, text
        total = table[encoding.ids].sum(axis=0)
        if total.any():
            expected = (total / np.sqrt(float(total @ total))).astype(np.float32)
            np.testing.assert_allclose(embedder.embed([text])[0], expected, rtol=0, atol=1e-7, err_msg=text)
        compared += len(encoding.ids) - encoding.ids.count(unknown)
    assert compared > 500_000
