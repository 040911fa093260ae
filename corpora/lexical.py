"""Builds texts for measuring lexical search: a million real chunks of 90 to 190 words, one a line, none twice.

``python corpora/lexical.py --into .build/bench/lexical`` reads the packages of ``debian.json`` and those that
``lexical.json`` adds (apt, no root needed), takes the text of their pages, drops lines that a package repeats on page
after page, cuts what is left into chunks and writes ``1m/texts.txt``, of it every tenth line to ``100k/texts.txt`` and
every hundredth to ``10k/texts.txt``, and ``texts.json``. The same packages give the same bytes. Packages already cut
are in the cache and not cut twice.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import html
import io
import json
import multiprocessing
import os
import re
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from build import Archive, BuildError, _members, _say, fetch
from cleaners import clean, decode, dictionary_pages

__all__ = ["chunks_of", "main"]

HERE = Path(__file__).resolve().parent
PAGES = HERE / "debian.json"
RECIPE = HERE / "lexical.json"
WORDS_MIN, WORDS_MAX = 90, 190
PACKAGE_MAX = 45_000  # chunks, so that no project's style rules the corpus; a package may say otherwise
REPEATS_MAX = 12  # a line that a package has more often is a template's, not a page's
SIZES = {"1m": 1, "100k": 10, "10k": 100}
# Source listings, lists of members and of files, other forms of pages that are there already.
NOT_PAGES = re.compile(r"([_-]source|-members|_8[a-z]+|/dir_[0-9a-f]+)\.html$|/(src|source|src-html)/.*\.html$")

_DROPPED = re.compile(r"<!--.*?-->|<(script|style|head|nav|footer|svg|math)\b.*?</\1\s*>", re.S | re.I)
_BLOCK = re.compile(
    r"</?(?:p|div|li|ul|ol|dl|dt|dd|table|tr|h[1-6]|pre|br|hr|section|article|blockquote|caption|body)\b[^>]*>", re.I
)
_CELL = re.compile(r"</?t[dh]\b[^>]*>", re.I)
_TAG = re.compile(r"<[^>]*>")


# --- from files to lines


def lines_of(name: str, data: bytes) -> list[str]:
    """Lines of text of a file: paragraphs of a page of HTML, lines of a source file, paragraphs of anything else."""
    if re.search(r"\.x?html?$|\.page$", name):
        return html_lines(decode(data))
    if re.search(r"\.[chS]$", name):
        return [" ".join(line.split()) for line in decode(data).split("\n")]
    pages = list(clean(name, data))
    return [" ".join(part.split()) for page in pages for part in re.split(r"\n\s*\n", page.content)]


def html_lines(source: str) -> list[str]:
    """Text between the block tags of a page, white space collapsed."""
    text = " ".join(_DROPPED.sub(" ", source).split())
    text = html.unescape(_TAG.sub("", _CELL.sub(" ", _BLOCK.sub("\n", text))))
    return [" ".join(line.split()) for line in text.split("\n")]


# --- from lines to chunks


def chunks_of(lines: Sequence[str], salt: str) -> Iterator[str]:
    """Cut a page into chunks of 90 to 190 words, at ends of lines where there are any; a short rest is left out."""
    words: list[str] = []
    target = _target(salt, 0)
    number = 0
    for line in lines:
        words += line.split()
        while len(words) >= target:
            size = len(words) if len(words) <= WORDS_MAX else target
            chunk, words = words[:size], words[size:]
            number += 1
            target = _target(salt, number)
            if is_prose(chunk):
                yield " ".join(chunk)
    if len(words) >= WORDS_MIN and is_prose(words):
        yield " ".join(words)


def is_prose(words: Sequence[str]) -> bool:
    """Whether these are words rather than tables of numbers, rulers or encoded data."""
    text = "".join(words)
    letters = sum(map(str.isalpha, text))
    return letters >= 0.6 * len(text) and 3 <= len(text) / len(words) <= 12 and len(set(words)) >= len(words) / 3


def _target(salt: str, number: int) -> int:
    """How many words the next chunk shall have: 90 to 165, each as likely."""
    return WORDS_MIN + int(hashlib.sha256(f"{salt}\0{number}".encode()).hexdigest()[:8], 16) % 76


def _rank(chunk: str) -> bytes:
    """What decides which chunks are taken, as good as chance; equal for chunks that differ only in case."""
    return hashlib.blake2b(chunk.lower().encode("utf-8", "replace"), digest_size=8).digest()


# --- packages


def cut(package: tuple[Archive, int], cache: Path) -> Path:
    """The chunks of a package as a file of lines, made if it is not there: of too many, those of lowest rank."""
    archive, most = package
    code = ast.dump(ast.parse(Path(__file__).read_text(encoding="utf-8")))
    key = hashlib.sha256(f"{code}{archive.sha256}{archive.take}{most}".encode()).hexdigest()[:16]
    path = cache / f"{archive.name}-{key}.txt"
    if path.exists():
        return path
    seen: Counter[int] = Counter()
    ranked: dict[bytes, tuple[int, str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, data in _files(archive, Path(folder)):
            kept = []
            for line in filter(None, lines_of(name, data)):
                digest = hash_of(line)
                seen[digest] += 1
                if seen[digest] <= REPEATS_MAX:
                    kept.append(line)
            for chunk in chunks_of(kept, name):
                ranked.setdefault(_rank(chunk), (len(ranked), chunk))
    chosen = sorted(sorted(ranked.items())[:most], key=lambda item: item[1][0])
    partial_path = path.with_suffix(".partial")
    partial_path.write_text("".join(chunk + "\n" for _, (_, chunk) in chosen), encoding="utf-8", errors="replace")
    partial_path.rename(path)
    return path


def hash_of(line: str) -> int:
    """A number for a line, the same in every run."""
    return int.from_bytes(hashlib.blake2b(line.encode("utf-8", "replace"), digest_size=8).digest(), "little")


def _files(archive: Archive, copyright_folder: Path) -> Iterator[tuple[str, bytes]]:
    """Files of a package that hold pages; those of a source package, and pages of a dictionary, come one by one."""
    dictionaries: dict[str, bytes] = {}
    for name, data in _members(archive, copyright_folder):
        if name.endswith(".tar.xz"):
            yield from _sources(data)
        elif name.endswith((".dict.dz", ".index")) and "dictd/" in name:
            dictionaries[name] = data
            stem = name.removesuffix(".index").removesuffix(".dict.dz")
            if f"{stem}.index" in dictionaries and f"{stem}.dict.dz" in dictionaries:
                path = f"{stem}.dict.dz"
                for page in dictionary_pages(path, dictionaries[f"{stem}.index"], dictionaries[path]):
                    yield page.path, page.content.encode()
        elif not NOT_PAGES.search(name):
            yield name, data


def _sources(data: bytes) -> Iterator[tuple[str, bytes]]:
    """One in six of the C files of a source tree, by a digest of their path."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r|xz") as tar:
        for member in tar:
            if member.isreg() and re.search(r"\.[ch]$", member.name) and hash_of(member.name) % 6 == 0:
                stream = tar.extractfile(member)
                if stream is not None:
                    yield member.name, stream.read()


