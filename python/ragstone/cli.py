"""The command ``ragstone``: index, search, ask, route, measure and look inside. ``--json`` prints one JSON object.

Exit codes: 0 all right, 1 a finding (abstained, damage found, files failed, low recall), 2 bad use, 3 failure.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ragstone.errors import CorruptIndex, InvalidInput, MissingDependency, ModelError, RagstoneError
from ragstone.pipeline import Index
from ragstone.records import Answer, SearchResult

__all__ = ["main"]

_RIGHT, _FINDING, _BAD_USE, _FAILURE = 0, 1, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A file's name or a text may hold what the terminal has no letters for; that is no reason to fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.INFO if not options.json else logging.WARNING)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        code = command(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader, such as head, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _RIGHT
    except InvalidInput as error:
        return _fail(options, error, _BAD_USE)
    except (RagstoneError, OSError) as error:
        return _fail(options, error, _FAILURE)
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

    index = _command(commands, "index", _index, "read files and folders into an index")
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
        command = _command(commands, name, run, text)
        command.add_argument("kb", metavar="KB", help="the index directory")
        command.add_argument("query", metavar="QUERY")
        command.add_argument("--top-k", type=int, default=5, metavar="N")
        command.add_argument("--filter", type=_json_argument, metavar="JSON", help='such as {"year": {"$gte": 2020}}')
        command.add_argument("--principal", action="append", default=[], metavar="NAME", help="who asks; repeatable")
        command.add_argument("--timeout-s", type=float, metavar="SECONDS")
        if name == "search":
            command.add_argument("--mode", choices=["hybrid", "dense", "bm25"], default="hybrid")
            command.add_argument(
                "--query-language",
                action="store_true",
                help='read QUERY as refund "exact phrase" +must -not pre* fuzzy~1 title:word',
            )
            command.add_argument("--explain", action="store_true", help="show what adds up to each score")

    route = _command(commands, "route", _route, "say which path a query takes, and why")
    route.add_argument("query", metavar="QUERY")

    for name, run, text in (
        ("stats", _stats, "print the numbers of an index"),
        ("verify", _verify, "check every byte of an index"),
    ):
        _command(commands, name, run, text).add_argument("kb", metavar="KB", help="the index directory")

    bench = _command(commands, "bench", _bench, "time the searches of an index and measure their recall")
    bench.add_argument("kb", metavar="KB", help="the index directory")
    bench.add_argument(
        "--queries", type=Path, metavar="FILE", help='one a line, or .jsonl with "text" or "query"; default: drawn'
    )
    bench.add_argument("--top-k", type=int, default=10, metavar="N")
    bench.add_argument("--mode", choices=["hybrid", "dense", "bm25"], default="hybrid")
    bench.add_argument("--principal", action="append", default=[], metavar="NAME", help="who asks; repeatable")

    tune = _command(commands, "tune", _tune, "choose the weight of the dense half from judged queries")
    tune.add_argument("kb", metavar="KB", help="the index directory")
    tune.add_argument("queries", type=Path, metavar="QUERIES", help='.jsonl with "_id" and "text", 50 queries or more')
    tune.add_argument("qrels", type=Path, metavar="QRELS", help="lines of query, document, grade, as BEIR or TREC")
    tune.add_argument("--principal", action="append", default=[], metavar="NAME", help="who asks; repeatable")

    snapshot = _command(commands, "snapshot", _snapshot, "copy an index to an empty directory")
    snapshot.add_argument("kb", metavar="KB", help="the index directory")
    snapshot.add_argument("destination", metavar="DEST")

    demo = _command(commands, "demo", _demo, "show the main job on a folder of documents with questions")
    demo.add_argument(
        "corpus", nargs="?", default="corpora/handbook", metavar="CORPUS", help="folder of the handbook corpus"
    )
    demo.add_argument("--embedder", default="auto", help="auto, minilm, builtin or hashing")

    _command(commands, "doctor", _doctor, "say what is installed and what works on this machine")
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(command=run)
    return command


def _version() -> str:
    from ragstone._core import __version__

    return f"ragstone {__version__}"


def _json_argument(text: str) -> Mapping[str, object]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"not a JSON object: {text}")
    return value


def _plain(value: object) -> object:
    """A value in JSON's types: records as objects, dates and everything else as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(element) for key, element in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(element) for element in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)


def _show(options: argparse.Namespace, value: object) -> None:
    print(json.dumps(_plain(value), ensure_ascii=False) if options.json else value)


