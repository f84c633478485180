"""A service on this machine, for the examples: what each path answers, in order; the last one repeats."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: Status, headers, body as JSON.
Answer = tuple[int, Mapping[str, str], Any]


@contextmanager
def serving(paths: Mapping[str, Sequence[Answer]]) -> Iterator[str]:
    """Serve paths while the block runs; gives the base URL."""
    left = {path: list(answers) for path, answers in paths.items()}

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answers = left[self.path.partition("?")[0]]
            status, headers, body = answers.pop(0) if len(answers) > 1 else answers[0]
            content = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815  # names of http.server

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
