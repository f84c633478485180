"""What one attempt got: the response of the endpoint, or the error that came instead."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

_CHARSET = re.compile(r"charset\s*=\s*\"?([\w.:-]+)", re.IGNORECASE)


class AnswerError(StrEnum):
    """Why there is no response that could be decided on."""

    #: The total time of the request ran out.
    TIMEOUT = "timeout"
    #: No connection, or it broke before the response was complete.
    CONNECTION = "connection"
    #: The host name has no address (for now).
    DNS = "dns"
    #: The certificate or the TLS handshake is not acceptable.
    TLS = "tls"
    #: The response does not follow HTTP.
    MALFORMED = "malformed"
    #: The body is larger than `pollers_max_body`.
    BODY_TOO_LARGE = "body_too_large"
    #: Too many redirects, or one that leads nowhere.
    REDIRECT = "redirect"
    #: The URL may not be requested.
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The answer of one attempt."""

    #: The URL that answered, after redirects.
    url: str
    #: HTTP status; None when no response came.
    status: int | None
    #: Response headers; names are looked up case-insensitively.
    headers: Mapping[str, str]
    #: The body, decompressed.
    body: bytes
    #: Seconds from the start of the request to its end.
    elapsed: float
    error: AnswerError | None = None
    #: The error in a sentence for people; empty without one.
    error_text: str = ""
    _parsed: list[Any] = field(default_factory=list, repr=False, compare=False)

    def json(self) -> Any:
        """Return the body as JSON, whatever its content type says.

        Raises:
            ValueError: The body is not JSON.

        """
        if not self._parsed:
            # bytes: json finds UTF-8, UTF-16 and UTF-32 by itself; a BOM needs the text.
            bom = self.body.startswith(b"\xef\xbb\xbf")
            try:
                self._parsed.append(json.loads(self.body.decode("utf-8-sig") if bom else self.body))
            except RecursionError as error:
                raise ValueError("the body is nested too deeply") from error
        return self._parsed[0]

    def text(self) -> str:
        """Return the body as text: by the charset of its content type where it can be, else UTF-8."""
        charset = _CHARSET.search(self.headers.get("Content-Type", ""))
        try:
            return self.body.decode(charset[1] if charset else "utf-8-sig", "replace")
        except (LookupError, UnicodeError):
            # Not known, or known to Python but not made for bodies: idna, punycode, undefined.
            return self.body.decode("utf-8-sig", "replace")

    def value(self) -> Any:
        """Return what the answer says by itself: the JSON of its body, else the text."""
        try:
            return self.json()
        except ValueError:
            return self.text()

    def excerpt(self, limit: int = 200) -> str:
        """Return the beginning of the body on one line."""
        beginning = self.body[: 4 * limit].decode("utf-8", "replace")
        return " ".join(beginning.split())[:limit]
