"""The same poller on arq, with aiohttp: a job that raises ``Retry(defer=...)``."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import aiohttp
from arq import Retry, create_pool
from arq.connections import RedisSettings

SETTINGS = RedisSettings.from_dsn(os.environ["BENCH_REDIS_URL"])


async def poll(context: dict[str, Any], url: str, every: float) -> Any:
    """Ask the endpoint; try again later until the operation is complete."""
    async with context["session"].get(url) as response:
        body = await response.json(content_type=None)
    if body["status"] != "completed":
        raise Retry(defer=every)
    return body


async def _start(context: dict[str, Any]) -> None:
    context["session"] = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10))


async def _stop(context: dict[str, Any]) -> None:
    await context["session"].close()


class WorkerSettings:
    """What ``arq`` runs; it polls Redis more often than by default, and has more jobs at once."""

    functions = (poll,)
    redis_settings = SETTINGS
    on_startup, on_shutdown = _start, _stop
    max_jobs = 100
    max_tries = 1_000_000_000
    poll_delay = 0.05
    keep_result = 0


def submit(urls: list[str], every: float, delay: float) -> None:
    """Submit a poll for each URL; the first attempts are due after ``delay`` seconds."""

    async def enqueue() -> None:
        pool = await create_pool(SETTINGS)
        for url in urls:
            await pool.enqueue_job("poll", url, every, _defer_by=delay or None)
        await pool.aclose()

    asyncio.run(enqueue())
