"""The only part that speaks to Redis: the schedule, the records, and the scripts that change them."""

from typing import TYPE_CHECKING

from pollers.later import later
from pollers.store.keys import Keys
from pollers.store.record import LIVE_STATES, TERMINAL_STATES, Record
from pollers.store.values import Admission, Begun, Claim, Dispatch, Found, Pack, Settlement, Submission

if TYPE_CHECKING:
    from pollers.store.shards import Polls, Shards, connect_polls
    from pollers.store.store import Store

SHARDS = "pollers.store.shards"
__getattr__ = later(
    __name__,
    {"Polls": SHARDS, "Shards": SHARDS, "Store": "pollers.store.store", "connect_polls": SHARDS},
)

__all__ = [
    "LIVE_STATES",
    "TERMINAL_STATES",
    "Admission",
    "Begun",
    "Claim",
    "Dispatch",
    "Found",
    "Keys",
    "Pack",
    "Polls",
    "Record",
    "Settlement",
    "Shards",
    "Store",
    "Submission",
    "connect_polls",
]
