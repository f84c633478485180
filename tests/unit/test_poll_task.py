"""What Celery's configuration means for the tasks of polls."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery

from pollers import setup
from pollers.attempt_task import ATTEMPT
from pollers.delivery import record_life
from pollers.held import POLL
from pollers.runtime import current_app, use


@pytest.fixture
def app() -> Iterator[Celery]:
    """Return an application with polls, of which nothing is configured yet."""
    before = current_app()
    with Celery("configured", set_as_current=False) as app:
        yield setup(app)
    use(before)


@pytest.mark.parametrize(
    ("expires", "seconds"),
    [(60, 60.0), (timedelta(hours=1), 3600.0), (None, 86_400.0), (0, 86_400.0), (timedelta(0), 86_400.0)],
)
def test_records_are_kept_as_long_as_results(app: Celery, expires: Any, seconds: float) -> None:
    """For a day where these never expire, which Celery says by None or 0."""
    app.conf.result_expires = expires
    assert record_life(app) == seconds


@pytest.mark.parametrize("name", [POLL, ATTEMPT])
def test_no_configuration_and_no_command_limits_the_rate_of_our_tasks(
    app: Celery, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Celery sets what is configured when it binds a task, what is annotated then, and what is told later."""
    app.conf.update(task_default_rate_limit="10/m", task_annotations={"*": {"rate_limit": "10/m"}})
    # Annotations are for the first application that a class is bound to.
    task = type("Unbound", (type(app.tasks[name]),), {"__bound__": False})()
    task.bind(app)
    assert task.rate_limit is None
    task.rate_limit = "6/m"
    assert task.rate_limit is None
    assert f"{name} has no rate limit, so 6/m is ignored" in caplog.text
