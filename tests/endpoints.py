"""Real HTTP servers for tests: endpoints that answer as they are told, and note what arrives."""

from __future__ import annotations

import json
import math
import socketserver
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Reply:
    """One answer of an endpoint."""

    status: int = 200
    #: Bytes or text as they are; anything else as JSON.
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Seconds to wait before the answer.
    delay: float = 0.0
    #: Close the connection without an answer.
    drop: bool = False

    def encoded(self) -> bytes:
        """Return the body as bytes."""
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


@dataclass
class Arrival:
    """One request as it came in."""

    at: float
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    #: Address of the client, which tells connections apart.
    client: tuple[str, int]
    #: The moment before which the client cannot have had the answer; infinite while it waits for it.
    answered: float = math.inf


class Endpoint:
    """A threaded HTTP server; each path answers its script, whose last answer repeats."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        """Serve at an address of this machine."""
        self._scripts: dict[str, list[Reply | Callable[[Arrival], Reply]]] = {}
        self._arrivals: dict[str, list[Arrival]] = defaultdict(list)
        self._lock = threading.Lock()
        #: The requests that came in outages.
        self.failed: list[Arrival] = []
        self._stopping = threading.Event()
        #: What every path answers instead of its script, while it is set; the script stands still then.
        self.outage: Reply | None = None
        self._server = _Server((host, 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def script(self, path: str, *replies: Reply | Callable[[Arrival], Reply]) -> str:
        """Set what a path answers, in order, or how it answers a request; return its URL."""
        with self._lock:
            self._scripts[path] = list(replies)
        return self.url(path)

    def becomes(self, path: str, value: Any, *, after: int = 2, before: Any = None) -> str:
        """Set a path that says ``{"status": "running"}`` some times, then ``value``; return its URL."""
        running = Reply(body={"status": "running"} if before is None else before)
        return self.script(path, *[running] * after, Reply(body=value))

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        host, port = self._server.server_address[:2]
        return f"http://{host}:{port}{path}"

    def arrivals(self, path: str) -> list[Arrival]:
        """Return the requests that came for a path so far."""
        with self._lock:
            return list(self._arrivals[path])

    def forget(self) -> None:
        """Forget all scripts and requests."""
        with self._lock:
            self._scripts.clear()
            self._arrivals.clear()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def _answer(self, arrival: Arrival) -> Reply:
        path = arrival.path.partition("?")[0]
        with self._lock:
            if self.outage is not None:
                self.failed.append(arrival)
                return self.outage
            self._arrivals[path].append(arrival)
            script = self._scripts.get(path, [Reply(404, {"error": "no such path"})])
            reply = script[min(len(self._arrivals[path]), len(script)) - 1]
        return reply if isinstance(reply, Reply) else reply(arrival)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer: Callable[[Arrival], Reply] = self._answer
        stopping = self._stopping

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30
            # Head and body are two writes; the second would wait 40 ms for the client's acknowledgement.
            disable_nagle_algorithm = True

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length) if length else b""
                arrival = Arrival(
                    time.time(), self.command, self.path, self.headers, body, self.client_address
                )
                reply = answer(arrival)
                stopping.wait(reply.delay)
                arrival.answered = time.time()
                if reply.drop:
                    self.close_connection = True
                    return
                content = reply.encoded()
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if reply.status != 204:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD" and reply.status not in (204, 304):
                    self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve

            def log_message(self, *args: object) -> None:
                pass

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away are part of the tests."""


class RawServer:
    """A TCP server whose connections are handled by a function of the raw socket."""

    def __init__(self, handle: Callable[[Any], None]) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                try:
                    handle(self.request)
                except OSError:
                    pass

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def url(self, path: str = "/", scheme: str = "http") -> str:
        """Return the URL of a path."""
        return f"{scheme}://127.0.0.1:{self._server.server_address[1]}{path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
