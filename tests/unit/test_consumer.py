"""What the worker's event loop meets on a channel that is closed."""

from __future__ import annotations

import pytest

from pollers.consumer import _reconnecting


def test_an_acknowledgement_on_a_closed_channel_is_a_lost_connection() -> None:
    """Celery then makes a new one; with the error of kombu's own, the worker would end."""

    def loop(connection: object) -> None:
        connection.hostname  # type: ignore[attr-defined]  # noqa: B018  # as kombu does with its client that is gone

    with pytest.raises(ConnectionError, match="closed connection"):
        _reconnecting(loop, None)
