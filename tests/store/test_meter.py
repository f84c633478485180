"""What processes count is added up in Redis: nothing twice, nothing without a bound."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from pollers.engine import Settled
from pollers.observe.counting import count_attempts
from pollers.observe.metrics import PollersCollector
from pollers.settings import Settings
from pollers.store import Pack, Record, Settlement, Store, Submission
from pollers.store.meter import MOST_ORIGINS, Meter
from pollers.store.overview import counters, overview
from pollers.store.traffic import configure
from tests.conftest import free_port
from tests.store.conftest import SPEC, World
from tests.waiting import wait_until


def settled(origin: str, answer: str, state: str = "waiting", *, accepted: bool = True) -> Settled:
    """Return an attempt that got an answer."""
    record = Record(2, "running", 1, 0, 0, 0, "timed_out", "", "{}", "", origin=origin)
    return Settled("p", record, Settlement("p", 1, state, 0, "", answer, ""), accepted)


def summed(world: World) -> dict[str, int]:
    """Return the sums of the system."""
    return counters(world.store, world.store.keys.metrics)


def metrics(world: World) -> dict[str, dict[tuple[str, ...], float]]:
    """Return the values of all samples by name and labels, sorted by the names of the labels."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in PollersCollector(world.store, "1").collect():
        for one in family.samples:
            labels = tuple(one.labels[name] for name in sorted(one.labels))
            found.setdefault(one.name, {})[labels] = one.value
    return found


def test_attempts_are_counted_by_origin_decision_and_status(world: World) -> None:
    """And the time of their requests, in buckets that double."""
    meter = Meter(world.store)
    count_attempts(
        meter,
        [
            settled("a", '[200,"ok",12,1]'),
            settled("a", '[200,"says [1, 2], \\"x\\"",100,1]'),
            settled("a", '[503,"",1,1]', "failed"),
            settled("a", '[null,"no route",0,1]', accepted=False),
            settled("", '[404,"",3,1]'),
        ],
    )
    meter.flush()
    meter.flush()
    told = metrics(world)
    assert told["pollers_attempts_total"] == {
        ("pending", "a", "2xx"): 2,
        ("failed", "a", "5xx"): 1,
        ("refused", "a", "none"): 1,
        ("pending", "other", "4xx"): 1,
    }
    assert told["pollers_request_duration_seconds_sum"] == {("a",): 0.113, ("other",): 0.003}
    buckets = told["pollers_request_duration_seconds_bucket"]
    assert [buckets[le, "a"] for le in ("0.008", "0.016", "0.064", "0.128", "+Inf")] == [2, 3, 3, 4, 4]


def test_an_attempt_without_an_answer_of_its_own_has_no_duration(world: World) -> None:
    """A damaged record ends with the answer of the attempt before, or with anything else in its place."""
    meter = Meter(world.store)
    for answer in ("", "[200]", '[200,"ok",5,1]'):
        record = Record(2, "running", 1, 0, 0, 0, "timed_out", "", "{}", "", answer=answer, origin="a")
        settlement = Settlement("p", 1, "failed", 0, "", record.answer, "{}")
        count_attempts(meter, [Settled("p", record, settlement, True)])
    meter.flush()
    assert "pollers_request_duration_seconds_count" not in metrics(world)
    assert sum(metrics(world)["pollers_attempts_total"].values()) == 3


def test_origins_beyond_the_first_are_counted_together(world: World) -> None:
    """By whichever process they come, and no sum ever shrinks."""
    first, second = Meter(world.store), Meter(world.store)
    for number in range(MOST_ORIGINS + 10):
        count_attempts(first, [settled(f"o{number:02}", '[200,"",1,1]')])
        first.flush()
    count_attempts(second, [settled("o00", '[200,"",1,1]'), settled("late", '[200,"",1,1]')])
    second.flush()
    counted = metrics(world)["pollers_attempts_total"]
    assert len(counted) == MOST_ORIGINS + 1
    assert counted["pending", "o00", "2xx"] == 2
    assert counted["pending", "other", "2xx"] == 11


def test_gates_beyond_the_first_are_told_together(world: World) -> None:
    """Those that most polls wait at come first."""
    configure(world.store, {f"l{number:02}": "1/s" for number in range(MOST_ORIGINS + 5)}, None)
    limits = metrics(world)["pollers_limit_parked_polls"]
    assert len(limits) == MOST_ORIGINS + 1
    assert metrics(world)["pollers_limit_polls_per_second"]["l00",] == 1.0


