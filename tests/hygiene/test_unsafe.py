"""``unsafe`` stands where it is allowed, as often as is written here, each time with its proof."""

from __future__ import annotations

import re

from hygiene.sources import ROOT, below

# Lines with the word, by file. A change here needs a sentence of proof there.
ALLOWED = {
    "rust/engine/src/storage/map.rs": 1,
    "rust/kernels/src/aarch64/neon.rs": 7,
    "rust/kernels/src/dispatch.rs": 29,
    "rust/kernels/src/x86_64/avx2.rs": 7,
    "rust/kernels/src/x86_64/avx512.rs": 5,
    "rust/kernels/src/x86_64/mod.rs": 1,
    "rust/kernels/src/x86_64/ssse3.rs": 5,
}


def test_unsafe_is_counted_and_proven() -> None:
    """Catches an unsafe block that was added without a decision, or stands without a SAFETY comment."""
    files = below(ROOT / "rust", ".rs")
    assert len(files) >= 60
    counted: dict[str, int] = {}
    unproven = []
    for path in files:
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            code = line.split("//")[0]
            if not re.search(r"\bunsafe\b", code):
                continue
            name = path.relative_to(ROOT).as_posix()
            counted[name] = counted.get(name, 0) + 1
            is_block = re.search(r"\bunsafe\s*\{", code) is not None
            above = "\n".join(lines[max(0, number - 8) : number + 1])
            if is_block and "SAFETY" not in above:
                unproven.append(f"{name}:{number + 1}")
    assert counted == ALLOWED
    assert unproven == []
