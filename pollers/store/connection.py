"""The connection to Redis or Valkey, and what its errors mean to a user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pollers.errors import StoreUnavailable
from pollers.redaction import redact_url
from pollers.redis_address import is_cluster

#: Seconds without an answer after which Redis counts as unreachable. Scripts answer in milliseconds.
SOCKET_TIMEOUT = 5.0
#: Seconds in which a Redis that was away has to answer, to be back.
QUICK_TIMEOUT = 0.25
#: Seconds of idleness after which a pooled connection is tested before it is used.
HEALTH_CHECK_INTERVAL = 15

#: What a node of a cluster answers while a slot is moved, or has no node.
_CLUSTER_TROUBLE = (
    redis.exceptions.ClusterDownError,
    redis.exceptions.AskError,
    redis.exceptions.TryAgainError,
)


def connect(url: str, key: str, *, timeout: float = SOCKET_TIMEOUT) -> redis.Redis:
    """Return a client for the URL of a Redis; nothing is sent yet.

    ``key`` is one of those that it is for, which all are on one node of a cluster; ``timeout`` is how
    many seconds may pass without an answer.

    Raises:
        StoreUnavailable: The URL, or an option in it, is not one of a Redis.

    """
    try:
        client = redis.Redis.from_url(
            _redis_py_url(url),
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            health_check_interval=HEALTH_CHECK_INTERVAL,
            # Once and at once: for a pooled connection that the server has closed in the meantime.
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        )
    except (TypeError, ValueError) as error:
        raise StoreUnavailable(f"{redact_url(url)} is not the URL of a Redis: {error}") from error
    if is_cluster(url):
        from pollers.store.cluster import follow_slot  # takes 20 ms, and few have one

        follow_slot(client, key)
    return client


def must_answer(url: str, key: str) -> None:
    """Raise `StoreUnavailable` unless a Redis answers within a moment: to look again in an outage."""
    client = connect(url, key, timeout=QUICK_TIMEOUT)
    with client, translated_errors(client):
        client.ping()


@contextmanager
def translated_errors(client: redis.Redis) -> Iterator[None]:
    """Turn the client's errors into `StoreUnavailable`, with a sentence a user can act on.

    Raises:
        StoreUnavailable: Redis cannot be reached, or does not take writes.

    """
    try:
        yield
    except redis.exceptions.ReadOnlyError as error:
        raise StoreUnavailable(
            f"Redis at {place(client)} is a read-only replica; point POLLERS_REDIS_URL at the primary."
        ) from error
    except redis.exceptions.AuthenticationError as error:
        raise StoreUnavailable(f"Redis at {place(client)} refuses the login: {error}.") from error
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise StoreUnavailable(f"Redis at {place(client)} cannot be reached: {error}") from error
    except _CLUSTER_TROUBLE as error:
        raise StoreUnavailable(f"The cluster at {place(client)} is being rearranged: {error}") from error
    except redis.exceptions.ResponseError as error:
        if not refuses_writes(error):
            raise
        raise StoreUnavailable(f"Redis at {place(client)} takes no writes: {error}") from error


def refuses_writes(error: BaseException) -> bool:
    """Return whether an error says that Redis takes no writes at present, whatever is written."""
    # From inside a script some arrive as plain errors whose text quotes the code.
    return isinstance(error, (redis.exceptions.OutOfMemoryError, redis.exceptions.ReadOnlyError)) or any(
        code in str(error) for code in ("OOM ", "READONLY", "MISCONF", "LOADING", "NOREPLICAS")
    )


def place(client: redis.Redis) -> str:
    """Return where a client's server is: host and port, or the path of its socket."""
    options = client.connection_pool.connection_kwargs
    if "path" in options:
        return str(options["path"])
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"


def _redis_py_url(url: str) -> str:
    """Return the URL in redis-py's form: Celery writes ``unix`` and ``ssl_cert_reqs`` differently."""
    parts = urlsplit(url)
    scheme = {"redis+socket": "unix", "socket": "unix"}.get(parts.scheme, parts.scheme)
    scheme = scheme.removesuffix("+cluster")
    query = []
    for name, value in parse_qsl(parts.query):
        if name == "ssl_cert_reqs":
            query.append((name, value.lower().removeprefix("cert_")))
        else:
            query.append(("db" if name == "virtual_host" else name, value))
    return urlunsplit((scheme, parts.netloc, parts.path, urlencode(query), ""))
