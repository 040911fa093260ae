"""Makes a year of a company: its handbook in all its versions, what was asked, and which answers were approved.

    python corpora/evaluation/year/year.py --into year/ [--seed 0] [--per-day 30]

Writes ``kb/`` (the handbook of ``corpora/handbook`` after a year of changes, with its history), ``log.jsonl`` (the
queries, with time, user and, where an editor approved one, the answer), ``examples.jsonl`` (requests and approved
answers, to train on) and ``needs.toml``. The same seed makes the same year, which ends on 1 November 2026.

Texts are the handbook's own: prices and rates get new values each month, policies their July edition in July, release
notes appear as they were published. Queries are those of ``corpora/handbook/queries`` and the requests of
``corpora/evaluation/router``; approved answers put the answer's words, as they stood on that day, into one of a few
frames in the company's voice.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import ragstone
from ragstone import Document
from ragstone.documents import read_document

ROOT = Path(__file__).resolve().parents[3]
HANDBOOK = ROOT / "corpora" / "handbook"
REQUESTS = ROOT / "corpora" / "evaluation" / "router" / "in_domain.jsonl"
END = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
DAYS = 365
JULY = dt.datetime(2026, 7, 1, tzinfo=dt.UTC)
# What people ask of a support desk that also writes in a company's voice.
SHARES = {"factual": 0.52, "unanswerable": 0.04, "behavioural": 0.22, "hybrid": 0.16, "other": 0.06}
# Documents with amounts that sales and logistics revise, and how often.
REVISED_DAYS = {"price-list.md": 30, "shipping-rates.html": 60, "travel-policy.md": 120}
APPEARED = {
    "canopy-2026-05.md": (2026, 5, 12),
    "canopy-2026-06.md": (2026, 6, 16),
    "firmware-2026-h1.txt": (2026, 7, 3),
}
FRAMES = (
    "Thank you for asking. {answer}. If anything is unclear, write back and we will look at it together.",
    "Good question. {answer}. We are here if you need more.",
    "Here is what holds today: {answer}. Please tell us if that does not fit your case.",
    "{answer}. That is all you need to know for now; we are glad to help further.",
)
NEEDS = """\
# What the support desk has promised. Leave out what is not known: it is measured, or said to be missing.
audit = "high"                 # answers go to customers with a source
style_contract_hard = true     # every answer in the house's voice
latency_ms_p95 = 2000
queries_per_day = {per_day}
context_tokens = 8192
target_pass_rate = 0.95
"""


@dataclass(frozen=True)
class Version:
    """The text that a document had from a day on."""

    day: dt.datetime
    document: Document


def main() -> None:
    """Write the year."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER", help="a folder that is made")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--per-day", type=int, default=30, metavar="QUERIES")
    parser.add_argument("--embedder", default="builtin")
    options = parser.parse_args()
    print(write_year(options.into, seed=options.seed, per_day=options.per_day, embedder=options.embedder))


def write_year(folder: Path, *, seed: int = 0, per_day: int = 30, embedder: str = "builtin") -> str:
    """Writes index, log, examples and needs; returns what was written, in a line."""
    folder.mkdir(parents=True)
    versions = sorted(document_versions(seed), key=lambda version: (version.day, version.document.document_id))
    with ragstone.open(folder / "kb", embedder=embedder) as index:
        for day in sorted({version.day for version in versions}):
            index.upsert([version.document for version in versions if version.day == day], changed_at=day)
        chunks = len(index)
    log = list(asked(seed, per_day, versions))
    lines(folder / "log.jsonl", log)
    examples = [{"prompt": row["text"], "completion": row["answer"], "ts": row["ts"]} for row in log if "answer" in row]
    lines(folder / "examples.jsonl", examples)
    (folder / "needs.toml").write_text(NEEDS.format(per_day=per_day), encoding="utf-8")
    return f"{len(versions)} versions in {chunks} chunks, {len(log):,} queries, {len(examples):,} approved answers"


