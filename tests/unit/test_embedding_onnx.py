"""The ONNX embedder on tiny models made here, whose right answers are known, and on MiniLM where it is installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import ragstone.embedding
from ragstone.embedding import model_folder, sessions
from ragstone.embedding import onnx as onnx_module
from ragstone.embedding.onnx import OnnxEmbedder
from ragstone.errors import InvalidInput, MissingDependency, ModelError
from ragstone.records import Embedder

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
tokenizers = pytest.importorskip("tokenizers")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "green", "blue", "house", "tree", "sea"]
CLS, SEP = 2, 3
DIMENSION = 6
TABLE = np.random.default_rng(7).normal(size=(len(WORDS), DIMENSION)).astype(np.float32)
INPUTS = ("input_ids", "attention_mask", "token_type_ids")

needs_minilm = pytest.mark.skipif(
    find_spec("ragstone_minilm") is None, reason="needs the ragstone-minilm wheel: python python/models/build_minilm.py"
)


def make_model(
    *,
    table: NDArray[np.float32] = TABLE,
    inputs: tuple[str, ...] = INPUTS,
    kind: str = "INT64",
    outputs: tuple[str, ...] = ("last_hidden_state",),
) -> Any:
    """A model that looks tokens up in a table; an output ``sentence_embedding`` is twice the mean, already pooled."""
    helper, proto = onnx.helper, onnx.TensorProto
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])]
    initializers = [onnx.numpy_helper.from_array(table, "table")]
    shapes = {"last_hidden_state": ["b", "t", table.shape[1]], "sentence_embedding": ["b", table.shape[1]]}
    if "sentence_embedding" in outputs:
        initializers.append(onnx.numpy_helper.from_array(np.array([1], dtype=np.int64), "axis"))
        nodes.append(helper.make_node("ReduceSum", ["last_hidden_state", "axis"], ["sentence_embedding"], keepdims=0))
    infos = [helper.make_tensor_value_info(name, getattr(proto, kind), ["b", "t"]) for name in inputs]
    results = [helper.make_tensor_value_info(name, proto.FLOAT, shapes[name]) for name in outputs]
    graph = helper.make_graph(nodes, "tiny", infos, results, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def make_tokenizer(*, special: bool = True) -> Any:
    """One token per known word, ``[CLS]`` in front and ``[SEP]`` behind."""
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    if special:
        tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)]
        )
    return tokenizer


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes a model folder; ``configs`` maps relative names to JSON values."""

    def make(model: Any = None, tokenizer: Any = None, name: str = "tiny", **configs: object) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "model.onnx").write_bytes((model or make_model()).SerializeToString())
        (folder / "tokenizer.json").write_text((tokenizer or make_tokenizer()).to_str(), "utf-8")
        for path, value in configs.items():
            target = folder / (path.replace("__", "/") + ".json")
            target.parent.mkdir(exist_ok=True)
            target.write_text(json.dumps(value), "utf-8")
        return folder

    return make


def unit(vector: NDArray[Any]) -> NDArray[Any]:
    """The vector scaled to unit length."""
    return np.asarray(vector / np.linalg.norm(vector))


def rows(*words: str) -> NDArray[np.float32]:
    """Table rows of a text with its special tokens."""
    return TABLE[[CLS, *(WORDS.index(word) for word in words), SEP]]


# --- pooling, inputs, outputs ---------------------------------------------------------------------------------------

EXPECTED = {"mean": rows("red", "house").mean(axis=0), "cls": TABLE[CLS], "max": rows("red", "house").max(axis=0)}


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
@pytest.mark.parametrize("layout", ["own", "flags", "mode"])
def test_pooling(make_folder: Callable[..., Path], pooling: str, layout: str) -> None:
    """Catches a pooling that is not the one the folder asks for, in each way of asking."""
    key = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token", "max": "pooling_mode_max_tokens"}
    layouts: dict[str, dict[str, Any]] = {
        "own": {"config": {"ragstone": {"pooling": pooling}}},
        "flags": {"1_Pooling__config": {name: name == key[pooling] for name in key.values()}},
        "mode": {"1_Pooling__config": {"pooling_mode": pooling}},
    }
    vectors = OnnxEmbedder(make_folder(**layouts[layout])).embed(["red house"])
    np.testing.assert_allclose(vectors[0], unit(EXPECTED[pooling]), atol=1e-6)
    assert vectors.dtype == np.float32


