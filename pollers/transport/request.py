"""The request that every attempt of a poll sends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import requests

from pollers.spec import PollSpec


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
        )

    @cached_property
    def prepared(self) -> requests.PreparedRequest:
        """The request as `requests` sends it."""
        data = self.data.encode() if isinstance(self.data, str) else self.data
        prepared = requests.Request(
            self.method, self.url, self.headers, None, data, self.params, json=self.json
        ).prepare()
        for name, value in requests.utils.default_headers().items():
            prepared.headers.setdefault(name, value)
        return prepared

    def adding(self, headers: Mapping[str, str]) -> Self:
        """Return the request with more headers, without preparing it anew."""
        prepared = self.prepared.copy()
        prepared.headers.update(headers)
        added = replace(self, headers={**self.headers, **headers})
        added.__dict__["prepared"] = prepared
        return added
