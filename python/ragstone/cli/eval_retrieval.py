"""``ragstone eval retrieval``: how well judged documents are found, by an index or in a run of any system."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ragstone.cli.common import FINDING, RIGHT, Subparsers, command, open_to_measure, show
from ragstone.errors import InvalidInput

if TYPE_CHECKING:
    from ragstone.judgements import Judgements

__all__ = ["add"]

_MODES = ("hybrid", "dense", "bm25")


def add(commands: Subparsers) -> None:
    """Add the verb."""
    parser = command(commands, "retrieval", _retrieval, "measure how well judged documents are found, with intervals")
    parser.add_argument("kb", nargs="?", metavar="KB", help="the index directory; not with --run")
    parser.add_argument("--run", type=Path, metavar="FILE", help="measure this run in TREC's form instead of an index")
    parser.add_argument("--queries", type=Path, metavar="FILE", help='.jsonl with "_id" and "text"')
    parser.add_argument("--qrels", type=Path, metavar="FILE", help="lines of query, document, grade, as BEIR or TREC")
    parser.add_argument("--beir", type=Path, metavar="FOLDER", help="folder with queries.jsonl and qrels/test.tsv")
    parser.add_argument("--split", default="test", metavar="NAME", help="which qrels of the folder (test)")
    parser.add_argument(
        "--metrics", nargs="+", metavar="NAME", help="such as nDCG@10 'nDCG(gain=exp)@10' R@100 AP RR@10"
    )
    parser.add_argument("--baseline", metavar="RUN", help="compare with this run, or with a mode: bm25, dense, hybrid")
    parser.add_argument("--strata", metavar="FIELD", help="split by this field of the queries, such as kind")
    parser.add_argument("--mode", choices=_MODES, default="hybrid")
    parser.add_argument("--fusion", choices=["self_scaling", "convex"], default="self_scaling")
    parser.add_argument("--dense-weight", type=float, metavar="W", help="as ragstone tune names it")
    parser.add_argument("--depth", type=int, default=100, metavar="N", help="documents of each query (100)")
    parser.add_argument("--principal", action="append", default=[], metavar="NAME", help="who asks; repeatable")
    parser.add_argument("--write-run", type=Path, metavar="FILE", help="write what was found in TREC's form")


def _retrieval(options: argparse.Namespace) -> int:
    from ragstone.evaluation import retrieval, run
    from ragstone.evaluation.retrieval import METRICS
    from ragstone.judgements import read_field, read_run, write_run

    if (options.kb is None) == (options.run is None):
        raise InvalidInput("pass either an index or --run FILE")
    given = _given(options)
    metrics = options.metrics or METRICS
    strata = None
    if options.strata is not None:
        path = options.queries if options.beir is None else options.beir / "queries.jsonl"
        if path is None:
            raise InvalidInput("--strata names a field of the queries: pass --queries FILE")
        strata = read_field(path, options.strata)
    if options.run is not None:
        if options.baseline in _MODES:
            raise InvalidInput(f"--baseline {options.baseline} needs an index to search: pass the file of a run")
        if options.write_run is not None:
            raise InvalidInput("--write-run writes what an index found: --run is a file already")
        baseline = None if options.baseline is None else read_run(Path(options.baseline))
        report = retrieval(
            read_run(options.run), given.queries or None, given.qrels, metrics=metrics, strata=strata, baseline=baseline
        )
    else:
        how = {"depth": options.depth, "principals": options.principal}
        with open_to_measure(options) as index:
            if options.baseline in _MODES:
                judged = {name: text for name, text in given.queries.items() if name in given.qrels}
                baseline = run(index, judged, mode=options.baseline, **how)
            else:
                baseline = None if options.baseline is None else read_run(Path(options.baseline))
            how |= {"mode": options.mode, "fusion": options.fusion, "dense_weight": options.dense_weight}
            report = retrieval(
                index, given.queries, given.qrels, metrics=metrics, strata=strata, baseline=baseline, **how
            )
        if options.write_run is not None:
            write_run(options.write_run, report.run)
    show(options, report)
    return FINDING if report.findings else RIGHT


def _given(options: argparse.Namespace) -> Judgements:
    """Queries and judgements, from a folder or from files; for a run, queries may be missing."""
    from ragstone.judgements import Judgements, read_beir, read_judged, read_qrels

    if options.beir is not None:
        if options.queries is not None or options.qrels is not None:
            raise InvalidInput("--beir has queries and judgements: leave out --queries and --qrels")
        return read_beir(options.beir, options.split)
    if options.qrels is None or (options.queries is None and options.run is None):
        raise InvalidInput("judgements are missing: pass --queries FILE and --qrels FILE, or --beir FOLDER")
    if options.queries is None:
        return Judgements({}, read_qrels(options.qrels))
    return Judgements(*read_judged(options.queries, options.qrels))
