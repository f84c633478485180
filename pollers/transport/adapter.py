"""The adapter of `requests`, for what takes more than a plain exchange: proxies."""

from __future__ import annotations

from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import ProxyManager

from pollers.transport.connections import WatchedHTTPConnection, WatchedHTTPSConnection


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
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(proxy, **kwargs)
        if proxy.lower().startswith("socks"):
            from pollers.transport.socks import POOLS

            manager.pool_classes_by_scheme = POOLS
        else:
            manager.pool_classes_by_scheme = _POOLS
        return manager
