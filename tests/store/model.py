"""A model of the store for Hypothesis: any interleaving of what workers and applications do, or fail to do.

The scripts are the real ones, on a real Valkey, but for their clock: that is a key, so that leases and
deadlines pass when the model says so. Workers are modelled by what they leave undone: a message that is
never begun, an attempt that never settles, or settles late, or twice.
"""

from __future__ import annotations

from typing import TypeVar

import msgpack
import redis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pollers.settings import Settings
from pollers.store import Pack, Record, Settlement, Submission, traffic
from pollers.store.answers import join
from pollers.store.record import LIVE_STATES, TERMINAL_STATES
from pollers.store.store import GRACE_MS, LAST_CALL_MS, MARGIN_MS
from tests.store.clock import CLOCK, START_MS, SimulatedStore

T = TypeVar("T")

LEASE_MS = 5_000
#: An origin with a rate and a number in flight, one with the latter only, and one without a limit.
ORIGIN, FLYING, OTHER = "one.example.com", "flying.example.com", "other.example.com"
LIMITS = {ORIGIN: "1/s in-flight 1", FLYING: "in-flight 1"}
REQUEST = "digest"
BREAKER = {"ratio": 0.5, "minimum": 2, "window": 10.0, "shortest": 3.0, "longest": 10.0, "trials": 1}
#: Few polls, so that steps meet at one of them.
MOST_POLLS = 4
#: Which of several things a step is about: 0 is the latest.
PICKS = st.integers(0, 5)
SPEC = '{"url":"http://127.0.0.1/"}'
#: What may follow a state in one step; a state may always stay.
FOLLOWS = {
    "waiting": {"running", *TERMINAL_STATES},
    "running": {"waiting", *TERMINAL_STATES},
    **{state: {"delivered"} for state in TERMINAL_STATES},
    "delivered": set(),
}


def latest(things: list[T], pick: int) -> T:
    """Return one of the things, counted from the end."""
    return things[-1 - pick % len(things)]


