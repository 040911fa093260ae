"""A tiny entailment model for tests and for measuring what stands around a model: it knows words, and no language.

A hypothesis is entailed if nearly all of its words are in the premise. One layer of comparisons, no trained weights.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import tokenizers
from onnx import TensorProto, helper, numpy_helper

__all__ = ["LABELS", "write_model"]

LABELS = ("contradiction", "entailment", "neutral")
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def write_model(
    folder: Path, *, labels: Sequence[str] | None = LABELS, outputs: int = 3, max_tokens: int = 512, name: str = "tiny"
) -> Path:
    """Write ``model.onnx``, ``tokenizer.json`` and ``config.json``; a single output is the logit of entailment."""
    folder = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(_model(outputs).SerializeToString())
    (folder / "tokenizer.json").write_text(_tokenizer().to_str(), encoding="utf-8")
    config: dict[str, object] = {"max_position_embeddings": max_tokens}
    if labels is not None:
        config["id2label"] = {str(number): label for number, label in enumerate(labels)}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def _model(outputs: int) -> onnx.ModelProto:
    """The share of the second part's tokens that the first part has, as logits: 0, 20 (share - 0.95), -5."""
    slope = np.array([[0.0, 20.0, 0.0]] if outputs == 3 else [[20.0]], dtype=np.float32)
    offset = np.array([[0.0, -19.0, -5.0]] if outputs == 3 else [[-19.0]], dtype=np.float32)
    constants = {
        "rows": np.array([1], dtype=np.int64),
        "columns": np.array([2], dtype=np.int64),
        "one": np.array(1, dtype=np.int64),
        "slope": slope,
        "offset": offset,
    }
    steps = [
        ("Unsqueeze", ["input_ids", "columns"], "mine"),
        ("Unsqueeze", ["input_ids", "rows"], "theirs"),
        ("Equal", ["mine", "theirs"], "equal"),
        ("Equal", ["token_type_ids", "one"], "second"),
        ("Not", ["second"], "first"),
        ("Unsqueeze", ["first", "rows"], "premise"),
        ("And", ["equal", "premise"], "shared"),
        ("Cast", ["shared"], "marks"),
        ("ReduceMax", ["marks"], "found"),
        ("Cast", ["second"], "weights"),
        ("Mul", ["found", "weights"], "kept"),
        ("ReduceSum", ["kept", "rows"], "sum"),
        ("ReduceSum", ["weights", "rows"], "whole"),
        ("Div", ["sum", "whole"], "share"),
        ("Mul", ["share", "slope"], "scaled"),
        ("Add", ["scaled", "offset"], "logits"),
    ]
    attributes: dict[str, dict[str, object]] = {
        "marks": {"to": TensorProto.FLOAT},
        "weights": {"to": TensorProto.FLOAT},
        "found": {"axes": [2], "keepdims": 0},
        "sum": {"keepdims": 1},
        "whole": {"keepdims": 1},
    }
    nodes = [helper.make_node(kind, inputs, [out], **attributes.get(out, {})) for kind, inputs, out in steps]
    given = [helper.make_tensor_value_info(name, TensorProto.INT64, ["b", "t"]) for name in _INPUTS]
    result = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["b", outputs])]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", given, result, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _tokenizer() -> tokenizers.Tokenizer:
    """Words as pairs of their letters: any text has tokens, and nothing had to be trained."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    pairs = [first + second for first in letters for second in letters]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *pairs]
    words += [f"##{piece}" for piece in (*letters, *pairs)]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=64))
    tokenizer.normalizer = tokenizers.normalizers.Lowercase()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return tokenizer
