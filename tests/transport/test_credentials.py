"""Credentials: named by polls, held by workers, sent to one origin, and given away to nobody."""

from __future__ import annotations

import html
import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import trustme
from requests.auth import AuthBase, HTTPBasicAuth

from pollers import credential
from pollers.answer import Answer, AnswerError
from pollers.transport import Transport
from pollers.transport.credentials import Credential, sources
from tests.endpoints import Endpoint, RawServer, Reply
from tests.transport.services import DigestService, Echo, TokenService
from tests.transport.wire import get, read_head, response

SECRET = 's3cret/value+"ü"'
Hold = Callable[..., None]


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> Hold:
    """Return a function that puts the credential ``x`` into the environment."""
    return lambda **fields: monkeypatch.setenv("POLLERS_CREDENTIAL_X", json.dumps(fields))


@pytest.fixture
def elsewhere() -> Iterator[Endpoint]:
    """Return a server of another origin."""
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def registered() -> Iterator[None]:
    """Forget in the end which functions give credentials."""
    yield
    sources._callables.clear()


def fetch(transport: Transport, url: str, **fields: Any) -> Answer:
    """Fetch a URL with the credential ``x``."""
    return transport.fetch(get(url, auth="x", **fields), timeout=5)


@pytest.mark.parametrize(
    ("fields", "header", "value"),
    [
        ({"kind": "bearer", "token": "abc.def"}, "Authorization", "Bearer abc.def"),
        ({"kind": "basic", "user": "me", "password": "pw"}, "Authorization", "Basic bWU6cHc="),
        ({"kind": "header", "name": "X-Api-Key", "value": "abc"}, "X-Api-Key", "abc"),
    ],
)
def test_a_secret_goes_out_in_its_header(
    transport: Transport, endpoint: Endpoint, hold: Hold, fields: Any, header: str, value: str
) -> None:
    """By kind."""
    hold(**fields)
    assert fetch(transport, endpoint.script("/", Reply())).status == 200
    assert endpoint.arrivals("/")[0].headers[header] == value


def test_a_key_goes_out_in_the_query(transport: Transport, endpoint: Endpoint, hold: Hold) -> None:
    """In the place of one of its name; the rest stays as it is, and the answer's URL does not tell."""
    hold(kind="query", name="key", value="k&y=1234")
    endpoint.script("/", Reply())
    answer = fetch(transport, endpoint.url("/?a=%20+&key=old&b"))
    assert endpoint.arrivals("/")[0].path == "/?a=%20+&b&key=k%26y%3D1234"
    assert "1234" not in repr(answer)


def test_a_file_holds_credentials_and_may_change(endpoint: Endpoint, tmp_path: Path) -> None:
    """The next attempt reads it again; a file in the middle of a change leaves what was there."""
    file = tmp_path / "credentials.toml"
    file.write_text('[x]\nkind = "bearer"\ntoken = "first"\n')
    transport = Transport(credentials_file=str(file))
    url = endpoint.script("/", Reply())
    for text in ('[x]\nkind = "bearer"\ntoken = "second"\n', "[half"):
        fetch(transport, url)
        file.write_text(text)
    fetch(transport, url)
    file.unlink()
    fetch(transport, url)
    sent = [arrival.headers["Authorization"] for arrival in endpoint.arrivals("/")]
    assert sent == ["Bearer first", "Bearer second", "Bearer second", "Bearer second"]
    transport.close()


def test_a_file_may_be_json(endpoint: Endpoint, tmp_path: Path) -> None:
    """By its suffix."""
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps({"x": {"kind": "bearer", "token": "t"}}))
    transport = Transport(credentials_file=str(file))
    assert fetch(transport, endpoint.script("/", Reply())).status == 200
    assert endpoint.arrivals("/")[0].headers["Authorization"] == "Bearer t"
    transport.close()


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    "made", [{"kind": "basic", "user": "me", "password": "pw"}, HTTPBasicAuth("me", "pw")]
)
def test_a_function_of_the_worker_may_give_a_credential(
    transport: Transport, endpoint: Endpoint, made: Any
) -> None:
    """As fields, or as any auth object of requests; it is asked at each attempt."""
    asked: list[int] = []

    @credential("x")
    def make() -> Any:
        asked.append(1)
        return made

    url = endpoint.script("/", Reply())
    for _ in range(2):
        fetch(transport, url)
    assert [one.headers["Authorization"] for one in endpoint.arrivals("/")] == ["Basic bWU6cHc="] * 2
    assert len(asked) == 2


