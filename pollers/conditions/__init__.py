"""What an answer means: conditions, and the decision they come to. Pure."""

from pollers.conditions.decide import Decision, decide
from pollers.conditions.match import holds
from pollers.conditions.retry_after import retry_after

__all__ = ["Decision", "decide", "holds", "retry_after"]
