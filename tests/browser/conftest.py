"""One Flower, one worker and one browser for all tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery import Celery
from selenium.webdriver import Chrome

from tests.browser.flower import MissingBrowser, chromium, flower
from tests.system.conftest import application, endpoint, shared_redis_url, worker
from tests.system.workers import Worker

__all__ = ["application", "endpoint", "shared_redis_url", "worker"]


@pytest.fixture(scope="session")
def flower_url(shared_redis_url: str, application: Celery) -> Iterator[str]:
    """Return the URL of a Flower that was up before any poll."""
    with flower(shared_redis_url) as url:
        yield url


@pytest.fixture(scope="session")
def browser(flower_url: str, worker: Worker) -> Iterator[Chrome]:
    """Return a headless Chromium; tests fail where there is none."""
    try:
        with chromium() as driver:
            yield driver
    except MissingBrowser as missing:
        pytest.fail(str(missing))
