"""Whether one set of texts is written in the style of another: can a simple classifier tell them apart?

Style here is what does not depend on the topic: rates of function words, punctuation, casing, contractions, formatting
marks, and the lengths of words and sentences. A linear discriminant learns on some texts to tell predictions from
references and is judged on the others; the area under its curve is .5 where nothing gives them away. What the same
classifier makes of two halves of the references says how to read that figure: it is the area of one author against
himself. After the classifier two-sample test of Lopez-Paz and Oquab (2017), with the features of Burrows (2002).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ragstone.errors import InvalidInput
from ragstone.estimates import Estimate, auroc, mean

__all__ = ["StyleScores", "StyleShift", "score_style", "style_difference", "style_features"]

Verdict: TypeAlias = Literal["consistent", "different", "too few texts to tell"]
_Array: TypeAlias = NDArray[np.float64]

# Fewer texts than this a side teach a classifier nothing.
TEXTS_MIN = 20
# More add nothing but time.
_TEXTS_MAX = 2000
_FOLDS = 5
# Ridge of the discriminant for as many texts as features; less for more texts.
_RIDGE = 3.0
# Standard deviations beyond which a feature counts no more.
_OUTLIER = 4.0
_RESAMPLES = 1000
# Two authors whom the classifier tells apart less often than this write in one style.
CONSISTENT_MOST = 0.65
_SHIFTS_SHOWN = 8

_WORDS = """
    a about after all also although always an and any are as at be because been before being but by can could did do
    does each either every for from had has have he her here hers him his how however i if in into is it its itself just
    least less like may me might more most much must my neither never no nor not now of off often on once one only or
    other our out over per perhaps please quite rather shall she should since so some still such than that the their
    them then there therefore these they this those though through thus to too under until up us very was we were what
    when where whether which while who whose why will with within without would yet you your"""
_FUNCTION_WORDS = tuple(_WORDS.split())
_MARKS: tuple[tuple[str, str], ...] = (
    ("commas", r","),
    ("full stops", r"\.(?=\s|$)"),
    ("semicolons", r";"),
    ("colons", r":(?=\s|$)"),
    ("dashes", r"[–—]|\s-\s|--"),
    ("exclamation marks", r"!"),
    ("question marks", r"\?"),
    ("parentheses", r"\("),
    ("quotation marks", r"[\"“”«»]"),
    ("ellipses", r"…|\.\.\."),
    ("digits", r"\d+"),
    ("contractions", r"\b\w+['’](?:s|t|re|ve|ll|d|m)\b"),
    ("capitalised words", r"\b[A-Z][a-z]+"),
    ("words in capitals", r"\b[A-Z]{2,}\b"),
    ("sentences in lower case", r"(?:\A|[.!?]\s+)[a-z]"),
    ("list marks", r"(?m)^\s*(?:[-*•]|\d+[.)])\s"),
    ("headings", r"(?m)^#{1,6}\s"),
    ("bold or italic marks", r"\*\*|__|(?<!\w)[*_](?=\w)"),
    ("code marks", r"`"),
    ("table marks", r"\|"),
    ("links", r"https?://|\]\("),
    ("emoji", "[\U0001f300-\U0001faff☀-➿]"),
    ("line breaks", r"\n"),
)
_PATTERNS = tuple(re.compile(pattern) for _, pattern in _MARKS)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_SENTENCE = re.compile(r"[^.!?\n]*\w[^.!?\n]*")
_MEASURES = ("word length", "sentence length", "sentence length, spread")
_PLACE = {word: number for number, word in enumerate(_FUNCTION_WORDS)}
FEATURES: tuple[str, ...] = (*(f'"{word}"' for word in _FUNCTION_WORDS), *(name for name, _ in _MARKS), *_MEASURES)


@dataclass(frozen=True, slots=True)
class StyleShift:
    """One feature: how many standard deviations higher (or lower) it is in the predictions than in the references."""

    feature: str
    deviations: float


@dataclass(frozen=True, slots=True, repr=False)
class StyleScores:
    """What :func:`score_style` found.

    ``auroc`` is how well held-out predictions and references are told apart: .5 for one style, 1 for two.
    ``auroc_within`` is the same for two random halves of the references. ``words``, ``sentence_words`` and
    ``readability`` are mean differences, predictions less references: words in a text, in a sentence, and the grade of
    the automated readability index (Senter and Smith 1967). ``shifts`` are what differs most.
    """

    predictions: int
    references: int
    auroc: Estimate
    auroc_within: Estimate | None
    words: Estimate
    sentence_words: Estimate
    readability: Estimate
    shifts: tuple[StyleShift, ...]

    @property
    def verdict(self) -> Verdict:
        """``consistent`` where the whole interval lies at or below .65, ``different`` where it lies above."""
        if self.auroc.high <= CONSISTENT_MOST:
            return "consistent"
        return "different" if self.auroc.low > CONSISTENT_MOST else "too few texts to tell"

    def to_dict(self) -> dict[str, object]:
        """Everything by name, for JSON."""
        return {
            "predictions": self.predictions,
            "references": self.references,
            "verdict": self.verdict,
            "auroc": self.auroc.to_dict(),
            "auroc_within": None if self.auroc_within is None else self.auroc_within.to_dict(),
            "words": self.words.to_dict(),
            "sentence_words": self.sentence_words.to_dict(),
            "readability": self.readability.to_dict(),
            "shifts": {shift.feature: shift.deviations for shift in self.shifts},
        }

    def __str__(self) -> str:
        within = "too few references" if self.auroc_within is None else f"{self.auroc_within}"
        lines = [
            f"style          {self.verdict}: told apart with an AUROC of {self.auroc}",
            f"  references among themselves                  {within}",
            f"words a text   {_signed(self.words)}",
            f"  a sentence   {_signed(self.sentence_words)}",
            f"reading grade  {_signed(self.readability)}",
        ]
        if self.verdict != "consistent":
            shifts = (f"{shift.feature} {shift.deviations:+.1f}" for shift in self.shifts)
            lines.append("most different " + ", ".join(shifts) + " (standard deviations)")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)


def style_features(texts: Sequence[str]) -> _Array:
    """What the classifier sees: shape (n, features), named by ``FEATURES``; rates are roots of "per 100 words".

    >>> style_features(["The cat, the dog."]).shape[0]
    1
    """
    rows = np.empty((len(texts), len(FEATURES)))
    for number, text in enumerate(texts):
        words = _WORD.findall(text)
        counts = np.zeros(len(_PLACE) + len(_PATTERNS))
        for word in words:
            place = _PLACE.get(word.lower())
            if place is not None:
                counts[place] += 1
        counts[len(_PLACE) :] = [len(pattern.findall(text)) for pattern in _PATTERNS]
        # Roots, for counts vary with their own size: of a rare mark one more says more.
        rates = np.sqrt(100 * counts / max(len(words), 1))
        sentences = [len(_WORD.findall(sentence)) for sentence in _SENTENCE.findall(text)] or [0]
        letters = sum(map(len, words)) / max(len(words), 1)
        rows[number] = [*rates, letters, np.log1p(np.mean(sentences)), np.log1p(np.std(sentences))]
    return rows


def score_style(
    predictions: Sequence[str], references: Sequence[str], *, paired: bool = False, seed: int = 0
) -> StyleScores:
    """Tell whether predictions are written as the references are.

    The function words are English; in other languages the other features decide alone. Of more than 2,000 texts a
    side, 2,000 are drawn. The interval is DeLong's over the held-out scores.

    Args:
        predictions: What the model wrote, 20 texts or more.
        references: Texts in the style that is wanted, 20 or more.
        paired: The n-th prediction and the n-th reference answer the same question: they are then held out together,
            so that what they are about cannot help.
        seed: Of the folds and the resampling.

    Raises:
        InvalidInput: There are too few texts, or pairs are not as many on both sides.

    >>> same = [f"The {n} dogs are here, and we feed them." for n in range(40)]
    >>> score_style(same[:20], same[20:]).auroc.low <= 0.5
    True
    >>> score_style([text.upper() + "!!" for text in same], same).verdict
    'different'
    """
    _check(predictions, references, paired)
    ours, theirs = _drawn(predictions, references, paired, seed)
    scores = _held_out(style_features(ours), style_features(theirs), paired, seed)
    half = len(theirs) // 2
    within = None
    if half >= TEXTS_MIN:
        # Half as many texts learn less, so that this is a lower bound of what chance and topics give away.
        mixed = style_features([theirs[place] for place in np.random.default_rng(seed).permutation(len(theirs))])
        within = auroc(*_held_out(mixed[:half], mixed[half : 2 * half], False, seed))
    return StyleScores(
        predictions=len(predictions),
        references=len(references),
        auroc=auroc(*scores),
        auroc_within=within,
        words=_difference(lambda text: float(len(_WORD.findall(text))), ours, theirs, paired, seed),
        sentence_words=_difference(_sentence_words, ours, theirs, paired, seed),
        readability=_difference(_grade, ours, theirs, paired, seed),
        shifts=_shifts(style_features(ours), style_features(theirs)),
    )


def style_difference(
    predictions: Sequence[str], baseline: Sequence[str], references: Sequence[str], *, seed: int = 0
) -> Estimate:
    """How much harder a model is to tell from the references than its baseline: AUROC of the baseline less the model's.

    Above 0 where the model is nearer to the style. The n-th texts belong together; the interval resamples them.

    Raises:
        InvalidInput: There are fewer than 20 texts, or not as many of each.
    """
    _check(predictions, references, True)
    _check(baseline, references, True)
    ours, theirs = _drawn(list(zip(predictions, baseline, strict=True)), references, True, seed)
    right = style_features(theirs)
    sides = [_held_out(style_features([pair[side] for pair in ours]), right, True, seed) for side in (0, 1)]

    def gain(chosen: NDArray[np.int64]) -> float:
        model, plain = (_area(given[chosen], wanted[chosen]) for given, wanted in sides)
        return plain - model

    numbers, count = np.random.default_rng(seed), len(theirs)
    value = gain(np.arange(count))
    low, high = np.quantile([gain(numbers.integers(0, count, count)) for _ in range(_RESAMPLES)], [0.025, 0.975])
    return Estimate(value, min(float(low), value), max(float(high), value), count)


def _check(predictions: Sequence[str], references: Sequence[str], paired: bool) -> None:
    for texts, what in ((predictions, "predictions"), (references, "references")):
        if len(texts) < TEXTS_MIN:
            raise InvalidInput(f"there are {len(texts)} {what}: style takes {TEXTS_MIN} texts or more")
    if paired and len(predictions) != len(references):
        raise InvalidInput(
            f"there are {len(predictions)} predictions and {len(references)} references: pairs are as many"
        )


def _drawn(ours: Sequence[Any], theirs: Sequence[str], paired: bool, seed: int) -> tuple[list[Any], list[str]]:
    """At most so many texts of each side; pairs stay together."""
    numbers = np.random.default_rng(seed)
    first = np.sort(numbers.permutation(len(ours))[:_TEXTS_MAX])
    second = first if paired else np.sort(numbers.permutation(len(theirs))[:_TEXTS_MAX])
    return [ours[place] for place in first], [theirs[place] for place in second]


def _held_out(ours: _Array, theirs: _Array, paired: bool, seed: int) -> tuple[_Array, _Array]:
    """Each text's score by a classifier that has not seen it, in units of its fold: comparable between folds."""
    numbers = np.random.default_rng(seed)
    folds_ours = numbers.permutation(np.arange(len(ours)) % _FOLDS)
    folds_theirs = folds_ours if paired else numbers.permutation(np.arange(len(theirs)) % _FOLDS)
    scores = np.empty(len(ours)), np.empty(len(theirs))
    for fold in range(_FOLDS):
        out = folds_ours == fold, folds_theirs == fold
        seen = np.concatenate([ours[~out[0]], theirs[~out[1]]])
        target = np.concatenate([np.ones((~out[0]).sum()), np.zeros((~out[1]).sum())])
        decide = _classifier(seen, target)
        scores[0][out[0]], scores[1][out[1]] = decide(ours[out[0]]), decide(theirs[out[1]])
    return scores