@pytest.mark.usefixtures("registered")
def test_a_function_that_fails_is_tried_again_later(transport: Transport, endpoint: Endpoint) -> None:
    """Its error may quote the secret, and is not shown."""

    @credential("x")
    def make() -> Any:
        raise OSError(f"no access with {SECRET}")

    answer = fetch(transport, endpoint.script("/", Reply()))
    assert (answer.error, answer.error_text) == (
        AnswerError.CONNECTION,
        "the credential 'x' could not be had: OSError",
    )
    assert endpoint.arrivals("/") == []


@pytest.mark.usefixtures("registered")
def test_an_auth_object_that_fails_is_no_accident_either(transport: Transport, endpoint: Endpoint) -> None:
    """The same."""

    class Broken(AuthBase):
        def __call__(self, request: Any) -> Any:
            raise ValueError(SECRET)

    credential("x")(Broken)
    answer = fetch(transport, endpoint.script("/", Reply()))
    assert answer.error_text == "the credential 'x' failed: ValueError"


def test_an_unknown_credential_is_refused(transport: Transport, endpoint: Endpoint) -> None:
    """Nothing is sent without it."""
    answer = fetch(transport, endpoint.script("/", Reply()))
    assert (answer.error, answer.error_text) == (
        AnswerError.REFUSED,
        "no credential 'x' is known to this worker",
    )
    assert endpoint.arrivals("/") == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (SECRET, "POLLERS_CREDENTIAL_X is no JSON object"),
        (json.dumps({"token": SECRET}), "has no kind of bearer, basic"),
        (json.dumps({"kind": SECRET}), "has no kind of bearer, basic"),
        (json.dumps({"kind": "basic", "user": SECRET}), "lacks password"),
        (json.dumps({"kind": "bearer", "token": [SECRET]}), "lacks token"),
        (json.dumps({"kind": "bearer", "token": SECRET + "\n"}), "lacks token, as a line of text"),
        (json.dumps({"kind": "bearer", "token": SECRET, "tokn": SECRET}), "has tokn, which bearer"),
        (json.dumps({"kind": "bearer", "token": SECRET, "origins": SECRET}), "has origins that are no list"),
        (json.dumps({"kind": "bearer", "token": SECRET, "origins": ["x"]}), "has origins that are no list"),
    ],
)
def test_a_credential_that_is_wrong_is_refused_without_being_shown(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    """The sentence names the field."""
    monkeypatch.setenv("POLLERS_CREDENTIAL_X", text)
    answer = fetch(transport, "http://127.0.0.1:9/")
    assert answer.error is AnswerError.REFUSED
    assert told in answer.error_text
    assert SECRET not in repr(answer)


def test_a_credential_does_not_cross_origins(
    transport: Transport, endpoint: Endpoint, elsewhere: Endpoint, hold: Hold
) -> None:
    """Neither by redirects, nor by URLs that the service names, nor back by way of another."""
    hold(kind="bearer", token="abcdef")
    back = endpoint.script("/back", Reply())
    away = elsewhere.script("/away", Reply(302, headers={"Location": back}))
    url = endpoint.script("/", Reply(302, headers={"Location": "/on"}))
    endpoint.script("/on", Reply(307, headers={"Location": away}))
    fetch(transport, url)
    fetch(transport, away, home=url)
    sent = {
        path: [one.headers["Authorization"] for one in server.arrivals(path)]
        for server, path in ((endpoint, "/"), (endpoint, "/on"), (elsewhere, "/away"), (endpoint, "/back"))
    }
    assert sent == {
        "/": ["Bearer abcdef"],
        "/on": ["Bearer abcdef"],
        "/away": [None, None],
        "/back": [None, None],
    }


def test_a_credential_may_be_for_some_origins_only(
    transport: Transport, endpoint: Endpoint, elsewhere: Endpoint, hold: Hold
) -> None:
    """Whoever submits polls cannot send it to a place of their own."""
    hold(kind="bearer", token="abcdef", origins=[endpoint.url("/")])
    assert fetch(transport, endpoint.script("/", Reply())).status == 200
    answer = fetch(transport, elsewhere.script("/", Reply()))
    assert answer.error is AnswerError.REFUSED
    assert "the credential 'x' may not be sent to http://127.0.0.1:" in answer.error_text
    assert elsewhere.arrivals("/") == []


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "bearer", "token": SECRET.replace("ü", "")},
        {"kind": "basic", "user": "me", "password": SECRET},
        {"kind": "header", "name": "X-Api-Key", "value": SECRET.replace("ü", "")},
        {"kind": "query", "name": "k", "value": SECRET},
    ],
)
def test_a_service_that_echoes_gives_nothing_away(transport: Transport, hold: Hold, fields: Any) -> None:
    """In body, headers and URL, however it is written there."""
    hold(**fields)
    with Echo() as echo:
        answer = fetch(transport, echo.url("/"))
        [arrival] = echo.arrivals("/")
    assert "s3cret" in json.dumps([arrival.path, *arrival.headers.values()]) or fields["kind"] == "basic"
    assert "s3cret" not in repr((answer, answer.text(), answer.json()))
    if fields["kind"] == "basic":
        assert arrival.headers["Authorization"].split()[1] not in repr(answer)


