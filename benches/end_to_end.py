"""The recorded run: ingest, size, memory, cold open and latency on 100,000 real chunks from real files.

    python benches/end_to_end.py --corpus .build/corpora/debian --embedder builtin [--chunks 100000]

The index is kept in ``--work`` and filled where an earlier run stopped, because embedding takes long with ``minilm``:
a rate is only recorded by a run that made that stage from beginning to end, and kept by later runs on the same index.
Latency is measured in a process of its own, after the files were dropped from the page cache for the cold figures, and
only if the answers are right: chunks drawn evenly from the whole index are embedded anew, and none may be nearer to a
query than the hits; each hit's cosine must be that of its text.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import ragstone
from ragstone.chunking import embedding_text
from ragstone.documents import find_files

sys.path.insert(0, str(Path(__file__).resolve().parent))
from machine import RESULTS, save

QUERIES = 1000
CHECKED_QUERIES, CHECKED_CHUNKS = 50, 500
STAGE_FIGURES = ("ingest_text_s", "ingest_chunks_per_s", "ingest_mb_per_s", "embed_s", "embed_chunks_per_s")
STAGE_FIGURES += ("peak_memory_filling_mb",)
BYTES_PER_CHUNK = 620  # of this corpus, measured; only decides how many files are taken


def main() -> None:
    """Ingest, embed, measure, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--embedder", default="builtin")
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--work", type=Path, default=Path(".build/bench"))
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options)))
        return
    result: dict[str, Any] = {"embedder": options.embedder}
    filled = fill(options)
    if "embed_s" not in filled:
        result.update(recorded_stages(options.embedder))
        filled.pop("peak_memory_filling_mb")
    result.update(filled)
    drop_from_cache(place(options))
    command = [sys.executable, __file__, "--corpus", str(options.corpus), "--embedder", options.embedder]
    command += ["--chunks", str(options.chunks), "--work", str(options.work), "--measure"]
    outcome = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result.update(json.loads(outcome.stdout.splitlines()[-1]))
    print(json.dumps(result, indent=1))
    print("saved", save(f"end_to_end-{options.embedder}", result))


def recorded_stages(embedder: str) -> dict[str, Any]:
    """What an earlier run recorded of the stages that this one did not have to make."""
    path = RESULTS / f"end_to_end-{embedder}.json"
    earlier = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {name: earlier[name] for name in STAGE_FIGURES if name in earlier}


def place(options: argparse.Namespace) -> Path:
    """The index directory of this run."""
    return Path(options.work) / f"kb-{options.embedder}-{options.chunks}"


def chosen_files(corpus: Path, chunks: int) -> list[Path]:
    """Files spread evenly over all packages, as many as have text enough."""
    files = list(find_files([corpus / "documents"]))
    share = chunks * BYTES_PER_CHUNK / sum(path.stat().st_size for path in files)
    return [path for number, path in enumerate(files) if int((number + 1) * share) > int(number * share)]


