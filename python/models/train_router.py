"""Trains the two heads of the router and writes its weights and its measured quality.

    python python/models/train_router.py --queries ../shared/data/queries --features PATH/route_features

Features are computed by the engine, through ``ragstone._core.route_features`` or, where that is not installed, the
example binary that ``--features`` names. Everything is seeded: the same data gives the same file.
"""

from __future__ import annotations

import argparse
import binascii
import json
import random
import re
import struct
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scipy.special import expit
from scipy.stats import rankdata

HERE = Path(__file__).resolve().parent
WEIGHTS = HERE.parent / "ragstone" / "recommender" / "router.bin"
BUCKETS = 1 << 16
THRESHOLD = (0.5, 0.5)
MARGIN = 0.2
L2_HASHED, L2_RULES = 1.0, 0.3
UNKNOWN = -1
SYNTHETIC_ROWS = {"factual": 4000, "behavioural": 4000, "wrappers": 3000, "hybrid": 2000, "other": 3000}
SYNTHETIC_LABELS = {"factual": (1, 0), "behavioural": (0, 1), "wrappers": (1, 1), "hybrid": (1, 1), "other": (0, 0)}
# How much a source counts in all, whatever its number of rows: variety of sources helps, more of the same does not.
SOURCE_WEIGHT = {"dolly": 3000, "nq": 2000, "msmarco": 2000, "banking": 1500, "ifeval": 800, "followbench": 500}
SOURCE_WEIGHT |= {"seedclf": 100, "bitext": 800, "own": 1500}
JOINT = (("dolly",), ("nq", "ifeval"), ("msmarco", "followbench"), ("banking", "seedclf"), ("banking", "followbench"))


@dataclass(frozen=True)
class Row:
    """A query with its labels; ``UNKNOWN`` where a source does not tell."""

    text: str
    facts: int
    behaviour: int
    source: str
    weight: float = 1.0


Features = Callable[[Sequence[str]], csr_matrix]


