"""Makes the router's list of common words: words of form, then words that queries hold more than once.

    python python/models/router_words.py --queries ../shared/data/queries

A word near a much commoner one is taken for its misspelling and left out. A new list is a new rule book: build the
engine and train the router again.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from router_rows import HERE, own_rows, public_rows

LIST = HERE.parents[1] / "rust" / "engine" / "src" / "routing" / "words.txt"
LEAST = 2
WIDTH = 118
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def words(text: str) -> set[str]:
    """Words of letters, folded and without apostrophes, as the engine reads them."""
    found = re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)*", text.lower())
    return {word.replace("'", "").replace("’", "") for word in found}


def near(word: str) -> Iterator[str]:
    """Every text one error away."""
    for at in range(len(word)):
        yield word[:at] + word[at + 1 :]
        if at + 1 < len(word):
            yield word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        for letter in LETTERS:
            yield word[:at] + letter + word[at:]
            yield word[:at] + letter + word[at + 1 :]


def is_misspelling(word: str, counts: Counter[str]) -> bool:
    """Whether a rare word is one error from a word forty times as common that begins and ends alike."""

    def meant(other: str) -> bool:
        alike = other[0] == word[0] and other[-1] == word[-1] and not other.startswith(word)
        return alike and not word.startswith(other) and counts[other] >= 40 * counts[word]

    return (
        len(word) >= 5 and counts[word] < 25 and any(other and other != word and meant(other) for other in near(word))
    )


def common(texts: Sequence[str]) -> list[str]:
    """Words of at least ``LEAST`` texts, commonest first."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(words(text))
    known = [word for word, count in counts.items() if count >= LEAST and len(word) >= 2 and word.isascii()]
    return sorted((word for word in known if not is_misspelling(word, counts)), key=lambda word: (-counts[word], word))


def wrapped(listed: Sequence[str]) -> str:
    """Lines of words."""
    lines = [""]
    for word in listed:
        if len(lines[-1]) + len(word) + 1 > WIDTH:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)


def main() -> None:
    """Keeps the words of form, which are chosen by hand, and counts the others anew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=Path, default=HERE.parents[1].parent / "shared" / "data" / "queries")
    rows = [*public_rows(parser.parse_args().queries), *own_rows()]
    form = LIST.read_text(encoding="utf-8").split("\n\n")[0].split()
    others = [word for word in common([row.text for row in rows]) if word not in set(form)]
    LIST.write_text(f"{wrapped(form)}\n\n{wrapped(others)}\n", encoding="utf-8")
    print(f"{len(form)} words of form, {len(others):,} others")


if __name__ == "__main__":
    main()
