"""The queries that the router learns from: public sets, hand-written cases, contrast rows made of templates."""

from __future__ import annotations

import binascii
import json
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CASES = (HERE / "router_cases.jsonl", HERE / "router_cases_wide.jsonl")
WRITTEN = HERE / "router_train"
IN_DOMAIN = HERE.parents[1] / "corpora" / "evaluation" / "router" / "in_domain.jsonl"
FOLDS = 5
UNKNOWN = -1
SYNTHETIC_ROWS = {"factual": 4000, "behavioural": 4000, "wrappers": 3000, "hybrid": 2000, "other": 3000}
SYNTHETIC_LABELS = {"factual": (1, 0), "behavioural": (0, 1), "wrappers": (1, 1), "hybrid": (1, 1), "other": (0, 0)}
SYNTHETIC_WEIGHT = 0.5
# How much a source counts in all, whatever its number of rows: variety of sources helps, more of the same does not.
SOURCE_WEIGHT = {"dolly": 3000, "nq": 2000, "msmarco": 2000, "banking": 1500, "ifeval": 800, "followbench": 500}
SOURCE_WEIGHT |= {"seedclf": 100, "bitext": 800}
# A row written by hand is worth several found ones: its label is certain and it stands near the border.
HAND_WEIGHT = 8.0


@dataclass(frozen=True)
class Row:
    """A query with its labels; ``UNKNOWN`` where a source does not tell. Rows of one group stay together."""

    text: str
    facts: int
    behaviour: int
    source: str
    weight: float = 1.0
    group: str = ""
    twin: bool = False

    @property
    def hand(self) -> bool:
        """Whether it was written and labelled by hand for this project."""
        return bool(self.group)

    @property
    def fold(self) -> int:
        """Its part of the cross-validation; -1 for what is always learnt from."""
        return binascii.crc32(self.group.encode()) % FOLDS if self.group else -1


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Rows of a JSON-lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def public_rows(folder: Path) -> list[Row]:
    """The public sets under their labels; what a set's labels do not say stays unknown."""
    rows: list[Row] = []
    for source in ("nq", "msmarco", "banking"):
        rows += [Row(row["text"], 1, 0, source) for row in read_jsonl(folder / f"{source}.jsonl")]
    # Constraints are often put on a real question: behaviour is certain, the need for facts is not.
    for source in ("ifeval", "followbench"):
        rows += [Row(row["text"], UNKNOWN, 1, source) for row in read_jsonl(folder / f"{source}.jsonl")]
    rows += [Row(row["text"], 0, 1, "seedclf") for row in read_jsonl(folder / "seedclf.jsonl")]
    labels = {
        "open_qa": (1, 0),
        "closed_qa": (1, 0),
        "general_qa": (1, 0),
        "classification": (0, 1),
        "creative_writing": (0, 1),
    }
    for row in read_jsonl(folder / "dolly15k.jsonl"):
        if row["category"] in labels:
            rows.append(Row(row["instruction"], *labels[row["category"]], "dolly"))
    for row in read_jsonl(folder / "bitext-intents.jsonl"):
        asks = re.search(
            r"\b(how|what|where|when|which|who|why|know|information|question|can i|could i|do i)\b", row["text"].lower()
        )
        rows.append(Row(row["text"], int(bool(asks)), 0, "bitext"))
    return rows


def hand_rows(path: Path, split: str = "train", late: bool | None = None) -> list[Row]:
    """The hand-labelled cases of one file that lie in a split; contrast pairs share a group."""
    rows = []
    for number, case in enumerate(read_jsonl(path)):
        if case.get("split", "train") != split or (late is not None and bool(case.get("late")) != late):
            continue
        named = re.search(r"\bpair (\S+)", str(case.get("note", "")))
        # Pairs without a name were written one after the other.
        block = number // 24 if path.parent == WRITTEN else number
        group = f"{path.stem}:{named[1]}" if named else f"{path.stem}:{block}"
        rows.append(Row(case["text"], int(case["need_facts"]), int(case["need_behaviour"]), path.stem, group=group))
    return rows


def own_rows() -> list[Row]:
    """All hand-labelled cases that may be learnt from."""
    files = [*CASES, IN_DOMAIN, *sorted(WRITTEN.glob("*.jsonl"))]
    return [row for path in files for row in hand_rows(path)]


def is_mislabelled(row: Row) -> bool:
    """Dolly's creative writers also asked plain questions; they would teach that a question prescribes behaviour."""
    return (
        row.source == "dolly"
        and row.behaviour == 1
        and bool(re.match(r"(?i)(who|when|where|why|how|does|do|should|can) ", row.text))
    )


