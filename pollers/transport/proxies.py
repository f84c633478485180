"""Which proxy a request goes through: by setting, else by environment as for `requests`."""

from __future__ import annotations

import os

from requests.utils import get_environ_proxies, select_proxy, should_bypass_proxies


class Proxies:
    """The proxies of one process. Hosts that ``NO_PROXY`` names are asked directly in any case."""

    def __init__(self, proxy: str = "") -> None:
        """``proxy`` is the URL of a proxy for everything; empty leaves it to the environment."""
        self._all = {"http": proxy, "https": proxy} if proxy else None
        # Read once: asking the environment costs more than a fast request.
        self._any = bool(proxy or get_environ_proxies("http://pollers.invalid/")) or any(
            name.lower().endswith("_proxy") and value for name, value in os.environ.items()
        )

    def of(self, url: str) -> dict[str, str] | None:
        """Return the proxies for a URL by scheme, None when it is asked directly."""
        if not self._any:
            return None
        if self._all is not None:
            return None if should_bypass_proxies(url, None) else self._all
        proxies: dict[str, str] = get_environ_proxies(url)
        return proxies if select_proxy(url, proxies) else None