def test_mean_is_the_default(make_folder: Callable[..., Path]) -> None:
    """Catches a folder without any configuration that is refused or read otherwise."""
    embedder = OnnxEmbedder(make_folder())
    assert isinstance(embedder, Embedder)
    assert (embedder.name, embedder.dimension, embedder.max_tokens) == ("tiny", DIMENSION, 512)
    np.testing.assert_allclose(embedder.embed(["red house"])[0], unit(EXPECTED["mean"]), atol=1e-6)


@pytest.mark.parametrize("outputs", [("sentence_embedding",), ("last_hidden_state", "sentence_embedding")])
def test_output_that_is_pooled_already(make_folder: Callable[..., Path], outputs: tuple[str, ...]) -> None:
    """Catches pooling twice, and token vectors taken where the model offers its own sentence vector."""
    folder = make_folder(make_model(outputs=outputs), config={"ragstone": {"pooling": "cls"}})
    np.testing.assert_allclose(OnnxEmbedder(folder).embed(["red house"])[0], unit(EXPECTED["mean"]), atol=1e-6)


@pytest.mark.parametrize("inputs", [("input_ids",), ("input_ids", "attention_mask"), INPUTS])
@pytest.mark.parametrize("kind", ["INT64", "INT32"])
def test_inputs_are_discovered(make_folder: Callable[..., Path], inputs: tuple[str, ...], kind: str) -> None:
    """Catches an input that is fed but not wanted, wanted but not fed, or of the wrong type."""
    folder = make_folder(make_model(inputs=inputs, kind=kind))
    np.testing.assert_allclose(OnnxEmbedder(folder).embed(["red house"])[0], unit(EXPECTED["mean"]), atol=1e-6)


def test_model_in_its_subfolder(make_folder: Callable[..., Path]) -> None:
    """Catches the usual layout of published folders, ``onnx/model.onnx``, being refused."""
    folder = make_folder()
    (folder / "onnx").mkdir()
    (folder / "model.onnx").rename(folder / "onnx" / "model.onnx")
    assert OnnxEmbedder(folder).embed(["red"]).shape == (1, DIMENSION)


@pytest.mark.parametrize(
    ("configs", "tokens"),
    [
        ({"config": {"ragstone": {"max_tokens": 9}, "max_position_embeddings": 64}}, 9),
        ({"config": {"max_position_embeddings": 64}}, 64),
        ({"config": {"max_position_embeddings": 66, "model_type": "roberta"}}, 64),
        ({"sentence_bert_config": {"max_seq_length": 32}, "tokenizer_config": {"model_max_length": 128}}, 32),
        ({"sentence_bert_config": {"max_seq_length": None}, "tokenizer_config": {"model_max_length": 128}}, 128),
        ({"sentence_bert_config": {"max_seq_length": 9999}, "config": {"max_position_embeddings": 64}}, 64),
        ({"tokenizer_config": {"model_max_length": int(1e30)}}, 512),
    ],
)
def test_token_limit(make_folder: Callable[..., Path], configs: dict[str, object], tokens: int) -> None:
    """Catches a limit from the wrong file: too high fails in the model, too low cuts texts up."""
    assert OnnxEmbedder(make_folder(**configs)).max_tokens == tokens


# --- no token lost --------------------------------------------------------------------------------------------------


def test_tokenizers_own_truncation_and_padding_are_ignored(make_folder: Callable[..., Path]) -> None:
    """Catches trust in tokenizer.json: published ones cut and pad at lengths that are not the model's."""
    trap = make_tokenizer()
    trap.enable_truncation(4)
    trap.enable_padding(length=16, pad_id=0, pad_token="[PAD]")
    texts = ["red", "red green blue house tree sea", ""]
    honest = OnnxEmbedder(make_folder(name="honest"))
    trapped = OnnxEmbedder(make_folder(tokenizer=trap, name="trap"))
    assert honest.embed(texts).tobytes() == trapped.embed(texts).tobytes()
    assert trapped.count_tokens(texts) == [1, 6, 0]


