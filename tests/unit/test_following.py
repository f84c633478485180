"""Where answers lead, and where they may not."""

from __future__ import annotations

import pytest

from pollers.answer import Answer
from pollers.conditions import lead
from pollers.following import keep_params, refusal
from pollers.spec import PollSpec


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("/b", "https://x.example:8443/b"),
        ("b?c=1", "https://x.example:8443/a/b?c=1"),
        ("?c=1", "https://x.example:8443/a/jobs?c=1"),
        ("//y.example/b", "https://y.example/b"),
        ("https://y.example/b#there", "https://y.example/b"),
        ("", None),
        (None, None),
        (7, None),
        ("ftp://y.example/", None),
        ("javascript:alert(1)", None),
        ("http://[", None),
        ("http://", None),
        ("http://127.0.0.1:99999/x", None),
        ("http://y.example:0/", None),
        ("//y.example:port/b", None),
    ],
)
def test_a_reference_is_resolved_against_the_url_that_answered(reference: object, url: str | None) -> None:
    """RFC 3986, section 5; what leads nowhere is none."""
    answer = Answer(url="https://x.example:8443/a/jobs", status=202, headers={}, body=b"", elapsed=0.1)
    assert lead(answer, reference) == url


def test_https_never_falls_back_to_http() -> None:
    """The other way round is fine."""
    secure, plain = PollSpec.parse("https://x/"), PollSpec.parse("http://x/")
    assert refusal(secure, "https://x/", "http://x/") == "the answer leads from https to http"
    assert refusal(plain, "http://x/", "https://x/") is None
    assert refusal(plain, "https://x/", "http://x/") == "the answer leads from https to http"


def test_secret_parameters_stay_on_their_origin() -> None:
    """Also where they are asked to stay."""
    spec = PollSpec.parse("https://x/?v=1&api_key=hush", protocol="accepted", keep_params=["v", "api_key"])
    assert keep_params(spec, "https://x/b") == "https://x/b?v=1&api_key=hush"
    assert keep_params(spec, "https://y/b") == "https://y/b?v=1"
