"""Counts the chunks of a folder of documents with the project's own reader, chunker and tokenizer.

``python corpora/count_chunks.py .build/corpora/debian --every 20`` reads each twentieth file and scales up: this is how
the builder's estimate is checked. Without ``--every`` all files are read.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cleaners import count_tokens_roughly
from ragstone.chunking import Chunker, TokenCounter
from ragstone.documents import find_files, read_document
from ragstone.errors import InvalidInput

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit status."""
    parser = argparse.ArgumentParser(description="Count the chunks of a folder of documents.")
    parser.add_argument("folder", type=Path, help="a corpus that build.py made, or any folder")
    parser.add_argument("--every", type=int, default=1, help="read each n-th file only")
    parser.add_argument(
        "--embedder", default="minilm", help="whose tokenizer counts; 'rough' is the builder's estimate"
    )
    options = parser.parse_args(arguments)
    started = time.monotonic()
    folder = options.folder / "documents" if (options.folder / "documents").is_dir() else options.folder
    chunker = Chunker(token_counter=_counter(options.embedder))
    files = list(find_files(folder))
    read = failed = chunks = characters = 0
    distinct: set[int] = set()
    for path in files[:: options.every]:
        try:
            document = read_document(path, root=folder)
            made = chunker.chunk(document)
        except InvalidInput as error:
            failed += 1
            print(f"failed: {error}", file=sys.stderr)
            continue
        read += 1
        chunks += len(made)
        characters += sum(len(chunk.text) for chunk in made)
        distinct.update(hash(chunk.text) for chunk in made)
    print(f"{len(files):,} files, {read:,} read, {failed:,} failed in {time.monotonic() - started:.0f} s")
    print(f"{chunks:,} chunks of {characters / max(chunks, 1):.0f} characters, {len(distinct):,} with distinct text")
    if options.every > 1:
        print(f"about {chunks * options.every:,} chunks in all files")
    return 0


def _counter(name: str) -> TokenCounter:
    if name == "rough":
        return lambda texts: [count_tokens_roughly(text) for text in texts]
    from ragstone.embedding import embedder

    return embedder(name).count_tokens


if __name__ == "__main__":
    sys.exit(main())
