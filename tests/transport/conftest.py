"""What the tests of the transport share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pollers.transport import Transport
from tests.endpoints import Endpoint


@pytest.fixture
def transport() -> Iterator[Transport]:
    """Return a transport that reads 10,000 bytes of a body at most."""
    transport = Transport(max_body=10_000)
    yield transport
    transport.close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """Return an HTTP server of this test's own."""
    with Endpoint() as endpoint:
        yield endpoint