def lines(path: Path, rows: list[dict[str, str]]) -> None:
    """Writes rows as JSON Lines."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


# ── documents ─────────────────────────────────────────────────────────────────────────────────────────────────────


def document_versions(seed: int) -> Iterator[Version]:
    """Every version of every document. Those that have two editions are one document that was replaced in July."""
    documents, begin = HANDBOOK / "documents", END - dt.timedelta(days=DAYS)
    for path in sorted(path for path in documents.rglob("*") if path.is_file()):
        edition, day = path.parent.name, begin
        name = path.name if edition in ("2026-01", "2026-07") else str(path.relative_to(documents))
        if edition == "2026-07":
            day = JULY
        elif path.name in APPEARED:
            day = dt.datetime(*APPEARED[path.name], tzinfo=dt.UTC)
        document = replace(read_document(path, root=documents), document_id=name, source=name)
        yield Version(day, document)
        if path.name in REVISED_DAYS:
            end = JULY if edition == "2026-01" else END
            yield from revisions(document, day, end, REVISED_DAYS[path.name], seed)


def revisions(document: Document, day: dt.datetime, end: dt.datetime, every: int, seed: int) -> Iterator[Version]:
    """Further versions of a document, in each of which some amounts of money have moved by a few per cent."""
    rng = random.Random(f"{seed} {document.document_id} {day.date()}")
    text = document.text
    while (day := day + dt.timedelta(days=every)) < end:
        text = re.sub(r"€(\d+)\.00", lambda found: moved(found, rng), text)
        yield Version(day, replace(document, text=text, content_sha256=""))


def moved(amount: re.Match[str], rng: random.Random) -> str:
    """One amount in two keeps its value; the others keep their number of digits, so that sections stay in place."""
    value = int(amount[1])
    other = str(value + rng.choice((-1, 1)) * max(1, round(value * rng.uniform(0.01, 0.06))))
    return f"€{other}.00" if len(other) == len(amount[1]) and rng.random() < 0.5 else amount[0]


# ── queries ───────────────────────────────────────────────────────────────────────────────────────────────────────


def pools() -> dict[str, list[dict[str, str]]]:
    """Queries of each kind; factual ones with the document and the words that answer them, where that is known."""

    def rows(name: str) -> list[dict[str, str]]:
        return read(HANDBOOK / "queries" / name)

    answers = {row["_id"]: row for row in rows("answers.jsonl")}
    found: dict[str, list[dict[str, str]]] = {
        "factual": [answers[row["_id"]] | row for row in rows("answerable.jsonl")],
        "unanswerable": rows("unanswerable.jsonl"),
        "behavioural": rows("behavioural.jsonl"),
        "hybrid": rows("hybrid.jsonl"),
        "other": [],
    }
    kinds = {(1, 0): "factual", (0, 1): "behavioural", (1, 1): "hybrid", (0, 0): "other"}
    for request in read(REQUESTS):
        found[kinds[int(request["need_facts"]), int(request["need_behaviour"])]].append(request)
    return found


def read(path: Path) -> list[dict[str, str]]:
    """Rows of a JSON-lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def asked(seed: int, per_day: int, versions: list[Version]) -> Iterator[dict[str, str]]:
    """The log, in order of time: more on weekdays, few queries often and many seldom."""
    rng = random.Random(f"{seed} log")
    kinds, found = list(SHARES), pools()
    for pool in found.values():
        rng.shuffle(pool)
    weights = {kind: [1 / (rank + 8) for rank in range(len(pool))] for kind, pool in found.items()}
    for number in range(DAYS):
        day = END - dt.timedelta(days=DAYS - number)
        count = per_day if day.weekday() < 5 else per_day // 3
        moments = sorted(rng.uniform(7 * 3600, 19 * 3600) for _ in range(rng.randint(count * 3 // 4, count * 5 // 4)))
        for moment in moments:
            kind = rng.choices(kinds, list(SHARES.values()))[0]
            query = rng.choices(found[kind], weights[kind])[0]
            time = day + dt.timedelta(seconds=int(moment))
            row = {
                "text": typed(query["text"], rng),
                "ts": time.isoformat(),
                "user": f"u{int(rng.paretovariate(0.8)) % 400:03}",
            }
            answer = approved(query, time, versions, rng) if rng.random() < 0.3 else None
            yield row | ({"answer": answer} if answer else {})


def typed(text: str, rng: random.Random) -> str:
    """The query as somebody types it: now and then in lower case, without its last mark, or with a word of thanks."""
    chance = rng.random()
    if chance < 0.15:
        return text.lower().rstrip("?.")
    if chance < 0.25:
        return text.rstrip("?.")
    return f"Hello, {text[0].lower()}{text[1:]}" if chance < 0.3 else text


def approved(query: dict[str, str], time: dt.datetime, versions: list[Version], rng: random.Random) -> str | None:
    """What an editor signed: the line that answers, as the document had it on that day, in the house's voice."""
    if "answer_text" not in query:
        return None
    name = Path(query["document"])
    identity = name.name if name.parts[0] in ("2026-01", "2026-07") else str(name)
    then = [version for version in versions if version.document.document_id == identity and version.day <= time]
    words = re.findall(r"\w+", query["answer_text"])[:4]
    line = (
        next((line for line in then[-1].document.text.splitlines() if all(word in line for word in words)), None)
        if then
        else None
    )
    if line is None:
        return None
    said = re.sub(r"\s*\|\s*", ", ", line.strip(" |#-*")).rstrip(".")
    return rng.choice(FRAMES).format(answer=said)


if __name__ == "__main__":
    main()
