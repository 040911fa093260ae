"""What every parser returns, and the outline that it fills on its way through the text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, TypeAlias

from ragstone.records import MetadataValue, Section

__all__ = ["Outline", "Parsed", "lines"]

_Open: TypeAlias = "tuple[Literal['paragraph', 'list', 'table', 'code', 'metadata'], int, int]"
_NAME_CHARACTERS = 240  # of a heading's name in a path; the text keeps all of it


class Parsed(NamedTuple):
    """A parsed text: ``sections`` mark spans of ``text``; ``title`` is empty where the text names none."""

    text: str
    title: str
    sections: list[Section]
    metadata: Mapping[str, MetadataValue]


class Outline:
    """Collects sections in the order of the text and keeps the path of headings.

    A heading's own name is the last part of its section's path; what follows it has the same path.
    """

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self._path: tuple[str, ...] = ()
        self._levels: list[int] = []
        self._open: _Open | None = None
        self._before: _Open | None = None  # what was open before the last addition

    @property
    def kind(self) -> str | None:
        """Kind of the section that the next line may continue."""
        return self._open[0] if self._open else None

    def heading(self, level: int, name: str, start: int, end: int) -> None:
        """Mark a heading; deeper levels have greater numbers."""
        self.enter(level, name)
        self.sections.append(Section(start, end, "heading", self._path))

    def enter(self, level: int, name: str) -> None:
        """Change the path without marking a heading, as a definition in source code does."""
        self.close()
        while self._levels and self._levels[-1] >= level:
            self._levels.pop()
        self._path = (*self._path[: len(self._levels)], " ".join(name[:_NAME_CHARACTERS].split()))
        self._levels.append(level)

    def leave(self) -> None:
        """Go back to the path above all headings."""
        self.close()
        self._path, self._levels = (), []

    def add(self, kind: Literal["paragraph", "list", "table", "code", "metadata"], start: int, end: int) -> None:
        """Mark a span, as part of the open section where that has the same kind."""
        if self._open is not None and self._open[0] == kind:
            self._before = self._open
            self._open = (kind, self._open[1], end)
        else:
            self.close()
            self._before = None
            self._open = (kind, start, end)

    def take_back(self) -> None:
        """Unmark what was added last: it looked like text but is the head of something else."""
        self._open = self._before

    def close(self) -> None:
        """End the open section: the next one of its kind is another."""
        if self._open is not None:
            kind, start, end = self._open
            self.sections.append(Section(start, end, kind, self._path))
            self._open = None


def lines(text: str, start: int = 0) -> Iterator[tuple[int, int, str]]:
    r"""Lines of a text from a line start on: (start, end without ``\n``, line); a final ``\r`` is part of the line."""
    for line in text[start:].split("\n"):
        end = start + len(line)
        yield start, end, line
        start = end + 1
