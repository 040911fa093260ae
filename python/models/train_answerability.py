"""Fits the weights of ``ragstone.answerability`` and says how well they tell answerable questions from others.

    python python/models/train_answerability.py [--shared ../shared] [--handbook corpora/handbook]

Fitted on public sets of questions, each asked twice: of the whole corpus (answerable), and with the documents that
answer it, and near copies of them, left out (a *near* unanswerable: same field, no answer). Questions of other fields
are asked too (*far*). Of instructions only those count that the router takes for questions of fact. Every second
question of the project's handbook is fitted on, the others are for testing only. Writes
``python/ragstone/answerability.json`` and ``python/models/ANSWERABILITY.md``; no randomness but a fixed seed.

Rows *others* are by weights fitted on all other sets, so they say what to expect of a corpus never seen. Rows
*calibrated* are by ``ragstone.calibrate`` on every second question, measured on the rest. Rows *generated* are by the
same on questions made from the corpus, which only scale the weights of all other sets; how many words of a made
question are foreign to its text was chosen on these sets. Near and far: AUROC of answerable against them; ECE: of
answerable and near together; kept and refused: by the threshold.

Claims (scifact) and queries whose judgements are known to be incomplete (cranfield) are fitted on with half the weight.
No model tells their near ones apart well, because other documents answer them too, or because the search did not find
what answers them; ``benches/eval_null.py`` says how often it did. The built-in embedder was trained on dolly, so that
set is left out for it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benches"))

import ragstone
from judged import Kept, lines
from null_sets import OTHER_SETS, QUESTION_SETS, SEEN_BY_BUILTIN, question_set
from ragstone.answerability import FEATURES, Model, features
from ragstone.embedding import embedder as find_embedder
from ragstone.estimates import auroc, calibration_error
from ragstone.evaluation.calibration import Example, examples_of, fit, fitted, generated_questions

ROOT = Path(__file__).resolve().parents[2]
EMBEDDERS = ("minilm", "builtin")
QUESTIONS = 800  # of each set, evenly spaced
KEPT = 0.95  # share of answerable questions that the threshold keeps
# The handbook's questions are few beside the public sets', and the only ones that look like a company's.
WEIGHT = {"handbook": 2.0, "cranfield": 0.5, "scifact-train": 0.5}
ALL = ("recalibrated", "linear", "products")
HIDDEN = {"other": (7,), "bm25": (7, 8, 9, 10, 14, 15)}
HEAD = (
    "| model | rows | set | chunks | questions | near | far | ECE | kept | near refused | far refused |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)
Sets = dict[str, list[Example]]


def main() -> None:
    """Collect, fit, test, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--handbook", type=Path, default=ROOT / "corpora" / "handbook")
    parser.add_argument("--embeddings", type=Path, default=ROOT / ".build" / "bench" / "embeddings")
    options = parser.parse_args()
    models, table = {}, [HEAD]
    pooled: Sets = {}
    for name in EMBEDDERS:
        kept = Kept(find_embedder(name), options.embeddings)
        sets, tests, made, chunks = _collected(options, name, kept)
        kept.save()
        pooled |= {f"{set_name} {name}": examples for set_name, examples in sets.items()}
        models[name] = _shipped(sets, ())
        for set_name, examples in sets.items():
            others = {other: own for other, own in sets.items() if other != set_name}
            judged = tests.get(set_name, examples)
            model = _shipped(others, ())
            table.append(_row(name, "others", set_name, chunks[set_name], judged, _by(model), model.threshold))
            if set_name in made:
                table += _calibrated(name, set_name, chunks[set_name], examples, made[set_name], model)
        model = models[name]
        table.append(
            _row(name, "held-out half", "handbook", chunks["handbook"], tests["handbook"], _by(model), model.threshold)
        )
    for name, change in (("other", _same), ("bm25", _without_dense)):
        changed = {key: [change(example) for example in own] for key, own in pooled.items()}
        models[name] = _shipped(changed, HIDDEN[name])
        for set_name, examples in changed.items():
            base = set_name.split()[0]
            others = {key: own for key, own in changed.items() if key.split()[0] != base}
            model = _shipped(others, HIDDEN[name])
            if set_name.endswith("builtin") or base == SEEN_BY_BUILTIN:
                table.append(_row(name, "others", base, chunks.get(base, 0), examples, _by(model), model.threshold))
    fields = {name: {key: _json(value) for key, value in asdict(model).items()} for name, model in models.items()}
    (ROOT / "python" / "ragstone" / "answerability.json").write_text(json.dumps(fields, indent=1) + "\n")
    text = "\n".join(
        ["# Answerability: how the shipped weights do", "", (__doc__ or "").strip(), "", *table, "", *_weights(models)]
    )
    (ROOT / "python" / "models" / "ANSWERABILITY.md").write_text(text + "\n")
    print(text)


