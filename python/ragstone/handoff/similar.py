"""What texts are compared by: their words in order, words and pairs of words as a set, runs of eight words, meaning.

Four measures tell that two texts are one example twice: the same words; half of the shorter one's runs of eight words
in the other (the n-gram rule of GPT-3, Brown 2020, as a share); a Jaccard similarity of words and pairs of words of .7
(Broder 1997); a cosine of their embeddings of .95. Sets are of 43-bit hashes, compared exactly.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from ragstone.records import Embedder

__all__ = ["CONTAINED", "COSINE", "GRAM_WORDS", "JACCARD", "Prints", "Sets", "fingerprints", "minhash", "words"]

CONTAINED, JACCARD, COSINE = 0.5, 0.7, 0.95
GRAM_WORDS = 8
# What rounding may add to a product of unit vectors of 32 bits.
ROUNDING = 1e-5
_Hashes = NDArray[np.uint64]
_Places = NDArray[np.int64]

# Scripts without spaces: a character counts as a word.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\u0e00-\u0eff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_HASH_BITS = 43
_HASH_SHIFT = np.uint64(64 - _HASH_BITS)
_ID_SHIFT = np.uint64(_HASH_BITS)
# Elements that one comparison of many pairs sorts at once: some 64 MB.
_AT_ONCE = 1 << 23
# Words that more than half of the texts begin or end with are a template, and no likeness, from so many texts on.
_TEMPLATE_TEXTS, _TEMPLATE_WORDS = 20, 3


@dataclass(frozen=True, slots=True)
class Sets:
    """A set of hashes for each text: those of text ``n`` are ``values[starts[n]:starts[n + 1]]``, sorted."""

    starts: _Places
    values: _Hashes

    def sizes(self, texts: _Places) -> _Places:
        """How many each of some texts has."""
        return self.starts[texts + 1] - self.starts[texts]

    def shared(self, ours: _Places, others: _Places) -> _Places:
        """How many hashes the n-th texts of both lists have in common."""
        found = np.zeros(len(ours), dtype=np.int64)
        needed = self.sizes(ours) + self.sizes(others)
        for low, high in _portions(needed):
            marked = np.concatenate([self._of(ours[low:high]), self._of(others[low:high])])
            marked.sort()
            twice = marked[:-1][marked[1:] == marked[:-1]] >> _ID_SHIFT
            found[low:high] = np.bincount(twice.astype(np.int64), minlength=high - low)
        return found

    def _of(self, texts: _Places) -> _Hashes:
        """The hashes of some texts, each with the place of its text in the list in front."""
        sizes = self.sizes(texts)
        owner = np.repeat(np.arange(len(texts)), sizes)
        inside = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return np.asarray((owner.astype(np.uint64) << _ID_SHIFT) | self.values[self.starts[texts][owner] + inside])


@dataclass(frozen=True, slots=True)
class Prints:
    """Fingerprints of texts: ``exact`` is equal for texts of the same words; ``known`` has the usable vectors' rows."""

    exact: _Places
    shingles: Sets
    grams: Sets
    vectors: NDArray[np.float32] | None
    known: _Places

    def jaccard(self, ours: _Places, others: _Places) -> NDArray[np.float64]:
        """Shared words and pairs of words, of all that either of two texts has."""
        shared = self.shingles.shared(ours, others)
        return np.asarray(shared / (self.shingles.sizes(ours) + self.shingles.sizes(others) - shared))

    def contained(self, ours: _Places, others: _Places) -> NDArray[np.float64]:
        """Shared runs of eight words, of those that the text with fewer has."""
        least = np.minimum(self.grams.sizes(ours), self.grams.sizes(others))
        return np.asarray(self.grams.shared(ours, others) / np.maximum(least, 1))


