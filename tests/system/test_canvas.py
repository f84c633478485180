"""A poll is a Celery task: in chains, groups, chords, links, with every option, and sent by name."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery, chain, chord, group
from celery.app.routes import prepare

from pollers import InvalidPoll, PollFailed, PollTimeout, poll
from tests.endpoints import Endpoint
from tests.system.app import echo, note, note_error, submit, total
from tests.system.workers import Worker
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("worker")

UNTIL = {"until": "status == 'completed'", "every": 0.5, "timeout": 30}
Seen = Callable[..., list[Any]]


def _done(endpoint: Endpoint, path: str, value: Any, after: int = 1) -> str:
    return endpoint.becomes(path, {"status": "completed", "value": value}, after=after)


def test_a_chain_goes_on_with_the_value(endpoint: Endpoint) -> None:
    """The parent's result is the url; the poll's value is the next task's argument."""
    url = _done(endpoint, "/a", 7)
    result = chain(echo.s(url), poll.s(**UNTIL, returns="value"), echo.s()).delay()
    assert result.get(timeout=20) == 7


def test_a_parents_result_may_be_a_mapping_of_parameters(endpoint: Endpoint) -> None:
    """The url and whatever else the parent knows."""
    url = _done(endpoint, "/a", 7)
    parent = echo.s({"url": url, "returns": "value"})
    assert chain(parent, poll.s(**UNTIL)).delay().get(timeout=20) == 7


def test_polls_follow_one_another_in_a_chain(endpoint: Endpoint) -> None:
    """The first poll's value is the second's url."""
    second = _done(endpoint, "/second", 2)
    first = _done(endpoint, "/first", second)
    result = chain(poll.s(first, **UNTIL, returns="value"), poll.s(**UNTIL, returns="value")).delay()
    assert result.get(timeout=20) == 2


def test_a_group_of_polls_gives_all_values(endpoint: Endpoint) -> None:
    """In order."""
    urls = [_done(endpoint, f"/{number}", number) for number in range(4)]
    result = group(poll.s(url, **UNTIL, returns="value") for url in urls).delay()
    assert result.get(timeout=20) == [0, 1, 2, 3]


def test_a_chord_of_chains_is_completed(endpoint: Endpoint) -> None:
    """The shape of the render farm."""
    urls = [_done(endpoint, f"/{number}", number) for number in range(4)]
    tiles = [chain(echo.s(url), poll.s(**UNTIL, returns="value"), echo.s()) for url in urls]
    assert chord(tiles, total.s()).delay().get(timeout=20) == 6


def test_a_chord_of_polls_fails_when_one_of_them_fails(endpoint: Endpoint) -> None:
    """Its body does not run, and the waiting application hears why."""
    good = _done(endpoint, "/good", 1)
    bad = endpoint.becomes("/bad", {"status": "failed"}, after=0)
    header = [poll.s(url, **UNTIL, fail_when="status == 'failed'", returns="value") for url in (good, bad)]
    with pytest.raises(Exception, match="failed"):
        chord(header, total.s()).delay().get(timeout=20)


def test_links_are_called(endpoint: Endpoint, seen: Seen) -> None:
    """With the value, when the outcome is known and not before."""
    url = _done(endpoint, "/a", 7, after=2)
    poll.apply_async((url,), {**UNTIL, "returns": "value"}, link=note.s("linked"))
    assert seen("linked") == [7]
    assert len(endpoint.arrivals("/a")) == 3


def test_links_are_taken_in_every_form_that_celery_applies(endpoint: Endpoint, seen: Seen) -> None:
    """A signature, one that was written by an older Celery or by hand, and a chord."""
    url = _done(endpoint, "/a", 7)
    by_hand = {"task": "tests.note", "args": ["by hand"], "kwargs": {}, "options": {}}
    links = [note.s("linked"), by_hand, chord([echo.s()], note.s("chord"))]
    result = poll.apply_async((url,), {**UNTIL, "returns": "value"}, link=links)
    assert result.get(timeout=20) == 7
    assert (seen("linked"), seen("by hand"), seen("chord")) == ([7], [7], [[7]])


