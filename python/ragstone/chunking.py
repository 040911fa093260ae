"""Cuts documents into chunks: spans that end where the text does, sized by the embedder's own tokenizer.

A document becomes *units* (headings, sentences, list items, lines of code or tables), each counted once; units are
packed into chunks, and a full chunk ends at the best boundary in its second half. The count of what is finally embedded
is verified, so that nothing is cut off silently later. All steps take time linear in the text.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import TypeAlias

from ragstone.boundaries import (
    BELOW_HEADING,
    IN_WORD,
    KEPT,
    PHRASE,
    SENTENCE,
    SPLITS,
    Unit,
    filled_sections,
    phrases,
    units_of,
)
from ragstone.errors import InvalidInput
from ragstone.records import Chunk, Document

__all__ = ["Chunker", "TokenCounter", "context_text", "embedding_text"]

TokenCounter: TypeAlias = Callable[[Sequence[str]], list[int]]
"""Counts the tokens of each text, special tokens not included: an embedder's ``count_tokens``."""

SPECIAL_TOKENS = 2  # what a model adds around a text ([CLS] and [SEP])
_PART_BYTES = 240  # of one title or heading in front of a chunk: 240 Latin letters, 80 ideographs
_UNIT_CHARACTERS = 8  # per token of max_tokens: a longer unit is split before it is counted
_CHUNK_CHARACTERS = 32  # per token of max_tokens: bounds a chunk of blanks or of words that count as one token


def context_text(title: str, headings: Sequence[str]) -> str:
    """Title and heading path on one line, as it stands in front of a chunk: ``Handbook > Refunds > Window``.

    A first heading that repeats the title is left out; a part longer than 240 bytes of UTF-8 is cut at a word.

    >>> context_text("Handbook", ["Handbook", "Refunds"])
    'Handbook > Refunds'
    """
    return " > ".join(_context_parts(title, headings))


def embedding_text(title: str, chunk: Chunk) -> str:
    r"""The text that is embedded and indexed for a chunk: its context, a line break, its own text.

    The last part of the context is left out where the chunk opens with that very heading. Embedding and BM25 both use
    this text, and `Chunker` sizes chunks by it.

    >>> embedding_text("Handbook", Chunk(start=9, end=17, text="30 days.", headings=("Refunds",)))
    'Handbook > Refunds\n30 days.'
    >>> embedding_text("Handbook", Chunk(start=0, end=20, text="# Refunds\n\n30 days.", headings=("Refunds",)))
    'Handbook\n# Refunds\n\n30 days.'
    """
    parts = _context_parts(title, chunk.headings)
    if parts and _same(parts[-1], _opening_line(chunk.text)):
        parts.pop()
    return f"{' > '.join(parts)}\n{chunk.text}" if parts else chunk.text


def _context_parts(title: str, headings: Sequence[str]) -> list[str]:
    if headings and _same(title, headings[0]):
        headings = headings[1:]
    return [part for part in map(_shortened, (title, *headings)) if part]


def _shortened(part: str) -> str:
    part = " ".join(part[: 4 * _PART_BYTES].split())
    encoded = part.encode("utf-8", "replace")
    if len(encoded) <= _PART_BYTES:
        return part
    cut = encoded[:_PART_BYTES].decode("utf-8", "ignore")
    return cut.rpartition(" ")[0] or cut


def _same(one: str, other: str) -> bool:
    return one == other or one.casefold().split() == other.casefold().split()


def _opening_line(text: str) -> str:
    """The first line that holds more than heading markup, without that markup."""
    for line in text[:1024].split("\n", 2)[:2]:
        line = line.strip(" \t\r#=*-~^_")
        if line:
            return line
    return ""


