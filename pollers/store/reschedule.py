"""Another cadence or deadline for a poll: the state change that ``reschedule.lua`` makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pollers.store.store import Store


class Revision(NamedTuple):
    """What changes; times are seconds."""

    #: The spec as JSON text, as it was read.
    before: str
    #: The spec that it gets.
    after: str
    #: A wait of its cadence.
    wait: float
    #: The new deadline in epoch seconds; None when that stays.
    deadline: float | None = None


def reschedule(store: Store, poll_id: str, revision: Revision) -> str:
    """Give a poll another spec and another place in the schedule; return what ``reschedule.lua`` says.

    Raises:
        StoreUnavailable: Redis cannot be reached.

    """
    from pollers.store.store import GRACE_MS, MARGIN_MS  # brings redis

    keys = store.keys
    times = (round((revision.deadline or 0) * 1000), round(revision.wait * 1000))
    answer = store.calls.run_patiently(
        "reschedule",
        [keys.polls, keys.schedule, keys.ended(poll_id), keys.stats],
        [poll_id, revision.before, revision.after, *times, MARGIN_MS, GRACE_MS],
    )
    return str(answer.decode())