def test_errbacks_are_called(endpoint: Endpoint, seen: Seen) -> None:
    """With the error and the id of the poll."""
    url = endpoint.becomes("/a", {"status": "failed"}, after=0)
    result = poll.apply_async(
        (url,), {**UNTIL, "fail_when": "status == 'failed'"}, link_error=note_error.s(name="errors")
    )
    ((poll_id, kind, message),) = seen("errors")
    assert (poll_id, kind) == (result.id, "PollFailed")
    assert "status == 'failed' holds" in message


def test_a_failing_poll_ends_its_chain(endpoint: Endpoint, seen: Seen) -> None:
    """The steps after it do not run, and who waits for the last of them hears why."""
    url = endpoint.becomes("/a", {"status": "failed"}, after=0)
    signature = chain(poll.s(url, **UNTIL, fail_when="status == 'failed'"), note.s("never"))
    with pytest.raises(PollFailed):
        signature.delay().get(timeout=20)


def test_a_cancelled_poll_ends_its_chain(endpoint: Endpoint) -> None:
    """Nobody waits for ever for what comes after it."""
    url = endpoint.becomes("/a", {}, after=1000)
    last = chain(poll.s(url, **UNTIL), echo.s()).delay()
    wait_until(lambda: len(endpoint.arrivals("/a")) > 0, 10)
    assert last.parent.cancel()
    with pytest.raises(Exception, match="was cancelled"):
        last.get(timeout=20)


def test_an_invalid_step_of_a_chain_fails_with_its_error(endpoint: Endpoint, seen: Seen) -> None:
    """The parent's result is no url: the poll fails with `InvalidPoll`, and errbacks hear of it."""
    step = poll.s(**UNTIL)
    step.link_error(note_error.s(name="errors"))
    result = chain(echo.s("no url at all"), step).delay()
    with pytest.raises(InvalidPoll, match="url"):
        result.get(timeout=20)
    ((_, kind, _),) = seen("errors")
    assert kind == "InvalidPoll"


def test_a_wrong_signature_is_told_before_a_chain_starts() -> None:
    """The earliest moment there is."""
    with pytest.raises(InvalidPoll, match="did you mean 'until'"):
        poll.s(untill="status == 'completed'")
    for arguments in ((42,), (["x"],), ("http://x", "y")):
        with pytest.raises(InvalidPoll):
            poll.s(*arguments)


def test_a_signature_with_none_for_its_url_waits_for_the_parents_result() -> None:
    """As one without any does."""
    assert poll.s(None, every=1) == poll.s(every=1)


def test_options_that_leave_no_time_are_refused_at_the_call() -> None:
    """Before anything is stored."""
    for options in ({"countdown": "5"}, {"countdown": 700}, {"expires": "tomorrow"}, {"expires": -5}):
        with pytest.raises(InvalidPoll, match=next(iter(options))):
            poll.apply_async(("http://127.0.0.1/",), **options)


def test_a_countdown_moves_the_first_attempt(endpoint: Endpoint) -> None:
    """And so does an eta."""
    started = time.time()
    for path, options in (
        ("/countdown", {"countdown": 1.0}),
        ("/eta", {"eta": datetime.now(UTC) + timedelta(seconds=1)}),
    ):
        poll.apply_async((_done(endpoint, path, 1, after=0),), UNTIL, **options).get(timeout=20)
        assert endpoint.arrivals(path)[0].at >= started + 0.95


def test_expires_ends_a_poll_like_a_deadline(endpoint: Endpoint) -> None:
    """Whichever comes first."""
    url = endpoint.becomes("/a", {}, after=1000)
    with pytest.raises(PollTimeout):
        poll.apply_async((url,), UNTIL, expires=2).get(timeout=10)


def test_a_task_id_headers_and_priority_can_be_given(endpoint: Endpoint) -> None:
    """As for every task."""
    url = _done(endpoint, "/a", 7)
    result = poll.apply_async(
        (url,), {**UNTIL, "returns": "value"}, task_id="my-poll", headers={"x": "y"}, priority=3
    )
    assert result.id == "my-poll"
    assert result.get(timeout=20) == 7


