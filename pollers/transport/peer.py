"""Whom a connection leads to."""

from __future__ import annotations

from typing import NamedTuple


class Peer(NamedTuple):
    """Scheme, host and port as a request names them."""

    scheme: str
    host: str
    port: int
