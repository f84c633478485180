"""The Redis that a command works with: the configured one, or this directory's own Valkey."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from celery import Celery

from pollers import app, embedded
from pollers.runtime import runtime_of
from pollers.store import Store

#: Settings of Celery, and variables, that may name a Redis.
_SETTINGS = ("pollers_redis_url", "broker_url", "result_backend")
_VARIABLES = ("POLLERS_REDIS_URL", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND")


@contextmanager
def redis_url() -> Iterator[str]:
    """Yield the URL of a Redis that runs while the context lasts.

    This process, and the children it starts meanwhile, work with it.

    Raises:
        PollError: There is none, and none can be started.

    """
    if _names_a_redis():
        yield runtime_of(app).settings.redis_url
        return
    with embedded.serve() as url:
        os.environ["POLLERS_REDIS_URL"] = url
        # The application read its configuration when it was imported.
        app.conf.update(
            {name: url for name in ("broker_url", "result_backend") if not _configured(app, name)}
        )
        yield url


@contextmanager
def store() -> Iterator[Store]:
    """Yield the store of polls."""
    with redis_url():
        yield runtime_of(app).store


def _names_a_redis() -> bool:
    chosen = [os.environ.get(name, "") for name in _VARIABLES]
    chosen += [_configured(app, name) for name in _SETTINGS]
    return any(value.startswith(("redis", "unix", "socket")) for value in chosen)


def _configured(application: Celery, name: str) -> str:
    """Return a setting as the application's own configuration has it, without any defaults."""
    settings = application.loader.conf
    old_names = (name.upper(), f"CELERY_{name.upper()}")
    return str(next((settings[one] for one in (name, *old_names) if settings.get(one)), ""))
