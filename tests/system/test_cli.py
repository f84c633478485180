"""The `pollers` command from outside: processes, real servers, exit codes, and what is left behind."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from pollers.settings import Settings
from pollers.store import Store
from tests.endpoints import Endpoint, Reply
from tests.system.commands import Commands
from tests.system.workers import Worker
from tests.waiting import wait_until

DONE = "status == 'completed'"
COMMANDS = (
    *("run", "submit", "probe", "ls", "show", "top", "cancel", "nudge", "pause", "resume"),
    *("limits", "origins", "metrics", "doctor", "dev"),
)
#: A Redis that nobody listens at.
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Children take Ctrl-C even where these tests run in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def alone(tmp_path: Path) -> Commands:
    """Return the commands in a project of its own, where no Redis is configured."""
    (tmp_path / "pyproject.toml").touch()
    return Commands(tmp_path, {})


@pytest.fixture
def pollers(tmp_path: Path, redis_url: str) -> Commands:
    """Return the commands with this test's Redis."""
    return Commands(tmp_path, {"POLLERS_REDIS_URL": redis_url})


# ---------------------------------------------------------------- pollers run


def test_run_prints_the_value_alone_and_tells_of_each_attempt(alone: Commands, endpoint: Endpoint) -> None:
    """Stdout is for the value, stderr for people; nothing is animated at a pipe."""
    url = endpoint.becomes("/job", {"status": "completed", "n": 3}, after=2)

    ended = alone("run", url, "--until", DONE, "--every", "0.5s")

    assert ended.code == 0
    assert ended.json() == {"status": "completed", "n": 3}
    lines = ended.err.splitlines()
    assert [re.sub(r"^\d\d:\d\d:\d\d|\d+ ms", "", line).split()[:3] for line in lines] == [
        ["#1", "200", "not"],
        ["#2", "200", "not"],
        ["#3", "200", "succeeded"],
    ]
    assert '"running"' in lines[0]
    assert "\x1b" not in ended.err


def test_text_is_printed_as_it_is(alone: Commands, endpoint: Endpoint) -> None:
    """Whether it ends with a newline or not, stdout does."""
    for body in ("two\nlines\n", "two\nlines"):
        url = endpoint.script("/text", Reply(body=body))
        assert alone("run", url, "--quiet").out == "two\nlines\n"
    url = endpoint.becomes("/job", {"output": {"url": "https://cdn/é.mp4"}}, after=0)
    assert alone("run", url, "--returns", "output.url").out == "https://cdn/é.mp4\n"


def test_a_value_that_the_terminal_cannot_show_is_no_accident(alone: Commands, endpoint: Endpoint) -> None:
    """Half a surrogate pair, or a Latin terminal: JSON escapes it, text replaces it."""
    url = endpoint.script("/odd", Reply(body=b'{"a": "\\ud800", "b": "\xe2\x82\xac"}'))
    assert alone("run", url).json() == {"a": "\ud800", "b": "€"}
    alone.environment["PYTHONIOENCODING"] = "latin-1"
    assert alone("run", url).json() == {"a": "\ud800", "b": "€"}
    assert alone("run", url, "--returns", "b").out == "?\n"


def test_quiet_says_nothing_on_the_way(alone: Commands, endpoint: Endpoint) -> None:
    """Only errors are still told."""
    url = endpoint.becomes("/job", {"status": "completed"}, after=1)
    assert alone("run", url, "--until", DONE, "--every", "0.5s", "-q").err == ""
    assert len(alone("run", endpoint.url("/none"), "-q").err.splitlines()) == 1


def test_the_request_is_made_as_asked(alone: Commands, endpoint: Endpoint) -> None:
    """Method, headers, query and body, from the command line, a file or stdin."""
    (alone.directory / "body.json").write_text('{"from": "a file"}')
    url = endpoint.script("/job", Reply(201, "made"))
    request = ("--method", "put", "--header", "X-One: 1", "--header", "Accept: text/plain")
    query = ("--param", "a=1", "--param", "b=2", "--param", "b=3")

    assert alone("run", url, *request, *query, "--data", "plain").code == 0
    assert alone("run", url, "--method", "POST", "--json-body", "@body.json").code == 0
    assert alone("run", url, "--method", "POST", "--json-body", "@-", stdin="[1]").code == 0

    first, second, third = endpoint.arrivals("/job")
    assert (first.method, first.path, first.body) == ("PUT", "/job?a=1&b=2&b=3", b"plain")
    assert (first.headers["X-One"], first.headers["Accept"]) == ("1", "text/plain")
    assert json.loads(second.body) == {"from": "a file"}
    assert (json.loads(third.body), third.headers["Content-Type"]) == ([1], "application/json")


@pytest.mark.parametrize(
    ("replies", "options"),
    [
        ([Reply(404), Reply(200)], ["--pending-on", "404", "--until", "200"]),
        ([Reply(404), Reply(503), Reply(200)], ["--pending-on", "404,5xx"]),
        ([Reply(200), Reply(404)], ["--until", "404"]),
        ([Reply(202), Reply(201)], ["--until", "200, 201"]),
        ([Reply(body="on"), Reply(body="off")], ["--until", '{"text": "^off$"}']),
        ([Reply(body={"a": 0}), Reply(body={"a": 1})], ["--until", "{x: a}.x == `1`"]),
    ],
)
def test_conditions_are_written_in_every_form(
    alone: Commands, endpoint: Endpoint, replies: list[Reply], options: list[str]
) -> None:
    """A status, several, a class of them, a Match as JSON, and JMESPath that begins like JSON."""
    url = endpoint.script("/job", *replies)

    assert alone("run", url, *options, "--every", "0.5s").code == 0
    assert len(endpoint.arrivals("/job")) == len(replies)


