"""Tuning of the fusion: a real gain is found, chance is not, and every figure is the engine's own."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import ragstone
from ragstone import Document, InvalidInput, tuning
from ragstone.cli import main
from ragstone.judgements import read_judged

COUNT = 80
RIGHT = range(COUNT)
WRONG = [(number + 11) % COUNT for number in RIGHT]
LETTERS = [chr(97 + number // 26) + chr(97 + number % 26) for number in RIGHT]
QRELS = {f"d{number:02}": {f"d{number:02}": 1} for number in RIGHT}


class Told:
    """An embedder that sees in the last two letters of a text which document is meant, through noise."""

    name, dimension, fingerprint, max_tokens = "told", COUNT, "00ff", 512

    def __init__(self, strength: float) -> None:
        self.strength = strength
        self.asked: list[str] = []
        self.before: Callable[[], object] = lambda: None

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.zeros((len(texts), COUNT))
        for vector, text in zip(vectors, texts, strict=True):
            meant = LETTERS.index(text[-2:])
            if "axis" in text:
                self.before()
                self.asked.append(text)
                vector[:] = np.random.default_rng(meant).normal(0, 1, COUNT)
                vector[meant] = self.strength
            else:
                vector[meant] = 1
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


def queries(bm25: Sequence[int], dense: Sequence[int]) -> dict[str, str]:
    """A query for each document; BM25 finds one document by it, the embedder another."""
    return {
        name: f"word{LETTERS[found]} axis{LETTERS[near]}" for name, found, near in zip(QRELS, bm25, dense, strict=True)
    }


@contextmanager
def opened(folder: Path, strength: float = 100.0, **options: object) -> Iterator[tuple[ragstone.Index, Told]]:
    embedder = Told(strength)
    with ragstone.open(folder / "kb", embedder=embedder, language="none") as index:
        index.upsert(
            Document(name, f"here stands word{letters}", **options)  # type: ignore[arg-type]
            for name, letters in zip(QRELS, LETTERS, strict=True)
        )
        yield index, embedder


def test_a_dense_half_that_misleads_loses_its_weight(tmp_path: Path) -> None:
    """Catches a choice that ignores the judgements, and figures other than those of the searches themselves."""
    asked = queries(RIGHT, WRONG)
    with opened(tmp_path) as (index, _):
        found = ragstone.tune(index, asked, QRELS)
        for one in found.candidates:
            how = {"fusion": one.fusion, "dense_weight": one.dense_weight}
            assert ragstone.evaluate(index, asked, QRELS, metrics=["nDCG@10"], **how) == {"nDCG@10": one.ndcg}  # type: ignore[arg-type]
        assert ragstone.evaluate(index, asked, QRELS, metrics=["nDCG@10"]) == {"nDCG@10": found.default.value}
    assert found.changed
    assert found.fusion == "convex" or found.dense_weight < 2
    best = max(one.ndcg for one in found.candidates)
    assert best == next(
        o.ndcg for o in found.candidates if (o.fusion, o.dense_weight) == (found.fusion, found.dense_weight)
    )
    assert found.default.value < 0.7
    assert best == 1
    assert found.gain.low > 0.3
    assert found.held_out.value == pytest.approx(found.default.value + found.gain.value)


def test_a_bm25_half_that_misleads_leaves_its_weight_to_the_other(tmp_path: Path) -> None:
    """Catches a search that only ever lowers the weight of the dense half."""
    with opened(tmp_path, strength=3.3) as (index, _):
        found = ragstone.tune(index, queries(WRONG, RIGHT), QRELS)
    assert found.changed
    assert found.fusion == "convex" or found.dense_weight > 2


def test_without_a_gain_the_default_stays(tmp_path: Path) -> None:
    """Catches a change for the sake of change where all candidates are as good."""
    with opened(tmp_path) as (index, _):
        found = ragstone.tune(index, queries(RIGHT, RIGHT), QRELS)
    assert (found.fusion, found.dense_weight, found.changed) == ("self_scaling", 2.0, False)
    assert (found.gain.low, found.gain.high) == (0, 0)
    assert found.candidates[0].chosen == pytest.approx(1)


def test_the_default_is_the_embedders_own_weight(tmp_path: Path) -> None:
    """Catches a gain that is measured against another default than the one that searches use."""
    with opened(tmp_path) as (index, embedder):
        embedder.dense_weight = 0.3  # type: ignore[attr-defined]
        found = ragstone.tune(index, queries(RIGHT, RIGHT), QRELS)
    assert found.dense_weight == 0.3
    assert len(found.candidates) == 22


@pytest.mark.parametrize("seed", range(5))
def test_what_is_best_by_chance_gains_nothing_held_out(seed: int) -> None:
    """Catches a candidate that is judged by the queries that it was chosen by: noise would look like a gain."""
    table = np.random.default_rng(seed).random((60, 22))
    gains, chosen = tuning._cross_validated(table)
    in_sample = (table.mean(axis=0) - table[:, 0].mean()).max()
    typical = table.mean() - table[:, 0].mean()
    assert in_sample - typical > 0.04
    assert gains.mean() - typical < (in_sample - typical) / 2
    assert chosen.sum() == pytest.approx(1)


def test_held_out_gains_are_the_chosen_candidates_own() -> None:
    """Catches a gain of another query or candidate: with one that is always best, all must be its own."""
    table = np.random.default_rng(1).random((57, 5))
    table[:, 3] += 1
    gains, chosen = tuning._cross_validated(table)
    assert gains == pytest.approx(table[:, 3] - table[:, 0])
    assert chosen == pytest.approx([0, 0, 0, 1, 0])


def test_too_few_judged_queries_are_refused(tmp_path: Path) -> None:
    """Catches a choice by chance: the message says how many more are needed, and unjudged ones do not count."""
    asked = queries(RIGHT, RIGHT)
    some = dict(list(QRELS.items())[:49])
    with opened(tmp_path) as (index, embedder):
        with pytest.raises(InvalidInput, match=r"49 of 80 queries .* needs 50: judge 1 more"):
            ragstone.tune(index, asked, {**some, "unknown": {"d01": 1}})
        with pytest.raises(InvalidInput, match="judge 1 more"):
            ragstone.tune(index, asked, {**some, "d60": {"d01": 0}, "d61": {}})
        with pytest.raises(InvalidInput, match="judge 50 more"):
            ragstone.tune(index, {}, {})
        for wrong in (None, 7, "queries", [("d01", "text")]):
            with pytest.raises(InvalidInput):
                ragstone.tune(index, wrong, QRELS)  # type: ignore[arg-type]
            with pytest.raises(InvalidInput):
                ragstone.tune(index, asked, wrong)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="integer"):
            ragstone.tune(index, asked, {name: {"d01": "high"} for name in asked})  # type: ignore[dict-item]
        assert embedder.asked == []


def test_an_index_without_vectors_has_nothing_to_weigh(tmp_path: Path) -> None:
    """Catches twenty equal candidates, all BM25 alone, that are reported as a finding."""
    asked = queries(RIGHT, RIGHT)
    with ragstone.open(tmp_path / "none", embedder=None) as index:
        index.upsert([Document("d01", "text")])
        with pytest.raises(InvalidInput, match="no vectors"):
            ragstone.tune(index, asked, QRELS)
    with ragstone.open(tmp_path / "later", embedder="hashing") as index:
        index.upsert([Document("d01", "text")], embed="later")
        with pytest.raises(InvalidInput, match="no vectors"):
            ragstone.tune(index, asked, QRELS)
    with ragstone.open(tmp_path / "brought", embedder="hashing") as index:
        index.upsert([Document("d01", "text")], embeddings=np.ones((1, 8)))
        with pytest.raises(InvalidInput, match="no such embedder"):
            ragstone.tune(index, asked, QRELS)


def test_queries_are_embedded_once(tmp_path: Path) -> None:
    """Catches a model that is run again for every candidate, which is most of the time."""
    with opened(tmp_path) as (index, embedder):
        ragstone.tune(index, queries(RIGHT, RIGHT), QRELS)
    # One more is asked first, whether the embedder is the index's own.
    assert len(embedder.asked) == COUNT + 1


def test_a_commit_meanwhile_is_noticed(tmp_path: Path) -> None:
    """Catches candidates that were compared on different documents."""
    with opened(tmp_path) as (index, embedder):
        embedder.before = lambda: index.upsert([Document("new", "neither")], embed="later")
        with pytest.raises(InvalidInput, match="changed while"):
            ragstone.tune(index, queries(RIGHT, RIGHT), QRELS)


def test_who_asks_is_heeded(tmp_path: Path) -> None:
    """Catches documents found that the searches of these principals would not find, and the other way round."""
    asked = queries(RIGHT, WRONG)
    with opened(tmp_path, acl=["staff"]) as (index, _):
        assert ragstone.tune(index, asked, QRELS).default.value == 0
        assert ragstone.tune(index, asked, QRELS, principals=["staff"]).default.value > 0.5


def test_the_result_is_a_value(tmp_path: Path) -> None:
    """Catches a result that can be changed, differs from run to run, or is no JSON."""
    asked = queries(RIGHT, WRONG)
    with opened(tmp_path) as (index, _):
        found, again = (ragstone.tune(index, asked, QRELS) for _ in range(2))
    assert found == again
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.dense_weight = 1.0  # type: ignore[misc]
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["dense_weight"] == found.dense_weight
    assert plain["gain"]["low"] == found.gain.low
    assert len(plain["candidates"]) == len(found.candidates)
    assert f'fusion="{found.fusion}", dense_weight={found.dense_weight:g}' in repr(found)
    assert found._repr_html_().startswith("<pre>80 judged queries")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """An index, its queries and their judgements."""
    with ragstone.open(tmp_path / "kb", embedder="hashing") as index:
        index.upsert(Document(name, f"part {letters}") for name, letters in zip(QRELS, LETTERS, strict=True))
    asked, qrels = tmp_path / "queries.jsonl", tmp_path / "qrels.tsv"
    rows = [{"_id": name, "text": f"where is part {letters}"} for name, letters in zip(QRELS, LETTERS, strict=True)]
    asked.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    qrels.write_text("query-id\tcorpus-id\tscore\n" + "".join(f"{name}\t{name}\t1\n" for name in QRELS))
    return tmp_path / "kb", asked, qrels


def test_the_command(files: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a command that finds otherwise than the function, or prints what is no JSON."""
    assert main(["tune", *map(str, files)]) == 0
    assert "keep the default" in capsys.readouterr().out
    assert main(["tune", "--json", *map(str, files)]) == 0
    printed = json.loads(capsys.readouterr().out)
    with ragstone.open(files[0], read_only=True) as index:
        assert printed == ragstone.tune(index, *read_judged(*files[1:])).to_dict() | {
            "candidates": printed["candidates"]
        }
    files[2].write_text("d01 0 d01 1\n")
    assert main(["tune", *map(str, files)]) == 2
    assert "judge 49 more" in capsys.readouterr().err