def test_long_texts_are_averaged_over_windows(make_folder: Callable[..., Path]) -> None:
    """Catches lost tokens and wrong weights: 5 tokens in windows of 3 + 2 special ones."""
    folder = make_folder(config={"ragstone": {"max_tokens": 5}})
    first, second = rows("red", "green", "blue").mean(axis=0), rows("house", "tree").mean(axis=0)
    vector = OnnxEmbedder(folder).embed(["red green blue house tree"])[0]
    np.testing.assert_allclose(vector, unit(3 * first + 2 * second), atol=1e-6)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 6, 7, 29, 300])
def test_every_token_counts(make_folder: Callable[..., Path], length: int) -> None:
    """Catches a token dropped at the border of a window: changing any word changes the vector."""
    embedder = OnnxEmbedder(make_folder(config={"ragstone": {"max_tokens": 5}}))
    words = ["red"] * length
    positions = sorted({0, 1, 2, 3, length // 2, length - 2, length - 1} & set(range(length)))
    changed = [" ".join([*words[:place], "sea", *words[place + 1 :]]) for place in positions]
    base, *others = embedder.embed([" ".join(words), *changed])
    assert all(np.abs(other - base).max() > 1e-5 for other in others)


def test_empty_text(make_folder: Callable[..., Path]) -> None:
    """Catches an undefined vector for the empty text, and for one of blanks only."""
    vectors = OnnxEmbedder(make_folder()).embed(["", " \n\t "])
    np.testing.assert_allclose(vectors, np.tile(unit(TABLE[[CLS, SEP]].mean(axis=0)), (2, 1)), atol=1e-6)


def test_empty_text_of_a_tokenizer_without_special_tokens(make_folder: Callable[..., Path]) -> None:
    """Catches a run over no tokens at all, which has no mean: the first unit vector stands for it."""
    vectors = OnnxEmbedder(make_folder(tokenizer=make_tokenizer(special=False))).embed(["", "red"])
    np.testing.assert_array_equal(vectors[0], np.eye(DIMENSION, dtype=np.float32)[0])
    np.testing.assert_allclose(vectors[1], unit(TABLE[WORDS.index("red")]), atol=1e-6)


def test_spans_and_counts(make_folder: Callable[..., Path]) -> None:
    """Catches spans in bytes instead of characters, and special tokens counted in."""
    embedder = OnnxEmbedder(make_folder())
    text = "né red  🌳 house"
    assert [text[start:end] for start, end in embedder.token_spans(text)] == ["né", "red", "🌳", "house"]
    assert embedder.count_tokens([text, "", "red"]) == [4, 0, 1]


def test_no_texts(make_folder: Callable[..., Path]) -> None:
    """Catches a special case forgotten: no texts give an empty array of the right shape."""
    embedder = OnnxEmbedder(make_folder())
    assert embedder.embed([]).shape == (0, DIMENSION)
    assert embedder.count_tokens([]) == []


def test_order_is_kept_over_slices_and_threads(make_folder: Callable[..., Path]) -> None:
    """Catches vectors in the order they were computed in, longest text first."""
    folder = make_folder()
    generator = np.random.default_rng(3)
    texts = [" ".join(generator.choice(WORDS[4:], size=generator.integers(0, 12))) for _ in range(600)]
    together = OnnxEmbedder(folder, threads=4).embed(texts)
    alone = np.concatenate([OnnxEmbedder(folder, threads=1).embed(texts[:9]), *([together[9:]])])
    assert together.tobytes() == alone.tobytes()
    expected = [unit(rows(*text.split()).mean(axis=0)) for text in texts]
    np.testing.assert_allclose(together, expected, atol=1e-6)


# --- identity -------------------------------------------------------------------------------------------------------


def test_fingerprint_covers_what_decides_the_vectors(make_folder: Callable[..., Path]) -> None:
    """Catches two different embedders that an index would take for one, and one that it would take for two."""
    variants = [
        make_folder(name="plain"),
        make_folder(make_model(table=TABLE * np.float32(0.5) + 1), name="weights"),
        make_folder(tokenizer=make_tokenizer(special=False), name="tokenizer"),
        make_folder(name="pooling", config={"ragstone": {"pooling": "cls"}}),
        make_folder(name="tokens", config={"ragstone": {"max_tokens": 9}}),
    ]
    prints = [OnnxEmbedder(folder).fingerprint for folder in variants]
    assert len(set(prints)) == len(variants)
    assert all(len(text) == 64 and int(text, 16) >= 0 for text in prints)
    same = OnnxEmbedder(shutil.copytree(variants[0], variants[0].parent / "copy"), name="other", threads=3)
    assert same.fingerprint == prints[0]


def test_digest_is_not_computed_twice(make_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an opening that reads the whole model again each time, and a digest kept when the file changed."""
    folder = make_folder()
    first = OnnxEmbedder(folder).fingerprint
    with monkeypatch.context() as patch:
        patch.setattr(model_folder, "sha256", None)  # any use of it would fail
        assert OnnxEmbedder(folder).fingerprint == first
    (folder / "model.onnx").write_bytes(make_model(table=TABLE + 1).SerializeToString())
    os.utime(folder / "model.onnx", ns=(1, 1))  # two writes can fall into one tick of the file system's clock
    assert OnnxEmbedder(folder).fingerprint != first


def test_stated_digests_are_checked(make_folder: Callable[..., Path]) -> None:
    """Catches a damaged or exchanged model behind the digest that its folder states."""
    folder = make_folder(config={"ragstone": {"sha256": {"model.onnx": "0" * 64}}})
    with pytest.raises(ModelError, match="its folder states 0000"):
        OnnxEmbedder(folder).embed(["red"])


def test_model_exchanged_after_the_fingerprint(make_folder: Callable[..., Path]) -> None:
    """Catches vectors of a model other than the one whose fingerprint was given out."""
    embedder = OnnxEmbedder(make_folder())
    told = embedder.fingerprint
    (embedder.folder / "model.onnx").write_bytes(make_model(table=TABLE + 1).SerializeToString())
    with pytest.raises(ModelError, match="changed"):
        embedder.embed(["red"])
    assert embedder.fingerprint == told


def test_nothing_heavy_is_loaded_early(make_folder: Callable[..., Path]) -> None:
    """Catches imports and sessions at construction: opening an index must stay fast."""
    program = (
        "import sys; from ragstone.embedding import embedder;"
        "e = embedder(sys.argv[1]); e.fingerprint, e.max_tokens, e.name;"
        "assert not {'onnxruntime', 'tokenizers', 'onnx'} & set(sys.modules), 'loaded';"
        "e.embed(['red']); assert 'onnxruntime' in sys.modules"
    )
    environment = {"PYTHONPATH": str(Path(ragstone.embedding.__file__).parents[2])}
    subprocess.run([sys.executable, "-c", program, str(make_folder())], check=True, env=environment)


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("texts", ["one string", ["red", None], ["red", "lone \udfff surrogate"]])
def test_bad_texts(make_folder: Callable[..., Path], texts: Any) -> None:
    """Catches input that fails inside the tokenizer, or is taken letter by letter."""
    embedder = OnnxEmbedder(make_folder())
    with pytest.raises(InvalidInput):
        embedder.embed(texts)
    with pytest.raises(InvalidInput):
        embedder.count_tokens(texts)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
@pytest.mark.parametrize(
    "content", [None, b"", b"garbage" * 99, b"\x08\x08\x12\xff\xff\xff\xff\x7f", b"{}", b"\xff\xfe"]
)
def test_damaged_files(make_folder: Callable[..., Path], name: str, content: bytes | None) -> None:
    """Catches a crash, or another error than ModelError, on a missing, empty or damaged file."""
    folder = make_folder()
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=name.replace(".", r"\.")):
        OnnxEmbedder(folder).embed(["red"])


@pytest.mark.parametrize(
    ("configs", "message"),
    [
        ({"config": []}, "no JSON object"),
        ({"config": {"ragstone": 3}}, "not an object"),
        ({"config": {"ragstone": {"pooling": "median"}}}, "median"),
        ({"config": {"ragstone": {"sha256": ["x"]}}}, "sha256"),
        ({"config": {"ragstone": {"max_tokens": 2}}}, "leave no room"),
        ({"config": {"ragstone": {"dimension": 7}}}, "gives 6 dimensions, its configuration states 7"),
        ({"config": {"ragstone": {"pooling": "none"}}}, "shape"),
        ({"modules": {"0": "x"}}, "no JSON list"),
        ({"modules": [{"type": "sentence_transformers.models.Dense"}]}, "Dense"),
        ({"modules": [7]}, "7"),
        ({"1_Pooling__config": {"pooling_mode_cls_token": True, "pooling_mode_max_tokens": True}}, "not supported"),
        ({"1_Pooling__config": {"pooling_mode": "lasttoken"}}, "lasttoken"),
    ],
)
def test_bad_configuration(make_folder: Callable[..., Path], configs: dict[str, object], message: str) -> None:
    """Catches a configuration that is misread in silence: the vectors would be wrong, not absent."""
    with pytest.raises(ModelError, match=message):
        OnnxEmbedder(make_folder(**configs)).embed(["red"])


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe{", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"])
def test_configuration_that_is_no_json(make_folder: Callable[..., Path], content: bytes) -> None:
    """Catches a parser's own exception getting out."""
    folder = make_folder()
    (folder / "config.json").write_bytes(content)
    with pytest.raises(ModelError, match="is not JSON"):
        OnnxEmbedder(folder)


def test_values_that_are_no_vector(make_folder: Callable[..., Path]) -> None:
    """Catches NaN, infinite and zero vectors that would poison an index."""
    for number, value in enumerate((np.nan, np.inf, 0.0)):
        folder = make_folder(make_model(table=np.full_like(TABLE, value)), name=f"bad{number}")
        with pytest.raises(ModelError, match="norm"):
            OnnxEmbedder(folder).embed(["red"])


def test_tokenizer_of_another_model(make_folder: Callable[..., Path]) -> None:
    """Catches token numbers beyond the model's table: the runtime's own exception must not get out."""
    with pytest.raises(ModelError, match="running"):
        OnnxEmbedder(make_folder(make_model(table=TABLE[:5]))).embed(["sea"])


def test_unknown_input(make_folder: Callable[..., Path]) -> None:
    """Catches a model that needs what is not fed."""
    with pytest.raises(ModelError, match="pixel_values"):
        OnnxEmbedder(make_folder(make_model(inputs=("input_ids", "pixel_values")))).embed(["red"])


@pytest.mark.parametrize("location", ["../weights.bin", "weights.bin", "/etc/hostname"])
def test_external_data_is_refused(make_folder: Callable[..., Path], location: str) -> None:
    """Catches weights read from files beside or outside the folder."""
    model = make_model()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    with pytest.raises(ModelError, match="save the model as one file"):
        OnnxEmbedder(make_folder(model)).embed(["red"])


def test_the_word_location_alone_is_harmless(make_folder: Callable[..., Path]) -> None:
    """Catches a model refused because a name in it contains the key of external data."""
    model = make_model()
    model.graph.name = "allocation location"
    assert OnnxEmbedder(make_folder(model)).embed(["red"]).shape == (1, DIMENSION)


@pytest.mark.parametrize("package", ["onnxruntime", "tokenizers"])
def test_missing_package(make_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Catches an ImportError without the command that helps."""
    monkeypatch.setattr(sessions, "find_spec", lambda name: None if name == package else object())
    with pytest.raises(MissingDependency, match=rf"'{package}'.*pip install 'ragstone\[onnx\]'"):
        OnnxEmbedder(make_folder())


# --- registry -------------------------------------------------------------------------------------------------------


def test_registry(make_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a name that leads to another embedder, and an unknown one without a list of those there are."""
    folder = make_folder()
    assert ragstone.embedding.embedder(folder).name == "tiny"
    assert ragstone.embedding.embedder(str(folder)).name == "tiny"
    monkeypatch.chdir(folder.parent)
    assert ragstone.embedding.embedder("tiny").name == "tiny"
    for unknown in ("minilmm", ""):
        with pytest.raises(InvalidInput, match="'auto', 'minilm', 'builtin', 'hashing'"):
            ragstone.embedding.embedder(unknown)
    with pytest.raises(ModelError, match="not a directory"):
        ragstone.embedding.embedder("no/such/folder")


def test_minilm_without_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a missing companion package reported without its name."""
    monkeypatch.setattr(ragstone.embedding, "find_spec", lambda name: None if name == "ragstone_minilm" else object())
    with pytest.raises(MissingDependency, match="'ragstone-minilm'"):
        ragstone.embedding.embedder("minilm")


# --- MiniLM ---------------------------------------------------------------------------------------------------------

PARAGRAPH = "The pump did not reach its pressure within thirty seconds, so check the inlet valve and the filter. "


@pytest.fixture(scope="module")
def minilm() -> Embedder:
    """The companion package's model."""
    return ragstone.embedding.embedder("minilm")


@needs_minilm
def test_minilm_describes_itself_truly(minilm: Embedder) -> None:
    """Catches digests in the wheel that are not those of its files, and a trap left in its tokenizer."""
    import ragstone_minilm

    folder = ragstone_minilm.MODEL_FOLDER
    stated = json.loads((folder / "config.json").read_bytes())["ragstone"]["sha256"]
    assert stated == {name: model_folder.file_digest(folder / name) for name in ("model.onnx", "tokenizer.json")}
    settings = json.loads((folder / "tokenizer.json").read_bytes())
    assert settings["truncation"] is None and settings["padding"] is None
    assert (minilm.name, minilm.dimension, minilm.max_tokens) == ("minilm", 384, 256)


@needs_minilm
@pytest.mark.parametrize("words", [100, 126, 127, 128, 200, 254, 255, 256, 600])
def test_minilm_reads_beyond_128_tokens(minilm: Embedder, words: int) -> None:
    """Catches the published truncation at 128 and the model's limit of 256: the last word must count."""
    text = "pump " * words
    assert minilm.count_tokens([text]) == [words]
    base, changed = minilm.embed([text + "valve", text + "whale"])
    assert base @ changed < 1 - 1e-5


@needs_minilm
def test_minilm_vectors_do_not_depend_on_company(minilm: Embedder) -> None:
    """Catches batch effects: alone, in any batch and on any number of threads the vector is the same to the bit."""
    import ragstone_minilm

    texts = ["short", PARAGRAPH, PARAGRAPH * 4, "", "price list 2024", PARAGRAPH * 30]
    together = minilm.embed(texts)
    alone = np.concatenate([minilm.embed([text]) for text in texts])
    assert together.tobytes() == alone.tobytes()
    threaded = OnnxEmbedder(ragstone_minilm.MODEL_FOLDER, threads=5).embed(texts[::-1])[::-1]
    assert together.tobytes() == threaded.tobytes()
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-6)


@needs_minilm
def test_minilm_knows_meaning(minilm: Embedder) -> None:
    """Catches a model whose graph or pooling is wrong: a paraphrase without a shared word must be nearer."""
    query, near, far = minilm.embed(["How do I get my money back?", "refund policy", "opening hours of the museum"])
    assert query @ near > 0.4 > 0.2 > query @ far


@needs_minilm
def test_minilm_ignores_traps_in_a_users_copy(minilm: Embedder, tmp_path: Path) -> None:
    """Catches trust in the tokenizer file as it is published: truncation at 128, padding to 128."""
    import ragstone_minilm

    folder = shutil.copytree(ragstone_minilm.MODEL_FOLDER, tmp_path / "copy")
    config = json.loads((folder / "config.json").read_bytes())
    del config["ragstone"]["sha256"]["tokenizer.json"]
    (folder / "config.json").write_text(json.dumps(config))
    settings = json.loads((folder / "tokenizer.json").read_bytes())
    settings["truncation"] = {"max_length": 128, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    settings["padding"] = {
        "strategy": {"Fixed": 128}, "direction": "Right", "pad_to_multiple_of": None,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]",
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(settings))
    texts = ["short", PARAGRAPH * 8]
    assert OnnxEmbedder(folder).embed(texts).tobytes() == minilm.embed(texts).tobytes()