class StoreMachine(RuleBasedStateMachine):
    """Polls, packs under way, and attempts that have begun."""

    redis_url = ""

    def __init__(self) -> None:
        super().__init__()
        settings = Settings(lease=LEASE_MS / 1000, pack_size=3, backlog=6)
        self.client = redis.Redis.from_url(self.redis_url)
        self.client.flushdb()
        self.store = SimulatedStore(self.client, settings)
        traffic.configure(self.store, LIMITS, BREAKER)
        traffic.introduce(self.store, [ORIGIN, FLYING, OTHER])
        self.now = START_MS
        self.client.set(CLOCK, self.now)
        self.calls = 0
        #: What is known of each poll: its state, the number of its attempt, its deadline.
        self.states: dict[str, str] = {}
        self.numbers: dict[str, int] = {}
        self.deadlines: dict[str, int] = {}
        #: Messages that were sent, and attempts that have begun; workers may come back to any.
        self.packs: list[Pack] = []
        self.attempts: list[tuple[str, int]] = []
        #: Until when a held task has claimed the outcome of a poll.
        self.claims: dict[str, int] = {}
        self.accepted: set[tuple[str, int]] = set()
        self.paused: set[str] = set()
        #: Until when polls that were sent are left on their way.
        self.leases: dict[str, int] = {}
        #: Polls whose attempt makes no request of its own.
        self.joined: set[str] = set()

    @precondition(lambda self: len(self.states) < MOST_POLLS)
    @rule(
        timeout=st.sampled_from([2.0, 4.0, 60.0, 120.0]),
        delay=st.sampled_from([0.0, 0.0, 5.0]),
        span=st.sampled_from([0.5, 10.0]),
        queue=st.sampled_from(["", "far"]),
        origin=st.sampled_from(["", ORIGIN, FLYING, FLYING, OTHER]),
        priority=st.sampled_from([0, 1, 2]),
        tenant=st.sampled_from(["", "t"]),
        request=st.sampled_from(["", "", REQUEST]),
    )
    def admit(
        self,
        timeout: float,
        delay: float,
        span: float,
        queue: str,
        origin: str = "",
        priority: int = 1,
        tenant: str = "",
        request: str = "",
    ) -> None:
        """An application submits a poll."""
        poll_id = f"p{len(self.states)}"
        times = {"delay": delay, "timeout": timeout}
        traits = {"origin": origin, "priority": priority, "tenant": tenant, "request": request}
        submission = Submission(poll_id, SPEC, span, queue=queue, **times, **traits)  # type: ignore[arg-type]
        admission = self.store.admit(submission)
        assert admission == (True, True)
        self.states[poll_id], self.numbers[poll_id] = "waiting", 0
        self.deadlines[poll_id] = self.now + round(timeout * 1000)

    @precondition(lambda self: self.states)
    @rule(pick=PICKS)
    def admit_again(self, pick: int) -> None:
        """A message that submits a poll is delivered twice."""
        poll_id = latest(list(self.states), pick)
        assert not self.store.admit(Submission(poll_id, spec=SPEC, span=1.0, timeout=60.0)).new

    @rule(seconds=st.sampled_from([0.4, 1.0, 6.0, 16.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += round(seconds * 1000)
        self.client.set(CLOCK, self.now)

    @rule(worker=st.sampled_from(["w1", "w2"]), far=st.booleans())
    def dispatch(self, worker: str, far: bool) -> None:
        """A worker dispatches; it knows the other queue, or not yet."""
        queues = {"": True, **({"far": worker == "w2"} if far else {})}
        self.calls += 1
        found = self.store.dispatch(worker, f"c{self.calls}", queues)
        self.observe()
        for pack in found.packs:
            for poll_id, number in zip(pack.polls[::3], pack.polls[1::3], strict=True):
                assert self.states[str(poll_id)] == "waiting"
                assert str(poll_id) not in self.paused
                assert number == self.numbers[str(poll_id)] + 1
                assert self.leases.get(str(poll_id), 0) <= self.now, "a poll is sent twice"
                lease = min(self.now + LEASE_MS, self.deadlines[str(poll_id)])
                assert self.client.zscore(self.store.keys.schedule, str(poll_id)) == lease - 0.5
                self.leases[str(poll_id)] = lease
        for poll_id, deadline in self.deadlines.items():
            assert self.now < deadline + GRACE_MS or self.states[poll_id] not in LIVE_STATES
        self.packs += found.packs

    @precondition(lambda self: self.packs)
    @rule(pick=PICKS)
    def begin(self, pick: int) -> None:
        """A worker gets a message; perhaps again, perhaps late."""
        pack = latest(self.packs, pick)
        expected = {
            (str(poll_id), int(number))
            for poll_id, number in zip(pack.polls[::3], pack.polls[1::3], strict=True)
            if self.states[str(poll_id)] == "waiting"
            and str(poll_id) not in self.paused
            and self.numbers[str(poll_id)] == int(number) - 1
            and self.now < self.deadlines[str(poll_id)]
        }
        begun = {(poll_id, record.attempt) for poll_id, record in self.store.begin(pack).polls}
        assert begun <= expected
        for poll_id, _ in expected - begun:
            assert self.record(poll_id).origin  # its limit or its origin keeps it
            self.leases.pop(poll_id, None)
        shut = {gate.name for gate in traffic.gates(self.store, "origin") if self.is_shut(gate)}
        for poll_id, number in begun:
            self.numbers[poll_id], self.states[poll_id] = number, "running"
            self.leases.pop(poll_id, None)
            self.joined.discard(poll_id)
            in_last_call = self.now >= self.deadlines[poll_id] - LAST_CALL_MS
            assert self.record(poll_id).origin not in shut or in_last_call
            due = int(self.client.zscore(self.store.keys.schedule, poll_id))  # type: ignore[arg-type]
            span = self.record(poll_id).span_ms
            assert due == min(self.now + span + MARGIN_MS, self.deadlines[poll_id] + GRACE_MS)
        self.attempts += sorted(begun)

    @rule(last=st.booleans())
    def join(self, last: bool) -> None:
        """A worker has an answer that polls wait for."""
        asking = self.client.hget(self.store.keys.asking, REQUEST)
        asker = msgpack.unpackb(asking)[::3] if isinstance(asking, bytes) else ("nobody", 1)
        for poll_id, record in join(self.store, REQUEST, *asker, last=last).polls:
            assert self.states[poll_id] == "waiting"
            assert poll_id not in self.paused
            assert self.now < self.deadlines[poll_id]
            assert record.attempt == self.numbers[poll_id] + 1
            self.numbers[poll_id], self.states[poll_id] = record.attempt, "running"
            self.leases.pop(poll_id, None)
            self.joined.add(poll_id)
            self.attempts.append((poll_id, record.attempt))

    @precondition(lambda self: self.attempts)
    @rule(
        pick=PICKS,
        state=st.sampled_from(["waiting", "succeeded", "failed"]),
        wait=st.sampled_from([0.5, 30.0]),
        hold=st.sampled_from([0, 0, 3000]),
        trouble=st.booleans(),
    )
    def settle(self, pick: int, state: str, wait: float, hold: int = 0, trouble: bool = False) -> None:
        """An attempt settles; perhaps again, perhaps after it was taken over."""
        poll_id, number = attempt = latest(self.attempts, pick)
        expected = self.states[poll_id] == "running" and self.numbers[poll_id] == number
        due = self.now + round(wait * 1000) if state == "waiting" else 0
        [result] = self.store.settle([Settlement(poll_id, number, state, due, "", "", "{}", hold, trouble)])
        assert (result is not False) is expected
        if expected:
            assert attempt not in self.accepted
            self.accepted.add(attempt)
            assert isinstance(result, Record) is (state != "waiting")
            self.states[poll_id] = state

    @precondition(lambda self: self.states)
    @rule(pick=PICKS)
    def cancel(self, pick: int) -> None:
        """Somebody cancels a poll."""
        poll_id = latest(list(self.states), pick)
        before = self.states[poll_id]
        answer = self.store.cancel(poll_id)
        if before in LIVE_STATES:
            assert answer == "cancelled"
            self.states[poll_id] = "cancelled"
        elif before != "delivered":
            assert answer == before

    @precondition(lambda self: self.states)
    @rule(pick=PICKS, state=st.sampled_from(["succeeded", "failed"]))
    def end(self, pick: int, state: str) -> None:
        """Somebody knows how a poll came out."""
        poll_id = latest(list(self.states), pick)
        before = self.states[poll_id]
        answer = self.store.end(poll_id, state, "{}")
        if before in LIVE_STATES:
            assert answer == state
            self.states[poll_id] = state
        elif before != "delivered":
            assert answer == before

    @precondition(lambda self: self.states)
    @rule(pick=PICKS)
    def nudge(self, pick: int) -> None:
        """Somebody nudges a poll."""
        poll_id = latest(list(self.states), pick)
        answer = self.store.nudge(poll_id)
        if self.states[poll_id] in LIVE_STATES:
            assert answer == ("paused" if poll_id in self.paused else self.states[poll_id])
        if answer == "waiting":
            due = self.client.zscore(self.store.keys.schedule, poll_id)
            assert due is not None
            assert due <= self.now or self.leases.get(poll_id, 0) > self.now

    @precondition(lambda self: self.states)
    @rule(pick=PICKS, resumes=st.booleans())
    def pause(self, pick: int, resumes: bool) -> None:
        """Somebody pauses a poll, or resumes one."""
        poll_id = latest(list(self.states), pick)
        answer = (self.store.resume if resumes else self.store.pause)(poll_id)
        if self.states[poll_id] in LIVE_STATES:
            seen = "paused" if self.states[poll_id] == "waiting" and not resumes else self.states[poll_id]
            assert answer == seen
            (self.paused.discard if resumes else self.paused.add)(poll_id)
            if not resumes:
                self.leases.pop(poll_id, None)

    @rule(opens=st.booleans(), origin=st.sampled_from([ORIGIN, FLYING]))
    def shut(self, opens: bool, origin: str) -> None:
        """Somebody pauses an origin, or opens one."""
        (traffic.reopen if opens else traffic.shut)(self.store, origin)

    @rule()
    def release(self) -> None:
        """A worker takes outcomes to publish; its messages are lost."""
        for poll_id, record in self.store.release():
            assert record.state == self.states[poll_id]
            assert record.ended

    @precondition(lambda self: TERMINAL_STATES & set(self.states.values()))
    @rule(pick=PICKS, delivers=st.booleans())
    def run_held_task(self, pick: int, delivers: bool) -> None:
        """A held task runs, perhaps one too many; its worker may die before it has delivered."""
        poll_id = latest(list(self.states), pick)
        before, claimed = self.states[poll_id], self.claims.get(poll_id, 0) > self.now
        verdict, record = self.store.claim(poll_id)
        assert (verdict == "claimed") is (before in TERMINAL_STATES and not claimed)
        assert (verdict == "busy") is (before in TERMINAL_STATES and claimed)
        assert (verdict == "live") is (before in LIVE_STATES)
        if verdict == "claimed":
            self.claims[poll_id] = self.now + LEASE_MS
        if verdict == "claimed" and delivers:
            assert record is not None
            assert record.state == before
            assert self.store.deliver(poll_id, 3600.0)
            self.states[poll_id] = "delivered"

    @invariant()
    def every_poll_is_in_one_place(self) -> None:
        """Live ones are in the schedule, ended ones in releases, delivered ones in neither."""
        keys = self.store.keys
        live = {name.decode() for name in self.client.hkeys(keys.polls)}
        scored = self.client.zrange(keys.schedule, 0, -1, withscores=True)
        schedule = {name.decode(): score for name, score in scored}
        releases = {name.decode() for name in self.client.zrange(keys.releases, 0, -1)}
        for poll_id, state in self.states.items():
            places = (poll_id in live, poll_id in schedule, poll_id in releases)
            assert (
                places
                == {
                    **dict.fromkeys(LIVE_STATES, (True, True, False)),
                    **dict.fromkeys(TERMINAL_STATES, (True, False, True)),
                    "delivered": (False, False, False),
                }[state]
            )
            if poll_id in schedule:
                assert schedule[poll_id] <= self.deadlines[poll_id] + GRACE_MS
        assert live | set(schedule) | releases <= set(self.states)

    @invariant()
    def shares_are_of_polls_in_flight(self) -> None:
        """Of live ones, as many as a limit counts, and no more than it allows; what has begun has one."""
        raw = self.client.hgetall(self.store.keys.shares)
        shares = {name.decode(): limit.decode().removeprefix("limit:") for name, limit in raw.items()}
        assert all(self.states[poll_id] in LIVE_STATES for poll_id in shares)
        for limit in traffic.gates(self.store, "limit"):
            assert limit.state.get("flying", 0) == list(shares.values()).count(limit.name) <= 1
        for poll_id, state in self.states.items():
            # At its deadline, what has not come back gives up its share.
            if state == "running" and poll_id not in self.joined and self.now < self.deadlines[poll_id]:
                origin = self.record(poll_id).origin
                assert shares.get(poll_id) == (origin if origin in LIMITS else None)

    def is_shut(self, gate: traffic.Gate) -> bool:
        """Return whether an origin lets no poll pass at this moment of the simulated clock."""
        gate = gate._replace(now_ms=self.now)
        is_open = gate.condition() != "open" or gate.state["open_until"] <= self.now
        return gate.condition() in ("paused", "held") or not is_open

    def observe(self) -> None:
        """Take over what a dispatch has changed, as far as it may."""
        for poll_id, before in self.states.items():
            if before == "delivered":
                continue
            record = self.record(poll_id)
            assert record.attempt == self.numbers[poll_id]
            assert record.state == before or record.state in FOLLOWS[before]
            self.states[poll_id] = record.state

    def record(self, poll_id: str) -> Record:
        """Return the record of a poll that is not delivered yet."""
        packed = self.client.hget(self.store.keys.polls, poll_id)
        assert isinstance(packed, bytes)
        return Record.unpack(packed)

    def teardown(self) -> None:
        """Whatever happened, when time has passed every poll ends and can be delivered."""
        try:
            self.now += 200_000
            self.client.set(CLOCK, self.now)
            self.store.dispatch("w1", "last", {"": True, "far": True})
            self.observe()
            assert not LIVE_STATES & set(self.states.values())
            for poll_id, state in self.states.items():
                if state != "delivered":
                    assert self.store.claim(poll_id).verdict == "claimed"
                    assert self.store.deliver(poll_id, 3600.0)
            keys = self.store.keys
            assert self.client.exists(keys.polls, keys.schedule, keys.shares) == 0
        finally:
            self.client.close()
