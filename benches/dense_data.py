"""Real embeddings to measure dense search on: made once from the large corpus, with their exact answers.

    python benches/dense_data.py static-1m [minilm-100k ...]

Each set is a folder of ``base.npy`` and ``queries.npy`` (float32, unit length), ``queries.json`` (texts and kinds) and
``recipe.json`` (how it was made). Rows are in random order (fixed seed), so that the first n of them are a sample: a
real index in the order of its documents would be kinder to clustered layouts. Needs the large corpus (``make corpus``);
the sets of MiniLM vectors need the index that ``make benchmark`` leaves, or embed its chunks anew, which takes long.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ragstone
from ragstone.chunking import embedding_text
from ragstone.documents import find_files, read_document

BUILD = Path(__file__).resolve().parents[1] / ".build"
CORPUS = BUILD / "corpora" / "debian"
PLACE = BUILD / "bench" / "dense"
KNOWLEDGE_BASE = BUILD / "bench" / "kb-minilm-100000"
SHORTEST, LONGEST = 40, 320  # characters of a chunk of the million
MILLION, HELD_OUT = 1_000_000, 1_000
DEPTH = 100  # of the exact answers
SIF = 1e-3  # weight of a token is SIF / (SIF + its share of all tokens): Arora, Liang and Ma 2017
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Dataset:
    """One set, its base mapped from its file."""

    name: str
    base: Vectors
    queries: Vectors
    kinds: list[str]
    recipe: dict[str, Any]
    folder: Path

    def head(self, rows: int) -> Vectors:
        """The first rows, in memory."""
        return np.ascontiguousarray(self.base[:rows])


def prepare(name: str) -> Dataset:
    """Open a set, made first if need be."""
    if name not in MAKERS:
        raise SystemExit(f"there is no set {name!r}; choose one of {', '.join(MAKERS)}")
    folder = PLACE / name
    if not (folder / "recipe.json").exists():
        base, texts, queries, how = MAKERS[name]()
        for array in (base, queries):
            lengths = np.linalg.norm(array, axis=1)
            if not np.allclose(lengths, 1.0, atol=1e-4):
                raise SystemExit(f"{name}: a vector has length {lengths[np.argmax(abs(lengths - 1))]}, not 1")
        folder.mkdir(parents=True, exist_ok=True)
        _save(folder / "base.npy", base)
        _save(folder / "queries.npy", queries)
        (folder / "queries.json").write_text(json.dumps(texts, indent=1), encoding="utf-8")
        mean = float(np.linalg.norm(base.mean(axis=0, dtype=np.float64)))
        recipe = {"how": how, "rows": len(base), "dimension": base.shape[1], "mean_vector_norm": round(mean, 4)}
        (folder / "recipe.json").write_text(json.dumps(recipe, indent=1) + "\n", encoding="utf-8")
    return Dataset(
        name,
        np.load(folder / "base.npy", mmap_mode="r"),
        np.load(folder / "queries.npy"),
        [text["kind"] for text in json.loads((folder / "queries.json").read_text(encoding="utf-8"))],
        json.loads((folder / "recipe.json").read_text(encoding="utf-8")),
        folder,
    )


def truth(dataset: Dataset, rows: int) -> NDArray[np.int32]:
    """Ids of the ``DEPTH`` nearest of the first rows for every query, by float64 cosine, ties by id; kept on disk."""
    path = dataset.folder / f"truth-{rows}.npy"
    if not path.exists():
        _save(path, exact(dataset.head(rows), dataset.queries, min(DEPTH, rows)))
    return np.asarray(np.load(path))


def exact(base: Vectors, queries: Vectors, depth: int, allowed: NDArray[np.bool_] | None = None) -> NDArray[np.int32]:
    """Ids of the nearest rows by float64 dot product, ties by id; -1 pads where fewer rows are allowed."""
    wanted = queries.astype(np.float64)
    ids = np.full((len(queries), depth), -1, dtype=np.int32)
    scores = np.full((len(queries), depth), -np.inf)
    for start in range(0, len(base), 8192):
        block = wanted @ base[start : start + 8192].astype(np.float64).T
        if allowed is not None:
            block[:, ~allowed[start : start + 8192]] = -np.inf
        # Rows come in ascending order, so one that only equals the last of the list has lost the tie already.
        for query, better in enumerate(block > scores[:, -1:]):
            places = np.flatnonzero(better)
            if not len(places):
                continue
            if len(places) > 4 * depth:  # keeps ties at the border
                border = np.partition(block[query, places], -depth)[-depth]
                places = places[block[query, places] >= border]
            all_ids = np.concatenate([ids[query], start + places]).astype(np.int32)
            all_scores = np.concatenate([scores[query], block[query, places]])
            order = np.lexsort((all_ids, -all_scores))[:depth]
            ids[query], scores[query] = all_ids[order], all_scores[order]
    return ids


# --- the million chunks -------------------------------------------------------------------------------------------


def million() -> tuple[list[str], list[dict[str, str]]]:
    """Chunks in random order, and the queries: beginnings of held-out chunks, then the corpus' own questions."""
    chunks_path, held_path = PLACE / "chunks.txt", PLACE / "held-out.txt"
    if not held_path.exists():
        PLACE.mkdir(parents=True, exist_ok=True)
        chunks = list(_distinct(piece for path in find_files([CORPUS / "documents"]) for piece in _cut(path)))
        order = np.random.default_rng(1).permutation(len(chunks))[: MILLION + HELD_OUT]
        _write_lines(chunks_path, [chunks[number] for number in order[HELD_OUT:]])
        _write_lines(held_path, [chunks[number] for number in order[:HELD_OUT]])
    chunks = chunks_path.read_text(encoding="utf-8").split("\n")[:-1]
    held_out = held_path.read_text(encoding="utf-8").split("\n")[:-1]
    random = np.random.default_rng(2)
    fragments = [" ".join(text.split()[: random.integers(5, 15)]) for text in held_out]
    return chunks, _distinct_queries([{"query": text, "kind": "fragment"} for text in fragments] + questions())


