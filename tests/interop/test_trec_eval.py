"""Would catch any difference to trec_eval itself, over 10,000 random runs with ties and graded judgements."""

from __future__ import annotations

import random

import pytest

from ragstone.metrics import Judged

ir_measures = pytest.importorskip("ir_measures", reason="pip install 'ragstone[interop]' compares with trec_eval")
pytest.importorskip("pytrec_eval", reason="pip install 'ragstone[interop]' compares with trec_eval")

RUNS = 10_000
GRADES = (0, 1, 2, 3, 4)
# trec_eval's own gains are linear: it reaches the exponential ones by other grades.
NAMES = {
    "nDCG@10": "nDCG@10",
    "nDCG": "nDCG",
    "nDCG(gain=exp)@10": f"nDCG(gains={ ({grade: 2**grade - 1 for grade in GRADES}) })@10",
    "AP": "AP",
    "AP@20": "AP@20",
    "RR": "RR",
    "P@1": "P@1",
    "P@10": "P@10",
    "R@5": "R@5",
    "R@100": "R@100",
    "Success@1": "Success@1",
    "Success@10": "Success@10",
    "ContextPrecision": "SetP",
}


def drawn() -> tuple[dict[str, dict[str, float]], dict[str, dict[str, int]]]:
    """Runs with ties, ties in 32 bits only, missing and empty queries; judgements without a relevant document."""
    numbers = random.Random(7)
    run: dict[str, dict[str, float]] = {}
    qrels: dict[str, dict[str, int]] = {}
    for query in range(RUNS):
        names = [
            numbers.choice(["d", "D", "doc-", "é", "\uffff", "\U00010000"]) + str(number)
            for number in range(numbers.randint(1, 60))
        ]
        judged = numbers.sample(names, numbers.randint(1, len(names)))
        grades = numbers.choice([(0, 1), (0, 0, 0, 1), GRADES, (0,), (1,)])
        qrels[f"q{query}"] = {document: numbers.choice(grades) for document in judged}
        score = numbers.choice(
            [
                lambda: float(numbers.randint(0, 3)),
                numbers.random,
                lambda: 1.0 + numbers.random() * 1e-6,
                lambda: numbers.gauss(0, 1e30),
                lambda: 5.0,
            ]
        )
        if numbers.random() < 0.9:
            run[f"q{query}"] = {document: score() for document in numbers.sample(names, numbers.randint(1, len(names)))}
    run["unjudged"] = {"d1": 1.0}
    return run, qrels


def test_equal_to_trec_eval() -> None:
    """Any difference above 1e-6 in any query, or in the mean."""
    run, qrels = drawn()
    measures = {ours: ir_measures.parse_measure(theirs) for ours, theirs in NAMES.items()}
    judged = Judged(run, qrels)
    values = judged.values(list(NAMES))
    ours = {
        (query, name): value
        for query, row in zip(judged.queries, values.tolist(), strict=True)
        for name, value in zip(NAMES, row, strict=True)
    }
    assert len(ours) == RUNS * len(NAMES)
    by_measure = {str(measure): name for name, measure in measures.items()}
    seen = 0
    evaluator = ir_measures.pytrec_eval.evaluator(list(measures.values()), qrels)
    for row in evaluator.iter_calc(run):
        if row.query_id == "unjudged":
            continue
        seen += 1
        name = by_measure[str(row.measure)]
        assert ours[row.query_id, name] == pytest.approx(row.value, abs=1e-6), (row.query_id, name)
    assert seen == len(ours)
    means = evaluator.calc_aggregate(run)
    assert judged.means(list(NAMES)) == pytest.approx(
        {by_measure[str(key)]: one for key, one in means.items()}, abs=1e-6
    )


def test_reciprocal_rank_with_a_cut() -> None:
    """A cut that trec_eval does not have: below it the value has to be trec_eval's, beyond it 0."""
    run, qrels = drawn()
    values = Judged(run, qrels).values(["RR", "RR@10"])
    assert (values[:, 1] == values[:, 0] * (values[:, 0] >= 1 / 10)).all()


def test_negative_grades_are_not_relevant() -> None:
    """A negative grade that counts as relevant, or lowers a gain: trec_eval takes it for judged, not relevant."""
    pytrec_eval = pytest.importorskip("pytrec_eval")
    run = {"q": {"a": 3.0, "b": 2.0, "c": 1.0}}
    qrels = {"q": {"a": -1, "b": 2, "d": -2}}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg", "map", "recip_rank", "P", "recall"}).evaluate(run)["q"]
    ours = Judged(run, qrels).means(["nDCG", "AP", "RR", "P@5", "R@5"])
    expected = {"nDCG": "ndcg", "AP": "map", "RR": "recip_rank", "P@5": "P_5", "R@5": "recall_5"}
    assert ours == pytest.approx({name: theirs[key] for name, key in expected.items()}, abs=1e-6)
