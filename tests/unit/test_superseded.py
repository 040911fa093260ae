"""Facts that a later version of their document no longer states, found in other texts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import ragstone
from ragstone import Document
from ragstone.errors import InvalidInput

OLD = "Unused goods may be returned within 30 days of delivery. A restocking fee of 15 % is deducted from the refund."
NEW = "Unused goods may be returned within 45 days of delivery. A restocking fee of 10 % is deducted from the refund."
ANSWER = "Élodie wrote 🙂: unused goods may be returned within thirty days."


def upsert(index: ragstone.Index, *versions: str, name: str = "returns") -> None:
    for version in versions:
        index.upsert([Document(name, version, title="Returns")])


def found(index: ragstone.Index, *texts: str) -> list[list[str]]:
    return [[span.text for span in spans] for spans in index.superseded(texts)]


def test_spans_are_str_indices_of_many_texts(tmp_path: Path) -> None:
    """Catches byte offsets, spans of another text, and a source that names another commit."""
    with ragstone.open(tmp_path, embedder=None) as index:
        upsert(index, OLD, NEW)
        texts = [ANSWER, "", "nothing here", *[f"Return unused goods within {n} days." for n in range(2, 60)]]
        spans = index.superseded(texts)
        [span] = spans[0]
        assert ANSWER[span.start : span.end] == span.text == "thirty days"
        assert (span.kind, span.document_id, span.generation) == ("quantity", "returns", index.generation)
        change = index.history("returns")[-1]
        assert (change["generation"], change["time_ms"]) == (span.generation, span.time_ms)
        assert [number for number, one in enumerate(spans) if one] == [
            0,
            texts.index("Return unused goods within 30 days."),
        ]


def test_only_what_no_current_document_states(tmp_path: Path) -> None:
    """Catches facts reported that are current, that came back, that mean something else, or that others still state."""
    old, fee = "Return unused goods within 30 days.", "The restocking fee is 15 percent of the refund."
    with ragstone.open(tmp_path, embedder=None) as index:
        assert found(index, old) == [[]]
        upsert(index, OLD)
        assert found(index, old) == [[]]
        upsert(index, NEW)
        assert found(index, old, fee) == [["30 days"], ["15 percent"]]
        assert found(index, "Return unused goods within 45 days.", "Invoices are due in 30 days.") == [[], []]
        assert found(index, "Can unused goods be returned within 30 days?") == [[]]
        upsert(index, "Unused goods may be returned within 30 days of delivery.", name="elsewhere")
        assert found(index, old, fee) == [[], ["15 percent"]]
        index.delete(document_ids=["elsewhere"])
        assert found(index, old) == [["30 days"]]
        upsert(index, OLD)
        assert found(index, old, fee) == [[], []]


def test_a_deleted_document_leaves_nothing(tmp_path: Path) -> None:
    """Catches facts of a document that is gone, also after it begins anew, and their hashes after a merge."""
    text = "Return unused goods within 30 days."
    with ragstone.open(tmp_path, embedder=None) as index:
        upsert(index, OLD, NEW)
        upsert(index, "something else", name="other")
        index.merge()
        assert found(index, text) == [["30 days"]]
        index.delete(document_ids=["returns"])
        assert found(index, text) == [[]]
        index.merge()
    # Closed, so that no merge in the background removes a file meanwhile.
    assert not [path for path in tmp_path.iterdir() if b"history.facts" in path.read_bytes()]
    with ragstone.open(tmp_path, embedder=None) as index:
        upsert(index, NEW)
        assert found(index, text) == [[]]


def test_no_words_of_former_versions_stay(tmp_path: Path) -> None:
    """Catches text of a replaced version in the files after a merge."""
    with ragstone.open(tmp_path, embedder=None) as index:
        upsert(index, "The zanzibar fee is 777 euros.", "The fee is 3 euros.")
        index.merge()
        assert found(index, "The zanzibar fee is €777.") == [["€777"]]
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"zanzibar" not in content.lower()


def test_read_only_and_in_another_process(tmp_path: Path) -> None:
    """Catches facts that only the writer's handle knows."""
    with ragstone.open(tmp_path, embedder=None) as index:
        upsert(index, OLD)
        with ragstone.open(tmp_path, embedder=None, read_only=True) as reader:
            upsert(index, NEW)
            assert found(reader, ANSWER) == [[]]
            reader.refresh()
            assert found(reader, ANSWER) == [["thirty days"]]
        code = (
            "import ragstone, sys; index = ragstone.open(sys.argv[1], embedder=None, read_only=True); "
            "print(index.superseded([sys.argv[2]])[0][0].start)"
        )
        run = subprocess.run(
            [sys.executable, "-X", "utf8", "-c", code, str(tmp_path), ANSWER],
            capture_output=True,
            text=True,
            check=True,
        )
        assert int(run.stdout) == ANSWER.index("thirty")


def test_kinds(tmp_path: Path) -> None:
    """Catches a kind that is not recorded, or not known again in other writing."""
    old = "The fair opens on 3 March 2025 at 9:40. Entry costs €4.80. The fair manager is Ada Zimt. Use app 4.2.1."
    new = "The fair opens on 9 March 2026 at 8:20. Entry costs €6.20. The fair manager is Bo Falk. Use app 5.0.3."
    text = (
        "The fair opens on March 3, 2025 at 9:40. Entry costs 4.80 euros. "
        "Ask Ada Zimt, the fair manager. Use the fair's app 4.2.1."
    )
    with ragstone.open(tmp_path, embedder=None) as index:
        upsert(index, old, new)
        [spans] = index.superseded([text])
        kinds = {span.text.strip(" .,"): span.kind for span in spans}
    expected = {
        "March 3, 2025": "date",
        "9:40": "time",
        "4.80 euros": "money",
        "Ada Zimt": "name",
        "4.2.1": "identifier",
    }
    assert kinds == expected


def test_wrong_arguments(tmp_path: Path) -> None:
    """Catches one text taken for a list of letters, and a text that is none."""
    with ragstone.open(tmp_path, embedder=None) as index:
        assert index.superseded([]) == []
        with pytest.raises(InvalidInput):
            index.superseded("30 days")
        with pytest.raises(InvalidInput):
            index.superseded([b"30 days"])  # type: ignore[list-item]
