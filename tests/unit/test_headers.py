"""The headers of an answer."""

from __future__ import annotations

import pytest

from pollers.transport.headers import Headers

HEADERS = Headers([("Content-Type", "text/plain"), ("Set-Cookie", "a=1"), ("set-cookie", "b=2")])


def test_names_are_found_in_any_case() -> None:
    """By every way to look."""
    assert HEADERS["content-TYPE"] == HEADERS.get("CONTENT-type") == "text/plain"
    assert "content-type" in HEADERS
    assert "content" not in HEADERS


def test_what_has_not_come_is_nothing() -> None:
    """Or what the caller says, or an error where it must be there."""
    assert HEADERS.get("ETag") is None
    assert HEADERS.get("ETag", "") == ""
    with pytest.raises(KeyError):
        HEADERS["ETag"]


def test_repeated_ones_are_joined() -> None:
    """By commas, under the name that came last; so it is one of two."""
    assert dict(HEADERS) == {"Content-Type": "text/plain", "set-cookie": "a=1, b=2"}
    assert len(HEADERS) == 2
