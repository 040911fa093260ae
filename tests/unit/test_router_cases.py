"""Keeps the hand-labelled queries honest: balance, splits that do not leak, no case that repeats another one."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

from shared_data import shared_data

ROOT = Path(__file__).resolve().parents[2]
FIRST = ROOT / "python" / "models" / "router_cases.jsonl"
WIDE = ROOT / "python" / "models" / "router_cases_wide.jsonl"
TRAIN = ROOT / "python" / "models" / "router_train"
IN_DOMAIN = ROOT / "corpora" / "evaluation" / "router" / "in_domain.jsonl"
DOCUMENTS = ROOT / "corpora" / "handbook" / "documents"
HANDBOOK = ROOT / "corpora" / "handbook" / "queries"
# Each file with the least number of cases of any class.
FILES = {WIDE: 160, IN_DOMAIN: 40}
FIELDS = {"text", "need_facts", "need_behaviour", "note", "source", "split"}
NEAR = 0.6

Case = dict[str, object]


def _cases(path: Path) -> list[Case]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _texts(path: Path) -> list[str]:
    return [str(case["text"]) for case in _cases(path)]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _grams(text: str) -> set[object]:
    """Words and pairs of words: two texts that share most of them say the same."""
    words = _words(text)
    return {*words, *pairwise(words)}


def _near(left: set[object], right: set[object]) -> bool:
    return len(left & right) >= NEAR * len(left | right)


def _pair(case: Case) -> str | None:
    found = re.search(r"\bpair (\w+)", str(case["note"]))
    return found.group(1) if found else None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_fields_counts_and_balance(path: Path) -> None:
    """Catches a missing field, a label that is no label, a class that is rare, and a split that is lopsided."""
    cases = _cases(path)
    for case in cases:
        assert set(case) - {"document"} == FIELDS
        assert str(case["text"]).strip() == case["text"] != ""
        assert {case["need_facts"], case["need_behaviour"]} <= {0, 1}
        assert case["source"] == "own" and case["split"] in {"train", "test"}
    count = Counter((case["need_facts"], case["need_behaviour"], case["split"]) for case in cases)
    for facts, behaviour in ((1, 0), (0, 1), (1, 1), (0, 0)):
        train, test = count[facts, behaviour, "train"], count[facts, behaviour, "test"]
        assert train + test >= FILES[path]
        assert abs(train - test) <= 0.1 * (train + test)


def test_in_domain_facts_name_a_document_that_exists() -> None:
    """Catches a query about a fact of the handbook without the document that holds it, and the reverse."""
    cases = _cases(IN_DOMAIN)
    assert sum(case["need_facts"] == 1 for case in cases) >= 160
    for case in cases:
        assert (case["document"] is not None) == bool(case["need_facts"]), case["text"]
        assert case["document"] is None or (DOCUMENTS / str(case["document"])).is_file()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_pairs_differ_in_label_and_share_a_split(path: Path) -> None:
    """Catches a contrast pair of which one half is trained on and the other tested, and a pair without contrast."""
    pairs = defaultdict(list)
    for case in _cases(path):
        if name := _pair(case):
            pairs[name].append(case)
    assert len(pairs) >= 40
    for name, members in pairs.items():
        assert len({case["split"] for case in members}) == 1, name
        assert len({(case["need_facts"], case["need_behaviour"]) for case in members}) >= 2, name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_case_repeats_another(path: Path) -> None:
    """Catches a case that says again what another one says; only members of one pair may resemble each other."""
    others = [
        *_texts(FIRST),
        *(
            text
            for name in ("answerable", "unanswerable", "behavioural", "hybrid")
            for text in _texts(HANDBOOK / f"{name}.jsonl")
        ),
    ]
    others += [text for other in FILES if other != path for text in _texts(other)]
    seen: list[tuple[str, str | None, set[object]]] = [(text, None, _grams(text)) for text in others]
    repeated = []
    for case in _cases(path):
        text, pair, grams = str(case["text"]), _pair(case), _grams(str(case["text"]))
        repeated += [
            (text, other)
            for other, its_pair, its_grams in seen
            if (pair is None or pair != its_pair or text.lower() == other.lower()) and _near(grams, its_grams)
        ]
        seen.append((text, pair, grams))
    assert repeated == []


def test_nothing_is_taken_from_the_public_sets() -> None:
    """Catches eight words in a row, or a whole query, that stand in a public set of queries."""
    folder = shared_data("queries")
    eights: set[tuple[str, ...]] = set()
    whole: set[str] = set()
    for path in sorted(folder.glob("*.jsonl")):
        for row in _cases(path):
            words = _words(str(row.get("text") or row["instruction"]))
            whole.add(" ".join(words))
            eights |= {tuple(words[start : start + 8]) for start in range(len(words) - 7)}
    assert len(whole) >= 10_000
    taken = []
    for text in (text for path in FILES for text in _texts(path)):
        words = _words(text)
        if " ".join(words) in whole or any(tuple(words[i : i + 8]) in eights for i in range(len(words) - 7)):
            taken.append(text)
    assert taken == []


def test_training_queries_do_not_echo_test_cases() -> None:
    """Catches a test case that was written again for training, in the same words or nearly so, and a broken row."""
    tests = [str(case["text"]) for path in (FIRST, WIDE, IN_DOMAIN) for case in _cases(path) if case["split"] == "test"]
    known = [set(_words(text)) for text in tests]
    by_word: dict[str, set[int]] = defaultdict(set)
    for number, words in enumerate(known):
        for word in words:
            by_word[word].add(number)
    plain = {" ".join(_words(text)) for text in tests}
    seen: Counter[tuple[object, object]] = Counter()
    for case in (case for path in sorted(TRAIN.glob("*.jsonl")) for case in _cases(path)):
        assert set(case) == FIELDS - {"split"} and {case["need_facts"], case["need_behaviour"]} <= {0, 1}
        seen[case["need_facts"], case["need_behaviour"]] += 1
        words = set(_words(str(case["text"])))
        shared = Counter(number for word in words for number in by_word[word])
        assert " ".join(_words(str(case["text"]))) not in plain
        for number, count in shared.items():
            both = len(words | known[number])
            assert both < 4 or count < NEAR * both, (case["text"], tests[number])
    assert len(seen) == 4 and min(seen.values()) >= 600
