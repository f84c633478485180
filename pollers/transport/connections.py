"""Connections: urllib3's, to addresses that the request may reach, watched, and kept for the next one."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import sys
import threading
from collections import OrderedDict, deque
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection
from urllib3.util.ssl_ import create_urllib3_context

from pollers.transport.peer import Peer
from pollers.transport.reach import Reach
from pollers.transport.resolution import within
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
    #: Whether a SOCKS proxy connects.
    proxied = False

    def _new_conn(self) -> socket.socket:
        reach = current.reach
        if reach is None or self.proxied or self.proxy is not None:
            return super()._new_conn()
        try:
            addresses = within(remaining_time(), lambda: reach.addresses(self._dns_host, self.port))
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"no address of {self.host} in time") from error
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

    def resume(self) -> None:
        """Use the connection for one request more."""
        # It may have been made for a poll that may reach more than this one.
        if self.address and current.reach is not None:
            current.reach.admit(self.address)
        if current.guard is not None:
            current.guard.reused = True
            current.guard.watch(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            self.resume()
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


WatchedConnection = WatchedHTTPConnection | WatchedHTTPSConnection


class Connections:
    """Open connections that no request uses, by peer; shared by all threads."""

    def __init__(self, peers: int, each: int, ca_bundle: str) -> None:
        """Keep connections to so many ``peers``, and so many ``each``; trust a file or directory of CAs."""
        self._peers = peers
        self._each = each
        self._idle: OrderedDict[Peer, deque[WatchedConnection]] = OrderedDict()
        self._lock = threading.Lock()
        self._ca_bundle = ca_bundle
        self._tls: ssl.SSLContext | None = None

    def take(self, peer: Peer) -> WatchedConnection | None:
        """Return a kept connection that is still open, the one used last first; None when there is none."""
        while (connection := self._last_used(peer)) is not None:
            if connection.is_connected:
                return connection
            connection.close()
        return None

    def open(self, peer: Peer) -> WatchedConnection:
        """Connect to a peer, within the time of the request that this thread is sending."""
        timeout = remaining_time()
        connection: WatchedConnection
        if peer.scheme == "https":
            connection = WatchedHTTPSConnection(
                peer.host, peer.port, timeout=timeout, ssl_context=self._tls_context()
            )
        else:
            connection = WatchedHTTPConnection(peer.host, peer.port, timeout=timeout)
        connection.connect()
        return connection

    def keep(self, peer: Peer, connection: WatchedConnection) -> None:
        """Keep a connection for the next request; the peer that was used longest ago makes room."""
        surplus: deque[WatchedConnection] = deque()
        with self._lock:
            idle = self._idle.get(peer)
            if idle is None:
                idle = self._idle[peer] = deque()
                if len(self._idle) > self._peers:
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

    def _last_used(self, peer: Peer) -> WatchedConnection | None:
        with self._lock:
            idle = self._idle.get(peer)
            if not idle:
                return None
            self._idle.move_to_end(peer)
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
