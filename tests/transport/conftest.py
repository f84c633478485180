"""What the tests of the transport share."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from pollers.transport import Transport
from tests.endpoints import Endpoint
from tests.transport.wire import Hold


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


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> Hold:
    """Return a function that puts the credential ``x`` into the environment."""
    return lambda **fields: monkeypatch.setenv("POLLERS_CREDENTIAL_X", json.dumps(fields))
