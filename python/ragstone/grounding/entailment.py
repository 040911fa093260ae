"""Tier T1: any ONNX model that tells whether a premise entails a hypothesis, from a folder the user brings.

A source is the premise, in windows that fit the model; a sentence without its marks is the hypothesis. A sentence's
probability is that of the best window of any source, and, for what it cites, of the cited sources put together too.
Needs the extra ``[onnx]``. None of it says how good the model is: that is the model's card's to say.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ragstone.errors import ModelError
from ragstone.grounding.lexical import split
from ragstone.grounding.result import GroundedSentence, Unsupported

if TYPE_CHECKING:
    from tokenizers import Encoding

__all__ = ["Entailment"]

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_ENTAILED = ("entail", "support", "consistent", "faithful", "grounded")
_THRESHOLD = 0.5


class Entailment:
    """The judge of tier T1.

    The folder holds ``model.onnx`` and ``tokenizer.json``, and a ``config.json`` whose ``id2label`` names the label
    that means entailment; a model with a single output needs none.
    """

    def __init__(self, folder: Path, *, threshold: float = _THRESHOLD) -> None:
        """Load the model.

        Raises:
            MissingDependency: onnxruntime or tokenizers is not installed.
            ModelError: The folder is not a usable model folder, or no label means entailment.
        """
        from ragstone.embedding.model_folder import read_model_folder
        from ragstone.embedding.sessions import open_session, open_tokenizer, require_onnx

        require_onnx("groundedness T1")
        described = read_model_folder(folder)
        self.tier = f"T1:{described.name}"
        self._folder = folder
        self._threshold = threshold
        self._tokenizer = open_tokenizer(described, described.tokenizer.read_bytes())
        self._room = described.max_tokens - self._tokenizer.num_special_tokens_to_add(True)
        if self._room < 8:
            raise ModelError(f"{str(folder)!r} takes {self._room} tokens besides special ones, a pair needs at least 8")
        self._session = open_session(described.model, described.model.read_bytes())
        kinds = {value.name: value.type for value in self._session.get_inputs()}
        if "input_ids" not in kinds or not set(kinds) <= set(_INPUTS):
            raise ModelError(f"{str(described.model)!r} has the inputs {', '.join(kinds)}; only {', '.join(_INPUTS)} are known")
        self._kinds = {name: np.int32 if "int32" in kind else np.int64 for name, kind in kinds.items()}
        self._output = self._session.get_outputs()[0].name
        self._label = _label(folder)

    def judge(self, answer: str, sources: Sequence[str]) -> tuple[GroundedSentence, ...]:
        """Every sentence of the answer, judged.

        Raises:
            ModelError: The model fails, or its output is not that of a classifier.
        """
        premises = [self._encode(source) for source in sources]
        return tuple(self._judged(sentence, text, sources, premises) for sentence, text in split(answer, len(sources)))

    def entailed(self, premise: str, hypothesis: str) -> float:
        """Probability from 0 to 1 that the premise, in windows if it is long, entails the hypothesis."""
        return self._probability(self._encode(premise), self._encode(hypothesis))

    def _judged(
        self, sentence: GroundedSentence, text: str, sources: Sequence[str], premises: Sequence[Encoding]
    ) -> GroundedSentence:
        if not sentence.checkable:
            return replace(sentence, score=0.0, supported=False, sources=(), unsupported=())
        hypothesis = self._encode(text)
        alone = [self._probability(premise, hypothesis) for premise in premises]
        order = sorted(range(len(alone)), key=lambda place: (-alone[place], place))
        score = alone[order[0]] if order else 0.0
        supported = score >= self._threshold
        reason = f"no source entails it (probability {score:.2f})"
        spans = () if supported else (Unsupported(sentence.start, sentence.end, "sentence", reason),)
        cited = [number - 1 for number in sentence.cited]
        together = self._together(cited, sources, alone, hypothesis)
        relevant = [
            together >= self._threshold
            and (
                alone[one] >= self._threshold
                or self._together([other for other in cited if other != one], sources, alone, hypothesis) < self._threshold
            )
            for one in cited
        ]
        return replace(
            sentence,
            score=score,
            supported=supported,
            sources=tuple(place + 1 for place in order[:1]),
            unsupported=spans,
            cited_score=together,
            cited_supported=bool(cited) and together >= self._threshold,
            cited_relevant=tuple(relevant),
        )

    def _together(
        self, cited: Sequence[int], sources: Sequence[str], alone: Sequence[float], hypothesis: Encoding
    ) -> float:
        """Probability by any of the cited sources, or by their texts one behind the other."""
        best = max((alone[place] for place in cited), default=0.0)
        if len(cited) < 2 or best >= self._threshold:
            return best
        return max(best, self._probability(self._encode("\n".join(sources[place] for place in cited)), hypothesis))

    def _encode(self, text: str) -> Encoding:
        return self._tokenizer.encode(text, add_special_tokens=False)

    def _probability(self, premise: Encoding, hypothesis: Encoding) -> float:
        """The best window's probability; a hypothesis of more than half the room is cut."""
        from tokenizers import Encoding

        if len(hypothesis) > self._room // 2:
            hypothesis = Encoding.merge([hypothesis])
            hypothesis.truncate(self._room // 2)
        room = self._room - len(hypothesis)
        premise = Encoding.merge([premise])
        if len(premise) > room:
            premise.truncate(room, stride=room // 4)
        best = 0.0
        for window in (premise, *premise.overflowing):
            pair = self._tokenizer.post_process(window, hypothesis)
            best = max(best, self._run(pair))
        return best

    def _run(self, pair: Encoding) -> float:
        from ragstone.embedding.sessions import first_line

        ids = np.array(pair.ids, dtype=np.int64)[np.newaxis]
        values = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.array([pair.type_ids])}
        feed = {name: values[name].astype(kind, copy=False) for name, kind in self._kinds.items()}
        try:
            logits = np.asarray(self._session.run([self._output], feed)[0], dtype=np.float64)
        except Exception as error:  # onnxruntime has no common exception class
            raise ModelError(f"running the model in {str(self._folder)!r} failed: {first_line(error)}") from error
        return _entailment(logits, self._label, self._folder)


def _entailment(logits: NDArray[np.float64], label: int | None, folder: Path) -> float:
    """Probability of the label: softmax over several outputs, the logistic function of a single one."""
    row = logits[0] if logits.ndim == 2 and len(logits) == 1 else np.empty(0)
    if not row.size or not np.isfinite(row).all() or (label is not None and label >= len(row)):
        raise ModelError(
            f"the model in {str(folder)!r} gave an output of shape {logits.shape} that is no (1, labels) of finite numbers"
        )
    if len(row) == 1:
        return float(1 / (1 + np.exp(-np.clip(row[0], -60, 60))))
    if label is None:
        raise ModelError(
            f"the model in {str(folder)!r} has {len(row)} outputs and no 'id2label' in config.json that names one "
            "'entailment': write which it is"
        )
    shares = np.exp(row - row.max())
    return float(shares[label] / shares.sum())


def _label(folder: Path) -> int | None:
    """The number of the label that means entailment; ``None`` where the configuration does not name labels."""
    path = folder / "config.json"
    try:
        labels: Any = json.loads(path.read_text(encoding="utf-8")).get("id2label") if path.is_file() else None
        named = None if labels is None else {int(number): str(name).lower() for number, name in labels.items()}
    except (AttributeError, ValueError, RecursionError) as error:
        raise ModelError(f"'id2label' in {str(path)!r} does not map numbers to names: {error}") from None
    if named is None:
        return None
    found = [number for number, name in named.items() if name.startswith(_ENTAILED)]
    if len(found) != 1 and len(named) > 1:
        raise ModelError(
            f"the labels of {str(folder)!r} are {', '.join(named.values())}: exactly one has to begin with "
            f"{', '.join(_ENTAILED)}"
        )
    return found[0] if found else None
