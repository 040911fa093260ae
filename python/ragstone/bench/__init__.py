"""How fast an index answers, alone and under load, in parts, cold, as it grows, and beside others: figures to check."""

from ragstone.bench.distribution import Distribution, Percentile, samples_needed
from ragstone.bench.loops import Run, closed_loop, open_loop
from ragstone.bench.measuring import RECALL_LEAST, Benchmark, Latency, measure
from ragstone.bench.questions import Workload, first_words, prepared, read_queries

__all__ = [
    "RECALL_LEAST",
    "Benchmark",
    "Distribution",
    "Latency",
    "Percentile",
    "Run",
    "Workload",
    "closed_loop",
    "first_words",
    "measure",
    "open_loop",
    "prepared",
    "read_queries",
    "samples_needed",
]
