"""Where credentials come from: callables of the worker, its environment, and a file."""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from requests.auth import AuthBase

from pollers.origin import full_origin
from pollers.transport.failures import Refused

logger = logging.getLogger(__name__)

#: What describes a credential: its kind and its fields, or an auth object of `requests`.
Definition = Mapping[str, Any] | AuthBase | Callable[[Any], Any]
Maker = TypeVar("Maker", bound=Callable[[], Any])

_callables: dict[str, Callable[[], Definition]] = {}


def credential(name: str) -> Callable[[Maker], Maker]:
    """Register what a function returns as the credential of a name, in this process.

    The function is called at each attempt and returns an auth object of `requests`, or the fields of
    a credential as in the file: ``{"kind": "bearer", "token": ...}``. It should keep what is dear to get.
    """

    def register(make: Maker) -> Maker:
        _callables[name] = make
        return make

    return register


def registered(name: str) -> Callable[[], Definition] | None:
    """Return the function that was registered for a name."""
    return _callables.get(name)


def variable_of(name: str) -> str:
    """Return the environment variable of a credential: ``POLLERS_CREDENTIAL_RENDER_API``."""
    return "POLLERS_CREDENTIAL_" + re.sub(r"[^A-Z0-9]", "_", name.upper())


def of_environment(name: str) -> Mapping[str, Any] | None:
    """Return the credential that a variable holds as JSON, None when there is none.

    Raises:
        Refused: The variable holds something else.

    """
    text = os.environ.get(variable_of(name))
    if not text:
        return None
    try:
        fields = json.loads(text)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        # Without its text, which is secret.
        raise Refused(f"{variable_of(name)} is no JSON object") from None
    return fields


class CredentialsFile:
    """A TOML or JSON file with a table for each credential, read again when it has changed.

    A table whose name is an origin holds the certificates for that origin.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] = ()
        self._tables: dict[str, Any] | None = None
        self._trouble = ""

    def tables(self) -> Mapping[str, Any]:
        """Return the tables by name.

        A file that cannot be read any more, as in the middle of a change, leaves those of before.

        Raises:
            Refused: It never could be read.

        """
        try:
            status = self._path.stat()
            seen: tuple[int, ...] = (status.st_mtime_ns, status.st_size, status.st_ino)
        except OSError:
            seen = (0,)
        if seen != self._seen:
            with self._lock:
                self._read()
                self._seen = seen
        if self._tables is None:
            raise Refused(self._trouble)
        return self._tables

    def _read(self) -> None:
        try:
            text = self._path.read_text("utf-8")
            tables = json.loads(text) if self._path.suffix == ".json" else tomllib.loads(text)
            if not isinstance(tables, dict) or not all(isinstance(one, dict) for one in tables.values()):
                raise ValueError("not a table for each name")
            self._tables = {full_origin(name) if "://" in name else name: tables[name] for name in tables}
        except (OSError, ValueError) as error:
            # Without what is wrong with the text, which would quote it.
            why = error.strerror if isinstance(error, OSError) else f"no {self._path.suffix or 'TOML'}"
            self._trouble = f"the file of credentials cannot be read: {why}"
            logger.error("The file of credentials cannot be read (%s); what it said before still holds.", why)
