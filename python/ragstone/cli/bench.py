"""The verb ``bench``: how fast an index answers, and how to show it."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ragstone.cli.common import FINDING, RIGHT, Subparsers, command, open_to_measure, show
from ragstone.errors import InvalidInput

if TYPE_CHECKING:
    from ragstone.bench import Workload
    from ragstone.bench.cold import Cold
    from ragstone.bench.growth import Growth

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Add the verb."""
    bench = command(commands, "bench", _bench, "time the searches of an index and measure their recall")
    bench.add_argument("kb", metavar="KB", help="the index directory")
    bench.add_argument(
        "--queries", type=Path, metavar="FILE", help='one a line, or .jsonl with "text" or "query"; default: drawn'
    )
    bench.add_argument("--top-k", type=int, default=10, metavar="N")
    bench.add_argument("--mode", choices=["hybrid", "dense", "bm25"], default="hybrid")
    bench.add_argument("--principal", action="append", default=[], metavar="NAME", help="who asks; repeatable")
    bench.add_argument(
        "--loop",
        choices=["closed", "open"],
        default="closed",
        help="closed: each client asks when it was answered; open: by a schedule, latency from the intended start",
    )
    bench.add_argument(
        "--rate", type=float, metavar="R", help="arrivals a second of an open loop; default: half of what fits"
    )
    bench.add_argument("--arrivals", choices=["poisson", "fixed"], default="poisson")
    bench.add_argument(
        "--threads",
        type=_threads,
        default=[],
        metavar="1,2",
        help='clients; several, or "all", give a table of throughput',
    )
    bench.add_argument(
        "--seconds", type=float, metavar="S", help="length of each loop; default: what p99.9 needs, at most 5"
    )
    bench.add_argument("--cold", action="store_true", help="first answers of new processes, files out of memory")
    bench.add_argument("--grow", metavar="10000,100000", help="what search costs at these numbers of chunks")
    bench.add_argument(
        "--texts", type=Path, metavar="FILE", help="what --grow indexes, one a line; default: the chunks of KB"
    )
    bench.add_argument(
        "--against", metavar="faiss,bm25s", help="the same data in other systems, answers compared first"
    )
    bench.add_argument("--html", type=Path, metavar="FILE", help="write a report that needs nothing else")
    bench.add_argument("--png", type=Path, metavar="FILE", help="write the charts (needs matplotlib)")


def _threads(text: str) -> list[int]:
    from ragstone.bench.study import all_threads

    if text == "all":
        return all_threads()
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f'not numbers of threads: {text!r}; pass such as 1,2,4, or "all"') from None


def _bench(options: argparse.Namespace) -> int:
    from ragstone.bench import prepared, read_queries
    from ragstone.bench.study import study

    queries = None if options.queries is None else read_queries(options.queries)
    tell = _teller(options)
    if options.png is not None:
        # Known before anything is measured for minutes.
        from ragstone.bench.optional import needed

        needed("matplotlib.figure", "matplotlib")
    several = len(options.threads) > 1
    with open_to_measure(options) as index:
        work = prepared(index, queries, top_k=options.top_k, mode=options.mode, principals=options.principal)
        report = study(
            work,
            command="ragstone " + shlex.join(sys.argv[1:]),
            seconds=options.seconds,
            rate=options.rate,
            arrivals=options.arrivals,
            opened=options.loop == "open",
            clients=None if several or not options.threads else options.threads[0],
            threads=options.threads if several else (),
            against=[name.strip() for name in options.against.split(",")] if options.against else (),
            progress=tell,
        )
        if options.grow:
            report = replace(report, growth=_growth(options, work, tell))
        asked = [question for question in work.questions if isinstance(question, str)]
    # What this process has mapped would stay in memory.
    del index, work
    if options.cold:
        tell("new processes, cold and warm")
        report = replace(report, cold=_cold(options, asked))
    if options.html is not None:
        from ragstone.bench.page import write_page

        write_page(report, options.html)
    if options.png is not None:
        from ragstone.bench.pictures import write_picture

        write_picture(report, options.png)
    show(options, report)
    return FINDING if report.findings else RIGHT


def _teller(options: argparse.Namespace) -> Callable[[str], None]:
    """Tells what is being done where somebody is looking."""
    if options.json or not sys.stderr.isatty():
        return lambda _: None
    return lambda text: print(text, file=sys.stderr, flush=True)


def _cold(options: argparse.Namespace, asked: list[str]) -> Cold:
    from ragstone.bench.cold import measure_cold

    if not asked:
        raise InvalidInput("the questions are stored vectors, which a new process has not: pass --queries")
    return measure_cold(options.kb, asked, top_k=options.top_k, mode=options.mode, principals=tuple(options.principal))


def _growth(options: argparse.Namespace, work: Workload, tell: Callable[[str], None]) -> Growth:
    from ragstone.bench.growth import grow, levels_of

    def told(done: int, total: int) -> None:
        tell(f"{done:,} of {total:,} chunks")

    return grow(
        _texts(options, work),
        levels_of(options.grow),
        embedder=work.index.embedder,
        queries=[question for question in work.questions if isinstance(question, str)] or None,
        top_k=options.top_k,
        stretch=options.texts is None,
        progress=told,
    )


def _texts(options: argparse.Namespace, work: Workload) -> Iterator[str]:
    from ragstone.lines import table_lines

    if options.texts is not None:
        for _, line in table_lines(options.texts):
            yield line
        return
    for document_id, *_ in work.index.sources():
        for chunk in work.index.chunks(document_id):
            yield chunk.text
