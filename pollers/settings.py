"""The settings of pollers, read once from Celery's configuration and the environment.

Every setting is a Celery setting with the prefix ``pollers_`` and an environment variable with the
prefix ``POLLERS_``; the environment wins, so that a deployment can override a file.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from typing import Any

from pollers.durations import parse_duration
from pollers.errors import InvalidSetting
from pollers.politeness import NO_LIMITS, Breaker, Limit, Limits
from pollers.redis_address import DEFAULT_REDIS_URL, check_address, check_broker, redis_address, setting
from pollers.sharding import parse_shards, prefix_of

#: How the URL of a proxy may begin; ``socks5h`` and ``socks4a`` let the proxy resolve names.
PROXIES = ("http://", "https://", "socks5h://", "socks5://", "socks4a://", "socks4://")
_HOST = re.compile(r"(\*\.)?[A-Za-z0-9._:-]+")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What a process needs to know to submit, dispatch and attempt polls."""

    #: URL of the Redis or Valkey that keeps the polls: ``redis://``, ``rediss://`` or ``unix://``.
    #: It becomes Celery's broker and result backend too, unless those are set; when it is not set
    #: itself, it is the Redis that they name, or the one on this machine.
    redis_url: str = DEFAULT_REDIS_URL
    #: First part of every key, inside the hash tag: ``{pollers}:schedule``.
    prefix: str = "pollers"
    #: How many schedules the polls are divided over by their ids, in the one store; or the URLs of the
    #: servers that have one each.
    shards: int | tuple[str, ...] = dataclasses.field(default=1, repr=False)
    #: How many of the shards, the last ones, take no new polls, so that they can be taken away.
    retired_shards: int = 0
    #: Most polls that one ``pollers.attempt`` task carries; 1 means strictly one attempt per task.
    pack_size: int = 100
    #: Most attempts in flight at once in one worker process.
    concurrency: int = 200
    #: Dispatched polls that may wait unbegun in a queue, for each worker that consumes it: never more
    #: than `concurrency`, and at least one pack. What is due beyond stays in the schedule, where it can
    #: still grow into larger packs.
    backlog: int = 200
    #: Seconds a dispatched pack, or a published outcome, has to be taken up before it is sent again.
    lease: float = 15.0
    #: Attempts in a row that may die with their workers, before the poll itself is taken for the
    #: reason and fails.
    max_crashes: int = 3
    #: Shortest interval in seconds that a poll may ask for.
    min_interval: float = 0.5
    #: Longest time in seconds that a service can ask to be left alone by ``Retry-After``.
    max_retry_after: float = 3600.0
    #: Largest body of an answer in bytes, after decompression.
    max_body: int = 1_048_576
    #: Whether private addresses are refused outright, for services that poll the URLs of their users.
    block_private: bool = False
    #: Hosts that may be polled: names, or ``*.example.com`` for all below one; empty for all.
    allowed_hosts: tuple[str, ...] = ()
    #: Hosts that may not be polled, in the same form.
    denied_hosts: tuple[str, ...] = ()
    #: Private networks that every poll may reach, with `block_private` as well: ``10.1.0.0/16``.
    allowed_networks: tuple[str, ...] = ()
    #: Networks that no poll may reach.
    denied_networks: tuple[str, ...] = ()
    #: ``User-Agent`` of every request; empty means ``pollers/<version>``.
    user_agent: str = ""
    #: The file of credentials, TOML or JSON, that this process may use in polls; empty for none.
    credentials_file: str = ""
    #: Names of all credentials that the workers hold, so that a poll that names another is refused at
    #: submission; empty leaves it to the workers.
    credentials: tuple[str, ...] = ()
    #: URL of the proxy that all requests go through, HTTP or SOCKS; empty leaves it to ``HTTP_PROXY`` and
    #: ``HTTPS_PROXY``.
    proxy: str = dataclasses.field(default="", repr=False)
    #: Attempts a second that one worker process shows to monitors such as Flower at most. The first
    #: attempt and the end of every poll are shown beside; 0 shows ends only.
    attempt_events: int = 100
    #: Where a worker serves metrics to Prometheus: ``9808``, or ``0.0.0.0:9808``; empty for nowhere.
    metrics_port: str = ""
    #: Whether monitors are shown the packs, too: a row for each ``pollers.attempt``, up to 25 a second of
    #: each worker process.
    pack_events: bool = False
    #: Attempts of each poll that are remembered with their answers; 0 remembers none.
    history: int = 20
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
    #: How workers write their log: ``text``, as Celery does, or ``json``, a line of JSON for each record.
    log_format: str = "text"
    #: Seconds of attempts that one line of a worker process's log sums up; 0 for no such lines.
    log_summary: float = 60.0
    #: Whether polls are traced by OpenTelemetry, where they are submitted and in workers.
    tracing: bool = False
    #: The attempts that have a span of their own: ``notable`` ones, the first, the last and those with
    #: errors, or ``all``.
    trace_attempts: str = "notable"

    @classmethod
    def read(cls, conf: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
        """Read the settings from a Celery configuration and an environment.

        Raises:
            InvalidSetting: A value does not have the form the setting needs; the message names it.

        """
        values: dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            source, raw = setting(field.name, conf, environ)
            if field.name == "proxy" and source.startswith("pollers_") and "@" in str(raw):
                raise InvalidSetting(
                    f"{source} has a password, and monitors show the configuration; "
                    f"set {source.upper()} instead."
                )
            if raw is not None:
                values[field.name] = _convert(source, field, raw)
        source, values["redis_url"] = redis_address(conf, environ)
        check_address(source, values["redis_url"])
        check_broker(source, values["redis_url"], conf, environ)
        settings = cls(**values)
        settings.check()
        return settings

    def by_shard(self) -> list[Settings]:
        """Return the settings of each shard: its server and prefix, and its part of the backlog."""
        urls = self.shards if isinstance(self.shards, tuple) else (self.redis_url,) * self.shards
        several = isinstance(self.shards, int)
        return [
            dataclasses.replace(
                self,
                redis_url=url,
                prefix=prefix_of(self.prefix, number) if several else self.prefix,
                shards=len(urls),
                backlog=max(1, self.backlog // len(urls)),
            )
            for number, url in enumerate(urls)
        ]

    def check(self) -> None:
        """Raise `InvalidSetting` when a value is outside its range."""
        for name in ("pack_size", "concurrency", "backlog", "max_crashes", "max_body"):
            if getattr(self, name) < 1:
                raise InvalidSetting(f"pollers_{name} must be 1 or more.")
        for name, values in _CHOICES.items():
            if getattr(self, name) not in values:
                raise InvalidSetting(f"pollers_{name} must be one of {', '.join(values)}.")
        for name in ("lease", "min_interval", "max_retry_after", "longest_hold"):
            if getattr(self, name) <= 0:
                raise InvalidSetting(f"pollers_{name} must be more than 0 seconds.")
        shards = self.by_shard()
        if not 0 <= self.retired_shards < len(shards):
            raise InvalidSetting("pollers_retired_shards must be 0 or more, and less than there are shards.")
        for one in shards:
            check_address("pollers_shards", one.redis_url)
        for name, text in self.limits.by_name:
            try:
                Limit.parse(text).shared(len(shards))
            except ValueError as error:
                raise InvalidSetting(f"pollers_limits: the limit {name!r} {error}.") from error
        for name in ("attempt_events", "history", "log_summary"):
            if getattr(self, name) < 0:
                raise InvalidSetting(f"pollers_{name} must be 0 or more.")
        for name in ("allowed_networks", "denied_networks"):
            for network in getattr(self, name):
                try:
                    ip_network(network)
                except ValueError as error:
                    raise InvalidSetting(f"pollers_{name} has {network!r}: {error}.") from error
        for name in ("allowed_hosts", "denied_hosts"):
            for host in getattr(self, name):
                if not _HOST.fullmatch(host):
                    raise InvalidSetting(
                        f"pollers_{name} has {host!r}; a host is a name in ASCII (xn--...), or *.example.com."
                    )
        if self.metrics_port:
            listening_address(self.metrics_port)
        if self.proxy and not self.proxy.lower().startswith(PROXIES):
            raise InvalidSetting(f"pollers_proxy must be a URL that begins with {', '.join(PROXIES)}.")
        if not self.prefix or set(self.prefix) & set("{}* "):
            raise InvalidSetting("pollers_prefix must be a word without braces, stars or spaces.")


def listening_address(text: str) -> tuple[str, int]:
    """Return host and port of ``9808`` or ``0.0.0.0:9808``; the host is this machine's own without one.

    Raises:
        InvalidSetting: It is neither.

    """
    host, _, port = text.strip().rpartition(":")
    if not re.fullmatch(r"\d{1,5}", port, re.ASCII) or not 0 < int(port) < 65536:
        raise InvalidSetting(
            f"{text!r:.60} is no place for pollers_metrics_port; it should be a port, or host:port."
        )
    return host.strip("[]") or "127.0.0.1", int(port)


def misspelt(conf: Iterable[Any], environ: Iterable[str]) -> list[str]:
    """Return a sentence for each name of a setting or variable that looks like one of ours and is none."""
    names = {field.name for field in dataclasses.fields(Settings)}
    variables = {name.upper() for name in names}
    told = []
    for prefix, known, given in (("pollers_", names, conf), ("POLLERS_", variables, environ)):
        for name in given:
            if not isinstance(name, str) or not name.startswith(prefix):
                continue
            ours = name.removeprefix(prefix)
            if ours in known or ours.startswith("CREDENTIAL_"):
                continue
            if near := difflib.get_close_matches(ours, known, n=1, cutoff=0.75):
                told.append(f"{name} is not a setting of pollers; did you mean {prefix}{near[0]}?")
            elif known is names:
                # A variable may be another's: Kubernetes sets some for a service that is called pollers.
                told.append(f"{name} is not a setting of pollers.")
    return told


def _convert(source: str, field: dataclasses.Field[Any], raw: object) -> object:
    if field.type == "int":
        if not re.fullmatch(r"\s*-?\d{1,15}\s*", str(raw), re.ASCII):
            hint = f"it should be a whole number, such as {field.default}."
            raise InvalidSetting(f"{source} is {raw!r}; {hint}")
        return int(str(raw))
    if field.type == "float":
        try:
            return parse_duration(raw)  # type: ignore[arg-type]  # it refuses what it cannot read
        except ValueError as error:
            raise InvalidSetting(f"{source}: {error}.") from error
    try:
        if field.type == "bool":
            return _yes_or_no(raw)
        if field.type == "tuple[str, ...]":
            return _listed(raw)
        if field.type == "int | tuple[str, ...]":
            return parse_shards(raw)
        if field.type == "Limits":
            return raw if isinstance(raw, Limits) else Limits.parse(_mapping(raw))
        if field.type == "Breaker | None":
            return raw if isinstance(raw, Breaker) else Breaker.parse(_mapping(raw))
    except ValueError as error:
        # URLs may have passwords.
        shown = "" if field.name == "shards" else f" is {raw!r}"
        raise InvalidSetting(f"{source}{shown}: {error}.") from error
    return str(raw)


def _mapping(raw: object) -> object:
    """Return a mapping as it is, or what its JSON text in a variable says."""
    return json.loads(raw) if isinstance(raw, str) else raw


def _yes_or_no(raw: object) -> bool:
    text = str(raw).strip().lower()
    if text not in _WORDS:
        raise ValueError("it should be true or false")
    return _WORDS[text]


def _listed(raw: object) -> tuple[str, ...]:
    """Return a list of names, from a list or from text with commas."""
    names = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(names, list | tuple | set | frozenset):
        raise ValueError("it should be a list of names, or text with commas between them")
    return tuple(str(name).strip() for name in names if str(name).strip())


_CHOICES = {
    "hold": ("origin", "poll"),
    "open_breaker": ("attempt", "wait"),
    "log_format": ("text", "json"),
    "trace_attempts": ("notable", "all"),
}
_WORDS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
