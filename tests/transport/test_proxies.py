"""Proxies: by setting, and what the guard can know behind one."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

import pytest
import trustme

from pollers import InvalidSetting
from pollers.answer import Answer, AnswerError
from pollers.settings import Settings
from pollers.transport import Transport
from pollers.transport.reach import Rules
from tests.endpoints import Endpoint, RawServer, Reply
from tests.transport.wire import get, read_head, response, says


class Proxy:
    """A forward proxy: it tunnels to any port of this machine, answers the rest itself, and notes both."""

    def __init__(self, answer: bytes = b'"by proxy"', status: str = "200 OK") -> None:
        self.heads: list[str] = []
        self._answer = response(answer, status=status)

    def __call__(self, sock: Any) -> None:
        while head := read_head(sock).decode():
            self.heads.append(head)
            method, target, _ = head.split(" ", 2)
            if method != "CONNECT" or b" 200 " not in self._answer:
                sock.sendall(self._answer)
                continue
            port = int(target.rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port)) as onward:
                sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=_pump, args=(onward, sock))
                back.start()
                _pump(sock, onward)
                back.join()
            return


class SocksProxy:
    """A SOCKS5 proxy (RFC 1928) that leads every name to one port of this machine, and notes the names."""

    def __init__(self, port: int) -> None:
        self.asked: list[str] = []
        self._port = port

    def __call__(self, sock: Any) -> None:
        sock.recv(sock.recv(2)[1])  # the methods that the client offers
        sock.sendall(b"\x05\x00")
        assert sock.recv(4) == b"\x05\x01\x00\x03"  # connect to a name
        name = sock.recv(sock.recv(1)[0]).decode()
        self.asked.append(f"{name}:{int.from_bytes(sock.recv(2))}")
        with socket.create_connection(("127.0.0.1", self._port)) as onward:
            sock.sendall(b"\x05\x00\x00\x01" + bytes(6))
            back = threading.Thread(target=_pump, args=(onward, sock))
            back.start()
            _pump(sock, onward)
            back.join()


def _pump(source: Any, sink: Any) -> None:
    try:
        while part := source.recv(65536):
            sink.sendall(part)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def trusted(monkeypatch: pytest.MonkeyPatch, directory: Any, name: str) -> ssl.SSLContext:
    """Return the TLS context of a server whose certificate a transport made from now on trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(directory / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_a_proxy_can_be_set(monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint) -> None:
    """For everything, whatever the environment says; hosts of NO_PROXY are asked directly."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    proxy = Proxy()
    with RawServer(proxy) as server:
        transport = Transport(proxy=server.url())
        assert transport.fetch(get("http://service.example/jobs/1"), timeout=5).json() == "by proxy"
        url = endpoint.script("/", Reply(body="direct"))
        assert transport.fetch(get(url), timeout=5).text() == "direct"
        transport.close()
    assert [head.splitlines()[0] for head in proxy.heads] == ["GET http://service.example/jobs/1 HTTP/1.1"]


def test_https_goes_through_a_tunnel(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """The proxy sees the host and nothing else; its own password goes to it alone."""
    monkeypatch.setenv("POLLERS_CREDENTIAL_X", '{"kind": "bearer", "token": "abcdef"}')
    context = trusted(monkeypatch, tmp_path, "service.example")
    asked: list[bytes] = []

    def serve(sock: Any) -> None:
        with context.wrap_socket(sock, server_side=True) as secure:
            while head := read_head(secure):
                asked.append(head)
                secure.sendall(response(b'"there"'))

    proxy = Proxy()
    with RawServer(serve) as service, RawServer(proxy) as server:
        port = service.url().rpartition(":")[2]
        transport = Transport(proxy=server.url().replace("//", "//me:hushhush@"))
        url = f"https://service.example:{port}"
        answers = [transport.fetch(get(url, auth="x"), timeout=5) for _ in range(2)]
        transport.close()
    assert [answer.json() for answer in answers] == ["there", "there"]
    [connect] = proxy.heads
    assert "Proxy-Authorization: Basic" in connect
    assert "abcdef" not in connect
    assert [b"abcdef" in head and b"Proxy-Authorization" not in head for head in asked] == [True, True]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses_is_told_without_its_password(scheme: str) -> None:
    """A tunnel that is not opened is no answer of the service."""
    with RawServer(Proxy(b"no", "407 Proxy Authentication Required")) as server:
        transport = Transport(proxy=server.url().replace("//", "//me:hushhush@"))
        answer = transport.fetch(get(f"{scheme}://service.example/"), timeout=5)
        transport.close()
    assert (answer.status, answer.error) == (
        (407, None) if scheme == "http" else (None, AnswerError.CONNECTION)
    )
    assert "hushhush" not in repr(answer)


@pytest.mark.parametrize("host", ["169.254.169.254", "2852039166", "0xa9.0xfe.0xa9.0xfe", "[fd00:ec2::254]"])
def test_metadata_is_refused_behind_a_proxy(host: str) -> None:
    """In every form that a proxy would understand; names are the proxy's to resolve."""
    proxy = Proxy()
    with RawServer(proxy) as server:
        transport = Transport(proxy=server.url())
        answer = transport.fetch(get(f"http://{host}/latest/"), timeout=5)
        transport.close()
    assert (answer.error, proxy.heads) == (AnswerError.REFUSED, [])


def test_hosts_are_denied_behind_a_proxy() -> None:
    """By their names."""
    proxy = Proxy()
    with RawServer(proxy) as server:
        transport = Transport(proxy=server.url(), rules=Rules(denied_hosts=["*.example"], block_private=True))
        denied = transport.fetch(get("http://service.example/"), timeout=5)
        allowed = transport.fetch(get("http://service.example.net/"), timeout=5)
        transport.close()
    assert (denied.error, allowed.json()) == (AnswerError.REFUSED, "by proxy")


def test_a_password_of_a_proxy_does_not_belong_into_the_configuration() -> None:
    """Flower shows that; the environment it does not."""
    with pytest.raises(InvalidSetting, match="set POLLERS_PROXY instead") as caught:
        Settings.read({"pollers_proxy": "http://me:hushhush@proxy.example"}, {})
    assert "hushhush" not in str(caught.value)
    settings = Settings.read({}, {"POLLERS_PROXY": "http://me:hushhush@proxy.example"})
    assert settings.proxy == "http://me:hushhush@proxy.example"
    assert "hushhush" not in repr(settings)


def fetch_by_socks(serve: Callable[[Any], None], url: str, timeout: float = 5) -> tuple[Answer, list[str]]:
    """Return the answer of a service behind a SOCKS proxy, and what the proxy was asked for."""
    with RawServer(serve) as service:
        proxy = SocksProxy(int(service.url("").rpartition(":")[2]))
        with RawServer(proxy) as server:
            transport = Transport(proxy=server.url("").replace("http:", "socks5h:"))
            answer = transport.fetch(get(url), timeout=timeout)
            transport.close()
    return answer, proxy.asked


def test_a_socks_proxy_connects_and_resolves() -> None:
    """Nothing goes around it."""
    answer, asked = fetch_by_socks(says(response(b'"there"')), "http://service.example/jobs/1")
    assert (answer.error_text, answer.json()) == ("", "there")
    assert asked == ["service.example:80"]


def test_tls_goes_through_a_socks_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """The certificate is the service's."""
    context = trusted(monkeypatch, tmp_path, "service.example")

    def serve(sock: Any) -> None:
        with context.wrap_socket(sock, server_side=True) as secure:
            says(response(b'"there"'))(secure)

    answer, asked = fetch_by_socks(serve, "https://service.example/jobs/1")
    assert (answer.error_text, answer.json()) == ("", "there")
    assert asked == ["service.example:443"]


def test_a_service_behind_a_socks_proxy_cannot_hold_a_request() -> None:
    """Beyond its time."""
    answer, _ = fetch_by_socks(lambda sock: sock.recv(65536) and sock.recv(1), "http://service.example/", 0.4)
    assert (answer.error, answer.error_text) == (AnswerError.TIMEOUT, "no complete answer in 0.4 s")


def test_addresses_and_hosts_are_denied_behind_a_socks_proxy() -> None:
    """As behind any proxy."""
    answer, asked = fetch_by_socks(says(response()), "http://169.254.169.254/latest")
    assert (answer.error, asked) == (AnswerError.REFUSED, [])
