"""What an attempt asks: the request of the spec, as the answers before have changed it. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from pollers import registry
from pollers.carrying import filled
from pollers.origin import same_origin
from pollers.progress import Progress
from pollers.redaction import is_secret
from pollers.spec import PollSpec

#: Header of draft-ietf-httpapi-idempotency-key-header, sent as services read it today: without quotes.
IDEMPOTENCY_KEY = "Idempotency-Key"
#: Headers that belong to the body of the request before, or to its repetition.
_OF_THE_START = ("content-", "idempotency-key")


def is_constant(spec: PollSpec) -> bool:
    """Return whether every attempt of a poll asks the same."""
    return spec.protocol is None and spec.carry is None


def asked(spec: PollSpec, progress: Progress, poll_id: str) -> PollSpec:
    """Return the spec whose request the next attempt sends.

    The request that starts an operation has the poll's id as its ``Idempotency-Key``, the same however
    often it must be repeated, unless the poll has a key of its own. Where an answer has led elsewhere,
    that is asked by GET: without the body, and on another origin without the headers that look secret.
    """
    if spec.long_poll is not None:
        spec = dataclasses.replace(spec, headers=_waiting_headers(spec))
    if spec.carry is not None:
        spec = dataclasses.replace(spec, **filled(spec, progress.carried or {}))
    if not progress.url:
        return _starting(spec, poll_id) if spec.start else spec
    return dataclasses.replace(
        spec,
        method="GET",
        url=progress.url,
        headers=_following_headers(spec, progress.url),
        params={},
        json=None,
        data=None,
    )


def keep_params(spec: PollSpec, url: str) -> str:
    """Return a URL that an answer named, with the parameters that are to stay on it.

    On another origin, none that look secret.
    """
    if not spec.keep_params:
        return url
    ours = same_origin(spec.url, url)
    wanted = {name for name in spec.keep_params if ours or not is_secret(name)}
    parts = urlsplit(url)
    there = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    own = [*parse_qsl(urlsplit(spec.url).query, keep_blank_values=True), *_pairs(spec.params)]
    kept = [(name, value) for name, value in own if name in wanted and name not in there]
    query = "&".join(filter(None, (parts.query, urlencode(kept))))
    return parts._replace(query=query).geturl()


def refusal(spec: PollSpec, answered: str, url: str) -> str | None:
    """Return why the answer of a URL may not lead a poll to another one; None when it may."""
    secure = any(urlsplit(one).scheme.lower() == "https" for one in (spec.url, answered))
    if secure and urlsplit(url).scheme != "https":
        return "the answer leads from https to http"
    return None


def _starting(spec: PollSpec, poll_id: str) -> PollSpec:
    of_convention = registry.entry(spec.convention or "").start_headers or {}
    given = {name.lower() for name in spec.headers}
    added = {IDEMPOTENCY_KEY: poll_id, **of_convention}
    headers = {name: value for name, value in added.items() if name.lower() not in given}
    return dataclasses.replace(spec, headers={**spec.headers, **headers})


def _waiting_headers(spec: PollSpec) -> dict[str, str]:
    """Return the headers with the preference that the service waits (RFC 7240, section 4.3)."""
    wait = f"wait={spec.long_poll:.0f}"
    own = [value for name, value in spec.headers.items() if name.lower() == "prefer"]
    others = {name: value for name, value in spec.headers.items() if name.lower() != "prefer"}
    return {**others, "Prefer": ", ".join([*own, wait])}


def _following_headers(spec: PollSpec, url: str) -> dict[str, str]:
    ours = same_origin(spec.url, url)
    return {
        name: value
        for name, value in spec.headers.items()
        if not name.lower().startswith(_OF_THE_START) and (ours or not is_secret(name))
    }


def _pairs(params: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    for name, value in params.items():
        for one in value if isinstance(value, list) else [value]:
            yield name, one
