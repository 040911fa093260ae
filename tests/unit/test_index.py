"""The index as users hold it: documents in, hits out, principals, history, snapshots."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ragstone
from conftest import Opened
from ragstone import Document, F
from ragstone.embedding.hashing import HashingEmbedder
from ragstone.errors import NotFound

TEXTS = {"a": "alpha beta", "b": "beta gamma", "c": "gamma delta", "d": "delta alpha alpha"}


def documents(**fields: object) -> list[Document]:
    return [Document(name, text, **fields) for name, text in TEXTS.items()]  # type: ignore[arg-type]


def found(index: ragstone.Index, query: str = "alpha beta gamma delta", **options: object) -> set[str]:
    options.setdefault("top_k", 50)
    return {hit.document_id for hit in index.search(query, **options)}  # type: ignore[arg-type]


def test_an_update_is_seen_by_the_next_search(opened: Opened) -> None:
    """Catches a former version that is still found beside, or in place of, the new one."""
    index = opened()
    assert index.upsert(documents()) == 4
    assert index.upsert([Document("a", "omega")]) == 1
    assert found(index, "omega", mode="bm25") == {"a"}
    assert found(index, "beta", mode="bm25") == {"b"}
    assert index.delete(document_ids=["a", "unknown"]) == 1
    assert found(index, "omega", mode="bm25") == set()
    assert len(index) == 3


def test_the_last_commit_is_there_after_reopening(opened: Opened) -> None:
    """Catches state that lives in memory alone."""
    index = opened()
    index.upsert(documents(title="Letters", metadata={"year": 2024}, source="letters.txt", content_sha256="ab" * 32))
    stored, hits = index.document("b"), index.search("beta gamma", explain=True).hits
    index.close()
    again = opened(read_only=True)
    assert again.document("b") == stored
    assert again.search("beta gamma", explain=True).hits == hits
    assert again.sources()[1] == ("b", "letters.txt", "ab" * 32)
    assert stored is not None
    assert (stored.title, dict(stored.metadata), stored.source) == ("Letters", {"year": 2024}, "letters.txt")


def test_a_hit_can_be_audited(opened: Opened) -> None:
    """Catches a span, a digest or a snapshot number that does not belong to the text that was found."""
    index = opened(max_tokens=16, overlap_tokens=0)
    text = "# Refunds\n\nRefunds take thirty days. Ä 😀 öl.\n\n# Shipping\n\nShipping takes three days, or more at sea."
    index.upsert([Document("policy", text, source="policy.md")])
    hits = index.search("shipping days", top_k=9)
    assert len(hits) == len(index.chunks("policy")) > 1
    for rank, hit in enumerate(hits, 1):
        assert hit.rank == rank
        assert hit.text == text[hit.citation.start : hit.citation.end]
        assert hit.citation.sha256 == hashlib.sha256(hit.text.encode()).hexdigest()
        assert (hit.citation.snapshot, hit.citation.source) == (index.generation, "policy.md")
        for start, end in hit.highlights:
            assert hit.text[start:end].lower() in {"shipping", "days"}
    assert any(hit.highlights for hit in hits)


def test_batch_equals_single(opened: Opened) -> None:
    """Catches queries whose answers are swapped between threads."""
    index = opened()
    index.upsert(documents())
    queries = [f"{one} {other}" for one in TEXTS.values() for other in TEXTS.values()]
    for mode in ("hybrid", "dense", "bm25"):
        single = [index.search(query, mode=mode, explain=True).hits for query in queries]  # type: ignore[arg-type]
        batch = index.search_batch(queries, mode=mode, explain=True)  # type: ignore[arg-type]
        assert [result.hits for result in batch] == single
        assert [result.query for result in batch] == queries
    assert index.search_batch([]) == []


def test_explanations_add_up(opened: Opened) -> None:
    """Catches an explanation that is not the reason for the score."""
    index = opened()
    index.upsert(documents())
    for options in ({}, {"mode": "bm25"}, {"mode": "dense"}, {"fusion": "convex"}, {"fusion": "rrf"}):
        for hit in index.search("alpha beta", top_k=9, explain=True, **options):  # type: ignore[arg-type]
            assert hit.explain is not None
            parts = hit.explain["parts"]
            assert sum(parts.values()) == pytest.approx(hit.score, abs=1e-6)  # type: ignore[attr-defined]
    assert index.search("alpha")[0].explain is None


def test_delete_by_filter_and_by_id_together(opened: Opened) -> None:
    """Catches a delete that takes one of both conditions for the other."""
    index = opened()
    index.upsert([Document(name, text, metadata={"n": n}) for n, (name, text) in enumerate(TEXTS.items())])
    generation = index.generation
    assert index.delete(document_ids=["unknown"], filter=F("n") > 100) == index.delete() == 0
    assert index.generation == generation, "nothing to do is no commit"
    assert index.delete(document_ids=["a"], filter=F("n") >= 2) == 3
    assert found(index) == {"b"}


def test_history_tells_every_change(opened: Opened) -> None:
    """Catches an audit trail that forgets a change at a merge or at reopening."""
    index = opened()
    index.upsert([Document("a", "one")])
    index.upsert([Document("a", "two"), Document("b", "other")])
    index.delete(document_ids=["a"])
    index.merge()
    index.close()
    changes = opened(read_only=True).history("a")
    assert [change["action"] for change in changes] == ["added", "replaced", "deleted"]
    digests = [hashlib.sha256(text.encode()).hexdigest() for text in ("one", "two")]
    assert [change["text_sha256"] for change in changes] == [*digests, ""]
    generations = [change["generation"] for change in changes]
    assert generations == sorted(set(generations))  # type: ignore[type-var]
    assert abs(time.time() * 1000 - changes[-1]["time_ms"]) < 600_000  # type: ignore[operator]


def test_a_snapshot_is_an_index_of_its_own(opened: Opened, tmp_path: Path) -> None:
    """Catches a copy that shares files with, or follows, its original."""
    index = opened()
    index.upsert(documents())
    index.delete(document_ids=["d"])
    index.merge()  # now, so that none is made in the background between the next two lines
    expected = index.search("alpha beta", top_k=9).hits
    assert index.snapshot(tmp_path / "copy") == index.generation
    index.delete(document_ids=["a", "b", "c"])
    index.merge()
    copy = opened("copy", verify="full")
    assert [hit.chunk_id for hit in copy.search("alpha beta", top_k=9)] == [hit.chunk_id for hit in expected]
    copy.upsert([Document("e", "epsilon")])
    assert found(index) == set()


def test_space_of_deleted_documents_comes_back(opened: Opened) -> None:
    """Catches files of deleted documents that stay for ever."""
    index = opened()
    rng = np.random.default_rng(1)
    big = [Document(f"d{n}", " ".join(f"word{i}" for i in rng.integers(0, 5000, 400))) for n in range(60)]
    index.upsert(big)
    full = index.stats()["size_bytes"]
    index.delete(document_ids=[document.document_id for document in big[1:]])
    index.merge()
    index.close()
    on_disk = sum(path.stat().st_size for path in index.path.iterdir())
    assert on_disk < full / 5  # type: ignore[operator]


def test_space_comes_back_by_itself(opened: Opened) -> None:
    """Catches a background merge that never starts: no one asks for it here."""
    index, fresh = opened("kb"), opened("fresh")
    rng = np.random.default_rng(2)
    big = [Document(f"d{n}", " ".join(f"word{i}" for i in rng.integers(0, 5000, 400))) for n in range(60)]
    for first in range(0, 60, 5):
        index.upsert(big[first : first + 5])
    index.delete(document_ids=[document.document_id for document in big[::2]])
    fresh.upsert(big[1::2])
    live = float(str(fresh.stats()["size_bytes"]))
    patience = time.monotonic() + 30
    while (size := float(str(index.stats()["size_bytes"]))) > 1.3 * live and time.monotonic() < patience:
        time.sleep(0.05)
    assert size <= 1.3 * live
    assert found(index) == found(fresh)


# Who may see what

NAMES = st.sampled_from(["hr", "law", "sales", "HR", ""])


@given(
    lists=st.lists(st.none() | st.lists(NAMES, max_size=3), min_size=1, max_size=8),
    asking=st.none() | st.lists(NAMES, max_size=3),
)
@settings(max_examples=40)
def test_access_lists_fail_closed(
    lists: list[list[str] | None], asking: list[str] | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Catches a document that someone finds who is not on its list, in any mode, alone or in a batch."""
    with ragstone.open(tmp_path_factory.mktemp("kb") / "kb", embedder=HashingEmbedder(8)) as index:
        index.upsert([Document(f"d{n}", "alpha beta", acl=acl) for n, acl in enumerate(lists)])
        allowed = {f"d{n}" for n, acl in enumerate(lists) if acl is None or set(acl) & set(asking or [])}
        for mode in ("hybrid", "dense", "bm25"):
            assert found(index, "alpha", principals=asking, mode=mode) == allowed
        assert found(index, "alpha", principals=asking, filter=~F("none").exists()) == allowed
        batch = index.search_batch(["alpha"], principals=asking, top_k=50)[0]
        assert {hit.document_id for hit in batch} == allowed


