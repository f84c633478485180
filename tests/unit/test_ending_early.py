"""What bulk work says that ends early: by a signal, or an error on the way."""

from __future__ import annotations

import dataclasses
import json
import signal
from collections.abc import Callable
from typing import Any, cast

import pytest

from pollers.cli.signals import between_steps, raised
from pollers.cli.steering import PAUSE, _steer
from pollers.errors import StoreUnavailable
from pollers.store import Polls

IDS = [f"poll-{number}" for number in range(40)]
EARLY = "Ended early, after 3 of 40 polls.\n"


def _interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def _terminate() -> None:
    signal.raise_signal(signal.SIGTERM)


def _pause(ends: int, end: Callable[[], None], *, as_json: bool) -> list[str]:
    """Pause polls; something happens while it is done to one of them. Returns those that were paused."""
    paused = []

    def change(polls: Polls, poll_id: str, number: int) -> str:
        if len(paused) == ends - 1:
            end()
        paused.append(poll_id)
        return "paused"

    with raised():
        action = dataclasses.replace(PAUSE, change=change)
        _steer(cast(Polls, None), action, IDS, as_json=as_json, told=False)
    return paused


@pytest.fixture(autouse=True)
def _as_in_a_process_of_its_own() -> Any:
    """Signals end it, whoever started the tests."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("end", "error"), [(_interrupt, KeyboardInterrupt), (_terminate, SystemExit)])
def test_a_signal_waits_for_the_step_that_is_under_way(
    end: Callable[[], None], error: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    """What is reported is what was done."""
    with pytest.raises(error):
        _pause(3, end, as_json=False)
    assert capsys.readouterr() == ("3 polls paused; 0 had ended before.\n", EARLY)
    with pytest.raises(error):
        _pause(3, end, as_json=True)
    told = capsys.readouterr()
    assert ([one["id"] for one in json.loads(told.out)], told.err) == (IDS[:3], EARLY)


def test_a_redis_that_goes_away_leaves_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    """Of what was done before."""

    def go_away() -> None:
        raise StoreUnavailable("gone")

    with pytest.raises(StoreUnavailable):
        _pause(4, go_away, as_json=False)
    assert capsys.readouterr() == ("3 polls paused; 0 had ended before.\n", EARLY)


def test_the_second_signal_waits_for_nothing() -> None:
    """A step may hang."""
    with raised(), between_steps():
        _interrupt()
        with pytest.raises(KeyboardInterrupt):
            _interrupt()


def test_what_is_ignored_stays_ignored() -> None:
    """As in a job that a shell runs in the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with raised(), between_steps() as step_is_over:
        _interrupt()
        step_is_over()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
