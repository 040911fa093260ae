"""``ragstone calibrate``: fit to an index how it judges whether it holds an answer."""

from __future__ import annotations

import argparse
from pathlib import Path

from ragstone.cli.common import RIGHT, Subparsers, command, open_index, show
from ragstone.errors import InvalidInput

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Add the verb."""
    text = "fit answerability to an index, on its users' questions or on ones made from its texts"
    parser = command(commands, "calibrate", _calibrate, text)
    parser.add_argument("kb", type=Path, metavar="KB", help="directory of the index")
    parser.add_argument("--questions", type=Path, metavar="FILE", help=".jsonl: _id, text")
    parser.add_argument("--qrels", type=Path, metavar="FILE", help="documents that answer them: query, document, grade")
    parser.add_argument("--unanswerable", type=Path, metavar="FILE", help=".jsonl of questions without an answer")
    parser.add_argument("--kept", type=float, default=0.95, metavar="SHARE", help="of answerable questions that pass")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of folds and of questions made")


def _calibrate(options: argparse.Namespace) -> int:
    from ragstone.evaluation.calibration import calibrate
    from ragstone.judgements import read_qrels, read_queries

    if (options.questions is None) != (options.qrels is None):
        raise InvalidInput("--questions and --qrels go together: questions, and the documents that answer them")
    questions = None if options.questions is None else read_queries(options.questions)
    qrels = None if questions is None else read_qrels(options.qrels, queries=questions)
    unanswerable = [] if options.unanswerable is None else list(read_queries(options.unanswerable).values())
    with open_index(options) as index:
        report = calibrate(index, questions, qrels, unanswerable, kept=options.kept, seed=options.seed)
    show(options, report)
    return RIGHT
