"""Needs and rules from files: what is taken, and how what cannot be is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ragstone.errors import InvalidInput
from ragstone.recommendation import rules as rules_module
from ragstone.recommendation.needs import Needs
from ragstone.recommendation.rules import load_rules


def test_needs_are_read_from_toml(tmp_path: Path) -> None:
    """Catches a field that a file cannot set, and a whole number that is refused where a number is due."""
    path = tmp_path / "needs.toml"
    path.write_text('audit = "high"\nstyle_contract_hard = true\nlatency_ms_p95 = 900\n', encoding="utf-8-sig")
    needs = Needs.from_toml(path)
    assert needs == Needs(audit="high", style_contract_hard=True, latency_ms_p95=900.0)
    assert needs.to_dict() == {"audit": "high", "style_contract_hard": True, "latency_ms_p95": 900.0}
    path.write_text("", encoding="utf-8")
    assert Needs.from_toml(path) == Needs()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"audti": "high"}, 'did you mean "audit"'),
        ({"latency_ms": 900}, 'did you mean "latency_ms_p95"'),
        ({"qqq": 1}, 'use one of "audit"'),
        ({7: 1}, "needs has no key 7"),
        ({"audit": "very"}, 'use one of "none", "low", "high", "regulated"'),
        ({"audit": True}, "audit is True"),
        ({"format_contract_hard": "yes"}, "must be true or false"),
        ({"facts_hard": 1}, "must be true or false"),
        ({"context_tokens": 0}, "from 1 to"),
        ({"context_tokens": 1.5}, "must be an integer"),
        ({"context_tokens": 10**5000}, "an integer of"),
        ({"latency_ms_p95": -1}, "from 1 to"),
        ({"latency_ms_p95": float("nan")}, "must be a number"),
        ({"queries_per_day": float("inf")}, "must be a number"),
        ({"queries_per_day": "many"}, "must be a number"),
        ({"target_pass_rate": 1.0}, "from 0.01 to 0.9999"),
        ({"target_pass_rate": 95}, "from 0.01 to 0.9999"),
        ({"update_interval_days": 0}, "from 0.001"),
        ({"budget_per_month": []}, "must be a number"),
        ({"deployment": "moon"}, 'use one of "hosted"'),
        ({"base_model": "x" * 201}, "at most 200"),
        ({"base_model": "\ud800"}, "lone surrogate"),
        ({"audit": "regulated", "facts_hard": False}, "drop facts_hard, or declare a lower audit"),
        ({"context_tokens": 4_000, "output_tokens": 8_000}, "8,000 and context_tokens 4,000"),
    ],
)
def test_needs_that_cannot_be_are_refused_with_a_next_step(values: dict[str, Any], message: str) -> None:
    """Catches a hostile, mistyped or contradictory declaration that is taken, or refused without a way out."""
    with pytest.raises(InvalidInput, match=re.escape(message)):
        Needs.from_mapping(values)


@pytest.mark.parametrize("values", [None, [("audit", "high")], "audit"])
def test_needs_that_are_no_mapping_are_refused(values: Any) -> None:
    """Catches a crash of a list or a string."""
    with pytest.raises(InvalidInput, match="pass a mapping"):
        Needs.from_mapping(values)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"audit = ", "is no TOML"),
        (b"audit = 'a'\naudit = 'b'", "is no TOML"),
        (b"\xff\xfe", "is no TOML"),
        (b"a = " + b"[" * 100_000, "is no TOML"),
        (b"#" * (2 << 20), "more than 1,048,576 bytes"),
    ],
)
@pytest.mark.parametrize("read", [Needs.from_toml, load_rules])
def test_files_that_are_no_settings_are_refused(tmp_path: Path, read: Any, content: bytes, message: str) -> None:
    """Catches a file that crashes the reader, deep nesting and sheer size included."""
    path = tmp_path / "settings.toml"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=message):
        read(path)


@pytest.mark.parametrize("read", [Needs.from_toml, load_rules])
def test_paths_that_lead_nowhere_are_refused(tmp_path: Path, read: Any) -> None:
    """Catches an error of the system where one of ours is due."""
    for path in (tmp_path / "absent.toml", tmp_path, "a\0b", "x" * 5000):
        with pytest.raises(InvalidInput, match="cannot be read"):
            read(path)
    with pytest.raises(InvalidInput, match="pass the path"):
        read(7)


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_users_file_replaces_single_values(tmp_path: Path) -> None:
    """Catches a file that replaces a whole table, or changes the rules that ship for who comes after."""
    own = load_rules(written(tmp_path / "r.toml", "[shares]\nrequired = 0.3\n[weights]\ncorpus_size = 2"))
    assert (own.shares.required, own.shares.counted_min, own.weights["corpus_size"]) == (0.3, 50, 2.0)
    assert own.changed == ("shares.required", "weights.corpus_size")
    assert (load_rules().shares.required, load_rules().weights["corpus_size"], load_rules().changed) == (0.2, 0.5, ())
    assert load_rules(written(tmp_path / "empty.toml", "")) == load_rules()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[share]\nrequired = 0.3", 'did you mean "shares"'),
        ("[shares]\nrequird = 0.3", 'did you mean "required"'),
        ("shares = 3", "write [shares] and its keys below"),
        ("[shares]\nrequired = 1.5", "from 0.001 to 0.999"),
        ("[shares]\nrequired = nan", "must be a number"),
        ("[shares]\nrequired = 0.04", "the first must be smaller"),
        ("[shares]\ncounted_min = 1.5", "must be an integer"),
        ("[stability]\nvolatile_days = 100", "the first must be smaller"),
        ('[vetoes]\naudits = "high"', "pass a list of names"),
        ('[vetoes]\naudits = ["strict"]', 'use one of "none"'),
        ("[vetoes]\nvolatile_facts = 1", "must be true or false"),
        ("[vetoes]\nheld_out_min = 0", "from 1"),
        ("[weights]\nprice = 1", "has no key 'price'"),
        ("[weights]\ncorpus_size = -1", "from 0"),
        ("[audit_scores]\nlow = 2", "from -1 to 1"),
        ('[assumed]\naudit = "some"', 'use one of "none"'),
        ("[maintenance]\nflops_per_second = 0", "from 1"),
        ("[maintenance]\nreindex_hours = inf", "must be a number"),
    ],
)
def test_rules_that_cannot_be_are_refused(tmp_path: Path, text: str, message: str) -> None:
    """Catches a typing error that leaves the rule as it was, and a threshold that makes no sense."""
    with pytest.raises(InvalidInput, match=re.escape(message)):
        load_rules(written(tmp_path / "r.toml", text))


def test_every_shipped_value_can_be_given_back(tmp_path: Path) -> None:
    """Catches a value that ships and that a user's file with the same value may not have."""
    shipped = Path(rules_module.__file__).with_name("rules.toml")
    own = load_rules(shipped)
    assert own.to_dict() == load_rules().to_dict()
    assert len(own.changed) == sum(len(table) for table in own.to_dict().values())


def test_every_table_says_where_its_values_come_from() -> None:
    """Catches a threshold that comes from nowhere: each line names its source, or its table does."""
    text = Path(rules_module.__file__).with_name("rules.toml").read_text(encoding="utf-8")
    table, looked = "", 0
    for line in text.splitlines():
        if line.startswith("["):
            table = line
        elif re.match(r"\w+ = ", line):
            looked += 1
            assert re.search(r"#.*\b(article|research|ours)\b", f"{table} {line}", re.IGNORECASE), line
    assert looked == sum(len(values) for values in load_rules().to_dict().values())
