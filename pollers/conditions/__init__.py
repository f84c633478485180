"""What an answer means: conditions, and the decision they come to. Pure."""

from pollers.conditions.decide import Decision, decide
from pollers.conditions.match import holds
from pollers.conditions.retry_after import retry_after
from pollers.conditions.signals import asked_hold, is_trouble

__all__ = ["Decision", "asked_hold", "decide", "holds", "is_trouble", "retry_after"]
