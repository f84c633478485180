"""Connections and their pools: urllib3's, with every socket shown to the watchdog."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.poolmanager import PoolManager, ProxyManager

from pollers.transport.watchdog import Guard


class _Current(threading.local):
    """The guard of the request that this thread is sending."""

    guard: Guard | None = None


current = _Current()


class WatchedHTTPConnection(HTTPConnection):
    """An HTTP connection whose socket is watched while a request uses it."""

    def _new_conn(self) -> socket.socket:
        # The place to look at the address that was connected to.
        sock = super()._new_conn()
        if current.guard is not None:
            current.guard.watch(sock)
        return sock

    def request(self, *args: Any, **kwargs: Any) -> None:
        if current.guard is not None and self.sock is not None:
            current.guard.reused = True
            current.guard.watch(self.sock)
        super().request(*args, **kwargs)


class WatchedHTTPSConnection(HTTPSConnection):
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

    def request(self, *args: Any, **kwargs: Any) -> None:
        if current.guard is not None and self.sock is not None:
            current.guard.reused = True
            current.guard.watch(self.sock)
        super().request(*args, **kwargs)


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
