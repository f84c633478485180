"""What kind of place an address is, in all the forms that hide one."""

from __future__ import annotations

import pytest

from pollers.transport.addresses import Kind, kind_of

PUBLIC = ["8.8.8.8", "198.41.0.4", "2001:4860:4860::8888", "2a00:1450:4001::1", "192.88.99.2", "100.128.0.1"]
PRIVATE = [
    *("127.0.0.1", "127.255.0.9", "::1", "10.0.0.1", "172.31.255.255", "192.168.1.1"),
    *("100.64.0.1", "100.127.255.255", "192.0.2.1", "198.51.100.7", "203.0.113.9", "198.18.0.1"),
    *("fc00::1", "fd12:3456::1", "fec0::1", "feff::1", "2001:db8::1"),
]
FORBIDDEN = [
    *("169.254.169.254", "169.254.170.2", "169.254.0.1", "fe80::1", "fe80::1%eth0", "febf::1"),
    *("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"),
    *("fd00:42::42", "0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1"),
    *("240.0.0.1", "255.255.255.255"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    """Of the internet."""
    assert kind_of(address)[0] is Kind.PUBLIC


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses(address: str) -> None:
    """Loopback, RFC 1918, carrier-grade NAT, documentation, unique local, and site-local."""
    assert kind_of(address)[0] is Kind.PRIVATE


@pytest.mark.parametrize("address", FORBIDDEN)
def test_addresses_that_nobody_may_poll(address: str) -> None:
    """Metadata and platforms of clouds, link-local, multicast, and what is no host's."""
    kind, what = kind_of(address)
    assert kind is Kind.FORBIDDEN
    assert what


def _words(address: str) -> str:
    """Return an IPv4 address as the two last groups of an IPv6 address."""
    first, second, third, fourth = map(int, address.split("."))
    return f"{first:02x}{second:02x}:{third:02x}{fourth:02x}"


def _inverted(address: str) -> str:
    return ".".join(str(255 - int(part)) for part in address.split("."))


CARRIERS = {
    "IPv4-mapped": lambda address: f"::ffff:{address}",
    "NAT64": lambda address: f"64:ff9b::{address}",
    "6to4": lambda address: f"2002:{_words(address)}::1",
}
MORE_CARRIERS = CARRIERS | {
    "IPv4-translated": lambda address: f"::ffff:0:{address}",
    "IPv4-compatible": lambda address: f"::{address}",
    "NAT64 of a network's own": lambda address: f"64:ff9b:1::{address}",
    "ISATAP": lambda address: f"2001:4860::5efe:{address}",
    "ISATAP, universal": lambda address: f"2001:4860::200:5efe:{address}",
    "Teredo": lambda address: f"2001:0:4136:e378:8000:63bf:{_words(_inverted(address))}",
}


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize(
    ("address", "kind"), [("8.8.8.8", Kind.PUBLIC), ("10.0.0.1", Kind.PRIVATE), ("127.0.0.1", Kind.PRIVATE)]
)
def test_an_address_inside_another_counts(carrier: str, address: str, kind: Kind) -> None:
    """It is where the packets go."""
    assert kind_of(CARRIERS[carrier](address))[0] is kind


@pytest.mark.parametrize("carrier", MORE_CARRIERS)
@pytest.mark.parametrize("address", ["169.254.169.254", "168.63.129.16"])
def test_metadata_cannot_be_hidden_inside_another_address(carrier: str, address: str) -> None:
    """Of the addresses inside and the one outside, the worst counts."""
    assert kind_of(MORE_CARRIERS[carrier](address))[0] is Kind.FORBIDDEN


@pytest.mark.parametrize("carrier", MORE_CARRIERS)
def test_private_addresses_cannot_be_hidden_either(carrier: str) -> None:
    """In no form that is known."""
    assert kind_of(MORE_CARRIERS[carrier]("192.168.0.1"))[0] >= Kind.PRIVATE