def fill(options: argparse.Namespace) -> dict[str, Any]:
    """Ingest text first, then embed; says how fast each went where this run did all of it."""
    result: dict[str, Any] = {}
    files = chosen_files(options.corpus, options.chunks)
    text_bytes = sum(path.stat().st_size for path in files)
    with ragstone.open(place(options), embedder=options.embedder) as index:
        fresh = len(index) == 0
        started = time.perf_counter()
        report = index.ingest(files, embed="later", progress=True, sync=False)
        seconds = time.perf_counter() - started
        if fresh:
            result["ingest_text_s"] = round(seconds, 1)
            result["ingest_chunks_per_s"] = round(report.chunks_added / seconds, 1)
            result["ingest_mb_per_s"] = round(text_bytes / 1e6 / seconds, 2)
        result["files"] = len(files)
        result["files_failed"] = len(report.failed)
        before = int(str(index.stats()["chunks_embedded"]))
        started = time.perf_counter()

        def show(done: int, total: int) -> None:
            rate = done / (time.perf_counter() - started)
            print(f"embedded {done:,} of {total:,} chunks, {rate:.0f}/s", file=sys.stderr, flush=True)

        embedded = index.embed_pending(progress=show)
        seconds = time.perf_counter() - started
        if before == 0 and embedded:
            result["embed_s"] = round(seconds, 1)
            result["embed_chunks_per_s"] = round(embedded / seconds, 1)
        started = time.perf_counter()
        index.merge()
        result["merge_s"] = round(time.perf_counter() - started, 1)
        result["peak_memory_filling_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    return result


def drop_from_cache(folder: Path) -> None:
    """Ask the system to forget the files' pages, as after a restart."""
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Cold open and first answer, then latency of ``ask`` and ``search`` over many queries, then memory."""
    rows = [json.loads(line) for line in (options.corpus / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
    queries = [row["query"] for row in rows][:: max(1, len(rows) // QUERIES)][:QUERIES]
    started = time.perf_counter()
    index = ragstone.open(place(options), read_only=True)
    opened = time.perf_counter()
    index.ask(queries[-1])
    answered = time.perf_counter()
    figures: dict[str, Any] = {
        "open_cold_ms": round((opened - started) * 1000, 1),
        "first_ask_cold_ms": round((answered - opened) * 1000, 1),
    }
    figures["answers_checked"] = check(index, queries)
    for query in queries[:50]:
        index.ask(query)
    retrieved, passed, paths = [], [], {}
    for query in queries:
        started = time.perf_counter()
        answer = index.ask(query)
        milliseconds = (time.perf_counter() - started) * 1000
        paths[answer.path] = paths.get(answer.path, 0) + 1
        (retrieved if answer.answerability is not None else passed).append(milliseconds)
    figures["queries"] = len(queries)
    figures["paths"] = paths
    figures["ask_ms"] = percentiles(retrieved)
    for mode in ("hybrid", "dense", "bm25"):
        times = []
        for query in queries:
            started = time.perf_counter()
            index.search(query, top_k=5, mode=mode)
            times.append((time.perf_counter() - started) * 1000)
        figures[f"search_{mode}_ms"] = percentiles(times)
    embedder = index.embedder
    if embedder is not None:
        times = []
        for query in queries:
            started = time.perf_counter()
            embedder.embed([query])
            times.append((time.perf_counter() - started) * 1000)
        figures["embed_query_ms"] = percentiles(times)
    figures["memory_mb"] = memory()
    figures |= sizes(index)  # searches too, to measure recall: not before memory is read
    index.close()
    started = time.perf_counter()
    index = ragstone.open(place(options), read_only=True, embedder=None)
    index.search(queries[0], mode="bm25")
    figures["open_and_search_warm_ms"] = round((time.perf_counter() - started) * 1000, 1)
    return figures


def sizes(index: ragstone.Index) -> dict[str, Any]:
    """How many chunks the index has, in how many bytes, and the recall it measures of itself."""
    numbers = index.stats()
    chunks = int(str(numbers["chunks"]))
    return {
        "chunks": chunks,
        "chunks_embedded": numbers["chunks_embedded"],
        "segments": numbers["segments"],
        "size_bytes_per_chunk": round(int(str(numbers["size_bytes"])) / chunks, 1),
        "text_bytes_per_chunk": round(int(str(numbers["text_bytes"])) / chunks, 1),
        "dense_recall_at_10": numbers["dense_recall_at_10"],
    }


def check(index: ragstone.Index, queries: list[str]) -> int:
    """Compare dense answers with vectors made anew; returns the number of comparisons, stops at a wrong answer."""
    embedder = index.embedder
    assert embedder is not None
    names = [name for name, _, _ in index.sources()]
    drawn: dict[str, str] = {}
    for name in names[:: max(1, len(names) // CHECKED_CHUNKS)]:
        document = index.document(name)
        chunks = index.chunks(name)
        if document is not None and chunks:
            place = len(drawn) % len(chunks)
            drawn[f"{name}#{place}"] = embedding_text(document.title, chunks[place])
    vectors = embedder.embed(list(drawn.values()))
    for query in queries[:: max(1, len(queries) // CHECKED_QUERIES)]:
        wanted = embedder.embed([query])[0]
        hits = {hit.chunk_id: hit for hit in index.search(query, top_k=10, mode="dense")}
        floor = min(hit.score for hit in hits.values())
        for name, cosine in zip(drawn, vectors @ wanted, strict=True):
            if cosine > floor + 1e-4 and name not in hits:
                raise SystemExit(f"wrong answer: {name!r} has cosine {cosine} to {query!r}, the last hit {floor}")
        for hit in hits.values():
            chunk = ragstone.Chunk(0, len(hit.text), hit.text, hit.headings)
            again = float(embedder.embed([embedding_text(hit.title, chunk)])[0] @ wanted)
            if not np.isclose(again, hit.score, atol=1e-4):
                raise SystemExit(f"wrong score: {hit.chunk_id!r} has {hit.score}, its text {again}")
    return len(drawn) * CHECKED_QUERIES


def percentiles(times: list[float]) -> dict[str, float]:
    """Median, 95th and 99th percentile and maximum, in milliseconds."""
    cuts = statistics.quantiles(times, n=100)
    return {
        "p50": round(cuts[49], 2),
        "p95": round(cuts[94], 2),
        "p99": round(cuts[98], 2),
        "max": round(max(times), 2),
    }


def memory() -> dict[str, float]:
    """Resident memory of this process: its own, and pages of mapped files that the system may drop at any time."""
    fields = {}
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]:
        name, _, value = line.partition(":")
        fields[name] = int(value.split()[0]) / 1024
    own = fields.get("Anonymous", 0.0)
    return {"resident": round(fields["Rss"], 1), "own": round(own, 1), "mapped_files": round(fields["Rss"] - own, 1)}


if __name__ == "__main__":
    main()
