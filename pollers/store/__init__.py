"""The only part that speaks to Redis: the schedule, the records, and the scripts that change them."""

from typing import TYPE_CHECKING

from pollers.later import later
from pollers.store.keys import Keys
from pollers.store.record import LIVE_STATES, TERMINAL_STATES, Record
from pollers.store.values import Admission, Begun, Claim, Dispatch, Found, Pack, Settlement, Submission

if TYPE_CHECKING:
    from pollers.store.store import Store

__getattr__ = later(__name__, {"Store": "pollers.store.store"})

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
    "Record",
    "Settlement",
    "Store",
    "Submission",
]
