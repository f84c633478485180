"""What an answer means: conditions, and the decision they come to. Pure."""

from pollers.conditions.decide import (
    Decision,
    by_conditions,
    by_status,
    decide,
    failed,
    pending,
    succeeded,
)
from pollers.conditions.leads import lead
from pollers.conditions.match import NotApplicable, body_of, holds, mapping, members, select
from pollers.conditions.retry_after import retry_after
from pollers.conditions.signals import asked_hold, is_trouble

__all__ = [
    "Decision",
    "NotApplicable",
    "asked_hold",
    "body_of",
    "by_conditions",
    "by_status",
    "decide",
    "failed",
    "holds",
    "is_trouble",
    "lead",
    "mapping",
    "members",
    "pending",
    "retry_after",
    "select",
    "succeeded",
]
