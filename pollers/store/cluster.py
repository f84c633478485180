"""Connections to the node of a Redis Cluster that has a shard: all its keys are in one slot, so on one node.

So a shard is used as a plain Redis is, with its pipelines, scripts and clock, at the cost of one. Only the
address is asked for, when a connection is made: a slot moves when a replica takes over, or somebody moves it.
"""

from __future__ import annotations

import threading
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.exceptions import MovedError, RedisClusterException
from redis.retry import Retry


class SlotFinder:
    """Knows which node has the slot of a key. Safe to share between threads."""

    def __init__(self, key: str, options: dict[str, Any]) -> None:
        self._key = key
        options = dict(options)
        #: Nodes to ask: the one of the URL, and then those that it names.
        self._known = [(str(options.pop("host", "localhost")), int(options.pop("port", 6379)))]
        self._options = {name: value for name, value in options.items() if name not in ("db", "retry")}
        self._address: tuple[str, int] | None = None
        self._lock = threading.Lock()

    def address(self) -> tuple[str, int]:
        """Return host and port of the node.

        Raises:
            redis.ConnectionError: No node answers, or none has the slot.

        """
        with self._lock:
            if self._address is None:
                self._address = self._ask()
            return self._address

    def forget(self) -> None:
        """Ask anew the next time."""
        with self._lock:
            self._address = None

    def _ask(self) -> tuple[str, int]:
        try:
            with redis.RedisCluster(
                startup_nodes=[ClusterNode(host, port) for host, port in self._known],
                require_full_coverage=False,
                retry=Retry(NoBackoff(), 0),
                **self._options,
            ) as cluster:
                self._known = [(node.host, int(node.port)) for node in cluster.get_nodes()]
                node = cluster.get_node_from_key(self._key)
        except RedisClusterException as error:
            raise redis.ConnectionError(f"the cluster does not say where {self._key} is: {error}") from error
        if node is None:
            raise redis.ConnectionError(f"no node of the cluster has {self._key}")
        return node.host, int(node.port)


class SlotConnection(redis.Connection):
    """A connection to the node that has the slot."""

    def __init__(self, *, finder: SlotFinder, **options: Any) -> None:
        super().__init__(**options)
        self._finder = finder

    def _connect(self) -> Any:
        self.host, self.port = self._finder.address()
        try:
            return super()._connect()
        except OSError:
            self._finder.forget()
            raise

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        """Read an answer; that the slot has moved ends the connection, and the client tries again."""
        try:
            return super().read_response(*arguments, **options)
        except MovedError as error:
            self._finder.forget()
            self.disconnect()
            raise redis.ConnectionError("the shard has moved to another node of the cluster") from error


class SlotTlsConnection(SlotConnection, redis.SSLConnection):
    """The same, by TLS."""


def follow_slot(client: redis.Redis, key: str) -> None:
    """Let a client of one node of a cluster use the node that has a key instead, wherever it moves."""
    pool = client.connection_pool
    tls = issubclass(pool.connection_class, redis.SSLConnection)
    options = {**pool.connection_kwargs, **({"ssl": True} if tls else {})}
    pool.connection_class = SlotTlsConnection if tls else SlotConnection
    pool.connection_kwargs["finder"] = SlotFinder(key, options)
