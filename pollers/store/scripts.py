"""The Lua scripts as package resources: one file per state change, one common prelude."""

from __future__ import annotations

from functools import cache
from importlib import resources

#: Every script, in the order of a poll's life.
NAMES = (
    *("admit", "dispatch", "begin", "join", "pass_on", "settle", "told", "release", "claim", "deliver"),
    *(
        "end",
        "nudge",
        "pause",
        "resume",
        "reschedule",
        "govern",
        "shut",
        "reopen",
        "adopt",
        "note",
        "measure",
    ),
)

#: What a script builds on, beside ``record``.
PRELUDES = {
    "dispatch": ("gates", "breaker", "lots", "sharing", "passing", "packs"),
    "begin": ("gates", "sharing"),
    "join": ("gates", "lots", "sharing"),
    "pass_on": ("gates", "sharing"),
    "settle": ("gates", "breaker"),
    "end": ("gates", "sharing"),
    "pause": ("gates", "sharing"),
    "govern": ("gates",),
    "shut": ("gates",),
    "reopen": ("gates", "breaker"),
}


@cache
def load(name: str) -> str:
    """Return the text of a script with its preludes, as it is sent to Redis."""
    return "\n".join(map(read, ("record", *PRELUDES.get(name, ()), name)))


def read(name: str) -> str:
    """Return the text of one ``.lua`` file."""
    return resources.files(__package__).joinpath("scripts", f"{name}.lua").read_text("utf-8")
