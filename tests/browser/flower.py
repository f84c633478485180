"""A real Flower, and a real Chromium to look at it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

from tests.conftest import free_port
from tests.system.workers import ROOT
from tests.waiting import wait_until


class MissingBrowser(Exception):
    """Chromium or its driver is not installed."""


@contextmanager
def flower(redis_url: str) -> Iterator[str]:
    """Run `celery -A pollers flower` with the shipped flowerconfig.py; yield its URL."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "celery", "-A", "pollers", "flower"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*command, "--address=127.0.0.1", f"--port={port}"],
            cwd=ROOT,
            # The button that revokes is a call of Flower's API.
            env={**os.environ, "POLLERS_REDIS_URL": redis_url, "FLOWER_UNAUTHENTICATED_API": "true"},
            stdout=log,
            stderr=log,
        )
        try:
            wait_until(lambda: process.poll() is not None or _healthy(url), 30)
            assert process.poll() is None, "Flower did not start"
            yield url
        finally:
            process.terminate()
            process.wait(15)


@contextmanager
def chromium(width: int = 1600, height: int = 900) -> Iterator[Chrome]:
    """Run a headless Chromium with an empty profile; yield its driver.

    Raises:
        MissingBrowser: It is not installed.

    """
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not binary or not driver:
        raise MissingBrowser("Chromium and its driver are needed: apt-get install chromium chromium-driver")
    with tempfile.TemporaryDirectory(prefix="chromium-") as profile:
        options = ChromeOptions()
        options.binary_location = binary
        for argument in (
            *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync"),
            *("disable-background-networking", "disable-component-update", "disable-dev-shm-usage"),
            *(f"user-data-dir={profile}", f"window-size={width},{height}"),
        ):
            options.add_argument(f"--{argument}")
        browser = Chrome(options, ChromeService(driver))
        try:
            yield browser
        finally:
            browser.quit()


def rows(browser: Chrome) -> list[dict[str, str]]:
    """Return the rows of the list of tasks that is open, each as column -> text."""
    script = """
        const table = document.querySelector('#tasks-table');
        const names = [...table.querySelectorAll('thead th')].map(head => head.dataset.column);
        return [...table.querySelectorAll('tbody tr')].map(row =>
            Object.fromEntries([...row.cells].map((cell, at) =>
                [names[at], cell.innerText.trim().replaceAll('\u00a0', ' ')])));
    """
    found: list[dict[str, str]] = browser.execute_script(script)
    return found


def details(browser: Chrome) -> dict[str, str]:
    """Return what the page of a task that is open says, as name -> text."""
    script = """
        return Object.fromEntries([...document.querySelectorAll('.detail-row')].map(row =>
            [row.querySelector('dt').innerText.trim(), row.querySelector('dd').innerText.trim()]));
    """
    found: dict[str, str] = browser.execute_script(script)
    return found


def api(url: str, path: str) -> Any:
    """Return what Flower's REST API says."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(f"{url}/api/{path}", timeout=10).json()


def _healthy(url: str) -> bool:
    with requests.Session() as session:
        session.trust_env = False
        try:
            return session.get(f"{url}/healthcheck", timeout=1).ok
        except requests.RequestException:
            return False
