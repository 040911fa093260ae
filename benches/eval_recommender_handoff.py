"""Figures of the hand-off: leaks found and left, superseded facts masked, files that load, and the case for labels.

python benches/eval_recommender_handoff.py [--shared ../shared]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ragstone
from ragstone.handoff import Handoff, find_leaks, write_bundle
from ragstone.handoff.formats import FORMATS, SCHEMAS
from ragstone.scoring import samples_needed

sys.path.insert(0, str(Path(__file__).resolve().parent))
from targets import Figure, show

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "corpora" / "evaluation" / "handoff"
ADVICE = {"decision": "fine_tune"}
PLANTED, MADE = 500, 50_000
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def figures(shared: Path) -> list[Figure]:
    """All figures; those that need the shared texts are told as not measured where these are absent."""
    found = [Figure.at_most("held out to claim 99 %, distance to 299", abs(samples_needed(0.99) - 299), 0, n=1)]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        return [*found, *history(place), *labels(place, shared), *planted(shared), *made(place, shared)]


def history(place: Path) -> list[Figure]:
    """The samples that ship: facts of the former edition, found by the index and masked; rows that keep to schemas."""
    editions = [json.loads(line) for line in (SAMPLES / "versions.jsonl").read_text(encoding="utf-8").splitlines()]
    with ragstone.open(place / "kb", embedder="builtin") as index:
        for half in (editions[:2], editions[2:]):
            index.upsert([ragstone.Document(row["document_id"], row["text"]) for row in half])
        done = write(place / "pairs", SAMPLES / "pairs.jsonl", index=index)
        left = sum(map(bool, index.superseded(texts(done))))
    again = write(place / "again", SAMPLES / "pairs.jsonl")
    third = write(place / "third", SAMPLES / "pairs.jsonl")
    same = [one.folder.joinpath("handoff.json").read_bytes() for one in (again, third)]
    return [
        Figure("superseded facts found in the samples", done.proven, "", "= 6", done.proven == 6, 6),
        Figure.at_most("superseded facts left in the masked export", left, 0, n=len(texts(done))),
        Figure.at_most("bundles of one seed that differ in a byte", int(same[0] != same[1]), 0, n=2),
        schemas(done),
    ]


def schemas(done: Handoff) -> Figure:
    """Rows of all forms against the schemas of the forms."""
    name = "rows that keep to their form's schema"
    try:
        from jsonschema import Draft202012Validator
    except ImportError:
        return Figure.at_least(name, None, 1.0, n=0, note="needs ragstone[eval]")
    checked = [
        Draft202012Validator(SCHEMAS[form]).is_valid(json.loads(line))
        for form in FORMATS
        for path in sorted((done.folder / "data" / form).glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").split("\n")
        if line
    ]
    return Figure.at_least(name, sum(checked) / len(checked), 1.0, n=len(checked))


def labels(place: Path, shared: Path) -> list[Figure]:
    """Customers' messages with their intents, and instructions with their categories: found, split, measured."""
    rows: list[Figure] = []
    for name, path, read in (
        ("intents", shared / "data" / "queries" / "bitext-intents.jsonl", lambda row: (row["text"], row["intent"])),
        (
            "categories",
            shared / "data" / "queries" / "dolly15k.jsonl",
            lambda row: (row["instruction"], row["category"]),
        ),
    ):
        if not path.exists():
            rows.append(Figure.stated(f"accuracy of the classifier, {name}", None, n=0, note="needs the shared texts"))
            continue
        pairs = [read(json.loads(line)) for line in path.read_text(encoding="utf-8").split("\n") if line]
        wanted = len({label for _, label in pairs})
        done = write(place / name, [{"text": text, "label": label} for text, label in pairs])
        rows += [
            Figure(
                f"labels found, {name}", len(done.labels), "", f"= {wanted}", len(done.labels) == wanted, len(pairs)
            ),
            Figure.at_most(f"held-out examples that leak, {name}", done.leaking, 0, n=done.valid + done.test),
            *case(name, done),
        ]
    synthetic = [{"text": word(label, n), "label": f"label {label}"} for label in range(77) for n in range(20)]
    done = write(place / "many", synthetic, embedder=None)
    rows.append(Figure("labels found, 77 made ones", len(done.labels), "", "= 77", len(done.labels) == 77, done.read))
    return rows


