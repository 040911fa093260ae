"""Near-duplicates: found as a comparison of all pairs finds them, planted ones too, whole clusters on one side."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ragstone.embedding import embedder
from ragstone.errors import InvalidInput
from ragstone.handoff import find_leaks
from ragstone.handoff.leakage import clusters
from ragstone.handoff.similar import fingerprints, words
from ragstone.handoff.splitting import split_by_label, split_by_time
from shared_data import shared_data

BUILTIN = embedder("builtin")
WORDS = """
    parcel invoice gateway sensor refund label battery account plan node price order address delivery probe logger
    meter tank night button door winter stable forest harbour market report audit colleague certificate password"""
WORD_LIST = WORDS.split()


def sentence(numbers: random.Random, length: int) -> str:
    return " ".join(numbers.choice(WORD_LIST) for _ in range(length))


def exact(text: str, numbers: random.Random) -> str:
    return f"  {text.upper()}!! "


def typing_error(text: str, numbers: random.Random) -> str:
    split = text.split()
    split[numbers.randrange(len(split))] = "zzyzx"
    return " ".join(split)


def politeness(text: str, numbers: random.Random) -> str:
    return f"Please, {text}, thank you"


def half_copied(text: str, numbers: random.Random) -> str:
    return f"{text} {sentence(numbers, 40)}"


def exchanged(text: str, numbers: random.Random) -> str:
    split = text.split()
    return " ".join([*split[-2:], *split[:-2]])


def shuffled(text: str, numbers: random.Random) -> str:
    split = text.split()
    numbers.shuffle(split)
    return " ".join(split)


def planted(plant: Callable[[str, random.Random], str]) -> tuple[list[str], list[str], int]:
    """Training texts, held-out texts, and how many of the latter, the first, are copies of training texts."""
    numbers = random.Random(plant.__name__)
    train = [sentence(numbers, 16) for _ in range(2000)]
    leaking = [plant(text, numbers) for text in numbers.sample(train, 200)]
    return train, [*leaking, *(sentence(numbers, 16) for _ in range(300))], len(leaking)


@pytest.mark.parametrize(
    ("plant", "least"),
    [(exact, 1.0), (typing_error, 0.95), (politeness, 0.95), (half_copied, 0.95), (exchanged, 0.95), (shuffled, 0.95)],
)
def test_planted_leaks_are_found(plant: Callable[[str, random.Random], str], least: float) -> None:
    """Catches copies in capitals, with a typing error, a greeting, a new ending or another order that pass."""
    train, held_out, count = planted(plant)
    found = find_leaks(train, held_out, embedder=BUILTIN)
    hit = {leak.held_out for leak in found.leaks}
    assert len(hit & set(range(count))) >= least * count
    assert len(hit - set(range(count))) <= 3
    if plant is exact:
        assert found.count("exact") == count


def test_without_an_embedder_three_measures_are_taken() -> None:
    """Catches a measure reported that was not taken."""
    train, held_out, count = planted(typing_error)
    found = find_leaks(train, held_out)
    assert found.measured == ("exact", "contained", "near")
    assert found.leaking >= 0.95 * count
    assert set(found.to_dict()["measures"]) == set(found.measured)


def naive(texts: list[str], vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    """The definition: all pairs, four measures, joined."""
    split = [words(text) for text in texts]
    sets = [{*one, *pairwise(one)} for one in split]
    grams = [{tuple(one[n : n + 8]) for n in range(len(one) - 7)} for one in split]
    root = list(range(len(texts)))

    def find(place: int) -> int:
        while root[place] != place:
            place = root[place]
        return place

    for a in range(len(texts)):
        for b in range(a):
            least = min(len(grams[a]), len(grams[b]))
            if (
                split[a] == split[b]
                or (least and len(grams[a] & grams[b]) >= 0.5 * least)
                or len(sets[a] & sets[b]) >= 0.7 * len(sets[a] | sets[b])
                or float(vectors[a] @ vectors[b]) >= 0.95
            ):
                root[find(a)] = find(b)
    return np.unique([find(place) for place in range(len(texts))], return_inverse=True)[1]


def test_clusters_are_those_of_all_pairs() -> None:
    """Catches a candidate that blocking, signatures or shortened vectors lose."""
    numbers = random.Random(3)
    texts = [sentence(numbers, numbers.randrange(3, 24)) for _ in range(150)]
    for text in numbers.sample(texts, 100):
        plant = numbers.choice([exact, typing_error, politeness, half_copied, exchanged, shuffled])
        texts.append(plant(text, numbers))
    found, joined = clusters(fingerprints(texts, BUILTIN), [()] * len(texts), 0)
    wanted = naive(texts, BUILTIN.embed([" ".join(words(text)) for text in texts]))
    same = found[:, None] == found[None, :]
    assert (same == (wanted[:, None] == wanted[None, :])).all()
    assert set(joined) == {"exact", "contained", "near", "close"}


def test_groups_are_one_cluster() -> None:
    """Catches two examples of one user, thread or document on two sides, or a chain of groups that is cut."""
    texts = ["apples", "pears", "plums", "figs", "dates"]
    groups = [("user:1",), ("user:1", "thread:2"), ("thread:2",), ("user:3",), ()]
    found, _ = clusters(fingerprints(texts, None), groups, 0)
    assert found.tolist() == [0, 0, 0, 1, 2]


def test_a_shared_instruction_is_no_likeness() -> None:
    """Catches all examples in one cluster because each begins with the same long instruction."""
    numbers = random.Random(5)
    front = "Classify the following message of a customer into one of our labels and answer with the label alone:"
    texts = [f"{front} {sentence(numbers, 9)} Label:" for _ in range(60)]
    found, _ = clusters(fingerprints(texts, None), [()] * 60, 0)
    assert found.max() + 1 >= 58
    assert find_leaks(texts[:50], texts[50:]).leaking == 0
    assert find_leaks(texts[:50], [*texts[50:], texts[0]]).leaking == 1


def test_texts_that_an_embedder_does_not_know_are_not_alike() -> None:
    """Catches all texts of another script in one cluster, since one vector stands for the unknown."""
    texts = ["これは犬です", "明日は雨が降る", "注文を取り消したい", "住所を変える"]
    found, _ = clusters(fingerprints(texts, BUILTIN), [()] * 4, 0)
    assert found.tolist() == [0, 1, 2, 3]
    assert clusters(fingerprints([*texts, "これは犬です。"], BUILTIN), [()] * 5, 0)[0].tolist() == [0, 1, 2, 3, 0]


def test_real_requests_split_without_leaks() -> None:
    """Catches a near-duplicate that gets through on texts that people wrote, told by another seed than the split's."""
    path = shared_data("queries", "bitext-intents.jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    texts, labels = [row["text"] for row in rows], [row["intent"] for row in rows]
    found, _ = clusters(fingerprints(texts, BUILTIN), [()] * len(texts), 0)
    side = split_by_label(found, labels, (0.1, 0.2), 0)
    train, held_out = ([text for text, part in zip(texts, side, strict=True) if (part == 0) == own] for own in (1, 0))
    assert find_leaks(train, held_out, embedder=BUILTIN, seed=99).leaking == 0
    # Without the clusters it is not so: the check can fail.
    plain = np.random.default_rng(0).permutation(len(texts)) < 0.7 * len(texts)
    train, held_out = ([text for text, part in zip(texts, plain, strict=True) if part == own] for own in (1, 0))
    assert find_leaks(train, held_out, embedder=BUILTIN).leaking > 100


def test_the_latest_are_tested() -> None:
    """Catches training on what came after a held-out example, whatever order the file has."""
    numbers = np.random.default_rng(0)
    times = numbers.permutation(100).tolist()
    found = numbers.integers(0, 70, 100)
    _, found = np.unique(found, return_inverse=True)
    side = split_by_time(found, times, (0.1, 0.2))
    latest = {cluster: max(t for t, c in zip(times, found, strict=True) if c == cluster) for cluster in set(found)}
    trained = max(time for time, part in zip(times, side, strict=True) if part == 0)
    assert all(latest[cluster] > trained for cluster, part in zip(found, side, strict=True) if part == 2)
    assert 10 <= (side == 2).sum() <= 20


def test_labels_are_spread_evenly() -> None:
    """Catches a label that training or test lacks although there are examples enough for both."""
    labels = ["rare"] * 10 + ["common"] * 190
    side = split_by_label(np.arange(200), labels, (0.1, 0.2), 0)
    assert [
        sum(part == own and label == "rare" for part, label in zip(side, labels, strict=True)) for own in range(3)
    ] == [
        7,
        1,
        2,
    ]
    assert np.bincount(side).tolist() == [140, 20, 40]


@pytest.mark.parametrize(("train", "held_out"), [("text", ["a"]), (["a"], [1]), (["a"], ["\ud800"])])
def test_what_is_no_text_is_refused(train: Any, held_out: Any) -> None:
    """Catches a string read as its letters, or an error of Python's own."""
    with pytest.raises(InvalidInput):
        find_leaks(train, held_out)


def test_nothing_to_compare() -> None:
    """Catches a failure where a side is empty."""
    assert find_leaks([], ["a"]).leaking == find_leaks(["a"], []).leaking == 0
