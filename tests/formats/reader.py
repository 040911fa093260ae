"""An independent reader of index directories, written from FORMAT.md alone, with nothing but the standard library."""

from __future__ import annotations

import json
import math
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

MAGIC, MAGIC_END = b"\x89RAG\r\n\x1a\n", b"\nENDRAG\x89"
BLOCK, WINDOW = 65_536, 16_384


class Damaged(Exception):
    """A file is not what it should be."""


def _need(truth: bool, path: Path, message: str) -> None:
    if not truth:
        raise Damaged(f"{path.name}: {message}")


def _numbers(code: str, data: bytes) -> tuple[Any, ...]:
    count, rest = divmod(len(data), struct.calcsize(f"<{code}"))
    if rest:
        raise Damaged(f"{len(data)} bytes are not a column of {code!r}")
    return struct.unpack(f"<{count}{code}", data)


def _bits(words: tuple[int, ...], count: int) -> list[bool]:
    bits = [bool(word >> bit & 1) for word in words for bit in range(64)]
    if len(bits) != -(-count // 64) * 64 or any(bits[count:]):
        raise Damaged(f"a bitmap is not one of {count} bits")
    return bits[:count]


class File:
    """One file, every byte checked: its sections by name (section 2)."""

    def __init__(self, path: Path, kind: str, entry: dict[str, Any] | None = None) -> None:
        data = path.read_bytes()
        _need(len(data) >= 128, path, "too short")
        header, footer = data[:64], data[-64:]
        _need(header[:8] == MAGIC and zlib.crc32(header[:60]) == struct.unpack("<I", header[60:])[0], path, "header")
        _need(struct.unpack("<I", header[8:12])[0] == 1, path, "another format version")
        _need(header[12:16] == kind.encode(), path, f"not of kind {kind}")
        length, table, sums, sections, blocks, table_crc, sums_crc, block = struct.unpack("<QQQIIIII", footer[:44])
        checksum = struct.unpack("<I", footer[52:56])[0]
        _need(footer[56:] == MAGIC_END and zlib.crc32(footer[:52]) == checksum, path, "footer")
        _need(length == len(data) and block == BLOCK, path, "length")
        if entry is not None:
            _need(length == entry["length"] and checksum == entry["checksum"], path, "not the listed file")
        entries = data[table : table + 40 * sections]
        _need(zlib.crc32(entries) == table_crc and zlib.crc32(data[sums:-64]) == sums_crc, path, "tables")
        expected = _numbers("I", data[sums:-64])
        payload = data[:sums]
        found = tuple(zlib.crc32(payload[at : at + BLOCK]) for at in range(0, sums, BLOCK))
        _need(len(expected) == blocks and found == expected, path, "a block")
        self.path, self.sections, end = path, dict[str, bytes](), 64
        for at in range(0, len(entries), 40):
            name, start, size = struct.unpack("<24sQQ", entries[at : at + 40])
            _need(start % 64 == 0 and end <= start and start + size <= table, path, "a section")
            end = start + size
            self.sections[name.rstrip(b"\0").decode("ascii")] = data[start:end]

    def column(self, section: str, code: str) -> tuple[Any, ...]:
        """A section as numbers."""
        return _numbers(code, self.sections[section])


@dataclass(frozen=True)
class Chunk:
    """One row of a segment."""

    ordinal: int
    text: str
    span: tuple[int, int]
    headings: list[str]
    context: str
    page: int | None


@dataclass(frozen=True)
class Document:
    """One document of a segment."""

    document_id: str
    title: str
    source: str
    text: str
    metadata: dict[str, Any]
    acl: list[str] | None
    content_sha256: str
    rows: range
    chunks: list[Chunk]


class Inverted:
    """The inverted index of a file (section 5)."""

    def __init__(self, file: File, rows: int) -> None:
        self.file, self.rows = file, rows

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        """Length of each row in terms."""
        return self.file.column("lex.lengths", "I")

    @cached_property
    def postings(self) -> dict[str, list[tuple[int, int]]]:
        """Term to pairs of a row and a count, in the order of term numbers (section 5)."""
        head = struct.unpack("<4I4Q2I3d", self.file.sections["lex.head"])
        _need(head[:3] == (2, WINDOW, self.rows) and head[4] == sum(self.lengths), self.file.path, "lex.head")
        filled = [length for length in self.lengths if length > 0] or [1]
        _need(head[8:10] == (min(filled), max(filled)), self.file.path, "the range of lengths")
        wide = dict(zip(self.file.column("lex.wide.keys", "Q"), self.file.column("lex.wide.counts", "I"), strict=True))
        k1, b, average = head[10:]

        def count(number: int, row: int, impact: int) -> int:
            norm = k1 * (1 - b) + k1 * b / average * self.lengths[row]
            likely = (number << 32 | row) in wide
            found = wide[number << 32 | row] if likely else _count_of(impact, norm)
            _need(found is not None and _impact(found, norm) == impact, self.file.path, "an impact")
            return found or 0

        postings = {}
        entries = self.file.column("lex.entries", "Q")
        for number, (term, entry) in enumerate(zip(self._terms(head[3]), entries, strict=True)):
            if entry >> 62 == 0:
                postings[term] = [(entry & (1 << 30) - 1, entry >> 30)]
                continue
            pairs = list(self._flat(entry) if entry >> 62 == 1 else self._containers(entry & 0xFFFF_FFFF))
            postings[term] = [(row, count(number, row, impact)) for row, impact in pairs]
            _need(pairs == sorted(pairs), self.file.path, "the order of rows")
        _need(list(postings) == sorted(postings, key=str.encode), self.file.path, "the order of terms")
        _need(sum(map(len, postings.values())) == head[5], self.file.path, "the number of postings")
        return postings

    def _flat(self, entry: int) -> Iterator[tuple[int, int]]:
        at, size = 4 * (entry & (1 << 40) - 1), (entry >> 40 & 0xFF) + 1
        raw = self.file.sections["lex.flat"][at : at + 5 * size]
        impacts = raw[4 * size :]
        _need(max(impacts) == entry >> 48 & 0xFF, self.file.path, "the greatest impact of a list")
        return zip(_numbers("I", raw[: 4 * size]), impacts, strict=True)

    def _containers(self, place: int) -> Iterator[tuple[int, int]]:
        sections = self.file.sections
        size, first, containers, *ranked = struct.unpack_from("<3I4B", sections["lex.frequent"], 16 * place)
        seen = []
        for container in range(first, first + containers):
            half, window, last = struct.unpack_from("<IHH", sections["lex.windows"], 8 * container)
            pairs = _container(sections["lex.postings"][2 * half :], last + 1)
            _need(
                sections["lex.impacts"][container] == max(impact for _, impact in pairs), self.file.path, "lex.impacts"
            )
            seen += [impact for _, impact in pairs]
            yield from ((window * WINDOW + row, impact) for row, impact in pairs)
        seen.sort(reverse=True)
        expected = [seen[rank - 1] if rank <= size else 0 for rank in (10, 20, 100, 1000)]
        _need(len(seen) == size and ranked == expected, self.file.path, "a frequent term")

    def _terms(self, count: int) -> Iterator[str]:
        raw, at, term = self.file.sections["lex.terms"], 0, b""
        starts, prefixes = self.file.column("lex.blocks", "Q"), self.file.column("lex.prefixes", "Q")
        for number in range(count):
            _need(number % 16 != 0 or starts[number // 16] == at, self.file.path, "a block of terms")
            shared, size = raw[at], raw[at + 1]
            term = term[:shared] + raw[at + 2 : at + 2 + size]
            if number % 16 == 0:
                _need(
                    prefixes[number // 16] == int.from_bytes(term[:8].ljust(8, b"\0"), "big"),
                    self.file.path,
                    "a prefix",
                )
            at += 2 + size
            yield term.decode()


class Segment(Inverted):
    """A segment with its vectors and deletes (sections 4 to 7)."""

    def __init__(self, directory: Path, entry: dict[str, Any], dimension: int | None) -> None:
        self.file = File(directory / entry["segment"]["name"], "SEGM", entry["segment"])
        self.rows: int = entry["rows"]
        self.documents = list(self._documents())
        self.deleted = [False] * len(self.documents)
        self.deleted_terms: dict[int, int] = {}
        self.deleted_length = 0
        if entry["tombstones"] is not None:
            tombstones = File(directory / entry["tombstones"]["name"], "TOMB", entry["tombstones"])
            self.deleted = _bits(tombstones.column("del.documents", "Q"), len(self.documents))
            rows, terms, self.deleted_length = struct.unpack("<IIQ", tombstones.sections["del.head"])
            ids, counts = tombstones.column("del.terms", "I"), tombstones.column("del.counts", "I")
            gone = [doc for doc, deleted in zip(self.documents, self.deleted, strict=True) if deleted]
            _need(len(ids) == len(counts) == terms, tombstones.path, "terms")
            _need(rows == sum(len(document.rows) for document in gone), tombstones.path, "rows")
            self.deleted_terms = dict(zip(ids, counts, strict=True))
        self.vectors: dict[int, tuple[float, ...]] = {}
        for part in entry["vectors"]:
            self.vectors |= _vectors(File(directory / part["file"]["name"], "VECS", part["file"]), part, dimension)

    @property
    def live(self) -> list[Document]:
        """The documents that are not deleted."""
        return [doc for doc, deleted in zip(self.documents, self.deleted, strict=True) if not deleted]

    @property
    def history(self) -> list[dict[str, Any]]:
        """The change log (section 4.2)."""
        return [json.loads(line) for line in self.file.sections["history"].splitlines()]

    @property
    def lost_facts(self) -> list[tuple[dict[str, Any], tuple[int, ...]]]:
        """Each fact that a replacement took away, with its change (section 4.2)."""
        rows = struct.iter_unpack("<I4BQ8I", self.file.sections.get("history.facts", b""))
        return [(self.history[row[0]], row[1:]) for row in rows]

    def _documents(self) -> Iterator[Document]:
        sections = self.file.sections
        strings, contexts, texts = sections["doc.strings"], sections["chunk.contexts"], sections["text"]
        chunks = list(struct.iter_unpack("<II9Q", sections["chunk.table"]))
        _need(len(chunks) == self.rows, self.file.path, "rows")
        for number, record in enumerate(struct.iter_unpack("<12Q32sIIQ", sections["doc.table"])):
            spans = [record[at : at + 2] for at in range(0, 12, 2)]
            names = [strings[at : at + size].decode() for at, size in spans[:5]]
            (start, size), (digest, first, count, flags) = spans[5], record[12:]
            text = texts[start : start + size]
            rows = []
            for ordinal, row in enumerate(chunks[first : first + count]):
                _need(row[:2] == (number, ordinal), self.file.path, "a row")
                byte_start, byte_end, char_start, char_end, head_at, head_size, at, length, page = row[2:]
                part = text[byte_start:byte_end].decode()
                _need(part == text.decode()[char_start:char_end], self.file.path, "a span")
                headings = json.loads(strings[head_at : head_at + head_size])
                context = contexts[at : at + length].decode()
                rows.append(Chunk(ordinal, part, (char_start, char_end), headings, context, page or None))
            yield Document(
                *names[:3],
                text.decode(),
                json.loads(names[3]),
                json.loads(names[4]) if flags & 1 else None,
                digest.hex() if flags & 2 else "",
                range(first, first + count),
                rows,
            )

    @cached_property
    def fields(self) -> dict[tuple[str, str, str], list[tuple[Any, int]]]:
        """(scope, key, kind) to pairs of a value and the number of a document (section 4.1)."""
        keys, documents = self.file.column("meta.values", "Q"), self.file.column("meta.documents", "I")
        ends, raw = self.file.column("meta.strings", "Q"), self.file.sections["meta.string_bytes"]
        words = [raw[start:end].decode() for start, end in pairwise(ends)]

        def value(kind: str, key: int, first: int) -> Any:
            if kind == "number":
                bits = key ^ (1 << 63) if key >> 63 else key ^ (2**64 - 1)
                return struct.unpack("<d", struct.pack("<Q", bits))[0]
            if kind == "string":
                return words[first + key]
            return bool(key) if kind == "bool" else key - 2**63

        fields = {}
        for field in json.loads(self.file.sections["meta.fields"]):
            places = range(field["start"], field["end"])
            pairs = [(value(field["kind"], keys[at], field["strings_start"]), documents[at]) for at in places]
            _need(pairs == sorted(pairs, key=lambda pair: pair[0]), self.file.path, "the order of a field")
            fields[field["scope"], field["key"], field["kind"]] = pairs
        return fields


def _impact(count: int, norm: float) -> int:
    return min(255, math.ceil(count / (count + norm) * 255 + 1e-9))


@cache
def _count_of(impact: int, norm: float) -> int | None:
    """The only count that has this impact."""
    counts = [count for count in range(1, 1000) if _impact(count, norm) == impact]
    return counts[0] if len(counts) == 1 else None


def _container(raw: bytes, size: int) -> list[tuple[int, int]]:
    """Pairs of a local row and an impact."""
    if size < 256:
        return list(zip(_numbers("H", raw[: 2 * size]), raw[2 * size : 3 * size], strict=True))
    starts, greatest, raw = [*_numbers("H", raw[:128]), size], raw[128:192], raw[192:]
    if size <= 2048:
        rows, impacts = [], b""
        for block, (start, end) in enumerate(pairwise(starts)):
            pairs = raw[2 * start : 2 * end]
            rows += [256 * block + row for row in pairs[: end - start]]
            impacts += pairs[end - start :]
    else:
        rows = [row for row in range(WINDOW) if raw[row // 8] >> row % 8 & 1]
        impacts = raw[2048 : 2048 + size]
    for block in range(64):
        here = slice(starts[block], starts[block + 1])
        if any(row // 256 != block for row in rows[here]) or max(impacts[here], default=0) != greatest[block]:
            raise ValueError(f"block {block} of a container contradicts its head")
    return list(zip(rows, impacts, strict=True))


def _vectors(file: File, part: dict[str, Any], dimension: int | None) -> dict[int, tuple[float, ...]]:
    size, stride, rows, count = file.column("vec.head", "I")
    _need(size == dimension and stride == -(-size // 16) * 16 and rows == part["rows"], file.path, "vec.head")
    present, values = _bits(file.column("vec.present", "Q"), rows), file.column("vec.f32", "f")
    _need(sum(present) == count and len(values) == rows * stride, file.path, "rows")
    found = {row: values[row * stride : row * stride + size] for row in range(rows) if present[row]}
    codes(file)
    return {part["first_row"] + row: vector for row, vector in found.items()}


@dataclass(frozen=True)
class Codes:
    """Shorter forms of the rows of a file of vectors, one of each for a row (section 6.1)."""

    center: tuple[float, ...]
    bits: list[tuple[int, ...]]
    factors: list[float]
    offsets: list[float]
    integers: list[tuple[int, ...]]
    steps: tuple[float, ...]
    residuals: tuple[float, ...]


def codes(file: File) -> Codes | None:
    """The codes of a file's rows, where their dimension has codes; all that must be zero is checked to be."""
    names = {"vec.center", "vec.bits", "vec.int8", "vec.int8.factors"} & set(file.sections)
    size, _, rows, _ = file.column("vec.head", "I")
    _need(len(names) == (4 if 16 <= size <= 6553 else 0), file.path, f"{sorted(names)} for dimension {size}")
    if not names:
        return None
    center, numbers = file.column("vec.center", "f"), file.column("vec.int8.factors", "f")
    width, stride, blocks = -(-size // 24) * 3, -(-size // 64) * 64, -(-rows // 64)
    data, integers = file.sections["vec.bits"], file.column("vec.int8", "b")
    lengths = (len(center), len(data), len(integers), len(numbers))
    _need(lengths == (size, blocks * 64 * (width + 4), rows * stride, 2 * rows), file.path, "lengths of codes")
    bits, factors, offsets = [], list[float](), list[float]()
    for row in range(64 * blocks):
        start, place = row // 64 * 64 * (width + 4), 4 * (row % 16) + row % 64 // 16
        column = data[start + place : start + 64 * width : 64]
        bits.append(tuple(byte >> bit & 1 for byte in column for bit in range(8)))
        offset, factor = struct.unpack_from("<2s2s", data, start + 64 * width + 4 * (row % 64))
        factors += struct.unpack("<f", b"\0\0" + factor)
        offsets += struct.unpack("<f", b"\0\0" + offset)
    absent = [*(not has for has in _bits(file.column("vec.present", "Q"), rows)), *[True] * (64 * blocks - rows)]
    for row in (row for row, is_absent in enumerate(absent) if is_absent):
        nothing = not any((*bits[row], factors[row], offsets[row], *numbers[2 * row : 2 * row + 2]))
        _need(nothing and not any(integers[row * stride : (row + 1) * stride]), file.path, f"codes of absent row {row}")
    _need(not any(any(one[size:]) for one in bits), file.path, "bits beyond the dimension")
    _need(not any(any(integers[row * stride + size : (row + 1) * stride]) for row in range(rows)), file.path, "padding")
    return Codes(
        center,
        [one[:size] for one in bits[:rows]],
        factors[:rows],
        offsets[:rows],
        [integers[row * stride : row * stride + size] for row in range(rows)],
        numbers[::2],
        numbers[1::2],
    )


class Index:
    """The newest commit of a directory (sections 1 and 3)."""

    def __init__(self, directory: Path) -> None:
        names = [path.name for path in directory.iterdir() if re.fullmatch(r"manifest-\d{20}", path.name)]
        if not names:
            raise FileNotFoundError(directory)
        file = File(directory / max(names), "MANI")
        self.manifest: dict[str, Any] = json.loads(file.sections["manifest"])
        _need(self.manifest["generation"] == int(max(names)[9:]), file.path, "generation")
        embedder = self.manifest["settings"]["embedder"]
        dimension = None if embedder is None else embedder["dimension"]
        self.segments = [Segment(directory, entry, dimension) for entry in self.manifest["segments"]]

    @property
    def documents(self) -> dict[str, Document]:
        """Live documents by id."""
        return {document.document_id: document for segment in self.segments for document in segment.live}

    @property
    def history(self) -> list[dict[str, Any]]:
        """All changes, oldest first."""
        changes = [change for segment in self.segments for change in segment.history]
        return sorted(changes, key=lambda change: (change["generation"], change["document_id"]))

    def document_frequency(self, term: str) -> int:
        """Live chunks that have the term."""
        total = 0
        for segment in self.segments:
            if term in segment.postings:
                number = list(segment.postings).index(term)
                total += len(segment.postings[term]) - segment.deleted_terms.get(number, 0)
        return total

    def bm25(self, terms: list[str]) -> dict[str, float]:
        """Chunk id to score, for live chunks that have one of the terms (each given once)."""
        settings = self.manifest["settings"]
        count = sum(len(document.chunks) for document in self.documents.values())
        length = sum(sum(segment.lengths) - segment.deleted_length for segment in self.segments)
        average = length / count if length and count else 1.0
        scores: dict[str, float] = {}
        for segment in self.segments:
            names = {
                row: f"{document.document_id}#{ordinal}"
                for document in segment.live
                for ordinal, row in enumerate(document.rows)
            }
            for term in terms:
                df = self.document_frequency(term)
                idf = math.log(1 + (count - df + 0.5) / (df + 0.5))
                for row, tf in segment.postings.get(term, []):
                    if row in names:
                        norm = settings["k1"] * (1 - settings["b"] + settings["b"] * segment.lengths[row] / average)
                        scores[names[row]] = scores.get(names[row], 0.0) + idf * tf / (tf + norm)
        return scores
