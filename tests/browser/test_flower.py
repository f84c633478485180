"""What an operator sees of polls in Flower, and can do there; in a real browser."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from celery import Celery, chain, states
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from pollers import PollCancelled, PollFailed, PollResult, app, poll
from pollers.origin import short_origin
from pollers.runtime import Runtime, runtime_of
from pollers.store.traffic import configure, reopen, set_limit, shut
from tests.browser.flower import api, details, flower, rows
from tests.endpoints import Endpoint, Reply
from tests.system.app import echo
from tests.system.workers import Worker
from tests.waiting import wait_until

pytestmark = pytest.mark.browser

UNTIL = "status == 'completed'"


def submit_waiting(endpoint: Endpoint, path: str, **parameters: object) -> PollResult:
    """Submit a poll that goes on for ten minutes; return it after its second attempt."""
    url = endpoint.script(path.partition("?")[0], Reply(body={"status": "running"}))
    waiting = poll.delay(url + path[len(path.partition("?")[0]) :], until=UNTIL, every="1s", **parameters)
    wait_until(lambda: waiting.status().attempts >= 2)
    return waiting


def heard(flower_url: str, result: PollResult) -> str:
    """Return the last state that Flower has heard of a poll; empty before the first."""
    return str(api(flower_url, "tasks").get(result.id, {}).get("state", ""))


def row_of(browser: Chrome, flower_url: str, result: PollResult, query: str = "") -> dict[str, str]:
    """Return the row of a poll in the list of tasks, as soon as Flower has heard of the poll."""
    # The list does not refresh itself: it is loaded when the row is there.
    wait_until(lambda: heard(flower_url, result))
    browser.get(f"{flower_url}/tasks?name=pollers.poll{query}")
    # A page has few.
    browser.find_element(By.CSS_SELECTOR, "input[type=search]").send_keys(f" {result.id}")
    wait_until(lambda: any(row.get("uuid") == result.id for row in rows(browser)))
    [row] = [row for row in rows(browser) if row["uuid"] == result.id]
    return row


def test_a_waiting_poll_is_one_readable_row(browser: Chrome, flower_url: str, endpoint: Endpoint) -> None:
    """Its url, its condition, its attempts, its last answer."""
    waiting = submit_waiting(endpoint, "/exports/1")
    wait_until(lambda: heard(flower_url, waiting) == states.RETRY)
    row = row_of(browser, flower_url, waiting)
    waiting.cancel()
    assert row["name"] == "pollers.poll"
    assert row["state"] == states.RETRY
    assert row["args"] == endpoint.url("/exports/1")
    assert row["kwargs"] == f"until {UNTIL}, every 1s"
    assert row["eta"].startswith("in ") or row["eta"] == "under way"
    assert int(row["retries"]) >= 1
    assert row["exception"].startswith("200 in ")
    assert row["exception"].endswith('{"status": "running"}')


def test_the_row_tells_how_a_poll_ended(browser: Chrome, flower_url: str, endpoint: Endpoint) -> None:
    """Succeeded with its value, failed with its error; one row each, with all its attempts."""
    condition = {"until": UNTIL, "fail_when": "status == 'failed'", "every": "0.5s"}
    good = poll.delay(endpoint.becomes("/good", {"status": "completed", "n": 7}), returns="n", **condition)
    bad = poll.delay(endpoint.becomes("/bad", {"status": "failed"}), **condition)
    assert good.get(timeout=20) == 7
    with pytest.raises(PollFailed):
        bad.get(timeout=20)
    wait_until(lambda: row_of(browser, flower_url, bad)["state"] == states.FAILURE)
    wait_until(lambda: row_of(browser, flower_url, good)["state"] == states.SUCCESS)
    succeeded, failed = row_of(browser, flower_url, good), row_of(browser, flower_url, bad)
    assert (succeeded["result"], succeeded["retries"]) == ("7", "3")
    assert failed["exception"].startswith("PollFailed('failed: status == ")
    assert "(3 attempts in " in failed["exception"]


def test_secrets_are_nowhere_in_flower(browser: Chrome, flower_url: str, endpoint: Endpoint) -> None:
    """Neither in the list, nor on the poll's page, nor in the API."""
    waiting = submit_waiting(
        endpoint, "/secret?token=tell-nobody&page=2", headers={"Authorization": "Bearer tell-nobody"}
    )
    row = row_of(browser, flower_url, waiting)
    assert row["args"] == endpoint.url("/secret?token=***&page=2")
    pages = [browser.page_source]
    browser.get(f"{flower_url}/task/{waiting.id}")
    assert "{'Authorization': '***'}" in details(browser)["Keyword arguments"]
    pages += [browser.page_source, repr(api(flower_url, "tasks"))]
    waiting.cancel()
    assert all(waiting.id in page for page in pages)
    assert not any("tell-nobody" in page for page in pages)