def questions() -> list[dict[str, str]]:
    """The questions and search words that come with the corpus."""
    rows = (CORPUS / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    return _distinct_queries([{key: row[key] for key in ("query", "kind")} for row in map(json.loads, rows)])


def _cut(path: Path) -> Iterator[str]:
    """Pieces of a document of 40 to 320 characters: whole sentences of one paragraph where they fit."""
    for paragraph in re.split(r"\n\s*\n", read_document(path).text):
        piece = ""
        for part in _parts(" ".join(paragraph.split())):
            if piece and len(piece) + 1 + len(part) > LONGEST // 2:
                yield piece
                piece = part
            else:
                piece = f"{piece} {part}" if piece else part
        yield piece


def _parts(paragraph: str) -> Iterator[str]:
    """Sentences, the longest ones cut between words."""
    for sentence in re.split(r"(?<=[.!?:;]) ", paragraph):
        while len(sentence) > LONGEST:
            cut = sentence.rfind(" ", SHORTEST, LONGEST)
            cut = LONGEST if cut < 0 else cut
            yield sentence[:cut]
            sentence = sentence[cut:].lstrip()
        yield sentence


def _distinct(pieces: Iterable[str]) -> Iterator[str]:
    """Pieces of the right size that are mostly words, without repeats (in another case is a repeat too)."""
    seen: set[int] = set()
    for piece in pieces:
        if SHORTEST <= len(piece) <= LONGEST and sum(map(str.isalpha, piece)) * 2 > len(piece):
            key = hash(piece.lower())
            if key not in seen:
                seen.add(key)
                yield piece


def _distinct_queries(queries: list[dict[str, str]]) -> list[dict[str, str]]:
    return list({query["query"].lower(): query for query in reversed(queries)}.values())[::-1]


# --- the embedders ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Static:
    """A vector for each token; a text is the sum of its tokens, scaled to unit length."""

    table: Vectors

    def embed(self, texts: list[str]) -> Vectors:
        """Vectors of unit length, shape (n, 384)."""
        out = np.empty((len(texts), self.table.shape[1]), dtype=np.float32)
        for start in range(0, len(texts), 2048):
            tokens = [
                encoding.ids
                for encoding in _tokenizer().encode_batch_fast(texts[start : start + 2048], add_special_tokens=False)
            ]
            counts = np.array([len(ids) for ids in tokens])
            if not counts.all():
                raise SystemExit("a text has no token")
            rows = np.concatenate(tokens)
            sums = np.add.reduceat(self.table[rows], np.concatenate([[0], np.cumsum(counts)[:-1]]), axis=0)
            out[start : start + 2048] = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        return out


@cache
def static() -> Static:
    """MiniLM distilled to a table as Model2Vec does: each token through the model alone, centred, rotated, weighted."""
    path = PLACE / "static-table.npy"
    if not path.exists():
        vectors = _token_vectors()
        vectors -= vectors.mean(axis=0)
        rotated = vectors @ np.linalg.svd(vectors, full_matrices=False)[2].T
        counts = np.zeros(len(vectors))
        chunks, _ = million()
        for start in range(0, len(chunks), 8192):
            for encoding in _tokenizer().encode_batch_fast(chunks[start : start + 8192], add_special_tokens=False):
                np.add.at(counts, encoding.ids, 1)
        _save(path, (rotated * (SIF / (SIF + counts / counts.sum()))[:, np.newaxis]).astype(np.float32))
    return Static(np.load(path))


def _token_vectors() -> NDArray[np.float64]:
    """The model's mean-pooled output for each token between its two special tokens, unscaled."""
    import onnxruntime
    import ragstone_minilm

    session = onnxruntime.InferenceSession(str(Path(ragstone_minilm.MODEL_FOLDER) / "model.onnx"))
    names = [value.name for value in session.get_inputs()]
    rows = []
    for token in range(_tokenizer().get_vocab_size()):
        ids = np.array([[_tokenizer().token_to_id("[CLS]"), token, _tokenizer().token_to_id("[SEP]")]])
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        states = np.asarray(session.run(None, {name: feed[name] for name in names})[0], dtype=np.float64)
        rows.append(states.reshape(-1, states.shape[-1]).mean(axis=0))
    return np.array(rows)


@cache
def _tokenizer() -> Any:
    import ragstone_minilm
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(ragstone_minilm.MODEL_FOLDER) / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


# --- the sets -----------------------------------------------------------------------------------------------------

Made = tuple[Vectors, list[dict[str, str]], Vectors, str]
CHUNKS = (
    "distinct chunks of 40 to 320 characters of the large corpus; queries: 'fragment' are the first 5 to 14 words of "
    "held-out chunks, other kinds come with the corpus"
)


def _static_1m() -> Made:
    chunks, queries = million()
    how = (
        "a table distilled from all-MiniLM-L6-v2 (each token through the model alone, centred, rotated to its "
        f"principal axes, weighted by inverse frequency), summed over the tokens; {CHUNKS}"
    )
    return static().embed(chunks), queries, static().embed(_texts(queries)), how


def _builtin_1m() -> Made:
    chunks, queries = million()
    model = ragstone.embedder("builtin")
    base = np.concatenate([model.embed(chunks[start : start + 50_000]) for start in range(0, len(chunks), 50_000)])
    return base, queries, model.embed(_texts(queries)), f"embeddings of the embedder 'builtin'; {CHUNKS}"


def _minilm_100k() -> Made:
    texts, vectors = knowledge_base()
    order = _order(len(texts))
    queries = questions()
    how = "all-MiniLM-L6-v2 embeddings (int8 ONNX) of chunks of up to 256 tokens of the large corpus, and its queries"
    return vectors[order], queries, ragstone.embedder("minilm").embed(_texts(queries)), how


def _minilm_10k() -> Made:
    whole = prepare("minilm-100k")
    texts = json.loads((whole.folder / "queries.json").read_text(encoding="utf-8"))
    return whole.head(10_000), texts, whole.queries, f"the first 10,000 rows of minilm-100k: {whole.recipe['how']}"


def _concatenated(parts: tuple[str, ...]) -> Made:
    """MiniLM beside other embeddings of the same texts, for want of a model of this dimension."""
    whole = prepare("minilm-100k")
    texts, _ = knowledge_base()
    queries = json.loads((whole.folder / "queries.json").read_text(encoding="utf-8"))
    chosen = [texts[number] for number in _order(len(texts))]
    embed: dict[str, Callable[[list[str]], Vectors]] = {
        "static": static().embed,
        "builtin": ragstone.embedder("builtin").embed,
    }
    scale = np.float32((1 + len(parts)) ** -0.5)
    base = np.hstack([whole.base, *(embed[part](chosen) for part in parts)]) * scale
    asked = np.hstack([whole.queries, *(embed[part](_texts(queries)) for part in parts)]) * scale
    how = (
        f"no model of this dimension is at hand: all-MiniLM-L6-v2 beside {' and '.join(parts)} vectors of the same "
        "chunks, equal weights; chunks and queries of minilm-100k"
    )
    return base, queries, asked, how


MAKERS: dict[str, Callable[[], Made]] = {
    "static-1m": _static_1m,
    "builtin-1m": _builtin_1m,
    "minilm-100k": _minilm_100k,
    "minilm-10k": _minilm_10k,
    "concat768-100k": lambda: _concatenated(("static",)),
    "concat1024-100k": lambda: _concatenated(("static", "builtin")),
}


def knowledge_base() -> tuple[list[str], Vectors]:
    """Texts and MiniLM vectors of the benchmark's index, row by row."""
    if not KNOWLEDGE_BASE.exists():
        raise SystemExit("there is no index of MiniLM vectors: run 'make benchmark' first")
    with ragstone.open(KNOWLEDGE_BASE, read_only=True, embedder="minilm") as index:
        texts = []
        for name in sorted((source[0] for source in index.sources()), key=str.encode):
            document = index.document(name)
            assert document is not None
            texts += [embedding_text(document.title, chunk) for chunk in index.chunks(name)]
    vectors = np.concatenate([_vector_file(path) for path in KNOWLEDGE_BASE.glob("vec-*")])
    if len(vectors) != len(texts):
        raise SystemExit(f"the index has {len(vectors)} vectors for {len(texts)} chunks: run 'make benchmark' again")
    some = np.linspace(0, len(texts) - 1, 20).astype(int)
    again = ragstone.embedder("minilm").embed([texts[row] for row in some])
    if not np.allclose(again, vectors[some], atol=1e-5):
        raise SystemExit("vectors of the index are not those of its chunks in the same order")
    return texts, vectors


def _vector_file(path: Path) -> Vectors:
    """The f32 rows of one vector file."""
    parts = sections(path)
    dimension, stride, rows, present = struct.unpack("<4I", bytes(parts["vec.head"]))
    if rows != present:
        raise SystemExit(f"{path.name} has {rows} rows and {present} vectors: merge the index first")
    vectors: Vectors = parts["vec.f32"].view(np.float32).reshape(rows, stride)[:, :dimension].copy()
    return vectors


def sections(path: Path) -> dict[str, NDArray[np.uint8]]:
    """Sections of a file of ours by name, mapped (``FORMAT.md``, section 2)."""
    data = np.memmap(path, dtype=np.uint8, mode="r")
    _, table, _, count = struct.unpack("<QQQI", bytes(data[-64:-36]))
    found = {}
    for at in range(table, table + 40 * count, 40):
        name, start, size = struct.unpack("<24sQQ", bytes(data[at : at + 40]))
        found[name.rstrip(b"\0").decode("ascii")] = data[start : start + size]
    return found


def _order(rows: int) -> NDArray[np.int64]:
    return np.random.default_rng(1).permutation(rows)[:100_000]


def _texts(queries: list[dict[str, str]]) -> list[str]:
    return [query["query"] for query in queries]


def _save(path: Path, array: NDArray[Any]) -> None:
    """Write an array under another name first: a file of its final name is whole."""
    temporary = path.with_suffix(f".{os.getpid()}.npy")
    np.save(temporary, array)
    temporary.replace(path)


def _write_lines(path: Path, lines: list[str]) -> None:
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    temporary.replace(path)


def main() -> None:
    """Prepare the sets that are named, and their exact answers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=list(MAKERS), metavar="SET", help=", ".join(MAKERS))
    parser.add_argument("--no-truth", action="store_true", help="leave the exact answers for later")
    options = parser.parse_args()
    for name in options.sets:
        dataset = prepare(name)
        if not options.no_truth:
            truth(dataset, len(dataset.base))
        print(name, dataset.base.shape, len(dataset.queries), "queries:", dataset.recipe["how"], flush=True)


if __name__ == "__main__":
    main()