def _open(options: argparse.Namespace) -> Index:
    import ragstone

    return ragstone.open(options.kb, read_only=True)


def _index(options: argparse.Namespace) -> int:
    import ragstone

    embedder = None if options.embedder == "none" else options.embedder
    with ragstone.open(options.into, embedder=embedder) as index:
        report = index.ingest(options.paths, progress=not options.json, sync=not options.no_sync, embed=options.embed)
        if not options.json and index.embedder is not None:
            print(f"embedder: {index.embedder.name} ({index.embedder.dimension} dimensions)")
    _show(options, report)
    return _FINDING if report.failed else _RIGHT


def _search(options: argparse.Namespace) -> int:
    from ragstone.query import Q

    query = Q.parse(options.query) if options.query_language else options.query
    with _open(options) as index:
        result: SearchResult = index.search(
            query,
            top_k=options.top_k,
            mode=options.mode,
            filter=options.filter,
            principals=options.principal,
            explain=options.explain,
            timeout_s=options.timeout_s,
        )
    _show(options, result)
    if options.explain and not options.json:
        for hit in result:
            print(f"{hit.rank}. {_plain(hit.explain)}")
    return _RIGHT if result else _FINDING


def _ask(options: argparse.Namespace) -> int:
    with _open(options) as index:
        answer: Answer = index.ask(
            options.query,
            top_k=options.top_k,
            filter=options.filter,
            principals=options.principal,
            timeout_s=options.timeout_s,
        )
    _show(options, answer)
    return _FINDING if answer.abstained else _RIGHT


def _route(options: argparse.Namespace) -> int:
    from ragstone.recommender import route

    _show(options, route(options.query))
    return _RIGHT


def _stats(options: argparse.Namespace) -> int:
    import ragstone

    with ragstone.open(options.kb, read_only=True, embedder=None) as index:
        statistics = index.stats()
    if options.json:
        _show(options, statistics)
    else:
        width = max(len(name) for name in statistics)
        for name, value in statistics.items():
            print(f"{name:<{width}}  {value:,}" if isinstance(value, int) else f"{name:<{width}}  {value}")
    return _RIGHT


def _bench(options: argparse.Namespace) -> int:
    from ragstone.bench import measure, read_queries

    queries = None if options.queries is None else read_queries(options.queries)
    with _open_to_measure(options) as index:
        found = measure(index, queries, top_k=options.top_k, mode=options.mode, principals=options.principal)
    if options.json:
        _show(options, {**dataclasses.asdict(found), "findings": found.findings})
    else:
        print(found)
    return _FINDING if found.findings else _RIGHT


def _tune(options: argparse.Namespace) -> int:
    from ragstone.tuning import read_judged, tune

    queries, qrels = read_judged(options.queries, options.qrels)
    with _open(options) as index:
        found = tune(index, queries, qrels, principals=options.principal)
    _show(options, found.to_dict() if options.json else found)
    return _RIGHT


def _open_to_measure(options: argparse.Namespace) -> Index:
    """An index with its embedder; where its model is missing, without, if the mode can do without."""
    import ragstone

    try:
        return _open(options)
    except (MissingDependency, ModelError) as error:
        if options.mode == "hybrid":
            raise type(error)(
                f"{error}; or measure without it: --mode bm25, or --mode dense without --queries"
            ) from None
        return ragstone.open(options.kb, read_only=True, embedder=None)


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
        _show(options, {"generation": generation, "damage": damage})
    else:
        for line in damage:
            print(line)
        verdict = f"damaged files: {len(damage)}" if damage else "every byte is right"
        print(verdict if generation is None else f"generation {generation}: {verdict}")
    return _FINDING if damage else _RIGHT


def _snapshot(options: argparse.Namespace) -> int:
    import ragstone

    with ragstone.open(options.kb, read_only=True, embedder=None) as index:
        generation = index.snapshot(Path(options.destination))
    if options.json:
        _show(options, {"generation": generation, "path": options.destination})
    else:
        print(f"generation {generation} copied to {options.destination}")
    return _RIGHT


def _demo(options: argparse.Namespace) -> int:
    from ragstone.demo import demo

    return demo(Path(options.corpus), embedder=options.embedder)


def _doctor(options: argparse.Namespace) -> int:
    from ragstone.doctor import examine

    findings = examine()
    if options.json:
        _show(options, findings)
    else:
        for finding in findings:
            print(finding)
    return _FINDING if any(finding.verdict == "broken" for finding in findings) else _RIGHT


if __name__ == "__main__":
    sys.exit(main())
