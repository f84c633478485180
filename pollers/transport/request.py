"""The request that every attempt of a poll sends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import urlsplit

from pollers.errors import InvalidPoll
from pollers.origin import PORTS, full_origin
from pollers.progress import NONE, Progress
from pollers.redaction import is_secret
from pollers.spec import PollSpec
from pollers.transport.peer import Peer

if TYPE_CHECKING:
    import requests

#: A URL without user, address in brackets, or letters of another alphabet before its path.
_ORDINARY = re.compile(r"https?://[a-z0-9._-]+(:\d*)?([/?#]|$)", re.ASCII | re.IGNORECASE)
#: A URL that `requests` sends as it is, if no segment of its path begins with a dot: a path and a query
#: without anything to encode or to decode.
_AS_IT_IS = re.compile(
    r"https?://[a-z0-9][a-z0-9._-]*(:[1-9]\d{0,4})?"
    r"/[A-Za-z0-9._~/!$&'()*+,;=:@-]*(\?[A-Za-z0-9._~/!$&'()*+,;=:@?-]+)?",
    re.ASCII,
)


class Wire(NamedTuple):
    """A request as it goes over a connection (RFC 9112, section 3)."""

    peer: Peer
    #: The request line and the headers, without the empty line that ends them.
    head: bytes
    body: bytes
    #: Whether the headers say which software asks.
    names_user_agent: bool

    @classmethod
    def of(cls, prepared: requests.PreparedRequest) -> Self:
        """Return what a connection is to be sent for a request that `requests` has prepared."""
        parts = urlsplit(prepared.url or "")
        host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        lines = [f"{prepared.method} {prepared.path_url} HTTP/1.1"]
        if "Host" not in prepared.headers:
            lines.append(f"Host: {parts.netloc.rpartition('@')[2]}")
        lines += [f"{_text(name)}: {_text(value)}" for name, value in prepared.headers.items()]
        body = prepared.body or b""
        return cls(
            Peer(parts.scheme, host, port),
            "\r\n".join(lines).encode("latin-1") + b"\r\n",
            body.encode() if isinstance(body, str) else bytes(body),
            "User-Agent" in prepared.headers,
        )


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

    @classmethod
    def asking(cls, spec: PollSpec, progress: Progress = NONE, poll_id: str = "") -> Self:
        """Return the request of an attempt: that of the spec, as the answers before have changed it."""
        from pollers.following import asked  # brings all that reads answers

        return replace(cls.of(asked(spec, progress, poll_id)), home=spec.url)

    @cached_property
    def origin(self) -> str:
        """The origin of the poll's own URL."""
        return full_origin(self.home or self.url)

    @cached_property
    def at_home(self) -> bool:
        """Whether the request goes to the origin of the poll's own URL."""
        return not self.home or full_origin(self.url) == self.origin

    def check(self) -> None:
        """Have it prepared, as every attempt will, where the rules for a spec do not tell that it can be.

        Raises:
            InvalidPoll: It cannot be.

        """
        if _ORDINARY.match(self.url):
            return
        import requests  # most applications only submit, and need not wait for it

        try:
            Wire.of(self.prepared)
        except (requests.RequestException, ValueError) as error:
            raise InvalidPoll.of(
                {"url": "has a host, or a user, that cannot be written in a request"}
            ) from error

    @cached_property
    def prepared(self) -> requests.PreparedRequest:
        """The request as `requests` sends it."""
        import requests

        data = self.data.encode() if isinstance(self.data, str) else self.data
        headers = self.headers
        if not self.at_home:
            headers = {name: value for name, value in headers.items() if not is_secret(name)}
        if data is None and self.json is None and not self.params and _is_as_sent(self.url):
            prepared = _prepared(self.method, self.url, headers)
        else:
            prepared = requests.Request(
                self.method, self.url, headers, None, data, self.params, json=self.json
            ).prepare()
        for name, value in _default_headers().items():
            prepared.headers.setdefault(name, value)
        return prepared

    @cached_property
    def wire(self) -> Wire:
        """The request as it goes over a connection."""
        return Wire.of(self.prepared)

    def adding(self, headers: Mapping[str, str]) -> Self:
        """Return the request with more headers, without preparing it anew."""
        prepared = self.prepared.copy()
        prepared.headers.update(headers)
        added = replace(self, headers={**self.headers, **headers})
        added.__dict__["prepared"] = prepared
        return added


def _is_as_sent(url: str) -> bool:
    return "/." not in url and _AS_IT_IS.fullmatch(url) is not None


def _prepared(method: str, url: str, headers: Mapping[str, str]) -> requests.PreparedRequest:
    """Return what `requests` prepares of a URL that is sent as it is, in a fifth of the time."""
    import requests

    prepared = requests.PreparedRequest()
    prepared.prepare_method(method)
    prepared.url = url
    prepared.prepare_headers(headers)
    prepared.prepare_content_length(None)
    prepared._cookies = requests.cookies.RequestsCookieJar()  # type: ignore[attr-defined]  # for digest
    return prepared


@cache
def _default_headers() -> dict[str, str]:
    """Return the headers that `requests` adds, without ``User-Agent``: the transport has its own."""
    import requests

    return {name: value for name, value in requests.utils.default_headers().items() if name != "User-Agent"}


def _text(part: str | bytes) -> str:
    return part if isinstance(part, str) else part.decode("latin-1")
