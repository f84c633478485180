"""The last attempts of a poll, beside its record."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pollers.answer import Answer
from pollers.attempt import Attempt, redis_clock, settlement_of
from pollers.errors import StoreUnavailable
from pollers.settings import Settings
from pollers.store import Store
from pollers.store.history import EXCERPT, read_history
from pollers.store.keys import Keys
from tests.store.conftest import World

SPEC = '{"url":"http://127.0.0.1/","until":"done","every":0.5}'


def attempt(world: World, body: bytes = b"{}", poll_id: str = "p") -> None:
    """Make an attempt of a poll as a worker does, with an answer that is given."""
    world.store.nudge(poll_id)
    _, record = world.begin(poll_id)
    answer = Answer(url="http://127.0.0.1/", status=200, headers={}, body=body, elapsed=0.03)
    settlement = settlement_of(Attempt(poll_id, record, redis_clock(world.now_ms())), answer, world.settings)
    assert settlement is not None
    assert world.store.settle([settlement])[0] is not False


def test_the_last_attempts_are_remembered(world: World) -> None:
    """Number, moment, status, milliseconds and excerpt of each, the latest last."""
    world.admit("p", spec=SPEC)
    for number in range(3):
        attempt(world, b'{"n": %d}' % number)

    entries = read_history(world.store, "p")

    assert [(one.attempt, one.status, one.elapsed_ms) for one in entries] == [
        (number, 200, 30) for number in (1, 2, 3)
    ]
    assert [one.excerpt for one in entries] == [f'{{"n": {number}}}' for number in range(3)]
    assert 0 <= world.now_ms() - entries[-1].at_ms < 5_000


@pytest.mark.parametrize("attempts", [5, 20, 29, 30, 31, 45])
def test_no_more_than_the_last_are_remembered(world: World, attempts: int) -> None:
    """An answer that stays the same is kept once in ten attempts, and is there with each of them."""
    world.admit("p", spec=SPEC)
    for number in range(attempts):
        attempt(world, b'{"phase": %d}' % (number // 7))

    entries = read_history(world.store, "p", 20)

    assert [one.attempt for one in entries] == list(range(attempts + 1))[-min(20, attempts) :]
    assert [one.excerpt for one in entries] == [f'{{"phase": {(one.attempt - 1) // 7}}}' for one in entries]
    assert len(read_history(world.store, "p")) < 30


def test_an_excerpt_is_short_and_without_secrets(world: World) -> None:
    """As is the last answer in the record."""
    world.admit("p", spec=SPEC)
    attempt(world, b'{"token": "abc", "rest": "' + b"x" * 500 + b'"}')

    (entry,) = read_history(world.store, "p")

    assert len(entry.excerpt) == EXCERPT
    assert entry.excerpt.startswith('{"token": "***", "rest": "xxx')
    assert "abc" not in world.record("p").answer


def test_a_poll_without_attempts_has_no_history(world: World) -> None:
    """Nor does it cost anything."""
    world.admit("p")
    assert read_history(world.store, "p") == []
    assert not world.store.client.exists(world.store.keys.history("p"))


def test_no_history_is_kept_where_none_is_wanted(make_world: Callable[..., World]) -> None:
    """With the setting at 0."""
    world = make_world(history=0)
    world.admit("p", spec=SPEC)
    attempt(world)
    assert not world.store.client.exists(world.store.keys.history("p"))
    assert world.record("p").last_answer() is not None


def test_an_attempt_that_was_refused_is_not_remembered(world: World) -> None:
    """What was settled twice is there once."""
    world.admit("p", spec=SPEC)
    attempt(world)
    assert world.settle("p", attempt=1, entry=b"again") is False
    assert len(read_history(world.store, "p")) == 1


def test_the_history_goes_with_the_record(world: World) -> None:
    """It expires with what is left of a delivered poll; where nothing is left, it goes at once."""
    for poll_id in ("p", "q"):
        world.admit(poll_id, spec=SPEC)
        attempt(world, b'{"done": true}', poll_id)
        assert len(read_history(world.store, poll_id)) == 1
    world.store.deliver("p", 60.0)
    world.store.deliver("q", 0.0)
    assert 50 < world.store.client.ttl(world.store.keys.history("p")) <= 60
    assert not world.store.client.exists(world.store.keys.history("q"))


def test_a_history_that_cannot_be_read_is_told_in_a_sentence() -> None:
    """As everything else that Redis does not answer."""
    store = Store.connect(Settings(redis_url="redis://127.0.0.1:1/0"))
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        read_history(store, "p")
    assert Keys("x").history("p") == "{x}:history:p"
