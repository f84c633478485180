"""The request that every attempt of a poll sends."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import requests

from pollers.redaction import is_secret
from pollers.spec import PollSpec
from pollers.transport.origin import origin


@dataclass(frozen=True, kw_only=True)
class Request:
    """One HTTP request. Prepared when it is first sent, and then kept."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    #: Query parameters, added to those of the URL.
    params: dict[str, Any] = field(default_factory=dict)
    #: Body to send as JSON; None for none.
    json: Any = None
    #: Body to send as text, or a mapping as a form.
    data: Any = None
    #: The poll's own URL, where this request goes to one that a service named; empty for the same. Its
    #: origin is the one that gets the poll's secrets.
    home: str = ""
    #: The name of the credential to send to that origin; empty for none.
    auth: str = ""

    @classmethod
    def of(cls, spec: PollSpec) -> Self:
        """Return the request that a spec describes."""
        return cls(
            method=spec.method,
            url=spec.url,
            headers=dict(spec.headers),
            params=dict(spec.params),
            json=spec.json,
            data=spec.data,
            home=spec.url,
            auth=spec.auth or "",
        )

    @cached_property
    def origin(self) -> str:
        """The origin of the poll's own URL."""
        return origin(self.home or self.url)

    @cached_property
    def at_home(self) -> bool:
        """Whether the request goes to the origin of the poll's own URL."""
        return not self.home or origin(self.url) == self.origin

    @cached_property
    def prepared(self) -> requests.PreparedRequest:
        """The request as `requests` sends it."""
        data = self.data.encode() if isinstance(self.data, str) else self.data
        headers = self.headers
        if not self.at_home:
            headers = {name: value for name, value in headers.items() if not is_secret(name)}
        prepared = requests.Request(
            self.method, self.url, headers, None, data, self.params, json=self.json
        ).prepare()
        for name, value in requests.utils.default_headers().items():
            prepared.headers.setdefault(name, value)
        return prepared
