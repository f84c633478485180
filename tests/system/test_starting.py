"""Ctrl-C before the command line is there, and after its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.system.commands import ROOT

#: Interrupts itself when it imports a module, or at its exit.
_PROGRAM = """
import atexit, signal, sys
from pollers_command import main

class Finder:
    def find_spec(name, *rest):
        if name == WHEN:
            signal.raise_signal(signal.SIGINT)

WHEN, ignored = sys.argv.pop(), sys.argv.pop() == "ignored"
signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
sys.meta_path.insert(0, Finder)
if WHEN == "exit":
    atexit.register(signal.raise_signal, signal.SIGINT)
main()
"""
#: Of a probe, which ends by itself where nobody listens.
_COMMAND = ("probe", "http://127.0.0.1:1/", "--request-timeout", "1s")


def _run(when: str, how: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _PROGRAM, *_COMMAND, how, when]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=40)


@pytest.mark.parametrize(
    ("when", "code"),
    [
        ("celery", -signal.SIGINT),
        ("pollers.cli.commands", -signal.SIGINT),
        ("pollers.cli.probing", 130),
        ("exit", -signal.SIGINT),
    ],
)
def test_ctrl_c_prints_no_traceback(when: str, code: int) -> None:
    """Whenever it comes; that of its signal is 130 to a shell, too."""
    ended = _run(when, "taken")
    assert (ended.returncode, "Traceback" in ended.stderr) == (code, False), ended.stderr


@pytest.mark.parametrize("when", ["celery", "pollers.cli.probing", "exit"])
def test_what_is_ignored_stays_ignored(when: str) -> None:
    """A shell's job in the background goes on."""
    ended = _run(when, "ignored")
    assert (ended.returncode, "Traceback" in ended.stderr) == (1, False), ended.stderr
