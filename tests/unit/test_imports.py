"""What an application waits for when it imports pollers, and what a worker has before its first attempt."""

from __future__ import annotations

import subprocess
import sys

#: Slow to import, and of no use before the first poll is submitted or attempted.
HEAVY = {"asyncio", "charset_normalizer", "redis", "requests", "rich", "tenacity", "urllib3"}


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a new process has after a statement."""
    program = f"import sys; {statement}; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(output.stdout.split())


def test_an_application_does_not_wait_for_what_workers_need() -> None:
    """`from pollers import poll` loads Celery, the rules of a poll, and nothing that is heavy."""
    assert loaded_by("from pollers import poll, Exponential, Match, PollFailed, PollResult") & HEAVY == set()


def test_the_help_of_the_command_line_does_not_either() -> None:
    """`pollers --help` is there without them."""
    assert loaded_by("import pollers.cli.commands") & HEAVY == set()


def test_the_first_attempt_does_not_wait_for_imports() -> None:
    """A worker loads its dispatcher when it starts, before its pool, and all that attempts need with it."""
    needed = {"pollers.engine", "pollers.changes", "redis", "requests", "tenacity"}
    assert needed <= loaded_by("import pollers.dispatcher")


def test_every_public_name_is_there() -> None:
    """Names that are imported when they are first asked for are among those that `pollers` offers."""
    loaded_by("import pollers; [getattr(pollers, name) for name in pollers.__all__]")
