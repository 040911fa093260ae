"""Writes what somebody needs who fine-tunes: data in three forms, split without leaks, evaluation, costs, upkeep.

It advises: nothing is trained but a small classifier that measures the case, and nothing is sent anywhere.
"""

from ragstone.handoff.bundle import Handoff, write_bundle
from ragstone.handoff.leakage import Leak, Leakage, find_leaks

__all__ = ["Handoff", "Leak", "Leakage", "find_leaks", "write_bundle"]