def _collected(options: argparse.Namespace, name: str, kept: Kept) -> tuple[Sets, Sets, Sets, dict[str, int]]:
    """By set: examples to fit on, to test on where those are others, on generated questions; chunks."""
    sets: Sets = {}
    made: Sets = {}
    chunks = {}
    for set_name in (*QUESTION_SETS, *OTHER_SETS):
        if name == "builtin" and set_name == SEEN_BY_BUILTIN:
            continue
        given = question_set(options.shared, set_name, most=QUESTIONS)
        with tempfile.TemporaryDirectory() as folder, ragstone.open(folder, embedder=kept) as index:
            index.upsert(given.documents)
            sets[set_name] = list(examples_of(index, given.questions, given.qrels, given.far))
            if set_name in QUESTION_SETS:
                made[set_name] = list(examples_of(index, *generated_questions(index)))
            chunks[set_name] = len(index)
        print(name, set_name, chunks[set_name], len(sets[set_name]), file=sys.stderr, flush=True)
    own = list(_handbook(options.handbook, kept, chunks))
    sets["handbook"] = own[::2]
    return sets, {"handbook": own[1::2]}, made, chunks


def _handbook(folder: Path, kept: Kept, chunks: dict[str, int]) -> Iterable[Example]:
    """The project's own questions, with their own unanswerable ones."""
    with tempfile.TemporaryDirectory() as place, ragstone.open(place, embedder=kept) as index:
        index.ingest(folder / "documents")
        chunks["handbook"] = len(index)
        for row in lines(folder / "queries" / "answerable.jsonl"):
            yield Example(row["text"], index.search_with_evidence(row["text"])[1], "answerable")
        for row in lines(folder / "queries" / "unanswerable.jsonl"):
            kind = "far" if row["kind"] == "far" else "near"
            yield Example(row["text"], index.search_with_evidence(row["text"])[1], kind)


def _same(example: Example) -> Example:
    return example


def _without_dense(example: Example) -> Example:
    evidence = example.evidence.copy()
    evidence.update({"cosine": [], "hit_cosine": [], "agree": False, "shared": 0})
    return replace(example, evidence=evidence)


def _shipped(sets: Sets, hidden: Sequence[int]) -> Model:
    """One linear model of all sets, each with the same weight, half of it for answerable questions."""
    examples = [example for own in sets.values() for example in own]
    values = np.array([features(example.evidence) for example in examples])
    values[:, list(hidden)] = 0.0
    truth = np.array([example.kind == "answerable" for example in examples], dtype=np.float64)
    importance = []
    for key, own in sets.items():
        weight = WEIGHT.get(key.split()[0], 1.0) * QUESTIONS
        counts = {kind: sum(example.kind == kind for example in own) for kind in ("answerable", "near", "far")}
        share = {"answerable": 0.5, "near": 0.4, "far": 0.1}
        importance += [weight * share[example.kind] / counts[example.kind] for example in own]
    model = fitted("linear", values, truth, np.array(importance))
    own = np.array([model.probability(example.evidence) for example in examples])
    return replace(model, threshold=round(float(_quantile(own[truth == 1], np.array(importance)[truth == 1])), 4))


def _quantile(values: np.ndarray, weights: np.ndarray) -> float:
    """The value above which the kept share of the weight lies."""
    order = np.argsort(values)
    below = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][np.searchsorted(below, 1 - KEPT)])


def _by(model: Model) -> Callable[[Sequence[Example]], np.ndarray]:
    return lambda examples: np.array([model.probability(example.evidence) for example in examples])


def _calibrated(
    name: str, set_name: str, chunks: int, examples: Sequence[Example], made: Sequence[Example], default: Model
) -> list[str]:
    """Rows of calibrations on every second question, and on generated ones, measured on the rest."""
    questions = list(dict.fromkeys(example.question for example in examples))
    half = set(questions[::2])
    first = [example for example in examples if example.question in half]
    second = [example for example in examples if example.question not in half]
    rows = []
    for rows_name, own, forms in (("calibrated", first, ALL[1:]), ("generated", made, ALL[:1])):
        model, form, _ = fit(own, default, forms=forms)
        rows.append(_row(name, f"{rows_name}: {form}", set_name, chunks, second, _by(model), model.threshold))
    rows.append(_row(name, "others, same half", set_name, chunks, second, _by(default), default.threshold))
    return rows


def _row(
    name: str,
    rows: str,
    set_name: str,
    chunks: int,
    examples: Sequence[Example],
    model: Callable[[Sequence[Example]], np.ndarray],
    threshold: float,
) -> str:
    probability = model(examples)
    of = {kind: probability[[e.kind == kind for e in examples]] for kind in ("answerable", "near", "far")}
    near, far = (f"{auroc(of['answerable'], of[kind]).value:.3f}" for kind in ("near", "far"))
    both = np.concatenate([of["answerable"], of["near"]])
    truth = np.arange(len(both)) < len(of["answerable"])
    refused = {kind: float((own < threshold).mean()) for kind, own in of.items()}
    return (
        f"| {name} | {rows} | {set_name} | {chunks:,} | {len(examples):,} | {near} | {far} "
        f"| {calibration_error(both, truth):.3f} | {1 - refused['answerable']:.3f} | {refused['near']:.3f} "
        f"| {refused['far']:.3f} |"
    )


def _json(value: float | tuple[float, ...]) -> float | list[float]:
    if isinstance(value, tuple):
        return [round(float(one), 6) for one in value]
    return round(float(value), 6)


def _weights(models: dict[str, Model]) -> list[str]:
    names = list(models)
    rows = [f"| feature, per spread | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    for number, feature in enumerate(FEATURES):
        rows.append(f"| {feature} | " + " | ".join(f"{models[name].weight[number]:.2f}" for name in names) + " |")
    return rows


if __name__ == "__main__":
    main()