def _classifier(seen: _Array, target: _Array) -> Callable[[_Array], _Array]:
    """Fisher's linear discriminant with a ridge: the direction in which the classes lie apart, for their spread."""
    centre, scale = seen.mean(axis=0), seen.std(axis=0)
    scale = np.where(scale > 1e-9, scale, np.inf)

    def standard(features: _Array) -> _Array:
        # Rare marks lie far out where they occur at all; a limit keeps one text from deciding.
        return np.asarray(np.clip((features - centre) / scale, -_OUTLIER, _OUTLIER))

    classes = [standard(seen[target == label]) for label in (0, 1)]
    means = [one.mean(axis=0) for one in classes]
    within = sum((one - mid).T @ (one - mid) / len(one) for one, mid in zip(classes, means, strict=True))
    ridge = _RIDGE * np.sqrt(seen.shape[1] / len(seen))
    weights = np.linalg.solve(within + ridge * np.eye(len(centre)), means[1] - means[0])
    return lambda features: np.asarray(standard(features) @ weights)


def _area(positive: _Array, negative: _Array) -> float:
    """Share of pairs in the right order, ties counting half (Mann and Whitney)."""
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, "left") + np.searchsorted(ordered, positive, "right")
    return float(below.mean() / (2 * len(negative)))


def _shifts(ours: _Array, theirs: _Array) -> tuple[StyleShift, ...]:
    spread = np.sqrt((ours.var(axis=0) + theirs.var(axis=0)) / 2)
    moved = np.divide(ours.mean(axis=0) - theirs.mean(axis=0), spread, out=np.zeros(len(FEATURES)), where=spread > 1e-9)
    order = np.argsort(-np.abs(moved), kind="stable")[:_SHIFTS_SHOWN]
    return tuple(StyleShift(FEATURES[place], round(float(moved[place]), 2)) for place in order)