def test_calls_of_redis_are_counted_by_script(world: World) -> None:
    """From when a process measures."""
    meter = Meter(world.store)
    world.store.calls.on_call = meter.call
    world.admit()
    world.dispatch()
    meter.flush()
    told = metrics(world)["pollers_redis_call_seconds_count"]
    assert (told["admit",], told["dispatch",]) == (1, 1)


def test_calls_that_are_sent_together_share_their_time(world: World) -> None:
    """Each counts, and is as long as its part."""
    heard: list[tuple[str, float]] = []
    world.store.calls.on_call = lambda name, seconds: heard.append((name, seconds))
    began = time.perf_counter()
    assert world.store.admit_many([]) == []
    world.store.admit_many([Submission(f"p{n}", spec=SPEC, span=1.0, timeout=60.0) for n in range(200)])
    taken = time.perf_counter() - began
    assert [name for name, _ in heard] == ["admit"] * 200
    assert 0 < sum(seconds for _, seconds in heard) < taken


def test_counts_arrive_within_about_a_second(world: World) -> None:
    """From a thread of the process, or from whoever asks often."""
    meter = Meter(world.store)
    meter.flush_each_second()
    count_attempts(meter, [settled("a", '[200,"",1,1]')])
    wait_until(lambda: summed(world).get("attempts:2xx:pending:a") == 1, 3)
    asked = Meter(world.store)
    asked.flush_when_due()
    count_attempts(asked, [settled("b", '[200,"",1,1]')])
    wait_until(
        lambda: asked.flush_when_due() or "attempts:2xx:pending:b" in summed(world),
        3,
    )


def test_polls_and_lateness_are_told_as_the_store_has_them(world: World) -> None:
    """By state, and the lateness in buckets that hold what they say."""
    for name in "abcd":
        world.admit(name)
    world.admit("later", delay=30.0)
    world.admit("overdue")
    world.store.client.zadd(world.store.keys.schedule, {"overdue": world.now_ms() - 60_000})
    assert metrics(world)["pollers_oldest_due_seconds"][()] >= 60
    pack = world.dispatch()[0]
    world.store.cancel("overdue")
    due = world.now_ms() - 2000
    world.store.begin(Pack(pack.id, "", [part for name in "abcd" for part in (name, 1, due)]))
    told, counted = metrics(world), overview(world.store)
    assert (counted.waiting, counted.due, counted.running) == (1, 0, 4)
    assert told["pollers_polls"] == {
        ("waiting",): 1,
        ("due",): 0,
        ("parked",): 0,
        ("running",): 4,
        ("releasing",): 1,
    }
    assert told["pollers_polls_admitted_total"][()] == 6
    assert told["pollers_polls_ended_total"]["cancelled",] == 1
    buckets = told["pollers_lateness_seconds_bucket"]
    assert (buckets["1.024",], buckets["4.096",], buckets["+Inf",]) == (0, 4, 4)
    assert 8 <= told["pollers_lateness_seconds_sum"][()] < 12
    assert (told["pollers_pack_polls_count"][()], told["pollers_pack_polls_sum"][()]) == (1, 5)
    assert told["pollers_workers"] == {("(default)",): 1}


def test_a_poll_whose_worker_is_lost_is_due_and_not_running(world: World) -> None:
    """So that the numbers of an overview add up to the polls that live."""
    world.begin(world.admit())
    assert (overview(world.store).waiting, overview(world.store).running) == (0, 1)
    world.store.client.zadd(world.store.keys.schedule, {"p": world.now_ms() - 2000})
    counted = overview(world.store)
    assert (counted.waiting, counted.due, counted.running) == (0, 1, 0)


@pytest.fixture
def nowhere() -> Iterator[Store]:
    """Return a store whose Redis is away."""
    store = Store.connect(Settings(redis_url=f"redis://127.0.0.1:{free_port()}/0"))
    yield store
    store.client.close()


def test_while_redis_is_away_the_metrics_say_so(nowhere: Store) -> None:
    """And nothing else; what is counted meanwhile is lost, without a word to the log."""
    meter = Meter(nowhere)
    count_attempts(meter, [settled("a", '[200,"",1,1]')])
    meter.flush()
    told = [one for family in PollersCollector(nowhere, "1").collect() for one in family.samples]
    assert {one.name: one.value for one in told} == {"pollers_info": 1, "pollers_redis_up": 0}


def test_nothing_is_paid_by_who_does_not_measure(make_world: Callable[..., World]) -> None:
    """An application that submits has no meter, and no key for one."""
    world = make_world()
    world.admit()
    assert world.store.client.exists(world.store.keys.metrics) == 0
