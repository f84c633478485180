"""The Celery application, its defaults, and `setup` for an application of your own."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from weakref import WeakSet

from celery import Celery
from celery.signals import celeryd_after_setup, celeryd_init, worker_init, worker_shutting_down

from pollers.attempt_task import ATTEMPT, AttemptTask
from pollers.errors import InvalidSetting, PollEnded
from pollers.held import POLL
from pollers.redis_address import is_cluster, redis_address
from pollers.runtime import runtime_of, use
from pollers.settings import Settings
from pollers.task import PollTask

#: The worker's steps, by name: only workers import them.
DISPATCHER = "pollers.dispatcher:Dispatcher"
METRICS_PORT = "pollers.metrics_port:MetricsPort"

#: Defaults of Celery settings for pollers' own application, each with the reason that this work gives
#: it. An application of your own keeps its own; docs/operations.md says which are worth copying.
DEFAULTS: dict[str, Any] = {
    # JSON only: nothing that is read from Redis can run code.
    "task_serializer": "json",
    "result_serializer": "json",
    "accept_content": ["json"],
    # One key per queue instead of four; an outage ends with a reconnection, not with the worker.
    "broker_transport_options": {
        "priority_steps": [0],
        "socket_timeout": 10,
        "health_check_interval": 5,
        "unacked_restore_limit": 500,
        "visibility_timeout": 300,
    },
    "worker_consumer": "pollers.consumer:Consumer",
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_channel_error_retry": True,
    "result_backend_always_retry": True,
    "result_backend_max_retries": 20,
    "result_backend_thread_safe": True,
    # Attempts wait for the network: threads do that in one process for little memory.
    "worker_pool": "pollers.threads:TaskPool",
    "worker_concurrency": 8,
    "worker_prefetch_multiplier": 1,
    # Rows in Flower.
    "worker_send_task_events": True,
    "worker_soft_shutdown_timeout": 12.0,
}


def setup(app: Celery) -> Celery:
    """Add polls to a Celery application: the tasks, and the dispatcher in its workers.

    From then on `poll` submits to this application. Its settings are kept; a broker or result backend
    that it does not name is the Redis of ``pollers_redis_url``. Returns the application.

    Raises:
        InvalidSetting: A ``pollers_*`` setting cannot be used.

    """
    _applications.add(app)
    if app.configured:
        _configure(app, app.conf)
        Settings.read(app.conf, os.environ)
    else:
        app.on_after_configure.connect(_configure, weak=False)
    app.steps["consumer"].update((DISPATCHER, METRICS_PORT))
    if app.finalized:
        _register(app)
    else:
        app.on_after_finalize.connect(_register, weak=False)
    use(app)
    return app


def _register(sender: Celery, **_: Any) -> None:
    sender.register_task(PollTask())
    sender.register_task(AttemptTask())


def _configure(sender: Celery, source: Any, **_: Any) -> None:
    url = redis_address(source, os.environ)[1]
    # Celery speaks to no cluster; `Settings.read` asks for a broker beside it.
    urls = {} if is_cluster(url) else {"broker_url": _celery_url(url), "result_backend": _celery_url(url)}
    source.add_defaults({**urls, **(DEFAULTS if sender is app else {})})


@celeryd_init.connect
def _check_settings(instance: Any, **_: Any) -> None:
    """Stop a worker whose settings cannot be used, before it connects to anything."""
    if instance.app in _applications:
        try:
            if Settings.read(instance.app.conf, os.environ).tracing:
                import_module("pollers.tracing")
        except InvalidSetting as error:
            # Any other exception of a handler is logged by Celery, and the worker starts.
            raise SystemExit(str(error)) from None


@worker_init.connect
def _choose_pool(sender: Any, **_: Any) -> None:
    """Let a command line name another pool than the default."""
    if sender.app is app:
        from pollers import threads

        threads.choose(sender)


@celeryd_after_setup.connect
def _prepare(instance: Any, **_: Any) -> None:
    """Set up the log, and let a runtime tell of misspelt settings there, before there are more processes."""
    if instance.app in _applications:
        from pollers import stopping
        from pollers.observe import logs

        settings = Settings.read(instance.app.conf, os.environ)
        logs.set_up(settings.log_format, (POLL, ATTEMPT), PollEnded)
        runtime_of(instance.app)
        worker_shutting_down.connect(lambda **_: stopping.watch(instance.app), weak=False)


def _celery_url(url: str) -> str:
    """Return a Redis URL as Celery and kombu write it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url  # whoever uses it is told
    if parts.scheme == "unix":
        return urlunsplit(("redis+socket", parts.netloc, parts.path, parts.query, ""))
    if parts.scheme == "rediss" and "ssl_cert_reqs" not in parts.query:
        query = "&".join(filter(None, (parts.query, "ssl_cert_reqs=CERT_REQUIRED")))
        return urlunsplit((*parts[:3], query, ""))
    return url


_applications: WeakSet[Celery] = WeakSet()
app = Celery("pollers", set_as_current=False)
app.config_from_object("celeryconfig", silent=True)
setup(app)
