"""The kinds of credentials, each an auth object of `requests`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote_plus, urlencode, urlsplit, urlunsplit

from requests import PreparedRequest
from requests.auth import AuthBase, HTTPBasicAuth, HTTPDigestAuth

from pollers import standard_webhooks
from pollers.transport.credentials.oauth2 import ClientCredentials, Fetch
from pollers.transport.failures import Refused


class InHeader(AuthBase):
    """A secret in a header of its own: ``X-Api-Key: ...``, ``Authorization: Bearer ...``."""

    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers[self._name] = self._value
        return request


class InQuery(AuthBase):
    """A secret in a query parameter, in the place of one of its name."""

    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        parts = urlsplit(request.url or "")
        others = [pair for pair in parts.query.split("&") if pair and _name_of(pair) != self._name]
        query = "&".join([*others, urlencode({self._name: self._value})])
        request.url = urlunsplit(parts._replace(query=query))
        return request


class WebhookSignature(AuthBase):
    """The signature of Standard Webhooks, by one secret or by several with spaces between them."""

    def __init__(self, secret: str) -> None:
        self._secrets = secret.split()
        for one in self._secrets:
            standard_webhooks.key_of(one)

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        message_id = request.headers.get(standard_webhooks.ID)
        if not message_id:
            raise Refused(f"a webhook needs the header {standard_webhooks.ID}")
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else bytes(body)
        now = int(time.time())
        request.headers[standard_webhooks.TIMESTAMP] = str(now)
        request.headers[standard_webhooks.SIGNATURE] = " ".join(
            standard_webhooks.sign(one, str(message_id), now, body) for one in self._secrets
        )
        return request


def _name_of(pair: str) -> str:
    return unquote_plus(pair.partition("=")[0])


#: kind -> its fields and how it is made of them; the second ones are optional.
_KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...], Callable[..., AuthBase]]] = {
    "bearer": (("token",), (), lambda token: InHeader("Authorization", f"Bearer {token}")),
    "basic": (
        ("user", "password"),
        (),
        lambda user, password: HTTPBasicAuth(user.encode(), password.encode()),
    ),
    "digest": (("user", "password"), (), lambda user, password: HTTPDigestAuth(user, password)),
    "header": (("name", "value"), (), InHeader),
    "query": (("name", "value"), (), InQuery),
    "oauth2": (
        ("token_url", "client_id", "client_secret"),
        ("scope", "audience", "client_auth"),
        ClientCredentials,
    ),
    "webhook": (("secret",), (), WebhookSignature),
}
#: Fields that any kind may have beside its own.
_COMMON = frozenset({"kind", "origins"})
#: Fields that are secret.
_SECRET = frozenset({"token", "password", "value", "client_secret", "secret"})


def auth_of(name: str, fields: Mapping[str, Any], fetch: Fetch) -> AuthBase:
    """Return the auth object that the fields of a credential describe.

    Raises:
        Refused: They describe none; the sentence names what is wrong, without any value.

    """
    kind = fields.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise Refused(f"the credential {name!r} has no kind of {', '.join(_KINDS)}")
    needed, optional, make = _KINDS[kind]
    wrong = [field for field in needed if not _is_line(fields.get(field))]
    if wrong:
        raise Refused(
            f"the credential {name!r} lacks {', '.join(wrong)}, as a line of text; its kind is {kind}"
        )
    unknown = fields.keys() - {*needed, *optional, *_COMMON}
    if unknown:
        raise Refused(f"the credential {name!r} has {', '.join(sorted(unknown))}, which {kind} does not take")
    given = {field: fields[field] for field in (*needed, *optional) if field in fields}
    try:
        return make(**given) if make is not ClientCredentials else make(name=name, fetch=fetch, **given)
    except ValueError as error:
        raise Refused(f"the credential {name!r} cannot be used: {error}") from None


def _is_line(value: object) -> bool:
    return isinstance(value, str) and value != "" and not set(value) & set("\r\n\0")


def secrets_of(fields: Mapping[str, Any]) -> set[str]:
    """Return the secrets among the fields of a credential."""
    return {value for field, value in fields.items() if field in _SECRET and isinstance(value, str)}