def case(name: str, done: Handoff) -> list[Figure]:
    """The measured case: classifier, retrieval alone, commonest label, what is gained, what is needed."""
    assert done.case is not None
    found = json.loads(json.dumps(done.case))
    rows = []
    for side in ("classifier", "retrieval", "majority"):
        for measure in ("accuracy", "macro_f1"):
            one = found[side][measure]
            interval = f"[{one['low']:.3f}, {one['high']:.3f}]"
            label = f"{measure.replace('macro_f1', 'macro-F1')}, {side}, {name}"
            rows.append(Figure.stated(label, one["value"], n=one["samples"], note=interval))
    gain = found["gain"]["accuracy"]
    note = f"[{gain['low']:+.3f}, {gain['high']:+.3f}]"
    curve = ", ".join(f"{point['examples']:,}: {point['accuracy']['value']:.3f}" for point in found["curve"])
    needed = found["needed"]
    return [
        *rows,
        Figure.stated(f"accuracy gained over retrieval, {name}", gain["value"], n=gain["samples"], note=note),
        Figure.stated(
            f"examples for 95 % accuracy by the law, {name}", needed["examples"], n=len(found["curve"]), note=curve
        ),
    ]


def planted(shared: Path) -> list[Figure]:
    """Copies of training texts planted among held-out ones, as people would make them."""
    names = {
        "exact": 1.0,
        "one word changed": 0.95,
        "made polite": 0.95,
        "a sentence added": 0.95,
        "turned round": 0.95,
    }
    path = shared / "data" / "queries" / "dolly15k.jsonl"
    if not path.exists():
        return [Figure.at_least(f"planted leaks found: {name}", None, least, n=0) for name, least in names.items()]
    numbers = random.Random(0)
    pool = [json.loads(line)["instruction"] for line in path.read_text(encoding="utf-8").split("\n") if line]
    pool = [text for text in dict.fromkeys(pool) if 10 <= len(text.split()) <= 60]
    numbers.shuffle(pool)
    train, other = pool[:3000], pool[3000:3500]
    plants: dict[str, Callable[[str], str]] = {
        "exact": lambda text: f" {text.upper()} !",
        "one word changed": lambda text: changed(text, numbers),
        "made polite": lambda text: f"Please help me: {text} Thanks",
        "a sentence added": lambda text: f"{text} {numbers.choice(other)}",
        "turned round": lambda text: " ".join([*text.split()[3:], *text.split()[:3]]),
    }
    embedder = ragstone.embedder("builtin")
    found = []
    for name, least in names.items():
        leaking = [plants[name](text) for text in numbers.sample(train, PLANTED)]
        seen = {leak.held_out for leak in find_leaks(train, leaking, embedder=embedder).leaks}
        found.append(Figure.at_least(f"planted leaks found: {name}", len(seen) / PLANTED, least, n=PLANTED))
    alarms = find_leaks(train, other, embedder=embedder)
    return [*found, Figure.stated("other texts called leaks", alarms.leaking, n=len(other), note=str(alarms))]


def changed(text: str, numbers: random.Random) -> str:
    words = text.split()
    words[numbers.randrange(len(words))] = "".join(numbers.choices(LETTERS, k=6))
    return " ".join(words)


def made(place: Path, shared: Path) -> list[Figure]:
    """A bundle of 50,000 examples: shared texts and variants of them."""
    folder, name = shared / "data" / "queries", f"seconds to write a bundle of {MADE:,} examples"
    if not folder.exists():
        return [Figure.at_most(name, None, 60, n=0, unit="s", note="needs the shared texts")]
    numbers = random.Random(0)
    pairs = [
        (row["instruction"], row["response"])
        for line in (folder / "dolly15k.jsonl").read_text(encoding="utf-8").split("\n")
        if line and (row := json.loads(line))
    ]
    while len(pairs) < MADE:
        text, answer = numbers.choice(pairs)
        pairs.append((changed(changed(f"{text} {numbers.choice(pairs)[0]}", numbers), numbers), answer))
    started, used = time.perf_counter(), time.process_time()
    done = write(place / "large", pairs)
    seconds, used = time.perf_counter() - started, time.process_time() - used
    return [
        Figure.at_most(name, seconds, 60, n=MADE, unit="s"),
        Figure.stated(f"processor seconds of that, {MADE:,} examples", used, n=MADE, unit="s"),
        Figure.at_most(f"held-out examples that leak, {MADE:,} examples", done.leaking, 0, n=done.valid + done.test),
    ]


def word(label: int, number: int) -> str:
    numbers = random.Random(f"{label} {number}")
    return " ".join("".join(numbers.choices(LETTERS, k=5)) for _ in range(8))


def write(place: Path, examples: Any, **options: Any) -> Handoff:
    return write_bundle(place, recommendation=ADVICE, examples=examples, **options)


def texts(done: Handoff) -> list[str]:
    """Every text of the exported messages."""
    return [
        turn["content"]
        for path in sorted((done.folder / "data" / "messages").glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").split("\n")
        if line
        for turn in json.loads(line)["messages"]
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    show(figures(parser.parse_args().shared))