def test_a_queue_names_the_workers_that_make_the_attempts(
    endpoint: Endpoint, shared_redis_url: str, worker: Worker
) -> None:
    """Nobody attempts the poll until a worker of that queue is there; then that one does."""
    url = _done(endpoint, "/a", 7)
    result = poll.apply_async((url,), {**UNTIL, "returns": "value"}, queue="far")
    poll.delay(_done(endpoint, "/b", 8), **UNTIL).get(timeout=20)
    assert endpoint.arrivals("/a") == []
    with Worker(shared_redis_url, name="w2", queues="far") as far:
        assert result.get(timeout=20) == 7
        assert result.id in far.log()
    assert result.id not in worker.log()


@pytest.mark.parametrize("route", [{"queue": "routed"}, "routed"])
def test_a_route_of_the_application_names_the_workers_too(
    endpoint: Endpoint,
    shared_redis_url: str,
    application: Celery,
    monkeypatch: pytest.MonkeyPatch,
    route: object,
) -> None:
    """`task_routes`, for polls that name no queue: one by one, or many at once."""
    monkeypatch.setattr(application.amqp, "_rtable", prepare({"pollers.poll": route}))
    monkeypatch.setattr(application.amqp, "router", application.amqp.Router())
    one = poll.delay(_done(endpoint, "/a", 7), **UNTIL, returns="value")
    [other] = poll.submit_many([_done(endpoint, "/b", 8)], **UNTIL, returns="value")
    named = poll.apply_async([_done(endpoint, "/c", 9)], {**UNTIL, "returns": "value"}, queue="celery")
    assert named.get(timeout=20) == 9
    assert endpoint.arrivals("/a") == endpoint.arrivals("/b") == []
    with Worker(shared_redis_url, name="routed", queues="routed") as far:
        assert (one.get(timeout=20), other.get(timeout=20)) == (7, 8)
        assert one.id in far.log()


def test_a_poll_can_be_sent_by_name_from_an_application_without_pollers(
    endpoint: Endpoint, shared_redis_url: str
) -> None:
    """The worker admits it; its chain goes on, and the result is that of the message."""
    stranger = Celery("stranger", broker=shared_redis_url, backend=shared_redis_url, set_as_current=False)
    url = _done(endpoint, "/a", 7)
    result = stranger.send_task("pollers.poll", (url,), {**UNTIL, "returns": "value"})
    assert result.get(timeout=20) == 7
    stranger.close()


def test_a_poll_sent_by_name_with_wrong_parameters_fails(shared_redis_url: str, seen: Seen) -> None:
    """With the same error, and its errback is called."""
    stranger = Celery("stranger", broker=shared_redis_url, backend=shared_redis_url, set_as_current=False)
    errback = note_error.s(name="errors")
    result = stranger.send_task("pollers.poll", ("nonsense",), {"evry": 1}, link_error=errback)
    with pytest.raises(Exception, match="did you mean 'every'"):
        result.get(timeout=20)
    ((_, kind, _),) = seen("errors")
    assert kind == "InvalidPoll"
    stranger.close()


def test_a_poll_can_be_submitted_from_inside_a_task(endpoint: Endpoint) -> None:
    """It is a child of that task, as any task would be."""
    url = _done(endpoint, "/a", 7)
    parent = submit.delay(url, **UNTIL, returns="value")
    child = poll.AsyncResult(parent.get(timeout=20))
    assert child.get(timeout=20) == 7
    assert [one.id for one in parent.children] == [child.id]


def test_a_poll_whose_result_is_ignored_is_still_made(endpoint: Endpoint, seen: Seen) -> None:
    """Its links run, and nothing is stored in the result backend."""
    url = _done(endpoint, "/a", 7)
    result = poll.apply_async((url,), {**UNTIL, "returns": "value"}, ignore_result=True, link=note.s("x"))
    assert seen("x") == [7]
    assert result.backend.get_state(result.id) == "PENDING"
