"""One fetch of a poll: what it brings from the poll's attempts before, and leaves for the next."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import requests

from pollers.transport import cookies
from pollers.transport.origin import origin
from pollers.transport.reach import Reach, Rules
from pollers.transport.request import Request


class Visit:
    """What belongs to the poll in a fetch, redirects included."""

    __slots__ = ("_cookies", "_home", "reach")

    def __init__(self, request: Request, kept: Mapping[str, Any] | None, rules: Rules) -> None:
        """``kept`` is what `kept` said after the attempt before."""
        self._cookies: cookies.Cookies = kept.get("cookies", {}) if kept else {}
        self._home = request.origin
        self.reach = Reach(rules, kept.get("seen", 0) if kept else 0, at_home=request.at_home)

    def outgoing(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        """Return a request as it is sent: itself, or a copy with what the poll holds for its origin."""
        if not self._cookies:
            return prepared
        header = cookies.header(self._cookies, prepared.url or "", time.time())
        if not header:
            return prepared
        sent = prepared.copy()
        own = prepared.headers.get("Cookie")
        sent.headers["Cookie"] = f"{own}; {header}" if own else header
        return sent

    def received(self, url: str, response: requests.Response) -> None:
        """Keep the cookies of a response."""
        lines = response.raw.headers.getlist("Set-Cookie")
        self._cookies = cookies.remember(self._cookies, url, lines, time.time())

    def redirected(self, url: str) -> None:
        """Note that the fetch goes on at another URL."""
        if origin(url) != self._home:
            self.reach.at_home = False

    def kept(self) -> dict[str, Any] | None:
        """Return what the next attempt of the poll needs, as plain JSON; None for nothing."""
        seen = self.reach.seen
        if not seen and not self._cookies:
            return None
        return ({"seen": int(seen)} if seen else {}) | ({"cookies": self._cookies} if self._cookies else {})
