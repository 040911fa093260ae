"""Reads tables of settings as strangers write them: whatever cannot be used is refused by name, with a next step."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ragstone.arguments import shown
from ragstone.errors import InvalidInput

__all__ = ["read_table", "refuse_unknown"]

# A file of settings has some kilobytes; without a limit a wrong path could take all memory.
_BYTES_MAX = 1 << 20


def read_table(path: str | Path) -> dict[str, Any]:
    """The top level of a TOML file.

    Raises:
        InvalidInput: There is no such file, it is no TOML in UTF-8, or it has more than a megabyte.
    """
    if not isinstance(path, (str, Path)):
        raise InvalidInput(f"path is {shown(path)}: pass the path of a TOML file")
    try:
        with open(path, "rb") as file:
            content = file.read(_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidInput(f"file {shown(str(path))} cannot be read ({reason}): check the path") from None
    if len(content) > _BYTES_MAX:
        raise InvalidInput(f"file {shown(str(path))} has more than {_BYTES_MAX:,} bytes: pass a file of settings")
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"file {shown(str(path))} is no TOML ({error}): write lines such as name = 1") from None


def refuse_unknown(keys: Iterable[object], known: Iterable[str], what: str) -> None:
    """Refuse a key that is not known, and name the nearest one that is."""
    names = list(known)
    for key in keys:
        if key in names:
            continue
        near = difflib.get_close_matches(str(key)[:100], names, n=1, cutoff=0.5)
        advice = f'did you mean "{near[0]}"' if near else "use one of " + ", ".join(f'"{name}"' for name in names)
        raise InvalidInput(f"{what} has no key {shown(key)}: {advice}")
