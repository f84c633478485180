"""The files for containers fit the project, as far as that can be seen without Docker."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
#: What the Dockerfile copies out of the project.
COPIED = [
    source
    for line in re.findall(r"^COPY (?!--from)(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for source in line.split()[:-1]
]


def passes_dockerignore(path: str) -> bool:
    """Return whether Docker gets to see a file: the last pattern that fits it decides."""
    seen = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if fnmatchcase(path, pattern) or path.startswith(f"{pattern}/"):
            seen = line.startswith("!")
    return seen


@pytest.mark.parametrize("source", COPIED)
def test_what_the_image_is_built_from_is_there(source: str) -> None:
    """And Docker may see it."""
    assert (ROOT / source).exists()
    assert passes_dockerignore(source)


def test_the_image_has_all_that_the_package_and_its_commands_read() -> None:
    """What is installed, its readme, and the shipped configurations."""
    package = {"pyproject.toml", "README.md", "pollers_command.py", "pollers"}
    assert set(COPIED) == {*package, "celeryconfig.py", "flowerconfig.py"}


def test_nothing_else_gets_into_the_image() -> None:
    """No tests, no history, no virtual environment."""
    assert not any(map(passes_dockerignore, ("tests", ".git", ".venv/bin/python", "docs/polls.md")))


def test_compose_runs_all_that_is_needed() -> None:
    """Valkey, workers and Flower; the latter two of our image and on that Valkey."""
    services = COMPOSE["services"]
    usual = {name for name, service in services.items() if "profiles" not in service}
    assert usual == {"valkey", "worker", "flower"}
    for name in ("worker", "flower"):
        assert services[name]["build"] == "."
        assert services[name]["command"][:4] == ["celery", "-A", "pollers", name]
        assert services[name]["environment"]["POLLERS_REDIS_URL"] == "redis://valkey:6379/0"
        assert services[name]["depends_on"]["valkey"]["condition"] == "service_healthy"


def test_monitoring_is_there_for_who_asks_for_it() -> None:
    """Prometheus with our alert rules scrapes the port that the workers serve; Grafana has our dashboard."""
    services = COMPOSE["services"]
    asked = {name for name, service in services.items() if service.get("profiles") == ["monitoring"]}
    assert asked == {"prometheus", "grafana"}
    for name in asked:
        mounted = [volume.split(":") for volume in services[name]["volumes"]]
        assert all((ROOT / parts[0]).is_file() for parts in mounted if parts[0].startswith("./"))
        assert all(port.startswith("127.0.0.1:") for port in services[name]["ports"])
    [job] = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())["scrape_configs"]
    [found] = job["dns_sd_configs"]
    assert found["names"] == ["worker"]
    assert services["worker"]["environment"]["POLLERS_METRICS_PORT"] == f"0.0.0.0:{found['port']}"


def test_valkey_loses_no_poll() -> None:
    """It appends to a file in a volume that stays, and evicts nothing."""
    valkey = COMPOSE["services"]["valkey"]
    command = valkey["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--maxmemory-policy"] == "noeviction"
    assert valkey["volumes"] == ["valkey:/data"]
    assert "valkey" in COMPOSE["volumes"]


def test_only_this_machine_reaches_flower() -> None:
    """It has no password."""
    assert COMPOSE["services"]["flower"]["ports"] == ["127.0.0.1:5555:5555"]
