"""Watched connections through a SOCKS proxy; imported when there is one (it takes PySocks)."""

from __future__ import annotations

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.contrib.socks import SOCKSConnection, SOCKSHTTPSConnection

from pollers.transport.connections import WatchedHTTPConnection, WatchedHTTPSConnection


class WatchedSOCKSConnection(WatchedHTTPConnection, SOCKSConnection):
    """An HTTP connection that the proxy makes."""

    proxied = True


class WatchedSOCKSHTTPSConnection(WatchedHTTPSConnection, SOCKSHTTPSConnection):
    """An HTTPS connection that the proxy makes."""

    proxied = True


class WatchedSOCKSPool(HTTPConnectionPool):
    """Connections to one http origin."""

    ConnectionCls = WatchedSOCKSConnection


class WatchedSOCKSHTTPSPool(HTTPSConnectionPool):
    """Connections to one https origin."""

    ConnectionCls = WatchedSOCKSHTTPSConnection


POOLS = {"http": WatchedSOCKSPool, "https": WatchedSOCKSHTTPSPool}
