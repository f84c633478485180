"""What the doctor says of workers, by what they say of themselves."""

from __future__ import annotations

import pytest

from pollers.cli.examination.finding import some
from pollers.cli.examination.workers import Report, examine_workers

WELL = Report(
    version="1.0",
    clock=0.1,
    events=True,
    unknown_credentials=[],
    settings={"lease": "15.0"},
)


def problems(**reports: Report) -> list[str]:
    """Return what is wrong with workers that all answer."""
    return [finding.problem for finding in examine_workers(reports, set(reports))]


def test_workers_that_are_alike_are_well() -> None:
    """Also when more answer than were expected."""
    assert problems(a=WELL, b=WELL) == []
    assert list(examine_workers({"a": WELL}, set())) == []


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (WELL._replace(version="0.9"), "Workers are of different versions: 0.9 at b; 1.0 at a."),
        (WELL._replace(clock=-3600.0), "The clock of b is 1h behind that of Redis."),
        (WELL._replace(clock=60.0), "The clock of b is 1m ahead of that of Redis."),
        (WELL._replace(events=False), "b send no events: Flower does not show their polls."),
        (
            WELL._replace(settings={"lease": "30.0"}),
            "Workers have different values of pollers_lease: 15.0 at a; 30.0 at b.",
        ),
        (
            WELL._replace(unknown_credentials=["render-api"]),
            "Polls name the credential 'render-api', which b does not have.",
        ),
    ],
)
def test_a_worker_that_differs_is_told(other: Report, told: str) -> None:
    """With the names of those that it is about."""
    assert problems(a=WELL, b=other) == [told]


def test_a_worker_that_does_not_answer_is_told() -> None:
    """By its name."""
    [finding] = examine_workers({"a": WELL}, {"a", "b"})
    assert finding.problem == "b did not answer within 3 s."
    assert "worker_enable_remote_control" in finding.cure


def test_many_names_are_cut_short() -> None:
    """The number of the others is told."""
    assert some(["a", "b"]) == "a, b"
    assert some(list("abcde")) == "a, b, c and 2 more"