@pytest.mark.parametrize("every", ["0.5s", "0.5s,1s", "0.5..1m", '{"linear": {"start": 0.5, "step": 1}}'])
def test_cadences_are_written_in_every_form(alone: Commands, endpoint: Endpoint, every: str) -> None:
    """Fixed, listed, exponential, and as JSON; the first wait of each is half a second here."""
    url = endpoint.becomes("/job", {"status": "completed"}, after=1)

    assert alone("run", url, "--until", DONE, "--every", every, "--timeout", "10s").code == 0
    first, second = endpoint.arrivals("/job")
    assert 0.45 < second.at - first.at < 2


@pytest.mark.parametrize(
    ("reply", "options", "code", "outcome", "told"),
    [
        (Reply(body={"a": 1}), [], 0, "succeeded", ""),
        (Reply(body={"a": 1}), ["--fail-when", "a == `1`"], 1, "failed", "failed: a == `1` holds"),
        (Reply(404), [], 1, "failed", "was rejected: "),
        (Reply(500), ["--max-errors", "1"], 1, "failed", "HTTP 500"),
        (Reply(drop=True), ["--max-attempts", "1"], 1, "failed", "after 1 attempt"),
        (Reply(202), ["--timeout", "1s"], 124, "timed_out", "timed out: the deadline passed"),
    ],
)
def test_the_exit_code_says_how_it_ended(
    alone: Commands, endpoint: Endpoint, reply: Reply, options: list[str], code: int, outcome: str, told: str
) -> None:
    """And so do one sentence on stderr, and one JSON object where that is asked for."""
    url = endpoint.script("/job", reply)

    plain, structured = alone("run", url, *options, "-q"), alone("run", url, *options, "-q", "--json")

    assert (plain.code, structured.code) == (code, code)
    assert told in plain.err
    assert len(plain.err.splitlines()) == (0 if code == 0 else 1)
    assert bool(plain.out) is (code == 0)
    report = structured.json()
    assert (report["outcome"], report["attempts"]) == (outcome, 1)
    assert 0 <= report["elapsed"] < 10
    assert report.get("value") == ({"a": 1} if code == 0 else None)
    if code:
        assert told in report["error"]["message"]


def test_what_went_wrong_with_an_attempt_is_told_once(alone: Commands, endpoint: Endpoint) -> None:
    """On its line, whether the poll goes on or fails."""
    url = endpoint.script("/job", Reply(drop=True))
    first, second, _ = alone("run", url, "--every", "0.5s", "--max-errors", "2").err.splitlines()
    reason = "the connection was closed without an answer"
    assert (first.count(reason), second.count(reason)) == (1, 1)
    assert "failed: 2 errors in a row" in second


def test_every_wrong_parameter_is_told_at_once(alone: Commands) -> None:
    """One line each, by the name it has at the command line; exit code 2, and no attempt."""
    wrong = {
        "--until": "status ==",
        "--every": "5x",
        "--timeout": "0.1s",
        "--deadline": "2020-01-01T00:00:00Z",
        "--max-attempts": "many",
        "--header": "no colon",
        "--param": "no equals sign",
        "--json-body": "{",
        "--data": "@missing",
    }

    ended = alone("run", "ftp://example.com", *(part for pair in wrong.items() for part in pair))

    assert (ended.code, ended.out) == (2, "")
    lines = ended.err.splitlines()[1:]
    assert sorted(line.split(":")[0].strip() for line in lines) == sorted(["URL", *wrong])
    assert "position 9" in next(line for line in lines if "--until" in line)


def test_usage_that_click_refuses_has_the_same_exit_code(alone: Commands) -> None:
    """A misspelt option, with the nearest right one only; a missing argument; an unknown command."""
    misspelt = alone("run", "http://127.0.0.1", "--untl", "x")
    assert (misspelt.code, "Did you mean '--until'?" in misspelt.err) == (2, True)
    assert alone("run").code == 2
    assert alone("walk").code == 2


def test_a_wrong_setting_is_wrong_usage(alone: Commands) -> None:
    """The sentence names the variable."""
    alone.environment["POLLERS_MAX_BODY"] = "huge"
    ended = alone("run", "http://127.0.0.1")
    assert (ended.code, "POLLERS_MAX_BODY" in ended.err) == (2, True)


def test_run_needs_no_redis_and_starts_none(alone: Commands, endpoint: Endpoint) -> None:
    """Whatever is configured, and nothing is left in the state directory."""
    url = endpoint.script("/job", Reply(body="done"))
    alone.environment["POLLERS_REDIS_URL"] = NOWHERE
    assert alone("run", url).out == "done\n"
    del alone.environment["POLLERS_REDIS_URL"]
    assert alone("run", url).out == "done\n"
    assert not (alone.directory / "state").exists()


@pytest.mark.parametrize("delay", [0.0, 30.0], ids=["between attempts", "in an attempt"])
def test_ctrl_c_ends_a_run(alone: Commands, endpoint: Endpoint, delay: float) -> None:
    """At once, with exit code 130 and without a traceback; JSON says so too."""
    url = endpoint.script("/job", Reply(202, delay=delay))
    with alone.start("run", url, "--every", "30s", "--request-timeout", "30s", "--json") as running:
        wait_until(lambda: "#1" in running.err or (delay and endpoint.arrivals("/job")))
        began = time.monotonic()
        ended = running.end()

    assert (ended.code, time.monotonic() - began < 2) == (130, True)
    assert ended.json()["outcome"] == "interrupted"
    assert ended.err.splitlines()[-1] == "Interrupted."


