"""How a run is broken off: by a signal, at a moment of its own choice."""

from __future__ import annotations

import signal
import time
from types import FrameType

#: What ends a run early: Ctrl-C, a polite kill, a terminal that is closed.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ending:
    """Notes the first signal, for the run to look at between two steps.

    An exception out of the handler could be raised anywhere: in a destructor, which swallows it, or
    while something is stopped, which then stays.
    """

    def __init__(self) -> None:
        """Take over the signals of `SIGNALS`."""
        self._number = 0
        for number in SIGNALS:
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._number = self._number or number

    def wait(self, seconds: float) -> None:
        """Wait so long; raise `SystemExit`, with the exit code of a shell, when a signal has come."""
        if not self._number:
            time.sleep(seconds)
        if self._number:
            raise SystemExit(128 + self._number)
