"""The watchdog: bounds the total time of a request, which socket timeouts cannot.

A socket timeout bounds each wait for bytes; a server that sends a byte a second never meets it. The
watchdog looks at all requests in flight ten times a second and shuts down the sockets of those whose
time is over, so that the thread that reads from one gets an end of file.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time

#: Seconds between two looks, and so the most by which a request can exceed its time.
LOOK = 0.1
#: Looks without any request in flight after which the thread ends.
_IDLE_LOOKS = 50


class Guard:
    """One request in flight, from `Watchdog.guard` to `Guard.done`."""

    __slots__ = ("_active", "_lock", "_socket", "deadline", "expired", "reused")

    def __init__(self, deadline: float, active: dict[int, Guard]) -> None:
        #: End of the request's time, on the monotonic clock.
        self.deadline = deadline
        #: Whether the watchdog has ended the request.
        self.expired = False
        #: Whether the request went out on a connection that had served another before.
        self.reused = False
        self._socket: socket.socket | None = None
        self._active = active
        self._lock = threading.Lock()
        active[id(self)] = self

    @property
    def remaining(self) -> float:
        """Seconds left; negative when the time is over."""
        return self.deadline - time.monotonic()

    def watch(self, sock: socket.socket | None) -> None:
        """Watch a socket that the request uses now, instead of the one before."""
        with self._lock:
            self._socket = sock

    def done(self) -> None:
        """End the guard; from now on its socket belongs to others."""
        self._active.pop(id(self), None)
        with self._lock:
            self._socket = None

    def expire(self) -> None:
        """Shut down the socket of the request."""
        with self._lock:
            if self._socket is None:
                return
            self.expired = True
            # Of the plain class: a TLS socket's own method would race with the reading thread.
            with contextlib.suppress(OSError, ValueError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class Watchdog:
    """Watches the requests of one process; its thread lives while there are any."""

    def __init__(self) -> None:
        self._active: dict[int, Guard] = {}
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()

    def guard(self, timeout: float) -> Guard:
        """Begin to watch a request that may take ``timeout`` seconds in all."""
        guard = Guard(time.monotonic() + timeout, self._active)
        if self._thread is None or self._pid != os.getpid():
            self._start_thread()
        return guard

    def _start_thread(self) -> None:
        with self._start:
            if self._thread is None or self._pid != os.getpid():
                self._pid = os.getpid()
                self._thread = threading.Thread(target=self._watch, name="pollers-watchdog", daemon=True)
                self._thread.start()

    def _watch(self) -> None:
        idle = 0
        while True:
            time.sleep(LOOK)
            now = time.monotonic()
            guards = list(self._active.values())
            for guard in guards:
                if guard.deadline <= now:
                    guard.expire()
            idle = 0 if guards else idle + 1
            if idle > _IDLE_LOOKS:
                with self._start:
                    if not self._active:
                        self._thread = None
                        return
