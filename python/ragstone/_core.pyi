"""Types of the native module; ``make check`` compares them with the built one."""

from collections.abc import Mapping
from os import PathLike
from typing import TypeAlias, TypedDict, final, type_check_only

import numpy as np
from numpy.typing import NDArray

__version__: str

_ChunkTuple: TypeAlias = tuple[int, int, list[str], str, int | None]
"""start, end, headings, context, page."""

_DocumentTuple: TypeAlias = tuple[str, str, str, str, str, list[str] | None, str, list[_ChunkTuple]]
"""document_id, title, source, text, metadata as JSON, acl, content_sha256, chunks."""

_Parts: TypeAlias = tuple[float, float, float, float | None, int | None, int | None]
"""BM25's part, the dense part, BM25 score, cosine, rank in the BM25 list, rank in the dense list."""

_TermPart: TypeAlias = tuple[str, str | None, float, float]
"""Name as asked, term of the index, count, part of the BM25 score."""

_HitTuple: TypeAlias = tuple[
    tuple[str, str, str, str],
    str,
    float,
    str,
    list[str],
    int | None,
    tuple[int, int],
    list[tuple[int, int]],
    _Parts,
    list[_TermPart],
]
"""(chunk_id, document_id, title, source), text, score, metadata as JSON, headings, page, span, highlights, parts,
words (empty unless explained)."""

_Asked: TypeAlias = tuple[str, bool]
"""A text, or the JSON form of a structured query and ``True``."""

@type_check_only
class Evidence(TypedDict):
    terms: int
    terms_known: int
    idf_sum: float
    bm25: list[float]
    bm25_spread: float
    cosine: list[float]
    cosine_mean: float
    cosine_spread: float
    agree: bool
    shared: int
    hit_bm25: list[float]
    hit_cosine: list[float]
    covered: list[float]
    covered_sentence: float
    names: int
    names_covered: int

@type_check_only
class SearchArguments(TypedDict):
    mode: str
    fusion: str
    weight: float
    exact: bool
    top_k: int
    filter: str | None
    principals: list[str]
    timeout_s: float | None
    explain: bool
    evidence: bool
    without: list[str]

@final
class Index:
    def __new__(
        cls,
        path: str | PathLike[str],
        *,
        read_only: bool,
        mmap: bool,
        verify: str,
        threads: int,
        background_merges: bool,
        language: str,
        k1: float,
        b: float,
        embedder: tuple[str, str, int] | None,
    ) -> Index: ...
    @property
    def generation(self) -> int: ...
    @property
    def read_only(self) -> bool: ...
    @property
    def embedder(self) -> tuple[str, str, int] | None: ...
    def set_embedder(self, name: str, fingerprint: str, dimension: int) -> None: ...
    def commit(
        self,
        documents: list[_DocumentTuple],
        deletes: list[str],
        vectors: NDArray[np.float32] | None = None,
        changed_ms: int | None = None,
    ) -> tuple[int, int, int, int, int]: ...
    def search(
        self,
        asked: _Asked | None,
        vector: NDArray[np.float32] | None,
        arguments: SearchArguments,
    ) -> tuple[list[_HitTuple], Evidence, int, list[str], tuple[float, float, float, float, float]]: ...
    def search_batch(
        self,
        asked: list[_Asked],
        vectors: NDArray[np.float32] | None,
        arguments: SearchArguments,
    ) -> tuple[list[tuple[list[_HitTuple], list[str]]], int]: ...
    def rank_documents(
        self,
        asked: list[_Asked],
        vectors: NDArray[np.float32] | None,
        arguments: SearchArguments,
    ) -> list[list[tuple[str, float]]]: ...
    def pending(self, rows_max: int) -> tuple[str, int, list[tuple[str, str] | None]] | None: ...
    def attach(self, segment: str, first_row: int, present: list[bool], vectors: NDArray[np.float32]) -> None: ...
    def documents(self) -> list[tuple[str, str, str]]: ...
    def matching(self, filter: str) -> list[str]: ...
    def document(self, document_id: str) -> _DocumentTuple | None: ...
    def history(self, document_id: str | None) -> str: ...
    def superseded(self, texts: list[str]) -> list[list[tuple[int, int, str, str, str, int, int]]]: ...
    def statistics(self) -> str: ...
    def sample(self) -> NDArray[np.float32]: ...
    def verify(self) -> list[str]: ...
    def merge(self, everything: bool) -> int: ...
    def refresh(self) -> bool: ...
    def copy_to(self, path: str | PathLike[str]) -> int: ...
    def close(self) -> None: ...

