"""Builds a large corpus of real text from Debian's documentation packages: a folder of files, and queries for it.

``python corpora/build.py --into .build/corpora/debian`` fetches the packages that ``debian.json`` names (apt, no root
needed), cleans their files, drops duplicates, and writes ``documents/``, ``queries.jsonl``, ``copyright/`` and
``corpus.json``. The same packages give the same bytes. It can be stopped at any time and run again: packages that are
in the cache, and those already cleaned, are not done twice.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import hashlib
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cleaners import Page, clean, count_tokens_roughly, dictionary_pages, text_digest
from queries import make_queries, seeds

__all__ = ["Archive", "BuildError", "Entry", "clean_files", "main", "select"]

HERE = Path(__file__).resolve().parent
RECIPE = HERE / "debian.json"
TOKENS_PER_CHUNK = 240  # of 256: two special tokens and a short title or heading take the rest
HELD_OUT_PER_MILLE = 10  # pages kept out of the corpus, so that queries can come from text it does not hold
PACKAGE_SHARE_MAX = 0.15  # of the corpus' chunks, so that no project's style rules it
QUERIES_PER_KIND = 160
SKIPPED = re.compile(  # indexes, source listings, translations: no prose, or no English
    r"(^|/)(changelog|copyright|NEWS\.|genindex|py-modindex|modindex|search\.html|searchindex|_static/|_modules/|_images/"
    r"|_downloads/|translations/|index-files/|class-use/|package-tree|allclasses|allpackages|overview-tree|doc-index"
    r"|bookindex|functions_|globals_|classes\.html|files\.html|annotated\.html|hierarchy\.html|tags$)",
    re.IGNORECASE,
)


class BuildError(Exception):
    """The corpus cannot be built; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A package file in the cache; packages of one source may leave their copyright file to one of them."""

    name: str
    version: str
    sha256: str
    path: Path
    take: str
    copyright_of: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a page without reading it again: ``chunks`` is an estimate, ``digest`` that of its text."""

    package: str
    path: str
    digest: str
    chunks: int
    characters: int
    title: str = ""
    seeds: dict[str, str] = field(default_factory=dict)

    @property
    def document(self) -> str:
        """Path of the page below ``documents/``."""
        return f"{self.package}/{self.path}"


# --- fetching


def fetch(packages: Sequence[dict[str, str]], cache: Path) -> list[Archive]:
    """The package files, from the cache or by apt; packages that this release of Debian lacks are left out."""
    cache.mkdir(parents=True, exist_ok=True)
    archives: list[Archive] = []
    for number, package in enumerate(packages, 1):
        path = _cached(package, cache) or _download(package, cache)
        if path is None:
            _say(f"[{number}/{len(packages)}] {package['name']}: unknown to this release of Debian, left out")
            continue
        version = path.name.split("_")[1].replace("%3a", ":")
        sha256 = _file_digest(path)
        if version == package.get("version") and sha256 != package.get("sha256", sha256):
            raise BuildError(
                f"'{path}' has sha256 {sha256}, recorded is {package['sha256']}: delete the file and run this again"
            )
        if version != package.get("version", version):
            _say(f"{package['name']}: version {version}, recorded is {package['version']}: the corpus will differ")
        archives.append(
            Archive(
                package["name"], version, sha256, path, package["take"], package.get("copyright_of", package["name"])
            )
        )
    return archives


def _cached(package: dict[str, str], cache: Path) -> Path | None:
    """The file of the recorded version, or of the only version there is."""
    files = sorted(cache.glob(f"{package['name']}_*.deb"))
    recorded = [file for file in files if file.name.split("_")[1].replace("%3a", ":") == package.get("version")]
    return recorded[0] if recorded else files[-1] if files else None


def _download(package: dict[str, str], cache: Path) -> Path | None:
    name = package["name"]
    known = _run(["apt-cache", "madison", name], cache).stdout
    versions = [line.split("|")[1].strip() for line in known.splitlines() if line.count("|") >= 2]
    if not versions:
        if not _run(["apt-cache", "madison", "manpages-dev"], cache).stdout.count("Packages"):
            raise BuildError("apt knows no packages: run 'apt-get update' as root, then this again")
        return None
    version = package["version"] if package.get("version") in versions else versions[0]
    options = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
    result = _run(["apt-get", *options, "-q", "download", f"{name}={version}"], cache)
    path = _cached({"name": name, "version": version}, cache)
    if result.returncode or path is None:
        said = (result.stderr.strip().splitlines() or ["nothing"])[-1]
        raise BuildError(
            f"cannot download '{name}' {version} (apt-get said '{said}'): connect to the network, run "
            "'apt-get update' as root if its lists are old, and run this again; what is in the cache is kept"
        )
    return path


