"""Examines the workers, by what they say of themselves over Celery's remote control."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pollers.cli.examination.finding import Finding, some
from pollers.durations import approximate

if TYPE_CHECKING:
    from celery import Celery

#: Seconds that workers have to answer; a busy one takes longer than an idle one.
TIMEOUT = 3.0
#: Seconds that a clock may be wrong, before moments in logs and deadlines by that clock mislead.
CLOCK_TOLERANCE = 2.0
#: The command of `pollers.control`, which only workers import.
_COMMAND = "pollers_diagnose"


class Report(NamedTuple):
    """What a worker says."""

    #: Of pollers.
    version: str
    #: Seconds by which its clock is ahead of Redis'.
    clock: float
    #: Whether it sends events.
    events: bool
    #: The credentials, of those that it was asked for, that it does not have.
    unknown_credentials: list[str]
    #: The settings that all workers should have in common, as text.
    settings: dict[str, str]


def ask_workers(app: Celery, names: set[str], credentials: list[str]) -> dict[str, Report]:
    """Return the reports of those workers that answer in time; ``credentials`` are those that polls name."""
    if not names:
        return {}
    replies = app.control.broadcast(
        _COMMAND,
        arguments={"credentials": credentials},
        destination=sorted(names),
        reply=True,
        timeout=TIMEOUT,
        limit=len(names),
    )
    answers = {name: answer for reply in replies or () for name, answer in reply.items()}
    return {name: report for name, answer in answers.items() if (report := _report(answer))}


def examine_workers(reports: Mapping[str, Report], names: set[str]) -> Iterator[Finding]:
    """Yield what the reports of workers say of them; ``names`` are those that were asked."""
    if silent := sorted(names - reports.keys()):
        yield Finding(
            "workers",
            f"{some(silent)} did not answer within {TIMEOUT:g} s.",
            "Look whether they are busy or of an older version, and worker_enable_remote_control is on.",
        )
    yield from _differences(reports)
    for name, report in sorted(reports.items()):
        if abs(report.clock) > CLOCK_TOLERANCE:
            side = "ahead of" if report.clock > 0 else "behind"
            yield Finding(
                "workers",
                f"The clock of {name} is {approximate(abs(report.clock))} {side} that of Redis.",
                "Let both machines keep time (NTP): moments in its logs and in Flower are wrong.",
            )
    if quiet := sorted(name for name, report in reports.items() if not report.events):
        yield Finding(
            "workers",
            f"{some(quiet)} send no events: Flower does not show their polls.",
            "Set worker_send_task_events = True, or start them with -E.",
        )
    yield from _unknown_credentials(reports)


def _report(answer: Any) -> Report | None:
    try:
        return Report(**answer)
    except TypeError:
        return None  # an older worker, or an error of a newer one


def _differences(reports: Mapping[str, Report]) -> Iterator[Finding]:
    versions = _holders({name: report.version for name, report in reports.items()})
    if len(versions) > 1:
        yield Finding(
            "workers",
            f"Workers are of different versions: {_told(versions)}.",
            "Let all have the newest; records of newer ones are left alone by older ones.",
        )
    names = sorted({setting for report in reports.values() for setting in report.settings})
    for setting in names:
        values = _holders({name: report.settings.get(setting, "-") for name, report in reports.items()})
        if len(values) > 1:
            yield Finding(
                "workers",
                f"Workers have different values of pollers_{setting}: {_told(values)}.",
                "Configure all alike; of limits and breakers, the worker that started last has the say.",
            )


def _unknown_credentials(reports: Mapping[str, Report]) -> Iterator[Finding]:
    lacking = defaultdict(list)
    for name, report in sorted(reports.items()):
        for credential in report.unknown_credentials:
            lacking[credential].append(name)
    for credential, names in sorted(lacking.items()):
        yield Finding(
            "workers",
            f"Polls name the credential {credential!r}, which {some(names)} {_do(names)} not have.",
            "Give it to every worker (docs/credentials.md); until then these polls are rejected there.",
        )


def _do(names: list[str]) -> str:
    return "does" if len(names) == 1 else "do"


def _holders(values: Mapping[str, str]) -> dict[str, list[str]]:
    holders = defaultdict(list)
    for name, value in sorted(values.items()):
        holders[value].append(name)
    return dict(holders)


def _told(holders: Mapping[str, list[str]]) -> str:
    return "; ".join(f"{value} at {some(names)}" for value, names in sorted(holders.items()))
