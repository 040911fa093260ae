"""Ragstone: retrieval done superbly, and the judgement whether to retrieve or to fine-tune.

>>> import ragstone, tempfile
>>> with tempfile.TemporaryDirectory() as folder, ragstone.open(folder, embedder="hashing") as index:
...     index.upsert([ragstone.Document(document_id="policy", text="Refunds are paid within 30 days.")])
...     index.search("How long do refunds take?")[0].text
1
'Refunds are paid within 30 days.'
"""

import typing as _typing

from ragstone import metrics
from ragstone._core import __version__
from ragstone.arrays import BM25Index, DenseIndex, detect_language
from ragstone.chunking import Chunker
from ragstone.embedding import embedder
from ragstone.errors import (
    CorruptIndex,
    DimensionMismatch,
    EmbedderMismatch,
    IncompatibleIndex,
    IndexLocked,
    InvalidInput,
    MissingDependency,
    ModelError,
    NotFound,
    RagstoneError,
    SearchTimeout,
    StorageError,
)
from ragstone.evaluation import calibrate, evaluate
from ragstone.filters import F, Filter
from ragstone.pipeline import Index, open
from ragstone.query import Q, Query
from ragstone.recall import Recall
from ragstone.recommender import RouteBatch, advise, route, route_batch
from ragstone.records import (
    Advice,
    Answer,
    Chunk,
    Citation,
    Document,
    Embedder,
    FileOutcome,
    Hit,
    IngestReport,
    Reason,
    Route,
    SearchResult,
    Section,
    Stages,
    Superseded,
)
from ragstone.tuning import Tuning, tune

if _typing.TYPE_CHECKING:
    from ragstone.recommendation import Needs, Recommendation, Recommender

__all__ = [
    "Advice",
    "Answer",
    "BM25Index",
    "Chunk",
    "Chunker",
    "Citation",
    "CorruptIndex",
    "DenseIndex",
    "DimensionMismatch",
    "Document",
    "Embedder",
    "EmbedderMismatch",
    "F",
    "FileOutcome",
    "Filter",
    "Hit",
    "IncompatibleIndex",
    "Index",
    "IndexLocked",
    "IngestReport",
    "InvalidInput",
    "MissingDependency",
    "ModelError",
    "Needs",
    "NotFound",
    "Q",
    "Query",
    "RagstoneError",
    "Reason",
    "Recall",
    "Recommendation",
    "Recommender",
    "Route",
    "RouteBatch",
    "SearchResult",
    "SearchTimeout",
    "Section",
    "Stages",
    "StorageError",
    "Superseded",
    "Tuning",
    "__version__",
    "advise",
    "calibrate",
    "detect_language",
    "embedder",
    "evaluate",
    "metrics",
    "open",
    "route",
    "route_batch",
    "tune",
]

# Programs that only search should not wait for what recommends.
_LATER = ("Needs", "Recommendation", "Recommender")


def __getattr__(name: str) -> object:
    if name in _LATER:
        from ragstone import recommendation

        return getattr(recommendation, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
