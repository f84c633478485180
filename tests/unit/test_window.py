"""The time that a poll has by its deadline and by Celery's options."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from celery import Celery
from celery.worker.request import Request
from kombu.message import Message

from pollers.errors import InvalidPoll
from pollers.spec import PollSpec
from pollers.window import Window, window

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
IN_A_MINUTE = NOW + timedelta(minutes=1)


def _window(options: dict[str, Any], **params: Any) -> Window:
    return window(PollSpec.parse("http://x/", **params), options, lambda: NOW)


@pytest.mark.parametrize(
    ("options", "params", "expected"),
    [
        ({}, {}, Window(0.0, 600.0, None)),
        ({}, {"deadline": IN_A_MINUTE}, Window(0.0, None, IN_A_MINUTE.timestamp())),
        ({"countdown": 5}, {}, Window(5.0, 600.0, None)),
        ({"countdown": -5}, {}, Window(0.0, 600.0, None)),
        ({"countdown": 5}, {"deadline": IN_A_MINUTE}, Window(5.0, None, IN_A_MINUTE.timestamp())),
        ({"eta": IN_A_MINUTE}, {}, Window(60.0, 600.0, None)),
        ({"eta": IN_A_MINUTE.isoformat()}, {}, Window(60.0, 600.0, None)),
        ({"eta": IN_A_MINUTE.replace(tzinfo=None)}, {}, Window(60.0, 600.0, None)),
        ({"countdown": None, "eta": NOW - timedelta(1)}, {}, Window(0.0, 600.0, None)),
        ({"expires": 30}, {}, Window(0.0, 30.0, None)),
        ({"expires": 3000}, {}, Window(0.0, 600.0, None)),
        ({"expires": IN_A_MINUTE}, {"timeout": 30}, Window(0.0, 30.0, None)),
        ({"expires": 30}, {"deadline": IN_A_MINUTE}, Window(0.0, 30.0, None)),
        ({"expires": 90}, {"deadline": IN_A_MINUTE}, Window(0.0, 60.0, None)),
    ],
)
def test_a_poll_has_the_time_that_all_of_them_leave(
    options: dict[str, Any], params: dict[str, Any], expected: Window
) -> None:
    """The nearest end counts."""
    assert _window(options, **params) == expected


@pytest.mark.parametrize(
    ("options", "params", "field", "hint"),
    [
        ({"countdown": "5"}, {}, "countdown", "seconds, as a number"),
        ({"countdown": True}, {}, "countdown", "seconds, as a number"),
        ({"countdown": float("nan")}, {}, "countdown", "100 years"),
        ({"countdown": 1e300}, {}, "countdown", "100 years"),
        ({"countdown": IN_A_MINUTE}, {}, "countdown", "seconds, as a number"),
        ({"eta": 5}, {}, "eta", "a datetime"),
        ({"eta": "soon"}, {}, "eta", "ISO 8601"),
        ({"eta": datetime.max}, {}, "eta", "100 years"),
        ({"expires": "tomorrow"}, {}, "expires", "ISO 8601"),
        ({"expires": float("inf")}, {}, "expires", "100 years"),
        ({"expires": []}, {}, "expires", "a datetime"),
        ({"expires": -5}, {}, "expires", "has passed"),
        ({"expires": 0}, {}, "expires", "has passed"),
        ({"expires": NOW}, {"deadline": IN_A_MINUTE}, "expires", "has passed"),
        ({"countdown": 60}, {"timeout": 3}, "countdown", "due in 60 s, but the deadline comes in 3 s"),
        ({"countdown": 60}, {"deadline": NOW + timedelta(seconds=3)}, "countdown", "comes in 3 s"),
        ({"countdown": 60}, {"deadline": IN_A_MINUTE}, "countdown", "comes in 60 s"),
        ({"countdown": 60, "expires": 30}, {}, "countdown", "comes in 30 s"),
        ({"eta": IN_A_MINUTE}, {"timeout": 3}, "eta", "comes in 3 s"),
    ],
)
def test_an_option_that_leaves_no_time_is_named(
    options: dict[str, Any], params: dict[str, Any], field: str, hint: str
) -> None:
    """By its own name, not by that of another."""
    with pytest.raises(InvalidPoll) as caught:
        _window(options, **params)
    assert list(caught.value.problems) == [field]
    assert hint in caught.value.problems[field]


def celerys(name: str, moment: datetime) -> datetime:
    """Return the moment that Celery takes an option of a stock task for, in a zone far from UTC."""
    with Celery(set_as_current=False, broker="memory://") as app:
        app.conf.timezone = "Asia/Tokyo"
        message = app.amqp.as_task_v2("1", "celery.backend_cleanup", **{name: moment})
        delivered = Message(
            body=message.body, headers=message.headers, content_type="application/json", delivery_info={}
        )
        found: datetime = getattr(Request(delivered, app=app, decoded=True), name)
    return found


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=9))])
@pytest.mark.parametrize("name", ["eta", "expires"])
def test_a_moment_without_a_zone_is_the_one_that_celery_takes_it_for(name: str, zone: timezone) -> None:
    """UTC, wherever the application is."""
    naive = IN_A_MINUTE.replace(tzinfo=None)
    assert celerys(name, naive) == IN_A_MINUTE
    for given in (naive, naive.isoformat()):
        found = window(PollSpec.parse("http://x/"), {name: given}, lambda: NOW.astimezone(zone))
        assert (found.delay if name == "eta" else found.timeout) == 60


def test_all_wrong_options_are_named_at_once() -> None:
    """As the parameters are."""
    with pytest.raises(InvalidPoll) as caught:
        _window({"countdown": "5", "expires": "tomorrow"})
    assert list(caught.value.problems) == ["countdown", "expires"]
