"""Metrics as Prometheus gets them: from a worker's port and from the command, of all workers together."""

from __future__ import annotations

import dataclasses
import json
import socket
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest
from celery import Celery
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from pollers import PollFailed, poll
from pollers.cli.metrics import metrics
from pollers.metrics_port import MetricsPort
from pollers.runtime import runtime_of
from tests.conftest import free_port
from tests.endpoints import Endpoint, Reply
from tests.system.commands import Commands
from tests.system.conftest import METRICS_PORT
from tests.system.workers import Worker
from tests.waiting import wait_until


class Metrics:
    """The samples that a port tells."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/metrics"

    def samples(self) -> list[Sample]:
        """Scrape."""
        with urllib.request.urlopen(self.url, timeout=5) as answer:
            text = answer.read().decode()
        return [one for family in text_string_to_metric_families(text) for one in family.samples]

    def __call__(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of a name that have these labels."""
        return sum(
            one.value for one in self.samples() if one.name == name and labels.items() <= one.labels.items()
        )


@pytest.fixture
def served(worker: Worker, room_for_origins: None) -> Metrics:
    """Return the metrics that the session's worker serves."""
    return Metrics(METRICS_PORT)


def test_a_worker_tells_of_the_attempts_of_all(served: Metrics, endpoint: Endpoint) -> None:
    """By origin, status class and decision, within about a second."""
    url = endpoint.script("/job", Reply(503), Reply(202), Reply(body={"status": "completed"}))
    origin = url.removesuffix("/job")
    poll.delay(url, every=0.5).get(timeout=20)
    wait_until(lambda: served("pollers_attempts_total", origin=origin) == 3)
    for status, decision in (("5xx", "pending"), ("2xx", "pending"), ("2xx", "succeeded")):
        assert served("pollers_attempts_total", origin=origin, status=status, decision=decision) == 1
    assert served("pollers_request_duration_seconds_count", origin=origin) == 3
    assert 0 <= served("pollers_request_duration_seconds_sum", origin=origin) < 5
    with pytest.raises(PollFailed, match=r"closed without an answer"):
        poll.delay(endpoint.script("/drop", Reply(drop=True)), max_errors=1).get(timeout=20)
    wait_until(lambda: served("pollers_attempts_total", origin=origin, status="none", decision="failed") == 1)


def test_the_command_tells_the_same(served: Metrics) -> None:
    """As text and as JSON."""
    # The worker writes the first measurements of its calls of Redis a moment after they were forgotten.
    wait_until(lambda: served("pollers_redis_call_seconds_count") > 0)
    asked = CliRunner().invoke
    tellings: list[set[str]] = []

    def all_tell_the_same() -> bool:
        families = text_string_to_metric_families(asked(metrics, []).output)
        tellings[:] = [
            {one.name for one in served.samples()},
            {one.name for family in families for one in family.samples},
            {one["name"] for one in json.loads(asked(metrics, ["--json"]).output)},
        ]
        return tellings[0] == tellings[1] == tellings[2]

    # A poll of a test before may be counted between two of them, for the first time.
    wait_until(all_tell_the_same)
    assert "pollers_redis_call_seconds_count" in tellings[0]


def test_the_command_prints_what_is_shipped() -> None:
    """The dashboard and the rules, one at a time."""
    asked = CliRunner().invoke
    assert json.loads(asked(metrics, ["--dashboard"]).output)["title"] == "pollers"
    assert "PollersRedisDown" in asked(metrics, ["--rules"]).output
    refused = asked(metrics, ["--json", "--rules"])
    assert (refused.exit_code, "exclude each other" in refused.output) == (2, True)


def test_the_command_serves_metrics_until_ctrl_c(tmp_path: Path, redis_url: str) -> None:
    """On loopback only, and says where; a place that it cannot have is told in a sentence."""
    pollers, port = Commands(tmp_path, {"POLLERS_REDIS_URL": redis_url}), free_port()
    with pollers.start("metrics", "--serve", str(port)) as running:
        wait_until(lambda: f"served at http://127.0.0.1:{port}/metrics" in running.err, 20)
        assert Metrics(port)("pollers_redis_up") == 1
        taken = pollers("metrics", "--serve", str(port))
        assert (taken.code, taken.err) == (1, f"{port} cannot be listened at: Address already in use.\n")
        assert running.end().code == 130
    wrong = pollers("metrics", "--serve", "somewhere")
    assert (wrong.code, "should be a port, or host:port" in wrong.err) == (2, True)


@pytest.mark.parametrize("told", ["Metrics are served", "Metrics cannot be served"])
def test_a_worker_whose_port_is_taken_works_on(
    told: str, application: Celery, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so in its log; after a reconnection to the broker, it goes on to serve."""
    caplog.set_level("INFO")
    monkeypatch.setattr(
        runtime_of(application),
        "settings",
        dataclasses.replace(runtime_of(application).settings, metrics_port=str(port := free_port())),
    )
    step, consumer = MetricsPort(SimpleNamespace(app=application)), None
    with socket.socket() as other:
        if "cannot" in told:
            other.bind(("127.0.0.1", port))
            other.listen()
        step.start(consumer)
        step.stop(consumer)
        step.start(consumer)
        assert told in caplog.text
        if "cannot" not in told:
            assert caplog.text.count(told) == 1
            assert Metrics(port)("pollers_redis_up") == 1
        step.shutdown(consumer)
