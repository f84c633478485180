"""The store with a clock that stands still until it is moved, so that hours pass in a test."""

from __future__ import annotations

import redis

from pollers.settings import Settings
from pollers.store import Store, scripts

#: The key that is the clock.
CLOCK = "{pollers}:clock"
START_MS = 1_000_000


class SimulatedStore(Store):
    """The real scripts, on a real Valkey, but for their clock."""

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        super().__init__(client, settings)
        client.set(CLOCK, START_MS)
        simulated = f"local function clock_ms()\n  return tonumber(redis.call('GET', '{CLOCK}'))\nend"
        for name in scripts.NAMES:
            head, tail = scripts.load(name).split("local function clock_ms()")
            script = head + simulated + tail[tail.index("\nend") + 4 :]
            self.calls.scripts[name] = client.register_script(script)

    @property
    def now_ms(self) -> int:
        """The clock in ms."""
        return int(self.client.get(CLOCK))  # type: ignore[arg-type]

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.client.incrby(CLOCK, round(seconds * 1000))
