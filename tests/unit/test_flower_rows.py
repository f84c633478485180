"""How Flower's rows tell of polls, as far as the events go; tests/browser has what the store adds."""

from __future__ import annotations

import logging
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from celery.events.state import Task

from pollers.app import setup
from pollers.flower import rows
from pollers.runtime import current_app, use
from tests.system.workers import ROOT

KWARGS = "{'until': \"status == 'completed'\", 'every': 1.5, 'pending_on': [404]}"


@pytest.fixture
def no_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have an application whose Redis is not there."""
    monkeypatch.setattr(rows, "_ask_again_at", 0.0)
    monkeypatch.setenv("POLLERS_REDIS_URL", "redis://127.0.0.1:1/0")
    before = current_app()
    setup(Celery("elsewhere", set_as_current=False))
    yield
    use(before)


def test_parameters_are_told_in_words() -> None:
    """The condition first, durations with their unit, a line each."""
    assert rows.described(KWARGS) == "until status == 'completed',\nevery 1.5s,\npending_on [404]"


@pytest.mark.parametrize("kwargs", [KWARGS[:30] + "...", "[1]", "", None])
def test_what_is_no_mapping_is_shown_as_it_is(kwargs: str | None) -> None:
    """Such as the arguments of a poll that Celery has cut off."""
    assert rows.described(kwargs) == kwargs


def test_tasks_that_are_no_polls_are_shown_as_they_are() -> None:
    """Whoever's they are."""
    task = Task("1", name="tasks.add", args="(1, 2)", kwargs="{'every': 5}", traceback="Traceback ...")
    assert rows.format_task(task).as_dict() == task.as_dict()
    assert (task.kwargs, task.traceback) == ("{'every': 5}", "Traceback ...")


@pytest.mark.usefixtures("no_store")
def test_without_the_store_a_row_shows_its_last_event(caplog: pytest.LogCaptureFixture) -> None:
    """And it is not asked again for every row, as Flower waits for its answer."""
    url = "https://api.example.com/jobs/42"
    error = (
        f"PollTimeout('{url} timed out: the deadline passed (3 attempts in 3.0 s; last answer 200: running)')"
    )
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            task = Task("1", name="pollers.poll", args=url, kwargs=KWARGS, exception=error, traceback="long")
            shown = rows.format_task(task)
    assert shown.kwargs == "until status == 'completed', every ..."
    assert shown.exception.startswith("PollTimeout('timed out: the deadline passed (3 attempts in 3.0 s; ")
    assert len(shown.exception) <= 80
    assert shown.traceback is None
    assert len(caplog.records) == 1


def test_it_is_said_where_the_shipped_configuration_is(capsys: pytest.CaptureFixture[str]) -> None:
    """For the option of Flower that wants to know."""
    runpy.run_module("pollers.flower", run_name="__main__")
    assert Path(capsys.readouterr().out.strip()).samefile(Path(rows.__file__).with_name("config.py"))


def test_the_configuration_of_the_repository_is_the_shipped_one() -> None:
    """And it obeys the environment, which Flower itself would let it go before."""
    # In a process of its own, as reading a configuration sets Flower up.
    code = (
        "from runpy import run_path as r; c = r('flowerconfig.py'); print(c['format_task'], c['max_tasks'])"
    )
    command, environ = [sys.executable, "-c", code], {**os.environ, "FLOWER_MAX_TASKS": "77"}
    told = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"<function format_task at .*> 77\n", told)
