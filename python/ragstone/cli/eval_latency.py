"""The verb ``eval latency``: whether answers under load come as fast as was promised."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ragstone.cli.common import FINDING, RIGHT, Subparsers, command, open_to_measure, show

if TYPE_CHECKING:
    from ragstone.bench.questions import Question

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Add the verb."""
    latency = command(commands, "latency", _latency, "hold the latency of answers under load to an objective")
    latency.add_argument("kb", metavar="KB", help="the index directory")
    latency.add_argument(
        "--queries", type=Path, metavar="FILE", help='one a line, or .jsonl with "text" or "query"; default: drawn'
    )
    latency.add_argument("--slo-ms", type=float, default=2000.0, metavar="MS", help="the objective (default: 2000)")
    latency.add_argument("--quantile", type=float, default=0.99, metavar="Q", help="that lies below it (default: 0.99)")
    latency.add_argument("--rate", type=float, default=25.0, metavar="R", help="arrivals a second (default: 25)")
    latency.add_argument("--seconds", type=float, default=20.0, metavar="S", help="how long they arrive (default: 20)")
    latency.add_argument("--arrivals", choices=["poisson", "fixed"], default="poisson")
    latency.add_argument("--threads", type=int, metavar="N", help="questions answered at a time (default: all cores)")
    latency.add_argument("--top-k", type=int, default=5, metavar="N")
    latency.add_argument(
        "--mode",
        choices=["ask", "hybrid", "dense", "bm25"],
        default="ask",
        help="ask: the whole way from routing to the context of a prompt; else a search (default: ask)",
    )
    latency.add_argument("--principal", action="append", default=[], metavar="NAME", help="who asks; repeatable")


def _latency(options: argparse.Namespace) -> int:
    from ragstone.bench import open_loop, prepared, read_queries
    from ragstone.bench.machine import facts
    from ragstone.bench.objective import judge
    from ragstone.embedding.threads import thread_budget

    queries = None if options.queries is None else read_queries(options.queries)
    asks = options.mode == "ask"
    options.mode = "hybrid" if asks else options.mode
    with open_to_measure(options) as index:
        work = prepared(index, queries, top_k=options.top_k, mode=options.mode, principals=options.principal)

        def ask(question: Question) -> object:
            if asks and isinstance(question, str):
                return index.ask(question, top_k=options.top_k, principals=options.principal)
            return work.ask(question)

        work.warm_up()
        run = open_loop(
            ask,
            work.questions,
            rate=options.rate,
            seconds=options.seconds,
            threads=thread_budget() if options.threads is None else options.threads,
            arrivals=options.arrivals,
        )
    verdict = judge(run, options.slo_ms, q=options.quantile)
    if options.json:
        what = "ask" if asks else options.mode
        show(options, {**verdict.to_dict(), "index": {**work.described, "mode": what}, "machine": facts()})
    else:
        print(f"index {options.kb}: {work.described['chunks']:,} chunks, embedder {work.described['embedder']}")
        print(verdict)
    return RIGHT if verdict.met else FINDING
