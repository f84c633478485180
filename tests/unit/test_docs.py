"""The documentation's tables say what the code says."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from pollers.settings import Settings
from pollers.spec import PollSpec

ROOT = Path(__file__).parents[2]


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


@pytest.mark.parametrize("page", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_examples_in_python_compile(page: str) -> None:
    """Of every page."""
    for example in re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL):
        if not example.startswith("--8<--"):
            compile(example, page, "exec")


def test_examples_of_the_readme_compile() -> None:
    """All of them."""
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(examples) > 5
    for example in examples:
        compile(example, "README.md", "exec")
