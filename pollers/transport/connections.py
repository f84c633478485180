"""Connections and their pools: urllib3's, to addresses that the request may reach, and watched."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.poolmanager import PoolManager, ProxyManager
from urllib3.util.connection import create_connection

from pollers.transport.reach import Reach
from pollers.transport.watchdog import Guard

#: Seconds of a request that nobody has given a time.
LONGEST = 10.0


class _Current(threading.local):
    """What goes for the request that this thread is sending."""

    #: Watches its time.
    guard: Guard | None = None
    #: Says which addresses it may reach.
    reach: Reach | None = None


current = _Current()


def remaining_time() -> float:
    """Return the seconds that are left to the request that this thread is sending."""
    return current.guard.remaining if current.guard is not None else LONGEST


class _ReachingConnection(HTTPConnection):
    """Connects to what the request may reach; a connection to a proxy is its owner's own business."""

    #: The address that is connected to; empty for a proxy's.
    address = ""

    def _new_conn(self) -> socket.socket:
        reach = current.reach
        if reach is None or self.proxy is not None:
            return super()._new_conn()
        try:
            addresses = reach.addresses(self._dns_host, self.port)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        # Each gets its share of the time: one that does not answer must not use up that of the next.
        for left in range(len(addresses), 1, -1):
            with contextlib.suppress(OSError):
                return self._connected(addresses[-left], remaining_time() / left)
        try:
            return self._connected(addresses[-1], remaining_time())
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"no connection to {self.host} in time") from error
        except OSError as error:
            raise NewConnectionError(self, f"Failed to establish a new connection: {error}") from error

    def _connected(self, address: str, timeout: float) -> socket.socket:
        self.address = address
        sock = create_connection(
            (address, self.port),
            max(0.001, timeout),
            source_address=self.source_address,
            socket_options=self.socket_options,
        )
        # What is sent and received has all the time again.
        sock.settimeout(max(0.001, remaining_time()))
        sys.audit("http.client.connect", self, self.host, self.port)
        return sock

    def request(self, *args: Any, **kwargs: Any) -> None:
        guard = current.guard
        if guard is not None and self.sock is not None:
            # A kept connection may have been made for a poll that may reach more than this one.
            if self.address and current.reach is not None:
                current.reach.admit(self.address)
            guard.reused = True
            guard.watch(self.sock)
        super().request(*args, **kwargs)


class WatchedHTTPConnection(_ReachingConnection):
    """An HTTP connection whose socket is watched while a request uses it."""

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        if current.guard is not None:
            current.guard.watch(sock)
        return sock


class WatchedHTTPSConnection(_ReachingConnection, HTTPSConnection):
    """An HTTPS connection whose socket is watched, from the handshake on."""

    def connect(self) -> None:
        self._handshake: socket.socket | None = None
        try:
            super().connect()
            if current.guard is not None:
                current.guard.watch(self.sock)
        finally:
            if self._handshake is not None:
                self._handshake.close()

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        if current.guard is not None:
            # The TLS socket will take over the descriptor and leave this object empty; a duplicate
            # lets the watchdog end a handshake too.
            self._handshake = sock.dup()
            current.guard.watch(self._handshake)
        return sock


class WatchedHTTPPool(HTTPConnectionPool):
    """Connections to one http origin."""

    ConnectionCls = WatchedHTTPConnection


class WatchedHTTPSPool(HTTPSConnectionPool):
    """Connections to one https origin."""

    ConnectionCls = WatchedHTTPSConnection


_POOLS = {"http": WatchedHTTPPool, "https": WatchedHTTPSPool}


class WatchedAdapter(HTTPAdapter):
    """An adapter of `requests` that keeps watched connections, shared by all threads."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._watch(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(*args, **kwargs)
        self._watch(manager)
        return manager

    @staticmethod
    def _watch(manager: PoolManager) -> None:
        with contextlib.suppress(AttributeError):
            manager.pool_classes_by_scheme = _POOLS
