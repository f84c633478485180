"""The render farm's HTTP service, which takes its time and misbehaves now and then.

    POST /tiles               a view and the place of a tile in it, as JSON
                              → 202, Location, {"id", "status", "url"}
    GET  /tiles/<id>          202 {"status": "queued" or "rendering", "progress"}, then
                              200 {"status": "completed", "output": {"url"}}
                              or {"status": "failed", "error"}
    GET  /tiles/<id>/pixels   the RGB bytes of a completed tile, else 404
    GET  /stats               what the farm did; never disturbed

Posting a tile again answers as the first time: a lost answer costs no more than a repetition.
"""

import json
import logging
import socket
import sys
import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from pollers.demo.farm import Farm
from pollers.demo.faults import Chance, Fault
from pollers.demo.kiln import Status, Tile

logger = logging.getLogger(__name__)

#: Largest request body read, in bytes; a tile's description has about 150.
MAX_REQUEST = 10_000

#: Seconds after which an idle connection is closed.
IDLE_TIMEOUT = 60.0

#: What the 429 answers ask for, in seconds.
RETRY_AFTER = 1

#: How often the accepting thread looks whether it should end, in seconds.
SHUTDOWN_CHECK = 0.1


class Service:
    """The farm on a port of the loopback interface: `with Service(Chance()) as farm: farm.url`."""

    def __init__(self, chance: Chance, *, port: int = 0, places: int = 8) -> None:
        """Take the port, any free one by default: `OSError` when it is taken."""
        self._server = _Server(("127.0.0.1", port))
        self._server.farm = Farm(chance, places=places)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(SHUTDOWN_CHECK,))

    @property
    def url(self) -> str:
        """Where the farm listens, without a slash at the end."""
        return self._server.url

    def stats(self) -> dict[str, Any]:
        """What the farm did so far, as GET /stats tells it."""
        return self._server.farm.stats()

    def start(self) -> None:
        """Answer requests from now on; returns after a second or so, when tiles can be rendered."""
        self._server.farm.start()
        self._thread.start()

    def close(self) -> None:
        """End within about a second: connections closed, rendering stopped."""
        if self._thread.ident is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.close_connections()
        self._server.server_close()
        self._server.farm.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    """A thread per connection; all of them are closed, and their threads joined, at the end."""

    farm: Farm
    daemon_threads = False
    #: Two workers open some dozens of connections in the same moment.
    request_queue_size = 128

    def __init__(self, address: tuple[str, int]) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)
        self.url = f"http://{address[0]}:{self.server_port}"

    def server_bind(self) -> None:
        # Not HTTPServer's, which asks DNS for the name of the address and may wait for it.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.socket.getsockname()[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Wake the threads that wait for the next request of a connection."""
        for connection in tuple(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                logger.debug("connection was closed already")

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.error("request failed client=%s", client_address, exc_info=sys.exc_info())


class _Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    server: _Server
    server_version = "render-farm"
    protocol_version = "HTTP/1.1"
    timeout = IDLE_TIMEOUT
    # One write an answer: headers and body in two, under Nagle's algorithm, cost 40 ms each time.
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            logger.debug("client went away client=%s", self.client_address)

    def finish(self) -> None:
        try:
            super().finish()
        except ConnectionError:
            logger.debug("client did not wait for its answer client=%s", self.client_address)

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit() and int(length) <= MAX_REQUEST):
            self.close_connection = True
            self._send(413, {"error": f"a tile is described in at most {MAX_REQUEST} bytes"})
            return
        body = self.rfile.read(int(length))
        if self.path != "/tiles":
            self._send(404, {"error": "tiles are posted to /tiles"})
            return
        try:
            tile = self.server.farm.describe(body)
        except ValueError as error:
            self._send(422, {"error": str(error)})
            return
        fault = self.server.farm.disturb("start", tile)
        if fault in (None, Fault.DROPPED):
            tile = self.server.farm.submit(tile)
        location = f"{self.server.url}/tiles/{tile.id}"
        document = {"id": tile.id, "status": tile.status, "url": location}
        self._answer("start", fault, 202, document, {"Location": location})

    def do_GET(self) -> None:
        farm = self.server.farm
        match self.path.strip("/").split("/"):
            case ["stats"]:
                self._send(200, farm.stats())
            case ["tiles", name] if tile := farm.get(name):
                document = self._document(tile)
                status = 200 if document["status"].ended else 202
                self._answer("poll", farm.disturb("poll", tile), status, document)
            case ["tiles", name, "pixels"] if (tile := farm.get(name)) and tile.pixels:
                self._answer("pixels", farm.disturb("pixels", tile), 200, tile.pixels)
            case _:
                self._send(404, {"error": "there is no such tile, or it is not completed"})

    def _document(self, tile: Tile) -> dict[str, Any]:
        document: dict[str, Any] = {"id": tile.id, "status": tile.status}
        match document["status"]:
            case Status.COMPLETED:
                document["output"] = {"url": f"{self.server.url}/tiles/{tile.id}/pixels"}
            case Status.FAILED:
                document["error"] = tile.error
            case _:
                document["progress"] = round(tile.progress, 2)
        return document

    def _answer(
        self,
        kind: str,
        fault: Fault | None,
        status: int,
        content: Mapping[str, Any] | bytes,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send the answer or, instead of it, the disturbance."""
        self.server.farm.note(kind, fault or str(status))
        match fault:
            case Fault.BUSY:
                self._send(429, {"error": "busy"}, {"Retry-After": str(RETRY_AFTER)})
            case Fault.UNAVAILABLE:
                self._send(503, b"<h1>503 Service Unavailable</h1>", {"Content-Type": "text/html"})
            case Fault.DROPPED:
                self.close_connection = True
            case None:
                self._send(status, content, headers)

    def _send(
        self,
        status: int,
        content: Mapping[str, Any] | bytes,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        kind = "application/octet-stream"
        if not isinstance(content, bytes):
            content, kind = json.dumps(content).encode(), "application/json"
        self.send_response(status, HTTPStatus(status).phrase)
        for name, value in ({"Content-Type": kind} | dict(headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug(format, *args)
