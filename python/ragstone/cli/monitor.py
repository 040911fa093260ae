"""``ragstone monitor``: the metrics of a query log over time, and alarms when the stream of queries changes."""

from __future__ import annotations

import argparse
from pathlib import Path

from ragstone.cli.common import FINDING, RIGHT, Subparsers, command, show

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Add the verb."""
    text = "show the metrics of a query log over time, and alarm when queries drift"
    parser = command(commands, "monitor", _monitor, text)
    parser.add_argument("log", metavar="LOG", help="the folder that QueryLog was given")
    parser.add_argument("--window", default="1d", metavar="EVERY", help="30m, 1h, 1d, 1w, or a number of queries")
    parser.add_argument("--queries", type=Path, metavar="FILE", help='.jsonl with "_id" and "text", for --qrels')
    parser.add_argument("--qrels", type=Path, metavar="FILE", help="judgements, as BEIR or TREC")
    parser.add_argument(
        "--reference", default="20", metavar="N|LOG", help="blocks at the beginning that are right, or another log"
    )
    parser.add_argument("--block", default="25", metavar="EVERY", help="a number of queries, or a period such as 1d")
    parser.add_argument("--season", choices=["day", "none"], default="day", help="none: times of day are alike")
    parser.add_argument("--alpha", type=float, default=0.01, metavar="P", help="greatest probability of a false alarm")


def _monitor(options: argparse.Namespace) -> int:
    from ragstone.errors import InvalidInput
    from ragstone.monitoring import drift, read, windows

    if (options.queries is None) != (options.qrels is None):
        raise InvalidInput("--queries and --qrels go together: pass both files, or neither")
    qrels = None
    if options.qrels is not None:
        from ragstone.judgements import read_judged

        texts, judged = read_judged(options.queries, options.qrels)
        qrels = {texts[name]: grades for name, grades in judged.items() if name in texts}
    log = read(options.log)
    shown = windows(log, _number(options.window), qrels=qrels)
    reference = _number(options.reference)
    found = drift(
        log,
        reference=reference if isinstance(reference, int) else read(reference),
        block=_number(options.block),
        season=options.season,
        alpha=options.alpha,
    )
    if options.json:
        log_numbers = {"queries": len(log), "files": log.files, "damaged": log.damaged, "orphans": log.orphans}
        show(options, {"log": log_numbers, **shown.to_dict(), "drift": found.to_dict()})
    else:
        print(f"{len(log)} queries in {log.files} files, {log.damaged} damaged lines")
        print(shown)
        print(found)
    return FINDING if found.alarms else RIGHT


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else text