def test_a_poll_is_found_by_its_url(browser: Chrome, flower_url: str, endpoint: Endpoint) -> None:
    """By a part of it, in the search box of the list."""
    wanted, other = (submit_waiting(endpoint, path) for path in ("/find/me", "/leave/me"))
    wait_until(lambda: heard(flower_url, wanted) and heard(flower_url, other))
    browser.get(f"{flower_url}/tasks?name=pollers.poll")
    wait_until(lambda: {wanted.id, other.id} <= {row.get("uuid") for row in rows(browser)})
    browser.find_element(By.CSS_SELECTOR, "input[type=search]").send_keys(" args:/find/me")
    wait_until(lambda: [row.get("uuid") for row in rows(browser)] == [wanted.id])
    wanted.cancel()
    other.cancel()


def test_the_button_cancels_a_waiting_poll(browser: Chrome, flower_url: str, endpoint: Endpoint) -> None:
    """For good: its waiter hears of it, its endpoint no more, and its row says so."""
    waiting = submit_waiting(endpoint, "/unwanted")
    wait_until(lambda: heard(flower_url, waiting) == states.RETRY)
    browser.get(f"{flower_url}/task/{quote(waiting.id)}")
    page = details(browser)
    assert page["Status"] == states.RETRY
    assert page["ETA"] > page["Received"]
    browser.find_element(By.ID, "task-revoke").click()
    with pytest.raises(PollCancelled):
        waiting.get(timeout=10)
    assert waiting.status().state == "cancelled"
    asked = len(endpoint.arrivals("/unwanted"))
    wait_until(lambda: row_of(browser, flower_url, waiting)["state"] == states.REVOKED)
    # Two cadences of another poll later there would have been more.
    assert poll.delay(endpoint.becomes("/clock", {"status": "completed"}), until=UNTIL, every="1s").get(
        timeout=20
    )
    assert len(endpoint.arrivals("/unwanted")) == asked


def test_a_paused_poll_says_so(browser: Chrome, flower_url: str, endpoint: Endpoint) -> None:
    """At once, although no event tells of it; and when it goes on."""
    waiting = submit_waiting(endpoint, "/paused")
    waiting.pause()
    assert row_of(browser, flower_url, waiting)["eta"] == "paused"
    waiting.resume()
    assert row_of(browser, flower_url, waiting)["eta"] != "paused"
    waiting.cancel()


def test_a_poll_that_is_kept_from_its_first_attempt_has_a_row(
    browser: Chrome, flower_url: str, endpoint: Endpoint
) -> None:
    """As soon as that is due; in Flower's API, too."""
    store, origin = runtime_of(app).store, short_origin(endpoint.url("/"))
    shut(store, origin)
    kept = poll.delay(endpoint.script("/kept", Reply(body={"done": False})), until=UNTIL, timeout=600)
    wait_until(lambda: heard(flower_url, kept))
    assert api(flower_url, f"task/info/{kept.id}")["state"] == states.RECEIVED
    row = row_of(browser, flower_url, kept)
    assert (row["state"], row["retries"], row["eta"]) == (states.RECEIVED, "0", "origin paused")
    assert not endpoint.arrivals("/kept")
    kept.cancel()
    reopen(store, origin)


def test_polls_of_a_held_origin_say_so(browser: Chrome, flower_url: str, endpoint: Endpoint) -> None:
    """One got the 429; the other, of the same origin, waits for the end of the hold."""
    other = submit_waiting(endpoint, "/other")
    told = poll.delay(endpoint.script("/told", Reply(429, "slow down", {"Retry-After": "60"})), until=UNTIL)
    wait_until(lambda: row_of(browser, flower_url, other)["eta"].startswith("origin held for "))
    wait_until(lambda: row_of(browser, flower_url, told)["exception"].startswith("429 in "))
    told.cancel()
    other.cancel()


