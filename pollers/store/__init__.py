"""The only part that speaks to Redis: the schedule, the records, and the scripts that change them."""

from pollers.store.keys import Keys
from pollers.store.overview import Overview, overview
from pollers.store.record import LIVE_STATES, TERMINAL_STATES, Record
from pollers.store.risks import Risk, risks, server_name
from pollers.store.store import Store
from pollers.store.values import Admission, Begun, Claim, Dispatch, Found, Pack, Settlement, Submission

__all__ = [
    "LIVE_STATES",
    "TERMINAL_STATES",
    "Admission",
    "Begun",
    "Claim",
    "Dispatch",
    "Found",
    "Keys",
    "Overview",
    "Pack",
    "Record",
    "Risk",
    "Settlement",
    "Store",
    "Submission",
    "overview",
    "risks",
    "server_name",
]
