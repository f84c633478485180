"""The documentation's tables say what the code says."""

from __future__ import annotations

import dataclasses
import re
import runpy
from pathlib import Path

import pytest

from pollers import registry
from pollers.settings import Settings
from pollers.spec import PollSpec

ROOT = Path(__file__).parents[2]
PAGES = sorted(str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md"))
EXAMPLES = sorted(path.stem for path in (ROOT / "docs" / "examples").glob("*.py") if path.stem != "service")


def table(page: str, first_heading: str) -> dict[str, list[str]]:
    """Return the table of a page that has this heading, as first cell -> the others."""
    lines = (ROOT / "docs" / page).read_text().splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith(f"| {first_heading} |"))
    rows = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        first, *others = [cell.strip() for cell in line.strip("|").split(" | ")]
        rows[first.strip("` ")] = others
    return rows


def test_the_code_is_described_completely() -> None:
    """Every module of the package and every package in it."""
    told = (ROOT / "docs" / "design.md").read_text().partition("## The code")[2]
    package = ROOT / "pollers"
    modules = {path.name for path in package.glob("*.py")} - {"__init__.py"}
    packages = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    assert [name for name in sorted(modules | packages) if not re.search(rf"\b{name}", told)] == []


def test_the_table_of_settings_is_complete() -> None:
    """Every setting, with its default, in the order of the class."""
    told = {name: cells[-1].strip("` |") for name, cells in table("settings.md", "setting").items()}
    assert told == {
        f"pollers_{field.name}": "empty" if field.default in ("", ()) else str(field.default)
        for field in dataclasses.fields(Settings)
    }


def test_the_shipped_configuration_names_settings_that_exist() -> None:
    """Also where they are commented out."""
    named = set(re.findall(r"^# pollers_(\w+)", (ROOT / "celeryconfig.py").read_text(), re.MULTILINE))
    assert named <= {field.name for field in dataclasses.fields(Settings)}


def test_the_table_of_parameters_is_complete() -> None:
    """Every parameter, in the order of the class but for the conditions."""
    assert set(table("polls.md", "parameter")) == {field.name for field in dataclasses.fields(PollSpec)}


@pytest.mark.parametrize("page", PAGES)
def test_examples_in_python_compile(page: str) -> None:
    """Of every page."""
    for example in re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL):
        if not example.lstrip().startswith("--8<--"):
            compile(example, page, "exec")


def test_examples_of_the_readme_compile() -> None:
    """All of them."""
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(examples) > 5
    for example in examples:
        compile(example, "README.md", "exec")


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_of_conventions_run(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each against its own service, without a broker."""
    examples = ROOT / "docs" / "examples"
    monkeypatch.syspath_prepend(examples)
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    runpy.run_path(str(examples / f"{name}.py"))
    assert (
        capsys.readouterr().out.strip()
        == {
            "accepted": "{'rows': 1200}",
            "acceptors": "ACTIVE",
            "aip_151": "gs://bucket/42",
            "azure_lro": "64",
            "device_flow": "Bearer",
            "ogc_job": "{'area': 78.5}",
            "own": "a book",
        }[name]
    )