def test_polls_that_wait_for_a_limit_say_so(browser: Chrome, flower_url: str, endpoint: Endpoint) -> None:
    """Both are due, and one a minute may be asked."""
    store, origin = runtime_of(app).store, short_origin(endpoint.url("/"))
    one, two = (submit_waiting(endpoint, path) for path in ("/limited/1", "/limited/2"))
    set_limit(store, origin, "1/m")
    wait_until(lambda: row_of(browser, flower_url, one)["eta"] == "waits for a limit")
    wait_until(lambda: row_of(browser, flower_url, two)["eta"] == "waits for a limit")
    set_limit(store, origin, None)
    one.cancel()
    two.cancel()


def test_polls_behind_an_open_breaker_say_so(browser: Chrome, flower_url: str, endpoint: Endpoint) -> None:
    """With the last answer that they got, which tells why."""
    store = runtime_of(app).store
    configure(store, {}, {"minimum": 2, "shortest": "30s"})
    failing = poll.delay(endpoint.script("/failing", Reply(503, "no")), until=UNTIL, every="0.5s")
    wait_until(lambda: failing.status().attempts >= 2)
    wait_until(lambda: heard(flower_url, failing) == states.RETRY)
    wait_until(lambda: row_of(browser, flower_url, failing)["eta"].startswith("breaker open for "))
    row = row_of(browser, flower_url, failing)
    failing.cancel()
    configure(store, {}, None)
    assert row["state"] == states.RETRY
    assert row["exception"].startswith("503 in ")


def test_parents_and_children_lead_along_a_chain(
    browser: Chrome, flower_url: str, endpoint: Endpoint
) -> None:
    """From the page of the poll to the task before, the task after, and the first."""
    url = endpoint.becomes("/chained", {"status": "completed"}, after=1)
    last = chain(echo.s(url), poll.s(until=UNTIL, every="0.5s"), echo.s()).delay()
    assert last.get(timeout=20) == {"status": "completed"}
    wait_until(lambda: api(flower_url, f"task/info/{last.id}")["state"] == states.SUCCESS)
    browser.get(f"{flower_url}/task/{last.parent.id}")
    page = details(browser)
    assert page["Name"] == "pollers.poll"
    assert page["Parent id"] == page["Root id"] == last.parent.parent.id
    child = browser.find_element(By.LINK_TEXT, page["Children"])
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", child)
    child.click()
    wait_until(lambda: details(browser).get("Parent id") == last.parent.id)


def test_a_poll_has_its_row_before_its_first_attempt(
    browser: Chrome,
    flower_url: str,
    endpoint: Endpoint,
    application: Celery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the application tells of what it sends, by Celery's own setting; it can be revoked there."""
    application.conf.task_send_sent_event = True
    try:
        # It is looked at once.
        monkeypatch.setattr(runtime_of(application), "tells_sent", Runtime(application).tells_sent)
        [waiting] = poll.submit_many([endpoint.url("/later")], options={"countdown": 60}, until=UNTIL)
    finally:
        application.conf.task_send_sent_event = False
    row = row_of(browser, flower_url, waiting)
    assert (row["state"], row["retries"], row["args"]) == (states.RECEIVED, "0", endpoint.url("/later"))
    assert row["eta"].startswith("in ")
    browser.get(f"{flower_url}/task/{waiting.id}")
    browser.find_element(By.ID, "task-revoke").click()
    wait_until(lambda: row_of(browser, flower_url, waiting)["state"] == states.REVOKED)


def test_a_flower_that_is_started_later_learns_of_waiting_polls(
    shared_redis_url: str, worker: Worker, endpoint: Endpoint
) -> None:
    """With their next attempt, and all that it would know had it been there from the beginning."""
    waiting = submit_waiting(endpoint, "/early")
    status = waiting.status()
    with flower(shared_redis_url) as late:
        wait_until(lambda: waiting.id in api(late, "tasks"))
        known = api(late, f"task/info/{waiting.id}")
    waiting.cancel()
    assert known["args"] == endpoint.url("/early")
    assert known["received"] == pytest.approx(status.created.timestamp(), abs=0.01)
    assert (known["root_id"], known["parent_id"]) == (waiting.id, None)


def test_packs_have_no_rows(flower_url: str, endpoint: Endpoint, worker: Worker) -> None:
    """They would push those of polls out; `pollers_pack_events` shows them."""
    result = poll.delay(endpoint.becomes("/packed", {"status": "completed"}), until=UNTIL, every="0.5s")
    # What was told of the packs that it has travelled in was told before.
    wait_until(lambda: heard(flower_url, result) == states.SUCCESS)
    assert {row["name"] for row in api(flower_url, "tasks").values()}.isdisjoint({"pollers.attempt"})