def _run(command: list[str], directory: Path) -> subprocess.CompletedProcess[str]:
    english = {**os.environ, "LC_ALL": "C.UTF-8"}
    try:
        return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False, env=english)
    except FileNotFoundError:
        raise BuildError(
            f"'{command[0]}' is not installed: this corpus is built from Debian packages, on Debian or a relative"
        ) from None


# --- cleaning


def clean_archive(archive: Archive, folder: Path) -> list[Entry]:
    """Clean a package into `folder` and return its entries; a folder that is there already is only read."""
    if not (folder / "entries.json").exists():
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        files = partial / "files"
        files.mkdir(parents=True)
        entries: list[Entry] = []
        for entry, page in clean_files(archive.name, _members(archive, partial)):
            target = files / entry.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(page.content, encoding="utf-8", newline="\n")
            entries.append(entry)
        entries.sort(key=lambda entry: entry.path)
        (partial / "entries.json").write_text(
            json.dumps([asdict(entry) for entry in entries], ensure_ascii=False), encoding="utf-8"
        )
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    return [Entry(**entry) for entry in json.loads((folder / "entries.json").read_text(encoding="utf-8"))]


def _members(archive: Archive, folder: Path) -> Iterator[tuple[str, bytes]]:
    """Wanted regular files of a package; its copyright file is put into `folder`. Links are not followed."""
    wanted = re.compile(archive.take)
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive.path)], stdout=subprocess.PIPE) as unpacking:
        assert unpacking.stdout is not None
        with tarfile.open(fileobj=unpacking.stdout, mode="r|") as tar:
            for member in tar:
                name = member.name.removeprefix("./")
                if not member.isreg():
                    continue
                is_copyright = re.fullmatch(r"usr/share/doc/[^/]+/copyright", name) is not None
                if is_copyright or (wanted.search(name) and not SKIPPED.search(name)):
                    stream = tar.extractfile(member)
                    data = stream.read() if stream else b""
                    if is_copyright:
                        (folder / "copyright").write_bytes(data)
                    else:
                        yield name, data
    if unpacking.returncode:
        raise BuildError(f"dpkg-deb cannot read '{archive.path}': delete the file and run this again")


def clean_files(package: str, files: Iterable[tuple[str, bytes]]) -> Iterator[tuple[Entry, Page]]:
    """Pages of a package's files with their entries, each text once."""
    seen: set[str] = set()
    paths: set[str] = set()
    dictionaries: dict[str, bytes] = {}
    for name, data in files:
        if name.endswith((".dict.dz", ".index")) and "dictd/" in name:
            dictionaries[name] = data
            pages: Iterable[Page] = _dictionary(name, dictionaries)
        else:
            pages = clean(name, data)
        for page in pages:
            digest = text_digest(page.text)
            if digest in seen:
                continue
            seen.add(digest)
            path = _tame(page.path, paths)
            tokens = count_tokens_roughly(page.text)
            chunks = -(-tokens // TOKENS_PER_CHUNK)
            yield Entry(package, path, digest, chunks, len(page.text), page.title, seeds(page)), page


def _dictionary(name: str, found: dict[str, bytes]) -> Iterator[Page]:
    """Pages of a dictionary once both of its files have been seen."""
    stem = name.removesuffix(".index").removesuffix(".dict.dz")
    if f"{stem}.index" in found and f"{stem}.dict.dz" in found:
        yield from dictionary_pages(f"{stem}.dict.dz", found[f"{stem}.index"], found[f"{stem}.dict.dz"])


def _tame(path: str, taken: set[str]) -> str:
    """A short path of plain characters that no other page of the package has."""
    path = re.sub(r"^usr/(share/)?(doc/)?", "", path)
    parts = [re.sub(r"^\.|^$", "_.", re.sub(r"[^A-Za-z0-9._+-]", "_", part[-80:])) for part in path.split("/")]
    tamed = "/".join(parts)
    while tamed.lower() in taken:
        head, _, name = tamed.rpartition("/")
        tamed = f"{head}/x{name}" if head else f"x{name}"
    taken.add(tamed.lower())
    return tamed


# --- selecting


def select(entries: Sequence[Entry], chunks: int) -> tuple[list[Entry], list[Entry]]:
    """The entries of the corpus and those held out, both in order of their path.

    Of pages with the same text the first in path order stays. Pages then stand in the order of their digests, which is
    as good as a shuffle, and are taken until `chunks` is reached, none above its package's share: a smaller corpus is
    nearly a part of a larger one.
    """
    unique: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda entry: entry.document):
        unique.setdefault(entry.digest, entry)
    chosen: list[Entry] = []
    held_out: list[Entry] = []
    per_package: dict[str, int] = {}
    total = 0
    for entry in sorted(unique.values(), key=lambda entry: entry.digest):
        if int(entry.digest[-8:], 16) % 1000 < HELD_OUT_PER_MILLE:
            held_out.append(entry)
            continue
        used = per_package.get(entry.package, 0) + entry.chunks
        if total >= chunks or used > max(PACKAGE_SHARE_MAX * chunks, 1):
            continue
        per_package[entry.package] = used
        total += entry.chunks
        chosen.append(entry)
    return sorted(chosen, key=lambda entry: entry.document), sorted(held_out, key=lambda entry: entry.document)