@pytest.mark.parametrize("keys", ["q", "\x03"], ids=["q", "Ctrl-C"])
def test_a_terminal_shows_the_attempts_live_and_takes_keys(
    alone: Commands, endpoint: Endpoint, keys: str
) -> None:
    """Attempts, a countdown to the next one and to the deadline; the terminal is left as it was."""
    url = endpoint.script("/job", Reply(body={"status": "running"}))
    with alone.at_terminal("run", url, "--until", DONE, "--every", "1s", "--timeout", "90s") as terminal:
        wait_until(lambda: "#2" in terminal.drawn, 20)
        terminal.type("x")
        wait_until(lambda: "attempt 3 in 0." in terminal.drawn, 20)
        assert terminal.process.poll() is None
        terminal.type(keys)
        assert terminal.wait() == 130
        wait_until(lambda: "Interrupted." in terminal.drawn)
        assert terminal.as_before

    assert '{"status": "running"}' in terminal.drawn
    assert "deadline in 1m2" in terminal.drawn
    assert "q stops" in terminal.drawn
    # The cursor is there again.
    assert terminal.drawn.rindex("\x1b[?25h") > terminal.drawn.rindex("\x1b[?25l")


def test_a_terminal_is_left_as_it_was_by_a_run_that_succeeds(alone: Commands, endpoint: Endpoint) -> None:
    """And by one that is terminated."""
    url = endpoint.script("/job", Reply(body={"a": 1}))
    with alone.at_terminal("run", url) as terminal:
        assert terminal.wait() == 0
        wait_until(lambda: '  "a": 1' in terminal.drawn)
        assert terminal.as_before
    with alone.at_terminal("run", url, "--until", "b", "--every", "30s") as terminal:
        wait_until(lambda: "attempt 2 in" in terminal.drawn, 20)
        terminal.process.terminate()
        assert terminal.wait() == 143
        assert terminal.as_before


def test_an_endpoint_cannot_steer_the_terminal(alone: Commands, endpoint: Endpoint) -> None:
    """Control characters of an answer are not passed on with its excerpt, nor with an error."""
    url = endpoint.script("/job", Reply(404, "a\x1b]0;owned\x07b\u202ec"))
    with alone.at_terminal("run", url) as terminal:
        assert terminal.wait() == 1
    for drawn in (terminal.drawn, alone("run", url).err):
        assert "owned" in drawn
        assert not {"\x1b]", "\x07", "\u202e"} & {*re.findall(r"\x1b\]|\x07|\u202e", drawn)}


# ---------------------------------------- pollers submit, ls, show, cancel, nudge


def test_a_submitted_poll_can_be_listed_shown_nudged_and_cancelled(
    pollers: Commands, endpoint: Endpoint
) -> None:
    """Without any worker, which is said."""
    url = endpoint.script("/job", Reply(202)) + "?token=secret"
    submitted = pollers("submit", url, "--every", "90s", "--header", "Authorization: Bearer secret")
    poll_id = submitted.out.strip()
    assert (submitted.code, "No worker is running" in submitted.err) == (0, True)

    listed = pollers("ls")
    assert listed.code == 0
    names, row = (line.split("\t") for line in listed.out.splitlines())
    assert names == ["id", "state", "attempts", "last answer", "next due", "deadline", "url"]
    assert row[:3] == [poll_id, "waiting", "0"]
    shown = pollers("show", poll_id)
    assert re.search(r"^every +1m30s$", shown.out, re.MULTILINE)
    assert re.search(r"^state +waiting$", shown.out, re.MULTILINE)
    assert "secret" not in listed.out + shown.out

    assert pollers("nudge", poll_id).out == f"{poll_id} is due now\n"
    assert pollers("cancel", poll_id).out == f"{poll_id} is cancelled\n"
    assert pollers("nudge", poll_id).code == 1
    assert pollers("show", poll_id, "--json").json()["state"] == "cancelled"


def test_many_polls_are_submitted_from_a_file(pollers: Commands, endpoint: Endpoint, tmp_path: Path) -> None:
    """A URL on each line, or parameters as JSON; a wrong line is named, and nothing is submitted."""
    url, file = endpoint.url("/job"), tmp_path / "urls.txt"
    file.write_text(f"{url}\n\n" + json.dumps({"url": url, "every": 60}) + "\n")
    submitted = pollers("submit", f"@{file}", "--until", "done", "--every", "30s")
    assert submitted.code == 2
    assert "  Line 3: every: repeats --every, which all polls have here" in submitted.err.splitlines()
    mistaken = json.dumps({"url": url, "evry": 60})
    submitted = pollers("submit", "@-", "--until", "a ==", stdin=f"{url}\n\n{mistaken}\n")
    assert "  Line 1: --until: " in submitted.err
    submitted = pollers("submit", "@-", "--until", "done", stdin=f"{url}\n\n{mistaken}\n")
    assert "  Line 3: evry: is not a parameter of a poll; did you mean 'every'?" in submitted.err.splitlines()
    submitted = pollers("submit", f"@{file}", "--until", "done")
    assert submitted.code == 0
    ids = submitted.out.split()
    shown = [pollers("show", poll_id, "--json").json()["parameters"] for poll_id in ids]
    assert [parameters.get("every") for parameters in shown] == [None, 60]
    assert pollers("submit", "@/nowhere", "--until", "done").code == 2


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_many_polls_whose_submission_is_interrupted(
    pollers: Commands, endpoint: Endpoint, tmp_path: Path, redis_url: str, how: signal.Signals
) -> None:
    """All ids are printed of what was submitted, and no other: who tries again leaves these out."""
    number, file = 8000, tmp_path / "urls.txt"
    file.write_text(f"{endpoint.url('/job')}\n" * number)
    with Store.connect(Settings(redis_url=redis_url)).client as client:
        stored = Store.connect(Settings(redis_url=redis_url)).keys.polls
        with pollers.start("submit", f"@{file}", "--json", "--quiet") as running:
            wait_until(lambda: client.hlen(stored), 30)
            ended = running.end(how)
        ids = ended.json()["ids"]
        assert 0 < len(ids) < number
        assert {poll_id.decode() for poll_id in client.hkeys(stored)} == set(ids)
    assert (ended.code, ended.err) == (128 + how, f"{len(ids)} of {number} polls submitted.\n")