class Chunker:
    """Cuts documents into chunks of at most ``max_tokens`` tokens.

    Args:
        max_tokens: tokens of one chunk as it is embedded: context (title and headings), text, two special tokens.
            8 to 1,000,000.
        overlap_tokens: at most so many tokens at the end of a chunk are repeated at the start of the next: whole
            sentences, items or lines, and never across a heading. 0 to half of ``max_tokens``.
        token_counter: counts the tokens of texts, an embedder's ``count_tokens``; ``None`` is the built-in embedder's.

    Raises:
        InvalidInput: an option is out of range.

    Where the context takes more than half of ``max_tokens`` (a tiny ``max_tokens``, or a hostile title), the text
    still gets half, and only then is the sum above ``max_tokens``.

    >>> chunker = Chunker(max_tokens=12, overlap_tokens=0, token_counter=lambda texts: [len(t.split()) for t in texts])
    >>> document = Document(document_id="a", text="Refunds take 30 days. Keep the receipt. Ask at the counter for it.")
    >>> [chunk.text for chunk in chunker.chunk(document)]
    ['Refunds take 30 days. Keep the receipt.', 'Ask at the counter for it.']
    """

    __slots__ = ("_token_counter", "max_tokens", "overlap_tokens")

    def __init__(
        self, *, max_tokens: int = 256, overlap_tokens: int = 32, token_counter: TokenCounter | None = None
    ) -> None:
        _check_integer("max_tokens", max_tokens, 8, 1_000_000)
        _check_integer("overlap_tokens", overlap_tokens, 0, max_tokens // 2)
        if token_counter is not None and not callable(token_counter):
            raise InvalidInput(f"token_counter is {token_counter!r}: pass a function like an embedder's count_tokens")
        self.max_tokens = max_tokens
        self.overlap_tokens = overlap_tokens
        self._token_counter = token_counter

    def __repr__(self) -> str:
        return f"Chunker(max_tokens={self.max_tokens}, overlap_tokens={self.overlap_tokens})"

    def chunk(self, document: Document) -> list[Chunk]:
        """Cut a document into chunks, in the order of the text.

        ``document.text[chunk.start:chunk.end] == chunk.text``; no chunk begins or ends with white space; without
        overlap each other character of the text is in exactly one chunk. A text of white space has no chunks.

        Raises:
            InvalidInput: it is no document, the text or title holds a lone surrogate, the sections are out of order or
                outside the text, or one character alone has more tokens than fit.
        """
        if not isinstance(document, Document):
            raise InvalidInput(f"document is of type {type(document).__name__}: pass a ragstone.Document")
        _check_unicode("text", document.text)
        _check_unicode("title", document.title)
        return _Cutter(document, self.max_tokens, self.overlap_tokens, self._counter()).chunks()

    def _counter(self) -> TokenCounter:
        if self._token_counter is None:
            # Imported here: the counter is the one thing that chunking takes from embedding, and only by default.
            from ragstone.embedding import embedder

            self._token_counter = embedder("builtin").count_tokens
        return self._token_counter


def _check_integer(name: str, value: int, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInput(f"{name} is {value!r}: pass a whole number from {least} to {most}")
    if not least <= value <= most:
        raise InvalidInput(f"{name} is {value}: pass a number from {least} to {most}")


def _check_unicode(name: str, text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"document {name} has the lone surrogate {text[error.start]!r} at index {error.start}: "
            "decode its source with errors='replace'"
        ) from None


class _Cutter:
    """Cuts one document; holds its units in parallel lists so that packing is bisection over running totals."""

    def __init__(self, document: Document, max_tokens: int, overlap_tokens: int, counter: TokenCounter) -> None:
        self.text = document.text
        self.title = document.title
        self.max_tokens = max_tokens
        self.overlap_tokens = overlap_tokens
        self.counter = counter
        self.blocks = list(filled_sections(document))
        # How many sections of metadata stand before each: no chunk reaches across one.
        self.regions = list(accumulate(block.kind == "metadata" for block in self.blocks))

    def chunks(self) -> list[Chunk]:
        units = [unit for index, block in enumerate(self.blocks) for unit in units_of(self.text, block, index)]
        if not units:
            return []
        self._measure_contexts()
        units, counts = self._fit(units, min(self.budgets.values()))
        self.units = units
        self.costs = [unit.cost for unit in units]
        self.starts = [unit.start for unit in units]
        self.ends = [unit.end for unit in units]
        self.totals = [0, *accumulate(counts)]
        self._keep_whole()
        self._shun_cuts_below_headings()
        ranges = [cut for first, last in self._groups() for cut in self._pack(first, last)]
        return self._verified(ranges)

    # --- counting

    def _count(self, texts: Iterable[str]) -> dict[str, int]:
        """Tokens of each distinct text, asked for in batches of bounded size."""
        counts: dict[str, int] = {}
        batch: list[str] = []
        size = 0
        for text in dict.fromkeys(texts):
            batch.append(text)
            size += len(text)
            if size >= 1 << 18 or len(batch) >= 4096:
                counts.update(zip(batch, self._counted(batch), strict=True))
                batch, size = [], 0
        if batch:
            counts.update(zip(batch, self._counted(batch), strict=True))
        return counts

    def _counted(self, batch: list[str]) -> list[int]:
        counts = list(self.counter(batch))
        if len(counts) != len(batch) or min(counts) < 0:
            raise InvalidInput(
                f"token_counter gave {len(counts)} counts for {len(batch)} texts, the least {min(counts, default=0)}: "
                "it must give one count, 0 or more, for each text"
            )
        return counts

    def _measure_contexts(self) -> None:
        """For each heading path: what of it stands in front of chunks, and how many tokens that leaves for text."""
        paths = {block.headings: self._own_headings(block.headings) for block in self.blocks}
        part_counts = self._count(_shortened(part) + " > " for path in paths.values() for part in (self.title, *path))
        for path, own in paths.items():
            room = self.max_tokens // 4 - part_counts[_shortened(self.title) + " > "] * bool(self.title)
            kept = 0
            for part in reversed(own):  # the inner headings say most about the text
                room -= part_counts[_shortened(part) + " > "]
                if room < 0:
                    break
                kept += 1
            paths[path] = own[len(own) - kept :]
        contexts = {path: context_text(self.title, own) for path, own in paths.items()}
        counts = self._count(context + "\n" for context in contexts.values() if context)
        self.headings = paths
        self.contexts = {path: counts.get(context + "\n", 0) for path, context in contexts.items()}
        self.budgets = {
            path: max(self.max_tokens - SPECIAL_TOKENS - tokens, self.max_tokens // 2)
            for path, tokens in self.contexts.items()
        }

    def _own_headings(self, path: tuple[str, ...]) -> tuple[str, ...]:
        """A path without the heading that is the title, and without headings that are blank."""
        if path and _same(path[0], self.title):
            path = path[1:]
        return tuple(part for part in path[-64:] if part.strip())

    def _fit(self, units: list[Unit], limit: int, depth: int = 0) -> tuple[list[Unit], list[int]]:
        """Split units by ever smaller boundaries until each has at most ``limit`` tokens."""
        longest = _UNIT_CHARACTERS * self.max_tokens
        texts = [self._with_gap(unit) for unit in units]
        known = self._count(text for text in texts if len(text) <= longest)
        counts = [known.get(text, limit + 1) for text in texts]
        if depth == len(SPLITS) or max(counts) <= limit:
            return (
                units,
                counts,
            )  # single characters at the end: whether one is too large shows when chunks are verified
        large = [unit for unit, count in zip(units, counts, strict=True) if count > limit]
        pieces = [piece for unit in large for piece in SPLITS[depth](self.text, unit)]
        fitting = [(unit, count) for unit, count in zip(units, counts, strict=True) if count <= limit]
        fitting += zip(*self._fit(pieces, limit, depth + 1), strict=True)
        fitting.sort()
        return [unit for unit, _ in fitting], [count for _, count in fitting]

    def _with_gap(self, unit: Unit) -> str:
        """A unit with the blanks before it: byte-level tokenizers count them, and so counts add up."""
        start = unit.start
        while start > unit.start - 16 and start > 0 and self.text[start - 1].isspace():
            start -= 1
        return self.text[start : unit.end]

    # --- packing

    def _keep_whole(self) -> None:
        """Make cuts inside a code block or table expensive where it fits into a chunk."""
        for first, last in _runs([unit.block for unit in self.units]):
            block = self.blocks[self.units[first].block]
            fits = self.totals[last] - self.totals[first] <= self.budgets[block.headings]
            if block.kind in ("code", "table") and fits:
                self.costs[first + 1 : last] = [KEPT] * (last - first - 1)

    def _shun_cuts_below_headings(self) -> None:
        for k in range(1, len(self.units)):
            if self.costs[k] < BELOW_HEADING and self._is_heading(k - 1):
                self.costs[k] = BELOW_HEADING

    def _is_heading(self, unit: int) -> bool:
        return self.blocks[self.units[unit].block].kind == "heading"

    def _path(self, unit: int) -> tuple[str, ...]:
        return self.blocks[self.units[unit].block].headings

    def _region(self, unit: int) -> int:
        return self.regions[self.units[unit].block]

    def _groups(self) -> Iterator[tuple[int, int]]:
        """Ranges of units that are packed together: what stands under one heading, small neighbours joined.

        A chunk crosses a heading only where what came before is less than a quarter of a chunk, the next part is a
        sibling or below it, and both fit into one chunk; or where there has been nothing but headings.
        """
        group: tuple[int, int] | None = None
        for first, last in _runs([(self._path(k), self._region(k)) for k in range(len(self.units))]):
            if group is not None and not self._belong_together(group, last):
                yield group
                group = None
            group = (first if group is None else group[0], last)
        if group is not None:
            yield group

    def _belong_together(self, group: tuple[int, int], last: int) -> bool:
        first, middle = group
        if self._region(first) != self._region(middle):
            return False
        above, below = self._path(first), self._path(middle)
        inside = below[: len(above)] == above
        if inside and middle - first <= 16 and all(map(self._is_heading, range(first, middle))):
            return True
        budget = self.budgets[above]
        small = self.totals[middle] - self.totals[first] < budget // 4
        return small and (inside or below[:-1] == above[:-1]) and self.totals[last] - self.totals[first] <= budget

    def _pack(self, first: int, last: int) -> Iterator[tuple[int, int, int]]:
        """Cut a range of units into chunks: (first unit, first unit that is not overlap, end)."""
        totals = self.totals
        characters = _CHUNK_CHARACTERS * self.max_tokens
        begin = start = first
        while start < last:
            budget = self.budgets[self._path(begin)]
            rest = totals[last] - totals[begin] - budget
            if 0 < rest < budget // 4:  # leave a last chunk worth having
                budget -= budget // 4 - rest
            end = bisect_right(totals, totals[begin] + budget, start, last + 1) - 1
            end = min(end, bisect_right(self.ends, self.starts[begin] + characters, start, last))
            if end <= start and begin < start:
                begin = start  # the overlap leaves no room for the next unit
                continue
            end = max(end, start + 1)
            if end < last:
                end = self._best_cut(start, end)
            yield begin, start, end
            begin, start = self._overlap(begin, end) if end < last else end, end

    def _best_cut(self, start: int, end: int) -> int:
        """The last of the cheapest boundaries in the second half, or further ahead of what should stay whole."""
        cost = IN_WORD
        for share in (2, 8):
            half = self.totals[start] + (self.totals[end] - self.totals[start]) // share
            low = min(max(start + 1, bisect_left(self.totals, half, start, end)), end)
            window = self.costs[low : end + 1]
            if min(window) < cost or share == 2:
                cost = min(window)
                cut = low + len(window) - 1 - window[::-1].index(cost)
            if cost < KEPT:
                break
        return cut

    def _overlap(self, begin: int, end: int) -> int:
        """The first unit that the next chunk repeats, or ``end`` for none."""
        if not self.overlap_tokens or self._path(end) != self._path(end - 1):
            return end
        low = bisect_left(self.totals, self.totals[end] - self.overlap_tokens, begin + 1, end)
        low = bisect_left(self.starts, self.starts[end] - _UNIT_CHARACTERS * self.overlap_tokens, low, end)
        for k in range(end - 1, low - 1, -1):
            if self._path(k) != self._path(end) or self._is_heading(k):
                low = k + 1
                break
        for worst in (SENTENCE, PHRASE, KEPT):
            for k in range(low, end):
                if self.costs[k] <= worst:
                    return k
        return end

    # --- verifying

    def _verified(self, ranges: list[tuple[int, int, int]]) -> list[Chunk]:
        """Chunks of the ranges; a range that proves too large (counts of units need not add up) is cut in two."""
        chunks: list[Chunk] = []
        pending = [(self.starts[b], self.starts[s], self.ends[e - 1], self.units[b].block) for b, s, e in ranges]
        while pending:
            made = [self._chunk(begin, end, block) for begin, _, end, block in pending]
            counts = self._count(embedding_text(self.title, chunk) for chunk in made)
            again: list[tuple[int, int, int, int]] = []
            for (begin, start, end, block), chunk in zip(pending, made, strict=True):
                path = self.blocks[block].headings
                tokens = counts[embedding_text(self.title, chunk)]
                if tokens <= self.contexts[path] + self.budgets[path]:
                    chunks.append(chunk)
                elif begin < start:
                    again.append((start, start, end, block))
                else:
                    again += [(s, s, e, block) for s, e in self._halves(start, end, tokens)]
            pending = again
        return sorted(chunks, key=lambda chunk: (chunk.start, chunk.end))

    def _chunk(self, start: int, end: int, block: int) -> Chunk:
        return Chunk(
            start=start,
            end=end,
            text=self.text[start:end],
            headings=self.headings[self.blocks[block].headings],
            page=self.blocks[block].page,
        )

    def _halves(self, start: int, end: int, tokens: int) -> list[tuple[int, int]]:
        """A span in two, between units where it has several."""
        low, high = bisect_left(self.starts, start), bisect_left(self.starts, end)
        if low + 1 < high and self.starts[low] == start:
            middle = bisect_left(self.totals, (self.totals[low] + self.totals[high]) // 2, low + 1, high - 1)
            return [(start, self.ends[middle - 1]), (self.starts[middle], end)]
        for width in (max(1, (end - start) // 2), 0):
            pieces = list(phrases(self.text, start, end, width))
            if len(pieces) > 1:
                middle = len(pieces) // 2
                return [(start, pieces[middle - 1][1]), (pieces[middle][0], end)]
        raise InvalidInput(
            f"the character {self.text[start:end]!r} alone has {tokens} tokens with its context, "
            f"more than max_tokens {self.max_tokens} leaves: raise max_tokens"
        )


def _runs(keys: Sequence[object]) -> Iterator[tuple[int, int]]:
    """Half-open ranges of equal neighbours."""
    first = 0
    for k in range(1, len(keys) + 1):
        if k == len(keys) or (keys[k] is not keys[first] and keys[k] != keys[first]):
            yield first, k
            first = k
