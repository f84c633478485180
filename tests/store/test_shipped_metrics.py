"""The page about metrics, the dashboard and the alert rules name the metrics that there are."""

from __future__ import annotations

import json
import re
from importlib import resources
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from pollers.observe.metrics import PollersCollector
from pollers.store.damage import KINDS
from tests.store.conftest import World
from tests.unit.test_docs import table

SHIPPED = Path(str(resources.files("pollers.observe")))
DASHBOARD: dict[str, Any] = json.loads((SHIPPED / "dashboard.json").read_text())
RULES: list[dict[str, Any]] = yaml.safe_load((SHIPPED / "alerts.yml").read_text())["groups"][0]["rules"]


@pytest.fixture
def families(world: World) -> dict[str, list[str]]:
    """Return type and labels of every metric, by its name."""
    world.admit()
    found = {}
    for family in PollersCollector(world.store, "1").collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = [family.type, ", ".join(f"`{label}`" for label in family._labelnames) or "-"]
    return found


def test_the_table_of_metrics_is_complete(families: dict[str, list[str]]) -> None:
    """Every metric with its type and its labels."""
    assert {name: cells[:2] for name, cells in table("metrics.md", "metric").items()} == families


def test_the_table_of_damage_is_complete() -> None:
    """Every kind, in order."""
    assert list(table("metrics.md", "kind")) == [kind.counter for kind in KINDS]


def test_the_table_of_alerts_is_complete() -> None:
    """Every alert, in order; each says what to do."""
    assert list(table("metrics.md", "alert")) == [rule["alert"] for rule in RULES]
    for rule in RULES:
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["labels"]["severity"] in ("critical", "warning", "info")


def test_dashboard_and_rules_ask_for_metrics_that_there_are(families: dict[str, list[str]]) -> None:
    """By their names as Prometheus stores them."""
    stored = set(families)
    for name, (kind, _) in families.items():
        if kind == "histogram":
            stored |= {f"{name}_{part}" for part in ("bucket", "sum", "count")}
    asked = [rule["expr"] for rule in RULES]
    asked += [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    assert {name for text in asked for name in re.findall(r"pollers_\w+", text)} <= stored


def test_the_panels_fit_the_grid() -> None:
    """24 columns; no two overlap; each has a title, an id of its own and a data source that can be chosen."""
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["type"] in ("stat", "timeseries")
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert apart or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == ["datasource", "job"]
