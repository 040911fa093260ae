"""Reads what has been measured so far: reports of ``ragstone eval``, judged queries, or plain numbers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ragstone.arguments import integer, shown
from ragstone.errors import InvalidInput
from ragstone.judgements import read_queries
from ragstone.lines import table_lines
from ragstone.recommendation.measurements import Evaluated

__all__ = ["EvaluationLike", "read_evaluation"]

One: TypeAlias = "Mapping[str, object] | str | os.PathLike[str]"
EvaluationLike: TypeAlias = "Evaluated | One | Iterable[One]"
_MOST = 10**9


@dataclass
class _Found:
    prompt: tuple[int, int] | None = None
    judged: int = 0
    generation: int | None = None
    texts: tuple[str, ...] = ()


def read_evaluation(
    source: EvaluationLike | None,
    *,
    history: Iterable[Mapping[str, object]] = (),
    documents: int = 0,
    stale_share: float = 0.05,
    trained_on: Iterable[str] = (),
) -> Evaluated:
    """What an evaluation showed, and whether it still says something about the index.

    Args:
        source: ``None``; an :class:`~ragstone.recommendation.measurements.Evaluated`; or one or several of these: the
            object (or a ``.json`` file of it) that ``ragstone eval retrieval --json`` or ``ragstone eval finetune
            --json`` prints, of which a baseline counts as the plain prompt; a ``.jsonl`` file of judged queries, which
            are looked for among training examples; a mapping with ``prompt`` (``passed`` and ``tried``),
            ``judged_queries`` and ``generation``.
        history: Changes of the index, as :meth:`ragstone.Index.history` returns them.
        documents: How many documents the index holds.
        stale_share: An evaluation is stale once this share of the documents has changed after its generation.
        trained_on: Requests of training examples, for judged queries that leaked into them.

    Raises:
        InvalidInput: A file cannot be read, or a number is none.

    >>> found = read_evaluation({"prompt": {"passed": 8, "tried": 10}, "judged_queries": 60})
    >>> found.prompt, found.judged_queries, found.stale
    ((8, 10), 60, False)
    """
    if source is None:
        return Evaluated()
    if isinstance(source, Evaluated):
        return source
    found = _Found()
    for one in [source] if isinstance(source, (str, os.PathLike, Mapping)) else source:
        _add(found, one)
    changed = {
        str(change["document_id"])
        for change in history
        if found.generation is not None and int(str(change["generation"])) > found.generation
    }
    known = {_plain(text) for text in trained_on}
    return Evaluated(
        prompt=found.prompt,
        judged_queries=found.judged,
        stale=bool(changed) and len(changed) > stale_share * documents,
        leaking=sum(_plain(text) in known for text in found.texts),
    )


def _add(found: _Found, source: object) -> None:
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if path.suffix == ".jsonl":
            found.texts += tuple(read_queries(path).values())
            found.judged = max(found.judged, len(found.texts))
            return
        source = _object(path)
    if not isinstance(source, Mapping):
        raise InvalidInput(f"an evaluation is a report, a file or a mapping, not {shown(source)}")
    if "task" in source:
        _add_finetune(found, source)
    elif "configuration" in source and "metrics" in source:
        _add_retrieval(found, source)
    else:
        _add_plain(found, source)


def _object(path: Path) -> Mapping[str, object]:
    try:
        value = json.loads("\n".join(line for _, line in table_lines(path)))
    except InvalidInput:
        raise
    except (ValueError, RecursionError):
        raise InvalidInput(f"{str(path)!r} is no JSON: pass what ragstone eval prints with --json") from None
    if not isinstance(value, dict):
        raise InvalidInput(f"{str(path)!r} holds no JSON object: pass what ragstone eval prints with --json")
    return value


def _add_retrieval(found: _Found, report: Mapping[str, object]) -> None:
    found.judged = max(found.judged, integer(report.get("queries", 0), "queries of the report", 0, _MOST))
    configuration = report["configuration"]
    generation = configuration.get("generation") if isinstance(configuration, Mapping) else None
    if generation is not None:
        found.generation = integer(generation, "generation of the report", 0, 2**63)


def _add_finetune(found: _Found, report: Mapping[str, object]) -> None:
    scores = _inner(_inner(report, "baseline"), "scores")
    share = _inner(scores, "exact") or _inner(scores, "accuracy")
    if share:
        tried = integer(share.get("samples", 0), "samples of the baseline", 0, _MOST)
        value = share.get("value")
        if isinstance(value, (int, float)) and 0 <= value <= 1:
            found.prompt = (round(value * tried), tried)


def _inner(value: Mapping[str, object], name: str) -> Mapping[str, object]:
    inner = value.get(name)
    return inner if isinstance(inner, Mapping) else {}


def _add_plain(found: _Found, plain: Mapping[str, object]) -> None:
    unknown = set(plain) - {"prompt", "judged_queries", "generation"}
    if unknown:
        raise InvalidInput(
            f"an evaluation has no {sorted(unknown)[0]!r}: give prompt, judged_queries or generation, "
            "or what ragstone eval prints with --json"
        )
    prompt = plain.get("prompt")
    if prompt is not None:
        if not isinstance(prompt, Mapping):
            raise InvalidInput(f"prompt must have passed and tried, not {shown(prompt)}")
        tried = integer(prompt.get("tried", 0), "tried", 1, _MOST)
        found.prompt = (integer(prompt.get("passed", -1), "passed", 0, tried), tried)
    found.judged = max(found.judged, integer(plain.get("judged_queries", 0), "judged_queries", 0, _MOST))
    if plain.get("generation") is not None:
        found.generation = integer(plain["generation"], "generation", 0, 2**63)


def _plain(text: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in text.casefold()).split())