def test_lines_end_where_those_of_json_do(pollers: Commands, endpoint: Endpoint, tmp_path: Path) -> None:
    """Other separators are part of their text, and a mark of the byte order is not."""
    url, file = endpoint.url("/job"), tmp_path / "polls.jsonl"
    strange = [
        json.dumps({"url": url, "until": f"a == '{text}'"}, ensure_ascii=False)
        for text in ("a\u2028b", "c\x85d\u2029")
    ]
    file.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*strange, url + "\x0c"]).encode() + b"\r\n")
    for submitted in (pollers("submit", f"@{file}"), pollers("submit", "@-", stdin=file.read_text("utf-8"))):
        assert (submitted.code, len(submitted.out.split())) == (0, 3), submitted.err
    shown = json.loads(pollers("show", submitted.out.split()[0], "--json").out)
    assert shown["parameters"]["until"] == "a == 'a\u2028b'"


@pytest.mark.parametrize("text", ["", "\n \n", "\ufeff"])
def test_a_file_without_polls_is_wrong_usage(pollers: Commands, text: str) -> None:
    """Nothing is printed that could be taken for an id."""
    submitted = pollers("submit", "@-", stdin=text)
    assert (submitted.code, submitted.out) == (2, "")
    assert "@- has no line that is not empty: there is nothing to submit." in submitted.err


def test_polls_are_paused_and_resumed_by_id_and_by_tag(pollers: Commands, endpoint: Endpoint) -> None:
    """And listed by tag."""
    url = endpoint.script("/job", Reply(202))
    for poll_id, tag in (("a", "nightly"), ("b", "nightly"), ("c", "other")):
        pollers("submit", url, "--id", poll_id, "--tag", tag, "--tag", "all")
    assert pollers("pause", "c").out == "c is paused\n"
    assert {one["id"] for one in pollers("pause", "--tag", "nightly", "--json").json()} == {"a", "b"}
    assert {one["id"] for one in pollers("ls", "--tag", "nightly", "--json").json()} == {"a", "b"}
    assert [row.split("\t")[1] for row in pollers("ls").out.splitlines()[1:]] == ["paused"] * 3
    assert pollers("resume", "c").out == "c is not paused any more\n"
    assert pollers("show", "c", "--json").json()["paused"] is False
    assert pollers("resume", "--tag", "nightly").code == 0
    unknown = pollers("pause", "stranger")
    assert (unknown.code, unknown.err) == (1, "stranger is not known here, or ended too long ago\n")
    for arguments in ((), ("a", "--tag", "all"), ("--tag", "all", "--origin", "o")):
        assert pollers("pause", *arguments).code == 2


def test_a_paused_poll_is_paused_in_every_word(pollers: Commands, endpoint: Endpoint) -> None:
    """In tables, in JSON and in filters; and a nudge says that nothing comes of it."""
    url = endpoint.script("/job", Reply(202))
    pollers("submit", url, "--id", "a")
    pollers("submit", url, "--id", "b")
    assert pollers("pause", "a", "--json").json() == [{"id": "a", "done": True, "state": "paused"}]
    assert [one["state"] for one in pollers("ls", "--state", "paused", "--json").json()] == ["paused"]
    assert [one["id"] for one in pollers("ls", "--state", "waiting", "--json").json()] == ["b"]
    assert pollers("show", "a", "--json").json()["state"] == "paused"

    nudged = pollers("nudge", "a")
    assert (nudged.code, nudged.err) == (1, "a is paused, and stays so: `pollers resume` makes it due now\n")
    assert pollers("nudge", "a", "--json").json() == [{"id": "a", "done": False, "state": "paused"}]
    assert [one["id"] for one in pollers("nudge", "--older-than", "0s", "--json").json()] == ["b"]
    assert len(pollers("cancel", "--older-than", "0s", "--json").json()) == 2


