"""``unsafe`` stands where it is allowed, as often as is written here, each time with its proof."""

from __future__ import annotations

import re

from hygiene.sources import ROOT, below

# How often code says the word, by file. A change here needs a sentence of proof there. In the dispatcher it stands in
# two macros: one names the types of a table's functions, the other calls them, and one proof is all calls'.
ALLOWED = {
    "rust/engine/src/storage/map.rs": 1,
    "rust/kernels/src/aarch64/neon.rs": 7,
    "rust/kernels/src/dispatch.rs": 2,
    "rust/kernels/src/x86_64/avx2.rs": 7,
    "rust/kernels/src/x86_64/avx512.rs": 5,
    "rust/kernels/src/x86_64/mod.rs": 1,
    "rust/kernels/src/x86_64/ssse3.rs": 5,
}
WORD = re.compile(r"\bunsafe\b")
# For the whole project, comments and tests included: what a plain search for the word finds.
MOST = 40


def test_unsafe_is_counted_and_proven() -> None:
    """Catches an unsafe block that was added without a decision, or stands without a SAFETY comment."""
    files = below(ROOT / "rust", ".rs")
    assert len(files) >= 60
    counted: dict[str, int] = {}
    unproven = []
    words = 0
    for path in files:
        text = path.read_text(encoding="utf-8")
        words += len(WORD.findall(text))
        lines = text.splitlines()
        for number, line in enumerate(lines):
            code = line.split("//")[0]
            if not WORD.search(code):
                continue
            name = path.relative_to(ROOT).as_posix()
            counted[name] = counted.get(name, 0) + len(WORD.findall(code))
            is_block = re.search(r"\bunsafe\s*\{", code) is not None
            above = "\n".join(lines[max(0, number - 8) : number + 1])
            if is_block and "SAFETY" not in above:
                unproven.append(f"{name}:{number + 1}")
    assert counted == ALLOWED
    assert unproven == []
    assert words <= MOST