def words(text: str) -> list[str]:
    """The words of a text as they are compared: folded, without punctuation.

    >>> words("Where's my Order #12?")
    ['where', 's', 'my', 'order', '12']
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _WORD.findall(folded) or [folded.strip()]


def fingerprints(texts: Sequence[str], embedder: Embedder | None) -> Prints:
    """What some texts are compared by; words that more than half of them begin or end with are left out."""
    split = _without_template([words(text) for text in texts])
    same = _numbered([tuple(one) for one in split])
    ids = _numbered(list(chain.from_iterable(split))).astype(np.uint64)
    sizes = np.fromiter(map(len, split), np.int64, len(split))
    hashed, owner = _mixed(ids + np.uint64(1)), np.repeat(np.arange(len(split)), sizes)
    pairs, pair_owner = _runs(hashed, owner, 2)
    grams, gram_owner = _runs(hashed, owner, GRAM_WORDS)
    vectors, known = _embedded([" ".join(one) for one in split], embedder)
    return Prints(
        exact=same,
        shingles=_sets(np.concatenate([hashed, pairs]), np.concatenate([owner, pair_owner]), len(split)),
        grams=_sets(grams, gram_owner, len(split)),
        vectors=vectors,
        known=known,
    )


def _numbered(values: Sequence[Hashable]) -> _Places:
    """A number for each value, equal for equal ones, in the order in which they first occur."""
    numbers = {value: place for place, value in enumerate(dict.fromkeys(values))}
    return np.fromiter(map(numbers.__getitem__, values), np.int64, len(values))


def minhash(sets: Sets, permutations: int, seed: int) -> NDArray[np.uint32]:
    """Signatures: shape (texts, permutations); two agree at a place as often as their sets' Jaccard similarity says."""
    numbers = np.random.default_rng(seed)
    signatures = np.empty((len(sets.starts) - 1, permutations), dtype=np.uint32)
    masks = numbers.integers(0, 1 << 63, permutations, dtype=np.uint64)
    factors = numbers.integers(0, 1 << 63, permutations, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    for place in range(permutations):
        mixed = ((sets.values ^ masks[place]) * factors[place] >> np.uint64(32)).astype(np.uint32)
        # Every text has a word, so no set is empty.
        signatures[:, place] = np.minimum.reduceat(mixed, sets.starts[:-1])
    return signatures


def _without_template(split: list[list[str]]) -> list[list[str]]:
    """Texts without what more than half of them begin or end with; a text that is nothing else stays whole."""
    if len(split) < _TEMPLATE_TEXTS:
        return split
    front = _common_front(split)
    back = _common_front([one[::-1] for one in split])[::-1]
    if not front and not back:
        return split
    return [_cut(one, front, back) or one for one in split]


def _common_front(split: list[list[str]]) -> list[str]:
    front: list[str] = []
    alive = split
    while True:
        counts = Counter(one[len(front)] for one in alive if len(one) > len(front))
        word, times = counts.most_common(1)[0] if counts else ("", 0)
        if 2 * times <= len(split):
            return front if len(front) >= _TEMPLATE_WORDS else []
        alive = [one for one in alive if len(one) > len(front) and one[len(front)] == word]
        front.append(word)


def _cut(one: list[str], front: list[str], back: list[str]) -> list[str]:
    if front and one[: len(front)] == front:
        one = one[len(front) :]
    if back and one[-len(back) :] == back:
        one = one[: -len(back)]
    return one


def _mixed(values: _Hashes) -> _Hashes:
    """Numbers spread over 64 bits (splitmix64, Steele 2014)."""
    values = values * np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)))


def _runs(hashed: _Hashes, owner: _Places, length: int) -> tuple[_Hashes, _Places]:
    """Hashes of all runs of so many words within a text, and whose they are."""
    count = max(len(hashed) - length + 1, 0)
    inside = owner[:count] == owner[len(owner) - count :] if count else np.zeros(0, dtype=bool)
    runs = np.zeros(count, dtype=np.uint64)
    for place in range(length):
        runs = _mixed(runs * np.uint64(3) + hashed[place : place + count])
    return runs[inside], owner[:count][inside]


def _sets(hashed: _Hashes, owner: _Places, count: int) -> Sets:
    # Owner and hash in one number: one fast sort instead of one by two keys.
    keys = (owner.astype(np.uint64) << _ID_SHIFT) | (hashed >> _HASH_SHIFT)
    # Sorting is several times faster than np.unique, which hashes.
    keys.sort()
    keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if len(keys) else keys
    starts = np.searchsorted(keys, np.arange(count + 1, dtype=np.uint64) << _ID_SHIFT)
    return Sets(starts.astype(np.int64), keys & np.uint64((1 << _HASH_BITS) - 1))


def _embedded(texts: list[str], embedder: Embedder | None) -> tuple[NDArray[np.float32] | None, _Places]:
    """Unit vectors, and the texts that have one of their own: an embedder that knows no word of a text says nothing."""
    if embedder is None:
        return None, np.zeros(0, dtype=np.int64)
    vectors = np.ascontiguousarray(embedder.embed(texts), dtype=np.float32)
    empty = np.asarray(embedder.embed([""]), dtype=np.float32)[0]
    return vectors, np.flatnonzero((vectors != empty).any(axis=1))


def _portions(needed: _Places) -> list[tuple[int, int]]:
    """Ranges of pairs that need about as much as is sorted at once."""
    if not len(needed):
        return []
    turn = np.cumsum(needed) // _AT_ONCE
    cuts = np.flatnonzero(np.diff(turn)) + 1
    # A portion's number goes in front of 43 bits, so it may not have more than 2²¹ pairs; each needs two elements.
    edges = [0, *cuts.tolist(), len(needed)]
    return [
        (start, min(start + (1 << 20), high)) for low, high in pairwise(edges) for start in range(low, high, 1 << 20)
    ]
