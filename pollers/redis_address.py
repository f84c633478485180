"""Where the polls are kept: the URL of a Redis, out of what is configured. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pollers.errors import InvalidSetting
from pollers.redaction import redact_url
from pollers.sharding import parse_shards

DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"
#: How the URL of a Redis Cluster begins: any node of it, which names the others.
CLUSTER_SCHEMES = ("redis+cluster", "rediss+cluster")
#: How the URL of a Redis may begin; ``redis+socket`` and ``socket`` are Celery's words for ``unix``.
SCHEMES = ("redis", "rediss", "unix", "redis+socket", "socket", *CLUSTER_SCHEMES)
#: What ``ssl_cert_reqs`` may be; Celery writes it in capitals, with ``CERT_`` before it.
CERT_REQS = ("required", "optional", "none")


def setting(name: str, conf: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[str, Any]:
    """Return the name that a setting was given by, and its value; None when it was not."""
    variable = f"POLLERS_{name.upper()}"
    if environ.get(variable):
        return variable, environ[variable]
    return f"pollers_{name}", conf.get(f"pollers_{name}")


def redis_address(conf: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[str, str]:
    """Return where the URL of the Redis is from, and the URL.

    It is our setting, else the one that Celery uses, else the first of the shards that have a server each.
    """
    source, url = setting("redis_url", conf, environ)
    if url is not None:
        return source, str(url)
    # Celery obeys two variables of its own before its configuration.
    for variable, name in (("CELERY_BROKER_URL", "broker_url"), ("CELERY_RESULT_BACKEND", "result_backend")):
        source = variable if environ.get(variable) else name
        # Several brokers, to fall back on, are separated by semicolons.
        url = str(environ.get(variable) or conf.get(name) or "").split(";")[0]
        if url.startswith(("redis", "unix")):
            return source, url
    source, shards = setting("shards", conf, environ)
    try:
        urls = parse_shards(shards)
    except ValueError:
        return "pollers_redis_url", DEFAULT_REDIS_URL
    return (source, urls[0]) if isinstance(urls, tuple) else ("pollers_redis_url", DEFAULT_REDIS_URL)


def is_cluster(url: str) -> bool:
    """Return whether a URL is that of a Redis Cluster."""
    return url.startswith(tuple(f"{scheme}://" for scheme in CLUSTER_SCHEMES))


def check_address(source: str, url: str) -> None:
    """Refuse what is no URL of a Redis, or what would be taken for another one, or not be understood later.

    Raises:
        InvalidSetting: It is none; the message names its source.

    """
    try:
        parts = urlsplit(url)
        scheme, port = parts.scheme, parts.port
        database = parts.path.strip("/") if "unix" not in scheme and "socket" not in scheme else ""
    except ValueError:
        scheme, port, database = "redis", 0, ""  # refused below, before its options
    if scheme not in SCHEMES:
        raise InvalidSetting(
            f"{source} is {redact_url(url)!r}, which is not a Redis URL; "
            "it should begin with redis://, rediss:// or unix://."
        )
    if port == 0 or not (database == "" or database.isdecimal()):
        raise InvalidSetting(
            f"{source} is {redact_url(url)!r}; its port and its database should be numbers, "
            f"as in {DEFAULT_REDIS_URL}."
        )
    for wanted in parse_qs(parts.query).get("ssl_cert_reqs", ()):
        if wanted.lower().removeprefix("cert_") not in CERT_REQS:
            raise InvalidSetting(
                f"{source} is {redact_url(url)!r}; its ssl_cert_reqs should be {', '.join(CERT_REQS)}."
            )
    if is_cluster(url) and database.strip("0"):
        raise InvalidSetting(f"{source} is {redact_url(url)!r}; a Redis Cluster has no databases.")


def check_broker(source: str, url: str, conf: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    """Refuse a Redis Cluster beside which there is nothing that Celery could use as its broker.

    Raises:
        InvalidSetting: The cluster is all there is.

    """
    broker = str(environ.get("CELERY_BROKER_URL") or conf.get("broker_url") or "")
    if is_cluster(url) and (not broker or is_cluster(broker)):
        raise InvalidSetting(
            f"{source} is {redact_url(url)!r}, and Celery cannot have a Redis Cluster as its broker: set "
            "broker_url and result_backend to another Redis, or to what else Celery speaks to."
        )
