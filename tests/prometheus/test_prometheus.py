"""The alert rules and the dashboard in front of a real Prometheus, which scrapes a real worker."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.conftest import free_port
from tests.endpoints import Endpoint, Reply
from tests.system.commands import Commands
from tests.system.workers import Worker
from tests.waiting import wait_until

pytestmark = pytest.mark.prometheus

SHIPPED = Path(str(resources.files("pollers.observe")))
RULES = SHIPPED / "alerts.yml"
#: How a threshold ends an expression of the rules.
_THRESHOLD = re.compile(r"\s*(>|==) [\d.]+$")


def expressions() -> Iterator[tuple[str, str]]:
    """Yield every expression that is shipped, by name; those of the rules without their thresholds."""
    for panel in json.loads((SHIPPED / "dashboard.json").read_text())["panels"]:
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", "5s").replace("$job", ".*")
            yield f"{panel['title']} {target['refId']}", expression
    for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]:
        if not rule["expr"].startswith("absent("):
            yield rule["alert"], _THRESHOLD.sub("", rule["expr"].strip())


def run(command: str, *arguments: str, cwd: Path) -> str:
    """Run a program of Prometheus' package; return what it says."""
    if shutil.which(command) is None:
        pytest.fail(f"the test needs {command}: apt-get install prometheus")
    ended = subprocess.run([command, *arguments], cwd=cwd, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


class Prometheus:
    """A Prometheus that scrapes one port twice a second."""

    def __init__(self, directory: Path, scraped: int) -> None:
        self._url = f"http://127.0.0.1:{(port := free_port())}"
        jobs = [{"job_name": "pollers", "static_configs": [{"targets": [f"127.0.0.1:{scraped}"]}]}]
        timing = {"scrape_interval": "500ms", "scrape_timeout": "400ms", "evaluation_interval": "500ms"}
        config = {"global": timing, "rule_files": [str(RULES)], "scrape_configs": jobs}
        (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
        self.log = directory / "log"
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                [
                    *("prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data"),
                    f"--web.listen-address=127.0.0.1:{port}",
                ],
                cwd=directory,
                stdout=log,
                stderr=log,
            )

    def ask(self, expression: str) -> list[Any]:
        """Return the series that an expression has now."""
        answer = requests.get(f"{self._url}/api/v1/query", params={"query": expression}, timeout=5)
        assert answer.status_code in (200, 503), answer.text
        return list(answer.json()["data"]["result"]) if answer.ok else []

    def rules(self) -> list[Any]:
        """Return the rules as they are evaluated."""
        answer = requests.get(f"{self._url}/api/v1/rules", timeout=5).json()
        return [rule for group in answer["data"]["groups"] for rule in group["rules"]]

    def is_up(self) -> bool:
        """Return whether it answers."""
        try:
            return requests.get(f"{self._url}/-/ready", timeout=5).ok
        except requests.ConnectionError:
            return False

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait(10)


@pytest.fixture(scope="module")
def redis_url(valkey: str) -> str:
    """Return the URL of a database that no other test uses."""
    return f"{valkey}/1023"


@pytest.fixture(scope="module")
def prometheus(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Return a Prometheus that has seen polls of every kind."""
    port, directory = free_port(), tmp_path_factory.mktemp("prometheus")
    settings = {
        "POLLERS_METRICS_PORT": str(port),
        "POLLERS_LIMITS": '{"slow": "5/s in-flight 2"}',
        "POLLERS_BREAKER": '{"minimum": 2, "shortest": "1m", "longest": "1m"}',
    }
    with (
        Endpoint() as endpoint,
        Endpoint() as broken,
        Worker(redis_url, name="scraped", settings=settings),
    ):
        seen = Prometheus(directory, port)
        try:
            wait_until(seen.is_up, 15)
            submit(Commands(directory, {"POLLERS_REDIS_URL": redis_url}), endpoint, broken)
            yield seen
        finally:
            seen.stop()


def submit(pollers: Commands, endpoint: Endpoint, broken: Endpoint) -> None:
    """Submit polls that succeed, that keep a limit, and that meet a service which is down."""
    url = endpoint.script("/job", Reply(202))
    down = broken.script("/down", Reply(drop=True))
    polls = [
        *({"url": url, "every": 0.5} for _ in range(5)),
        *({"url": endpoint.script("/done", Reply(body={"a": 1})), "limit": "slow"} for _ in range(3)),
        *({"url": down, "every": 0.5} for _ in range(3)),
    ]
    (pollers.directory / "polls").write_text("\n".join(map(json.dumps, polls)))
    assert pollers("submit", "@polls").code == 0


def test_promtool_accepts_the_rules(tmp_path: Path) -> None:
    """All of them."""
    assert "13 rules found" in run("promtool", "check", "rules", str(RULES), cwd=tmp_path)


def test_the_rules_fire_at_what_they_should(tmp_path: Path) -> None:
    """And at nothing else."""
    tests = {
        "rule_files": [str(RULES)],
        **yaml.safe_load((Path(__file__).parent / "alerts_test.yml").read_text()),
    }
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(tests))
    assert "SUCCESS" in run("promtool", "test", "rules", "tests.yml", cwd=tmp_path)


def test_every_expression_has_series_after_polls_were_done(prometheus: Prometheus) -> None:
    """Of the dashboard and of the rules."""
    asked = dict(expressions())
    assert len(asked) > 35
    last: dict[str, list[Any]] = {}

    def all_have_series() -> bool:
        last.update(
            {name: prometheus.ask(expression) for name, expression in asked.items() if not last.get(name)}
        )
        return all(last.values())

    try:
        wait_until(all_have_series, 12)
    finally:
        assert [asked[name] for name, series in last.items() if not series] == []


def test_prometheus_evaluates_the_rules_without_an_error(prometheus: Prometheus) -> None:
    """And the worker's metrics pass for its format."""
    wait_until(lambda: all(rule["health"] != "unknown" for rule in prometheus.rules()), 15)
    assert {rule["health"] for rule in prometheus.rules()} == {"ok"}
    up = 'up{job="pollers"}'
    wait_until(lambda: [series["value"][1] for series in prometheus.ask(up)] == ["1"], 15)


def test_promtool_finds_nothing_to_say_about_the_metrics(
    prometheus: Prometheus, redis_url: str, tmp_path: Path
) -> None:
    """Names, units, help and types follow the conventions."""
    told = Commands(tmp_path, {"POLLERS_REDIS_URL": redis_url})("metrics").out
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=told, capture_output=True, text=True, timeout=30
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
