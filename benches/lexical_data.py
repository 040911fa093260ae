"""What lexical search is measured on: texts, queries, their terms, and exact BM25 scores in float64.

``python benches/lexical_data.py 100k 1m`` prepares the terms of these sizes below ``.build/bench/lexical``, which
``corpora/lexical.py`` and ``corpora/lexical_queries.py`` have filled. Two kinds of terms:

- ``plain``: runs of letters, digits and underscores in lower case, of at least two characters, without 75 function
  words, stemmed by Snowball's English stemmer. No code of Ragstone takes part.
- ``ragstone``: the terms of Ragstone's own analyzer.

Either way every system is given the terms as words of five letters that mean nothing, so that it indexes exactly what
the others do. Scores of the reference come from NumPy and the formula alone.
"""

from __future__ import annotations

import json
import re
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / ".build" / "bench" / "lexical"
SIZES = {"10k": 10_000, "100k": 100_000, "1m": 1_000_000}
CLASSES = ("questions", "keywords", "identifiers", "long", "frequent", "rare")
KINDS = ("plain", "ragstone")
K1, B = 1.2, 0.75
TIE = 1e-6  # of a score: closer than float32 tells apart reliably, so either row is right
_WORD = re.compile(r"\w\w+")
_FUNCTION_WORDS = """
    a about after all also an and any are as at be because been before but by can could do does each for from had has
    have he her his how if in into is it its just may more most no not of on only or other our out over she should so
    some such than that the their them then there these they this those to up was we were what when where which who
    will with would you your
"""
Floats = NDArray[np.float64]
Ids = NDArray[np.int64]


# --- texts and queries ----------------------------------------------------------------------------------------------


def texts_of(size: str) -> Path:
    """The file of texts, one a line."""
    path = PLACE / size / "texts.txt"
    if not path.exists():
        raise SystemExit(f"'{path}' is missing: run 'python corpora/lexical.py --into {PLACE}' first")
    return path


def lines(path: Path) -> Iterator[str]:
    """The lines of a file, one at a time."""
    with path.open(encoding="utf-8", newline="\n") as stream:
        for line in stream:
            yield line[:-1]


def queries(chosen: str) -> dict[str, list[str]]:
    """Queries by class: those to ``tuning`` on, or those ``held_out`` that figures are quoted of."""
    path = PLACE / "queries.json"
    if not path.exists():
        raise SystemExit(f"'{path}' is missing: run 'python corpora/lexical_queries.py {PLACE}' first")
    made: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))[chosen]
    return made


# --- terms ----------------------------------------------------------------------------------------------------------


class _Vocabulary(dict[str, int]):
    """Words and the numbers of their terms, in the order of first use; a word without a term has -1."""

    def __init__(self, term: Callable[[str], str]) -> None:
        super().__init__()
        self.term = term
        self.terms: dict[str, int] = {}

    def __missing__(self, word: str) -> int:
        term = self.term(word)
        number = self.terms.setdefault(term, len(self.terms)) if term else -1
        self[word] = number
        return number


def analyzer(kind: str) -> tuple[Callable[[str], list[str]], Callable[[str], str]]:
    """How a text becomes words, and a word a term (``""`` for none)."""
    if kind == "ragstone":
        from ragstone import _core

        if not hasattr(_core, "analyze"):
            raise SystemExit("this build of ragstone tells nobody its terms: take --terms plain")
        analyze: Callable[[str, str], list[str]] = _core.analyze
        return lambda text: analyze("english", text), lambda word: word
    import Stemmer

    stem: Callable[[str], str] = Stemmer.Stemmer("english").stemWord
    stop = frozenset(_FUNCTION_WORDS.split())
    return lambda text: _WORD.findall(text.lower()), lambda word: "" if word in stop else stem(word)


def opaque(number: int) -> str:
    """Five letters for a term: no analyzer splits, stems or drops them, and their order is that of the numbers."""
    letters = []
    for _ in range(5):
        number, letter = divmod(number, 26)
        letters.append(chr(97 + letter))
    return "".join(reversed(letters))


@dataclass(frozen=True)
class Terms:
    """Inverted lists of a size: of term t rows and counts stand from ``starts[t]`` to ``starts[t + 1]``."""

    size: str
    kind: str
    starts: Ids
    rows: NDArray[np.uint32]
    counts: NDArray[np.uint16]
    lengths: NDArray[np.uint32]
    folder: Path

    @property
    def texts(self) -> Path:
        """The texts as opaque words, one a line."""
        return self.folder / "opaque.txt"

    @property
    def frequencies(self) -> Ids:
        """In how many texts each term is."""
        return np.diff(self.starts)

    def queries(self, chosen: str) -> dict[str, list[list[int]]]:
        """Terms of each query by class; terms that no text has are left out."""
        made: dict[str, list[list[int]]] = json.loads((self.folder / "queries.json").read_text())[chosen]
        return made


def terms(size: str, kind: str = "plain") -> Terms:
    """The terms of a size, prepared if they are not yet."""
    folder = PLACE / size / kind
    if not (folder / "queries.json").exists():
        _prepare(size, kind, folder)

    def load(name: str) -> Any:
        return np.load(folder / f"{name}.npy", mmap_mode="r")

    return Terms(size, kind, *(load(name) for name in ("starts", "rows", "counts", "lengths")), folder)