@pytest.mark.parametrize(
    "written", ["{0}", "{1}", '{{"a": "{2}"}}', '{{"a": "{3}"}}', "<a>{4}</a>", "a={1}&b={0}{0}"]
)
def test_a_secret_is_masked_in_every_way_of_writing_it(written: str) -> None:
    """In URLs, forms, JSON by two customs, and HTML."""
    secret = 's3cret/"+ü&<x'
    in_json = json.dumps(secret)[1:-1]
    text = written.format(
        secret, quote(secret, ""), in_json, in_json.replace("/", "\\/"), html.escape(secret)
    )
    held = Credential("x", HTTPBasicAuth("me", secret), secrets=[secret, "s3cret"])
    expected = re.sub(r"\{\d\}", "***", written).replace("{{", "{").replace("}}", "}")
    assert held.masked(text) == expected
    assert held.masked_bytes(text.encode()) == expected.encode()
    assert Credential("y", HTTPBasicAuth("me", "pw"), secrets=["short"]).masked("short") == "short"


def test_digest(transport: Transport, hold: Hold) -> None:
    """A challenge is answered, and the nonce used again; nothing of it stays with the request."""
    hold(kind="digest", user="me", password="open sesame")
    with DigestService("me", "open sesame") as service:
        request = get(service.url("/jobs?id=1"), auth="x")
        answers = [transport.fetch(request, timeout=5) for _ in range(3)]
        assert [answer.json() for answer in answers] == [{"status": "done"}] * 3
        assert service.challenges == 1
    assert request.prepared.hooks == {"response": []}


def test_digest_with_a_wrong_password_is_an_answer(transport: Transport, hold: Hold) -> None:
    """The second 401."""
    hold(kind="digest", user="me", password="wrong")
    with DigestService("me", "right") as service:
        answer = fetch(transport, service.url("/"))
        assert (answer.status, answer.text(), service.challenges) == (401, "who are you?", 2)


def test_a_huge_challenge_is_left_at_the_limit(transport: Transport, hold: Hold) -> None:
    """An auth object that reads the body gets no more of it than anyone."""
    hold(kind="digest", user="me", password="pw")
    huge = response(b"x" * 100_000, 'WWW-Authenticate: Digest realm="r", nonce="n"', status="401 No")

    def handle(sock: Any) -> None:
        read_head(sock)
        sock.sendall(huge)

    with RawServer(handle) as server:
        assert fetch(transport, server.url()).error is AnswerError.BODY_TOO_LARGE


def oauth2(service: TokenService, **fields: Any) -> dict[str, Any]:
    """Return the fields of a credential for a service."""
    known = {"kind": "oauth2", "client_id": "client", "client_secret": "hush hush"}
    return known | {"token_url": service.url("/token")} | fields


@pytest.mark.parametrize("client_auth", ["basic", "post"])
def test_a_token_is_shared_by_all_polls_of_a_process(
    transport: Transport, hold: Hold, client_auth: str
) -> None:
    """Those that need it at the same time wait for one request."""
    secret = "hush+hush" if client_auth == "basic" else "hush hush"
    with TokenService(client="client", secret=secret, delay=0.2) as service:
        hold(**oauth2(service, client_auth=client_auth, scope="read write"))
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda n: fetch(transport, service.url(f"/jobs/{n}")), range(40)))
        assert {answer.status for answer in answers} == {200}
        [arrival] = service.arrivals("/token")
    assert b"grant_type=client_credentials" in arrival.body
    assert b"scope=read+write" in arrival.body
    assert (b"hush" in arrival.body) is (client_auth == "post")


