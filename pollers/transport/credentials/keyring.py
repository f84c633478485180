"""`Keyring`: finds the credential that a poll names, and the certificates of an origin."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pollers.answer import AnswerError
from pollers.origin import full_origin, parsed
from pollers.transport.credentials import sources
from pollers.transport.credentials.credential import Credential
from pollers.transport.credentials.kinds import auth_of, secrets_of
from pollers.transport.credentials.oauth2 import Fetch
from pollers.transport.failures import Failed, Refused


class Keyring:
    """The credentials of one process, by name. Asked at each attempt, so that secrets may change."""

    def __init__(self, path: str, fetch: Fetch) -> None:
        """``path`` is that of the file of credentials, empty for none."""
        self._file = sources.CredentialsFile(path) if path else None
        self._fetch = fetch
        self._lock = threading.Lock()
        #: Auth objects by name, with the fields that they were made of: tokens and nonces live in them.
        self._made: dict[str, tuple[str, Any]] = {}

    def __repr__(self) -> str:
        return "Keyring(...)"

    def knows(self, name: str) -> bool:
        """Return whether there is a credential of this name here."""
        try:
            return sources.registered(name) is not None or self._fields(name) is not None
        except Refused:
            return True  # it is there, and wrong; its use will say how

    def find(self, name: str) -> Credential:
        """Return the credential of a name.

        Raises:
            Failed: A callable failed to give it.
            Refused: There is none, or it cannot be used.

        """
        definition = self._called(name)
        if definition is None:
            definition = self._fields(name)
        if definition is None:
            raise Refused(f"no credential {name!r} is known to this worker")
        if not isinstance(definition, Mapping):
            if not callable(definition):
                raise Refused(f"the credential {name!r} is neither fields nor an auth object of requests")
            return Credential(name, definition)
        return Credential(
            name,
            self._auth(name, definition),
            secrets=secrets_of(definition),
            origins=_origins(name, definition),
        )

    def certificates(self, url: str) -> Mapping[str, str]:
        """Return the paths of the certificates for a URL's origin: ``ca``, ``cert``, ``key``.

        Raises:
            Refused: There is no file at one of the paths.

        """
        if self._file is None or not url.startswith("https:"):
            return {}
        tables = self._file.tables()
        table: Mapping[str, str] = tables.get(full_origin(url), {})
        for name, path in table.items():
            if name not in ("ca", "cert", "key") or not isinstance(path, str) or not Path(path).is_file():
                raise Refused(f"the certificates for {full_origin(url)} have no file for {name}")
        return table

    def _called(self, name: str) -> Any:
        make = sources.registered(name)
        if make is None:
            return None
        try:
            return make()
        except Exception as error:
            # Without its message: who knows what it quotes.
            raise Failed(
                AnswerError.CONNECTION, f"the credential {name!r} could not be had: {type(error).__name__}"
            ) from None

    def _fields(self, name: str) -> Mapping[str, Any] | None:
        found = sources.of_environment(name)
        if found is None and self._file is not None:
            found = self._file.tables().get(name)
        return found

    def _auth(self, name: str, fields: Mapping[str, Any]) -> Any:
        """Return the auth object of some fields, the same one as long as they are the same."""
        text = json.dumps(fields, sort_keys=True, default=str)
        with self._lock:
            made = self._made.get(name)
            if made is None or made[0] != text:
                made = self._made[name] = (text, auth_of(name, fields, self._fetch))
            return made[1]


def _origins(name: str, fields: Mapping[str, Any]) -> frozenset[str] | None:
    if "origins" not in fields:
        return None
    given = fields["origins"]
    if not isinstance(given, list) or any(parsed(str(one)) is None for one in given):
        raise Refused(f"the credential {name!r} has origins that are no list of https://host")
    return frozenset(full_origin(str(one)) for one in given)
