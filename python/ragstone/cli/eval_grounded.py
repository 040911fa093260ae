"""The verb ``eval grounded``: how much of given answers their contexts support."""

from __future__ import annotations

import argparse
from pathlib import Path

from ragstone.cli.common import FINDING, RIGHT, Subparsers, command, show

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Add the verb."""
    grounded = command(commands, "grounded", _grounded, "check answers against the contexts they were written from")
    grounded.add_argument(
        "file", type=Path, metavar="FILE", help='.jsonl with "response", "retrieved_contexts" and "user_input"'
    )
    grounded.add_argument("--kb", metavar="KB", help='the index in which "retrieved_context_ids" are looked up')
    grounded.add_argument(
        "--tier", default="T0", metavar="TIER", help="T0, or the folder of an ONNX entailment model (default: T0)"
    )
    grounded.add_argument("--language", default="english", help="of the answers, for T0 (default: english)")
    grounded.add_argument(
        "--least", type=float, metavar="RATE", help="exit with 1 if the mean rate of the answers is below"
    )


def _grounded(options: argparse.Namespace) -> int:
    import ragstone
    from ragstone.evaluation.grounded import groundedness, read_answers

    if options.kb is None:
        answers = read_answers(options.file)
    else:
        with ragstone.open(options.kb, read_only=True, embedder=None) as index:
            answers = read_answers(options.file, index)
    report = groundedness(answers, tier=options.tier, language=options.language)
    show(options, report)
    below = options.least is not None and (report.rate is None or report.rate.value < options.least)
    return FINDING if below else RIGHT