# --- writing


def write(
    into: Path,
    chosen: Sequence[Entry],
    held_out: Sequence[Entry],
    archives: Sequence[Archive],
    folders: dict[str, Path],
    key: str,
) -> dict[str, object]:
    """Write the corpus beside the old one, then put it in its place."""
    partial = into.with_name(into.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "copyright").mkdir(parents=True)
    whole = hashlib.sha256()
    size = 0
    for entry in chosen:
        data = (folders[entry.package] / "files" / entry.path).read_bytes()
        target = partial / "documents" / entry.document
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        size += len(data)
        whole.update(f"{entry.document}\0{hashlib.sha256(data).hexdigest()}\n".encode())
    queries = make_queries(
        [(e.document, e.seeds) for e in chosen], [(e.document, e.seeds) for e in held_out], QUERIES_PER_KIND
    )
    lines = "".join(json.dumps(query, ensure_ascii=False) + "\n" for query in queries)
    (partial / "queries.jsonl").write_text(lines, encoding="utf-8")
    packages = []
    for archive in archives:
        mine = [entry for entry in chosen if entry.package == archive.name]
        copyright_file = folders.get(archive.copyright_of, folders[archive.name]) / "copyright"
        licences: list[str] = []
        if copyright_file.exists():
            shutil.copyfile(copyright_file, partial / "copyright" / archive.name)
            licences = licences_named(copyright_file.read_text(encoding="utf-8", errors="replace"))
        packages.append(
            {
                "name": archive.name,
                "version": archive.version,
                "sha256": archive.sha256,
                "licences": licences,
                "files": len(mine),
                "characters": sum(entry.characters for entry in mine),
                "chunks_estimated": sum(entry.chunks for entry in mine),
            }
        )
    summary: dict[str, object] = {
        "files": len(chosen),
        "size_bytes": size,
        "characters": sum(entry.characters for entry in chosen),
        "chunks_estimated": sum(entry.chunks for entry in chosen),
        "files_held_out": len(held_out),
        "queries": len(queries),
        "documents_sha256": whole.hexdigest(),
        "queries_sha256": hashlib.sha256(lines.encode()).hexdigest(),
    }
    (partial / "corpus.json").write_text(
        json.dumps({"key": key, **summary, "packages": packages}, indent=1) + "\n", encoding="utf-8"
    )
    shutil.rmtree(into, ignore_errors=True)
    partial.rename(into)
    return {**summary, "packages": packages}


_LICENCE_NAMES = {
    r"GNU Free Documentation License": "GFDL",
    r"GNU General Public License|GNU GPL\b": "GPL",
    r"Artistic License": "Artistic",
    r"Apache License": "Apache",
    r"\bMIT\b|Permission is hereby granted, free of charge": "MIT",
    r"\bBSD\b": "BSD",
    r"Python Software Foundation|PSF LICENSE": "PSF",
    r"Creative Commons": "CC",
    r"[Pp]ublic [Dd]omain": "public domain",
    r"make and distribute verbatim copies": "verbatim copying",
    r"use, copy, modify, distribute, and license this software": "Tcl",
}


def licences_named(text: str) -> list[str]:
    """Licences that a Debian copyright file names: its short names if it has them, else well-known names in it."""
    short = {" ".join(name.split()) for name in re.findall(r"^License:[ \t]*(\S[^\n]*)", text, re.M)}
    short = {name for name in short if len(name) <= 60 and not name.endswith((".", ",")) and len(name.split()) <= 7}
    if short:
        return sorted(short)
    flat = " ".join(text.split())
    return sorted(name for pattern, name in _LICENCE_NAMES.items() if re.search(pattern, flat))


# --- the command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="corpora/build.py", description="Build a large corpus from Debian documentation packages."
    )
    parser.add_argument("--into", type=Path, default=Path(".build/corpora/debian"), help="folder of the corpus")
    parser.add_argument(
        "--cache", type=Path, default=Path(".build/cache/debian"), help="folder of package files and cleaned pages"
    )
    parser.add_argument(
        "--chunks", type=int, default=None, help="chunks of 256 tokens to reach (default 300000; 5000 with --sample)"
    )
    parser.add_argument("--sample", action="store_true", help="a few small packages only")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="processes that clean")
    parser.add_argument("--record", action="store_true", help="write versions, digests and licences into debian.json")
    options = parser.parse_args(arguments)
    try:
        _build(options)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped: run the same command again to go on", file=sys.stderr)
        return 130
    return 0