def test_judgements_are_read_as_beir_and_as_trec_write_them(files: tuple[Path, Path, Path]) -> None:
    """Catches a header or the second column of TREC taken for a judgement, and ids with blanks cut between tabs."""
    _, asked, qrels = files
    texts, beir = read_judged(asked, qrels)
    assert (len(texts), beir) == (COUNT, QRELS)
    qrels.write_text("".join(f"{name} 0 {name} 1\r\n" for name in QRELS))
    assert read_judged(asked, qrels)[1] == QRELS
    asked.write_text('{"_id": "q 1", "text": "where"}')
    qrels.write_text("q 1\td 1\t2\nq 1\td 2\t0\n")
    assert read_judged(asked, qrels)[1] == {"q 1": {"d 1": 2, "d 2": 0}}


@pytest.mark.parametrize(
    ("which", "content", "message"),
    [
        (1, b'{"_id": "a"}', "line 1"),
        (1, b'\n["a"]', "line 2"),
        (1, b"plain", "not valid JSON"),
        (1, b'{"_id": "a", "text": " "}', "line 1"),
        (1, b"\xff\xfe", "not UTF-8"),
        (2, b"d01\tb\t1\nd01\tc\thigh", "line 2"),
        (2, b"d01 b 1\na", "line 2"),
        (2, b"a b 1\n", "line 1"),
        (2, b"d01 b 1\n", "judge 49 more"),
        (2, None, "no file"),
    ],
)
def test_files_that_cannot_be_used_are_named(
    files: tuple[Path, Path, Path],
    which: int,
    content: bytes | None,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Catches a traceback for, or silence about, what somebody types."""
    files[which].unlink()
    if content is not None:
        files[which].write_bytes(content)
    assert main(["tune", *map(str, files)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
