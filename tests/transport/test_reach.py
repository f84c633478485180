"""The guard: which addresses a request may reach, whatever its URL, a redirect or the DNS says."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import trustme

from pollers.answer import Answer, AnswerError
from pollers.transport import Transport
from pollers.transport.failures import Refused
from pollers.transport.reach import Reach, Rules, Seen
from tests.endpoints import Endpoint, RawServer, Reply
from tests.transport.wire import get, read_head, response

PUBLIC, PRIVATE, METADATA = "8.8.8.8", "127.0.0.1", "169.254.169.254"
Fetch = Callable[..., Answer]


def names(zone: Mapping[str, str | list[str]]) -> Callable[..., list[Any]]:
    """Return a resolver that knows some names; others are asked of the system."""

    def resolve(host: str, port: int, *hints: int) -> list[Any]:
        if host not in zone:
            return socket.getaddrinfo(host, port, *hints)
        addresses = zone[host] if isinstance(zone[host], list) else [zone[host]]
        return [found for address in addresses for found in socket.getaddrinfo(address, port, *hints)]

    return resolve


@pytest.fixture
def fetch() -> Iterator[Fetch]:
    """Return a function that fetches a URL by these rules."""
    made: list[Transport] = []

    def fetch(
        url: str,
        *,
        zone: Mapping[str, str | list[str]] | None = None,
        home: str = "",
        kept: Any = None,
        **rules: Any,
    ) -> Answer:
        made.append(Transport(rules=Rules(resolve=names(zone or {}), **rules)))
        return made[-1].fetch(get(url, home=home), timeout=1, kept=kept)

    yield fetch
    for transport in made:
        transport.close()


def on(endpoint: Endpoint, host: str, path: str = "/") -> str:
    """Return the URL of an endpoint's path by another host name."""
    return endpoint.url(path).replace("127.0.0.1", host)


