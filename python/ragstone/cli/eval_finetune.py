"""``ragstone eval finetune``: what a fine-tuned model wrote, beside what it should have written."""

from __future__ import annotations

import argparse
from pathlib import Path

from ragstone.cli.common import RIGHT, Subparsers, command, show

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Add the verb."""
    text = "score what a fine-tuned model wrote: labels, JSON or text"
    parser = command(commands, "finetune", _finetune, text)
    parser.add_argument(
        "--predictions", type=Path, required=True, metavar="FILE", help='.jsonl with "id" and "prediction"'
    )
    parser.add_argument(
        "--references", type=Path, required=True, metavar="FILE", help='.jsonl with "id" and "reference"'
    )
    parser.add_argument(
        "--baseline", type=Path, metavar="FILE", help="predictions of the same model with a prompt alone"
    )
    parser.add_argument("--task", choices=["labels", "json", "text"], help="default: what the references look like")
    parser.add_argument("--schema", type=Path, metavar="FILE", help="JSON Schema that predictions must keep to")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the resampling")


def _finetune(options: argparse.Namespace) -> int:
    from ragstone.evaluation.finetune import finetune, read_finetune, read_schema

    predictions, references, baseline = read_finetune(options.predictions, options.references, options.baseline)
    report = finetune(
        predictions,
        references,
        task=options.task,
        schema=None if options.schema is None else read_schema(options.schema),
        baseline=baseline,
        seed=options.seed,
    )
    show(options, report)
    return RIGHT
