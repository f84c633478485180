"""Flower as a child of `pollers dev` and of the demo: its port."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from pollers.cli.processes import ChildEnded, Children
from tests.conftest import free_port
from tests.waiting import wait_until


@pytest.fixture
def children(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Children]:
    """Return children whose application is at this test's Redis."""
    monkeypatch.setenv("POLLERS_REDIS_URL", redis_url)
    with Children(lambda _name, _line: None, stop_within=10) as started:
        yield started


@pytest.mark.slow
def test_flower_goes_to_the_next_port_when_somebody_was_quicker(children: Children) -> None:
    """As when two demos start at once: the port was free when it was looked for."""
    first = free_port()
    children.start_flower(first)
    assert children.flower_url == f"http://127.0.0.1:{first}"
    with socket.create_server(("127.0.0.1", first)):

        def answers() -> bool:
            children.check()
            return children.flower_answers()

        wait_until(answers, 40)
        assert children.flower_url != f"http://127.0.0.1:{first}"


@pytest.mark.slow
def test_flower_that_cannot_run_is_not_started_again(children: Children) -> None:
    """Its port is as free as before."""
    children.start_flower(free_port(), "--max_tasks=many")

    def ended() -> bool:
        try:
            children.check()
        except ChildEnded as error:
            return str(error).startswith("flower has ended with exit code ")
        return False

    wait_until(ended, 40)


def test_no_free_port_is_told(children: Children) -> None:
    """There is none above the last."""
    with (
        socket.create_server(("127.0.0.1", 65_535)),
        pytest.raises(ChildEnded, match="No port is free for Flower from 65535 on"),
    ):
        children.start_flower(65_535)
