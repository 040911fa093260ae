"""Figures of the router on public prompts that it was not trained on, labelled by hand.

    python benches/eval_recommender_external.py --assemble RAW FOLDER    # once: make FOLDER/<source>.jsonl of raw files
    python benches/eval_recommender_external.py FOLDER

The texts are no part of the project: ``corpora/evaluation/router/EXTERNAL.md`` says where they are from, what RAW holds
and how the labels were given. Only sums are shown, so that nobody tunes the router to single rows.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragstone.estimates import Estimate, auroc
from ragstone.recommender import route_batch

sys.path.insert(0, str(Path(__file__).resolve().parent))
from targets import Figure, show

LABELS = Path(__file__).resolve().parents[1] / "corpora" / "evaluation" / "router" / "external.jsonl"
FOLDER = Path(__file__).resolve().parents[1] / ".build" / "router-external"
CLASSES = ("other", "behavioural", "factual", "hybrid")
OTHER, BEHAVIOURAL, FACTUAL, HYBRID = range(4)
LEAST, LEAST_MEAN = 0.96, 0.975
# Fewer rows of a class say nothing about a ranking.
FEW = 10

Floats = NDArray[np.float32]
Kinds = NDArray[np.int64]


@dataclass(frozen=True)
class Routed:
    """One source's labelled rows and what the router says of them; classes count behaviour 1 and facts 2."""

    source: str
    true: Kinds
    found: Kinds
    p_behaviour: Floats
    p_facts: Floats
    lost: int

    def __add__(self, other: Routed) -> Routed:
        return Routed(
            "all",
            np.concatenate([self.true, other.true]),
            np.concatenate([self.found, other.found]),
            np.concatenate([self.p_behaviour, other.p_behaviour]),
            np.concatenate([self.p_facts, other.p_facts]),
            self.lost + other.lost,
        )

    def behaviour_against_facts(self) -> Estimate | None:
        """AUC of ``p_behaviour``, behavioural rows against factual ones."""
        return _auc(self.p_behaviour[self.true == BEHAVIOURAL], self.p_behaviour[self.true == FACTUAL])

    def behaviour(self) -> Estimate | None:
        """AUC of ``p_behaviour`` on all rows, by need of behaviour."""
        return _auc(self.p_behaviour[self.true % 2 == 1], self.p_behaviour[self.true % 2 == 0])

    def facts(self) -> Estimate | None:
        """AUC of ``p_facts`` on all rows, by need of facts."""
        return _auc(self.p_facts[self.true >= FACTUAL], self.p_facts[self.true < FACTUAL])

    def balanced_accuracy(self) -> float | None:
        """Of the path's say on behaviour, on behavioural rows and factual ones."""
        kept, wrong = self.found[self.true == BEHAVIOURAL] % 2, self.found[self.true == FACTUAL] % 2
        if min(len(kept), len(wrong)) < FEW:
            return None
        return float((kept.mean() + 1 - wrong.mean()) / 2)

    def accuracy(self) -> float:
        """Share of rows whose class is found."""
        return float((self.found == self.true).mean())

    def macro_f1(self) -> float:
        """Mean F1 of the classes that occur."""
        return float(np.mean([_f1(self.found == kind, self.true == kind) for kind in np.unique(self.true)]))


