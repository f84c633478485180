"""Begin and settle: at most one attempt of a poll counts at a time."""

from tests.store.conftest import World


def test_a_begun_attempt_runs(world: World) -> None:
    """Its lease covers the span of the attempt and something more."""
    world.admit("p", span=10.0)
    _, record = world.begin("p")
    assert (record.state, record.attempt) == ("running", 1)
    assert 14 < world.due_in("p") <= 15.1


def test_a_second_copy_of_a_message_begins_nothing(world: World) -> None:
    """A message delivered twice makes one attempt."""
    world.admit("p")
    pack, _ = world.begin("p")
    assert world.store.begin(pack).polls == []


def test_a_stale_message_begins_nothing(world: World) -> None:
    """One that was overtaken by a whole attempt is refused too."""
    world.admit("p")
    pack, _ = world.begin("p")
    world.settle("p")
    assert world.store.begin(pack).polls == []


def test_no_attempt_begins_after_the_deadline(world: World) -> None:
    """Even when its message was sent before."""
    world.admit("p", timeout=0.02)
    (pack,) = world.dispatch()
    world.let_expire("p")
    assert world.store.begin(pack).polls == []


def test_a_settled_attempt_is_re_enqueued_with_its_countdown(world: World) -> None:
    """The poll waits in the schedule for its next due time."""
    world.admit("p", timeout=600)
    world.begin("p")
    assert world.settle("p", progress='{"errors":1}', answer='[200,"x",1,2]') is True
    assert world.record("p").state == "waiting"
    assert world.record("p").progress == '{"errors":1}'
    assert 58 < world.due_in("p") <= 60


def test_a_due_time_past_the_deadline_becomes_the_deadline(world: World) -> None:
    """So that the poll is looked at when it ends."""
    world.admit("p", timeout=5.0)
    world.begin("p")
    world.settle("p")
    assert world.due_in("p") <= 5


def test_an_attempt_settles_once(world: World) -> None:
    """The second settlement of the same attempt is refused and changes nothing."""
    world.admit("p")
    world.begin("p")
    assert world.settle("p") is True
    assert world.settle("p", state="failed", outcome="{}") is False
    assert world.record("p").state == "waiting"


def test_a_late_settle_is_refused(world: World) -> None:
    """After a cancel the result of the running attempt does not count."""
    world.admit("p")
    world.begin("p")
    world.store.cancel("p")
    assert world.settle("p", state="succeeded", outcome='{"value":1}') is False
    assert world.record("p").state == "cancelled"


def test_a_terminal_settlement_ends_the_poll(world: World) -> None:
    """It leaves the schedule, waits for delivery, and the caller gets the record to publish."""
    world.admit("p", held='{"chain":[]}')
    world.begin("p")
    record = world.settle("p", state="succeeded", outcome='{"value":42}')
    assert not isinstance(record, bool)
    assert (record.state, record.outcome, record.held) == ("succeeded", '{"value":42}', '{"chain":[]}')
    assert not world.scheduled("p")
    assert world.releasing("p")


def test_attempts_of_many_polls_settle_in_one_call(world: World) -> None:
    """Each by its own fence."""
    from pollers.store import Settlement

    for name in ("a", "b", "c"):
        world.admit(name)
    (pack,) = world.dispatch()
    world.store.begin(pack)
    world.store.cancel("b")
    results = world.store.settle(
        [Settlement(name, 1, "failed", 0, "", "", '{"error":"PollFailed","reason":"x"}') for name in "abc"]
    )
    assert [result if isinstance(result, bool) else result.state for result in results] == [
        "failed",
        False,
        "failed",
    ]
