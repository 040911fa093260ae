"""``ragstone eval null``: whether the index knows what it does not hold."""

from __future__ import annotations

import argparse
from pathlib import Path

from ragstone.cli.common import RIGHT, Subparsers, command, open_index, show

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Add the verb."""
    text = "ask questions with and without their answers in the corpus, and see which are refused"
    parser = command(commands, "null", _null, text)
    parser.add_argument("kb", type=Path, metavar="KB", help="directory of the index")
    parser.add_argument(
        "--answerable", "--questions", type=Path, required=True, metavar="FILE", help=".jsonl: _id, text"
    )
    parser.add_argument("--qrels", type=Path, metavar="FILE", help="documents that answer them: query, document, grade")
    parser.add_argument("--unanswerable", type=Path, metavar="FILE", help=".jsonl of questions without an answer")


def _null(options: argparse.Namespace) -> int:
    from ragstone.evaluation.null import null
    from ragstone.judgements import read_qrels, read_queries

    answerable = read_queries(options.answerable)
    qrels = None if options.qrels is None else read_qrels(options.qrels, queries=answerable)
    unanswerable = [] if options.unanswerable is None else list(read_queries(options.unanswerable).values())
    with open_index(options) as index:
        show(options, null(index, answerable, unanswerable, qrels))
    return RIGHT
