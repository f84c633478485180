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
from pollers.conditions.match import NotApplicable, body_of, holds, mapping, select
from pollers.conditions.retry_after import retry_after

__all__ = [
    "Decision",
    "NotApplicable",
    "body_of",
    "by_conditions",
    "by_status",
    "decide",
    "failed",
    "holds",
    "lead",
    "mapping",
    "pending",
    "retry_after",
    "select",
    "succeeded",
]
