"""Nothing calls out: importing, indexing, searching and routing work without any network."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import socket, sys

def refuse(*arguments, **options):
    raise AssertionError("the network was asked for")

socket.socket = socket.create_connection = socket.getaddrinfo = refuse
import ragstone

with ragstone.open(sys.argv[1], embedder="hashing") as index:
    index.upsert([ragstone.Document("a", "Refunds are paid within 30 days.")])
    assert index.search("refunds")[0].document_id == "a"
    assert index.verify() == []
loaded = {name.split(".")[0] for name in sys.modules}
heavy = loaded & {"onnxruntime", "tokenizers", "torch", "transformers", "requests", "urllib3", "ssl"}
assert not heavy, heavy
print("right")
"""


def can_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("cut", [False, True], ids=["sockets refused", "network cut off"])
def test_search_needs_no_network(cut: bool, tmp_path: Path) -> None:
    """Catches telemetry, a download at first use, and a heavy package that importing ragstone loads."""
    if cut and not can_unshare():
        pytest.skip("needs unshare and the right to use it; the other case refuses sockets")
    command = [*(["unshare", "-rn"] if cut else []), sys.executable, "-c", PROGRAM, str(tmp_path / "kb")]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (told.stdout, told.stderr) == ("right\n", "")
