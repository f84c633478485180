"""What one attempt got: the response of the endpoint, or the error that came instead."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

_CHARSET = re.compile(r"charset\s*=\s*\"?([\w.:-]+)", re.IGNORECASE)

#: Content types of newline-delimited JSON.
_LINES = re.compile(r"[/+](x-)?(ndjson|jsonl|jsonlines|json-lines)\b", re.IGNORECASE)


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
    #: The request may not be made: its URL, an address that it leads to, or its credential is refused.
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
    #: Whether there might have been a response, had the deadline of the poll left the request all its time.
    cut_short: bool = False
    #: What the transport wants back with the poll's next request, as plain JSON; None for nothing.
    kept: dict[str, Any] | None = field(default=None, repr=False)
    _parsed: list[Any] = field(default_factory=list, repr=False, compare=False)

    def json(self) -> Any:
        """Return the body as JSON, whatever its content type says; lines of JSON as a list.

        Raises:
            ValueError: The body is not JSON.

        """
        if not self._parsed:
            try:
                self._parsed.append(self._parse())
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

    def _parse(self) -> Any:
        if _LINES.search(self.headers.get("Content-Type", "")):
            return _values_of_lines(self.text())
        try:
            # bytes: json finds UTF-8, UTF-16 and UTF-32 by itself; a BOM needs the text.
            bom = self.body.startswith(b"\xef\xbb\xbf")
            return json.loads(self.body.decode("utf-8-sig") if bom else self.body)
        except UnicodeDecodeError:
            # RFC 8259 wants UTF-8; a charset may say otherwise, and has to be right then.
            charset = _CHARSET.search(self.headers.get("Content-Type", ""))
            if charset is None:
                raise
            try:
                return json.loads(self.body.decode(charset[1]))
            except LookupError as error:
                raise ValueError(f"the charset {charset[1]} is not known") from error
        except json.JSONDecodeError:
            # A service may not say that it sends lines; numbers and words in lines are text.
            values = _values_of_lines(self.text()) if b"\n" in self.body.strip() else []
            if not values or not all(isinstance(value, dict | list) for value in values):
                raise
            return values

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


def _values_of_lines(text: str) -> list[Any]:
    # At line feeds alone: other ends of lines may stand in a JSON string.
    return [json.loads(line) for line in text.split("\n") if line.strip()]
