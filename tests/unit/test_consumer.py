"""What the worker's event loop meets on a channel that is closed, and on a queue that others write to."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from pollers.consumer import Consumer


def run(loop: object) -> int:
    """Run a loop as the consumer does; return how many malformed messages were noted."""
    noted: list[None] = []
    consumer = SimpleNamespace(_note_malformed=lambda: noted.append(None))
    with pytest.raises(ConnectionError):
        Consumer._reconnecting(consumer, loop)  # type: ignore[arg-type]
    return len(noted)


def test_an_acknowledgement_on_a_closed_channel_is_a_lost_connection() -> None:
    """Celery then makes a new one; with the error of kombu's own, the worker would end."""
    # As kombu does with its client that is gone.
    assert run(lambda: None.hostname) == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("message", ["not json", "[1]", "{}"])
def test_what_is_no_message_is_counted_and_ends_the_connection_only(message: str) -> None:
    """As kombu reads it off the queue."""
    assert run(lambda: json.loads(message)["properties"]) == 1