@final
class DenseIndex:
    def __new__(cls, dimension: int) -> DenseIndex: ...
    @staticmethod
    def open(path: str | PathLike[str]) -> DenseIndex: ...
    @property
    def dimension(self) -> int: ...
    def __len__(self) -> int: ...
    def add(self, vectors: NDArray[np.float32], ids: NDArray[np.int64] | None = None) -> NDArray[np.int64]: ...
    def remove(self, ids: NDArray[np.int64]) -> int: ...
    def search(
        self,
        queries: NDArray[np.float32],
        *,
        top_k: int,
        exact: bool,
        filter_ids: NDArray[np.int64] | NDArray[np.uint64] | None,
        threads: int,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]: ...
    def save(self, path: str | PathLike[str]) -> None: ...

@final
class LexicalIndex:
    def __new__(cls, language: str, k1: float, b: float) -> LexicalIndex: ...
    @staticmethod
    def open(path: str | PathLike[str]) -> LexicalIndex: ...
    def __len__(self) -> int: ...
    def add(self, texts: list[str], ids: NDArray[np.int64] | None = None, *, threads: int) -> NDArray[np.int64]: ...
    def remove(self, ids: NDArray[np.int64], *, threads: int) -> int: ...
    def search(
        self,
        queries: list[str],
        *,
        top_k: int,
        filter_ids: NDArray[np.int64] | NDArray[np.uint64] | None,
        threads: int,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]: ...
    def save(self, path: str | PathLike[str]) -> None: ...

@final
class StaticEmbedder:
    def __new__(cls, path: str | PathLike[str]) -> StaticEmbedder: ...
    @property
    def dimension(self) -> int: ...
    @property
    def fingerprint(self) -> str: ...
    def embed(self, texts: list[str], threads: int) -> NDArray[np.float32]: ...
    def count_tokens(self, texts: list[str]) -> list[int]: ...
    def token_spans(self, text: str) -> list[tuple[int, int]]: ...

_CheckedTuple: TypeAlias = tuple[
    tuple[int, int, list[tuple[int, int]], str | None],
    tuple[float, bool, list[int], list[float]],
    list[tuple[int, int, str]],
    tuple[list[int], list[int], float, bool, list[bool]],
]
"""(start, end, spans of marks, why it cannot be checked), (score, supported, sources, features), unsupported spans with
what they are, (cited sources, unknown numbers, score, supported, relevant)."""

@final
class Grounder:
    FEATURES: list[str]
    def __new__(
        cls, language: str, weights: list[float], bias: float, threshold: float, background: list[str]
    ) -> Grounder: ...
    def check(self, answer: str, sources: list[str]) -> list[_CheckedTuple]: ...

@final
class Router:
    def __new__(cls, path: str | PathLike[str]) -> Router: ...
    def route(self, query: str) -> tuple[str, float, float, bool, list[tuple[int, int, str, float, str]]]: ...
    def route_batch(
        self, queries: list[str], threads: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]: ...
    def nanoseconds(self, queries: list[str], rounds: int) -> NDArray[np.uint32]: ...

@final
class Judged:
    def __new__(cls, run: dict[str, Mapping[str, float]], qrels: dict[str, Mapping[str, int]]) -> Judged: ...
    def __len__(self) -> int: ...
    @property
    def retrieved(self) -> NDArray[np.int64]: ...
    @property
    def relevant(self) -> NDArray[np.int64]: ...
    def values(self, metrics: list[str]) -> NDArray[np.float64]: ...

def route_features(texts: list[str]) -> tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.float32]]: ...
def route_rules() -> tuple[int, list[str]]: ...
def detect_language(texts: list[str]) -> str: ...
def instruction_set() -> str: ...
def instruction_sets() -> list[str]: ...