def _f1(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    return float(2 * (found & true).sum() / (found.sum() + true.sum()))


def _auc(above: Floats, below: Floats) -> Estimate | None:
    return None if min(len(above), len(below)) < FEW else auroc(above, below)


# ── texts ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def _turns(raw: Path, source: str) -> list[str]:
    return [row["turns"][0] for row in _lines(raw / f"{source}.jsonl")]


def _with_input(raw: Path, source: str) -> list[str]:
    rows = json.loads((raw / f"{source}.json").read_text(encoding="utf-8"))
    return ["\n".join(part for part in (row["instruction"], row["input"]) if part) for row in rows]


def _of_alpaca_eval(raw: Path, source: str) -> list[str]:
    return [row["instruction"] for row in _lines(raw / "alpaca_eval.jsonl") if row["dataset"] == source]


def _instructions(raw: Path, source: str) -> list[str]:
    return [row["instruction"] for row in _lines(raw / f"{source}.jsonl")]


SOURCES: dict[str, Callable[[Path, str], list[str]]] = {
    "vicuna": _turns,
    "mt_bench": _turns,
    "self_instruct": _with_input,
    "helpful_base": _of_alpaca_eval,
    "koala": _of_alpaca_eval,
    "instruct_wild": _instructions,
}


def assemble(raw: Path, folder: Path) -> None:
    """Writes one file of texts a source, in the order of the source."""
    folder.mkdir(parents=True, exist_ok=True)
    for source, read in SOURCES.items():
        lines = [json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in read(raw, source)]
        (folder / f"{source}.jsonl").write_text("".join(lines), encoding="utf-8")


# ── measuring ─────────────────────────────────────────────────────────────────────────────────────────────────────


def routed(folder: Path) -> Iterator[Routed]:
    """Each source that the folder holds, without rows that are skipped, that training saw, or whose text differs."""
    labels = _lines(LABELS)
    for source in SOURCES:
        if not (folder / f"{source}.jsonl").is_file():
            continue
        texts = [row["text"] for row in _lines(folder / f"{source}.jsonl")]
        rows = [row for row in labels if row["source"] == source]
        rows = [row for row in rows if row["need_facts"] is not None and not row.get("seen")]
        same = [row for row in rows if row["row"] < len(texts) and _digest(texts[row["row"]]) == row["sha256"]]
        if not same:
            raise SystemExit(f"no text of {source!r} has the digest written down: assemble {folder} again")
        batch = route_batch([texts[row["row"]] for row in same])
        true = np.asarray([row["need_behaviour"] + 2 * row["need_facts"] for row in same])
        found = batch.paths.astype(np.int64)
        yield Routed(source, true, found, batch.p_behaviour, batch.p_facts, len(rows) - len(same))


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


def figures(shared: Path) -> list[Figure]:
    """AUC and macro-F1 by source; nothing, with a note, where the texts are absent."""
    del shared  # not a shared set
    folder = FOLDER
    if not folder.is_dir():
        print(f"no public prompts in {folder}: see {LABELS.with_name('EXTERNAL.md').name}", file=sys.stderr)
        return []
    return _figures(list(routed(folder)))


def _figures(sources: list[Routed]) -> list[Figure]:
    rows, measured = [], []
    for part in sources:
        behavioural, factual = (part.true == BEHAVIOURAL).sum(), (part.true == FACTUAL).sum()
        if (auc := part.behaviour_against_facts()) is not None:
            measured.append(auc.value)
            name, note = f"behaviour against facts, AUC, {part.source}", f"{auc}; {behavioural} against {factual}"
            rows.append(Figure.at_least(name, auc.value, LEAST, n=auc.samples, note=note))
        note = "" if not part.lost else f"{part.lost} rows left out, their texts differ"
        rows.append(Figure.stated(f"macro-F1, {part.source}", part.macro_f1(), n=len(part.true), note=note))
    if measured:
        mean = float(np.mean(measured))
        rows.append(Figure.at_least("behaviour against facts, mean AUC", mean, LEAST_MEAN, n=len(measured)))
    return rows


def table(sources: list[Routed]) -> str:
    """One line a source, and one for all of them together."""
    heads = ["source", "n", *CLASSES, "AUC b/f", "AUC behaviour", "AUC facts", "bal. acc. b/f", "accuracy", "macro-F1"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for part in [*sources, sum(sources[1:], sources[0])] if len(sources) > 1 else sources:
        counts = [str((part.true == kind).sum()) for kind in range(4)]
        aucs = [part.behaviour_against_facts(), part.behaviour(), part.facts()]
        shown = ["–" if auc is None else str(auc) for auc in aucs]
        balanced = part.balanced_accuracy()
        shown += ["–" if balanced is None else f"{balanced:.3f}", f"{part.accuracy():.3f}", f"{part.macro_f1():.3f}"]
        lines.append("| " + " | ".join([part.source, str(len(part.true)), *counts, *shown]) + " |")
    return "\n".join(lines)


def main() -> None:
    """Assembles the texts, or prints the table and the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="holds <source>.jsonl with one text a line")
    parser.add_argument("--assemble", type=Path, metavar="RAW", help="make the folder of the raw files")
    given = parser.parse_args()
    if given.assemble:
        assemble(given.assemble, given.folder)
        return
    sources = list(routed(given.folder))
    if not sources:
        raise SystemExit(f"no texts in {given.folder}: see {LABELS.with_name('EXTERNAL.md')}")
    print(table(sources), end="\n\n")
    show(_figures(sources))


if __name__ == "__main__":
    main()
