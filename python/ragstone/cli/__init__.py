"""The command ``ragstone``: index, search, ask, route, measure and look inside. ``--json`` prints one JSON object.

Exit codes: 0 all right, 1 a finding (abstained, damage found, files failed, low recall), 2 bad use, 3 failure.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ragstone.cli import bench, calibrate, evaluation, monitor, recommend
from ragstone.cli.common import (
    BAD_USE,
    FAILURE,
    FINDING,
    RIGHT,
    command,
    json_argument,
    open_index,
    plain,
    show,
)
from ragstone.errors import CorruptIndex, InvalidInput, RagstoneError
from ragstone.records import Answer, SearchResult

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A file's name or a text may hold what the terminal has no letters for; that is no reason to fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.INFO if not options.json else logging.WARNING)
    run: Callable[[argparse.Namespace], int] = options.command
    try:
        code = run(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader, such as head, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return RIGHT
    except InvalidInput as error:
        return _fail(options, error, BAD_USE)
    except (RagstoneError, OSError) as error:
        return _fail(options, error, FAILURE)
    except KeyboardInterrupt:
        print("interrupted: run the same command again to go on where it stopped", file=sys.stderr)
        return 130


def _fail(options: argparse.Namespace, error: Exception, code: int) -> int:
    if options.json:
        print(json.dumps({"error": type(error).__name__, "message": str(error)}))
    else:
        print(f"ragstone: {error}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ragstone", description="Retrieval with citations, and advice on when to fine-tune instead."
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    index = command(commands, "index", _index, "read files and folders into an index")
    index.add_argument("paths", nargs="+", metavar="PATH", help="file or folder")
    index.add_argument("--into", required=True, metavar="KB", help="the index directory; created if needed")
    index.add_argument("--embedder", default="auto", help="auto, minilm, builtin, hashing, none, or a model folder")
    index.add_argument(
        "--embed", choices=["now", "later"], default="now", help="later: BM25 at once, vectors by a later run"
    )
    index.add_argument("--no-sync", action="store_true", help="keep documents whose files have vanished")

    for name, run, text in (
        ("search", _search, "print the best chunks for a query"),
        ("ask", _ask, "route a query: cited passages, advice, both, or neither"),
    ):
        verb = command(commands, name, run, text)
        verb.add_argument("kb", metavar="KB", help="the index directory")
        verb.add_argument("query", metavar="QUERY")
        verb.add_argument("--top-k", type=int, default=5, metavar="N")
        verb.add_argument("--filter", type=json_argument, metavar="JSON", help='such as {"year": {"$gte": 2020}}')
        verb.add_argument("--principal", action="append", default=[], metavar="NAME", help="who asks; repeatable")
        verb.add_argument("--timeout-s", type=float, metavar="SECONDS")
        if name == "search":
            verb.add_argument("--mode", choices=["hybrid", "dense", "bm25"], default="hybrid")
            verb.add_argument(
                "--query-language",
                action="store_true",
                help='read QUERY as refund "exact phrase" +must -not pre* fuzzy~1 title:word',
            )
            verb.add_argument("--explain", action="store_true", help="show what adds up to each score")

    route = command(commands, "route", _route, "say which path a query takes, and why")
    route.add_argument("query", metavar="QUERY")

    for name, run, text in (
        ("stats", _stats, "print the numbers of an index"),
        ("verify", _verify, "check every byte of an index"),
    ):
        command(commands, name, run, text).add_argument("kb", metavar="KB", help="the index directory")

    bench.add(commands)

    tune = command(commands, "tune", _tune, "choose the weight of the dense half from judged queries")
    tune.add_argument("kb", metavar="KB", help="the index directory")
    tune.add_argument("queries", type=Path, metavar="QUERIES", help='.jsonl with "_id" and "text", 50 queries or more')
    tune.add_argument("qrels", type=Path, metavar="QRELS", help="lines of query, document, grade, as BEIR or TREC")
    tune.add_argument("--principal", action="append", default=[], metavar="NAME", help="who asks; repeatable")

    calibrate.add(commands)

    snapshot = command(commands, "snapshot", _snapshot, "copy an index to an empty directory")
    snapshot.add_argument("kb", metavar="KB", help="the index directory")
    snapshot.add_argument("destination", metavar="DEST")

    demo = command(commands, "demo", _demo, "show the main job on a folder of documents with questions")
    demo.add_argument(
        "corpus", nargs="?", default="corpora/handbook", metavar="CORPUS", help="folder of the handbook corpus"
    )
    demo.add_argument("--embedder", default="auto", help="auto, minilm, builtin or hashing")

    evaluation.add(commands)
    monitor.add(commands)
    recommend.add(commands)
    command(commands, "doctor", _doctor, "say what is installed and what works on this machine")
    return parser


def _version() -> str:
    from ragstone._core import __version__

    return f"ragstone {__version__}"


def _index(options: argparse.Namespace) -> int:
    import ragstone

    embedder = None if options.embedder == "none" else options.embedder
    with ragstone.open(options.into, embedder=embedder) as index:
        report = index.ingest(options.paths, progress=not options.json, sync=not options.no_sync, embed=options.embed)
        if not options.json and index.embedder is not None:
            print(f"embedder: {index.embedder.name} ({index.embedder.dimension} dimensions)")
    show(options, report)
    return FINDING if report.failed else RIGHT


def _search(options: argparse.Namespace) -> int:
    from ragstone.query import Q

    query = Q.parse(options.query) if options.query_language else options.query
    with open_index(options) as index:
        result: SearchResult = index.search(
            query,
            top_k=options.top_k,
            mode=options.mode,
            filter=options.filter,
            principals=options.principal,
            explain=options.explain,
            timeout_s=options.timeout_s,
        )
    show(options, result)
    if options.explain and not options.json:
        for hit in result:
            print(f"{hit.rank}. {plain(hit.explain)}")
    return RIGHT if result else FINDING


def _ask(options: argparse.Namespace) -> int:
    with open_index(options) as index:
        answer: Answer = index.ask(
            options.query,
            top_k=options.top_k,
            filter=options.filter,
            principals=options.principal,
            timeout_s=options.timeout_s,
        )
    show(options, answer)
    return FINDING if answer.abstained else RIGHT


def _route(options: argparse.Namespace) -> int:
    from ragstone.recommender import route

    show(options, route(options.query))
    return RIGHT


def _stats(options: argparse.Namespace) -> int:
    import ragstone

    with ragstone.open(options.kb, read_only=True, embedder=None) as index:
        statistics = index.stats()
    if options.json:
        show(options, statistics)
    else:
        width = max(len(name) for name in statistics)
        for name, value in statistics.items():
            print(f"{name:<{width}}  {value:,}" if isinstance(value, int) else f"{name:<{width}}  {value}")
    return RIGHT


def _tune(options: argparse.Namespace) -> int:
    from ragstone.judgements import read_judged
    from ragstone.tuning import tune

    queries, qrels = read_judged(options.queries, options.qrels)
    with open_index(options) as index:
        found = tune(index, queries, qrels, principals=options.principal)
    show(options, found.to_dict() if options.json else found)
    return RIGHT


def _verify(options: argparse.Namespace) -> int:
    import ragstone

    generation: int | None = None
    try:
        with ragstone.open(options.kb, read_only=True, embedder=None, verify="structure") as index:
            generation = index.generation
            damage = index.verify()
    except CorruptIndex as error:
        # Damage that keeps the index from being opened is what this command looks for.
        damage = [str(error)]
    if options.json:
        show(options, {"generation": generation, "damage": damage})
    else:
        for line in damage:
            print(line)
        verdict = f"damaged files: {len(damage)}" if damage else "every byte is right"
        print(verdict if generation is None else f"generation {generation}: {verdict}")
    return FINDING if damage else RIGHT


def _snapshot(options: argparse.Namespace) -> int:
    import ragstone

    with ragstone.open(options.kb, read_only=True, embedder=None) as index:
        generation = index.snapshot(Path(options.destination))
    if options.json:
        show(options, {"generation": generation, "path": options.destination})
    else:
        print(f"generation {generation} copied to {options.destination}")
    return RIGHT


def _demo(options: argparse.Namespace) -> int:
    from ragstone.demo import demo

    return demo(Path(options.corpus), embedder=options.embedder)


def _doctor(options: argparse.Namespace) -> int:
    from ragstone.doctor import examine

    findings = examine()
    if options.json:
        show(options, findings)
    else:
        for finding in findings:
            print(finding)
    return FINDING if any(finding.verdict == "broken" for finding in findings) else RIGHT
