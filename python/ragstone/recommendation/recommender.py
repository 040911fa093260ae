"""``Recommender``: measures a project, decides by the rules, and returns a recommendation with its evidence."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ragstone import _core
from ragstone.arguments import integer
from ragstone.arrays import detect_language
from ragstone.errors import InvalidInput
from ragstone.recommendation.evaluated import EvaluationLike, read_evaluation
from ragstone.recommendation.examined import examine
from ragstone.recommendation.measurements import Examples, Project
from ragstone.recommendation.needs import Needs
from ragstone.recommendation.policy import decide
from ragstone.recommendation.profile import measure
from ragstone.recommendation.queries import LoggedQueries, Source, read_queries
from ragstone.recommendation.recommendation import Recommendation
from ragstone.recommendation.rules import Rules, load_rules
from ragstone.recommendation.shares import query_shares
from ragstone.recommender import route_batch

if TYPE_CHECKING:
    from ragstone.pipeline import Index

__all__ = ["Recommender"]

# So many queries tell the language of a log.
_LANGUAGE_TEXTS = 500


class Recommender:
    """Recommends retrieval, fine-tuning, both or neither, from what is measured wherever that is possible.

    Args:
        index: The index that answers, or would; ``None`` if there is none yet.
        needs: What is declared: :class:`~ragstone.Needs`, a mapping, or the path of a TOML file.
        rules: A TOML file whose values replace those of the rules that ship, or rules that were loaded.
        seed: Of all samples; the same seed gives the same report to the bit.

    Raises:
        InvalidInput: Needs or rules cannot be used.

    >>> import ragstone
    >>> recommender = ragstone.Recommender(needs=ragstone.Needs(style_contract_hard=True))
    >>> made = recommender.analyze([f"Rewrite this politely: parcel {number} is late" for number in range(80)])
    >>> made.decision, made.warnings[0].code
    ('fine_tune', 'W3')
    """

    def __init__(
        self,
        index: Index | None = None,
        needs: Needs | Mapping[str, object] | str | os.PathLike[str] | None = None,
        *,
        rules: Rules | str | os.PathLike[str] | None = None,
        seed: int = 0,
    ) -> None:
        self.index = index
        self.needs = _needs(needs)
        self.rules = rules if isinstance(rules, Rules) else load_rules(rules)
        self.seed = integer(seed, "seed", 0, 2**32 - 1)

    def analyze(
        self,
        queries: Source | None = None,
        *,
        examples: str | os.PathLike[str] | Iterable[object] | None = None,
        evaluation: EvaluationLike | None = None,
        sample: int = 1000,
        progress: Callable[[int, int], None] | None = None,
    ) -> Recommendation:
        """Measure the project and decide.

        Args:
            queries: What users asked: texts, a log file, or a folder of :class:`ragstone.monitoring.QueryLog`.
            examples: Pairs of request and answer that could be trained on.
            evaluation: What was measured so far; see :func:`~ragstone.recommendation.evaluated.read_evaluation`.
            sample: How many different queries are searched for, at most; all of them are routed.
            progress: Called with searches done and to do.

        Raises:
            InvalidInput: Something cannot be read, or the log is empty.
        """
        log = None if queries is None else read_queries(queries)
        shares = None
        if log is not None:
            routed = route_batch(log.texts)
            shares = query_shares(routed.paths, routed.uncertain, counts=log.counts, seed=self.seed)
        corpus, timings = None, {}
        if self.index is not None:
            corpus = measure(self.index, log, seed=self.seed, sample=sample, progress=progress)
            # What a clock measured differs from run to run: it is shown apart, and decides nothing.
            timings = {} if corpus.search_ms_p95 is None else {"search_ms_p95": corpus.search_ms_p95}
            corpus = replace(corpus, search_ms_p95=None)
        looked_at = None if examples is None else examine(examples, index=self.index, seed=self.seed)
        history = [] if self.index is None else self.index.history()
        project = Project(
            needs=self.needs,
            queries=shares,
            corpus=corpus,
            examples=Examples() if looked_at is None else looked_at.measured,
            evaluation=read_evaluation(
                evaluation,
                history=history,
                documents=0 if corpus is None else corpus.documents,
                trained_on=() if looked_at is None else looked_at.requests,
            ),
        )
        verdict = decide(project, self.rules)
        return Recommendation(verdict, self._configuration(log, sample), timings, self.index)

    def _configuration(self, log: LoggedQueries | None, sample: int) -> dict[str, object]:
        made: dict[str, object] = {"ragstone": _core.__version__, "seed": self.seed}
        if self.index is not None:
            embedder = self.index.embedder
            made |= {
                "index_generation": self.index.generation,
                "embedder": None if embedder is None else embedder.name,
                "searched_queries_at_most": sample,
            }
        if log is not None:
            made |= {
                "queries": len(log),
                "different_queries": len(log.texts),
                "log_days": round(log.days, 1),
                "language": detect_language(log.texts[:_LANGUAGE_TEXTS]),
                "queries_cut": log.cut,
            }
        made["rules_changed"] = sorted(self.rules.changed)
        content = json.dumps([made, self.needs.to_dict(), self.rules.to_dict()], sort_keys=True, default=str)
        return made | {"sha256": hashlib.sha256(content.encode()).hexdigest()[:16]}


def _needs(needs: Needs | Mapping[str, object] | str | os.PathLike[str] | None) -> Needs:
    if needs is None:
        return Needs()
    if isinstance(needs, Needs):
        return needs
    if isinstance(needs, Mapping):
        return Needs.from_mapping(needs)
    if isinstance(needs, (str, os.PathLike)):
        return Needs.from_toml(os.fspath(needs))
    raise InvalidInput(f"needs are of type {type(needs).__name__}: pass ragstone.Needs, a mapping or a TOML file")
