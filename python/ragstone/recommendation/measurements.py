"""What is known of a project before anything is decided: its queries, its corpus, its examples, its evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from ragstone.estimates import Estimate

if TYPE_CHECKING:
    from ragstone.recommendation.needs import Needs

__all__ = ["Corpus", "Evaluated", "Examples", "Project", "QueryShares"]


@dataclass(frozen=True, slots=True)
class QueryShares:
    """What kinds of queries a log holds. Shares are corrected for the router's known errors; intervals include them.

    ``factual``, ``behavioural``, ``hybrid`` and ``other`` are shares of all queries. ``facts`` is the share of factual
    and hybrid ones among those that count, ``behaviour`` of behavioural and hybrid ones: ``other`` counts for neither
    side. ``facts_of_all`` and ``behaviour_of_all`` are the same among all queries. ``counted`` is how many queries
    count, corrected.
    """

    queries: int
    counted: int
    factual: Estimate
    behavioural: Estimate
    hybrid: Estimate
    other: Estimate
    facts: Estimate
    behaviour: Estimate
    facts_of_all: Estimate
    behaviour_of_all: Estimate
    uncertain: Estimate


@dataclass(frozen=True, slots=True)
class Corpus:
    """What an index holds and how it changes, measured. ``None`` where there was nothing to measure it by.

    ``exact_duplicates`` and ``near_duplicates`` are shares of chunks. ``update_interval_days`` is the median time
    between two versions of a document, weighted by how often queries retrieve it. It is ``None`` where most documents
    stand unchanged since they are watched, and ``unchanged_days`` then how long that is: a lower bound of the median.
    ``churn`` has for 7, 30 and 90 days, as far as the history goes back, the share of retrieved chunks whose document
    changed in that time. ``style_guide_hits`` is the share of behavioural queries with a style guide's chunk among
    their first five, ``style_guide_proof`` pairs of such a query and document. ``resolvable`` is the share of citations
    whose span can be cut out of the stored document. A clock measured ``first_value_s``, rounded up to a round number
    of minutes, and ``search_ms_p95``.
    """

    documents: int
    chunks: int
    tokens: int
    exact_duplicates: Estimate | None = None
    near_duplicates: Estimate | None = None
    history_days: float = 0.0
    changes: int = 0
    update_interval_days: float | None = None
    unchanged_days: float | None = None
    churn: Mapping[int, Estimate] = field(default_factory=lambda: MappingProxyType({}))
    null_retrieval: Estimate | None = None
    style_guide_documents: tuple[str, ...] = ()
    style_guide_hits: Estimate | None = None
    style_guide_proof: tuple[tuple[str, str], ...] = ()
    resolvable: Estimate | None = None
    head_share: Estimate | None = None
    first_value_s: float | None = None
    search_ms_p95: float | None = None


@dataclass(frozen=True, slots=True)
class Examples:
    """Pairs of request and answer that a model could be trained on, as far as they were looked at.

    ``volatile`` is the share of usable examples that state a fact which is proven to have changed, ``volatile_proof``
    tuples of the span, the document that changed, and the day on which it did.
    """

    usable: int = 0
    held_out: int = 0
    volatile: Estimate | None = None
    volatile_proof: tuple[tuple[str, str, str], ...] = ()
    labels: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    leaking: int = 0


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What has been measured of answers so far. ``prompt`` is (passed, tried) of the best plain prompt."""

    prompt: tuple[int, int] | None = None
    judged_queries: int = 0
    stale: bool = False
    leaking: int = 0


@dataclass(frozen=True, slots=True)
class Project:
    """All that a decision rests on; ``queries`` or ``corpus`` is ``None`` where there is no log or no index."""

    needs: Needs
    queries: QueryShares | None = None
    corpus: Corpus | None = None
    examples: Examples = field(default_factory=Examples)
    evaluation: Evaluated = field(default_factory=Evaluated)
