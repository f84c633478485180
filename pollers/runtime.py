"""What one process keeps for each Celery application: its settings, its store, its transport."""

from __future__ import annotations

import importlib
import logging
import os
import threading
from collections.abc import Callable
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from pollers.errors import InvalidPoll
from pollers.settings import Settings, misspelt

if TYPE_CHECKING:
    from celery import Celery

    from pollers.store import Polls
    from pollers.store.meter import Meter
    from pollers.transport import Transport

logger = logging.getLogger(__name__)


class Runtime:
    """Settings, store and transport of an application; each made when it is first needed."""

    def __init__(self, app: Celery) -> None:
        self.settings = Settings.read(app.conf, os.environ)
        for sentence in misspelt(app.conf, os.environ):
            if sentence not in _told:
                _told.add(sentence)
                logger.warning("%s", sentence)
        #: Whether monitors are to know of the tasks that are sent. Celery looks once, too.
        self.tells_sent = bool(app.conf.task_send_sent_event)
        #: Whether monitors want events. A worker process that has an event dispatcher of Celery's
        #: asks that one, as monitors can switch it; a prefork child has only the configuration.
        self.events_enabled: Callable[[], bool] = lambda: bool(app.conf.worker_send_task_events)

    @cached_property
    def store(self) -> Polls:
        """The store, or the shards of it; connects when it is used."""
        from pollers.store import connect_polls

        return connect_polls(self.settings)

    @cached_property
    def meter(self) -> Meter:
        """What this process counts for metrics: calls of the store from here on, and attempts."""
        from pollers.store.meter import Meter

        stores = self.store.stores
        meter = Meter(stores[0])
        for store in stores:
            store.calls.on_call = meter.call
        return meter

    @cached_property
    def transport(self) -> Transport:
        """The HTTP side."""
        from pollers.transport import Transport

        return Transport.of(self.settings)

    @cached_property
    def tracing(self) -> ModuleType | None:
        """The module that traces polls; None where they are not traced.

        Raises:
            InvalidSetting: They should be, and OpenTelemetry is not installed.

        """
        return importlib.import_module("pollers.tracing") if self.settings.tracing else None

    def check_credential(self, name: str | None, *, here: bool, field: str = "auth") -> None:
        """Refuse a name that no credential has, as far as this process can know.

        ``here`` says that the attempts are made by this process, ``field`` which parameter names it.

        Raises:
            InvalidPoll: There is no such credential.

        """
        if name is None:
            return
        held = self.settings.credentials
        if here and not self.transport.keyring.knows(name):
            raise InvalidPoll.of({field: f"is {name!r}, and this process has no credential of that name"})
        if not here and held and name not in held:
            raise InvalidPoll.of({field: f"is {name!r}; the workers hold {', '.join(held)}"})


#: What was said of misspelt settings; the children of a process need not say it again.
_told: set[str] = set()
#: The application that was set up last.
_current: Celery | None = None
_runtimes: WeakKeyDictionary[Celery, Runtime] = WeakKeyDictionary()
_pid = os.getpid()
_lock = threading.Lock()


def use(app: Celery) -> None:
    """Make an application the one that polls of this process are submitted to."""
    global _current
    _current = app


def current_app() -> Celery:
    """Return the application that `poll` submits to: the one last set up."""
    assert _current is not None  # pollers.app sets up one of its own
    return _current


def runtime_of(app: Celery) -> Runtime:
    """Return the runtime of an application in this process.

    Raises:
        InvalidSetting: A ``pollers_*`` setting cannot be used.

    """
    global _pid
    runtime = _runtimes.get(app)
    if runtime is not None and _pid == os.getpid():
        return runtime
    with _lock:
        if _pid != os.getpid():
            # A fork: sockets of the parent must not be used by the child.
            _runtimes.clear()
            _pid = os.getpid()
        return _runtimes.setdefault(app, Runtime(app))


def _wait_anew() -> None:
    """Let a child that was forked wait for results on a connection of its own.

    Celery's Redis backend goes on with the one on which the parent has waited: its children would take the
    news of results from each other. Whoever has not waited has none, and an application that has made nothing
    here yet is not asked for a backend.
    """
    for app in list(_runtimes):
        backend: Any = app.backend
        consumer = getattr(backend, "result_consumer", None)
        if consumer is None or getattr(consumer, "_pubsub", None) is None:
            continue
        consumer.on_after_fork()
        # What the parent waits for, the child has to subscribe to again if it waits for it as well.
        consumer.subscribed_to.clear()
        for waiting in backend._pending_results:
            waiting.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_wait_anew)