def test_changing_an_access_list_takes_effect_at_once(opened: Opened) -> None:
    """Catches a list that outlives the version of the document that it belonged to."""
    index = opened()
    index.upsert([Document("a", "alpha")])
    assert found(index, "alpha") == {"a"}
    index.upsert([Document("a", "alpha", acl=["hr"])])
    assert found(index, "alpha") == set()
    assert found(index, "alpha", principals=["hr"]) == {"a"}
    index.merge()
    assert found(index, "alpha") == set()
    index.upsert([Document("a", "alpha", acl=[])])
    assert found(index, "alpha", principals=["hr", "", "a"]) == set()


# Embedding later


class Interrupting(HashingEmbedder):
    """Raises after so many calls, as Ctrl-C would."""

    def __init__(self, calls: int) -> None:
        super().__init__(16)
        self.calls = calls

    def embed(self, texts: object) -> np.ndarray:
        if self.calls == 0:
            raise KeyboardInterrupt
        self.calls -= 1
        return super().embed(texts)  # type: ignore[arg-type]


def test_text_is_searchable_before_it_is_embedded(opened: Opened) -> None:
    """Catches text that waits for its vectors to be found."""
    index = opened()
    index.upsert(documents(), embed="later")
    assert (index.stats()["chunks"], index.stats()["chunks_embedded"]) == (4, 0)
    assert found(index, "alpha") == {"a", "d"}
    told: list[tuple[int, int]] = []
    assert index.embed_pending(progress=lambda done, total: told.append((done, total))) == 4
    assert told[-1] == (4, 4)
    assert index.stats()["chunks_embedded"] == 4
    assert index.embed_pending() == 0
    with_vectors = index.search("alpha beta", top_k=9).hits
    index.close()
    once = opened("other")
    once.upsert(documents())
    assert [(hit.chunk_id, hit.score) for hit in once.search("alpha beta", top_k=9)] == [
        (hit.chunk_id, hit.score) for hit in with_vectors
    ], "embedding later must give what embedding now gives"


