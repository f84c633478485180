"""The endpoint server of the benchmarks: native where there is a C compiler, else in asyncio."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BODY = b'{"status": "running"}'
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(_BODY)
) + _BODY
#: One request in the log: the number of the poll, and the moment in seconds (CLOCK_MONOTONIC).
_ENTRY = struct.Struct("=dd")


class Endpoint:
    """A running endpoint server."""

    def __init__(self, port: int, log: Path) -> None:
        self._port, self._log = port, log

    def url(self, number: int) -> str:
        """Return the URL that a poll asks for."""
        return f"http://127.0.0.1:{self._port}/polls/{number}"

    def arrivals(self, since: float, until: float) -> list[tuple[int, float]]:
        """Return the requests of a time: number of the poll and moment, in order."""
        entries = _ENTRY.iter_unpack(_whole(self._log.read_bytes()))
        return [(int(number), at) for number, at in entries if since <= at < until]


def _whole(log: bytes) -> bytes:
    return log[: len(log) - len(log) % _ENTRY.size]


@contextmanager
def serving(directory: Path) -> Iterator[Endpoint]:
    """Run the endpoint in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = directory / "arrivals"
    log.touch()
    process = subprocess.Popen([*_command(directory), str(port), str(log)])
    try:
        _wait_for(port)
        yield Endpoint(port, log)
    finally:
        process.kill()
        process.wait()


def _command(directory: Path) -> list[str]:
    compiler, program = shutil.which("cc"), directory / "endpoint"
    if compiler is None:
        return [sys.executable, "-m", "bench.endpoint"]
    source = Path(__file__).with_suffix(".c")
    subprocess.run([compiler, "-O2", "-o", str(program), str(source)], check=True)
    return [str(program)]


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError("the endpoint server of the benchmark did not start")


class _Protocol(asyncio.Protocol):
    """Answers one request to a read, and notes it."""

    log: Path

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        number = re.search(rb"/polls/(\d+)", data)
        with self.log.open("ab") as log:
            log.write(_ENTRY.pack(float(number[1]) if number else -1.0, time.monotonic()))
        self._transport.write(_ANSWER)  # type: ignore[attr-defined]


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Protocol, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    _Protocol.log = Path(sys.argv[2])
    asyncio.run(_serve(int(sys.argv[1])))
