"""The main job shown on a folder of documents with questions: five kinds of query, an update, latency and quality."""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import ragstone
from ragstone.errors import InvalidInput
from ragstone.index import Mode
from ragstone.records import Answer

__all__ = ["demo"]

_WIDTH = 96
# Questions of which kind are shown; the corpus has many more of each, and all of them are measured below.
_FACTUAL = "How long is the warranty of the Harbour H4?"
_UNANSWERABLE = "Why do cats purr?"
_BEHAVIOURAL = "Write a tweet about our refund policy that sounds like us."
_HYBRID = "Answer in our brand voice: what is the refund policy?"
_CHANGED_FILE = "legal/warranty.md"
_CHANGE = ("| Harbour H4 | 60 months |", "| Harbour H4 | 72 months |")


def demo(corpus: Path, *, embedder: str = "auto") -> int:
    """Ingest the corpus, ask one question of each kind, change a document, then measure all questions."""
    if not (corpus / "documents").is_dir():
        raise InvalidInput(
            f"{str(corpus)!r} has no folder 'documents': run this in the project's root, or name the corpus"
        )
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="ragstone-demo-") as folder:
        documents = Path(folder) / "handbook"
        shutil.copytree(corpus / "documents", documents)
        with ragstone.open(Path(folder) / "kb", embedder=embedder) as index:
            _heading("1. Documents in")
            report = index.ingest(documents)
            print(report)
            name = index.embedder.name if index.embedder is not None else "none"
            print(f"embedder: {name}; instruction set: {ragstone._core.instruction_set()}")
            _show(index.ask(_FACTUAL, top_k=2), "2. A factual question: cited passages")
            _show(index.ask(_UNANSWERABLE), "3. A question that the corpus cannot answer: it abstains")
            _show(index.ask(_BEHAVIOURAL), "4. A behavioural request: advice instead of passages")
            _show(index.ask(_HYBRID, top_k=2), "5. A hybrid request: passages and advice")
            _update(index, documents)
            _measure(index, corpus / "queries")
    print(f"\ndemo took {time.perf_counter() - started:.1f} s; nothing left this machine")
    return 0


def _heading(text: str) -> None:
    print(f"\n── {text} " + "─" * max(3, _WIDTH - len(text) - 4))


def _show(answer: Answer, heading: str) -> None:
    _heading(heading)
    print(f"? {answer.query}")
    print(answer)


def _update(index: ragstone.Index, documents: Path) -> None:
    _heading("6. A document changes: the next query knows")
    path = documents / _CHANGED_FILE
    text = path.read_text(encoding="utf-8")
    if _CHANGE[0] not in text:
        raise InvalidInput(f"{_CHANGED_FILE} does not say {_CHANGE[0]!r} any more: adapt the demo")
    path.write_text(text.replace(*_CHANGE), encoding="utf-8")
    started = time.perf_counter()
    report = index.ingest(documents)
    answer = index.ask(_FACTUAL, top_k=1)
    milliseconds = (time.perf_counter() - started) * 1000
    print(f"{_CHANGED_FILE}: {_CHANGE[0]!r} became {_CHANGE[1]!r}")
    print(
        f"ingest again: {report.count('replaced')} replaced, {report.count('unchanged')} unchanged; "
        f"then asked: {milliseconds:.0f} ms in all"
    )
    line = next((line for hit in answer.hits for line in hit.text.splitlines() if "Harbour H4" in line), "(not found)")
    print(f"the first hit now says: {line}")


def _measure(index: ragstone.Index, queries: Path) -> None:
    _heading("7. All questions of the corpus")
    answerable = {row["_id"]: row["text"] for row in _rows(queries / "answerable.jsonl")}
    qrels: dict[str, dict[str, int]] = {}
    for line in (queries / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        qrels.setdefault(query, {})[document] = int(grade)
    modes: tuple[Mode, ...] = ("hybrid", "bm25", "dense") if index.embedder is not None else ("bm25",)
    for mode in modes:
        measured = ragstone.evaluate(index, answerable, qrels, metrics=["nDCG@10", "RR@10", "R@10"], mode=mode)
        print(f"{mode:<7}" + "   ".join(f"{name} {value:.3f}" for name, value in measured.items()))
    kinds = {"answerable": "retrieve", "behavioural": "advisory_finetune", "hybrid": "hybrid"}
    for kind, path in kinds.items():
        asked = [row["text"] for row in _rows(queries / f"{kind}.jsonl")]
        right = sum(index.ask(text).path == path for text in asked)
        print(f"{kind}: {right} of {len(asked)} took the path {path!r}")
    kept = [not index.ask(text).abstained for text in answerable.values()]
    refused = [index.ask(row["text"]).abstained for row in _rows(queries / "unanswerable.jsonl")]
    print(
        f"abstained on {sum(refused)} of {len(refused)} unanswerable "
        f"and {kept.count(False)} of {len(kept)} answerable questions"
    )
    latencies = sorted(index.ask(text).latency_ms for _ in range(2) for text in answerable.values())
    cuts = statistics.quantiles(latencies, n=100)
    print(
        f"ask, {len(latencies)} times: p50 {cuts[49]:.2f} ms, p95 {cuts[94]:.2f} ms, p99 {cuts[98]:.2f} ms, "
        "the query's embedding included"
    )


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)
