"""Conventions of asynchronous APIs: what an answer means, and where to ask next. Pure."""

from pollers.protocols.convention import Convention
from pollers.registry import register

__all__ = ["Convention", "register"]
