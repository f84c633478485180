"""`Meter`: what one process counts of its attempts and its calls of Redis, added up in Redis each second.

So any process can tell the sums of the whole system, and a worker that dies takes a second of counts with
it. Durations are counted in buckets that double: bucket k has those of less than 2^k units.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from itertools import chain

import msgpack

from pollers.errors import StoreUnavailable
from pollers.store.store import Store

logger = logging.getLogger(__name__)

#: Origins that have sums of their own; later ones are counted together, as `OTHER`.
MOST_ORIGINS = 50
OTHER = "other"
#: Seconds between two additions to the sums in Redis.
INTERVAL = 1.0


class Meter:
    """Counts in memory. Safe to share between threads; whoever counts attempts holds its `lock`."""

    def __init__(self, store: Store) -> None:
        self.lock = threading.Lock()
        #: Number of attempts by origin, status class, decision, and bucket of the request's time in ms, which
        #: is -1 where no request was made.
        self.attempts: dict[tuple[str, str, str, int], int] = {}
        #: Ms that the requests have taken, by origin.
        self.request_ms: dict[str, int] = {}
        self._calls: dict[tuple[str, int], int] = {}
        self._call_us: dict[str, int] = {}
        self._store = store
        self._flushed = time.monotonic()
        self._flusher: threading.Thread | None = None

    def call(self, name: str, seconds: float) -> None:
        """Count a call of a script."""
        us = int(seconds * 1e6)
        key = name, us.bit_length()
        with self.lock:
            self._calls[key] = self._calls.get(key, 0) + 1
            self._call_us[name] = self._call_us.get(name, 0) + us

    def flush_each_second(self) -> None:
        """Add to the sums in Redis each second from now on, in a thread of this process."""
        with self.lock:
            if self._flusher is None:
                self._flusher = threading.Thread(target=self._flush_on, name="pollers-meter", daemon=True)
                self._flusher.start()

    def flush_when_due(self) -> None:
        """Add to the sums in Redis, unless that was done within the last second."""
        if time.monotonic() - self._flushed >= INTERVAL:
            self.flush()

    def flush(self) -> None:
        """Add what was counted to the sums in Redis; while Redis is away, it is lost."""
        self._flushed = time.monotonic()
        with self.lock:
            attempts, self.attempts = self.attempts, {}
            request_ms, self.request_ms = self.request_ms, {}
            calls, self._calls = self._calls, {}
            call_us, self._call_us = self._call_us, {}
        counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for (origin, status, decision, bucket), number in attempts.items():
            mine = counts[origin or OTHER]
            mine[f"attempts:{status}:{decision}"] += number
            if bucket >= 0:
                mine[f"requests:{bucket}"] += number
        for origin, ms in request_ms.items():
            counts[origin or OTHER]["request_ms"] += ms
        for (name, bucket), number in calls.items():
            counts[""][f"calls:{bucket}:{name}"] += number
        for name, us in call_us.items():
            counts[""][f"call_us:{name}"] += us
        if not counts:
            return
        try:
            packed = [msgpack.packb([origin, *chain(*mine.items())]) for origin, mine in counts.items()]
            self._store.calls.run("measure", [self._store.keys.metrics], [MOST_ORIGINS, *packed])
        except StoreUnavailable as error:
            logger.debug("The counts of the last second are lost: %s", error)

    def _flush_on(self) -> None:
        while True:
            time.sleep(INTERVAL)
            try:
                self.flush()
            except Exception:
                logger.exception("The counts of the last second are lost.")
