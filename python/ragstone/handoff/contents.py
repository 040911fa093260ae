"""Every file of a bundle as text, by its path, from what was measured: data, tables, the evaluation kit, the pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files as resources
from typing import Any

from ragstone.handoff.configs import configs
from ragstone.handoff.examples import Example
from ragstone.handoff.formats import dataset_info, json_lines_text, json_text, lines_of, row_of
from ragstone.handoff.measured import Measured, claimable, drift_baseline
from ragstone.handoff.pages import bar_of, pages
from ragstone.scoring import samples_needed

__all__ = ["contents"]

_STYLE_TEXTS_MAX = 2000
_SHOTS = 3


def contents(found: Measured, formats: Sequence[str]) -> dict[str, str]:
    """The files; a split without examples has none, for loaders refuse empty files."""
    everything = [one for part in found.parts.values() for one in part]
    filled = [name for name, part in found.parts.items() if part]
    files = {"decision.json": json_text(found.recommendation), **pages(found)}
    for form in formats:
        for name in filled:
            files[f"data/{form}/{name}.jsonl"] = lines_of(found.parts[name], form, everything)
    if info := dataset_info(formats, filled, system=any(one.system for one in everything)):
        files["data/dataset_info.json"] = json_text(info)
    sizes = {"train": len(found.parts["train"]), "valid": len(found.parts["valid"])}
    files |= configs(formats, **sizes, longest_tokens=found.longest_tokens, seed=found.seed)
    files["dropped.jsonl"] = json_lines_text({"line": one.line, "reason": one.reason} for one in found.dropped)
    files["volatile_facts.jsonl"] = json_lines_text(sorted(found.cleaned.facts, key=_place))
    files["pii.jsonl"] = json_lines_text(found.cleaned.personal)
    files["leakage.json"] = json_text(found.leakage.to_dict())
    return {**files, **_evaluation(found)}


def _place(row: Mapping[str, Any]) -> tuple[int, str, int]:
    return int(row["line"]), str(row["field"]), int(row["start"])


def _evaluation(found: Measured) -> dict[str, str]:
    """The folder ``eval``: it needs nothing else of the bundle."""
    test = found.parts["test"]
    names = [f"line-{one.line}" for one in test]
    requests = [
        {"id": name, "messages": row_of(one, "messages")["messages"][:-1]}
        for name, one in zip(names, test, strict=True)
    ]
    references = [{"id": name, "reference": one.completion} for name, one in zip(names, test, strict=True)]
    kit = resources("ragstone.handoff").joinpath("eval_kit.py").read_text(encoding="utf-8")
    files = {
        "eval/eval.py": kit,
        "eval/requests.jsonl": json_lines_text(requests),
        "eval/references.jsonl": json_lines_text(references),
        "eval/thresholds.json": json_text(_thresholds(found)),
        "eval/baseline_prompt.txt": _baseline_prompt(found),
        "eval/drift.json": json_text(drift_baseline(found.parts["train"] or test, found.task)),
    }
    if found.case is not None:
        files["eval/measured_case.json"] = json_text(found.case.to_dict())
    if found.task == "labels":
        files["eval/labels.json"] = json_text({"labels": dict(found.labels)})
    if found.schema is not None:
        files["eval/schema.json"] = json_text(found.schema)
    if found.task == "text":
        texts = [{"text": one.completion} for one in found.parts["train"][:_STYLE_TEXTS_MAX]]
        files["eval/style_ref.jsonl"] = json_lines_text(texts)
    return files


def _thresholds(found: Measured) -> dict[str, object]:
    """The bars, and what so many held-out answers may claim."""
    bars: dict[str, object] = {"task": found.task}
    if found.task == "labels":
        sides = () if found.case is None else (found.case.classifier, found.case.retrieval)
        bars["accuracy"] = bar_of(found)
        bars["macro_f1"] = max((side.macro_f1.value for side in sides), default=0.0)
        bars["why"] = "a language model has to do as well as a small classifier, and as retrieval alone"
    elif found.task == "json":
        bars["valid"] = bar_of(found)
        bars["why"] = "the share that may be claimed with 95 % confidence, not the share that was seen"
    else:
        bars["style"] = "consistent"
        bars["why"] = "a classifier cannot tell the model's answers from the approved ones"
    return {
        **bars,
        "held_out": found.held_out,
        "claimable_without_failure": round(claimable(found.held_out), 6),
        "held_out_needed": {f"{share:g}": samples_needed(share) for share in (0.8, 0.9, 0.95, 0.99)},
        "schema": None if found.schema is None else ("given" if found.schema_given else "inferred"),
    }


def _baseline_prompt(found: Measured) -> str:
    """A plain prompt with three examples: what has to be tried, and measured, before anything is trained."""
    train: Sequence[Example] = found.parts["train"]
    task = {
        "labels": "Answer with exactly one of these labels and nothing else:\n" + "\n".join(found.labels),
        "json": "Answer with one JSON value and nothing else, no code fence. It has to keep to schema.json.",
        "text": "Answer in the manner of these examples: same voice, same length, same form.",
    }[found.task]
    step = max(len(train) // _SHOTS, 1)
    shots = [f"Request:\n{one.compared}\n\nAnswer:\n{one.completion}\n" for one in train[::step][:_SHOTS]]
    return "\n".join([task, "", *shots, "Request:", "{request}", "", "Answer:", ""])
