"""Dates as HTTP writes them, in three forms."""

import pytest

from pollers.http_date import http_date

MOMENT = 784_111_777.0


@pytest.mark.parametrize(
    "text",
    ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"],
)
def test_each_form_is_read(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9110, section 5.6.7; the last names no zone and means GMT, wherever the worker stands."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert http_date(text) == MOMENT


@pytest.mark.parametrize(
    "text", ["", "soon", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 99999 08:49:37 GMT"]
)
def test_anything_else_is_no_date(text: str) -> None:
    """Rather than an error."""
    assert http_date(text) is None
