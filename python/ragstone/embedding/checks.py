"""What every embedder asks of its input before it works on it."""

from __future__ import annotations

from collections.abc import Sequence

from ragstone.errors import InvalidInput

__all__ = ["checked_texts"]


def checked_texts(texts: Sequence[str]) -> list[str]:
    """The texts as a list.

    Raises:
        InvalidInput: One string in place of a sequence, an item that is not a string, or a text with a lone surrogate.

    >>> checked_texts(("a", "b"))
    ['a', 'b']
    """
    if isinstance(texts, (str, bytes)):
        raise InvalidInput(f"texts is one {type(texts).__name__}, a sequence of strings is needed; pass [text]")
    checked = list(texts)
    for position, text in enumerate(checked):
        if not isinstance(text, str):
            raise InvalidInput(f"text {position} is of type {type(text).__name__!r}, a string is needed")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidInput(
                f"text {position} has a lone surrogate {text[error.start]!r} at position {error.start}; "
                "decode its source with errors='replace'"
            ) from None
    return checked
