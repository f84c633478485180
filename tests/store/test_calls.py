"""Calls of scripts: the connections that they keep never give an answer to the wrong call."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Connection

from pollers.errors import StoreUnavailable
from tests.store.conftest import World

NAME = "test-calls"


@pytest.fixture
def world(redis_url: str) -> Iterator[World]:
    """Return a world whose connections Redis knows by their name."""
    made = World(f"{redis_url}?client_name={NAME}")
    yield made
    made.store.client.close()


def connections(world: World) -> int:
    """Return how many connections the store has."""
    return sum(client["name"] == NAME for client in world.store.client.client_list())


def test_a_connection_is_kept_and_used_again(world: World) -> None:
    """One for calls that follow each other, more for those that come together."""
    world.admit("first")
    before = connections(world)
    for number in range(20):
        world.admit(f"p{number}")
    assert connections(world) == before
    with ThreadPoolExecutor(8) as pool:
        admitted = list(pool.map(lambda number: world.admit(f"q{number}"), range(200)))
    assert len(admitted) == 200
    assert connections(world) <= before + 7


def test_the_answer_to_an_interrupted_call_is_not_that_of_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C, or a soft time limit, between the question and its answer."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    world.admit("first")
    with monkeypatch.context() as context:
        context.setattr(Connection, "read_response", interrupted)
        with pytest.raises(KeyboardInterrupt):
            world.admit("interrupted")
    assert world.begin("first")[1].attempt == 1
    assert world.store.claim("unknown").verdict == "unknown"
    assert world.record("interrupted").state in ("waiting", "running")


def test_a_connection_that_redis_has_closed_is_made_anew(world: World) -> None:
    """As it does with idle ones, where it is told to."""
    world.admit("first")
    for client in world.store.client.client_list():
        if client["name"] == NAME:
            world.store.client.client_kill_filter(_id=client["id"], skipme=True)
    world.admit("second")
    assert world.record("second").state == "waiting"


def test_an_error_of_redis_keeps_the_connection(world: World) -> None:
    """It has answered; here, that it takes no writes."""
    world.admit("first")
    before = connections(world)
    world.store.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreUnavailable, match="memory"):
            world.admit("too much")
    finally:
        world.store.client.config_set("maxmemory", 0)
    world.admit("second")
    assert connections(world) == before


def test_a_fork_has_connections_of_its_own(world: World) -> None:
    """Both ask at once, and each gets its own answers."""
    world.admit("first")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for number in range(200):
                world.admit(f"c{number}")
                assert world.record(f"c{number}").attempt == 0
            code = 0
        finally:
            os._exit(code)
    for number in range(200):
        world.admit(f"p{number}")
        assert world.record(f"p{number}").attempt == 0
    assert os.waitpid(child, 0)[1] == 0
