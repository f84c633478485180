"""Dispatch: what is due is leased into packs, what is past its deadline ends, nothing falls out."""

from collections.abc import Callable

from tests.store.conftest import World
from tests.waiting import wait_until


def test_a_due_poll_goes_out_with_the_number_of_its_next_attempt(world: World) -> None:
    """The pack carries id, attempt and due time."""
    world.admit("p")
    (pack,) = world.dispatch()
    assert pack.polls[:2] == ["p", 1]
    assert pack.queue == ""


def test_a_dispatched_poll_stays_in_the_schedule_until_its_lease_ends(world: World) -> None:
    """It is re-scored, never removed."""
    world.admit("p")
    world.dispatch()
    assert 14 < world.due_in("p") <= 15
    assert world.dispatch() == []


def test_a_lost_message_costs_one_lease(hasty: World) -> None:
    """The same attempt is sent again when nobody began it."""
    hasty.admit("p")
    hasty.dispatch()
    wait_until(lambda: hasty.dispatch() != [], 5)
    assert hasty.record("p").attempt == 0


def test_packs_hold_no_more_polls_than_the_setting_says(make_world: Callable[..., World]) -> None:
    """Seven due polls make packs of three, three and one."""
    world = make_world(pack_size=3)
    for number in range(7):
        world.admit(f"p{number}")
    assert [len(pack.polls) // 3 for pack in world.dispatch()] == [3, 3, 1]


def test_a_backlog_stays_in_the_schedule(make_world: Callable[..., World]) -> None:
    """With two packs unbegun no third is sent; once one begins, what was due longest goes next."""
    world = make_world(pack_size=2, backlog=4)
    for number in range(6):
        world.admit(f"p{number}")
    first, second = world.dispatch()
    assert world.dispatch() == []
    world.store.begin(first)
    (third,) = world.dispatch()
    sent = [poll for pack in (first, second, third) for poll in pack.polls[::3]]
    assert sorted(sent) == [f"p{number}" for number in range(6)]


def test_parked_polls_go_out_in_the_order_they_were_due(make_world: Callable[..., World]) -> None:
    """Lateness is shared: nobody overtakes while there is a backlog."""
    world = make_world(pack_size=1, backlog=1)
    world.admit("first")
    (pack,) = world.dispatch()
    for name in ("b", "a", "c"):
        world.admit(name)
        admitted_ms = world.record(name).created_ms
        wait_until(lambda admitted_ms=admitted_ms: world.now_ms() > admitted_ms, 1)
        assert world.dispatch() == []
    order = []
    for _ in range(3):
        world.store.begin(pack)
        (pack,) = world.dispatch()
        order.append(pack.polls[0])
    assert order == ["b", "a", "c"]


def test_a_queue_without_workers_gets_no_messages(world: World) -> None:
    """Its polls are parked, and go out as soon as a worker consumes the queue."""
    world.admit("p", queue="far")
    assert world.dispatch(queues=("", "far"), consumed=False) == []
    assert world.store.dispatch("w2", "c", {"": True, "far": True}).packs[0].queue == "far"


def test_a_queue_that_the_caller_did_not_name_is_told(world: World) -> None:
    """So a dispatcher learns of new queues, and the poll is not touched meanwhile."""
    world.admit("p", queue="far")
    assert world.store.dispatch("w1", "c", {"": True}).unknown_queues == ["far"]
    assert world.due_in("p") <= 0


def test_a_poll_past_its_deadline_ends_without_an_attempt(world: World) -> None:
    """It goes to releases with the state that its spec asked for."""
    world.admit("p", timeout=0.05, delay=10.0)
    world.let_expire("p")
    assert world.record("p").state == "timed_out"
    assert world.record("p").attempt == 0
    assert world.releasing("p")
    assert not world.scheduled("p")


def test_a_parked_poll_ends_at_its_deadline(make_world: Callable[..., World]) -> None:
    """Even when no worker ever has room."""
    world = make_world(pack_size=1, backlog=1)
    world.admit("blocker")
    world.dispatch()
    world.admit("p", timeout=0.1)
    assert world.dispatch() == []
    world.let_expire("p")
    assert world.record("p").state == "timed_out"


def test_a_poll_that_succeeds_by_its_deadline_does(world: World) -> None:
    """`on_deadline="succeed"` is the state that the deadline brings."""
    world.admit("p", timeout=0.05, delay=10.0, lapse="succeeded")
    world.let_expire("p")
    assert world.record("p").state == "succeeded"


def test_an_attempt_whose_worker_died_is_taken_over(make_world: Callable[..., World]) -> None:
    """When the lease of a running attempt ends, the next attempt is due, with the next number."""
    world = make_world()
    world.admit("p", span=0.0)
    world.begin("p")
    world.store.client.zadd(world.store.keys.schedule, {"p": 1})  # the lease, over
    (again,) = world.dispatch()
    assert again.polls[:2] == ["p", 2]
    assert world.record("p").crashes == 1
    assert world.settle("p", attempt=1) is False


def test_a_running_attempt_may_settle_shortly_after_the_deadline(world: World) -> None:
    """The answer of a request that ended with the deadline still counts; later ones do not."""
    world.admit("p", timeout=0.2)
    world.begin("p")
    wait_until(lambda: world.now_ms() > world.record("p").deadline_ms, 2)
    world.dispatch()
    assert world.record("p").state == "running"
    assert world.settle("p", state="succeeded", outcome='{"value":1}')


def test_the_grace_of_a_running_attempt_ends(world: World) -> None:
    """Half a second after the deadline the poll has ended whatever its attempt does."""
    world.admit("p", timeout=0.1)
    world.begin("p")
    world.let_expire("p")
    record = world.record("p")
    assert record.state == "timed_out"
    assert record.ended_ms - record.deadline_ms < 1000
    assert world.settle("p", state="succeeded", outcome='{"value":1}') is False


def test_a_record_of_a_newer_version_is_left_alone(world: World) -> None:
    """It is put aside for a worker that can read it."""
    import msgpack

    world.admit("p")
    newer = msgpack.packb([99, "waiting", "of another shape"])
    world.store.client.hset(world.store.keys.polls, "p", newer)
    assert world.dispatch() == []
    assert world.store.client.hget(world.store.keys.polls, "p") == newer
    assert world.scheduled("p")


def test_a_schedule_entry_without_a_record_is_removed(world: World) -> None:
    """Somebody deleted the record by hand."""
    world.admit("p")
    world.store.client.hdel(world.store.keys.polls, "p")
    assert world.dispatch() == []
    assert not world.scheduled("p")


def test_the_next_due_time_is_told(world: World) -> None:
    """So the dispatcher can sleep until then."""
    assert world.store.dispatch("w1", "c", {"": True}).next_due_in is None
    world.admit("p", delay=30.0)
    due = world.store.dispatch("w1", "c", {"": True}).next_due_in
    assert due is not None
    assert 29 < due <= 30


def test_a_dispatch_tells_a_new_store_from_the_old_one(world: World) -> None:
    """By when its first poll was admitted; Redis was emptied in between."""

    def created() -> int:
        return world.store.dispatch("w1", "c", {"": True}).created_ms

    assert created() == 0
    world.admit("a")
    before = created()
    world.admit("b")
    assert created() == before > 0
    world.store.client.flushdb()
    assert created() == 0
    wait_until(lambda: world.now_ms() > before)
    world.admit("c")
    assert created() > before


def test_a_dispatch_takes_nothing_from_a_store_that_is_not_the_one_it_knows(world: World) -> None:
    """Redis was emptied, and has lost the limits: they come first."""
    world.admit("a")
    created = world.store.created_ms()
    for other in (0, created - 1):
        found = world.store.dispatch("w1", "c", {"": True}, created_ms=other)
        assert (found.packs, found.more, found.created_ms) == ([], True, created)
    assert len(world.store.dispatch("w1", "c", {"": True}, created_ms=created).packs) == 1
