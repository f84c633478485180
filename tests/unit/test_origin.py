"""The origin of a URL: one reading of it, in two forms."""

from __future__ import annotations

import pytest

from pollers.origin import NONE, full_origin, in_full, parsed, same_origin, short_origin


@pytest.mark.parametrize(
    ("url", "full", "short"),
    [
        ("https://API.example.com/renders/42", "https://api.example.com", "api.example.com"),
        ("HTTPS://api.example.com:443/", "https://api.example.com", "api.example.com"),
        ("https://api.example.com./x", "https://api.example.com", "api.example.com"),
        ("https://api.example.com:/x", "https://api.example.com", "api.example.com"),
        ("https://api.example.com:8443/", "https://api.example.com:8443", "https://api.example.com:8443"),
        ("http://api.example.com:80/", "http://api.example.com", "http://api.example.com"),
        ("http://user:secret@127.0.0.1:8080/x", "http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("https://[::1]/", "https://[::1]", "[::1]"),
        ("https://[::1]:8443/", "https://[::1]:8443", "https://[::1]:8443"),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, full: str, short: str) -> None:
    """RFC 6454; the usual one has a short form, and nothing of the user information stays."""
    assert (full_origin(url), short_origin(url)) == (full, short)
    assert in_full(short) == full


@pytest.mark.parametrize(
    "url",
    [
        *("", "nowhere", "/x", "http://", "http://./", "http://u:p@/", "ftp://x/", "javascript:alert(1)"),
        *("http://[", "http://[::1/", "http://x\u2100/"),
        *("http://x:99999/", "http://x:0/", "http://x:-1/", "http://x:port/", "http://x:8\u00b2/"),
    ],
)
def test_what_nobody_can_ask_has_no_origin(url: str) -> None:
    """Rather than an error; and it is no other's, nor that of its like."""
    assert parsed(url) is None
    assert full_origin(url) == short_origin(url) == NONE
    assert not same_origin(url, url)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://x/a", "HTTPS://X:443/b", True),
        ("https://api.example.com./x", "https://api.example.com/y", True),
        ("https://x/a", "https://x:8443/a", False),
        ("http://x/", "https://x/", False),
        ("http://x/", "http://x.example/", False),
    ],
)
def test_two_urls_have_the_same_origin_in_all_three(one: str, other: str, same: bool) -> None:
    """However they are written."""
    assert same_origin(one, other) is same
