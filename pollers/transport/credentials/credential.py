"""`Credential`: one credential at work, and the secrets that no answer may give away."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

from requests import PreparedRequest
from requests.hooks import default_hooks

from pollers.answer import AnswerError
from pollers.redaction import MASK
from pollers.transport.failures import Failed
from pollers.transport.headers import Headers

#: Characters of what is masked in answers: shorter texts are no secrets, and stand everywhere.
SHORTEST_SECRET = 6


class Credential:
    """A credential as one attempt uses it: signs its requests, and masks its secrets in what comes back."""

    def __init__(
        self,
        name: str,
        auth: Callable[[Any], Any],
        *,
        secrets: Iterable[str] = (),
        origins: frozenset[str] | None = None,
    ) -> None:
        """``origins`` are those that it may be sent to; None for that of any poll that names it."""
        self.name = name
        self.origins = origins
        self._auth = auth
        self._secrets = set(secrets)

    def sign(self, request: PreparedRequest) -> PreparedRequest:
        """Return a copy of a request with the credential.

        Raises:
            Failed: It could not be had.

        """
        signed: PreparedRequest = request.copy()
        # The copy shares them, and what an auth object hooks in would stay for ever.
        signed.hooks = default_hooks()
        try:
            signed = self._auth(signed)
        except Failed:
            raise
        except Exception as error:
            # Without its message: who knows what it quotes.
            raise Failed(
                AnswerError.CONNECTION, f"the credential {self.name!r} failed: {type(error).__name__}"
            ) from None
        self._secrets |= _added(request, signed)
        return signed

    def renew(self, refused: PreparedRequest) -> bool:
        """Return whether a request that was answered 401 may do better when it is signed anew."""
        renew = getattr(self._auth, "renew", None)
        return renew is not None and bool(renew(refused))

    def masked(self, text: str) -> str:
        """Return a text without the secrets, however they are written."""
        return _patterns(frozenset(self._secrets))[0].sub(MASK, text)

    def masked_bytes(self, body: bytes) -> bytes:
        """Return a body without the secrets, as `masked` does."""
        return _patterns(frozenset(self._secrets))[1].sub(MASK.encode(), body)

    def masked_headers(self, headers: Headers) -> Headers:
        """Return the headers of an answer without the secrets."""
        return Headers((name, self.masked(value)) for name, value in headers.items())


@lru_cache(maxsize=256)
def _patterns(secrets: frozenset[str]) -> tuple[re.Pattern[str], re.Pattern[bytes]]:
    """Return what finds secrets in texts and in bytes: in URLs, forms, JSON and HTML as well."""
    forms = {
        form
        for secret in secrets
        if len(secret) >= SHORTEST_SECRET
        for in_json in (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
        for form in (
            *(secret, quote(secret, ""), quote(secret), quote_plus(secret), html.escape(secret)),
            *(in_json, in_json.replace("/", "\\/")),
        )
    }
    # The longest first, as one may begin like another; without any, what is nowhere.
    pattern = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)) or r"(?!)"
    return re.compile(pattern), re.compile(pattern.encode())


def _added(before: PreparedRequest, after: PreparedRequest) -> set[str]:
    """Return the values that signing has put into a request."""
    values = {str(value) for name, value in after.headers.items() if before.headers.get(name) != value}
    # Of "Bearer x" the scheme is no secret, and x may come back without it.
    values |= {value.partition(" ")[2] for value in values}
    if after.url != before.url:
        known = set(parse_qsl(urlsplit(before.url or "").query))
        values |= {pair[1] for pair in parse_qsl(urlsplit(after.url or "").query) if pair not in known}
    return {value for value in values if value}