HIDDEN = [
    *("169.254.169.254", "2852039166", "0xA9FEA9FE", "0xa9.0xfe.0xa9.0xfe", "0251.0376.0251.0376"),
    *("169.16689662", "169.254.43518", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]"),
    *("[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "[fe80::1]", "[fd00:ec2::254]"),
    *("user:pw@169.254.169.254", "example.com@169.254.169.254"),
]


@pytest.mark.parametrize("host", HIDDEN)
def test_metadata_is_refused_however_it_is_written(fetch: Fetch, host: str) -> None:
    """Decimal, octal, hexadecimal, IPv6 and unicode are all one address in the end."""
    answer = fetch(f"http://{host}/latest/meta-data/")
    assert (answer.error, answer.status) == (AnswerError.REFUSED, None)
    assert "may not be polled: it is" in answer.error_text


@pytest.mark.parametrize("host", ["①⑥⑨.②⑤④.①⑥⑨.②⑤④", "169。254。169。254", "169.254.169.254."])
def test_what_is_written_otherwise_is_no_host_at_all(fetch: Fetch, host: str) -> None:
    """Digits and dots of other alphabets, and an address with a dot behind."""
    answer = fetch(f"http://{host}/latest/meta-data/")
    assert answer.error in (AnswerError.REFUSED, AnswerError.DNS)


def test_metadata_is_refused_by_name(fetch: Fetch) -> None:
    """The address counts."""
    answer = fetch("http://metadata.example/", zone={"metadata.example": METADATA})
    assert answer.error is AnswerError.REFUSED
    assert answer.error_text == (
        "169.254.169.254 may not be polled: it is link-local, where clouds keep their metadata"
    )


def test_a_private_address_may_be_polled(fetch: Fetch, endpoint: Endpoint) -> None:
    """By number and by name, and lead to another: internal services do."""
    there = endpoint.script("/there", Reply(body="there"))
    endpoint.script("/", Reply(302, headers={"Location": there.replace("127.0.0.1", "two.internal")}))
    zone = {"one.internal": "127.0.0.1", "two.internal": "127.0.0.1"}
    answer = fetch(on(endpoint, "one.internal"), zone=zone)
    assert (answer.text(), answer.kept) == ("there", None)
    assert fetch(there).text() == "there"


def test_private_addresses_can_be_blocked(fetch: Fetch, endpoint: Endpoint) -> None:
    """Outright, but for networks that are allowed."""
    url = endpoint.script("/", Reply(body="inside"))
    blocked = fetch(url, block_private=True)
    assert blocked.error is AnswerError.REFUSED
    assert blocked.error_text == (
        "127.0.0.1 is an address of the worker's own machine (pollers_block_private)"
    )
    assert fetch(url, block_private=True, allowed_networks=["127.0.0.0/8"]).text() == "inside"
    assert len(endpoint.arrivals("/")) == 1


def test_a_poll_of_a_public_address_is_not_led_inside_by_dns(fetch: Fetch, endpoint: Endpoint) -> None:
    """The name had a public address when it was first polled, and has a private one now."""
    url = on(endpoint, "rebinding.example")
    first = fetch(url, zone={"rebinding.example": PUBLIC})
    assert first.kept == {"seen": Seen.PUBLIC}
    kept = json.loads(json.dumps(first.kept))
    second = fetch(url, zone={"rebinding.example": PRIVATE}, kept=kept)
    assert second.error is AnswerError.REFUSED
    assert second.error_text == "a public address may not lead to 127.0.0.1, a private one"
    assert endpoint.arrivals("/") == []


def test_a_name_with_a_public_and_a_private_address_is_public(fetch: Fetch, endpoint: Endpoint) -> None:
    """The private one is not tried, wherever it stands."""
    answer = fetch(on(endpoint, "split.example"), zone={"split.example": [PRIVATE, PUBLIC, PRIVATE]})
    assert answer.error in (AnswerError.CONNECTION, AnswerError.TIMEOUT)
    assert answer.kept == {"seen": Seen.PUBLIC}
    assert endpoint.arrivals("/") == []


def test_a_poll_of_a_public_address_is_not_led_inside_by_a_named_url(
    fetch: Fetch, endpoint: Endpoint
) -> None:
    """As ``Operation-Location`` does."""
    url = endpoint.script("/", Reply())
    answer = fetch(url, home="http://public.example/", kept={"seen": Seen.PUBLIC})
    assert answer.error is AnswerError.REFUSED
    allowed = fetch(
        url, home="http://public.example/", kept={"seen": Seen.PUBLIC}, allowed_networks=["127.0.0.1/32"]
    )
    assert allowed.status == 200


def test_a_private_service_may_name_a_public_one_which_may_not_lead_back(
    fetch: Fetch, endpoint: Endpoint
) -> None:
    """The poll's own URL can be asked again all the same."""
    home, inside = endpoint.script("/", Reply()), endpoint.script("/inside", Reply())
    elsewhere = inside.replace("127.0.0.1", "localhost")
    away = fetch("http://public.example/", zone={"public.example": PUBLIC}, home=home)
    assert away.kept == {"seen": Seen.MIXED}
    assert fetch(home, home=home, kept=away.kept).status == 200
    assert fetch(elsewhere, home=home, kept=away.kept).error is AnswerError.REFUSED


def test_a_kept_connection_is_no_way_inside(endpoint: Endpoint) -> None:
    """It was made for a poll that may go there."""
    url = endpoint.script("/", Reply(body="inside"))
    transport = Transport()
    assert transport.fetch(get(url), timeout=5).text() == "inside"
    answer = transport.fetch(get(url), timeout=5, kept={"seen": Seen.PUBLIC})
    assert (answer.error, len(endpoint.arrivals("/"))) == (AnswerError.REFUSED, 1)
    assert transport.fetch(get(url), timeout=5).text() == "inside"
    transport.close()


def test_within_one_fetch_a_public_address_leads_nowhere_inside() -> None:
    """By redirects: the poll's own address is private, the next public, the next private."""
    reach = Reach(Rules(), 0, at_home=True)
    reach.admit("10.0.0.1")
    reach.at_home = False
    reach.admit("10.0.0.2")
    reach.admit(PUBLIC)
    with pytest.raises(Refused, match="may not lead to"):
        reach.admit("10.0.0.1")


@pytest.mark.parametrize(
    ("rules", "host", "allowed"),
    [
        ({"allowed_hosts": ["api.example.com"]}, "api.example.com", True),
        ({"allowed_hosts": ["api.example.com"]}, "API.Example.com.", True),
        ({"allowed_hosts": ["api.example.com"]}, "api.example.com.evil.net", False),
        ({"allowed_hosts": ["api.example.com"]}, "evil.net", False),
        ({"allowed_hosts": ["*.example.com"]}, "a.b.example.com", True),
        ({"allowed_hosts": ["*.example.com"]}, "badexample.com", False),
        ({"allowed_hosts": ["*.example.com"]}, "example.com", False),
        ({"denied_hosts": ["*.example.com", "localhost"]}, "a.example.com", False),
        ({"denied_hosts": ["localhost"]}, "LOCALHOST", False),
        ({"denied_hosts": ["127.0.0.1"]}, "127.0.0.1", False),
        ({"denied_hosts": ["localhost"]}, "api.example.com", True),
        ({"denied_networks": ["127.0.0.0/8"]}, "api.example.com", False),
        ({"denied_networks": ["::1/128"]}, "api.example.com", True),
    ],
)
def test_hosts_and_networks_can_be_allowed_and_denied(
    fetch: Fetch, endpoint: Endpoint, rules: Any, host: str, allowed: bool
) -> None:
    """Names as the connection sees them; networks whatever the name."""
    endpoint.script("/", Reply())
    zone = dict.fromkeys([host, host.lower(), host.lower().rstrip(".")], "127.0.0.1")
    answer = fetch(on(endpoint, host), zone=zone, **rules)
    assert (answer.error is None) is allowed
    if not allowed:
        assert answer.error is AnswerError.REFUSED
        assert f"(pollers_{next(iter(rules))})" in answer.error_text


@pytest.mark.parametrize(
    "url",
    [
        "http://allowed.example@127.0.0.1/",
        "http://allowed.example:pw@127.0.0.1/",
        "http://127.0.0.1\\@allowed.example/",
        "http://127.0.0.1#@allowed.example/",
        "http://allowed.example.127.0.0.1.nip.example/",
        "http://аllowed.example/",  # noqa: RUF001  # the first letter is Cyrillic
    ],
)
def test_an_allowed_name_is_no_disguise(fetch: Fetch, url: str) -> None:
    """The host is the one that is connected to."""
    answer = fetch(url, allowed_hosts=["allowed.example"], zone={"allowed.example": PRIVATE})
    assert answer.error is AnswerError.REFUSED
    assert "is no allowed host" in answer.error_text or "cannot be requested" in answer.error_text


def test_a_denied_network_is_denied_in_every_form(fetch: Fetch) -> None:
    """Also inside an IPv6 address."""
    answer = fetch("http://[::ffff:8.8.8.8]/", denied_networks=["8.8.8.0/24"])
    assert (answer.error, "denied network" in answer.error_text) == (AnswerError.REFUSED, True)


def test_nothing_is_connected_to_what_is_refused(fetch: Fetch) -> None:
    """The server does not even see a connection."""
    connections: list[Any] = []
    with RawServer(connections.append) as server:
        assert fetch(server.url(), block_private=True).error is AnswerError.REFUSED
    assert connections == []


def test_the_next_address_is_tried_when_one_does_not_answer(fetch: Fetch, endpoint: Endpoint) -> None:
    """As by every client."""
    endpoint.script("/", Reply(body="there"))
    zone = {"double.internal": ["127.0.0.9", "127.0.0.1"]}
    assert fetch(on(endpoint, "double.internal"), zone=zone).text() == "there"


def test_an_address_that_does_not_answer_leaves_time_for_the_next(fetch: Fetch, endpoint: Endpoint) -> None:
    """As an IPv6 address does where the network has none."""
    url = endpoint.script("/", Reply(body="there"))
    port = int(url.rpartition(":")[2].rstrip("/"))
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.9", port))
        full.listen(0)
        for _ in range(4):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(("127.0.0.9", port))
        answer = fetch(on(endpoint, "double.internal"), zone={"double.internal": ["127.0.0.9", "127.0.0.1"]})
    assert answer.text() == "there"
    assert 0.4 < answer.elapsed < 1


def test_a_certificate_is_checked_against_the_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Although the connection is made to an address that was looked at before."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("service.example").configure_cert(context)

    def serve(sock: Any) -> None:
        with context.wrap_socket(sock, server_side=True) as secure:
            read_head(secure)
            secure.sendall(response(b"1"))

    transport = Transport(rules=Rules(resolve=names({"service.example": PRIVATE, "other.example": PRIVATE})))
    with RawServer(serve) as server:
        port = server.url().rpartition(":")[2]
        assert transport.fetch(get(f"https://service.example:{port}"), timeout=5).json() == 1
        assert transport.fetch(get(f"https://other.example:{port}"), timeout=5).error is AnswerError.TLS
    transport.close()
