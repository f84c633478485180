"""The conventions of asynchronous APIs by name. An application adds its own.

Kept below everything else, so that a poll's parameters can be checked against the names; a built-in
convention is imported when the first poll uses it.
"""

from __future__ import annotations

import importlib
from typing import Any

#: Name -> the convention, or where it is.
_conventions: dict[str, Any] = {
    "accepted": "pollers.protocols.accepted:Accepted",
    "aip-151": "pollers.protocols.aip_151:LongRunningOperation",
    "azure-lro": "pollers.protocols.azure_lro:AzureOperation",
}

#: Those that decide everything by themselves, and ask no conditions of the poll.
DECIDING = frozenset({"aip-151", "azure-lro", "device-flow", "ogc-job"})

#: What can be said about a built-in convention beside its name: option -> values.
OPTIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "accepted": {},
    "aip-151": {},
    "azure-lro": {
        "final-state-via": ("azure-async-operation", "operation-location", "location", "original-uri"),
    },
}


def register(name: str, convention: Any) -> None:
    """Make a convention, an object with the methods of `pollers.protocols.Convention`, known by a name.

    To be called where polls are submitted and in the workers alike, as in the module of the Celery
    application. A name that is taken is taken over.

    Raises:
        ValueError: The name is empty, or the object reads no answers.

    """
    if not name or not callable(getattr(convention, "read", None)):
        raise ValueError("a convention needs a name, and a method read(spec, progress, answer)")
    _conventions[name] = convention


def names() -> list[str]:
    """Return the names of all conventions."""
    return sorted(_conventions)


def find(name: str) -> Any:
    """Return the convention of a name.

    Raises:
        LookupError: There is none in this process.

    """
    found = _conventions.get(name)
    if found is None:
        raise LookupError(f"no convention {name!r} is registered in this process")
    if isinstance(found, str):
        module, _, attribute = found.partition(":")
        found = _conventions[name] = getattr(importlib.import_module(module), attribute)()
    return found
