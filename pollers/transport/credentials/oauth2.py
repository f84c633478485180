"""OAuth 2.0 client credentials (RFC 6749, section 4.4): a token for all polls of a process.

The messages are oauthlib's, the library beneath requests-oauthlib; they are sent like any request of
ours, so that the guard, the limits of time and size, proxies and certificates hold for them too.
"""

from __future__ import annotations

import threading
import time
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

from requests import PreparedRequest
from requests.auth import AuthBase

from pollers.answer import Answer, AnswerError
from pollers.redaction import redact_url
from pollers.transport.connections import remaining_time
from pollers.transport.failures import Failed, Refused
from pollers.transport.request import Request

#: Sends a request for a credential, within the time of the attempt that needs it.
Fetch = Callable[[Request], Answer]

#: Seconds before its end, and part of its life, at which a token is replaced, whichever is the shorter.
EARLY, EARLY_PART = 60.0, 0.1


class ClientCredentials(AuthBase):
    """Bearer tokens of a token endpoint."""

    def __init__(
        self,
        *,
        name: str,
        fetch: Fetch,
        token_url: str,
        client_id: str,
        client_secret: str,
        scope: str = "",
        audience: str = "",
        client_auth: str = "basic",
    ) -> None:
        """``client_auth`` says how the client shows its secret: ``basic``, or ``post`` in the body."""
        if client_auth not in ("basic", "post"):
            raise Refused(f"the credential {name!r} has a client_auth other than basic and post")
        try:
            from oauthlib.oauth2 import BackendApplicationClient
        except ImportError:
            raise Refused(f"the credential {name!r} needs oauthlib: pip install 'pollers[oauth2]'") from None
        self._name, self._fetch, self._url = name, fetch, token_url
        self._client = BackendApplicationClient(client_id)
        self._secret, self._in_body = client_secret, client_auth == "post"
        self._more = {"scope": scope or None} | ({"audience": audience} if audience else {})
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._current()}"
        return request

    def renew(self, refused: PreparedRequest) -> bool:
        """Forget the token that a request was refused with; return whether another may do better."""
        if refused.headers.get("Authorization") == f"Bearer {self._token}":
            self._until = 0.0
        return True

    def _current(self) -> str:
        if time.monotonic() < self._until:
            return self._token
        # Another thread may be asking; no longer than this attempt has time.
        if not self._lock.acquire(timeout=max(0.0, remaining_time())):
            raise Failed(AnswerError.TIMEOUT, "")
        try:
            if time.monotonic() >= self._until:
                self._token, life = self._ask()
                self._until = time.monotonic() + life - min(EARLY, life * EARLY_PART)
            return self._token
        finally:
            self._lock.release()

    def _ask(self) -> tuple[str, float]:
        """Return a new token, and the seconds that it lives."""
        secret = {"client_secret": self._secret} if self._in_body else {}
        form = self._client.prepare_request_body(include_client_id=self._in_body, **secret, **self._more)
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        if not self._in_body:
            # RFC 6749, section 2.3.1: both are encoded as in a form before they are joined.
            pair = f"{quote_plus(self._client.client_id)}:{quote_plus(self._secret)}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        answer = self._fetch(Request(method="POST", url=self._url, headers=headers, data=form))
        where = f"the token endpoint {redact_url(self._url)}"
        if answer.error is not None:
            raise Failed(answer.error, f"{where}: {answer.error_text}")
        if answer.status == 429 or (answer.status or 0) >= 500:
            raise Failed(AnswerError.CONNECTION, f"{where} answered {answer.status}")
        return self._read(answer, where)

    def _read(self, answer: Answer, where: str) -> tuple[str, float]:
        from oauthlib.oauth2 import OAuth2Error

        try:
            token: dict[str, Any] = self._client.parse_request_body_response(answer.text())
        except (OAuth2Error, ValueError, TypeError) as error:
            why = getattr(error, "error", None) or "an answer that is no token"
            raise Refused(
                f"{where} answered {answer.status} to the credential {self._name!r}: {why}"
            ) from None
        finally:
            self._client.token = {}
        return str(token["access_token"]), float(token.get("expires_in") or 3600)
