"""Fits answerability to one index: on its users' questions, or on questions made from its own sentences."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ragstone.answerability import Model, expanded, features, shipped
from ragstone.calibrated import Calibration, write_calibration
from ragstone.errors import InvalidInput
from ragstone.estimates import auroc, calibration_error
from ragstone.index import SearchIndex

if TYPE_CHECKING:
    from ragstone._core import Evidence

__all__ = ["CalibrationReport", "Example", "calibrate", "examples_of", "fit", "fitted", "generated_questions"]

KEPT = 0.95
_FOLDS = 5
_QUESTIONS_LEAST = 20
# Ridges, on features in units of their spread, and the examples from which a richer form is tried at all.
_FORMS: dict[str, tuple[float, int]] = {"recalibrated": (0.01, 0), "linear": (2.0, 120), "products": (20.0, 600)}
_GENERATED_MOST = 400
# Words of a sentence that questions are made of, and the share of them that come from another sentence.
_WORDS_LEAST, _WORDS_MOST, _FOREIGN = 3, 40, 0.1
_WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_TEMPLATES = ("What is {}?", "{}", "How does {}?", "When did {}?", "Which {}?", "Who {}?", "What about {}?")

Kind: TypeAlias = Literal["answerable", "near", "far"]
_Values: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Example:
    """What a question looked like to the index, and whether the index could answer it.

    ``near`` is a question whose answering documents were taken out, ``far`` one given as unanswerable.
    """

    question: str
    evidence: Evidence
    kind: Kind


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """What a calibration was fitted on, which form of the model it took, and how it did on folds not fitted on."""

    path: Path
    source: Literal["questions", "generated"]
    answerable: int
    near: int
    far: int
    form: str
    threshold: float
    kept: float
    auroc_near: float | None
    auroc_far: float | None
    ece_before: float
    ece: float
    chunks: int
    documents: int

    def __str__(self) -> str:
        near = "not measured" if self.auroc_near is None else f"{self.auroc_near:.3f}"
        far = "not measured" if self.auroc_far is None else f"{self.auroc_far:.3f}"
        origin = "given" if self.source == "questions" else "made from the corpus"
        return "\n".join(
            [
                f"questions    {self.answerable} answerable ({origin}), {self.near} near, {self.far} far unanswerable",
                f"corpus       {self.chunks:,} chunks of {self.documents:,} documents",
                f"model        {self.form}, measured on folds that it was not fitted on:",
                f"AUROC        near {near}, far {far}",
                f"ECE          {self.ece:.3f}, before {self.ece_before:.3f}",
                f"threshold    {self.threshold:.3f}, keeps {self.kept:.0%} of the answerable questions",
                f"written to   {self.path}",
            ]
        )

    def to_dict(self) -> dict[str, object]:
        """All fields in JSON's types."""
        return {name: getattr(self, name) if name != "path" else str(self.path) for name in self.__slots__}


