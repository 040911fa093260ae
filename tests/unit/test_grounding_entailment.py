"""Groundedness T1 on a tiny model made here, which finds a hypothesis entailed if the premise has its words."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("tokenizers")

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benches"))
from grounding_model import write_model

from ragstone.embedding import sessions
from ragstone.errors import MissingDependency, ModelError
from ragstone.evaluation.grounded import groundedness
from ragstone.grounding import check
from ragstone.grounding.entailment import Entailment

TRUE = "The parcel takes thirty days."
SOURCES = ["Bananas are yellow.", "We say: the parcel takes thirty days.", "Each one is free."]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path)


def test_a_sentence_is_judged_without_its_marks(folder: Path) -> None:
    """Catches marks that are part of the hypothesis, the wrong label, and a tier that is not in the name."""
    found = check("The parcel takes thirty days [2]. The parcel takes sixty days [2]. Is it so?", SOURCES, tier=folder)
    assert found.metric == "groundedness-T1:tiny"
    assert [one.supported for one in found.checked] == [True, False]
    assert found.sentences[0].sources == (2,)
    assert found.sentences[0].score > 0.7 > 0.3 > found.sentences[1].score
    assert [(span.kind, "no source entails it" in span.reason) for span in found.unsupported] == [("sentence", True)]
    assert (found.citation_recall, found.citation_precision) == (0.5, 0.5)


def test_cited_sources_support_together(folder: Path) -> None:
    """Catches citations judged one by one only, and a needless one that counts as relevant."""
    found = check("The parcel takes thirty days and is free [2, 3]. It is free [1].", SOURCES, tier=folder)
    assert not found.sentences[0].supported or found.sentences[0].score >= 0.5
    assert found.sentences[0].cited_supported is False  # "and" and "it" are in neither
    found = check("The parcel takes thirty days each [1, 2, 3].", SOURCES, tier=folder)
    assert found.sentences[0].cited_supported and found.sentences[0].cited_relevant == (False, True, True)


@pytest.mark.parametrize("max_tokens", [24, 32, 64])
def test_a_long_source_is_read_in_windows(tmp_path: Path, max_tokens: int) -> None:
    """Catches an answer at a source's end that is cut off, and words of distant windows taken together."""
    judge = Entailment(write_model(tmp_path, max_tokens=max_tokens))
    filler = "xx yy zz " * 200
    assert judge.entailed(filler + "it is free", "it is free") > 0.5
    assert judge.entailed("it " + filler + "is " + filler + "free", "it is free") < 0.5
    assert 0.0 <= judge.entailed("", "it is free") <= judge.entailed("it is free", "free " * 500)


def test_a_single_output_needs_no_labels(tmp_path: Path) -> None:
    """Catches a softmax over one number, which is always 1."""
    folder = write_model(tmp_path, labels=None, outputs=1)
    judge = Entailment(folder)
    assert judge.entailed(TRUE, "thirty days") > 0.5 > judge.entailed(TRUE, "qqqq jjjj")


@pytest.mark.parametrize("labels", [None, ("yes", "no", "maybe"), ("not_entailment", "other", "neutral")])
def test_labels_that_do_not_name_entailment_are_refused(tmp_path: Path, labels: tuple[str, ...] | None) -> None:
    """Catches a guess at which of three outputs means entailment."""
    folder = write_model(tmp_path, labels=labels)
    with pytest.raises(ModelError, match="entail"):
        check(TRUE, SOURCES, tier=folder)


@pytest.mark.parametrize("labels", [("entailment", "neutral", "contradiction"), ("neutral", "contradiction", "ENTAILMENT")])
def test_the_label_decides_which_output_counts(tmp_path: Path, labels: tuple[str, ...]) -> None:
    """Catches an output taken by its place instead of by its label."""
    judge = Entailment(write_model(tmp_path, labels=labels))
    assert judge.entailed(TRUE, "thirty days") < 0.5


def test_damage_is_told(tmp_path: Path) -> None:
    """Catches an error of the runtime that escapes."""
    folder = write_model(tmp_path)
    (folder / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match="cannot be loaded"):
        check(TRUE, SOURCES, tier=folder)
    with pytest.raises(ModelError, match="at least 8"):
        check(TRUE, SOURCES, tier=write_model(tmp_path, max_tokens=9, name="short"))


@pytest.mark.parametrize("package", ["onnxruntime", "tokenizers"])
def test_missing_packages_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Catches an ImportError where a command to install would help."""
    monkeypatch.setattr(sessions, "find_spec", lambda name: None if name == package else object())
    with pytest.raises(MissingDependency, match=r"pip install 'ragstone\[onnx\]'"):
        check(TRUE, SOURCES, tier=folder)


def test_a_report_names_its_tier(folder: Path) -> None:
    """Catches figures of two tiers under one name."""
    rows = [{"user_input": "q", "retrieved_contexts": SOURCES, "response": TRUE}]
    report = groundedness(rows, tier=folder)
    assert report.metric == "groundedness-T1:tiny" and "groundedness-T1:tiny" in str(report)
    assert report.rate is not None and report.rate.value == 1.0
