"""`pollers.attempt`, the Celery task that a pack of attempts travels in."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from celery import signals

from pollers.runtime import Runtime, runtime_of
from pollers.store import Pack
from pollers.unlimited import Unlimited

if TYPE_CHECKING:
    from pollers.engine import Engine, Settled

logger = logging.getLogger(__name__)

ATTEMPT = "pollers.attempt"


class AttemptTask(Unlimited):
    """Check the polls of a pack once, and re-enqueue each with its countdown or end it."""

    name = ATTEMPT
    ignore_result = True
    #: What is lost with a worker is due again when its lease runs out, earlier than Celery would know.
    acks_late = False
    typing = False

    @property
    def send_events(self) -> bool:
        """Whether monitors get a row for each pack."""
        return runtime_of(self._get_app()).settings.pack_events

    _engine: tuple[Runtime, Engine] | None = None
    _making = threading.Lock()

    def run(self, *message: Any) -> dict[str, int]:
        """Make the attempts of a pack; the message is a `Pack`, without its shard where that is the first.

        Raises:
            TypeError: The message has another form.

        """
        pack = Pack(*message) if len(message) in (3, 4) else None
        if pack is None or not pack.is_sound:
            runtime_of(self._get_app()).store.note("malformed")
            raise TypeError(f"not the message of a pack of attempts: {message!r:.200}")
        return self._engine_here().run_pack(pack)._asdict()

    def _engine_here(self) -> Engine:
        """Return the engine of this process; a forked child makes its own."""
        runtime = runtime_of(self._get_app())
        with self._making:
            if self._engine is None or self._engine[0] is not runtime:
                self._engine = runtime, self._make_engine(runtime, self.request.hostname or "")
            return self._engine[1]

    def _make_engine(self, runtime: Runtime, hostname: str) -> Engine:
        from pollers.changes import Changes
        from pollers.engine import Engine
        from pollers.observe import events
        from pollers.observe.attempt_log import AttemptLog
        from pollers.observe.counting import count_attempts

        app, per_second = self._get_app(), runtime.settings.attempt_events
        attempt_events = events.AttemptEvents(app, hostname, per_second)
        changes, meter = Changes(app, runtime.store), runtime.meter
        meter.flush_each_second()
        observers: list[Callable[[list[Settled]], None]] = [
            changes.observe,
            partial(count_attempts, meter),
            AttemptLog(runtime.settings.log_summary).observe,
        ]

        def send_events(settled: list[Settled]) -> None:
            if runtime.events_enabled():
                attempt_events.send(settled)

        spans = None
        if runtime.tracing:
            # Not before: it imports OpenTelemetry.
            made_by = import_module("pollers.observe.attempt_spans").AttemptSpans
            spans = made_by(runtime.settings.trace_attempts)
            observers.append(spans.observe)
        if per_second:
            observers.append(send_events)

        def observe(settled: list[Settled]) -> None:
            for observer in observers:
                try:
                    observer(settled)
                except Exception:
                    logger.exception("%d attempts were made, and could not be shown.", len(settled))

        def on_change(origin: str, change: str) -> None:
            if runtime.events_enabled():
                events.send_origin(app, hostname, origin, change)

        for store in runtime.store.stores:
            store.on_change = on_change
        engine = Engine(
            runtime.store.stores,
            runtime.transport,
            runtime.settings,
            publish=changes.end,
            observe=observe,
            before=spans.begin if spans else None,
        )

        def finish(**_: Any) -> None:
            # Celery waits for tasks; a slow attempt has outlived the task of its pack.
            engine.drain()
            meter.flush()

        for shutdown in (signals.worker_shutdown, signals.worker_process_shutdown):
            shutdown.connect(finish, weak=False)
        return engine
