"""Which origin somebody may have meant."""

from __future__ import annotations

import pytest

from pollers.cli.neighbours import nearest

OTHERS = [
    "api.example.com",
    "http://127.0.0.1:8123",
    "http://127.0.0.1:9000",
    "https://jobs.example.com:8443",
]


@pytest.mark.parametrize(
    ("origin", "meant"),
    [
        ("127.0.0.1", "http://127.0.0.1:8123"),
        ("http://api.example.com", "api.example.com"),
        ("http://[::1]:8000", None),
        ("jobs.example.com", "https://jobs.example.com:8443"),
        ("api.exampel.com", "api.example.com"),
        ("nosuch.example", None),
    ],
)
def test_the_same_host_is_nearest_then_a_similar_one(origin: str, meant: str | None) -> None:
    """Schemes and ports are what people leave out; what is only remotely alike is not told."""
    assert nearest(origin, OTHERS) == meant


def test_without_origins_there_is_no_nearest_one() -> None:
    """Nor with polls whose origin is not known."""
    assert nearest("api.example.com", []) is None
    assert nearest("api.example.com", [""]) is None
