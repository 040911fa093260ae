"""Writes the figures of ``benches/results`` between the marks in both READMEs; ``--check`` only compares."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from targets import table

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benches" / "results"
BEGIN, END = "<!-- figures: written by benches/report.py -->", "<!-- end of figures -->"


# Sets of the main table of dense search, and its number of hits; other recorded sets follow in a table of their own.
MAIN = (("static-1m", 100_000), ("static-1m", 1_000_000), ("minilm-100k", 100_000))
MAIN_HITS = 10
OTHERS = ("ragstone", "ragstone-exact", "faiss-flat", "faiss-rabitq", "faiss-rabitq-rotated", "faiss-hnsw")
RECALL_TIE = 0.001
Result = dict[str, Any]


def main() -> int:
    """Rewrite the figures; with ``--check`` only say whether they are up to date."""
    outdated = 0
    for path, figures in ((ROOT / "README.md", readme), (ROOT / "benches" / "README.md", benches)):
        text = path.read_text(encoding="utf-8")
        head, _, rest = text.partition(BEGIN)
        _, _, tail = rest.partition(END)
        fresh = f"{head}{BEGIN}\n{figures()}\n{END}{tail}"
        outdated += fresh != text
        if "--check" not in sys.argv:
            path.write_text(fresh, encoding="utf-8")
    return int(outdated > 0) if "--check" in sys.argv else 0


def readme() -> str:
    """All sections for which there is a result."""
    sections = [end_to_end(), dense(), lexical(), quality()]
    return "\n\n".join(section for section in sections if section)


def benches() -> str:
    """Everything that runs were judged by: dense search, lexical search, fusion, evaluation, the recommender."""
    sections = (promises(), lexical_promises(), fusion(), evaluation(), recommender())
    return "\n\n".join(section for section in sections if section)


def evaluation() -> str:
    """Every figure of ``make eval`` beside its target."""
    result = _result("evaluation")
    return f"**Evaluation** (`make eval`; {_machine(result)}):\n\n{table('evaluation', result)}" if result else ""


def recommender() -> str:
    """Every figure of ``make eval-recommender`` beside its target."""
    result = _result("recommender")
    shown = f"**Recommender** (`make eval-recommender`; {_machine(result)}):\n\n" if result else ""
    return shown + table("recommender", result) if result else ""


def _result(name: str) -> Result | None:
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _machine(result: Result) -> str:
    machine = result["machine"]
    cpu = f"{machine['cpu']}, {machine['cores']} cores, {machine['instruction_set']}"
    return f"{cpu}, {machine['date']}, commit {machine['commit']}"


def _memory(result: Result) -> str:
    memory = result["memory_mb"]
    return f"{memory['own']:g} / {memory['mapped_files']:g} MB"


def end_to_end() -> str:
    """The recorded run on real documents, one column for each embedder."""
    names = [name for name in ("builtin", "minilm") if _result(f"end_to_end-{name}")]
    results = [result for name in names if (result := _result(f"end_to_end-{name}"))]
    if not results:
        return ""

    def times(figure: str) -> list[str]:
        return [" / ".join(f"{result[figure][cut]:g}" for cut in ("p50", "p95", "p99")) for result in results]

    def values(figure: str, unit: str = "") -> list[str]:
        return [f"{result[figure]:,g}{unit}" if figure in result else "–" for result in results]

    rows = [
        ("chunks, from real files", [f"{result['chunks']:,} from {result['files']:,}" for result in results]),
        ("parse, chunk and commit, chunks/s", values("ingest_chunks_per_s")),
        ("embed, chunks/s", values("embed_chunks_per_s")),
        ("size on disk, bytes a chunk (text included)", values("size_bytes_per_chunk")),
        ("peak memory of ingesting and embedding", values("peak_memory_filling_mb", " MB")),
        ("cold open, then first `ask`", [f"{r['open_cold_ms']:g} + {r['first_ask_cold_ms']:g} ms" for r in results]),
        ("**`ask`, p50 / p95 / p99 ms, query embedding included**", times("ask_ms")),
        ("`search`, hybrid, p50 / p95 / p99 ms", times("search_hybrid_ms")),
        ("`search`, dense alone, p50 / p95 / p99 ms", times("search_dense_ms")),
        ("`search`, BM25 alone, p50 / p95 / p99 ms", times("search_bm25_ms")),
        ("memory: own / mapped files", [_memory(result) for result in results]),
    ]
    if any("dense_recall_at_10" in result for result in results):
        rows.append(("recall@10 of dense search, against exact", values("dense_recall_at_10")))
    lines = [
        f"**100,000 real chunks** (`make benchmark`, {results[-1]['queries']:,} queries; {_machine(results[-1])}):",
        "",
        "| | " + " | ".join(f"`{name}`" for name in names) + " |",
        "|---|" + "---|" * len(names),
    ]
    lines += ["| " + " | ".join([label, *cells]) + " |" for label, cells in rows]
    return "\n".join(lines)


# --- dense search -------------------------------------------------------------------------------------------------


def dense() -> str:
    """Dense search beside its rivals: single queries, filters, and everything else in a line each."""
    lines = [line(result) for kind, line in LINES.items() for result in _dense(kind)]
    parts = [_side_by_side(), _other_shapes(), _filters(), "\n".join(filter(None, lines))]
    return "\n\n".join(part for part in parts if part)


def promises() -> str:
    """Every promise that was judged by a run, kept or not."""
    rows = []
    for kind in ("", *LINES, "filtered"):
        for result in _dense(kind):
            for row in result.get("targets", []):
                rows.append(_promise(_shape(result), row))
    return _table(["set", "promise", "wanted", "reached", "by CPU time"], rows) if rows else "No run is recorded."


def _promise(shape: str, row: Result) -> list[str]:
    """What was promised and what was reached, which is marked where it falls short."""
    by_cpu = f"{row['by_cpu']:g}" if "by_cpu" in row else ""
    reached = f"{row['reached']:g}" if row["met"] else f"**{row['reached']:g}: missed**"
    return [shape, row["what"], f"{row['wanted']:g}", reached, by_cpu]


def _dense(kind: str) -> list[Result]:
    """Recorded results of one kind, ``""`` for single queries: the main sets first, then by dimension and size."""
    suffix = f"-{kind}" if kind else ""
    found = []
    for path in sorted(RESULTS.glob("dense-*.json")):
        if re.fullmatch(rf"dense-.*-top\d+{suffix}", path.stem):
            result = json.loads(path.read_text(encoding="utf-8"))
            result["picture"] = path.with_suffix(".png")
            found.append(result)

    def place(result: Result) -> tuple[int, ...]:
        rank = MAIN.index((result["set"], result["rows"])) if _is_main(result) else len(MAIN)
        return rank, result["dimension"], result["top_k"], result["rows"]

    return sorted(found, key=place)


def _is_main(result: Result) -> bool:
    return (result["set"], result["rows"]) in MAIN and result["top_k"] == MAIN_HITS


def _shape(result: Result) -> str:
    hits = "" if result["top_k"] == MAIN_HITS else f", top {result['top_k']}"
    return f"{result['set']}, {result['rows']:,} × {result['dimension']}{hits}"


def _ms(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _recall(value: float) -> str:
    """Four digits, never rounded up: 1 is said of nothing less."""
    return f"{math.floor(round(value * 1e4, 4)) / 1e4:.4f}"


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (heads, *rows)]
    lines.insert(1, "|" + "---|" * len(heads))
    return "\n".join(lines).replace("|  |", "| |")


def _cell(result: Result, system: str) -> str:
    """Median, recall, and how many times our median that is."""
    if system == "ragstone":
        ours = result["contestants"].get(system)
        return f"**{_ms(ours['p50_ms'])} ms** at {_recall(ours['recall'])}" if ours else "–"
    figures = result.get("closest_recall", {}).get(system)
    if figures is None:
        return "–"
    setting = "".join(f", {key} {value}" for key, value in figures["setting"].items())
    cell = f"{_ms(figures['p50_ms'])} ms at {_recall(figures['recall'])}{setting}"
    return f"{cell}: {figures['times_ours']:.3g} ×"


def _side_by_side() -> str:
    results = [result for result in _dense("") if _is_main(result)]
    if not results:
        return ""
    systems = dict.fromkeys(name for result in results for name in ("ragstone", *result.get("closest_recall", {})))
    rows = [[_called(name), *(_cell(result, name) for result in results)] for name in systems]
    for label, value in (
        ("reading our bits once, at the rate measured in the run", _floor),
        ("our bytes a vector: bits / 8-bit integers / f32", _bytes),
        ("build, CPU s: ours / faiss-rabitq / faiss-hnsw", _builds),
    ):
        rows.append([label, *(value(result) for result in results)])
    used = {name: version for result in results for name, version in result["versions"].items() if name != "ragstone"}
    lines = [
        f"**Dense search beside its rivals** (`make bench-dense`, {results[0]['queries']} queries; "
        f"{_machine(results[-1])}). One query, top {MAIN_HITS}, one thread: median, recall@{MAIN_HITS}, and how many "
        "times ours that is, query by query side by side; a rival at its cheapest setting that comes up to our "
        "recall, or at its best, chosen on other queries than these:",
        "",
        _table(["", *(_shape(result) for result in results)], rows),
        "",
        ", ".join(f"{name} {version}" for name, version in used.items()) + ".",
    ]
    pictures = [result for result in results if result["picture"].exists()]
    if pictures:
        largest = max(pictures, key=lambda result: int(result["rows"]))
        lines += ["", f"![recall and latency, {_shape(largest)}]({largest['picture'].relative_to(ROOT).as_posix()})"]
    return "\n".join(lines)


def _called(system: str) -> str:
    return {
        "ragstone": "**Ragstone**",
        "ragstone-exact": "Ragstone, `exact=True`",
        "ragstone-text": "Ragstone, own analysis of raw text",
    }.get(system, system)


def _floor(result: Result) -> str:
    """Bytes over bandwidth: what no scan of the bits can go below while they come from where they were read from."""
    if not {"read_gb_per_s", "ragstone_bytes_per_vector"} <= result.keys():
        return "–"
    megabytes = result["ragstone_bytes_per_vector"]["vec.bits"] * result["rows"] / 1e6
    rates = {float(size.split()[0]): rate for size, rate in result["read_gb_per_s"].items()}
    nearest = min(rates, key=lambda size: abs(math.log(size / megabytes)))
    return f"{_ms(megabytes / rates[nearest])} ms"


def _bytes(result: Result) -> str:
    sizes = result.get("ragstone_bytes_per_vector")
    if sizes is None:
        return "–"
    return f"{sizes['vec.bits']:.0f} / {sizes['vec.int8'] + sizes['vec.int8.factors']:.0f} / {sizes['vec.f32']:.0f}"


def _builds(result: Result) -> str:
    built = result["build"]
    names = ("ragstone", "faiss-rabitq", "faiss-hnsw")
    return " / ".join(_ms(built[name]["cpu_s"]) if name in built else "–" for name in names)


def _other_shapes() -> str:
    results = [result for result in _dense("") if not _is_main(result)]
    systems = [name for name in OTHERS if any(_cell(result, name) != "–" for result in results)]
    if not results:
        return ""
    rows = [[_shape(result), *(_cell(result, name) for name in systems)] for result in results]
    return "Other dimensions, sizes and numbers of hits:\n\n" + _table(["", *map(_called, systems)], rows)


def _filters() -> str:
    """Rows drawn at random that pass, of the first main set recorded; then the least recall of all kinds of filter."""
    results = _dense("filtered")
    if not results:
        return ""
    cases = results[0]["cases"]
    systems = dict.fromkeys(name for figures in cases.values() for name in figures)

    def cell(figures: Result | None) -> str:
        return f"{_ms(figures['p50_ms'])} ms at {_recall(figures['recall'])}" if figures else "–"

    rows = [
        [name.removeprefix("random "), *(cell(figures.get(system)) for system in systems)]
        for name, figures in cases.items()
        if name.startswith("random ")
    ]
    recalls = [[figures[name]["recall"] for figures in cases.values() if name in figures] for name in systems]
    worst = [f"at {_recall(min(recall))}" for recall in recalls]
    rows.append([f"worst recall of all {len(cases)} cases, also of filters that go with the query", *worst])
    return (
        f"**Filtered**, one query, one thread, {_shape(results[0])} ({_machine(results[0])}); rows that pass:\n\n"
        + _table(["", *map(_called, systems)], rows)
    )


def _batch(result: Result) -> str:
    figures = result["figures"]
    if "ragstone" not in figures:
        return ""
    ours = figures["ragstone"]
    size = max(int(key.removeprefix("queries_per_s_")) for key in ours if key.startswith("queries_per_s_"))
    rate = f"queries_per_s_{size}"
    parts = [f"{ours[rate]:,.0f} queries/s at {_recall(ours['recall'])}"]
    for system in ("faiss-hnsw", "faiss-rabitq"):
        ways = [(way[rate], way, name) for name, way in figures.items() if name.split()[0] == system]
        enough = [one for one in ways if one[1]["recall_choosing"] >= ours["recall_choosing"] - RECALL_TIE]
        if ways:
            best = max(enough, key=itemgetter(0)) if enough else max(ways, key=lambda one: float(one[1]["recall"]))
            parts.append(f"{best[2]} {best[0]:,.0f} at {_recall(best[1]['recall'])}")
    return f"- Batches of {size}, {result['threads']} threads, {_shape(result)}: {'; '.join(parts)}."


def _cold(result: Result) -> str:
    parts = [
        f"{_called(name).strip('*')} {_ms(figures['cold']['open_and_first_ms'])} ms from disk, "
        f"{_ms(figures['warm']['open_and_first_ms'])} from the page cache"
        for name, figures in result["figures"].items()
    ]
    return f"- Open and first answer, {_shape(result)}: {'; '.join(parts)}."


def _isa(result: Result) -> str:
    figures = result["figures"]
    answers = len({run["answers_sha256"] for run in figures.values()})
    parts = [f"{name} {_ms(run['default']['p50_ms'])} ms" for name, run in figures.items()]
    same = "the same ids and scores to the bit" if answers == 1 else f"**{answers} different answers**"
    recall = _recall(min(run["recall"] for run in figures.values()))
    return f"- Instruction sets, {_shape(result)}: {', '.join(parts)}; {same}, at {recall}."


def _churn(result: Result) -> str:
    steps = {"before": "before", "after": "after", "made_anew": "of an index made of what is left"}
    parts = [f"{_recall(result[step]['recall'])} {name}" for step, name in steps.items()]
    slowest = max(result["operations_ms"].values())
    shape = _shape(result | {"rows": result["rows_before"]})
    return (
        f"- A quarter of the rows deleted, a quarter replaced, a quarter new, {shape}: recall {', '.join(parts)}; "
        f"an insert, update or delete takes up to {_ms(slowest)} ms (median), and the next search sees it."
    )


LINES: dict[str, Callable[[Result], str]] = {"batch": _batch, "cold": _cold, "isa": _isa, "churn": _churn}


# --- lexical search -----------------------------------------------------------------------------------------------


def lexical() -> str:
    """Lexical search beside its rivals: classes of queries, then everything else in a line each."""
    singles = _lexical("")
    if not singles:
        return ""
    lines = [line(result) for kind, line in LEXICAL_LINES.items() for result in _lexical(kind)]
    parts = [_classes(result, "top10") for result in singles]
    parts += [_classes(result, "top100") for result in singles[:1]]
    used = dict.fromkeys(version for result in singles for version in result["versions"].values())
    pictures = [RESULTS / f"lexical-{result['name']}.png" for result in singles[:1]]
    shown = [path for path in pictures if path.exists()]
    parts += [f"Versions: {', '.join(used)}.", *(f"![{p.stem}]({p.relative_to(ROOT).as_posix()})" for p in shown)]
    return "\n\n".join([_lexical_head(singles[0]), *parts, "\n".join(filter(None, lines))]).strip()


def lexical_promises() -> str:
    """Every promise of lexical search that was judged by a run, kept or not."""
    rows = [
        _promise(f"{result['texts']:,} texts", row)
        for kind in ("", *LEXICAL_LINES)
        for result in _lexical(kind)
        for row in result.get("targets", [])
    ]
    head = "Lexical search (`make bench-lexical`):\n\n"
    return head + _table(["size", "promise", "wanted", "reached", "by CPU time"], rows) if rows else ""


def _lexical(kind: str) -> list[Result]:
    """Recorded results of one kind, ``""`` for single queries, the largest first."""
    suffix = f"-{kind}" if kind else ""
    found = []
    for path in RESULTS.glob("lexical-*.json"):
        if match := re.fullmatch(rf"lexical-(\w+?(?:-ragstone)?){suffix}", path.stem):
            found.append(json.loads(path.read_text(encoding="utf-8")) | {"name": match[1]})
    return sorted(found, key=lambda result: (-int(result["texts"]), str(result["name"])))


def _lexical_head(result: Result) -> str:
    terms = "Ragstone's analyzer" if result["terms"] == "ragstone" else "one analyzer that is nobody's"
    return (
        f"**BM25 beside its rivals** (`make bench-lexical`; {_machine(result)}). One query, one thread, all systems "
        f"over the same real texts and the same terms (of {terms}); ours analyzes the query while it is timed, the "
        "others are given its terms. Median / 99th percentile of wall time in µs, and how many times our median the "
        "median is, query by query side by side; overlap is the share of the exact top 10 by float64, ties counted:"
    )


def _classes(result: Result, hits: str) -> str:
    timed = {name: figures for name, figures in result["contestants"].items() if hits in figures}
    kinds = list(dict.fromkeys(kind for figures in timed.values() for kind in figures[hits]))
    rows = []
    for name, figures in timed.items():
        cells = [_called(name), *(_times(figures[hits].get(kind), name) for kind in kinds)]
        exactness = figures.get(f"exactness@{hits.removeprefix('top')}")
        rows.append([*cells, _recall(exactness["tie_aware"]) if exactness else "–"])
    title = f"{result['texts']:,} texts, {hits.replace('top', 'top ')}"
    return _table([title, *kinds, "overlap"], rows)


def _times(figures: Result | None, name: str) -> str:
    if figures is None:
        return "–"
    cell = f"{_us(figures['p50_us'])} / {_us(figures['p99_us'])}"
    if name == "ragstone":
        return f"**{cell}**"
    return f"{cell}: {figures['times_p50_us']:.3g} ×" if "times_p50_us" in figures else cell


def _us(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _lexical_exactness(result: Result) -> str:
    wrong = "each exact" if not result["wrong"] else f"**{result['wrong']} not exact**"
    return (
        f"- {result['queries']:,} generated queries over {result['texts']:,} texts against float64: {wrong} in the "
        f"best 10 and 100, ties counted; scores within {result['score_error']:.1g} of themselves."
    )


def _lexical_text(result: Result) -> str:
    parts = [
        f"{_called(name)} {_ms(made['wall_s'])} s wall, {_ms(made['cpu_s'])} s CPU, {made['peak_mb']:,} MB"
        for name, made in result["figures"].items()
    ]
    return f"- Building from {result['text_mb']:,.0f} MB of text, own analysis of English: {'; '.join(parts)}."


def _lexical_cold(result: Result) -> str:
    parts = [
        f"{_called(name).strip('*')} {_ms(figures['cold']['open_and_first_ms'])} ms from disk, "
        f"{_ms(figures['warm']['open_and_first_ms'])} from the page cache"
        for name, figures in result["figures"].items()
        if not name.startswith("lucene")  # would be the time that Java starts in
    ]
    return f"- Open and first answer, {result['texts']:,} texts: {'; '.join(parts)}."


def _lexical_update(result: Result) -> str:
    parts = [
        f"{what} {_ms(times['p50_ms'])} / {_ms(times['p99_ms'])} ms"
        for what, times in result["figures"].items()
        if what != "call_us"
    ]
    call = result["figures"]["call_us"]["unknown term"]
    return (
        f"- One text of {result['texts']:,} until the next search tells it, median / p99: {', '.join(parts)}; "
        f"a search that finds nothing, {call:g} µs from Python."
    )


def _lexical_filters(result: Result) -> str:
    parts = [
        f"{name.removesuffix(' questions')} {_us(case['us'])} µs ({case['times']:g} × without)"
        for name, case in result["cases"].items()
        if name.endswith(" questions")
    ]
    return f"- Rows that pass or are left, questions, {result['texts']:,} texts: {'; '.join(parts)}."


def _lexical_isa(result: Result) -> str:
    parts = [
        f"{name} {_us(figures['top10']['questions']['p50_us'])} µs, long {_us(figures['top10']['long']['p50_us'])} µs"
        for name, figures in result["figures"].items()
    ]
    return f"- Instruction sets, questions, top 10, {result['texts']:,} texts: {'; '.join(parts)}."


LEXICAL_LINES: dict[str, Callable[[Result], str]] = {
    "exactness": _lexical_exactness,
    "text": _lexical_text,
    "cold": _lexical_cold,
    "update": _lexical_update,
    "filters": _lexical_filters,
    "isa": _lexical_isa,
}


# --- quality ------------------------------------------------------------------------------------------------------


def quality() -> str:
    """nDCG@10 on public sets."""
    result = _result("quality")
    if not result:
        return ""
    sets = result["sets"]
    columns = [
        "bm25",
        "builtin dense",
        "builtin hybrid",
        "minilm dense",
        "minilm hybrid",
        "minilm convex",
        "minilm rrf",
    ]
    lines = [
        f"**Quality**, nDCG@10 × 100 (`make quality`; {_machine(result)}):",
        "",
        "| set | " + " | ".join(columns) + " |",
        "|---|" + "---|" * len(columns),
    ]
    for name, row in sets.items():
        cells = [f"{100 * row[column]:.1f}" if column in row else "–" for column in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines.append("\nBM25 (1.2, 0.75), Snowball English; `hybrid` is the default fusion, chosen on scifact-train alone.")
    return "\n".join(lines)


def fusion() -> str:
    """The default fusion beside its halves, other rules and its goals; then BM25 beside published figures."""
    result = _result("fusion")
    return "\n\n".join([_fused(result), _goals(result), _tuned(result), _published(result)]) if result else ""


def _fused(result: Result) -> str:
    goals = {row["set"]: row for row in result["targets"] if row["what"] == "nDCG@10 of the default"}
    rows = []
    for name, figures in result["sets"].items():
        mean = {system: f"{100 * row['nDCG@10'][0]:.1f}" for system, row in figures["systems"].items()}
        default = figures["systems"]["default"]
        reached = f"{_goal(goals[name])} [{100 * default['nDCG@10'][1]:.1f}, {100 * default['nDCG@10'][2]:.1f}]"
        recalls = " / ".join(f"{100 * default[metric][0]:.1f}" for metric in ("R@10", "R@100"))
        asked = f"{name} ({figures['queries']:,}, {figures['chunks']:,})"
        halves = [mean[system] for system in ("bm25", "dense", "rrf", "minmax .5")]
        gains = [_gain(figures["gains"][base]) for base in (figures["better_half"], "minmax .5", "rrf")]
        rows.append([asked, *halves, reached, f"{goals[name]['wanted']:g}", *gains, recalls])
    means = [_gain(result["means"][base]) for base in ("minmax .5", "rrf")]
    rows.append(["mean", *["–"] * 7, *means, "–"])
    heads = ["set (questions, chunks)", "BM25", "dense", "RRF", "min-max .5", "default", "goal"]
    heads += ["− better half", "− min-max .5", "− RRF", "its R@10 / R@100"]
    return (
        f"**Fusion**, nDCG@10 × 100, {result['embedder']} (`python benches/fusion.py --sets …`; {_machine(result)}); "
        f"95 % intervals: bootstrap over questions, paired for differences, {result['draws']:,} draws:\n\n"
    ) + _table(heads, rows)


def _tuned(result: Result) -> str:
    """What `ragstone tune` makes of each set's judgements."""
    parts = []
    for name, figures in result["sets"].items():
        if "tuned" in figures:
            found = figures["tuned"]
            choice = f"{found['fusion']} {found['dense_weight']:g}" if found["changed"] else "keeps the default"
            gain = _gain([found["gain"][key] for key in ("mean", "low", "high")])
            parts.append(f"{name} {choice}, {gain}")
    return (
        "`ragstone tune` on each set, and what the best weight of other questions gains, 90 % interval (it keeps the "
        f"default unless all of that is above zero): {'; '.join(parts)}."
    )


