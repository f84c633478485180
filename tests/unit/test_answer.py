"""An answer says what its body is worth, whatever its headers say."""

from __future__ import annotations

from typing import Any

import pytest
from requests.structures import CaseInsensitiveDict

from pollers.answer import Answer


def answer(body: bytes, content_type: str) -> Answer:
    """Return an answer with a body."""
    headers = CaseInsensitiveDict({"Content-Type": content_type} if content_type else {})
    return Answer(url="http://x/", status=200, headers=headers, body=body, elapsed=0.1)


@pytest.mark.parametrize(
    ("body", "content_type", "value"),
    [
        ('{"name": "Zoë"}'.encode("latin-1"), "application/json; charset=iso-8859-1", {"name": "Zoë"}),
        ('{"name": "Zoë"}'.encode("utf-16"), "application/json", {"name": "Zoë"}),
        ('{"name": "Zoë"}'.encode("utf-32-le"), "", {"name": "Zoë"}),
        (b'\xef\xbb\xbf{"a": 1}', 'application/json; charset="utf-8"', {"a": 1}),
        (b' \n{"a": 1}\n', "", {"a": 1}),
        (b'{"a": 1}', "text/html", {"a": 1}),
        (b'{"a": 1}\n{"a": 2}\n', "", [{"a": 1}, {"a": 2}]),
        (b'{"a": 1}\r\n\r\n{"a": 2}', "text/plain", [{"a": 1}, {"a": 2}]),
        ('{"a": "\u2028"}\n[2]'.encode(), "", [{"a": "\u2028"}, [2]]),
        (b"1\n2", "application/x-ndjson", [1, 2]),
        (b'{"a": 1}', "application/x-ndjson; charset=utf-8", [{"a": 1}]),
        (b"", "application/jsonl", []),
        (b"1\n2\n", "text/plain", "1\n2\n"),
        (b'{"a": 1}\nand words', "", '{"a": 1}\nand words'),
        (b"<state>done</state>", "application/xml", "<state>done</state>"),
        (b"", "", ""),
        ('{"a": "é"}'.encode("latin-1"), "application/json; charset=utf-8", '{"a": "\ufffd"}'),
        ('{"a": "é"}'.encode("latin-1"), "application/json; charset=no-such", '{"a": "\ufffd"}'),
        ("Zoë".encode("latin-1"), "text/plain; charset=iso-8859-1", "Zoë"),
        (b"plain", "text/plain; charset=undefined", "plain"),
        (b"plain", "text/plain; charset=no-such", "plain"),
        (b"[" * 100_000, "application/json", "[" * 100_000),
    ],
)
def test_the_value_of_a_body(body: bytes, content_type: str, value: Any) -> None:
    """JSON in whatever charset, lines of JSON, and what is neither as text."""
    assert answer(body, content_type).value() == value
