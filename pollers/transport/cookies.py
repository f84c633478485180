"""The cookies that services set, kept for one poll between its attempts (RFC 6265).

They are plain JSON, so that the next attempt can be made by any worker. They are kept by origin,
which is narrower than the RFC: a cookie goes back to the scheme, host and port that set it and to
none else, whatever its ``Domain`` says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from pollers.http_date import http_date
from pollers.origin import full_origin

#: Cookies of a poll by origin: name, value, path, and expiry in epoch seconds or None.
Cookies = dict[str, list[list[Any]]]

#: Cookies of one poll, and characters of one cookie, that are kept; a poll waits in Redis with
#: them. RFC 6265, section 6.1, asks for more of browsers, which keep them for all of a site.
MOST = 20
LONGEST = 4096
_AGE = re.compile(r"-?[0-9]{1,12}")


def remember(kept: Cookies, url: str, lines: Iterable[str], now: float) -> Cookies:
    """Return the cookies after an answer of ``url`` with these ``Set-Cookie`` lines.

    ``now`` is in epoch seconds.
    """
    home = full_origin(url)
    jar = {(name, path): [name, value, path, expires] for name, value, path, expires in kept.get(home, ())}
    for line in lines:
        cookie = _parsed(line, url, now) if len(line) <= LONGEST else None
        if cookie is not None:
            jar[cookie[0], cookie[2]] = cookie
    living = [cookie for cookie in jar.values() if cookie[3] is None or cookie[3] > now][-MOST:]
    # The origin that has just answered goes last, and those that answered longest ago give way.
    after, room = ({home: living} if living else {}), MOST - len(living)
    for place, cookies in reversed(kept.items()):
        if place != home and room > 0:
            after = {place: cookies[-room:], **after}
            room -= len(after[place])
    return after


def header(kept: Cookies, url: str, now: float) -> str:
    """Return the ``Cookie`` header for a request of ``url``; empty when there is none to send."""
    path = urlsplit(url).path or "/"
    fitting = [
        cookie
        for cookie in kept.get(full_origin(url), ())
        if (cookie[3] is None or cookie[3] > now) and _path_matches(path, cookie[2])
    ]
    # Section 5.4: longer paths first.
    fitting.sort(key=lambda cookie: -len(cookie[2]))
    return "; ".join(f"{name}={value}" for name, value, *_ in fitting)


def _parsed(line: str, url: str, now: float) -> list[Any] | None:
    """Return the cookie of a ``Set-Cookie`` line by the algorithm of section 5.2; None for no cookie."""
    pair, *parts = line.split(";")
    name, equals, value = pair.partition("=")
    if not equals or not name.strip():
        return None
    attributes: dict[str, str] = {}
    for part in parts:
        attribute, _, content = part.partition("=")
        attributes[attribute.strip().lower()] = content.strip()
    if "secure" in attributes and not url.lower().startswith("https:"):
        return None
    path = attributes.get("path", "")
    if not path.startswith("/"):
        path = _default_path(url)
    return [name.strip(), value.strip(), path, _expiry(attributes, now)]


def _expiry(attributes: dict[str, str], now: float) -> float | None:
    age = attributes.get("max-age", "")
    if _AGE.fullmatch(age):
        return round(now) + int(age)
    return http_date(attributes.get("expires", ""))


def _default_path(url: str) -> str:
    """Return the directory of a URL's path (section 5.1.4)."""
    return urlsplit(url).path.rpartition("/")[0] or "/"


def _path_matches(path: str, of_cookie: str) -> bool:
    return path == of_cookie or path.startswith(of_cookie if of_cookie.endswith("/") else of_cookie + "/")