def topics(rows: Iterable[Row]) -> list[str]:
    """What factual queries are about, so that the same topics can appear in every class."""
    patterns = (
        r"what (?:is|are|was) (?:the |a |an )?([\w' -]{3,40})$",
        r"(?:definition|meaning|cost) of ([\w' -]{3,40})$",
    )
    found: dict[str, None] = {}
    for row in rows:
        if row.facts == 1 and row.behaviour == 0:
            for pattern in patterns:
                match = re.match(pattern, row.text.lower().strip(" ?."))
                if match and len(match[1].split()) <= 5:
                    found[match[1]] = None
    return list(found)


def synthetic_rows(real: Sequence[Row], seed: int = 7) -> list[Row]:
    """Contrast rows: the same topics and questions as plain, prescribed, both, and neither."""
    rng = random.Random(seed)
    templates = json.loads((HERE / "router_templates.json").read_text(encoding="utf-8"))
    slots: dict[str, list[str]] = templates["slots"]
    found = topics(real)
    questions = [row.text for row in real if row.facts == 1 and row.behaviour == 0 and len(row.text) < 120]

    def fill(match: re.Match[str]) -> str:
        name = match[1].rstrip("2")
        if name == "identifier":
            return identifier(rng)
        if name == "topic":
            return rng.choice(found) if found and rng.random() < 0.7 else rng.choice(slots["topic"])
        return rng.choice(questions) if name == "question" else rng.choice(slots[name])

    rows = []
    for kind, count in SYNTHETIC_ROWS.items():
        for number in range(count):
            text = re.sub(r"\{(\w+)\}", fill, templates[kind][number % len(templates[kind])])
            rows.append(Row(text, *SYNTHETIC_LABELS[kind], kind))
    return rows


def identifier(rng: random.Random) -> str:
    """An error code, part number or setting as people paste them into a search box."""
    letters = "".join(rng.choices("ABCDEFGHKLMNPRSTXZ", k=rng.randint(1, 4)))
    number = str(rng.randint(10, 99999))
    words = rng.sample(
        ["conn", "auth", "max", "timeout", "disk", "http", "ssl", "init", "user", "cache", "net", "write"], 2
    )
    forms = (
        letters + number,
        f"{letters}-{number}",
        f"{letters}_{words[0].upper()}_{words[1].upper()}",
        "_".join(words),
    )
    return rng.choice((*forms, f"0x{number}", words[0].title() + words[1].title() + rng.choice(("Error", "Exception"))))


def mistyped(text: str, rng: random.Random, errors: int = 1) -> str:
    """The text with typing errors: letters swapped, dropped or doubled inside words."""
    letters = list(text)
    for _ in range(errors):
        places = [i for i in range(1, len(letters) - 1) if letters[i].isalpha() and letters[i + 1].isalpha()]
        if not places:
            break
        place, kind = rng.choice(places), rng.randrange(3)
        if kind == 0:
            letters[place], letters[place + 1] = letters[place + 1], letters[place]
        elif kind == 1:
            del letters[place]
        else:
            letters.insert(place, letters[place])
    return "".join(letters)


def without_punctuation(text: str) -> str:
    """The text without any mark between words."""
    return " ".join(re.sub(r"[^\w\s]", " " if " " in text else "", text).split())


def augmented(rows: Sequence[Row], seed: int = 11) -> list[Row]:
    """Each row with the twins that share its weight: one without marks where it has any, for many a mistyped one."""
    rng = random.Random(seed)
    out = []
    for row in rows:
        twins = [row.text]
        if rng.random() < 0.4:
            twins.append(mistyped(row.text, rng, 1 + len(row.text) // 60))
        stripped = without_punctuation(row.text)
        if stripped and stripped != " ".join(row.text.rstrip("?.! ").split()):
            twins.append(stripped)
        weight = row.weight / len(twins)
        out += [replace(row, text=text, weight=weight, twin=number > 0) for number, text in enumerate(twins)]
    return out


def weighted(rows: Sequence[Row]) -> list[Row]:
    """Rows with the weight that their source gives them."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.source] = counts.get(row.source, 0) + 1

    def weight(row: Row) -> float:
        if row.hand:
            return HAND_WEIGHT
        return SOURCE_WEIGHT[row.source] / counts[row.source] if row.source in SOURCE_WEIGHT else SYNTHETIC_WEIGHT

    return [replace(row, weight=weight(row)) for row in rows]


def training_rows(real: Sequence[Row], own: Sequence[Row], *, synthetic: bool = True) -> list[Row]:
    """Everything that is learnt from, given the real rows that may be seen."""
    kept = [row for row in real if not is_mislabelled(row)]
    made = synthetic_rows(kept) if synthetic else []
    return augmented(weighted([*kept, *own, *made]))