def test_a_parked_poll_is_told_with_its_reason(pollers: Commands, endpoint: Endpoint, redis_url: str) -> None:
    """By show, ls and nudge; it is the first of the list, as it has been due for a while."""
    url = endpoint.script("/job", Reply(202))
    pollers("submit", url, "--id", "z")
    pollers("pause", "--origin", url)
    store = Store.connect(Settings(redis_url=redis_url))
    assert store.dispatch("w", "c", {"": True}).packs == []
    store.client.close()
    pollers("submit", "http://127.0.0.1:1/", "--id", "a")

    assert re.search(r"^next due .* ago\), origin paused$", pollers("show", "z").out, re.MULTILINE)
    first, second = pollers("ls", "--json").json()
    assert (first["id"], first["why_waiting"], second["why_waiting"]) == ("z", "origin paused", None)
    assert first["next_due"] < second["next_due"]
    assert [one["id"] for one in pollers("ls", "--reverse", "--json").json()] == ["a", "z"]
    assert pollers("ls").out.splitlines()[1].split("\t")[4].endswith(" ago, origin paused")
    nudged = pollers("nudge", "z")
    origin = url.removesuffix("/job")
    assert nudged.out == (
        f"z is due now, but not attempted yet: origin paused (`pollers resume --origin {origin}`)\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["cancel", "nudge", "pause", "resume"])
def test_a_rehearsal_gives_the_verdicts_and_the_exit_code_of_the_real_run(
    pollers: Commands, endpoint: Endpoint, redis_url: str, verb: str
) -> None:
    """Of polls that have ended and of ids that nobody knows, too."""
    for poll_id in ("waits", "over"):
        pollers("submit", endpoint.url("/job"), "--id", poll_id)
    Store.connect(Settings(redis_url=redis_url)).end("over", "succeeded", "null")

    rehearsed = pollers(verb, "waits", "over", "nope", "--dry-run")
    as_json = pollers(verb, "waits", "over", "nope", "--dry-run", "--json")
    done = pollers(verb, "waits", "over", "nope")

    assert (rehearsed.code, as_json.code, done.code) == (1, 1, 1)
    assert rehearsed.err == done.err
    assert "over had ended before: succeeded\nnope is not known here" in done.err
    head, row = rehearsed.out.splitlines()
    assert (head.startswith("1 poll would be "), row.split()[0]) == (True, "waits")
    assert [(one["id"], one["would_be_done"], one["state"]) for one in as_json.json()] == [
        ("waits", True, "waiting"),
        ("over", False, "succeeded"),
        ("nope", False, "unknown"),
    ]


@pytest.mark.slow
def test_a_filter_that_does_not_ask_for_webhooks_cancels_none(pollers: Commands, endpoint: Endpoint) -> None:
    """They are left out, which is said; by their tag or their id they are cancelled."""
    url = endpoint.url("/job")
    for poll_id in ("a", "a.webhook", "b.webhook"):
        pollers("submit", url, "--id", poll_id, "--tag", "webhook" if "." in poll_id else "own")
    pollers("submit", url, "--id", "own", "--tag", "webhook")

    rehearsed = pollers("cancel", "--state", "waiting", "--dry-run", "--json")
    assert {one["id"] for one in rehearsed.json()} == {"a", "own"}
    cancelled = pollers("cancel", "--state", "waiting")
    assert set(cancelled.out.splitlines()) == {"a is cancelled", "own is cancelled"}
    assert cancelled.err == "2 outgoing webhooks left out; --tag webhook selects them.\n"
    assert len(pollers("nudge", "--state", "waiting").out.splitlines()) == 2
    assert pollers("cancel", "b.webhook").out == "b.webhook is cancelled\n"
    assert "a.webhook is cancelled" in pollers("cancel", "--tag", "webhook", "--state", "waiting").out


@pytest.mark.slow
def test_what_a_filter_selects_is_steered_together(pollers: Commands, endpoint: Endpoint) -> None:
    """Rehearsed first; many only when that is meant."""
    url, file = endpoint.script("/job", Reply(202)), pollers.directory / "urls.txt"
    file.write_text(f"{url}\n" * 30)
    pollers("submit", f"@{file}", "--until", "done", "--tag", "many")
    pollers("submit", url, "--id", "other")

    rehearsed = pollers("cancel", "--tag", "many", "--dry-run")
    assert rehearsed.out.splitlines()[0] == "30 polls would be cancelled:"
    assert rehearsed.out.splitlines()[-1] == "  and 10 more"
    asked = pollers("cancel", "--tag", "many")
    assert (asked.code, "30 polls match" in asked.err, "--yes" in asked.err) == (2, True, True)
    assert pollers("cancel", "--tag", "many", "--yes").out == "30 polls cancelled; 0 had ended before.\n"
    assert pollers("nudge", "--origin", url, "--json").json() == [
        {"id": "other", "done": True, "state": "waiting"}
    ]
    assert pollers("cancel", "--older-than", "1h").err == "No polls match.\n"
    assert pollers("cancel", "other", "--dry-run", "--json").json()[0]["id"] == "other"
    assert pollers("cancel", "--older-than", "soon").code == 2


@pytest.mark.slow
def test_ls_pages_sorts_and_follows(pollers: Commands, endpoint: Endpoint) -> None:
    """By the place that each page names; a list that is followed prints what changes."""
    url = endpoint.script("/job", Reply(202))
    for number, timeout in enumerate(("3h", "1h", "2h")):
        pollers("submit", url, "--id", f"p{number}", "--timeout", timeout)
    listed, place = [], ()
    while True:
        page = pollers("ls", "--limit", "1", "--json", *place)
        listed += [poll["id"] for poll in page.json()]
        if "--after" not in page.err:
            break
        place = tuple(page.err.split("; ")[1].split()[:2])
    assert listed == ["p0", "p1", "p2"]
    by_deadline = pollers("ls", "--sort", "deadline", "--reverse", "--json").json()
    assert [poll["id"] for poll in by_deadline] == ["p0", "p2", "p1"]
    assert [poll["id"] for poll in pollers("ls", "--overdue", "0s", "--json").json()] == listed
    assert pollers("ls", "--after", "nonsense").code == 2
    with pollers.start("ls", "--follow", "--json") as running:
        wait_until(lambda: len(running.out.splitlines()) == 3, 20)
        pollers("cancel", "p1")
        wait_until(lambda: len(running.out.splitlines()) == 4, 20)
        ended = running.end()
    assert (ended.code, json.loads(ended.out.splitlines()[-1])["state"]) == (130, "cancelled")


def test_origins_are_paused_and_shown(pollers: Commands) -> None:
    """Also before a poll of theirs is known."""
    assert pollers("origins").err == "Nothing is known of any origin.\n"
    assert pollers("pause", "--origin", "https://API.example.com/").out == "api.example.com is paused\n"
    (origin,) = pollers("origins", "--json").json()
    assert (origin["origin"], origin["state"]) == ("api.example.com", "paused")
    assert pollers("resume", "--origin", "api.example.com").out == "api.example.com is resumed\n"
    assert pollers("origins").out.splitlines()[1].split()[:2] == ["api.example.com", "approached"]
    assert pollers("pause", "--origin", "https://").code == 2


def test_an_origin_without_polls_is_told_with_the_nearest(pollers: Commands) -> None:
    """It is paused all the same, for polls to come; what has no scheme is https."""
    pollers("submit", "http://127.0.0.1:8123/jobs/1", "--every", "1m")
    wrong = pollers("pause", "--origin", "127.0.0.1")
    assert (wrong.code, wrong.out) == (0, "127.0.0.1 is paused\n")
    meant = "http://127.0.0.1:8123"
    assert wrong.err == f"No live poll has the origin https://127.0.0.1; do you mean {meant}?\n"
    (told,) = pollers("resume", "--origin", "127.0.0.1", "--json").json()
    assert told == {"origin": "127.0.0.1", "done": True, "has_polls": False, "nearest": meant}
    stranger = pollers("pause", "--origin", "nosuch.example")
    assert (stranger.code, stranger.err) == (0, "No live poll has the origin https://nosuch.example.\n")
    assert pollers("pause", "--origin", meant).err == ""


def test_limits_are_set_listed_and_unset(pollers: Commands) -> None:
    """A wrong one is told in a sentence, and changes nothing."""
    assert pollers("limits").err == "There are no limits.\n"
    assert pollers("limits", "set", "*.internal", "10/s in-flight 5").out == "*.internal: 10/s in-flight 5\n"
    wrong = pollers("limits", "set", "*.internal", "fast")
    assert wrong.code == 2
    assert "it should be like" in wrong.err
    endless = pollers("limits", "set", "*.internal", "1/s burst 99999999999999999999")
    assert endless.code == 2
    assert "burst and in-flight should be up to 1000000" in endless.err
    (limit,) = pollers("limits", "--json").json()
    expected = {"name": "*.internal", "limit": "10/s in-flight 5", "set_by_hand": True}
    assert limit == {**expected, "in_flight": 0, "waiting": 0}
    assert pollers("limits").out.splitlines()[1].split()[:2] == ["*.internal", "10/s"]
    assert pollers("limits", "unset", "*.internal").out == "*.internal: no limit\n"
    assert pollers("submit", "http://127.0.0.1/", "--limit", "nobody").code == 2


def test_the_json_of_each_command_is_for_programs(pollers: Commands, endpoint: Endpoint) -> None:
    """Numbers as numbers, moments with their offset, None as null."""
    url = endpoint.script("/job", Reply(202))
    assert pollers("submit", url, "--id", "a", "--timeout", "1h", "--json").json() == {"id": "a"}

    (listed,) = pollers("ls", "--json").json()
    assert {**listed, "history": []} == pollers("show", "a", "--json").json()
    assert (listed["attempts"], listed["last_answer"], listed["ended"]) == (0, None, None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", listed["deadline"])
    assert pollers("nudge", "a", "--json").json() == [{"id": "a", "done": True, "state": "waiting"}]
    cancelled = pollers("cancel", "a", "b", "--json")
    assert (cancelled.code, cancelled.json()) == (
        1,
        [{"id": "a", "done": True, "state": "cancelled"}, {"id": "b", "done": False, "state": "unknown"}],
    )


@pytest.mark.slow
def test_ls_filters_by_state_and_stops_at_the_limit(pollers: Commands, endpoint: Endpoint) -> None:
    """It says when there is more, and when there is nothing."""
    assert "No polls" in pollers("ls").err
    for poll_id in ("a", "b", "c"):
        pollers("submit", endpoint.url("/job"), "--id", poll_id)
    pollers("cancel", "b")

    def ids(*options: str) -> set[str]:
        return {poll["id"] for poll in pollers("ls", "--json", *options).json()}

    assert ids("--state", "waiting") == {"a", "c"}
    assert ids("--state", "cancelled") == {"b"}
    assert ids("--state", "waiting", "--state", "cancelled") == {"a", "b", "c"}
    limited = pollers("ls", "--limit", "2")
    assert (len(limited.out.splitlines()), "3 polls in all" in limited.err) == (3, True)
    assert pollers("ls", "--state", "running").out == ""


def test_ls_fits_into_a_terminal(pollers: Commands, endpoint: Endpoint) -> None:
    """Eighty columns: ids in full, as they are copied; less room for the rest."""
    url = endpoint.url("/a-rather-long-path-to-somewhere/" + "x" * 80)
    poll_id = pollers("submit", url).out.strip()
    with pollers.at_terminal("ls") as terminal:
        assert terminal.wait() == 0
        wait_until(lambda: "http://127" in terminal.drawn)

    lines = re.sub(r"\x1b\[[\d;]*m", "", terminal.drawn).splitlines()
    assert [len(line) <= 80 for line in lines] == [True, True]
    assert lines[1].startswith(f"{poll_id}  waiting  ")


def test_a_poll_that_nobody_knows(pollers: Commands) -> None:
    """One sentence and exit code 1, from each command."""
    for command in ("show", "cancel", "nudge"):
        ended = pollers(command, "stranger")
        assert (ended.code, ended.out, len(ended.err.splitlines())) == (1, "", 1)
        assert "stranger" in ended.err


def test_an_invalid_poll_is_not_submitted(pollers: Commands) -> None:
    """All that is wrong is told, and nothing is stored."""
    ended = pollers("submit", "nowhere", "--until", "a ==", "--wait")
    assert (ended.code, len(ended.err.splitlines())) == (2, 3)
    assert pollers("ls", "--json").json() == []


def test_an_empty_id_and_what_is_no_origin_are_refused(pollers: Commands, endpoint: Endpoint) -> None:
    """By the name of the option; an id is empty where a shell's variable is that was never set."""
    refused = pollers("submit", endpoint.url("/job"), "--id", "")
    assert (refused.code, "'--id': is empty" in refused.err) == (2, True)
    for command in ("show", "cancel", "nudge", "pause", "resume"):
        refused = pollers(command, "")
        assert (refused.code, "is empty" in refused.err, "ignored" in refused.err) == (2, True, False)
    for origin in ("not an origin", "http://", "ftp://example.com", "example.com:port"):
        refused = pollers("ls", "--origin", origin)
        assert (refused.code, "is no origin" in refused.err) == (2, True)


def test_a_known_id_is_not_submitted_twice(pollers: Commands, endpoint: Endpoint) -> None:
    """The first poll stays as it is."""
    pollers("submit", endpoint.url("/first"), "--id", "a")
    again = pollers("submit", endpoint.url("/second"), "--id", "a")
    assert (again.code, again.out) == (0, "a\n")
    assert "known already" in again.err
    assert pollers("show", "a", "--json").json()["url"].endswith("/first")


@pytest.mark.slow
def test_a_redis_out_of_reach_is_one_sentence(pollers: Commands) -> None:
    """From each command that needs one."""
    pollers.environment["POLLERS_REDIS_URL"] = NOWHERE
    for arguments in (("submit", "http://127.0.0.1"), ("ls",), ("show", "a"), ("cancel", "a"), ("dev",)):
        ended = pollers(*arguments)
        assert ended.code == 1
        assert "Redis at 127.0.0.1:1 cannot be reached" in ended.err.splitlines()[-1]


def test_a_redis_that_refuses_is_told_in_its_own_words(pollers: Commands, redis_url: str) -> None:
    """Not in those of an error inside the client that came before."""
    pollers.environment["POLLERS_REDIS_URL"] = f"{redis_url.rpartition('/')[0]}/99999"
    for arguments in (("submit", "http://127.0.0.1"), ("ls",)):
        ended = pollers(*arguments)
        assert (ended.code, ended.err) == (1, "Redis cannot be used: DB index is out of range\n")


@pytest.mark.slow
def test_submit_waits_as_run_does(pollers: Commands, endpoint: Endpoint, redis_url: str) -> None:
    """The value, the attempts on the way, and the exit codes of every end."""
    completed = endpoint.becomes("/job", {"status": "completed", "n": 7}, after=2)
    until = ("--until", DONE, "--every", "0.6s", "--wait")
    with Worker(redis_url):
        succeeded = pollers("submit", completed, *until, "--returns", "n")
        structured = pollers("submit", completed, *until, "--id", "a", "--json")
        rejected = pollers("submit", endpoint.url("/none"), *until)
        pending = endpoint.script("/pending", Reply(202))
        timed_out = pollers("submit", pending, "--timeout", "1s", "--wait", "--json")
        shown = pollers("show", "a", "--json").json()

    assert (succeeded.code, succeeded.out) == (0, "7\n")
    assert [line.split()[1] for line in succeeded.err.splitlines()] == ["#1", "#2", "#3"]
    report = structured.json()
    assert (report["id"], report["outcome"], report["attempts"]) == ("a", "succeeded", 1)
    assert report["value"] == shown["value"] == {"status": "completed", "n": 7}
    assert (rejected.code, "was rejected" in rejected.err) == (1, True)
    assert (timed_out.code, timed_out.json()["outcome"]) == (124, "timed_out")


@pytest.mark.slow
def test_submit_shows_attempts_that_follow_each_other_at_once(
    pollers: Commands, endpoint: Endpoint, redis_url: str
) -> None:
    """By the numbers that they have: a job that is done is told, and so is the request for its results."""
    job = (
        Reply(body={"jobID": "1", "type": "process", "status": "running"}),
        Reply(body={"jobID": "1", "type": "process", "status": "successful"}),
    )
    endpoint.script("/jobs/1/results", Reply(body={"area": 7}))
    with Worker(redis_url):
        ended = pollers(
            *(
                "submit",
                endpoint.script("/jobs/1", *job),
                "--protocol",
                "ogc-job",
                "--every",
                "0.6s",
                "--wait",
            )
        )

    assert (ended.code, ended.json()) == (0, {"area": 7})
    assert [line.split()[1] for line in ended.err.splitlines()] == ["#1", "#2", "#3"]


def test_a_wait_for_a_poll_that_redis_loses_ends(
    pollers: Commands, endpoint: Endpoint, redis_url: str
) -> None:
    """It says that the poll is unknown."""
    with (
        pollers.start("submit", endpoint.script("/job", Reply(202)), "--id", "a", "--wait") as running,
        redis.Redis.from_url(redis_url) as client,
    ):
        wait_until(lambda: "No worker" in running.err, 20)
        wait_until(lambda: client.flushdb() and running.process.poll() is not None)
        ended = running.wait()

    assert (ended.code, "No poll" in ended.err) == (1, True), ended.err


def test_an_interrupted_wait_leaves_the_poll_to_the_workers(pollers: Commands, endpoint: Endpoint) -> None:
    """Exit code 130, and how to look after it."""
    url = endpoint.script("/job", Reply(202))
    with pollers.start("submit", url, "--id", "a", "--wait") as running:
        wait_until(lambda: "No worker" in running.err, 20)
        wait_until(lambda: pollers("ls", "--json").json())
        ended = running.end()

    assert ended.code == 130
    assert "pollers show a" in ended.err
    assert pollers("show", "a", "--json").json()["state"] == "waiting"


# ------------------------------------------------------ embedded Valkey, pollers dev


def test_commands_of_one_project_share_an_embedded_valkey(alone: Commands, endpoint: Endpoint) -> None:
    """It keeps polls from one command to the next, and runs in between for nobody."""
    below = alone.directory / "a" / "b"
    below.mkdir(parents=True)
    assert alone("submit", endpoint.url("/job"), "--id", "a").code == 0

    assert [poll["id"] for poll in alone("ls", "--json").json()] == ["a"]
    alone.directory = below
    assert alone("cancel", "a").code == 0
    assert _valkeys_of(alone) == []


def test_a_celeryconfig_that_names_a_redis_is_followed(
    alone: Commands, endpoint: Endpoint, redis_url: str
) -> None:
    """Nothing embedded is started then."""
    (alone.directory / "celeryconfig.py").write_text(f"broker_url = {redis_url!r}\n")
    assert alone("submit", endpoint.url("/job"), "--id", "a").code == 0
    with redis.Redis.from_url(redis_url) as client:
        assert client.hexists("{pollers}:polls", "a")
    assert not (alone.directory / "state").exists()


@pytest.mark.slow
def test_dev_runs_polls_until_ctrl_c(alone: Commands, endpoint: Endpoint) -> None:
    """Another command in the same project submits to it; nothing is left when it has ended."""
    url = endpoint.becomes("/job", {"status": "completed"}, after=1)
    with alone.start("dev") as running:
        wait_until(lambda: "ready: " in running.out, 40)
        children = psutil.Process(running.process.pid).children(recursive=True)
        ended = alone("submit", url, "--until", DONE, "--every", "0.5s", "--wait")
        assert (ended.code, ended.json()) == (0, {"status": "completed"})
        began = time.monotonic()
        stopped = running.end()

    assert (stopped.code, time.monotonic() - began < 10) == (130, True)
    assert len(children) == 2
    assert not any(child.is_running() for child in children)
    assert _valkeys_of(alone) == []
    lines = stopped.out.splitlines()
    assert all(re.match(r"(pollers |flower  |worker-1) \|", line) for line in lines)
    assert {line.split()[0] for line in lines} == {"pollers", "flower", "worker-1"}
    assert re.search(r"Flower  http://127\.0\.0\.1:\d+", stopped.out)


@pytest.fixture
def hangups_count() -> Iterator[None]:
    """Let what is started here end with its terminal, whatever these tests were started under (nohup)."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.slow
@pytest.mark.usefixtures("hangups_count")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_child_of_dev_outlives_it(pollers: Commands, how: signal.Signals) -> None:
    """However it ends: asked to, with its terminal, or killed."""
    with pollers.start("dev", "--workers", "2", "--flower-port", "0") as running:
        wait_until(lambda: "ready: " in running.out, 40)
        children = psutil.Process(running.process.pid).children(recursive=True)
        running.process.send_signal(how)
        assert running.process.wait(15) == (-9 if how is signal.SIGKILL else 128 + how)
        wait_until(lambda: not any(child.is_running() for child in children), 10)

    assert len(children) == 2


@pytest.mark.slow
def test_dev_ends_when_a_part_of_it_does(pollers: Commands) -> None:
    """It says which, and stops the others."""
    with pollers.start("dev", "--workers", "2", "--flower-port", "0") as running:
        wait_until(lambda: "ready: " in running.out, 40)
        children = psutil.Process(running.process.pid).children(recursive=True)
        children[0].kill()
        ended = running.wait()

    assert ended.code == 1
    assert re.fullmatch(r"worker-[12] has ended with exit code -9\.\n", ended.err)
    assert not any(child.is_running() for child in children)


@pytest.mark.slow
def test_dev_ends_when_its_valkey_does(alone: Commands) -> None:
    """It says so; the polls are in the file, for the next start."""
    with alone.start("dev", "--flower-port", "0") as running:
        wait_until(lambda: "ready: " in running.out, 40)
        (valkey,) = _valkeys_of(alone)
        valkey.kill()
        ended = running.wait()
    assert ended.code == 1
    assert ended.err == "The embedded Valkey has ended; its polls are kept for the next start.\n"


@pytest.mark.slow
def test_dev_takes_another_port_when_that_of_flower_is_taken(pollers: Commands, endpoint: Endpoint) -> None:
    """And says which."""
    taken = int(endpoint.url("").rsplit(":", 1)[1])
    with pollers.start("dev", "--flower-port", str(taken)) as running:
        wait_until(lambda: "ready: " in running.out, 40)
        assert running.end().code == 130

    (port,) = re.findall(r"pollers  \| Flower  http://127\.0\.0\.1:(\d+)", running.out)
    assert int(port) > taken


def _valkeys_of(commands: Commands) -> list[psutil.Process]:
    """Return the servers that run on data in the commands' state directory."""
    place = commands.environment["XDG_STATE_HOME"]
    found = []
    for process in psutil.process_iter(["name", "cwd", "status"]):
        alive = process.info["status"] != psutil.STATUS_ZOMBIE
        if alive and "valkey" in process.info["name"] and str(process.info["cwd"]).startswith(place):
            found.append(process)
    return found


# ------------------------------------------------------------------------ help


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(alone: Commands, command: str) -> None:
    """It can be copied from there."""
    ended = alone(command, "--help")
    assert ended.code == 0
    assert f"Examples:\n    pollers {command}" in ended.out


def test_the_help_names_every_command_and_exit_code(alone: Commands) -> None:
    """And comes without anything to be set up."""
    ended = alone("--help")
    assert ended.code == 0
    assert re.findall(r"^  (\w+)  ", ended.out, re.MULTILINE) == sorted(COMMANDS)
    assert all(re.search(rf"\b{code}\s+\w", ended.out) for code in (0, 1, 2, 124, 129, 130, 143))


def test_probe_says_which_convention_an_api_follows(alone: Commands, endpoint: Endpoint) -> None:
    """And the call to use, in Python and in the shell, without secrets."""
    url = endpoint.script("/op", Reply(200, {"name": "operations/1", "metadata": {}}))
    ended = alone("probe", url + "?token=hush", "--header", "X-Api-Key: hush")
    assert ended.code == 0
    assert 'That is the convention "aip-151".' in ended.out
    call = f"poll.delay('{url}?token=***', headers={{'X-Api-Key': '***'}}, protocol='aip-151')"
    assert call in ended.out
    assert f"pollers run '{url}?token=***' --header 'X-Api-Key: ***' --protocol aip-151" in ended.out
    assert "hush" not in ended.out


def test_probe_suggests_a_start_where_it_started(alone: Commands, endpoint: Endpoint) -> None:
    """By JSON as well."""
    url = endpoint.script("/jobs", Reply(202, b"", {"Location": "/jobs/1"}))
    ended = alone("probe", url, "--method", "POST", "--json-body", '{"x": 1}')
    assert f"poll.start('POST', '{url}', json={{'x': 1}}, protocol='accepted')" in ended.out
    command = f"""pollers run {url} --method POST --json-body '{{"x": 1}}' --protocol accepted --start yes"""
    assert command in ended.out
    found = alone("probe", url, "--json").json()
    assert (found["status"], found["protocol"], found["params"]) == (
        202,
        "accepted",
        {"protocol": "accepted"},
    )


def test_probe_tells_when_there_is_no_answer(alone: Commands) -> None:
    """In a sentence."""
    ended = alone("probe", "http://127.0.0.1:1/")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("http://127.0.0.1:1/ gave no answer: ")