def calibrate(
    index: SearchIndex,
    questions: Mapping[str, str] | None = None,
    qrels: Mapping[str, Mapping[str, int]] | None = None,
    unanswerable: Sequence[str] = (),
    *,
    kept: float = KEPT,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> CalibrationReport:
    """Fit answerability to an index and keep the result in its directory, where ``ask`` finds it.

    Each question is asked twice: of the whole corpus, and with the documents that answer it left out, which makes it a
    *near* unanswerable one. Forms of the model (the shipped weights with another slope and bias; weights of its own;
    these and all products of two features) are compared by their log loss on folds of questions, and the best is kept.
    The threshold is where ``kept`` of the answerable questions pass, on folds not fitted on.

    Args:
        index: What is calibrated; its embedder searches with it.
        questions: Text of each question by id. Without them, questions are made from sentences of the corpus; they
            tell less: ``python/models/ANSWERABILITY.md`` says how much.
        qrels: Grades of the documents that answer each question.
        unanswerable: Questions that the corpus does not answer.
        kept: Share of answerable questions that the threshold keeps.
        seed: Of the folds, and of the questions that are made.
        progress: Called with (questions asked, questions).

    Raises:
        InvalidInput: Too few questions have judgements, or ``kept`` is not between 0 and 1.
    """
    if not 0 < kept < 1:
        raise InvalidInput(f"kept is {kept!r}: pass a share between 0 and 1, such as 0.95")
    source: Literal["questions", "generated"] = "questions"
    if questions is None:
        source = "generated"
        questions, qrels = generated_questions(index, seed=seed)
    elif qrels is None:
        raise InvalidInput(
            "questions come without judgements: pass qrels, the grades of the documents that answer them"
        )
    examples = list(examples_of(index, questions, qrels or {}, unanswerable, progress=progress))
    answerable = sum(example.kind == "answerable" for example in examples)
    if answerable < _QUESTIONS_LEAST:
        raise InvalidInput(
            f"{answerable} questions have documents of this index that answer them, {_QUESTIONS_LEAST} are needed: "
            "judge more questions, or calibrate without any"
        )
    embedder = index.embedder
    name = None if embedder is None else embedder.name
    default = shipped(examples[0].evidence, name)
    # Questions made of the corpus's own words are easier than real ones: they are trusted with a scale, not more.
    forms = tuple(_FORMS) if source == "questions" else ("recalibrated",)
    model, form, held_out = fit(examples, default, kept=kept, seed=seed, forms=forms)
    truth = np.array([example.kind == "answerable" for example in examples])
    before = np.array([default.probability(example.evidence) for example in examples])
    dense = bool(examples[0].evidence["cosine"])
    facts = {"source": source, "questions": answerable, "unanswerable": len(unanswerable), "form": form, "kept": kept}
    fingerprint = embedder.fingerprint if dense and embedder is not None else None
    path = write_calibration(index.path, Calibration(model, fingerprint, facts))

    def separated(kind: str) -> float | None:
        others = held_out[[example.kind == kind for example in examples]]
        return auroc(held_out[truth], others).value if len(others) else None

    return CalibrationReport(
        path=path,
        source=source,
        answerable=answerable,
        near=sum(example.kind == "near" for example in examples),
        far=len(unanswerable),
        form=form,
        threshold=model.threshold,
        kept=kept,
        auroc_near=separated("near"),
        auroc_far=separated("far"),
        ece_before=calibration_error(before, truth),
        ece=calibration_error(held_out, truth),
        chunks=len(index),
        documents=len(index.sources()),
    )


def examples_of(
    index: SearchIndex,
    questions: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, int]],
    unanswerable: Sequence[str] = (),
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Example]:
    """Ask each judged question with and without its answers, then those that have none.

    Questions without a relevant document are left out.
    """
    judged = {name: [key for key, grade in qrels.get(name, {}).items() if grade > 0] for name in questions}
    judged = {name: answers for name, answers in judged.items() if answers and questions[name].strip()}
    total = len(judged) + len(unanswerable)
    for number, (name, answers) in enumerate(judged.items(), 1):
        _, evidence = index.search_with_evidence(questions[name])
        yield Example(questions[name], evidence, "answerable")
        _, evidence = index.search_with_evidence(questions[name], without=answers)
        yield Example(questions[name], evidence, "near")
        if progress is not None:
            progress(number, total)
    for number, question in enumerate(unanswerable, len(judged) + 1):
        _, evidence = index.search_with_evidence(question)
        yield Example(question, evidence, "far")
        if progress is not None:
            progress(number, total)


