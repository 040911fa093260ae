"""Watches an index in use: a log of queries that the user turns on, metrics over its windows, alarms when it drifts."""

from ragstone.monitoring.drift import Drift, Shift, drift
from ragstone.monitoring.events import Event, Log, read
from ragstone.monitoring.log import QueryLog
from ragstone.monitoring.windows import Window, Windows, windows

__all__ = ["Drift", "Event", "Log", "QueryLog", "Shift", "Window", "Windows", "drift", "read", "windows"]
