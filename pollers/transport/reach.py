"""The guard: which addresses and hosts a poll may reach.

It looks at the address that a connection is made to, whatever the URL, a redirect, a header or the
DNS has made of it: between the resolution of a name and the connection, and again when a kept
connection is used for another poll.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from pollers.transport.addresses import Kind, carried, kind_of
from pollers.transport.failures import Refused

#: `socket.getaddrinfo`, or what a test puts in its place.
Resolver = Callable[..., Sequence[tuple[Any, ...]]]


class Seen(IntEnum):
    """What addresses a poll has reached, as its progress keeps it."""

    #: None, or private ones alone.
    PRIVATE = 0
    #: Its own URL is at a public address: nothing may lead it to a private one.
    PUBLIC = 1
    #: Its own URL is at a private address, and from there it was led to a public one: from there it may
    #: not be led back inside.
    MIXED = 2


class Rules:
    """The rules of one process: where its polls may go."""

    def __init__(
        self,
        *,
        block_private: bool = False,
        allowed_hosts: Sequence[str] = (),
        denied_hosts: Sequence[str] = (),
        allowed_networks: Sequence[str] = (),
        denied_networks: Sequence[str] = (),
        resolve: Resolver | None = None,
    ) -> None:
        """``allowed_networks`` are private ones that any poll may be led to.

        Hosts are names, or ``*.example.com`` for all below a name. Without ``allowed_hosts``, all are.
        """
        # Not a default: by now gevent may have put its own in place.
        self.resolve = resolve or socket.getaddrinfo
        self._block_private = block_private
        self._allowed_hosts, self._denied_hosts = allowed_hosts, denied_hosts
        self._allowed = [ip_network(text) for text in allowed_networks]
        self._denied = [ip_network(text) for text in denied_networks]
        #: `_judge`, remembering what it said: it is asked at every attempt.
        self.judge = lru_cache(maxsize=4096)(self._judge)

    def check_host(self, host: str) -> None:
        """Raise `Refused` when polls may not go to a host by its name."""
        name = host.strip("[]").lower().rstrip(".")
        if any(_is_host(name, denied) for denied in self._denied_hosts):
            raise Refused(f"{name} is a denied host (pollers_denied_hosts)")
        if self._allowed_hosts and not any(_is_host(name, allowed) for allowed in self._allowed_hosts):
            raise Refused(f"{name} is no allowed host (pollers_allowed_hosts)")

    def _judge(self, text: str) -> Kind | None:
        """Return the kind of an address; None when any poll may be led there.

        Raises:
            Refused: No poll may reach it.

        """
        address = ip_address(text)
        if any(one in network for one in (address, *carried(address)) for network in self._denied):
            raise Refused(f"{text} is in a denied network (pollers_denied_networks)")
        kind, what = kind_of(text)
        if kind is Kind.FORBIDDEN:
            raise Refused(f"{text} may not be polled: it is {what}")
        if any(address in network for network in self._allowed):
            return None
        if kind is Kind.PRIVATE and self._block_private:
            raise Refused(f"{text} is {what} (pollers_block_private)")
        return kind


class Reach:
    """What one request may reach, given what its poll has reached before."""

    __slots__ = ("_led", "_rules", "at_home", "seen")

    def __init__(self, rules: Rules, seen: int, *, at_home: bool) -> None:
        self._rules = rules
        self.seen = seen
        #: Whether the request goes to the origin of the poll's own URL, and has not left it yet.
        self.at_home = at_home
        self._led = False

    def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host that may be connected to, public ones first.

        Raises:
            Refused: There are none.
            socket.gaierror: The host has no address.

        """
        self._rules.check_host(host)
        try:
            found = self._rules.resolve(host.strip("[]"), port, 0, socket.SOCK_STREAM)
        except UnicodeError as error:
            raise Refused(f"{host[:100]!r} is no host name") from error
        admitted, refusals = [], []
        # Where a name has both, it is a public one, and its private addresses are a trick.
        for address in sorted(dict.fromkeys(str(entry[4][0]) for entry in found), key=_kind_first):
            try:
                self.admit(address)
                admitted.append(address)
            except Refused as refusal:
                refusals.append(refusal)
        if not admitted:
            raise refusals[0] if refusals else socket.gaierror(f"{host} has no address")
        return admitted

    def behind_proxy(self, url: str) -> None:
        """Raise `Refused` when a proxy may not be asked for a URL.

        The proxy resolves names; what it may reach is its owner's to say. Addresses are known here.
        """
        host = urlsplit(url).hostname or ""
        self._rules.check_host(host)
        try:
            # Also the decimal, octal and hexadecimal forms that a proxy would understand.
            address = host if ":" in host else socket.inet_ntoa(socket.inet_aton(host))
            self.admit(address)
        except OSError:
            pass

    def admit(self, address: str) -> None:
        """Note that the request goes to an address; raise `Refused` when it may not."""
        kind = self._rules.judge(address)
        if kind is Kind.PUBLIC:
            if self.at_home:
                self.seen = Seen.PUBLIC
            elif self.seen == Seen.PRIVATE:
                self.seen = Seen.MIXED
            self._led = True
        elif kind is Kind.PRIVATE:
            led_here = not self.at_home and (self._led or self.seen == Seen.MIXED)
            if led_here or self.seen == Seen.PUBLIC:
                raise Refused(f"a public address may not lead to {address}, a private one")


def _is_host(name: str, pattern: str) -> bool:
    pattern = pattern.lower()
    return name.endswith(pattern[1:]) if pattern.startswith("*.") else name == pattern


def _kind_first(address: str) -> int:
    return kind_of(address)[0]
