"""One fetch of a poll: what it brings from the poll's attempts before, and leaves for the next."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

import requests

from pollers.origin import full_origin
from pollers.transport import cookies
from pollers.transport.credentials import Credential, Keyring
from pollers.transport.failures import Refused
from pollers.transport.reach import Reach, Rules
from pollers.transport.request import Request


class Visit:
    """What belongs to the poll in a fetch, redirects included."""

    __slots__ = ("_cookies", "_home", "_renewed", "credential", "reach")

    def __init__(self, request: Request, kept: Mapping[str, Any] | None, rules: Rules) -> None:
        """``kept`` is what `kept` said after the attempt before."""
        #: What signs the requests, once it has been found.
        self.credential: Credential | None = None
        self._renewed = False
        self._cookies: cookies.Cookies = kept.get("cookies", {}) if kept else {}
        self._home = request.origin
        self.reach = Reach(rules, kept.get("seen", 0) if kept else 0, at_home=request.at_home)

    def find_credential(self, keyring: Keyring, name: str) -> None:
        """Take the credential that the poll names.

        Raises:
            Failed: It cannot be had, or may not be sent to the poll's origin.

        """
        found = keyring.find(name)
        if found.origins is not None and self._home not in found.origins:
            raise Refused(f"the credential {name!r} may not be sent to {self._home}")
        self.credential = found

    def outgoing(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        """Return a request as it is sent: itself, or a copy with what the poll holds for its origin."""
        sent = self._with_cookies(prepared) if self._cookies else prepared
        # What belongs to its origin does not come back to it by way of another one either.
        return self.credential.sign(sent) if self.credential and self.reach.at_home else sent

    def renew(self, refused: requests.PreparedRequest) -> bool:
        """Return whether a request that was answered 401 may do better when it is signed anew; once."""
        if self._renewed or self.credential is None or not self.reach.at_home:
            return False
        self._renewed = True
        return self.credential.renew(refused)

    def _with_cookies(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        header = cookies.header(self._cookies, prepared.url or "", time.time())
        if not header:
            return prepared
        sent = prepared.copy()
        own = prepared.headers.get("Cookie")
        sent.headers["Cookie"] = f"{own}; {header}" if own else header
        return sent

    def received(self, url: str, lines: Iterable[str]) -> None:
        """Keep the cookies of a response with these ``Set-Cookie`` lines."""
        self._cookies = cookies.remember(self._cookies, url, lines, time.time())

    def redirected(self, url: str) -> None:
        """Note that the fetch goes on at another URL."""
        if full_origin(url) != self._home:
            self.reach.at_home = False

    def kept(self) -> dict[str, Any] | None:
        """Return what the next attempt of the poll needs, as plain JSON; None for nothing."""
        seen = self.reach.seen
        if not seen and not self._cookies:
            return None
        return ({"seen": int(seen)} if seen else {}) | ({"cookies": self._cookies} if self._cookies else {})