def _difference(
    measure: Callable[[str], float], ours: Sequence[str], theirs: Sequence[str], paired: bool, seed: int
) -> Estimate:
    """Mean of the predictions less that of the references; pairs are resampled together, else each side by itself."""
    given, wanted = (np.array([measure(text) for text in texts]) for texts in (ours, theirs))
    if paired:
        return mean(given - wanted, seed=seed)
    numbers = np.random.default_rng(seed)
    value = float(given.mean() - wanted.mean())
    drawn = [
        given[numbers.integers(0, len(given), len(given))].mean()
        - wanted[numbers.integers(0, len(wanted), len(wanted))].mean()
        for _ in range(_RESAMPLES)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(value, min(float(low), value), max(float(high), value), len(given) + len(wanted))


def _sentence_words(text: str) -> float:
    return float(np.mean([len(_WORD.findall(sentence)) for sentence in _SENTENCE.findall(text)] or [0]))


def _grade(text: str) -> float:
    """The automated readability index: the American school grade that reads a text with ease."""
    words = _WORD.findall(text)
    return 4.71 * sum(map(len, words)) / len(words) + 0.5 * _sentence_words(text) - 21.43 if words else 0.0


def _signed(estimate: Estimate) -> str:
    return f"{estimate.value:+.1f} [{estimate.low:+.1f}, {estimate.high:+.1f}]"