# --- the whole


def choose(paths: Sequence[Path], count: int) -> Iterator[str]:
    """The chunks of lowest rank of all packages, in the order of packages and pages, none twice."""
    ranks: list[bytes] = []
    for path in paths:
        with path.open(encoding="utf-8", newline="\n") as lines:
            ranks += [_rank(line.rstrip("\n")) for line in lines]
    wanted = sorted(set(ranks))
    if len(wanted) < count:
        raise BuildError(f"the packages hold {len(wanted):,} different chunks, {count:,} are asked for")
    taken = set(wanted[:count])
    for path in paths:
        with path.open(encoding="utf-8", newline="\n") as lines:
            for line in lines:
                rank = _rank(line.rstrip("\n"))
                if rank in taken:
                    taken.discard(rank)
                    yield line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit status."""
    parser = argparse.ArgumentParser(prog="corpora/lexical.py", description=__doc__.split("\n")[0])
    parser.add_argument("--into", type=Path, default=Path(".build/bench/lexical"), help="folder of the texts")
    parser.add_argument("--cache", type=Path, default=Path(".build/cache/debian"), help="folder of package files")
    parser.add_argument("--chunks", type=int, default=1_000_000)
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--record", action="store_true", help="write versions and digests into lexical.json")
    options = parser.parse_args(arguments)
    try:
        _build(options)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _build(options: argparse.Namespace) -> None:
    recipe = json.loads(RECIPE.read_text(encoding="utf-8"))
    more = {package["name"]: package for package in recipe["packages"]}
    known = json.loads(PAGES.read_text(encoding="utf-8"))["packages"]
    packages = [package | more.pop(package["name"], {}) for package in known] + list(more.values())
    packages = [package for package in packages if package["take"] != "(?!)"]
    archives = fetch(packages, options.cache / "debs")
    most = {package["name"]: package.get("most", PACKAGE_MAX) for package in packages}
    cache = options.cache / "chunks"
    cache.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    found = 0
    with multiprocessing.get_context("fork").Pool(options.jobs, maxtasksperchild=1) as pool:
        work = [(archive, most[archive.name]) for archive in archives]
        for archive, path in zip(archives, pool.imap(partial(cut, cache=cache), work), strict=True):
            with path.open("rb") as lines:
                count = sum(1 for _ in lines)
            found += count
            _say(f"{archive.name} {archive.version}: {count:,} chunks, {found:,} so far")
            paths.append(path)
    summary = _write(options.into, choose(paths, options.chunks))
    (options.into / "texts.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    if options.record:
        by_name = {archive.name: archive for archive in archives}
        for package in recipe["packages"]:
            if archive := by_name.get(package["name"]):
                package |= {"version": archive.version, "sha256": archive.sha256}
        recipe["recorded"] = summary
        RECIPE.write_text(json.dumps(recipe, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    _say(f"'{options.into}': {summary}")


def _write(into: Path, chunks: Iterator[str]) -> dict[str, object]:
    """Write every size at once; the names appear when all is written, the smaller first."""
    partials = {}
    for size in SIZES:
        (into / size).mkdir(parents=True, exist_ok=True)
        partials[size] = (into / size / "texts.partial").open("w", encoding="utf-8", newline="\n")
    whole = hashlib.sha256()
    count = characters = words = 0
    for number, chunk in enumerate(chunks):
        for size, every in SIZES.items():
            if number % every == 0:
                partials[size].write(chunk)
        whole.update(chunk.encode())
        count, characters, words = count + 1, characters + len(chunk) - 1, words + len(chunk.split())
    for size in reversed(SIZES):
        partials[size].close()
        (into / size / "texts.partial").rename(into / size / "texts.txt")
    return {
        "chunks": count,
        "characters": characters,
        "words_a_chunk": round(words / count, 1),
        "sha256": whole.hexdigest(),
    }


if __name__ == "__main__":
    sys.exit(main())
