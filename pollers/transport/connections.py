"""Connections: made by urllib3, kept by origin for the next request, their sockets shown to the watchdog."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections import OrderedDict, deque
from typing import Any, NamedTuple

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssl_ import create_urllib3_context

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


class Origin(NamedTuple):
    """Whom a connection leads to (RFC 6454)."""

    scheme: str
    host: str
    port: int


class Connections:
    """Open connections that no request uses, by origin; shared by all threads."""

    def __init__(self, origins: int, each: int, ca_bundle: str) -> None:
        """Keep connections to so many ``origins``, and so many ``each``; trust a file or directory of CAs."""
        self._origins = origins
        self._each = each
        self._idle: OrderedDict[Origin, deque[HTTPConnection]] = OrderedDict()
        self._lock = threading.Lock()
        self._ca_bundle = ca_bundle
        self._tls: ssl.SSLContext | None = None

    def take(self, origin: Origin) -> HTTPConnection | None:
        """Return a kept connection that is still open, the one used last first; None when there is none."""
        while (connection := self._last_used(origin)) is not None:
            if connection.is_connected:
                return connection
            connection.close()
        return None

    def open(self, origin: Origin, timeout: float) -> HTTPConnection:
        """Connect to an origin within ``timeout`` seconds."""
        connection: HTTPConnection
        if origin.scheme == "https":
            connection = WatchedHTTPSConnection(
                origin.host, origin.port, timeout=timeout, ssl_context=self._tls_context()
            )
        else:
            connection = WatchedHTTPConnection(origin.host, origin.port, timeout=timeout)
        connection.connect()
        return connection

    def keep(self, origin: Origin, connection: HTTPConnection) -> None:
        """Keep a connection for the next request; the origin that was used longest ago makes room."""
        surplus: deque[HTTPConnection] = deque()
        with self._lock:
            idle = self._idle.get(origin)
            if idle is None:
                idle = self._idle[origin] = deque()
                if len(self._idle) > self._origins:
                    _, surplus = self._idle.popitem(last=False)
            if len(idle) < self._each:
                idle.append(connection)
            else:
                surplus.append(connection)
        for one in surplus:
            one.close()

    def close(self) -> None:
        """Close all that are kept."""
        with self._lock:
            kept, self._idle = self._idle, OrderedDict()
        for idle in kept.values():
            for connection in idle:
                connection.close()

    def _last_used(self, origin: Origin) -> HTTPConnection | None:
        with self._lock:
            idle = self._idle.get(origin)
            if not idle:
                return None
            self._idle.move_to_end(origin)
            return idle.pop()

    def _tls_context(self) -> ssl.SSLContext:
        # Made when it is first needed: reading the bundle takes tens of milliseconds.
        if self._tls is None:
            context = create_urllib3_context()
            if os.path.isdir(self._ca_bundle):  # noqa: PTH112  # as requests asks
                context.load_verify_locations(capath=self._ca_bundle)
            else:
                context.load_verify_locations(cafile=self._ca_bundle)
            self._tls = context
        return self._tls
