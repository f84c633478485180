"""A TCP proxy between the workers and Redis, which can be cut."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

CHUNK = 65_536


class Wire:
    """Passes bytes on, in both directions, until it is cut; use as a context manager."""

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self._sockets: set[socket.socket] = set()
        self._open = threading.Event()
        self._open.set()
        self._refusing = False
        #: Seconds that each piece of bytes is held back.
        self.delay = 0.0
        self._stopping = threading.Event()

    @property
    def url(self) -> str:
        """The Redis URL of this end."""
        return f"redis://127.0.0.1:{self.port}/0"

    def refuse(self) -> None:
        """End all connections, and every new one at once."""
        self._refusing = True
        self._close_all()

    def swallow(self) -> None:
        """Pass nothing on, and say nothing: a black hole."""
        self._open.clear()

    def mend(self) -> None:
        """Pass on again, on new connections."""
        self._refusing = False
        self._close_all()
        self._open.set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._open.set()
        self._close_all()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._refusing:
                near.close()
                continue
            try:
                far = socket.create_connection(self._target)
            except OSError:
                near.close()
                continue
            self._sockets |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                self._open.wait()
                self._stopping.wait(self.delay)
                sink.sendall(data)
        for one in (source, sink):
            self._sockets.discard(one)
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _close_all(self) -> None:
        for one in list(self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
