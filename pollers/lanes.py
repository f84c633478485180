"""Threads for attempts: few while endpoints are fast, many while they are slow.

A thread per attempt costs more than a fast request itself, and one thread for all lets one slow
endpoint hold up the rest. So work starts on a few lanes, and a pacer opens more only while jobs wait
and the process does little: under fast endpoints two lanes do everything, under slow ones there are
as many as there are attempts in flight within a few tens of milliseconds; and when the process has
its hands full, most lanes rest, as they would only take turns.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

logger = logging.getLogger(__name__)

#: Lanes that start at once when work arrives.
FIRST_LANES = 2
#: Seconds between two looks whether more lanes, or fewer, are needed.
PACE = 0.008
#: Shares of a core that the process uses: below the first, lanes are taken to be blocked; above the
#: second, to be in each other's way.
IDLE_SHARE, FULL_SHARE = 0.35, 0.85
#: Seconds without work after which an idle lane ends.
IDLE_LIFE = 30.0

Job = Callable[[], None]


class Lanes:
    """A pool of daemon threads that grows while jobs wait and all its lanes are blocked."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._jobs: deque[Job] = deque()
        self._wake = threading.Condition()
        self._threads = 0
        self._idle = 0
        self._busy = 0
        #: Lanes that may be busy at once; between `FIRST_LANES` more than are blocked, and `most`.
        self._width = FIRST_LANES
        self._step = FIRST_LANES
        self._jobs_wait = threading.Event()
        self._pacer_runs = False

    def submit(self, jobs: Iterable[Job]) -> None:
        """Queue jobs; each runs on some lane, in order, as soon as one is free."""
        with self._wake:
            if not self._jobs:
                self._width, self._step = min(self._most, self._busy + FIRST_LANES), FIRST_LANES
            self._jobs.extend(jobs)
            self._jobs_wait.set()
            self._open_lanes()
            if not self._pacer_runs:
                self._pacer_runs = True
                threading.Thread(target=self._pacer, name="pollers-pacer", daemon=True).start()

    def _pacer(self) -> None:
        while True:
            self._jobs_wait.wait()
            began, used = time.monotonic(), time.process_time()
            time.sleep(PACE)
            self._adapt((time.process_time() - used) / (time.monotonic() - began))

    def _adapt(self, share: float) -> None:
        """Open more lanes, or rest some, by the share of a core that the process has used."""
        with self._wake:
            if not self._jobs:
                self._jobs_wait.clear()
            elif share < IDLE_SHARE:
                self._step *= 2
                self._width = min(self._most, self._width + self._step)
                self._open_lanes()
            elif share > FULL_SHARE:
                self._step = FIRST_LANES
                self._width = max(FIRST_LANES, self._width * 3 // 4)

    def _open_lanes(self) -> None:
        wanted = min(len(self._jobs), self._width - self._busy)
        if wanted > 0 and self._idle:
            self._wake.notify(min(wanted, self._idle))
        for _ in range(min(wanted - self._idle, self._most - self._threads)):
            threading.Thread(target=self._lane, name="pollers-lane", daemon=True).start()
            self._threads += 1

    def _lane(self) -> None:
        while (job := self._next_job()) is not None:
            try:
                job()
            except Exception:
                logger.exception("A job of an attempt failed.")
            finally:
                with self._wake:
                    self._busy -= 1

    def _next_job(self) -> Job | None:
        with self._wake:
            self._idle += 1
            try:
                while not self._jobs or self._busy >= self._width:
                    if not self._wake.wait(IDLE_LIFE) and not self._jobs:
                        self._threads -= 1
                        return None
                self._busy += 1
                return self._jobs.popleft()
            finally:
                self._idle -= 1