def test_waiting_for_a_token_takes_no_longer_than_the_attempt(transport: Transport, hold: Hold) -> None:
    """Neither for the one that asks for it, nor for those that wait for that one."""
    with TokenService(client="client", secret="hush+hush", delay=5) as service:
        hold(**oauth2(service))
        began = time.monotonic()
        with ThreadPoolExecutor(5) as pool:
            url = service.url("/jobs")
            answers = list(pool.map(lambda _: transport.fetch(get(url, auth="x"), timeout=0.4), range(5)))
        assert time.monotonic() - began < 2
    assert {answer.error for answer in answers} == {AnswerError.TIMEOUT}


def test_a_token_is_replaced_before_it_ends(transport: Transport, hold: Hold) -> None:
    """So that no request is refused for it."""
    with TokenService(client="client", secret="hush+hush", life=1) as service:
        hold(**oauth2(service))
        began = time.monotonic()
        while len(service.issued) < 2:
            assert fetch(transport, service.url("/jobs")).status == 200
            assert time.monotonic() - began < 5
            threading.Event().wait(0.02)
        first, second = [one.at for one in service.arrivals("/token")][:2]
        assert 0.8 < second - first < 2
        assert {one.headers["Authorization"] for one in service.arrivals("/jobs")} == {
            f"Bearer {token}" for token in service.issued
        }


def test_a_token_that_is_refused_is_replaced_once(transport: Transport, hold: Hold) -> None:
    """It may have been revoked; a service that refuses the new one too has spoken."""
    with TokenService(client="client", secret="hush+hush") as service:
        hold(**oauth2(service))
        assert fetch(transport, service.url("/jobs")).status == 200
        service.valid.clear()
        assert fetch(transport, service.url("/jobs")).status == 200
        assert len(service.issued) == 2
        service.accepts = False
        assert fetch(transport, service.url("/jobs")).status == 401
        assert (len(service.issued), len(service.arrivals("/jobs"))) == (3, 5)


def test_a_token_endpoint_that_refuses_the_client_is_permanent(transport: Transport, hold: Hold) -> None:
    """With the error that it names, and no more of its answer."""
    with TokenService(client="client", secret="another") as service:
        hold(**oauth2(service))
        answer = fetch(transport, service.url("/jobs"))
        assert answer.error is AnswerError.REFUSED
        assert answer.error_text.endswith("answered 401 to the credential 'x': invalid_client")
        assert service.arrivals("/jobs") == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_token_endpoint_in_trouble_is_transient(
    transport: Transport, endpoint: Endpoint, hold: Hold, status: int
) -> None:
    """The next attempt asks again."""
    known = {"kind": "oauth2", "client_id": "client", "client_secret": "hush hush"}
    hold(**known, token_url=endpoint.script("/token", Reply(status, body="down")))
    answer = fetch(transport, endpoint.script("/", Reply()))
    assert answer.error is AnswerError.CONNECTION
    assert answer.error_text.endswith(f"/token answered {status}")


def test_the_guard_holds_for_token_endpoints_too(transport: Transport, hold: Hold) -> None:
    """Its request is one of ours."""
    hold(kind="oauth2", client_id="c", client_secret="hush hush", token_url="http://169.254.169.254/token")
    assert "link-local" in fetch(transport, "http://127.0.0.1:9/").error_text


def test_certificates_of_an_origin(tmp_path: Path) -> None:
    """A private authority for the service, and a certificate of ours that the service asks for."""
    authority, clients = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    clients.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    mine = clients.issue_cert("worker.example")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    mine.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    mine.private_key_pem.write_to_path(str(tmp_path / "key.pem"))

    def serve(sock: Any) -> None:
        with context.wrap_socket(sock, server_side=True) as secure:
            read_head(secure)
            name = dict(part[0] for part in secure.getpeercert()["subject"])["organizationalUnitName"]
            secure.sendall(response(json.dumps(name).encode()))

    with RawServer(serve) as server:
        url = server.url(scheme="https")
        paths = "".join(f'{name} = "{tmp_path}/{name}.pem"\n' for name in ("ca", "cert", "key"))
        file = tmp_path / "credentials.toml"
        file.write_text(f'["{url.upper()}"]\n{paths}')
        transport = Transport(credentials_file=str(file))
        assert "Testing cert" in transport.fetch(get(url), timeout=5).text()
        (tmp_path / "key.pem").unlink()
        missing = transport.fetch(get(url), timeout=5)
        file.write_text("")
        unknown = transport.fetch(get(url), timeout=5)
        transport.close()
    assert missing.error is AnswerError.REFUSED
    assert missing.error_text.endswith("have no file for key")
    assert unknown.error is AnswerError.TLS