def _prepare(size: str, kind: str, folder: Path) -> None:
    print(f"terms of {size}, {kind}", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    words, term = analyzer(kind)
    vocabulary = _Vocabulary(term)
    flat, ends = array("i"), array("q")
    for text in lines(texts_of(size)):
        flat.extend(map(vocabulary.__getitem__, words(text)))
        ends.append(len(flat))
    all_terms = np.frombuffer(flat, dtype=np.int32)
    kept = all_terms >= 0
    stops = np.concatenate([[0], np.cumsum(kept)])[np.frombuffer(ends, dtype=np.int64)]
    all_terms = all_terms[kept]
    lengths = np.diff(stops, prepend=0)
    _write_opaque(folder / "opaque.txt", all_terms, stops, len(vocabulary.terms))
    starts, rows, counts = invert(all_terms, lengths, len(vocabulary.terms))
    for name, values in (
        ("starts", starts),
        ("rows", rows),
        ("counts", counts),
        ("lengths", lengths.astype(np.uint32)),
    ):
        np.save(folder / f"{name}.npy", values)
    asked = {
        chosen: {
            name: [[n for word in words(text) if (n := vocabulary.terms.get(term(word), -1)) >= 0] for text in texts]
            for name, texts in queries(chosen).items()
        }
        for chosen in ("tuning", "held_out")
    }
    (folder / "queries.json").write_text(json.dumps(asked) + "\n", encoding="utf-8")


def _write_opaque(path: Path, flat: NDArray[np.int32], stops: Ids, terms: int) -> None:
    names = [opaque(number) for number in range(terms)]
    start = 0
    with path.open("w", encoding="ascii") as stream:
        for stop in stops.tolist():
            stream.write(" ".join(map(names.__getitem__, flat[start:stop].tolist())) + "\n")
            start = stop


def invert(flat: NDArray[np.int32], lengths: Ids, terms: int) -> tuple[Ids, NDArray[np.uint32], NDArray[np.uint16]]:
    """Inverted lists of texts that are given one after the other: starts, rows and counts."""
    rows = len(lengths)
    keys = flat.astype(np.int64) * rows
    keys += np.repeat(np.arange(rows), lengths)
    keys.sort()
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    counts = np.diff(np.append(first, len(keys)))
    keys = keys[first]
    starts = np.searchsorted(keys, np.arange(terms + 1, dtype=np.int64) * rows)
    return starts.astype(np.int64), (keys % rows).astype(np.uint32), np.minimum(counts, 65_535).astype(np.uint16)


# --- the exact reference --------------------------------------------------------------------------------------------


class Reference:
    """BM25 in the form of Lucene 8 by its formula, in float64, with exact lengths: all scores of a query."""

    def __init__(self, terms: Terms) -> None:
        """Make the score of every posting once."""
        self.starts = np.asarray(terms.starts)
        self.rows = np.asarray(terms.rows)
        texts = len(terms.lengths)
        lengths = np.asarray(terms.lengths, dtype=np.float64)
        norms = K1 * (1 - B + B * lengths / lengths.mean())
        frequencies = terms.frequencies
        idf = np.log(1 + (texts - frequencies + 0.5) / (frequencies + 0.5))
        counts = np.asarray(terms.counts, dtype=np.float64)
        self.scores_of_postings = np.repeat(idf, frequencies) * counts / (counts + norms[self.rows])
        self.sums = np.zeros(texts)

    def scores(self, query: Sequence[int]) -> tuple[Ids, Floats]:
        """The rows that share a term with the query, ascending, and their scores."""
        found = []
        for term, times in Counter(query).items():
            part = slice(int(self.starts[term]), int(self.starts[term + 1]))
            rows = self.rows[part]
            self.sums[rows] += times * self.scores_of_postings[part]  # a row is once in a list
            found.append(rows)
        if not found:
            return np.empty(0, dtype=np.int64), np.empty(0)
        rows = np.unique(np.concatenate(found)).astype(np.int64)
        scores = self.sums[rows]
        self.sums[rows] = 0
        return rows, scores


def overlap(found: Ids, rows: Ids, scores: Floats, top_k: int) -> tuple[float, float]:
    """Share of the exact top k that was found, ties by row; and the same if any row that ties with the last is right.

    Raises:
        SystemExit: An id occurs twice, or is no row.
    """
    ids = found[found >= 0]
    if len(np.unique(ids)) != len(ids) or len(ids) > top_k:
        raise SystemExit(f"{len(ids)} ids for the best {top_k}, or one of them twice: {ids}")
    wanted = min(top_k, len(rows))
    if not wanted:
        return float(len(ids) == 0), float(len(ids) == 0)
    best = np.lexsort((rows, -scores))[:wanted] if len(rows) <= 4 * top_k else _best(rows, scores, wanted)
    plain = len(np.intersect1d(ids, rows[best])) / wanted
    places = np.searchsorted(rows, ids)
    known = (places < len(rows)) & (rows[np.minimum(places, len(rows) - 1)] == ids)
    least = scores[best].min() * (1 - TIE)
    return plain, int(np.sum(scores[places[known]] >= least)) / wanted


def _best(rows: Ids, scores: Floats, wanted: int) -> Ids:
    border = np.partition(scores, -wanted)[-wanted]
    places = np.flatnonzero(scores >= border)
    order: Ids = places[np.lexsort((rows[places], -scores[places]))[:wanted]]
    return order


if __name__ == "__main__":
    for asked_size in sys.argv[1:]:
        for asked_kind in KINDS[:1]:
            made = terms(asked_size, asked_kind)
            print(asked_size, asked_kind, f"{len(made.starts) - 1:,} terms, {len(made.rows):,} postings")
