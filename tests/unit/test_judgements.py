"""Would catch files of others read otherwise than they mean, and bad ones that do not say where they are bad."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragstone import Document, InvalidInput
from ragstone.judgements import (
    read_beir,
    read_documents,
    read_field,
    read_judged,
    read_qrels,
    read_queries,
    read_ragas,
    read_run,
    write_beir,
    write_qrels,
    write_run,
)

QRELS = {"q1": {"d 1": 2, "d2": 0}, "q 2": {"d1": -1}}
RUN = {"q1": {"d1": 0.1, "d2": 1e-300, "é": -3.0}, "q2": {"d1": 7.0}}


def test_qrels_of_trec_and_beir_and_their_headers(tmp_path: Path) -> None:
    """A header or TREC's second column taken for a judgement, ids with blanks cut, packed files not unpacked."""
    path = tmp_path / "qrels.tsv"
    for beir in (False, True):
        write_qrels(path, QRELS, beir=beir)
        assert read_qrels(path) == QRELS
    packed = tmp_path / "qrels.txt.gz"
    write_qrels(packed, QRELS)
    assert gzip.decompress(packed.read_bytes()).startswith(b"q1\t0\td 1\t2\n")
    assert read_qrels(packed) == QRELS
    path.write_bytes("\ufeffq1 0 d1 1\r\n\r\nq1 Q0 d2 +2\r\n".encode())
    assert read_qrels(path) == {"q1": {"d1": 1, "d2": 2}}


def test_a_run_is_written_as_trec_eval_ranks_it(tmp_path: Path) -> None:
    """Ranks that follow 64-bit scores or insertion, or scores that come back as others."""
    path = tmp_path / "run.txt"
    tied = {"q": {"a": 1.0, "z": 1.0 - 1e-12, "m": 2.0}}
    write_run(path, tied, tag="mine")
    assert path.read_text().splitlines() == [
        "q\tQ0\tm\t1\t2.0\tmine",
        "q\tQ0\tz\t2\t0.999999999999\tmine",
        "q\tQ0\ta\t3\t1.0\tmine",
    ]
    assert read_run(path) == tied
    write_run(path, RUN)
    assert read_run(path) == RUN


@given(
    st.dictionaries(
        st.text('ab\u00e9\u2028\x0b #"', min_size=1).filter(lambda name: name == name.strip()),
        st.dictionaries(
            st.text("xy-\u2028'", min_size=1).filter(lambda n: n == n.strip()), st.floats(-1e9, 1e9), min_size=1
        ),
        min_size=1,
    )
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, run: dict[str, dict[str, float]]
) -> None:
    """Ids with odd characters, such as Unicode's line ends, that come back as others."""
    path = tmp_path_factory.mktemp("run") / "run.txt"
    write_run(path, run)
    assert read_run(path) == run


def test_beir_folders(tmp_path: Path) -> None:
    """A layout that others do not read, or queries without a judgement that come along."""
    documents = [Document("d1", "Refunds take 30 days.", title="Refunds"), Document("d2", "Lunch is at noon.")]
    write_beir(tmp_path, {"q1": "refund?", "q2": "unjudged"}, {"q1": {"d1": 1}}, documents=documents)
    found = read_beir(tmp_path)
    assert (found.queries, found.qrels, found.run) == ({"q1": "refund?"}, {"q1": {"d1": 1}}, None)
    assert list(read_documents(tmp_path / "corpus.jsonl")) == documents
    (tmp_path / "qrels" / "test.tsv").rename(tmp_path / "qrels.tsv")
    assert read_beir(tmp_path) == found
    assert (tmp_path / "qrels.tsv").read_text().startswith("query-id\tcorpus-id\tscore\n")
    (tmp_path / "queries.jsonl").unlink()
    with pytest.raises(InvalidInput, match=r"no 'queries\.jsonl'"):
        read_beir(tmp_path)


