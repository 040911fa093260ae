"""``ragstone recommend`` and ``handoff``: retrieve, fine-tune, both or neither; and what a fine-tuner needs."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from ragstone.cli.common import FINDING, RIGHT, Subparsers, command, open_index, show
from ragstone.errors import InvalidInput

if TYPE_CHECKING:
    from ragstone.recommendation import Recommendation

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Add both verbs."""
    text = "recommend retrieval, fine-tuning, both or neither, from an index, a query log and declared needs"
    parser = command(commands, "recommend", _recommend, text)
    _add_inputs(parser)
    parser.add_argument("--examples", type=Path, metavar="FILE", help="pairs to train on: .jsonl")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report as Markdown")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report as one page with charts")

    text = "write the bundle for whoever fine-tunes: data without leaks, evaluation, costs, upkeep; trains nothing"
    parser = command(commands, "handoff", _handoff, text)
    _add_inputs(parser)
    parser.add_argument("--examples", type=Path, required=True, metavar="FILE", help="pairs to train on: .jsonl")
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER", help="where the bundle goes")
    parser.add_argument("--schema", type=Path, metavar="FILE", help="JSON Schema that answers keep to")
    parser.add_argument("--overwrite", action="store_true", help="replace a former bundle")


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kb", type=Path, nargs="?", metavar="KB", help="directory of the index, if there is one")
    parser.add_argument("--queries", type=Path, metavar="LOG", help="what was asked: .jsonl, text, or a query log")
    parser.add_argument("--needs", type=Path, metavar="FILE", help="declared needs: .toml")
    parser.add_argument("--rules", type=Path, metavar="FILE", help="thresholds instead of those that ship: .toml")
    parser.add_argument(
        "--evaluation",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="what ragstone eval printed with --json, or judged .jsonl",
    )
    parser.add_argument("--sample", type=int, default=1000, metavar="N", help="queries searched for, at most (1000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of samples; the same gives the same report")


def _recommend(options: argparse.Namespace) -> int:
    for path in (options.markdown, options.html):
        if path is not None and not path.absolute().parent.is_dir():
            raise InvalidInput(f"there is no folder {str(path.parent)!r} for the report: make it first")
    with ExitStack() as stack:
        made = _made(options, stack)
        for path, text in ((options.markdown, made.to_markdown), (options.html, made.to_html)):
            if path is not None:
                path.write_text(text(), encoding="utf-8")
    show(options, made)
    for name, value in made.timings.items():
        print(f"measured now: {name} {value:.1f}", file=sys.stderr)
    return FINDING if made.decision == "undecided" or made.warnings else RIGHT


def _handoff(options: argparse.Namespace) -> int:
    from ragstone.evaluation.finetune import read_schema

    schema = None if options.schema is None else read_schema(options.schema)
    with ExitStack() as stack:
        made = _made(options, stack)
        bundle = made.handoff(
            options.into, options.examples, seed=options.seed, schema=schema, overwrite=options.overwrite
        )
    show(options, bundle)
    return RIGHT if bundle.ready else FINDING


def _made(options: argparse.Namespace, stack: ExitStack) -> Recommendation:
    from ragstone.recommendation import Recommender

    if options.kb is None and options.queries is None:
        raise InvalidInput("neither an index nor a query log was given: pass KB, --queries, or best both")
    index = None if options.kb is None else stack.enter_context(open_index(options))
    recommender = Recommender(index, options.needs, rules=options.rules, seed=options.seed)
    return recommender.analyze(
        options.queries,
        examples=options.examples,
        evaluation=options.evaluation,
        sample=options.sample,
        progress=None if options.json or not sys.stderr.isatty() else _progress,
    )


def _progress(done: int, total: int) -> None:
    end = "\n" if done >= total else ""
    print(f"\rsearched for {done:,} of {total:,} queries", end=end, file=sys.stderr, flush=True)
