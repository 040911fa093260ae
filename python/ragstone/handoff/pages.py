"""The pages of a hand-off, in Markdown: plan, data card, cost, re-training, maintenance.

Every figure in them was measured or is a formula's, and says which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ragstone.handoff.learning import FLOORS
from ragstone.handoff.measured import Measured, claimable, sequential_test
from ragstone.scoring import samples_needed

__all__ = ["pages"]

_TASKS = {"labels": "labels (classification)", "json": "JSON (extraction, formatting)", "text": "text (style, answers)"}
_SIZES = {
    "labels": "no language model if the classifier below passes the bar; else 1 to 4 billion parameters",
    "json": "1 to 4 billion parameters",
    "text": "4 to 8 billion parameters; 7 to 13 billion where the answers need reasoning",
}


def pages(found: Measured) -> dict[str, str]:
    """The pages by their names in the bundle."""
    return {
        "PLAN.md": _plan(found),
        "data_card.md": _data_card(found),
        "COST.md": _cost(found),
        "RETRAIN.md": _retrain(found),
        "MAINTENANCE.md": _maintenance(found.recommendation.get("maintenance")),
    }


def bar_of(found: Measured) -> float:
    """The accuracy or validity that a tuned model has to reach."""
    if found.case is None:
        return 0.99 if found.task == "json" else 0.95
    return max(found.case.classifier.accuracy.value, found.case.retrieval.accuracy.value)


def _plan(found: Measured) -> str:
    parts = {name: len(part) for name, part in found.parts.items()}
    lines = [
        "# Plan",
        "",
        f"Advice: **{found.outcome}**. Ready to train: **{'yes' if found.ready else 'no'}**.",
        f"Task: {_TASKS[found.task]}. Examples: {parts['train']:,} to train, {parts['valid']:,} to validate, "
        f"{parts['test']:,} held out.",
        "",
        *_list("What stands against it", found.findings),
        "## Steps",
        "",
        "1. Answer `eval/requests.jsonl` with the plain prompt of `eval/baseline_prompt.txt`, and score it: "
        "`python eval/eval.py prompted.jsonl`. If that passes, stop: no training is needed.",
        f"2. Choose the smallest model that passes the bar: {_SIZES[found.task]}. "
        "Check that its licence allows the use.",
        "3. Put its name for `BASE_MODEL` into one of the files in `configs`, and train from this folder.",
        "4. Answer the same requests with the tuned model and score both: "
        "`python eval/eval.py tuned.jsonl --baseline prompted.jsonl`.",
        "5. Ship it only if it passes and gains; then watch what `RETRAIN.md` names.",
        "",
        "## How many examples",
        "",
        *_examples(found),
        "",
    ]
    if found.case is not None:
        lines += ["## The case, measured", "", "```", str(found.case), "```", ""]
        lines += [
            "The classifier is a softmax regression over embeddings, trained on the training part in seconds. It is a "
            "proxy, no promise: a language model has to beat it on the same held-out part to be worth its cost.",
            "",
        ]
    if found.citing is not None:
        lines += [
            "## Both: form by training, facts by retrieval",
            "",
            f"Requests hold retrieved chunks with their ids ({found.citing.oracles:,} that the answers rest on, "
            f"{found.citing.distractors:,} distractors), and answers cite them, so that form and citing are learnt and "
            "not facts. Ask the tuned model in the same way.",
            "",
        ]
    return "\n".join([*lines, *_contents()])


def _examples(found: Measured) -> list[str]:
    what = {
        "labels": f"{FLOORS['label_target']} for each of {len(found.labels):,} labels "
        f"(the floor is {FLOORS['label_least']})",
        "json": f"{FLOORS['branch']} for each field of the schema, {FLOORS['gains']} at least",
        "text": f"about {FLOORS['style']:,} for a style",
    }[found.task]
    lines = [
        f"- Practice: {FLOORS['least']} are the least, {FLOORS['start']} a start, at {FLOORS['gains']} gains appear; "
        f"here {what}: **{found.wanted:,}**. There are {len(found.parts['train']):,} to train on."
    ]
    if found.case is not None:
        lines.append(
            f"- Learning curve: {found.case.needed}. Formula: `err(n) = a n^-b + c`, fitted to the curve below."
        )
    claims = ", ".join(f"{share:.0%} takes {samples_needed(share)}" for share in (0.8, 0.95, 0.99))
    lines.append(
        "- Held out: to claim a share with 95 % confidence and no failure takes `ln 0.05 / ln share` answers "
        f"({claims}). {found.held_out:,} allow to claim {claimable(found.held_out):.1%}."
    )
    return lines


def _contents() -> list[str]:
    return [
        "## What is here",
        "",
        "- `decision.json`: the decision record as it was handed over",
        "- `data/`: each form in a folder with its splits; `dataset_info.json` is LLaMA-Factory's",
        "- `configs/`: Axolotl, TRL, LLaMA-Factory",
        "- `eval/`: requests, references, bars and the script that scores",
        "- `data_card.md`, `dropped.jsonl`, `volatile_facts.jsonl`, `pii.jsonl`, `leakage.json`: what became of them",
        "- `COST.md`, `RETRAIN.md`, `MAINTENANCE.md`: what it costs, when to train again, what it takes to keep up",
        "- `handoff.json`: digests of all files",
        "",
    ]


def _data_card(found: Measured) -> str:
    cleaned, leak = found.cleaned, found.leakage
    how = "by time, the latest held out" if found.by_time else "at random, labels spread evenly"
    kinds = _counts(row["kind"] for row in cleaned.facts)
    lines = [
        "# Data card",
        "",
        f"- Read: {found.read:,}. Used: {found.examples:,}. Left out: {len(found.dropped):,}, each with its reason in "
        "`dropped.jsonl`.",
        f"- Split: {how}; {found.clusters:,} clusters of near-duplicates and of one user, thread or document stay on "
        f"one side (the largest has {found.largest_cluster:,}). Seed {found.seed}.",
        f"- Leakage after the split: {leak}.",
        f"- Facts of changing kind: in {cleaned.volatile:,} examples, in {cleaned.proven:,} proven by the history of "
        f"the index{kinds}. What became of each is in `volatile_facts.jsonl`.",
        f"- Personal data by form: {len(cleaned.personal):,} spans{_counts(row['kind'] for row in cleaned.personal)}; "
        "`pii.jsonl` has their places and no values.",
        f"- Masked: {cleaned.masked:,} examples hold slots such as `{{{{price}}}}`; fill them when answering, from the "
        "index or the customer's record.",
        f"- Repeated: {cleaned.repeated:,} were left out. Same request, other answer: {cleaned.conflicts:,}.",
        f"- Compared by: the same words; 8-word runs; Jaccard; cosine of the embedder `{found.embedder}`.",
        "",
    ]
    if found.labels:
        lines += ["| label | train | valid | test |", "|---|---|---|---|"]
        for label in found.labels:
            counts = [sum(one.completion == label for one in found.parts[name]) for name in ("train", "valid", "test")]
            lines.append(f"| {label.replace('|', '/')} | {counts[0]} | {counts[1]} | {counts[2]} |")
        lines.append("")
    return "\n".join(
        [
            *lines,
            "Personal data is found by form alone: a name in the middle of a sentence is not. Read a sample before the "
            "data leaves the house. Licence and consent of the examples are not known here; state them.",
            "",
        ]
    )


def _cost(found: Measured) -> str:
    one = found.costs
    never = "never: a tuned query is not the cheaper one"
    volume = never if one.break_even_per_day is None else f"{one.break_even_per_day:,.0f} queries a day"
    return "\n".join(
        [
            "# Cost",
            "",
            "```",
            str(one),
            "```",
            "",
            "| | formula | value |",
            "|---|---|---|",
            "| query by retrieval | `p_in (system + k chunk + query) + p_out output + search` | "
            f"{one.rag_per_query:.6g} |",
            f"| query, tuned | `p_in' (extra + query) + p_out' output` | {one.tuned_per_query:.6g} |",
            "| query, both | `p_in' (extra + k chunk + query) + p_out' output + search` | "
            f"{one.hybrid_per_query:.6g} |",
            f"| fixed, in {one.period_days:g} days | `examples + (1 + retrains) training + host` | "
            f"{one.tuned_fixed:,.6g} |",
            f"| break-even | `fixed / (days (c_rag - c_tuned))` | {volume} |",
            f"| training | `{4 if one.training.method != 'full' else 6} N T E` FLOP | {one.training.flops:.3g} FLOP, "
            f"{one.training.hours:.3g} hours |",
            f"| memory | bytes a parameter × N, without activations | {one.training.memory_bytes / 1e9:,.3g} GB |",
            "",
            f"Training text: {found.tokens:,} tokens in {len(found.parts['train']):,} examples.",
            "Retrieval's search takes milliseconds of an answer; what tuning saves is the time to read a long prompt "
            "(`2 N P / (peak × utilisation)`), and what a smaller model saves.",
            "",
            *_table("Prices and sizes taken", {**_flat(one.prices), **_flat(one.workload), **_flat(one.hardware)}),
            "Prices are placeholders unless they were given: `ragstone.recommender.costs` takes your own.",
            "",
        ]
    )


def _retrain(found: Measured) -> str:
    test = sequential_test(bar_of(found))
    what = {"labels": "label", "json": "field of the schema", "text": "version of the style guide"}[found.task]
    return "\n".join(
        [
            "# When to train again",
            "",
            "| trigger | number | how it is seen |",
            "|---|---|---|",
            f"| the contract changes | 1 new or lost {what} | compare with `labels.json` or `schema.json` of `eval` |",
            "| the style guide changes | 1 new version | its date in the index's history |",
            f"| answers get worse | {test['alarm']:.2f} on the sequential test, about {test['answers']:,.0f} judged "
            f"answers | start at 0; add {test['wrong']:.3f} for a wrong answer, {test['right']:.4f} for a right one; "
            f"at {test['clear']:.2f} or below start anew (bar {test['bar']:.1%} against {test['worse']:.1%}) |",
            "| what is asked changes | PSI above 0.2 | lengths and labels of a week's requests against "
            "`eval/drift.json` |",
            "| a trained fact changes | 1 span | write this bundle again with the index: `volatile_facts.jsonl` has it "
            "as proven |",
            "| the base model is retired | 90 days before | its provider's notice |",
            f"| more examples | {2 * max(len(found.parts['train']), 1):,} in all | twice as many as now; before that "
            "the curve hardly moves |",
            "",
            "Each training needs this bundle anew, a run, and the evaluation: never the run alone.",
            "",
        ]
    )


def _maintenance(maintenance: object) -> str:
    lines = ["# Maintenance", ""]
    if not maintenance:
        lines.append("The recommendation says nothing of maintenance: let `Recommender.analyze` state it.")
    return "\n".join([*lines, *_rendered(maintenance), ""])


def _rendered(value: object, depth: int = 0) -> list[str]:
    """Any JSON value as nested lists; lists of equal rows as tables."""
    if isinstance(value, Mapping):
        lines = []
        for name, inner in value.items():
            simple = not isinstance(inner, (Mapping, list, tuple))
            lines.append(f"{'  ' * depth}- {name}" + (f": {_shown(inner)}" if simple else ""))
            lines += [] if simple else _rendered(inner, depth + 1)
        return lines
    if isinstance(value, (list, tuple)):
        return [line for inner in value for line in _item(inner, depth)]
    return [] if value is None else [str(value)]


def _item(inner: object, depth: int) -> list[str]:
    if isinstance(inner, Mapping) and not any(isinstance(one, (Mapping, list, tuple)) for one in inner.values()):
        return ["  " * depth + "- " + ", ".join(f"{name}: {_shown(one)}" for name, one in inner.items())]
    return _rendered(inner, depth) if isinstance(inner, Mapping) else [f"{'  ' * depth}- {_shown(inner)}"]


def _shown(value: object) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def _list(title: str, lines: Sequence[str]) -> list[str]:
    return [f"## {title}", "", *(f"- {line}" for line in lines), ""] if lines else []


def _table(title: str, rows: Mapping[str, Any]) -> list[str]:
    return [
        f"## {title}",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value:,.6g} |" for name, value in rows.items()),
        "",
    ]


def _flat(record: Any) -> dict[str, Any]:
    return {name.replace("_", " "): getattr(record, name) for name in record.__dataclass_fields__}


def _counts(kinds: Any) -> str:
    found: dict[str, int] = {}
    for kind in kinds:
        found[str(kind)] = found.get(str(kind), 0) + 1
    return f" ({', '.join(f'{times} {kind}' for kind, times in sorted(found.items()))})" if found else ""