def test_ragas_rows(tmp_path: Path) -> None:
    """Columns of RAGAS read otherwise: order, several references, ids that are numbers."""
    path = tmp_path / "rows.jsonl"
    rows: list[dict[str, object]] = [
        {"user_input": "refund?", "retrieved_context_ids": ["b", "a", "b"], "reference_context_ids": ["a"]},
        {"_id": "x", "user_input": "lunch?", "retrieved_context_ids": [], "reference_context_ids": [7]},
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    found = read_ragas(path)
    assert found.queries == {"1": "refund?", "x": "lunch?"}
    assert found.qrels == {"1": {"a": 1}, "x": {"7": 1}}
    assert found.run is not None
    assert sorted(found.run["1"], key=found.run["1"].__getitem__, reverse=True) == ["b", "a"]
    path.write_text(json.dumps({"user_input": "refund?", "reference_context_ids": "a"}))
    with pytest.raises(InvalidInput, match=r"line 1 of .*reference_context_ids"):
        read_ragas(path)


def test_fields_of_queries(tmp_path: Path) -> None:
    """A field that some query lacks taken for empty."""
    path = tmp_path / "queries.jsonl"
    path.write_text('{"_id": "a", "text": "x", "kind": "dated"}\n{"_id": 2, "text": "y"}\n')
    assert read_queries(path) == {"a": "x", "2": "y"}
    with pytest.raises(InvalidInput, match=r'line 2 of .*"kind"'):
        read_field(path, "kind")
    assert read_field(path, "text") == {"a": "x", "2": "y"}


@pytest.mark.parametrize(
    ("read", "content", "message"),
    [
        (read_qrels, "q d 1\nq d high", "line 2 .*grade 'high'"),
        (read_qrels, "q d 0.5", "line 1 .*grade '0.5'"),
        (read_qrels, "q d nan", "no judgements"),
        (read_qrels, "q d 1\nq d nan", "line 2 .*grade 'nan'"),
        (read_qrels, "q d 1_0\nq d 1_0", "line 2 .*grade '1_0'"),
        (read_qrels, "q d", "line 1 .*2 fields"),
        (read_qrels, "q 0 d 1 tag", "line 1 .*5 fields"),
        (read_qrels, "q d 1\n\nq d 1", "line 3 .*second time"),
        (read_qrels, "", "no judgements"),
        (read_qrels, "query-id\tcorpus-id\tscore\n", "no judgements"),
        (read_run, "q Q0 d 1 0.5 t\nq Q0 d 2 0.4 t", "line 2 .*document 'd'.*second time"),
        (read_run, "q Q0 d 1 nan t", "line 1 .*score 'nan'"),
        (read_run, "q Q0 d 1 inf t", "line 1 .*score 'inf'"),
        (read_run, "q Q0 d 1 1e999 t", "line 1 .*score '1e999'"),
        (read_run, "q Q0 d 1 0.5", "line 1 .*5 fields"),
        (read_run, "\n\n", "no results"),
        (read_queries, '{"_id": "a", "text": "x"}\n{"_id": "a", "text": "y"}', "line 2 .*'a'.*second time"),
        (read_queries, '{"text": "x"}', 'line 1 .*"_id"'),
        (read_queries, '{"_id": "a", "text": " "}', "line 1 .*text"),
        (read_queries, "", "no queries"),
        (lambda path: list(read_documents(path)), '{"_id": "a", "text": 1}', "line 1 .*text"),
        (lambda path: list(read_documents(path)), '{"_id": "a", "text": "x"}\n' * 2, "line 2 .*'a'.*second time"),
    ],
)
def test_bad_files_are_named_by_line(
    tmp_path: Path, read: Callable[[Path], object], content: str, message: str
) -> None:
    """A bad line that is skipped, or that nobody can find."""
    path = tmp_path / "given.txt"
    path.write_text(content)
    with pytest.raises(InvalidInput, match=message) as caught:
        read(path)
    assert "given.txt" in str(caught.value)


def test_judgements_of_unknown_queries_are_refused(tmp_path: Path) -> None:
    """Ids that do not agree, and results that look bad because of it."""
    queries, qrels = tmp_path / "queries.jsonl", tmp_path / "qrels.tsv"
    queries.write_text('{"_id": "1", "text": "x"}\n{"_id": "3", "text": "not judged"}')
    qrels.write_text("query-id\tcorpus-id\tscore\n1\td\t1\n2\td\t1\n")
    with pytest.raises(InvalidInput, match=r"line 3 of .*qrels\.tsv' judges query '2'"):
        read_judged(queries, qrels)


@pytest.mark.parametrize("name", ["", "a\tb", "a\nb", " a", "\ud800"])
def test_ids_that_a_line_cannot_hold_are_not_written(tmp_path: Path, name: str) -> None:
    """A file that reads back as something else."""
    for run in ({name: {"d": 1.0}}, {"q": {name: 1.0}}):
        with pytest.raises(InvalidInput):
            write_run(tmp_path / "run", run)
    with pytest.raises(InvalidInput):
        write_qrels(tmp_path / "qrels", {"q": {name: 1}})
    with pytest.raises(InvalidInput, match="nan"):
        write_run(tmp_path / "run", {"q": {"d": math.nan}})
