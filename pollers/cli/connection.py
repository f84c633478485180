"""The Redis that a command works with: the configured one, or this directory's own Valkey."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from pollers import app
from pollers.runtime import runtime_of
from pollers.store import Polls

#: What Celery is configured by; it counts when it is a Redis.
_CELERYS = {"broker_url": "CELERY_BROKER_URL", "result_backend": "CELERY_RESULT_BACKEND"}


@contextmanager
def redis_url() -> Iterator[str]:
    """Yield the URL of a Redis that runs while the context lasts.

    This process, and the children it starts meanwhile, work with it.

    Raises:
        PollError: There is none, and none can be started.

    """
    if names_a_redis():
        yield runtime_of(app).settings.redis_url
        return
    from pollers import embedded  # not needed where there is a Redis

    with embedded.serve() as url:
        os.environ["POLLERS_REDIS_URL"] = url
        # The application has read its configuration already.
        app.conf.update({setting: url for setting in _CELERYS if not _configured(setting)})
        yield url


@contextmanager
def store() -> Iterator[Polls]:
    """Yield the store of polls."""
    with redis_url():
        yield runtime_of(app).store


def names_a_redis() -> bool:
    """Return whether the configuration names a Redis; without one, commands share an embedded Valkey."""
    if os.environ.get("POLLERS_REDIS_URL") or _configured("pollers_redis_url"):
        return True
    if "://" in (os.environ.get("POLLERS_SHARDS") or _configured("pollers_shards")):
        return True
    chosen = [os.environ.get(variable) or _configured(setting) for setting, variable in _CELERYS.items()]
    return any(url.startswith(("redis", "unix", "socket")) for url in chosen)


def _configured(name: str) -> str:
    """Return a setting as the application's own configuration has it, without any defaults."""
    app.conf.get(name)  # has the configuration read, if it was not yet
    settings = app.loader.conf or {}
    old_names = (name.upper(), f"CELERY_{name.upper()}")
    return str(next((settings[one] for one in (name, *old_names) if settings.get(one)), ""))