def _gain(interval: list[float]) -> str:
    mean, low, high = (100 * value for value in interval)
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"


def _goal(row: Result) -> str:
    """Two digits, never rounded up to a goal that was missed."""
    reached = f"{math.floor(row['reached'] * 10 + 1e-9) / 10:.1f}" if not row["met"] else f"{row['reached']:.1f}"
    return reached if row["met"] else f"**{reached}: missed**"


def _goals(result: Result) -> str:
    judged = [row for row in result["targets"] if row["what"] != "nDCG@10 of the default"]
    rows = [[row["set"], row["what"], f"{row['wanted']:g}", _goal(row)] for row in judged]
    return _table(["set", "goal, × 100", "at least", "reached"], rows)


def _published(result: Result) -> str:
    """BM25 of whole documents, as others measure it."""
    rows = []
    for row in result["bm25_whole_documents"]:
        published = row.get("published", {})
        theirs = [f"{100 * value:.2f}" if (value := published.get(key)) else "–" for key in ("nDCG@10", "R@100")]
        ours = [f"{100 * row[key]:.2f}" for key in ("nDCG@10", "R@100")]
        rows.append([row["set"], f"{row['k1']:g}, {row['b']:g}", *ours, *theirs, published.get("source", "–")])
    heads = ["set", "k1, b", "nDCG@10", "R@100", "published nDCG@10", "published R@100", "where"]
    return (
        "**BM25** of documents as a whole (title and text in one field), beside published figures for the same texts "
        "and judgements; where none is known to us there is none:\n\n"
    ) + _table(heads, rows)


if __name__ == "__main__":
    sys.exit(main())
