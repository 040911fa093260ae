"""Questions with the documents that answer them, for fitting and measuring null retrieval."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from judged import Qrels, lines, questions
from ragstone import Document, route

# Sets that people asked questions of, and sets whose queries are claims or whose judgements are known to be incomplete.
QUESTION_SETS = ("dolly", "xquad-en", "pubmedqa", "covidqa-long")
OTHER_SETS = ("cranfield", "scifact-train")
DOLLY_PASSAGES = 1_200
# The built-in embedder was trained on it: with that one its figures say nothing.
SEEN_BY_BUILTIN = "dolly"
# After a name: with those questions too that the router takes for instructions.
ALL = " with instructions"
_SHINGLE, _SHARED = 8, 0.5


@dataclass(frozen=True)
class QuestionSet:
    """A corpus, its questions, what answers them, and questions of other fields.

    ``copies`` is the number of documents of which another one is a near copy: those count as answers too.
    ``unrouted`` questions were left out: the router takes them for no question of fact, so ``ask`` would not search.
    """

    name: str
    documents: list[Document]
    questions: dict[str, str]
    qrels: Qrels
    far: list[str]
    copies: int
    unrouted: int


def question_set(shared: Path, name: str, *, most: int, far: int = 200) -> QuestionSet:
    """A set by name: at most so many questions of fact, evenly spaced, and so many of other fields."""
    data = shared / "data"
    plain = name.removesuffix(ALL)
    read = {"dolly": _dolly, "covidqa-long": _covid}.get(plain, _beir)
    documents, asked, qrels = read(data, plain)
    everything = len(asked)
    if not name.endswith(ALL):
        asked = {key: text for key, text in asked.items() if route(text).path in ("retrieve", "hybrid")}
    spaced = [list(asked)[int(place)] for place in np.linspace(0, len(asked) - 1, min(most, len(asked)))]
    copies = near_copies({document.document_id: document.text for document in documents})
    chosen = {key: asked[key] for key in spaced}
    return QuestionSet(
        name=name,
        documents=documents,
        questions=chosen,
        qrels={key: _with_copies(qrels[key], copies) for key in chosen},
        far=_far(data, name, far),
        copies=len(copies),
        unrouted=everything - len(asked),
    )


def near_copies(texts: Mapping[str, str]) -> dict[str, set[str]]:
    """For each text the others that share half of the shorter one's runs of eight words, where there are any."""
    runs = {key: _runs(text) for key, text in texts.items()}
    having: dict[int, list[str]] = {}
    for key, own in runs.items():
        for run in own:
            having.setdefault(run, []).append(key)
    copies: dict[str, set[str]] = {}
    for key, own in runs.items():
        shared: dict[str, int] = {}
        for run in own:
            for other in having[run][:50]:
                shared[other] = shared.get(other, 0) + 1
        alike = {other for other, count in shared.items() if count >= _SHARED * min(len(own), len(runs[other]))}
        if len(alike) > 1:
            copies[key] = alike - {key}
    return copies


def _runs(text: str) -> set[int]:
    words = re.findall(r"\w+", text.lower())
    return {hash(tuple(words[at : at + _SHINGLE])) for at in range(max(1, len(words) - _SHINGLE + 1))}


def _with_copies(grades: Mapping[str, int], copies: Mapping[str, set[str]]) -> dict[str, int]:
    answers = {key for key, grade in grades.items() if grade > 0}
    return dict.fromkeys(sorted(answers.union(*(copies.get(key, set()) for key in answers))), 1)


def _beir(data: Path, name: str) -> tuple[list[Document], dict[str, str], Qrels]:
    folder = data / "sets" / name
    corpus = data / "sets" / ("scifact-test" if name == "scifact-train" else name) / "corpus.jsonl"
    rows = [row for row in lines(corpus) if row["text"].strip()]
    asked, qrels = questions(folder)
    return [Document(row["_id"], row["text"], title=row["title"]) for row in rows], asked, qrels


def _covid(data: Path, name: str) -> tuple[list[Document], dict[str, str], Qrels]:
    folder = data / "sets" / name
    documents = [Document(row["_id"], row["text"]) for row in lines(folder / "corpus.jsonl")]
    rows = lines(folder / "queries.jsonl")
    return documents, {row["_id"]: row["text"] for row in rows}, {row["_id"]: {row["doc"]: 1} for row in rows}


def _dolly(data: Path, name: str) -> tuple[list[Document], dict[str, str], Qrels]:
    """Passages of closed_qa and information_extraction with the questions asked about them."""
    about: dict[str, list[str]] = {}
    for row in lines(data / "queries" / "dolly15k.jsonl"):
        text = re.sub(r"\s+", " ", re.sub(r"\[[0-9a-z ]+\]", "", row["context"] or "")).strip()
        if text and row["category"] in ("closed_qa", "information_extraction"):
            about.setdefault(text, []).append(row["instruction"].strip())
    texts = list(about)
    chosen = [texts[int(place)] for place in np.linspace(0, len(texts) - 1, DOLLY_PASSAGES)]
    documents = [Document(f"passage-{number}", text) for number, text in enumerate(chosen)]
    asked, qrels = {}, {}
    for document in documents:
        for number, question in enumerate(about[document.text]):
            key = f"{document.document_id}-{number}"
            asked[key], qrels[key] = question, {document.document_id: 1}
    return documents, asked, qrels


def _far(data: Path, name: str, count: int) -> list[str]:
    """Questions of other fields: a bank's customers', and medicine or the web's trivia, whichever the set is not of."""
    medicine, trivia = data / "sets" / "pubmedqa" / "queries.jsonl", data / "queries" / "nq.jsonl"
    other = medicine if name.removesuffix(ALL) in ("dolly", "xquad-en") else trivia
    pools = [data / "queries" / "banking.jsonl", other]
    each = -(-count // len(pools))
    far = []
    for pool in pools:
        texts = [row["text"] for row in lines(pool)]
        far += [texts[int(place)] for place in np.linspace(0, len(texts) - 1, each)]
    return far[:count]
