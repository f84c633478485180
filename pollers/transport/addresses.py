"""What kind of place an IP address is: public, private, or one that no poll may reach.

`ipaddress.is_global` is not enough: it takes the addresses of cloud platforms, site-local ones, and
IPv6 addresses that carry a private IPv4 address inside for ordinary ones.
"""

from __future__ import annotations

from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network


class Kind(IntEnum):
    """Kinds of addresses; the greater is the more dangerous."""

    #: On the internet.
    PUBLIC = 0
    #: Of this machine, or of a network of its owner's.
    PRIVATE = 1
    #: Gives credentials or platform services to whoever asks, or is no address of a host at all.
    FORBIDDEN = 2


#: Networks that no poll may reach, and what they are. Those of clouds are from their documentation.
_FORBIDDEN = [
    (ip_network(network), what)
    for network, what in (
        ("0.0.0.0/8", "no address of a host"),
        ("168.63.129.16/32", "the platform address of Azure"),
        ("169.254.0.0/16", "link-local, where clouds keep their metadata"),
        ("192.0.0.192/32", "the metadata address of Oracle Cloud"),
        ("100.100.100.200/32", "the metadata address of Alibaba Cloud"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::/128", "no address of a host"),
        ("fe80::/10", "link-local"),
        ("fd00:ec2::/32", "the metadata and platform addresses of AWS"),
        ("fd20:ce::/32", "the metadata address of Google Cloud"),
        ("fd00:42::42/128", "the metadata address of Scaleway"),
        ("ff00::/8", "multicast"),
    )
]

#: Private, whatever the version of Python thinks: carrier-grade NAT (RFC 6598), site-local (RFC 3879),
#: NAT64 of a network's own (RFC 8215), and IPv4-compatible addresses (RFC 4291, section 2.5.5.1).
_PRIVATE = [ip_network(text) for text in ("100.64.0.0/10", "fec0::/10", "64:ff9b:1::/48", "::/96")]

#: Prefixes whose last 32 bits are the IPv4 address that is reached in the end: NAT64 (RFC 6052, and
#: RFC 8215 for a network's own), IPv4-compatible, and IPv4-translated (RFC 2765).
_CARRIERS = [ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96")]

#: Networks whose addresses are what is inside: IPv4-mapped, NAT64 and 6to4 (RFC 3056).
_ONLY_CARRIERS = [ip_network(text) for text in ("::ffff:0:0/96", "64:ff9b::/96", "2002::/16")]


def kind_of(text: str) -> tuple[Kind, str]:
    """Return the kind of an address as the resolver gave it, and what it is in words.

    Of an IPv6 address that carries IPv4 addresses, the most dangerous of all counts.

    Raises:
        ValueError: The text is no IP address.

    """
    address = ip_address(text)
    kinds = [_plain(inner) for inner in carried(address)]
    if not kinds or not any(address in network for network in _ONLY_CARRIERS):
        kinds.append(_plain(address))
    return max(kinds, key=lambda kind: kind[0])


def carried(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """Return the IPv4 addresses inside an IPv6 address."""
    if isinstance(address, IPv4Address) or address.is_loopback:
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    # ISATAP (RFC 5214, section 6.1): the interface is 0:5efe:<IPv4>, with or without the universal bit.
    isatap = (int(address) >> 32) & 0xFDFF_FFFF == 0x0000_5EFE
    if isatap or any(address in network for network in _CARRIERS):
        found.append(IPv4Address(int(address) & 0xFFFF_FFFF))
    return [inner for inner in found if inner is not None]


def _plain(address: IPv4Address | IPv6Address) -> tuple[Kind, str]:
    """Return the kind of an address, whatever it carries."""
    for network, what in _FORBIDDEN:
        if address in network:
            return Kind.FORBIDDEN, what
    if address.is_loopback:
        return Kind.PRIVATE, "an address of the worker's own machine"
    if not address.is_global or any(address in network for network in _PRIVATE):
        return Kind.PRIVATE, "a private address"
    return Kind.PUBLIC, "a public address"
