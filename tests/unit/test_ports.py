"""The ports of the servers that tests start."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.conftest import free_port

#: Where Linux says which ports it gives to whoever asks for any.
ANY = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_a_port_is_given_once_and_to_nobody_else() -> None:
    """Not even by the system, although it is bound later."""
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    lowest = int(ANY.read_text().split()[0]) if ANY.exists() else 49_152
    assert max(ports) < lowest


def test_a_port_that_somebody_has_is_not_given() -> None:
    """The next one is."""
    taken = free_port() + 1
    with socket.create_server(("127.0.0.1", taken)):
        assert free_port() == taken + 1
