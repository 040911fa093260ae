"""Would catch a bundle that the trainers' own loaders refuse: datasets (and so TRL), Axolotl, LLaMA-Factory.

They are large and no dependency: install `datasets`, `trl`, `axolotl` or `llamafactory` beside Ragstone to run these.
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from ragstone.handoff import Handoff, write_bundle
from ragstone.handoff.formats import FORMATS

PAIRS = Path(__file__).resolve().parents[2] / "corpora" / "evaluation" / "handoff" / "pairs.jsonl"
SPLITS = {"train": "train", "validation": "valid", "test": "test"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Handoff:
    place = tmp_path_factory.mktemp("handoff") / "bundle"
    return write_bundle(place, recommendation={"decision": "fine_tune"}, examples=PAIRS)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def imported(name: str) -> Any:
    """A module of a trainer; these pin each other's versions, so that one may be there and not load."""
    package = name.split(".")[0]
    return pytest.importorskip(name, reason=f"pip install {package}", exc_type=ImportError)


def settings(bundle: Handoff, name: str) -> set[str]:
    """Names of the options that a configuration sets."""
    yaml = pytest.importorskip("yaml", reason="pip install pyyaml")
    return set(yaml.safe_load((bundle.folder / "configs" / f"{name}.yaml").read_text()))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", FORMATS)
def test_datasets_loads_every_form(bundle: Handoff, form: str, tmp_path: Path) -> None:
    """Catches splits that are not told by their names, columns that differ, or text that changes on the way."""
    datasets = pytest.importorskip("datasets", reason="pip install datasets")
    loaded = datasets.load_dataset(str(bundle.folder / "data" / form), cache_dir=str(tmp_path))
    assert set(loaded) == set(SPLITS)
    for name, own in SPLITS.items():
        assert [dict(row) for row in loaded[name]] == rows(bundle.folder / "data" / form / f"{own}.jsonl")


@pytest.mark.filterwarnings("ignore")
def test_datasets_loads_what_dataset_info_names(bundle: Handoff, tmp_path: Path) -> None:
    """Catches a file that LLaMA-Factory would load by its table of contents and that is not JSON Lines."""
    datasets = pytest.importorskip("datasets", reason="pip install datasets")
    folder = bundle.folder / "data"
    for entry in json.loads((folder / "dataset_info.json").read_text()).values():
        path = str(folder / entry["file_name"])
        loaded = datasets.load_dataset("json", data_files=[path], split="train", cache_dir=str(tmp_path))
        assert set(entry["columns"].values()) <= set(loaded.column_names)


@pytest.mark.filterwarnings("ignore")
def test_trl_knows_the_forms(bundle: Handoff) -> None:
    """Catches rows that TRL does not take for conversations."""
    data_utils = imported("trl.data_utils")
    for form in ("messages", "prompt_completion"):
        for row in rows(bundle.folder / "data" / form / "train.jsonl"):
            assert data_utils.is_conversational(row)


@pytest.mark.filterwarnings("ignore")
def test_llamafactory_converts_every_row(bundle: Handoff) -> None:
    """Catches a row that LLaMA-Factory skips as broken, or an answer that it loses."""
    parser, converter, hparams = (
        imported(f"llamafactory.{name}") for name in ("data.parser", "data.converter", "hparams")
    )
    names = ["alpaca_train", "messages_train"]
    arguments = hparams.DataArguments(dataset_dir=str(bundle.folder / "data"), dataset=names)
    for attributes in parser.get_dataset_list(names, str(bundle.folder / "data")):
        convert = converter.get_dataset_converter(attributes.formatting, attributes, arguments)
        for row in rows(bundle.folder / "data" / attributes.dataset_name):
            found = convert(row)
            answer = row["output"] if "output" in row else row["messages"][-1]["content"]
            assert found["_response"] == [{"role": "assistant", "content": answer}]
            assert found["_prompt"][-1]["role"] == "user"


@pytest.mark.filterwarnings("ignore")
def test_axolotl_takes_the_configuration(bundle: Handoff) -> None:
    """Catches an option that Axolotl does not know, or two that exclude each other."""
    known = set(imported("axolotl.utils.schemas.config").AxolotlInputConfig.model_fields)
    assert settings(bundle, "axolotl") <= known


@pytest.mark.filterwarnings("ignore")
def test_trl_takes_the_configuration(bundle: Handoff) -> None:
    """Catches an option that `trl sft` does not know: it stops at the first."""
    trl = imported("trl")
    known = {field.name for one in (trl.SFTConfig, trl.ModelConfig, trl.ScriptArguments) for field in fields(one)}
    assert settings(bundle, "trl_sft") <= known


@pytest.mark.filterwarnings("ignore")
def test_llamafactory_takes_the_configuration(bundle: Handoff) -> None:
    """Catches an option that LLaMA-Factory does not know."""
    hparams = imported("llamafactory.hparams")
    names = ("ModelArguments", "DataArguments", "FinetuningArguments", "TrainingArguments")
    known = {field.name for name in names for field in fields(getattr(hparams, name))}
    assert settings(bundle, "llamafactory") <= known