# ── data ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_jsonl(path: Path) -> list[dict[str, str]]:
    """Rows of a JSON-lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


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


def own_rows(split: str) -> list[Row]:
    """The project's own hand-labelled cases: ``train``, ``test`` or ``late``."""
    cases = read_jsonl(HERE / "router_cases.jsonl")
    # Late cases were written after the other test cases had been looked at, and were not looked at themselves.
    names = {"train": ("train", False), "test": ("test", False), "late": ("test", True)}
    chosen = [case for case in cases if (case["split"], bool(case.get("late"))) == names[split]]
    return [Row(case["text"], int(case["need_facts"]), int(case["need_behaviour"]), "own") for case in chosen]


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
    """Each row, and for many a stripped and a mistyped twin that share its weight."""
    rng = random.Random(seed)
    out = []
    for row in rows:
        twins = [row.text]
        if rng.random() < 0.4:
            twins.append(mistyped(row.text, rng, 1 + len(row.text) // 60))
        if rng.random() < 0.4 and re.search(r"[:\"\n]", row.text):
            twins.append(without_punctuation(row.text))
        out += [replace(row, text=text, weight=row.weight / len(twins)) for text in twins]
    return out


def weighted(rows: Sequence[Row]) -> list[Row]:
    """Rows whose weights sum to their source's share; synthetic kinds count half a row each."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.source] = counts.get(row.source, 0) + 1
    return [
        replace(row, weight=SOURCE_WEIGHT[row.source] / counts[row.source] if row.source in SOURCE_WEIGHT else 0.5)
        for row in rows
    ]


def training_rows(real: Sequence[Row], own: Sequence[Row], *, synthetic: bool = True) -> list[Row]:
    """Everything that is learnt from, given the real rows that may be seen."""
    kept = [row for row in real if not is_mislabelled(row)]
    made = synthetic_rows(kept) if synthetic else []
    return augmented(weighted([*kept, *own, *made]))


# ── features and model ────────────────────────────────────────────────────────────────────────────────────────────


def engine_features(binary: str | None, columns: int) -> Features:
    """A function from texts to the engine's features."""

    def by_binary(texts: Sequence[str]) -> csr_matrix:
        lines = "".join(json.dumps(text) + "\n" for text in texts)
        output = subprocess.run([str(binary)], input=lines, capture_output=True, text=True, check=True).stdout
        indptr = np.cumsum([0, *(line.count(":") for line in output.splitlines())])
        flat = np.array(output.replace(":", " ").split(), dtype=np.float64).reshape(-1, 2)
        return csr_matrix((flat[:, 1], flat[:, 0].astype(np.int64), indptr), shape=(len(texts), columns))

    def by_module(texts: Sequence[str]) -> csr_matrix:
        from ragstone import _core

        indptr, indices, values = _core.route_features(list(texts))
        return csr_matrix(
            (values.astype(float), indices.astype(np.int64), indptr.astype(np.int64)), shape=(len(texts), columns)
        )

    return by_binary if binary else by_module


@dataclass(frozen=True)
class Head:
    """One logistic regression, after calibration."""

    weights: NDArray[np.float64]
    bias: float

    def logits(self, matrix: csr_matrix) -> NDArray[np.float64]:
        """Log-odds of each row."""
        return np.asarray(matrix @ self.weights + self.bias)


def fit(
    matrix: csr_matrix,
    labels: NDArray[np.float64],
    weights: NDArray[np.float64],
    start: Head | None = None,
    iterations: int = 150,
) -> Head:
    """L2-regularised logistic regression by L-BFGS; rules are held less tightly than hashed n-grams."""
    columns = matrix.shape[1]
    penalty = np.full(columns, L2_HASHED)
    penalty[BUCKETS:] = L2_RULES
    transposed = matrix.T.tocsr()

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = matrix @ parameters[:-1] + parameters[-1]
        value = weights @ (np.logaddexp(0, logits) - labels * logits) + 0.5 * penalty @ parameters[:-1] ** 2
        residual = weights * (expit(logits) - labels)
        return float(value), np.append(transposed @ residual + penalty * parameters[:-1], residual.sum())

    begin = np.zeros(columns + 1) if start is None else np.append(start.weights, start.bias)
    found = minimize(loss, begin, jac=True, method="L-BFGS-B", options={"maxiter": iterations, "maxcor": 10}).x
    return Head(found[:-1], float(found[-1]))


def platt(
    logits: NDArray[np.float64], labels: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[float, float]:
    """Slope and offset that calibrate log-odds (Platt 1999)."""

    def loss(ab: NDArray[np.float64]) -> float:
        scaled = ab[0] * logits + ab[1]
        return float(weights @ (np.logaddexp(0, scaled) - labels * scaled))

    slope, offset = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x
    return float(slope), float(offset)


@dataclass(frozen=True)
class Model:
    """Both heads."""

    behaviour: Head
    facts: Head

    def probabilities(self, matrix: csr_matrix) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of behaviour and of facts."""
        return expit(self.behaviour.logits(matrix)), expit(self.facts.logits(matrix))


def train(rows: Sequence[Row], features: Features, *, calibrate: bool = True, iterations: int = 150) -> Model:
    """Fits both heads; calibration is learnt on a held-out seventh of the rows, then applied to the fit on all."""
    matrix = features([row.text for row in rows])
    weight = np.array([row.weight for row in rows])
    # Twins of one text must not stand on both sides.
    fold = np.array([binascii.crc32(" ".join(re.findall(r"\w+", row.text.lower())[:4]).encode()) % 7 for row in rows])
    heads = []
    for label in ("behaviour", "facts"):
        target = np.array([float(getattr(row, label)) for row in rows])
        known = target != UNKNOWN
        slope, offset, start = 1.0, 0.0, None
        if calibrate:
            held = known & (fold == 0)
            start = fit(matrix[known & ~held], target[known & ~held], weight[known & ~held], None, iterations)
            slope, offset = platt(start.logits(matrix[held]), target[held], weight[held])
        head = fit(matrix[known], target[known], weight[known], start, iterations)
        heads.append(Head(head.weights * slope, head.bias * slope + offset))
    return Model(*heads)


def quantised(model: Model) -> tuple[Model, bytes]:
    """The model as the engine will see it, and its file (layout: ``rust/engine/src/routing/linear.rs``)."""
    heads, codes = [], []
    for head in (model.behaviour, model.facts):
        hashed = head.weights[:BUCKETS]
        scale = float(np.float32(np.quantile(np.abs(hashed), 0.9999) / 127))
        code = np.clip(np.rint(hashed / scale), -127, 127).astype(np.int8)
        weights = np.concatenate([code * scale, head.weights[BUCKETS:].astype(np.float32)])
        heads.append((Head(weights, float(np.float32(head.bias))), scale))
        codes.append(code)
    rules = np.stack([head.weights[BUCKETS:] for head, _ in heads], axis=1).astype("<f4")
    body = struct.pack("<7f", *THRESHOLD, MARGIN, *(head.bias for head, _ in heads), *(scale for _, scale in heads))
    return Model(heads[0][0], heads[1][0]), body + rules.tobytes() + np.stack(codes, axis=1).tobytes()


def write_weights(path: Path, body: bytes, fingerprint: int, rules: int) -> None:
    """Writes the weights with header and checksum."""
    content = b"RSROUTE1" + struct.pack("<3I", fingerprint, BUCKETS, rules) + body
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content + struct.pack("<I", binascii.crc32(content)))


# ── measuring ─────────────────────────────────────────────────────────────────────────────────────────────────────


def auc(scores: NDArray[np.float64], labels: NDArray[np.bool_]) -> float:
    """Area under the ROC curve, ties counted half."""
    positives = int(labels.sum())
    ranks = rankdata(scores)
    return float((ranks[labels].sum() - positives * (positives + 1) / 2) / (positives * (len(labels) - positives)))


def calibration_error(probabilities: NDArray[np.float64], labels: NDArray[np.bool_]) -> float:
    """Expected calibration error over ten equal bins."""
    bins = np.minimum((probabilities * 10).astype(int), 9)
    gaps = [
        abs(probabilities[bins == b].mean() - labels[bins == b].mean()) * (bins == b).mean()
        for b in range(10)
        if (bins == b).any()
    ]
    return float(sum(gaps))


def kinds(behaviour: NDArray[np.float64], facts: NDArray[np.float64]) -> NDArray[np.int64]:
    """Class of each row: 0 other, 1 behavioural, 2 factual, 3 hybrid."""
    return np.asarray((behaviour >= THRESHOLD[0]) * 1 + (facts >= THRESHOLD[1]) * 2)


def macro_f1(predicted: NDArray[np.int64], true: NDArray[np.int64]) -> float:
    """Mean F1 of the four classes."""
    scores = []
    for kind in range(4):
        hits = ((predicted == kind) & (true == kind)).sum()
        scores.append(2 * hits / max(1, (predicted == kind).sum() + (true == kind).sum()))
    return float(np.mean(scores))


def left_out_lines(real: Sequence[Row], own: Sequence[Row], features: Features) -> list[str]:
    """Quality on sources that the model never saw, neither as rows nor as topics; fitted shorter and not calibrated."""
    lines = [
        "| left out (n) | AUC | balanced accuracy | ECE | share of each path retrieve / advisory / hybrid / pass |",
        "|---|---|---|---|---|",
    ]
    for names in JOINT:
        seen = [row for row in real if row.source not in names]
        model = quantised(train(training_rows(seen, own), features, calibrate=False, iterations=60))[0]
        lines.append(source_line(" + ".join(names), [row for row in real if row.source in names], model, features))
    return lines


def source_line(name: str, rows: Sequence[Row], model: Model, features: Features) -> str:
    """One row of the table of sources: behaviour against fact."""
    behaviour, facts = model.probabilities(features([row.text for row in rows]))
    labels = np.array([row.behaviour == 1 for row in rows])
    correct = (behaviour >= THRESHOLD[0]) == labels
    balanced = (correct[labels].mean() + correct[~labels].mean()) / 2
    found = kinds(behaviour, facts)
    shares = " ; ".join(
        f"{side} " + " / ".join(f"{np.mean(found[mask] == kind):.2f}" for kind in (2, 1, 3, 0))
        for side, mask in (("F", ~labels), ("B", labels))
    )
    numbers = (auc(behaviour, labels), balanced, calibration_error(behaviour, labels))
    return f"| {name} ({len(rows)}) | {' | '.join(f'{number:.3f}' for number in numbers)} | {shares} |"


def own_lines(rows: Sequence[Row], model: Model, features: Features) -> list[str]:
    """The four-class result on held-out own cases."""
    behaviour, facts = model.probabilities(features([row.text for row in rows]))
    true = np.array([row.behaviour + 2 * row.facts for row in rows])
    found = kinds(behaviour, facts)
    names = {2: "factual", 1: "behavioural", 3: "hybrid", 0: "other"}
    near = np.minimum(abs(behaviour - THRESHOLD[0]), abs(facts - THRESHOLD[1])) < MARGIN
    lines = [
        f"Behaviour AUC {auc(behaviour, true % 2 == 1):.3f}, facts AUC {auc(facts, true >= 2):.3f}; "
        f"accuracy {np.mean(found == true):.3f}, "
        f"macro-F1 **{macro_f1(found, true):.3f}** (n = {len(rows)}); `uncertain` {near.mean():.2f} of them, "
        f"accuracy {np.mean((found == true)[~near]):.3f} on the others.",
        "",
        "| true \\ found | factual | behavioural | hybrid | other |",
        "|---|---|---|---|---|",
    ]
    for kind in (2, 1, 3, 0):
        lines.append(
            f"| {names[kind]} | "
            + " | ".join(str(int(((true == kind) & (found == other)).sum())) for other in (2, 1, 3, 0))
            + " |"
        )
    wrong = [
        f"  - {row.text!r}: {names[int(f)]}, should be {names[int(t)]}"
        for row, f, t in zip(rows, found, true, strict=True)
        if f != t
    ]
    return [*lines, "", f"Wrong ({len(wrong)}):", "", *wrong]


def flip_lines(texts: Sequence[str], model: Model, features: Features) -> list[str]:
    """How many decisions change with things that should not matter."""
    rng = random.Random(5)
    changes: dict[str, Callable[[str], str]] = {
        "upper case": str.upper,
        "lower case": str.lower,
        "no final mark": lambda text: text.rstrip("?.! "),
        "no punctuation": without_punctuation,
        "please, …": lambda text: f"Could you please {text}",
        "…, thanks": lambda text: f"{text} Thank you!",
        "one typing error": lambda text: mistyped(text, rng),
    }
    plain = kinds(*model.probabilities(features(texts)))
    lines = ["| change | decisions that flip |", "|---|---|"]
    rates = []
    for name, change in changes.items():
        rates.append(np.mean(kinds(*model.probabilities(features([change(text) for text in texts]))) != plain))
        lines.append(f"| {name} | {rates[-1]:.1%} |")
    return [*lines, f"| mean | {np.mean(rates):.1%} |"]


def report(sections: dict[str, list[str]]) -> str:
    """The Markdown file beside this script."""
    head = [
        "# How well the router decides",
        "",
        "Written by `train_router.py`; the numbers are of the int8 weights that ship.",
        "",
    ]
    return "\n".join(head + [line for title, lines in sections.items() for line in (f"## {title}", "", *lines, "")])


def main() -> None:
    """Trains, measures, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=Path, default=HERE.parents[1].parent / "shared" / "data" / "queries")
    parser.add_argument("--features", help="route_features binary; without it ragstone._core must be installed")
    parser.add_argument("--quick", action="store_true", help="train and write the weights only")
    arguments = parser.parse_args()
    if arguments.features:
        names = subprocess.run(
            [arguments.features, "--names"], capture_output=True, text=True, check=True
        ).stdout.splitlines()
    else:
        from ragstone import _core

        names = [str(_core.route_fingerprint()), *_core.route_rule_names()]
    fingerprint, rules = int(names[0]), names[1:]
    features = engine_features(arguments.features, BUCKETS + len(rules))
    real, own, test = public_rows(arguments.queries), own_rows("train"), own_rows("test")
    model, body = quantised(train(training_rows(real, own), features))
    write_weights(WEIGHTS, body, fingerprint, len(rules))
    print(f"wrote {WEIGHTS.name}: {WEIGHTS.stat().st_size:,} bytes", flush=True)
    sections = {
        "Own cases never trained on, looked at while templates and rules were written (first sight 0.804)": own_lines(
            test, model, features
        )
    }
    if not arguments.quick:
        sections["Own cases never trained on, written later and not looked at"] = own_lines(
            own_rows("late"), model, features
        )
        rng = random.Random(3)
        sample = rng.sample([row.text for row in real], 2000) + [row.text for row in test]
        public_only = quantised(train(training_rows(real, []), features, calibrate=False, iterations=60))[0]
        own_result = own_lines(test, public_only, features)[0]
        sections |= {
            "Own cases, trained without any own case (templates only)": [own_result],
            "Sources left out of the training": left_out_lines(real, own, features),
            "Flips": flip_lines(sample, model, features),
        }
    text = report(sections)
    print(text)
    if not arguments.quick:
        (HERE / "ROUTER.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
