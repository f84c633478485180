"""The conventions of asynchronous APIs by name. An application adds its own.

Kept below everything else, so that a poll's parameters can be checked against it; a built-in
convention is imported when the first poll uses it.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """What is known of a convention before it is used."""

    #: The convention, or where it is: ``module:Class``.
    convention: Any
    #: Whether it decides everything by itself, and asks no conditions of the poll.
    decides: bool = False
    #: What can be said about it beside its name, option -> values; None for anything.
    options: Mapping[str, tuple[str, ...]] | None = None
    #: Headers that the request has that starts an operation.
    start_headers: Mapping[str, str] | None = None


_FINAL_STATES = ("azure-async-operation", "operation-location", "location", "original-uri")

_entries: dict[str, Entry] = {
    "accepted": Entry("pollers.protocols.accepted:Accepted", options={}),
    "aip-151": Entry("pollers.protocols.aip_151:LongRunningOperation", decides=True, options={}),
    "azure-lro": Entry(
        "pollers.protocols.azure_lro:AzureOperation",
        decides=True,
        options={"final-state-via": _FINAL_STATES},
    ),
    "device-flow": Entry("pollers.protocols.device_flow:DeviceFlow", decides=True, options={}),
    "ogc-job": Entry(
        "pollers.protocols.ogc_job:Job",
        decides=True,
        options={},
        start_headers={"Prefer": "respond-async"},
    ),
    "standard-webhook": Entry("pollers.protocols.standard_webhook:StandardWebhook", decides=True, options={}),
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
    _entries[name] = Entry(convention)


def names() -> list[str]:
    """Return the names of all conventions."""
    return sorted(_entries)


def entry(name: str) -> Entry:
    """Return what is known of a convention.

    Raises:
        KeyError: There is none of that name in this process.

    """
    return _entries[name]


def find(name: str) -> Any:
    """Return a convention by its name.

    Raises:
        KeyError: There is none of that name in this process.

    """
    found = entry(name)
    if isinstance(found.convention, str):
        module, _, attribute = found.convention.partition(":")
        found = found._replace(convention=getattr(importlib.import_module(module), attribute)())
        _entries[name] = found
    return found.convention
