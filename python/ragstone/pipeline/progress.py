"""One line on standard error that says how far long work is, how fast it goes and how long it will take."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

__all__ = ["Progress"]

_INTERVAL_S = 0.1
_INTERVAL_PIPED_S = 5.0


class Progress:
    """A progress line; where standard error is no terminal, a line every few seconds."""

    def __init__(self, *, shown: bool, stream: TextIO | None = None) -> None:
        """Show nothing unless ``shown``."""
        self._stream = (stream or sys.stderr) if shown else None
        self._terminal = self._stream is not None and self._stream.isatty()
        self._written = 0.0
        self._stage, self._started, self._width = "", 0.0, 0

    def update(self, stage: str, done: int, total: int | None, unit: str) -> None:
        """Tell that ``done`` of ``total`` units of a stage are done."""
        if self._stream is None:
            return
        now = time.monotonic()
        if stage != self._stage:
            self._end_line()
            self._stage, self._started = stage, now
            if not self._terminal:
                # The first of many is not worth a line of its own.
                self._written = now
        interval = _INTERVAL_S if self._terminal else _INTERVAL_PIPED_S
        finished = total is not None and done >= total
        if now - self._written < interval and not (finished and self._terminal):
            return
        self._written = now
        self._write(self._line(done, total, unit, now - self._started))

    def _line(self, done: int, total: int | None, unit: str, seconds: float) -> str:
        rate = done / seconds if seconds > 0.2 else 0.0
        line = f"{self._stage}: {done:,}" + (f" of {total:,}" if total is not None else "") + f" {unit}"
        if rate > 0:
            line += f", {rate:,.0f}/s"
        if rate > 0 and total is not None and total > done:
            line += f", {_duration((total - done) / rate)} left"
        return line

    def _write(self, line: str) -> None:
        if self._stream is None:
            return
        if self._terminal:
            self._stream.write("\r" + line.ljust(self._width))
            self._width = len(line)
        else:
            self._stream.write(line + "\n")
        self._stream.flush()

    def _end_line(self) -> None:
        if self._stream is not None and self._terminal and self._width:
            self._stream.write("\n")
            self._stream.flush()
        self._width = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end_line()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