def generated_questions(index: SearchIndex, *, seed: int = 0) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    """Questions made from sentences of the corpus, and the documents that they were made from.

    Some of a sentence's words, now and then one of another sentence in place of its own, as people who ask do not know
    how the answer is worded.
    """
    random = np.random.default_rng(seed)
    sources = index.sources()
    chosen = random.permutation(len(sources))[:_GENERATED_MOST]
    sentences: list[tuple[str, list[str]]] = []
    for place in chosen:
        document_id = sources[int(place)][0]
        document = index.document(document_id)
        if document is None:
            continue
        found = [_content(sentence) for sentence in _SENTENCE.split(document.text)]
        found = [words for words in found if _WORDS_LEAST <= len(words) <= _WORDS_MOST]
        for pick in random.permutation(len(found))[: max(1, _GENERATED_MOST // max(len(chosen), 1))]:
            sentences.append((document_id, found[int(pick)]))
    questions: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    for number, (document_id, words) in enumerate(sentences):
        count = min(len(words), int(random.integers(_WORDS_LEAST, 9)))
        others = sentences[int(random.integers(len(sentences)))][1]
        taken = [
            words[place] if random.random() > _FOREIGN else others[int(random.integers(len(others)))]
            for place in sorted(random.permutation(len(words))[:count])
        ]
        template = _TEMPLATES[int(random.integers(len(_TEMPLATES)))]
        name = f"generated-{number}"
        questions[name], qrels[name] = template.format(" ".join(taken)), {document_id: 1}
    return questions, qrels


def _content(sentence: str) -> list[str]:
    """Words that say what a sentence is about: long ones, names and numbers."""
    words = _WORD.findall(sentence)
    return [
        word for place, word in enumerate(words) if len(word) > 3 or word.isdigit() or (place > 0 and word[0].isupper())
    ]


def fit(
    examples: Sequence[Example],
    default: Model,
    *,
    kept: float = KEPT,
    seed: int = 0,
    forms: Sequence[str] = tuple(_FORMS),
) -> tuple[Model, str, _Values]:
    """The form of the model that does best on folds of questions, fitted to all examples.

    Both classes weigh the same, whatever their numbers: a probability of 0.5 is as likely one as the other.

    Returns:
        The model, the name of its form, and each example's probability by a model that was not fitted on it.
    """
    values = np.array([features(example.evidence) for example in examples], dtype=np.float64)
    truth = np.array([example.kind == "answerable" for example in examples], dtype=np.float64)
    importance = np.where(truth == 1, 0.5 / truth.mean(), 0.5 / max(1 - truth.mean(), 1e-9))
    folds = _folds([example.question for example in examples], seed)
    best: tuple[float, str, _Values] | None = None
    for form, (_, least) in _FORMS.items():
        if form not in forms or len(examples) < least:
            continue
        held_out = np.zeros(len(examples))
        for fold in range(_FOLDS):
            own = folds != fold
            if own.all() or not truth[own].any() or truth[own].all():
                continue
            part = fitted(form, values[own], truth[own], importance[own], default)
            held_out[~own] = _probabilities(part, values[~own])
        sure = np.clip(held_out, 1e-6, 1 - 1e-6)
        loss = -float(np.mean(importance * (truth * np.log(sure) + (1 - truth) * np.log(1 - sure))))
        if best is None or loss < best[0]:
            best = (loss, form, held_out)
    assert best is not None
    _, form, held_out = best
    model = fitted(form, values, truth, importance, default)
    threshold = round(float(np.quantile(held_out[truth == 1], 1 - kept)), 6)
    return Model(model.mean, model.scale, model.weight, model.bias, threshold), form, held_out


def _folds(questions: Sequence[str], seed: int) -> NDArray[np.int64]:
    """A fold for each example; both of a question's examples are in one."""
    distinct = {question: number for number, question in enumerate(dict.fromkeys(questions))}
    shuffled = np.random.default_rng(seed).permutation(len(distinct)) % _FOLDS
    return np.array([shuffled[distinct[question]] for question in questions], dtype=np.int64)


def fitted(form: str, values: _Values, truth: _Values, importance: _Values, default: Model | None = None) -> Model:
    """A model of one form, fitted to rows of :func:`~ragstone.answerability.features`, whose threshold is still 0.5."""
    ridge = _FORMS[form][0]
    if form == "recalibrated" and default is not None:
        logits = _logits(default, values)
        slope, bias = _logistic(logits[:, None], truth, importance, ridge)
        slope = max(float(slope), 0.05)  # a question set on which the weights say the opposite is a strange one
        weight = tuple(float(one * slope) for one in default.weight)
        return Model(default.mean, default.scale, weight, float(default.bias * slope + bias), 0.5)
    mean, scale = values.mean(axis=0), values.std(axis=0)
    scale[scale < 1e-9] = 1.0
    shape = Model(_rounded(mean), _rounded(scale), (), 0.0, 0.5)
    own = _logistic(_design(shape, values, products=form == "products"), truth, importance, ridge)
    return Model(shape.mean, shape.scale, _rounded(own[:-1]), float(own[-1]), 0.5)


def _design(model: Model, values: _Values, *, products: bool) -> _Values:
    rows: Any = [model.standardised(row) for row in values.tolist()]
    return np.array([expanded(row) for row in rows] if products else rows, dtype=np.float64)


def _logits(model: Model, values: _Values) -> _Values:
    products = len(model.weight) > len(model.mean)
    logits: _Values = _design(model, values, products=products) @ np.array(model.weight) + model.bias
    return logits


def _probabilities(model: Model, values: _Values) -> _Values:
    return 1 / (1 + np.exp(-np.clip(_logits(model, values), -60, 60)))


def _rounded(values: _Values) -> tuple[float, ...]:
    return tuple(round(float(value), 7) for value in values)


def _logistic(values: _Values, truth: _Values, importance: _Values, ridge: float) -> _Values:
    """Logistic regression by damped Newton steps; the last weight is the bias, which has no ridge."""
    design = np.column_stack([values, np.ones(len(values))])
    penalty = np.full(design.shape[1], ridge)
    penalty[-1] = 1e-6
    weight = np.zeros(design.shape[1])

    def loss(weight: _Values) -> float:
        logits = design @ weight
        return float(importance @ (np.logaddexp(0, logits) - truth * logits) + 0.5 * penalty @ weight**2)

    now = loss(weight)
    for _ in range(50):
        probability = 1 / (1 + np.exp(-np.clip(design @ weight, -60, 60)))
        gradient = design.T @ (importance * (probability - truth)) + penalty * weight
        curvature = (design * (importance * probability * (1 - probability))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curvature + 1e-9 * np.eye(len(weight)), gradient)
        size = 1.0
        while (then := loss(weight - size * step)) > now and size > 1e-6:
            size /= 2
        weight = weight - size * step
        if now - then < 1e-9 * (1 + abs(now)):
            break
        now = then
    return np.asarray(weight, dtype=np.float64)
