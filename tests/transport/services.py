"""Services that ask who is there, each by its own specification."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64encode
from hashlib import sha256
from typing import Any

from oauthlib.oauth2 import BackendApplicationServer, RequestValidator
from requests.utils import parse_dict_header

from tests.endpoints import Arrival, Endpoint, Reply


class Echo(Endpoint):
    """Answers with everything that it was sent, in every part of the answer."""

    def _answer(self, arrival: Arrival) -> Reply:
        super()._answer(arrival)
        sent = {"path": arrival.path, "headers": dict(arrival.headers), "body": arrival.body.decode()}
        return Reply(body=sent, headers={"X-Echo": json.dumps(sent)})


class DigestService(Endpoint):
    """Asks for HTTP digest authentication (RFC 7616) with SHA-256, by a nonce that it gives once."""

    def __init__(self, user: str, password: str) -> None:
        super().__init__()
        self._user, self._password = user, password
        self.challenges = 0

    def _answer(self, arrival: Arrival) -> Reply:
        super()._answer(arrival)
        if self._is_right(arrival):
            return Reply(body={"status": "done"})
        self.challenges += 1
        challenge = f'Digest realm="tests", nonce="n{self.challenges}", qop="auth", algorithm=SHA-256'
        return Reply(401, body="who are you?", headers={"WWW-Authenticate": challenge})

    def _is_right(self, arrival: Arrival) -> bool:
        scheme, _, fields = arrival.headers.get("Authorization", "").partition(" ")
        if scheme != "Digest":
            return False
        given = parse_dict_header(fields)
        secret = _hash(f"{self._user}:tests:{self._password}")
        asked = _hash(f"{arrival.method}:{arrival.path}")
        between = f"{given['nonce']}:{given['nc']}:{given['cnonce']}:{given['qop']}"
        return given["uri"] == arrival.path and given["response"] == _hash(f"{secret}:{between}:{asked}")


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


class TokenService(Endpoint):
    """An OAuth 2.0 token endpoint at /token, and a service at any other path that wants its tokens."""

    def __init__(self, *, client: str, secret: str, life: int = 3600, delay: float = 0.0) -> None:
        super().__init__()
        self.valid: set[str] = set()
        self.issued: list[str] = []
        #: Whether the service takes any token.
        self.accepts = True
        self._delay = delay
        self._making = threading.Lock()
        self._tokens = BackendApplicationServer(
            _Clients(client, secret, self), token_expires_in=life, token_generator=self._generate
        )

    def _generate(self, request: Any) -> str:
        return f"token-{len(self.issued)}-{time.monotonic_ns()}"

    def _answer(self, arrival: Arrival) -> Reply:
        super()._answer(arrival)
        if arrival.path == "/token":
            with self._making:
                headers, body, status = self._tokens.create_token_response(
                    self.url("/token").replace("http:", "https:"),
                    arrival.method,
                    arrival.body.decode(),
                    dict(arrival.headers),
                )
            return Reply(status, body=body, headers=headers, delay=self._delay)
        token = arrival.headers.get("Authorization", "").removeprefix("Bearer ")
        return Reply(body={"status": "done"}) if self.accepts and token in self.valid else Reply(401)


class _Clients(RequestValidator):
    """What the token endpoint asks of its owner: who its one client is."""

    def __init__(self, client: str, secret: str, service: TokenService) -> None:
        self._client, self._secret, self._service = client, secret, service

    def authenticate_client(self, request: Any, *args: Any, **kwargs: Any) -> bool:

        basic = "Basic " + b64encode(f"{self._client}:{self._secret}".encode()).decode()
        in_body = (request.client_id, request.client_secret) == (self._client, self._secret)
        request.client = type("Client", (), {"client_id": self._client})
        return in_body or request.headers.get("Authorization") == basic

    def validate_grant_type(self, client_id: str, grant_type: str, *args: Any, **kwargs: Any) -> bool:
        return grant_type == "client_credentials"

    def get_default_scopes(self, *args: Any, **kwargs: Any) -> list[str]:
        return ["all"]

    def validate_scopes(self, client_id: str, scopes: list[str], *args: Any, **kwargs: Any) -> bool:
        return True

    def save_bearer_token(self, token: dict[str, Any], request: Any, *args: Any, **kwargs: Any) -> None:
        self._service.issued.append(token["access_token"])
        self._service.valid.add(token["access_token"])
