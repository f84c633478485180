"""Traces by the real SDK: of a submitting process, a worker and an instrumented Celery, in one trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.endpoints import Endpoint, Reply
from tests.system.workers import ROOT, Worker
from tests.waiting import wait_until

#: A span as the SDK writes it in JSON.
Span = dict[str, Any]


def spans_in(path: Path) -> list[Span]:
    """Return the spans that have ended so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def parents(spans: list[Span]) -> dict[str, str | None]:
    """Return the name of each span's parent; None for one that is not there."""
    names = {span["context"]["span_id"]: span["name"] for span in spans}
    return {span["name"]: names.get(span["parent_id"]) for span in spans}


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_poll_is_one_trace(pool: str, shared_redis_url: str, endpoint: Endpoint, tmp_path: Path) -> None:
    """From the application's span to the task that is linked to it, and the webhook of its end."""
    path = tmp_path / "spans"
    settings = {"POLLERS_TRACING": "yes", "POLLERS_TRACE_ATTEMPTS": "all", "TESTS_SPANS": str(path)}
    url = endpoint.script("/a", Reply(503), Reply(202), Reply(200, {"status": "done"}))
    hook = endpoint.script("/hook", Reply(204))
    worker = Worker(
        shared_redis_url,
        name="traced",
        app="tests.system.traced_app",
        pool=pool,
        queues="traced",
        settings=settings,
    )
    with worker:
        submitted = subprocess.run(
            [sys.executable, "-m", "tests.system.traced_app", f"{url}?token=hush", hook],
            cwd=ROOT,
            env={**os.environ, "POLLERS_REDIS_URL": shared_redis_url, **settings},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        wait_until(lambda: "run/tests.echo" in {span["name"] for span in spans_in(path)}, 20)
        wait_until(lambda: "POST" in {span["name"] for span in spans_in(path)}, 20)
        wait_until(lambda: "pollers.poll deliver" in {span["name"] for span in spans_in(path)}, 20)
    everything = spans_in(path)
    (root,) = [span for span in everything if span["name"] == "the application"]
    trace_id = root["context"]["trace_id"]
    trace = [span for span in everything if span["context"]["trace_id"] == trace_id]
    assert "hush" not in path.read_text()

    attempts = [span for span in trace if span["name"] == "GET"]
    assert [span["attributes"]["http.response.status_code"] for span in attempts] == [503, 202, 200]
    poll_ids = {span["attributes"]["pollers.poll.id"] for span in attempts}
    assert poll_ids == {submitted.stdout}
    tree = parents(trace)
    assert tree["pollers.poll publish"] in ("pollers.poll submit",)
    assert {tree["GET"], tree["POST"]} == {"pollers.poll submit"}
    assert tree["run/pollers.poll"] == "apply_async/pollers.poll"
    assert tree["pollers.poll deliver"] == "run/pollers.poll"
    assert tree["apply_async/tests.echo"] == "run/pollers.poll"
    assert tree["run/tests.echo"] == "apply_async/tests.echo"
    arrived = [arrival.headers["traceparent"].split("-") for arrival in endpoint.arrivals("/a")]
    assert {one[1] for one in arrived} == {trace_id.removeprefix("0x")}
    assert [one[2] for one in arrived] == [
        span["context"]["span_id"].removeprefix("0x") for span in attempts
    ], "each request carries the span of its attempt"
    [told] = endpoint.arrivals("/hook")
    assert told.headers["traceparent"].split("-")[1] == trace_id.removeprefix("0x")


def test_nothing_is_imported_or_needed_while_tracing_is_off() -> None:
    """Without OpenTelemetry polls work, and only what is switched on asks for it."""
    program = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from pollers import poll, app\n"
        "from pollers.runtime import runtime_of\n"
        "import pollers.dispatcher\n"
        "assert runtime_of(app).tracing is None\n"
        "assert not {'pollers.tracing', 'pollers.observe.attempt_spans'} & set(sys.modules)\n"
        "app.conf.pollers_tracing = True\n"
        "from celery.signals import celeryd_init\n"
        "class Worker: pass\n"
        "Worker.app = app\n"
        "celeryd_init.send(sender='w', instance=Worker, conf=app.conf, options={})\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert ended.stderr.strip().endswith(
        "pollers_tracing is on, and OpenTelemetry is not installed: pip install 'pollers[tracing]'."
    )
    assert "Traceback" not in ended.stderr
