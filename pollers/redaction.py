"""What people may see of a poll: secrets in URLs, headers and bodies are replaced by ``***``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

MASK = "***"

#: Names whose values are secret, as parts of words: ``access_token``, ``X-Api-Key``, ``sig``.
_SECRET = re.compile(
    r"token|secret|passw|passphrase|api[-_]?key|access[-_]?key|private[-_]?key|signature|credential"
    r"|authoriz|cookie|session|jwt|assertion|(^|[-_.])(auth|sig|key|code|pwd|pin|otp)($|[-_.])|^x-amz-s",
    re.IGNORECASE,
)
#: Where a text may have a value with a name, one kind each: a sign without which there is none, the name and
#: what comes between, and the value. JSON members, also of JSON inside JSON, and cut off at the end; parts of
#: queries and forms; elements of XML.
_NAMED = (
    (
        '"',
        re.compile(r'"(?P<name>[^"\\]{1,64})\\*"\s*:\s*'),
        re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?$)|\\+"[^"]*"?|[\[{].*|[^\s,}\]"]+|'),
    ),
    ("=", re.compile(r"(?<![\w.-])(?P<name>[\w.-]{1,64})="), re.compile(r"[^&\s\"'<>,;]*")),
    ("<", re.compile(r"<(?P<name>[\w:.-]{1,64})>"), re.compile(r"[^<]*")),
)
#: What is secret by itself: an Authorization header, and the user information of a URL.
_BARE = (("//", re.compile(r"(?<=//)[^/\s\"@]+(?=@)")), ("er ", re.compile(r"(?<=[Bb]earer )[\w.~+/=-]+")))


@lru_cache(maxsize=1024)
def is_secret(name: str) -> bool:
    """Return whether a parameter, header or field of this name looks secret."""
    return bool(_SECRET.search(name))


def redact_url(url: str) -> str:
    """Return a URL without its user information and without the values of secret query parameters."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")
    except ValueError:
        return MASK
    netloc = f"{MASK}@{host[2]}" if host[1] else parts.netloc
    query = parts.query
    if query and any(is_secret(name) for name, _ in parse_qsl(query, keep_blank_values=True)):
        query = "&".join(
            f"{quote(name)}={MASK if is_secret(name) else quote(value)}"
            for name, value in parse_qsl(query, keep_blank_values=True)
        )
    return urlunsplit((parts.scheme, netloc, parts.path, query, parts.fragment))


@lru_cache(maxsize=1024)
def redact_text(text: str) -> str:
    """Return the beginning of some body without the values of secret names, as far as it can be told."""
    for sign, secret in _BARE:
        if sign in text:
            text = secret.sub(MASK, text)
    for sign, named, value in _NAMED:
        if sign in text:
            text = _masked(text, named, value)
    return text


def _masked(text: str, named: re.Pattern[str], value: re.Pattern[str]) -> str:
    pieces, at = [], 0
    for match in named.finditer(text):
        if match.start() >= at and is_secret(match["name"]):
            found = value.match(text, match.end())
            pieces += [text[at : match.end()], f'"{MASK}"' if match[0][0] == '"' else MASK]
            at = found.end() if found else match.end()
    return "".join(pieces) + text[at:] if pieces else text


def redact_value(value: Any) -> Any:
    """Return JSON-like data with the values of secret names replaced, at any depth."""
    if isinstance(value, Mapping):
        return {name: MASK if is_secret(str(name)) else redact_value(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redact_value(inner) for inner in value]
    return value


def redact_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a poll's parameters as people may see them."""
    shown = dict(params)
    if "url" in shown:
        shown["url"] = redact_url(str(shown["url"]))
    if isinstance(shown.get("webhook"), Mapping):
        shown["webhook"] = {**shown["webhook"], "url": redact_url(str(shown["webhook"].get("url")))}
    for name in ("headers", "params", "json", "data", "on_change"):
        if name in shown:
            value = shown[name]
            shown[name] = MASK if isinstance(value, str) and name == "data" else redact_value(value)
    return shown
