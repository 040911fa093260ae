"""``ragstone eval freshness``: how soon a write is found, and how often answers cite what is superseded."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from ragstone.cli.common import FINDING, RIGHT, Subparsers, command, open_index, show

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Add the verb."""
    text = "measure how soon writes are found, and how often answers cite what is superseded"
    parser = command(commands, "freshness", _freshness, text)
    parser.add_argument("kb", nargs="?", metavar="KB", help="the index directory; a copy of it is written to")
    parser.add_argument(
        "--corpus", type=Path, metavar="FOLDER", help="with documents/ and queries/changed-facts.jsonl, instead of KB"
    )
    parser.add_argument("--rounds", type=int, default=100, metavar="N", help="writes of each kind (100)")
    parser.add_argument("--changes", type=Path, metavar="FILE", help="questions whose answers changed, to ask of KB")
    parser.add_argument("--workspace", type=Path, metavar="FOLDER", help="where the copy is made; default: temporary")
    parser.add_argument("--embedder", default="auto", help="for --corpus: auto, minilm, builtin, hashing, or a folder")
    parser.add_argument("--principal", action="append", default=[], metavar="NAME", help="who asks; repeatable")


def _freshness(options: argparse.Namespace) -> int:
    from ragstone.errors import InvalidInput

    if (options.kb is None) == (options.corpus is None):
        raise InvalidInput("pass either an index or --corpus FOLDER")
    return _of_corpus(options) if options.kb is None else _of_index(options)


def _of_index(options: argparse.Namespace) -> int:
    from ragstone.evaluation.freshness import freshness
    from ragstone.evaluation.staleness import read_changes, stale_answers

    changes = None if options.changes is None else read_changes(options.changes)
    with open_index(options) as index:
        found = freshness(index, rounds=options.rounds, workspace=options.workspace, progress=_progress(options))
        stale = None if changes is None else stale_answers(index, changes, principals=options.principal)
    if options.json:
        show(options, {"lag": found.to_dict(), "stale": None if stale is None else stale.to_dict()})
    else:
        print(found)
        if stale is not None:
            print(f"stale answers: {stale}")
            for one in stale.answers:
                print(f"  {one.question!r}: {one.document_id} at rank {one.rank}")
    wrong = stale is not None and (stale.answers or stale.unresolved)
    return FINDING if found.findings or wrong else RIGHT


def _of_corpus(options: argparse.Namespace) -> int:
    import tempfile

    import ragstone
    from ragstone.evaluation.freshness import freshness
    from ragstone.evaluation.staleness import replaced_answers

    answers = replaced_answers(options.corpus, embedder=options.embedder)
    with (
        tempfile.TemporaryDirectory(prefix="ragstone-freshness-", dir=options.workspace) as folder,
        ragstone.open(Path(folder) / "kb", embedder=options.embedder) as index,
    ):
        index.ingest(options.corpus / "documents")
        found = freshness(index, rounds=options.rounds, workspace=options.workspace, progress=_progress(options))
    if options.json:
        show(options, {"lag": found.to_dict(), "stale": answers.to_dict()})
    else:
        print(found)
        print(answers)
    # Two editions side by side are the caller's choice; one that was replaced must be gone.
    after = answers.after
    return FINDING if found.findings or after.answers or after.unresolved else RIGHT


def _progress(options: argparse.Namespace) -> Callable[[int, int], None] | None:
    if options.json or not sys.stderr.isatty():
        return None

    def shown(done: int, rounds: int) -> None:
        print(f"\r{done} of {rounds} rounds", end="\n" if done == rounds else "", file=sys.stderr, flush=True)

    return shown
