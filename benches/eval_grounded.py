"""Groundedness T0 on generated sets: wrong documents, swapped numbers and names, false alarms, speed.

    python benches/eval_grounded.py [--shared ../shared]

Sets are those of ``python/models/grounding_sets.py``, the half that was not fitted on. An alarm is a sentence with a
number, date, identifier or name that no source has. Precision is over equal numbers of swapped and genuine sentences:
the same sentence with and without its swap. People's genuine answers use what they know besides the text, and then an
alarm is right: ``grounding_alarms.tsv`` has a verdict, given on reading, on each alarm of a sample of genuine sentences.
``right``: the text does not say it (or spells it otherwise); ``derived``: it is computed or counted from the text;
``false``: the text says it in another form. The last two count as false alarms. ``--alarms`` prints what there is to
judge.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "python" / "models"), str(Path(__file__).resolve().parent)]
from grounding_sets import Case, Kind, Swap, dolly, halves, swaps, wrong
from targets import Figure, show

from ragstone import estimates
from ragstone.grounding import Checker, GroundedSentence, Grounding

FACTS = frozenset({"number", "date", "identifier", "name"})
KINDS: tuple[Kind, ...] = ("number", "name")
VERDICTS = Path(__file__).resolve().parent / "grounding_alarms.tsv"
# Swaps of each kind whose genuine sentences were judged by reading, the first ones of the set.
JUDGED = 200


@dataclass(frozen=True)
class Pair:
    """A swap, its sentence as checked, and the genuine one."""

    swap: Swap
    swapped: list[GroundedSentence]
    genuine: list[GroundedSentence]


def figures(shared: Path) -> list[Figure]:
    """Everything, on the half that was not fitted on."""
    path = shared / "data" / "queries" / "dolly15k.jsonl"
    if not path.exists():
        return [Figure.at_least("wrong document, AUROC (groundedness-T0)", None, 0.97, n=0, note="no shared data")]
    _, told = halves(dolly(path))
    checker = Checker(background=[text for case in told for text in case.sources])
    genuine = [checker.check(case.answer, case.sources) for case in told]
    found = wrong_documents(checker, told, genuine)
    for kind in KINDS:
        found += swapped(checker, told, kind)
    return found + false_alarms(genuine) + speed(told) + overhead()


def wrong_documents(checker: Checker, told: Sequence[Case], genuine: Sequence[Grounding]) -> list[Figure]:
    """Answers beside the right and beside the most similar other texts, by their mean score."""
    right = [found.score for found in genuine if found.score is not None]
    made = []
    for neighbours in (1, 5):
        scores = [checker.check(case.answer, case.sources).score for case in wrong(told, neighbours=neighbours)]
        others = [score for score in scores if score is not None]
        area = estimates.auroc(right, others)
        count, note = len(right) + len(others), f"{area}, {len(told):,} texts"
        if neighbours == 1:
            made.append(Figure.at_least("wrong document, AUROC of answers (T0)", area.value, 0.97, n=count, note=note))
        else:
            made.append(Figure.stated("five wrong documents, AUROC of answers (T0)", area.value, n=count, note=note))
    return made


def pairs(checker: Checker, told: Sequence[Case], kind: Kind) -> list[Pair]:
    """Every swap with the sentences in which it stands."""
    made = []
    for swap in swaps(told, kind):
        bad = checker.check(swap.case.answer, swap.case.sources).sentences
        good = checker.check(swap.genuine.answer, swap.genuine.sources).sentences
        end = swap.start + len(swap.was)
        made.append(
            Pair(
                swap,
                [one for one in bad if one.start < swap.end and one.end > swap.start],
                [one for one in good if one.start < end and one.end > swap.start],
            )
        )
    return made


def alarms(sentences: Sequence[GroundedSentence]) -> list[str]:
    """The facts of sentences that no source has."""
    return [span.reason for one in sentences for span in one.unsupported if span.kind in FACTS]


def swapped(checker: Checker, told: Sequence[Case], kind: Kind) -> list[Figure]:
    """Recall and precision of the fact rule, as labelled and with the verdicts."""
    every = pairs(checker, told, kind)
    caught = sum(bool(alarms(pair.swapped)) for pair in every)
    raised = sum(bool(alarms(pair.genuine)) for pair in every)
    recall = estimates.proportion(caught, len(every))
    labelled = estimates.proportion(caught, caught + raised)
    judged = every[:JUDGED]
    verdicts = read_verdicts()
    false = right = unknown = 0
    for pair in judged:
        if not alarms(pair.genuine):
            continue
        said = {verdicts.get((pair.swap.genuine.name, reason)) for reason in alarms(pair.genuine)}
        # A sentence with a right alarm is no genuine one, whatever else is said of it.
        right += "right" in said
        false += "right" not in said and bool(said & {"derived", "false"})
        unknown += said == {None}
    hits = sum(bool(alarms(pair.swapped)) for pair in judged)
    # Where an alarm is right the sentence is not genuine; what was not judged counts as false.
    precision = estimates.proportion(hits, hits + false + unknown)
    note = f"{precision}; of {false + right + unknown} alarms on genuine ones {right} right, {unknown} not judged"
    return [
        Figure.at_least(f"swapped {kind}, recall (T0)", recall.value, 0.9, n=len(every), note=str(recall)),
        Figure.at_least(f"swapped {kind}, precision, alarms judged (T0)", precision.value, 0.9, n=len(judged), note=note),
        Figure.stated(f"swapped {kind}, precision, as labelled (T0)", labelled.value, n=caught + raised, note=str(labelled)),
    ]


def read_verdicts() -> dict[tuple[str, str], str]:
    """The verdict (``right``, ``derived`` or ``false``) by answer and alarm."""
    lines = VERDICTS.read_text(encoding="utf-8").splitlines()[1:] if VERDICTS.exists() else []
    rows = [line.split("\t") for line in lines]
    return {(row[0], row[1]): row[2] for row in rows}


def false_alarms(genuine: Sequence[Grounding]) -> list[Figure]:
    """Genuine answers and sentences with an alarm, right or false."""
    flags = [[bool(alarms([one])) for one in found.checked] for found in genuine if found.checked]
    answers = estimates.proportion(sum(any(each) for each in flags), len(flags))
    every = [flag for each in flags for flag in each]
    sentences = estimates.proportion(sum(every), len(every))
    supported = [one.supported for found in genuine for one in found.checked]
    rate = estimates.proportion(sum(supported), len(supported))
    return [
        Figure.stated("genuine answers with an alarm, right or false (T0)", answers.value, n=len(flags), note=str(answers)),
        Figure.stated("genuine sentences with an alarm, right or false (T0)", sentences.value, n=len(every), note=str(sentences)),
        Figure.stated("groundedness-T0 of genuine answers, all sentences", rate.value, n=len(supported), note=str(rate)),
    ]


def speed(told: Sequence[Case]) -> list[Figure]:
    """Processor time for each sentence, reading its sources included, from Python."""
    checker = Checker()
    best, sentences = float("inf"), 0
    for _ in range(3):
        started = time.process_time()
        sentences = sum(len(checker.check(case.answer, case.sources).sentences) for case in told)
        best = min(best, time.process_time() - started)
    length = sum(len(source) for case in told for source in case.sources) / len(told)
    note = f"reading {length:,.0f} characters of source for {sentences / len(told):.1f} sentences included"
    return [Figure.stated("time for a sentence (T0)", best / sentences * 1e6, n=sentences, unit="µs", note=note)]


def overhead() -> list[Figure]:
    """What the code around a model costs, with a model that does nothing: no figure of quality."""
    try:
        from grounding_model import write_model
    except ImportError:
        return []
    with tempfile.TemporaryDirectory() as folder:
        checker = Checker(write_model(Path(folder)))
        answer, source = "It takes thirty days to arrive. " * 20, "A parcel takes thirty days. " * 20
        started = time.process_time()
        count = len(checker.check(answer, [source]).sentences)
        spent = time.process_time() - started
    note = "one source of 100 words, a model of one layer: no figure of quality"
    return [Figure.stated("time for a sentence besides the model (T1)", spent / count * 1e6, n=count, unit="µs", note=note)]


def main() -> int:
    """Print the figures, or the alarms to be judged."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--alarms", action="store_true")
    options = parser.parse_args()
    if not options.alarms:
        found = figures(options.shared)
        show(found)
        return int(any(figure.met is False for figure in found))
    _, told = halves(dolly(options.shared / "data" / "queries" / "dolly15k.jsonl"))
    checker = Checker(background=[text for case in told for text in case.sources])
    for kind in KINDS:
        for pair in pairs(checker, told, kind)[:JUDGED]:
            for reason in alarms(pair.genuine):
                sentence = " ".join(one.text for one in pair.genuine)
                print(json.dumps([pair.swap.genuine.name, reason, sentence, *pair.swap.case.sources], ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
