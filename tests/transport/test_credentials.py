"""Credentials: named by polls, held by workers, sent to one origin, and given away to nobody."""

from __future__ import annotations

import html
import json
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import trustme
from requests.auth import AuthBase, HTTPBasicAuth

from pollers import credential
from pollers.answer import AnswerError
from pollers.transport import Transport
from pollers.transport.credentials import Credential, sources
from tests.endpoints import Endpoint, RawServer, Reply
from tests.transport.services import DigestService, Echo
from tests.transport.wire import Hold, get, read_head, response, signed

SECRET = 's3cret/value+"ü"'


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
    assert signed(transport, endpoint.script("/", Reply())).status == 200
    assert endpoint.arrivals("/")[0].headers[header] == value


def test_a_key_goes_out_in_the_query(transport: Transport, endpoint: Endpoint, hold: Hold) -> None:
    """In the place of one of its name; the rest stays as it is, and the answer's URL does not tell."""
    hold(kind="query", name="key", value="k&y=1234")
    endpoint.script("/", Reply())
    answer = signed(transport, endpoint.url("/?a=%20+&key=old&b"))
    assert endpoint.arrivals("/")[0].path == "/?a=%20+&b&key=k%26y%3D1234"
    assert "1234" not in repr(answer)


def test_a_file_holds_credentials_and_may_change(endpoint: Endpoint, tmp_path: Path) -> None:
    """The next attempt reads it again; a file in the middle of a change leaves what was there."""
    file = tmp_path / "credentials.toml"
    file.write_text('[x]\nkind = "bearer"\ntoken = "first"\n')
    transport = Transport(credentials_file=str(file))
    url = endpoint.script("/", Reply())
    for text in ('[x]\nkind = "bearer"\ntoken = "second"\n', "[half"):
        signed(transport, url)
        file.write_text(text)
    signed(transport, url)
    file.unlink()
    signed(transport, url)
    sent = [arrival.headers["Authorization"] for arrival in endpoint.arrivals("/")]
    assert sent == ["Bearer first", "Bearer second", "Bearer second", "Bearer second"]
    transport.close()


def test_a_file_may_be_json(endpoint: Endpoint, tmp_path: Path) -> None:
    """By its suffix."""
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps({"x": {"kind": "bearer", "token": "t"}}))
    transport = Transport(credentials_file=str(file))
    assert signed(transport, endpoint.script("/", Reply())).status == 200
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
        signed(transport, url)
    assert [one.headers["Authorization"] for one in endpoint.arrivals("/")] == ["Basic bWU6cHc="] * 2
    assert len(asked) == 2


@pytest.mark.usefixtures("registered")
def test_a_function_that_fails_is_tried_again_later(transport: Transport, endpoint: Endpoint) -> None:
    """Its error may quote the secret, and is not shown."""

    @credential("x")
    def make() -> Any:
        raise OSError(f"no access with {SECRET}")

    answer = signed(transport, endpoint.script("/", Reply()))
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
    answer = signed(transport, endpoint.script("/", Reply()))
    assert answer.error_text == "the credential 'x' failed: ValueError"


def test_an_unknown_credential_is_refused(transport: Transport, endpoint: Endpoint) -> None:
    """Nothing is sent without it."""
    answer = signed(transport, endpoint.script("/", Reply()))
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
    answer = signed(transport, "http://127.0.0.1:9/")
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
    signed(transport, url)
    signed(transport, away, home=url)
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
    assert signed(transport, endpoint.script("/", Reply())).status == 200
    answer = signed(transport, elsewhere.script("/", Reply()))
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
        answer = signed(transport, echo.url("/"))
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
        answer = signed(transport, service.url("/"))
        assert (answer.status, answer.text(), service.challenges) == (401, "who are you?", 2)


def test_a_huge_challenge_is_left_at_the_limit(transport: Transport, hold: Hold) -> None:
    """An auth object that reads the body gets no more of it than anyone."""
    hold(kind="digest", user="me", password="pw")
    huge = response(b"x" * 100_000, 'WWW-Authenticate: Digest realm="r", nonce="n"', status="401 No")

    def handle(sock: Any) -> None:
        read_head(sock)
        sock.sendall(huge)

    with RawServer(handle) as server:
        assert signed(transport, server.url()).error is AnswerError.BODY_TOO_LARGE


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
