"""How fast an index answers, alone and under load, in parts, cold, as it grows, and beside others: figures to check."""

from ragstone.bench.against import Comparison, compare
from ragstone.bench.cold import Cold, measure_cold
from ragstone.bench.distribution import Distribution, Percentile, samples_needed
from ragstone.bench.growth import Growth, grow
from ragstone.bench.loops import Run, closed_loop, open_loop
from ragstone.bench.measuring import RECALL_LEAST, Benchmark, Latency, measure
from ragstone.bench.objective import Verdict, judge
from ragstone.bench.questions import Workload, first_words, prepared, read_queries
from ragstone.bench.report import Report
from ragstone.bench.stages import Staged, StageTable
from ragstone.bench.study import study

__all__ = [
    "RECALL_LEAST",
    "Benchmark",
    "Cold",
    "Comparison",
    "Distribution",
    "Growth",
    "Latency",
    "Percentile",
    "Report",
    "Run",
    "StageTable",
    "Staged",
    "Verdict",
    "Workload",
    "closed_loop",
    "compare",
    "first_words",
    "grow",
    "judge",
    "measure",
    "measure_cold",
    "open_loop",
    "prepared",
    "read_queries",
    "samples_needed",
    "study",
]