def test_embedding_goes_on_where_it_was_interrupted(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches work that is lost, or done twice, by an interruption."""
    monkeypatch.setattr("ragstone.store._ROWS_MIN", 10)
    monkeypatch.setattr("ragstone.store._ROWS_MAX", 10)
    index = opened(embedder=Interrupting(3))
    index.upsert([Document(f"d{n:03}", f"alpha number{n}") for n in range(100)], embed="later")
    with pytest.raises(KeyboardInterrupt):
        index.embed_pending()
    assert index.stats()["chunks_embedded"] == 30
    index.close()
    index = opened()
    index.delete(document_ids=["d000", "d050"])
    assert index.embed_pending() == 69
    assert index.stats()["chunks_embedded"] == index.stats()["chunks"] == 98
    assert len(index.search("alpha", mode="dense", top_k=200)) == 98
    assert index.verify() == []


def test_threads_may_share_an_index(opened: Opened) -> None:
    """Catches a search that sees half of a commit, or a race that crashes."""
    index = opened()
    index.upsert([Document(f"d{n}", f"alpha version0 {n}") for n in range(20)])
    failures: list[object] = []
    stop = threading.Event()

    def read() -> None:
        try:
            while not stop.is_set():
                hits = index.search("alpha", top_k=50, mode="bm25")
                versions = {hit.text.split()[1] for hit in hits}
                if len(hits) != 20 or len(versions) != 1:
                    failures.append((len(hits), versions))
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for version in range(1, 15):
        index.upsert([Document(f"d{n}", f"alpha version{version} {n}") for n in range(20)])
    stop.set()
    for reader in readers:
        reader.join()
    assert failures == []


def test_results_render(opened: Opened) -> None:
    """Catches a result that cannot be shown in a terminal or a notebook, or that lets a text inject markup."""
    index = opened()
    index.upsert([Document("a", "alpha <script>alert(1)</script>", title="T & T")])
    result = index.search("alpha <b>")
    assert "1. [" in str(result)
    html = result._repr_html_()
    assert "<mark>alpha</mark>" in html
    assert "<script>" not in html
    assert "<b>&" not in html.replace("<b>alpha", "")
    assert "1 documents" in repr(index)
    assert result[0] is result.hits[0]
    assert list(result[:1]) == [result[0]]


def test_nothing_to_read_is_an_error_and_nothing_found_is_a_value(opened: Opened, tmp_path: Path) -> None:
    """Catches an empty result that raises, and a missing index that is created by a reader."""
    with pytest.raises(NotFound):
        opened("missing", read_only=True)
    assert not (tmp_path / "missing").exists()
    index = opened()
    for mode in ("hybrid", "bm25", "dense"):
        assert not index.search("alpha", mode=mode)  # type: ignore[arg-type]
    assert index.document("a") is None
    assert index.chunks("a") == []
    assert index.verify() == []
    assert index.merge() == 0


def test_stages_tell_where_the_time_of_a_search_went(opened: Opened) -> None:
    """Catches stages that overlap, or that are missing from the whole."""
    index = opened()
    index.upsert(documents())
    for mode, idle in (("hybrid", ()), ("bm25", ("dense",)), ("dense", ("lexical",))):
        result = index.search("alpha beta", mode=mode)  # type: ignore[arg-type]
        assert result.stages is not None
        parts = dataclasses.asdict(result.stages)
        assert all(part >= 0 for part in parts.values())
        assert 0 < sum(parts.values()) <= result.latency_ms
        assert all(parts[name] > 0 for name in {"lexical", "dense", "fuse", "cite"} - set(idle))
    asked = index.ask("What is alpha?").stages
    assert asked is not None
    assert asked.route > 0
    assert index.search_batch(["alpha"])[0].stages is None
