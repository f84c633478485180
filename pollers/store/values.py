"""What goes into the calls of the store, and what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

from pollers.store.record import NORMAL, Record


class Submission(NamedTuple):
    """What is accepted of a poll; times are seconds."""

    poll_id: str
    #: The spec as JSON text (`pollers.spec.PollSpec.to_json`).
    spec: str
    #: Longest time of one attempt.
    span: float
    #: Options of the held task as JSON text; empty when there are none.
    held: str = ""
    #: Queue that the application asked for; empty for Celery's own routing.
    queue: str = ""
    #: The terminal state when the deadline passes: ``timed_out`` or ``succeeded``.
    lapse: str = "timed_out"
    #: From now until the first attempt is due.
    delay: float = 0.0
    #: From now until the deadline; None when `deadline` says it.
    timeout: float | None = None
    #: The deadline in epoch seconds.
    deadline: float | None = None
    #: Origin of the endpoint.
    origin: str = ""
    #: Name of the limit that the poll asks for; empty for that of its origin.
    limit: str = ""
    #: 0 high, 1 normal, 2 low.
    priority: int = NORMAL
    #: Whose poll it is, where several share the workers; may be empty.
    tenant: str = ""
    #: By how much its first attempt may be put off when many are admitted at once.
    spread: float = 0.0
    #: Digest of its request, when it shares the answer with other polls; else empty.
    request: str = ""


class Admission(NamedTuple):
    """What came of an admission."""

    #: False when a poll of this id is known already.
    new: bool
    #: False when the deadline has passed by Redis' clock; then nothing was stored.
    in_time: bool

    @classmethod
    def read(cls, answer: Sequence[int]) -> Self:
        """Read what ``admit.lua`` returns."""
        code, _, _ = answer
        return cls(new=code == 1, in_time=code >= 0)


class Pack(NamedTuple):
    """Polls that one ``pollers.attempt`` task carries."""

    id: str
    #: Queue to send it to; empty for Celery's own routing.
    queue: str
    #: Flat, as the message carries it: id, attempt, due time in ms, id, ...
    polls: list[str | int]
    #: Number of the shard that the polls are in.
    shard: int = 0

    @property
    def is_sound(self) -> bool:
        """Whether it has the form of one, wherever it came from."""
        kinds = [(self.id, str), (self.queue, str), (self.polls, list), (self.shard, int)]
        return all(isinstance(value, kind) for value, kind in kinds) and (
            len(self.polls) % 3 == 0
            and all(isinstance(poll_id, str) for poll_id in self.polls[::3])
            and all(isinstance(number, int) for part in (1, 2) for number in self.polls[part::3])
        )


class Dispatch(NamedTuple):
    """What one call of `Store.dispatch` found."""

    #: Seconds until the next poll is due; None when none waits.
    next_due_in: float | None
    #: Polls whose held task is to be published now.
    releasing: int
    #: Queues of due polls that the call did not name.
    unknown_queues: list[str]
    packs: list[Pack]
    #: Due polls whose records are damaged or of a newer version; they are left alone for a while.
    unreadable: list[str]
    #: When the store's first poll was admitted, in ms of Redis' clock; 0 before.
    created_ms: int
    #: Origins that nobody has told the rules of yet, while there are rules; their polls wait for that.
    strangers: list[str]
    #: Whether more is due than the call has looked at.
    more: bool
    #: Polls that were due for their first attempt now, and that a gate keeps.
    kept: list[str]

    @classmethod
    def read(cls, answer: Sequence[Any]) -> Self:
        """Read what ``dispatch.lua`` returns."""
        now, next_due, releasing, unknown, packs, unreadable, created, strangers, more, kept = answer
        return cls(
            next_due_in=None if next_due < 0 else max(0, next_due - now) / 1000,
            releasing=releasing,
            unknown_queues=sorted({queue.decode() for queue in unknown}),
            packs=[
                Pack(
                    pack_id.decode(),
                    queue.decode(),
                    [part.decode() if isinstance(part, bytes) else part for part in polls],
                )
                for pack_id, queue, polls in packs
            ],
            unreadable=[poll_id.decode() for poll_id in unreadable],
            created_ms=created,
            strangers=sorted({origin.decode() for origin in strangers}),
            more=bool(more),
            kept=[poll_id.decode() for poll_id in kept],
        )


class Begun(NamedTuple):
    """The attempts of a pack that may run."""

    #: Redis' clock when they began, in ms.
    now_ms: int
    polls: list[tuple[str, Record]]


class Joined(NamedTuple):
    """The attempts that have the answer to a request which another has made."""

    #: Redis' clock when they began, in ms.
    now_ms: int
    polls: list[tuple[str, Record]]
    #: Whether no other poll can have the answer any more.
    over: bool


class Settlement(NamedTuple):
    """What an attempt came to, in the order that ``settle.lua`` reads."""

    poll_id: str
    attempt: int
    #: ``waiting``, ``succeeded`` or ``failed``.
    state: str
    #: Next due time in ms of Redis' clock; 0 when the poll ended.
    due_ms: int
    progress: str
    answer: str
    outcome: str
    #: Ms that the origin asked to be left alone; 0 when it did not.
    hold_ms: int = 0
    #: Whether the attempt met trouble that a breaker counts; None when it says nothing new of that: it had
    #: the answer of another, or its deadline has cut its request short.
    trouble: bool | None = False
    #: The attempt as its poll's history has it (`pollers.store.history.Entry.pack`); empty for none.
    entry: bytes = b""


class Claim(NamedTuple):
    """A held task's claim on an outcome."""

    #: ``claimed``, ``live``, ``busy``, ``delivered`` or ``unknown``.
    verdict: str
    #: The record, when claimed.
    record: Record | None


class Found(NamedTuple):
    """A poll as `Store.find` sees it."""

    record: Record
    #: When somebody looks at it again, in ms; None when it has ended.
    due_ms: int | None
    #: Redis' clock in ms.
    now_ms: int
    #: Whether it is known to be parked (`pollers.store.parking`); it has been due since `due_ms` then.
    parked: bool = False
    #: Why it waits though it is due, in words, as far as that was looked for; else empty.
    why_waiting: str = ""
