"""The wheel that people install."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from pollers.store import scripts

ROOT = Path(__file__).parents[2]

#: Every script, and what they build on.
SCRIPTS = {"record", *scripts.NAMES, *(prelude for names in scripts.PRELUDES.values() for prelude in names)}


def test_the_wheel_has_everything_that_is_needed(tmp_path: Path) -> None:
    """The scripts, what is for Grafana and Prometheus, the mark of a typed package; and none of the tests.

    What the command begins with is beside the package.
    """
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        [entry_points] = [archive.read(name) for name in names if name.endswith("/entry_points.txt")]
    needed = {"pollers/py.typed", *(f"pollers/store/scripts/{name}.lua" for name in SCRIPTS)}
    needed |= {"pollers/observe/dashboard.json", "pollers/observe/alerts.yml"}
    assert needed <= set(names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"pollers", "pollers_command.py"}
    assert b"pollers = pollers_command:main" in entry_points
