"""Requests are prepared as `requests` does it, whether by it or, where that is the same, in less time."""

from __future__ import annotations

import requests
from hypothesis import example, given
from hypothesis import strategies as st

from pollers.transport import Request

hosts = st.sampled_from(
    ["h", "api.example.com", "127.0.0.1", "A.example", "h:80", "h:8080", "h:080", "u:p@h", "ü"]
)
rests = st.text(alphabet="aZ0/.-_~%20?=&;:@!$'()*+,# é[]|\"<", max_size=12)
headers = st.dictionaries(st.sampled_from(["Accept", "accept-encoding", "X-A"]), st.just("v"), max_size=2)


def outcome(url: str, method: str, extra: dict[str, str], *, ours: bool) -> object:
    """Return what is prepared, or which error is raised instead."""
    try:
        if ours:
            prepared = Request(method=method, url=url, headers=extra).prepared
        else:
            prepared = requests.Request(method, url, extra).prepare()
            defaults = requests.utils.default_headers()
            for name in defaults.keys() - {"User-Agent"}:
                prepared.headers.setdefault(name, defaults[name])
    except (requests.RequestException, UnicodeError) as error:
        return type(error)
    return prepared.method, prepared.url, dict(prepared.headers.lower_items()), prepared.body, prepared.hooks


@given(
    st.sampled_from(["http", "https"]), hosts, rests, st.sampled_from(["GET", "HEAD", "POST", "PUT"]), headers
)
@example("http", "h", "/a/../b", "GET", {})
@example("http", "h", "/a?", "GET", {})
@example("http", "h", "//a//b;c", "GET", {})
@example("https", "api.example.com", "/v1/operations/4d1f?view=full&x=1/2?", "GET", {})
@example("http", "h", "/a%7eb", "GET", {})
def test_every_url_is_prepared_as_by_requests(
    scheme: str, host: str, rest: str, method: str, extra: dict[str, str]
) -> None:
    """The same method, URL, headers and body, and the same errors."""
    url = f"{scheme}://{host}{rest}"
    assert outcome(url, method, extra, ours=True) == outcome(url, method, extra, ours=False)


def test_a_copy_can_be_signed_by_digest() -> None:
    """Which collects cookies in the request."""
    prepared = Request(method="GET", url="http://h/a").prepared.copy()
    prepared.prepare_cookies(prepared._cookies)  # type: ignore[attr-defined]
    assert "Cookie" not in prepared.headers
