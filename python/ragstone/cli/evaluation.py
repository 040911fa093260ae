"""The verbs ``ragstone eval …``: one module each, listed here."""

from __future__ import annotations

from importlib import import_module

from ragstone.cli.common import Subparsers

__all__ = ["add"]

# Modules of this package, each with a function ``add(commands)``.
_VERBS = ("retrieval", "null", "grounded", "finetune", "freshness", "latency")


def add(commands: Subparsers) -> None:
    """Add ``eval`` with its own verbs."""
    text = "measure retrieval, refusals, groundedness, fine-tuned models, freshness or latency"
    parser = commands.add_parser("eval", help=text, description=text[0].upper() + text[1:] + ".")
    verbs: Subparsers = parser.add_subparsers(required=True, metavar="WHAT")
    for name in _VERBS:
        import_module(f"ragstone.cli.eval_{name}").add(verbs)