def _build(options: argparse.Namespace) -> None:
    started = time.monotonic()
    if options.into.exists() and not (options.into / "corpus.json").exists() and any(options.into.iterdir()):
        raise BuildError(f"'{options.into}' holds something else than a corpus: pass another folder, or empty it")
    recipe = json.loads(RECIPE.read_text(encoding="utf-8"))
    packages = [package for package in recipe["packages"] if package.get("sample") or not options.sample]
    chunks = options.chunks or (5_000 if options.sample else 300_000)
    archives = fetch(packages, options.cache / "debs")
    code = _code_digest()
    key = hashlib.sha256(repr((code, chunks, [(a.name, a.sha256, a.take) for a in archives])).encode()).hexdigest()
    if _is_built(options.into, key):
        _say(f"'{options.into}' is up to date")
        return
    folders = {
        a.name: options.cache
        / "clean"
        / f"{a.name}-{hashlib.sha256((code + a.sha256 + a.take).encode()).hexdigest()[:16]}"
        for a in archives
    }
    _drop_stale(options.cache / "clean", folders.values())
    entries: list[Entry] = []
    for number, (archive, cleaned) in enumerate(
        zip(archives, _clean_all(archives, folders, options.jobs), strict=True), 1
    ):
        entries += cleaned
        found = sum(entry.chunks for entry in cleaned)
        _say(
            f"[{number}/{len(archives)}] {archive.name} {archive.version}: {len(cleaned):,} pages, "
            f"about {found:,} chunks ({time.monotonic() - started:.0f} s)"
        )
    chosen, held_out = select(entries, chunks)
    reached = sum(entry.chunks for entry in chosen)
    if reached < chunks:
        raise BuildError(
            f"the packages hold about {reached:,} chunks, {chunks:,} are asked for: "
            f"pass --chunks {reached - reached % 1000}"
        )
    summary = write(options.into, chosen, held_out, archives, folders, key)
    if options.record:
        _record(recipe, summary, chunks)
    _say(
        f"'{options.into}': {summary['files']:,} files, {int(str(summary['characters'])) / 1e6:.0f} M characters, "
        f"about {reached:,} chunks, "
        f"{summary['queries']:,} queries in {time.monotonic() - started:.0f} s"
    )


def _code_digest() -> str:
    """Digest of what the cleaners do; comments and layout do not change it."""
    names = ("cleaners.py", "manpages.py", "queries.py", "build.py")
    trees = "".join(ast.dump(ast.parse((HERE / name).read_text(encoding="utf-8"))) for name in names)
    return hashlib.sha256(trees.encode()).hexdigest()


def _clean_all(archives: Sequence[Archive], folders: dict[str, Path], jobs: int) -> Iterator[list[Entry]]:
    work = [(archive, folders[archive.name]) for archive in archives]
    if jobs <= 1:
        yield from (clean_archive(*item) for item in work)
        return
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        yield from pool.imap(_clean_one, work)


def _clean_one(item: tuple[Archive, Path]) -> list[Entry]:
    return clean_archive(*item)


def _is_built(into: Path, key: str) -> bool:
    with contextlib.suppress(OSError, ValueError):
        built = json.loads((into / "corpus.json").read_text(encoding="utf-8"))
        return bool(
            built["key"] == key and sum(len(files) for _, _, files in os.walk(into / "documents")) == built["files"]
        )
    return False


def _drop_stale(clean_folder: Path, wanted: Iterable[Path]) -> None:
    """Remove what other packages' versions, or an older cleaner, left in the cache."""
    names = {folder.name for folder in wanted}
    packages = {name.rpartition("-")[0] for name in names}
    for folder in clean_folder.glob("*"):
        if folder.name not in names and folder.name.rpartition("-")[0] in packages:
            shutil.rmtree(folder, ignore_errors=True)


def _record(recipe: dict[str, object], summary: dict[str, object], chunks: int) -> None:
    built = {package["name"]: package for package in summary["packages"]}  # type: ignore[attr-defined]
    for package in recipe["packages"]:  # type: ignore[attr-defined]
        package.update({key: value for key, value in built.get(package["name"], {}).items() if key != "name"})
    recipe["recorded"] = {
        "chunks_asked_for": chunks,
        **{key: value for key, value in summary.items() if key != "packages"},
    }
    text = json.dumps(recipe, indent=1, ensure_ascii=False)
    RECIPE.write_text(text + "\n", encoding="utf-8")


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
