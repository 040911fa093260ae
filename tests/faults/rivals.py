"""Ways to keep vectors and texts on a disk, each with how it commits and how its documents are counted again.

All are used as their documentation shows, with their defaults unless the name says otherwise.  They are installed by
``make`` below ``.build/rivals``; what is not there is left out.
"""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

DIMENSION, BATCH, COMMITS = 32, 200, 3


def vectors(batch: int) -> Any:
    values = np.random.default_rng(batch).standard_normal((BATCH, DIMENSION)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def texts(batch: int) -> list[str]:
    return [f"row{batch * BATCH + row} kelp granite batch{batch}" for row in range(BATCH)]


class Rival:
    """``commit`` returns when the system says that the batch is stored; ``count`` opens it anew."""

    module = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def commit(self, batch: int) -> None:
        raise NotImplementedError

    def count(self) -> int:
        raise NotImplementedError


class Ragstone(Rival):
    module = "ragstone"

    def commit(self, batch: int) -> None:
        import ragstone

        # Given vectors take the way of an embedder's.
        with ragstone.open(self.folder / "kb", embedder="hashing") as index:
            index.upsert([ragstone.Document(text.split()[0], text) for text in texts(batch)])

    def count(self) -> int:
        import ragstone

        with ragstone.open(self.folder / "kb") as index:
            return len({hit.document_id for hit in index.search("kelp", mode="bm25", top_k=1000)})


class Lance(Rival):
    module = "lancedb"

    def commit(self, batch: int) -> None:
        import lancedb

        rows = [
            {"id": batch * BATCH + row, "text": text, "vector": vector}
            for row, (text, vector) in enumerate(zip(texts(batch), vectors(batch), strict=True))
        ]
        database = lancedb.connect(self.folder)
        if batch == 0:
            database.create_table("t", rows)
        else:
            database.open_table("t").add(rows)

    def count(self) -> int:
        import lancedb

        table = lancedb.connect(self.folder).open_table("t")
        return len(table.search(vectors(0)[0]).limit(10_000).to_list())


class Tantivy(Rival):
    module = "tantivy"

    def commit(self, batch: int) -> None:
        import tantivy

        builder = tantivy.SchemaBuilder()
        builder.add_text_field("text", stored=True)
        index = tantivy.Index(builder.build(), path=str(self.folder))
        writer = index.writer()
        for text in texts(batch):
            writer.add_document(tantivy.Document(text=[text]))
        writer.commit()
        writer.wait_merging_threads()

    def count(self) -> int:
        import tantivy

        index = tantivy.Index.open(str(self.folder))
        index.reload()
        return int(index.searcher().search(index.parse_query("kelp", ["text"]), 10_000).count)


class Saved(Rival):
    """Systems that save the whole of an index into one file."""

    name = "saved"

    def all_vectors(self, batch: int) -> Any:
        return np.concatenate([vectors(one) for one in range(batch + 1)])

    def path(self) -> str:
        return str(self.folder / self.name)


class Usearch(Saved):
    module = "usearch"

    def commit(self, batch: int) -> None:
        from usearch.index import Index

        index = Index(ndim=DIMENSION, metric="cos")
        values = self.all_vectors(batch)
        index.add(np.arange(len(values)), values)
        index.save(self.path())

    def count(self) -> int:
        from usearch.index import Index

        return len(Index.restore(self.path()).search(vectors(0)[0], 10_000))


class Hnswlib(Saved):
    module = "hnswlib"

    def commit(self, batch: int) -> None:
        import hnswlib

        values = self.all_vectors(batch)
        index = hnswlib.Index("cosine", DIMENSION)
        index.init_index(len(values))
        index.add_items(values)
        index.save_index(self.path())

    def count(self) -> int:
        import hnswlib

        index = hnswlib.Index("cosine", DIMENSION)
        index.load_index(self.path())
        return int(index.get_current_count())


class Faiss(Saved):
    module = "faiss"

    def commit(self, batch: int) -> None:
        import faiss

        index = faiss.IndexFlatIP(DIMENSION)
        index.add(self.all_vectors(batch))
        faiss.write_index(index, self.path())

    def count(self) -> int:
        import faiss

        return int(faiss.read_index(self.path()).ntotal)


class NumPy(Saved):
    module = "numpy"
    name = "vectors.npy"

    def commit(self, batch: int) -> None:
        np.save(self.path(), self.all_vectors(batch))

    def count(self) -> int:
        return len(np.load(self.path()))


class Bm25s(Saved):
    module = "bm25s"

    def commit(self, batch: int) -> None:
        import bm25s

        every = [text for one in range(batch + 1) for text in texts(one)]
        index = bm25s.BM25()
        index.index(bm25s.tokenize(every, show_progress=False), show_progress=False)
        index.save(self.path())

    def count(self) -> int:
        import bm25s

        return int(bm25s.BM25.load(self.path()).scores["num_docs"])


class Sqlite(Rival):
    module = "sqlite3"
    settings = ""

    def commit(self, batch: int) -> None:
        import sqlite3

        with sqlite3.connect(self.folder / "db") as connection:
            connection.executescript(self.settings)
            connection.execute("create table if not exists t (id integer primary key, text, vector blob)")
            rows = [(text, vector.tobytes()) for text, vector in zip(texts(batch), vectors(batch), strict=True)]
            connection.executemany("insert into t (text, vector) values (?, ?)", rows)
            connection.commit()
        connection.close()

    def count(self) -> int:
        import sqlite3

        connection = sqlite3.connect(self.folder / "db")
        return int(connection.execute("select count(*) from t").fetchone()[0])


class SqliteFull(Sqlite):
    settings = "pragma journal_mode = wal; pragma synchronous = full;"


class Lmdb(Rival):
    module = "lmdb"

    def commit(self, batch: int) -> None:
        import lmdb

        environment = lmdb.open(str(self.folder / "lmdb"), map_size=64 << 20)
        with environment.begin(write=True) as transaction:
            for row, (text, vector) in enumerate(zip(texts(batch), vectors(batch), strict=True)):
                transaction.put(str(batch * BATCH + row).encode(), text.encode() + vector.tobytes())
        environment.close()

    def count(self) -> int:
        import lmdb

        return int(lmdb.open(str(self.folder / "lmdb"), map_size=64 << 20).stat()["entries"])


class Chroma(Rival):
    module = "chromadb"

    def collection(self) -> Any:
        import chromadb

        settings = chromadb.config.Settings(anonymized_telemetry=False)
        return chromadb.PersistentClient(str(self.folder / "chroma"), settings=settings).get_or_create_collection("t")

    def commit(self, batch: int) -> None:
        ids = [str(batch * BATCH + row) for row in range(BATCH)]
        self.collection().add(ids=ids, documents=texts(batch), embeddings=vectors(batch))

    def count(self) -> int:
        return int(self.collection().count())


class Qdrant(Rival):
    module = "qdrant_client"
    client: Any = None

    def opened(self) -> Any:
        from qdrant_client import QdrantClient

        self.client = self.client or QdrantClient(path=str(self.folder / "qdrant"))
        return self.client

    def commit(self, batch: int) -> None:
        from qdrant_client import models

        client = self.opened()
        if batch == 0:
            client.create_collection("t", models.VectorParams(size=DIMENSION, distance=models.Distance.COSINE))
        points = [
            models.PointStruct(id=batch * BATCH + row, vector=vector.tolist(), payload={"text": text})
            for row, (text, vector) in enumerate(zip(texts(batch), vectors(batch), strict=True))
        ]
        client.upsert("t", points)

    def count(self) -> int:
        return int(self.opened().count("t").count)


RIVALS: dict[str, type[Rival]] = {
    "ragstone": Ragstone,
    "lancedb": Lance,
    "tantivy": Tantivy,
    "usearch": Usearch,
    "hnswlib": Hnswlib,
    "faiss": Faiss,
    "bm25s": Bm25s,
    "numpy": NumPy,
    "sqlite": Sqlite,
    "sqlite-wal-full": SqliteFull,
    "lmdb": Lmdb,
    "chroma": Chroma,
    "qdrant-local": Qdrant,
}


def available(only: list[str] | None = None) -> dict[str, type[Rival]]:
    """Those that are installed, by name."""
    return {
        name: rival
        for name, rival in RIVALS.items()
        if (only is None or name in only) and importlib.util.find_spec(rival.module) is not None
    }


def three_commits(rival: type[Rival], mount: Path, acknowledge: Callable[[], None]) -> None:
    folder = mount / "rival"
    folder.mkdir()
    # The folder itself is there before the first commit, as for everybody who makes one in time.
    for place in (folder, mount):
        descriptor = os.open(place, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    system = rival(folder)
    for batch in range(COMMITS):
        system.commit(batch)
        acknowledge()
    signal.pause()


def count(rival: type[Rival], mount: Path) -> int:
    """How many documents another process finds, within 20 seconds; -1 where it cannot open what is there."""
    receiving, sending = os.pipe()
    process = os.fork()
    if process == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        signal.alarm(20)
        found = b"-1"
        try:
            found = str(rival(mount / "rival").count()).encode()
        except BaseException:
            pass
        finally:
            os.write(sending, found)
            os._exit(0)
    os.close(sending)
    answer = os.read(receiving, 16)
    os.close(receiving)
    os.waitpid(process, 0)
    return int(answer or b"-1")
