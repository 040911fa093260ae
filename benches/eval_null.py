"""Figures of null retrieval: whether unanswerable questions are told from others, near and far, at three sizes.

    python benches/eval_null.py [--shared ../shared]

Each set's index is calibrated on every second of its questions, and measured on the others: near are questions whose
answering documents, and near copies of them, are left out. What the shipped weights do on sets that they were not
fitted on is in ``python/models/ANSWERABILITY.md``. At 100,000 chunks the questions' own passages lie among chunks of
technical documentation; with MiniLM only where ``make benchmark`` left its index.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import ragstone
from ragstone import Document
from ragstone.embedding import embedder as find_embedder
from ragstone.errors import IncompatibleIndex
from ragstone.estimates import auroc, calibration_error
from ragstone.evaluation.calibration import examples_of, fit

sys.path.insert(0, str(Path(__file__).resolve().parent))
import numpy as np

from judged import Kept
from null_sets import ALL, OTHER_SETS, QUESTION_SETS, SEEN_BY_BUILTIN, QuestionSet, question_set
from targets import Figure, show

BUILD = Path(__file__).resolve().parents[1] / ".build" / "bench"
QUESTIONS = 1_400
DISTRACTORS = 100_000
# The goal is judged on sets of at least 1,000 passages of questions that people asked.
SMALL = ("xquad-en",)


def figures(shared: Path, build: Path = BUILD) -> list[Figure]:
    """Each set with the embedders that ship, all question sets pooled, and one at 100,000 chunks."""
    rows: list[Figure] = []
    for name in ("minilm", "builtin"):
        kept = Kept(find_embedder(name), build / "embeddings")
        pooled: list[tuple[float, str]] = []
        for set_name in (*QUESTION_SETS, *OTHER_SETS, SEEN_BY_BUILTIN + ALL):
            if name == "builtin" and set_name.startswith(SEEN_BY_BUILTIN):
                continue
            given = question_set(shared, set_name, most=QUESTIONS)
            with tempfile.TemporaryDirectory() as folder, ragstone.open(folder, embedder=kept) as index:
                index.upsert(given.documents)
                judged = _held_out(index, given)
                chunks, share = len(index), _found(index, given)
            if set_name in QUESTION_SETS and set_name not in SMALL:
                pooled += judged
            rows += _rows(name, set_name, judged, chunks, goal=set_name in QUESTION_SETS and set_name not in SMALL)
            label = f"answering document among five hits, {name}, {set_name}"
            rows.append(Figure.stated(label, share, n=len(given.questions), note=f"{chunks:,} chunks"))
        rows += _rows(name, "question sets of ≥ 1,000 passages, pooled", pooled, 0, goal=True)
        kept.save()
        rows += _large(shared, build, name, kept)
    return rows


def _held_out(index: ragstone.Index, given: QuestionSet) -> list[tuple[float, str]]:
    """Probability and kind of each question of the second half, by a model fitted on the first."""
    examples = list(examples_of(index, given.questions, given.qrels, given.far))
    half = set(list(dict.fromkeys(example.question for example in examples))[::2])
    first = [example for example in examples if example.question in half]
    # Weights of its own: those that ship were fitted on questions of the other half too.
    model, _, _ = fit(first, index.judge(examples[0].evidence), forms=("linear", "products"))
    return [(model.probability(one.evidence), one.kind) for one in examples if one.question not in half]


def _found(index: ragstone.Index, given: QuestionSet) -> float:
    """Share of questions with an answering document among the five hits: for the others no hit holds an answer."""
    results = index.search_batch(list(given.questions.values()), top_k=5)
    pairs = zip(given.questions, results, strict=True)
    return float(np.mean([any(hit.document_id in given.qrels[name] for hit in result) for name, result in pairs]))


def _rows(embedder: str, what: str, judged: Sequence[tuple[float, str]], chunks: int, *, goal: bool) -> list[Figure]:
    """AUROC, calibration and passing share of one set."""
    of = {kind: np.array([p for p, own in judged if own == kind]) for kind in ("answerable", "near", "far")}
    both = np.concatenate([of["answerable"], of["near"]])
    near, far = auroc(of["answerable"], of["near"]), auroc(of["answerable"], of["far"])
    error = calibration_error(both, np.arange(len(both)) < len(of["answerable"]))
    passing = float((of["near"] >= np.quantile(of["answerable"], 0.05)).mean())
    size = f"{chunks:,} chunks" if chunks else ""
    label, count = f"{embedder}, {what}", len(judged)
    at_least = Figure.at_least if goal else _stated
    at_most = Figure.at_most if goal else _stated
    return [
        at_least(f"near AUROC, {label}", near.value, 0.93, n=count, note=f"[{near.low:.3f}, {near.high:.3f}] {size}"),
        at_least(f"far AUROC, {label}", far.value, 0.99, n=count, note=f"[{far.low:.3f}, {far.high:.3f}] {size}"),
        at_most(f"near ECE, {label}", error, 0.03, n=count, note=size),
        Figure.stated(f"near FPR95, {label}", passing, n=count, note=size),
    ]


def _stated(name: str, value: float, _: float, *, n: int, note: str = "") -> Figure:
    return Figure.stated(name, value, n=n, note=note)


def _large(shared: Path, build: Path, name: str, kept: Kept) -> list[Figure]:
    """A set's passages among 100,000 chunks of other texts."""
    set_name = "dolly" if name != "builtin" else "pubmedqa"
    what = f"{set_name} among {DISTRACTORS:,} chunks"
    given = question_set(shared, set_name, most=QUESTIONS)
    with tempfile.TemporaryDirectory() as folder:
        index = _distractors(build, name, kept, Path(folder) / "kb")
        if index is None:
            return [Figure.stated(f"near AUROC, {name}, {what}", None, n=0, note="make benchmark leaves its index")]
        with index:
            index.upsert(given.documents)
            judged, chunks = _held_out(index, given), len(index)
    return _rows(name, what, judged, chunks, goal=False)


def _distractors(build: Path, name: str, kept: Kept, place: Path) -> ragstone.Index | None:
    """A copy of what ``make benchmark`` left, where it can still be opened; for the built-in embedder the same anew."""
    ready, texts = build / f"kb-{name}-{DISTRACTORS}", build / "lexical" / "100k" / "texts.txt"
    if ready.exists():
        shutil.copytree(ready, place, ignore=shutil.ignore_patterns("LOCK"))
        try:
            return ragstone.open(place, embedder=kept)
        except IncompatibleIndex:
            shutil.rmtree(place)
    if name != "builtin" or not texts.exists():
        return None
    index = ragstone.open(place, embedder=find_embedder(name))
    lines = texts.read_text(encoding="utf-8").splitlines()
    index.upsert(Document(f"distractor-{number}", line) for number, line in enumerate(lines) if line.strip())
    return index


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--build", type=Path, default=BUILD)
    options = parser.parse_args()
    show(figures(options.shared, options.build))
