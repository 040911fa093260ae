"""Facts that history proves to have changed: precision and recall on two corpora of two versions.

python benches/eval_recommender_superseded.py
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ragstone
from ragstone import Document, Superseded
from ragstone.estimates import proportion

sys.path.insert(0, str(Path(__file__).resolve().parent))
from targets import Figure, show

CORPORA = Path(__file__).resolve().parent.parent / "corpora"
HANDBOOK = CORPORA / "handbook"
WRITTEN = CORPORA / "evaluation" / "superseded"
TARGET = 0.9
# What differs between the editions and is not in the list of changed facts.
FURTHER = {"2026-01/price-list.md": "14 %", "2026-01/support-sla.md": "8 hours; at most 30 %"}

Find = Callable[[list[str]], list[list[Superseded]]]


@dataclass
class Counts:
    """Spans found that are right and wrong, facts that were to be found and were."""

    right: int = 0
    wrong: int = 0
    found: int = 0
    wanted: int = 0
    mistakes: list[str] = field(default_factory=list)

    def add(self, name: str, text: str, spans: list[Superseded], wanted: list[tuple[int, int]], also: str = "") -> None:
        """Count one text; ``also`` are further facts that have changed."""
        hits = [[span.start < end and start < span.end for start, end in wanted] for span in spans]
        for span, hit in zip(spans, hits, strict=True):
            right = any(hit) or span.text in also
            self.right += right
            self.wrong += not right
            if not right:
                self.mistakes.append(f"wrong  {name}: {span.text!r} of {span.document_id} in {text!r}")
        for number, (start, end) in enumerate(wanted):
            found = any(hit[number] for hit in hits)
            self.found += found
            self.wanted += 1
            if not found:
                self.mistakes.append(f"missed {name}: {text[start:end]!r} in {text!r}")

    def figures(self, name: str) -> list[Figure]:
        """Precision and recall with Clopper and Pearson's intervals."""
        shown = []
        for what, part, whole in (
            ("precision", self.right, self.right + self.wrong),
            ("recall", self.found, self.wanted),
        ):
            estimate = proportion(part, whole) if whole else None
            value = estimate.value if estimate else None
            note = f"[{estimate.low:.3f}, {estimate.high:.3f}]" if estimate else ""
            shown.append(Figure.at_least(f"superseded: {what}, {name}", value, TARGET, n=whole, note=note))
        return shown


def _jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def written(split: str) -> Counts:
    """The answers of one half of the written corpus, with the documents of both halves in the index."""
    counts = Counts()
    rows = _jsonl(WRITTEN / "documents.jsonl")
    with tempfile.TemporaryDirectory() as folder, ragstone.open(folder, embedder=None) as index:
        for version in ("old", "new"):
            index.upsert(Document(str(row["_id"]), str(row[version]), title=str(row["title"])) for row in rows)
        answers = [row for row in _jsonl(WRITTEN / "answers.jsonl") if row["split"] == split]
        for row, spans in zip(answers, index.superseded([str(row["text"]) for row in answers]), strict=True):
            counts.add(str(row["_id"]), str(row["text"]), spans, [tuple(span) for span in row["superseded"]])
    return counts


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def _sentence(text: str, literal: str) -> tuple[str, int]:
    """The first line, or sentence of a paragraph, that holds ``literal``, and where it begins therein."""
    line = next(line for line in text.splitlines() if literal in line)
    at = line.index(literal)
    start = max((match.end() for match in re.finditer(r"\. ", line[:at])), default=0)
    end = re.search(r"\. ", line[at + len(literal) :])
    stop = len(line) if end is None else at + len(literal) + end.start() + 1
    return line[start:stop], at - start


def handbook() -> dict[str, Counts]:
    """The 45 changed facts of the handbook: as named in its list, and in the sentences of both editions."""
    named, sentences, checkable = Counts(), Counts(), Counts()
    rows = _jsonl(HANDBOOK / "queries" / "changed-facts.jsonl")
    changed = dict(FURTHER)
    for row in rows:
        name = str(row["old_document"])
        changed[name] = f"{changed.get(name, '')}; {row['old_text']}"
    with tempfile.TemporaryDirectory() as folder, ragstone.open(folder, embedder=None) as index:
        others = [one for one in sorted((HANDBOOK / "documents").iterdir()) if not one.name.startswith("2026-")]
        for path in others:
            index.ingest(path)
        editions: dict[str, dict[str, Document]] = {}
        for edition in ("2026-01", "2026-07"):
            with tempfile.TemporaryDirectory() as aside, ragstone.open(aside, embedder=None) as reader:
                reader.ingest(HANDBOOK / "documents" / edition)
                found = [reader.document(name) for name, _, _ in reader.sources()]
            editions[edition] = {document.document_id: document for document in found if document is not None}
            index.upsert(editions[edition].values())
        for row in rows:
            name = str(row["_id"])
            texts = {}
            for age, edition in (("old", "2026-01"), ("new", "2026-07")):
                source = Path(str(row[f"{age}_document"])).name
                texts[age] = _plain_lines(editions[edition][source].text)
            for age in ("old", "new"):
                literal = str(row[f"{age}_text"]).replace("&nbsp;", " ")
                short = f"{row['fact']}: {literal}"
                at = len(short) - len(literal)
                wanted = [(at, len(short))] if age == "old" else []
                [spans] = index.superseded([short])
                named.add(name, short, spans, wanted)
                if any(c.isdigit() for c in str(row["old_text"])):
                    checkable.add(name, short, spans, wanted)
                whole, at = _sentence(texts[age], literal)
                wanted = [(at, at + len(literal))] if age == "old" else []
                [spans] = index.superseded([whole])
                further = changed[str(row["old_document"])] if age == "old" else ""
                sentences.add(name, whole, spans, wanted, also=further)
    return {
        "handbook, all 45 named facts": named,
        "handbook, named facts with a figure": checkable,
        "handbook, sentences as they stand": sentences,
    }


def _plain_lines(text: str) -> str:
    return text.replace("\u00a0", " ")


def figures(shared: Path) -> list[Figure]:
    """Every figure beside its target."""
    del shared
    parts = {f"written, {split}": written(split) for split in ("tuning", "held_out")} | handbook()
    return [figure for name, counts in parts.items() for figure in counts.figures(name)]


def main(arguments: Iterable[str]) -> None:
    """Print the figures; with ``-v`` the mistakes, those of the held-out half left out."""
    parts = handbook() | {f"written, {split}": written(split) for split in ("tuning", "held_out")}
    for name, counts in parts.items():
        show(counts.figures(name))
        if "-v" in arguments and "held_out" not in name:
            print(*counts.mistakes, sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
