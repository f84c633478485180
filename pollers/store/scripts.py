"""The Lua scripts as package resources: one file per state change, one common prelude."""

from __future__ import annotations

from functools import cache
from importlib import resources

#: Every script, in the order of a poll's life.
NAMES = ("admit", "dispatch", "begin", "settle", "told", "release", "claim", "deliver", "cancel", "nudge")


@cache
def load(name: str) -> str:
    """Return the text of a script with its prelude, as it is sent to Redis."""
    return read("record") + "\n" + read(name)


def read(name: str) -> str:
    """Return the text of one ``.lua`` file."""
    return resources.files(__package__).joinpath("scripts", f"{name}.lua").read_text("utf-8")
