"""The settings of pollers, read once from Celery's configuration and the environment.

Every setting is a Celery setting with the prefix ``pollers_`` and an environment variable with the
prefix ``POLLERS_``; the environment wins, so that a deployment can override a file.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from pollers.durations import parse_duration
from pollers.errors import PollError
from pollers.politeness import NO_LIMITS, Breaker, Limits

DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"


class InvalidSetting(PollError, ValueError):
    """A ``pollers_*`` setting or ``POLLERS_*`` variable has a value that cannot be used."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What a process needs to know to submit, dispatch and attempt polls."""

    #: URL of the Redis or Valkey that keeps the polls: ``redis://``, ``rediss://`` or ``unix://``.
    #: It becomes Celery's broker and result backend too, unless those are set; when it is not set
    #: itself, it is the Redis that they name, or the one on this machine.
    redis_url: str = DEFAULT_REDIS_URL
    #: First part of every key, inside the hash tag: ``{pollers}:schedule``.
    prefix: str = "pollers"
    #: Most polls that one ``pollers.attempt`` task carries; 1 means strictly one attempt per task.
    pack_size: int = 50
    #: Most attempts in flight at once in one worker process.
    concurrency: int = 200
    #: Dispatched polls that may wait unbegun in a queue, for each worker that consumes it: never more
    #: than `concurrency`, and at least one pack. What is due beyond stays in the schedule, where it can
    #: still grow into larger packs.
    backlog: int = 150
    #: Seconds a dispatched pack, or a published outcome, has to be taken up before it is sent again.
    lease: float = 15.0
    #: Attempts in a row that may die with their workers, before the poll itself is taken for the
    #: reason and fails.
    max_crashes: int = 3
    #: Shortest interval in seconds that a poll may ask for.
    min_interval: float = 0.5
    #: Largest body of an answer in bytes, after decompression.
    max_body: int = 1_048_576
    #: ``User-Agent`` of every request; empty means ``pollers/<version>``.
    user_agent: str = ""
    #: Attempts a second that one worker process shows to monitors such as Flower at most. The first
    #: attempt and the end of every poll are shown beside; 0 shows ends only.
    attempt_events: int = 100
    #: Limits by name: ``{"api.example.com": "10/s", "*.internal": "1000/s burst 50", "default": ...}``.
    limits: Limits = NO_LIMITS
    #: When the breaker of an origin opens, and for how long; None for no breakers.
    breaker: Breaker | None = None
    #: What a poll does whose deadline comes while the breaker of its origin is open: ``attempt``, one last
    #: attempt shortly before it, or ``wait``.
    open_breaker: str = "attempt"
    #: Whom a 429 or 503 with ``Retry-After`` holds: all polls of its ``origin``, or this ``poll``.
    hold: str = "origin"
    #: Longest time in seconds that one answer can hold an origin.
    longest_hold: float = 300.0
    #: Whether ``RateLimit`` and ``X-RateLimit`` headers that say "nothing left" hold the origin too.
    rate_limit_headers: bool = False

    @classmethod
    def read(cls, conf: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
        """Read the settings from a Celery configuration and an environment.

        Raises:
            InvalidSetting: A value does not have the form the setting needs; the message names it.

        """
        values: dict[str, Any] = {"redis_url": _celerys_redis(conf, environ)}
        for field in dataclasses.fields(cls):
            source, raw = f"pollers_{field.name}", conf.get(f"pollers_{field.name}")
            variable = f"POLLERS_{field.name.upper()}"
            if environ.get(variable):
                source, raw = variable, environ[variable]
            if raw is not None:
                values[field.name] = _convert(source, str(field.type), raw)
        settings = cls(**values)
        settings.check()
        return settings

    def check(self) -> None:
        """Raise `InvalidSetting` when a value is outside its range."""
        for name in ("pack_size", "concurrency", "backlog", "max_crashes", "max_body"):
            if getattr(self, name) < 1:
                raise InvalidSetting(f"pollers_{name} must be 1 or more.")
        for name, values in (("hold", ("origin", "poll")), ("open_breaker", ("attempt", "wait"))):
            if getattr(self, name) not in values:
                raise InvalidSetting(f"pollers_{name} must be one of {', '.join(values)}.")
        for name in ("lease", "min_interval", "longest_hold"):
            if getattr(self, name) <= 0:
                raise InvalidSetting(f"pollers_{name} must be more than 0 seconds.")
        if self.attempt_events < 0:
            raise InvalidSetting("pollers_attempt_events must be 0 or more.")
        if not self.prefix or set(self.prefix) & set("{}* "):
            raise InvalidSetting("pollers_prefix must be a word without braces, stars or spaces.")


def _celerys_redis(conf: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """Return the Redis that Celery uses as broker or result backend, if it does.

    Celery obeys two variables of its own before its configuration.
    """
    for variable, name in (("CELERY_BROKER_URL", "broker_url"), ("CELERY_RESULT_BACKEND", "result_backend")):
        url = str(environ.get(variable) or conf.get(name) or "")
        if url.startswith(("redis", "unix")):
            return url
    return DEFAULT_REDIS_URL


_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _mapping(raw: object) -> object:
    """Return a mapping as it is, or what its JSON text in a variable says."""
    return json.loads(raw) if isinstance(raw, str) else raw


def _convert(source: str, kind: str, raw: object) -> object:
    try:
        if kind == "int":
            return int(str(raw))
        if kind == "bool":
            return _BOOLEANS[str(raw).lower()]
        if kind == "Limits":
            return raw if isinstance(raw, Limits) else Limits.parse(_mapping(raw))
        if kind == "Breaker | None":
            return raw if isinstance(raw, Breaker) else Breaker.parse(_mapping(raw))
        if kind == "float":
            return parse_duration(raw)  # type: ignore[arg-type]  # it refuses what it cannot read
        return str(raw)
    except KeyError as error:
        raise InvalidSetting(f"{source} is {raw!r}; it should be true or false.") from error
    except (TypeError, ValueError) as error:
        raise InvalidSetting(f"{source} is {raw!r}: {error}") from error
