"""When the next attempt is due."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pollers.cadence import Cadence, Delays, Exponential, Fixed, Linear, parse_cadence
from pollers.due import Due, next_due

SECONDS = st.floats(0.5, 3600)


def _due(cadence: Cadence, attempt: int = 1, **changes: Any) -> Due:
    values: dict[str, Any] = {
        "now": 1000.0,
        "deadline": 1e9,
        "previous_delay": None,
        "retry_after": None,
        "min_interval": 0.5,
        "rng": random.Random(1),
    }
    return next_due(cadence, attempt=attempt, **(values | changes))


@pytest.mark.parametrize(
    ("cadence", "waits"),
    [
        (Fixed(5.0), [5, 5, 5, 5]),
        (Linear(1, 2, 6), [1, 3, 5, 6]),
        (Exponential(1, 5), [1, 2, 4, 5]),
        (Exponential(1, 100, factor=3), [1, 3, 9, 27]),
        (Delays((1.0, 2.0, 10.0)), [1, 2, 10, 10]),
    ],
)
def test_a_cadence_waits_as_it_says(cadence: Cadence, waits: list[float]) -> None:
    """After the first, second, third and fourth attempt."""
    assert [_due(cadence, attempt).at - 1000 for attempt in (1, 2, 3, 4)] == waits


@given(st.integers(1, 10_000), st.integers(0), SECONDS, st.floats(1, 10), st.floats(1, 4))
def test_full_jitter_takes_any_wait_up_to_the_computed_one(
    attempt: int, seed: int, low: float, ratio: float, factor: float
) -> None:
    """Also when the cap has been reached, where polls live longest."""
    cadence = Exponential(low, low * ratio, factor, "full")
    due = _due(cadence, attempt, rng=random.Random(seed))
    assert 0.5 <= due.at - 1000 <= low * ratio + 1e-6


def test_jitter_does_not_end_at_the_cap() -> None:
    """Polls that began together stay apart."""
    for jitter in ("full", "equal", "decorrelated", "smithy"):
        rng = random.Random(7)
        cadence = Exponential(1, 60, jitter=jitter)
        waits = {_due(cadence, 1000, rng=rng, previous_delay=60.0).at for _ in range(50)}
        assert len(waits) > 40, jitter


@given(st.integers(1, 10_000), st.integers(0), SECONDS)
def test_equal_jitter_takes_the_upper_half(attempt: int, seed: int, high: float) -> None:
    """Never less than half of the computed wait."""
    due = _due(Exponential(high, high, 1, "equal"), attempt, rng=random.Random(seed))
    assert high / 2 - 1e-6 <= due.at - 1000 <= high + 1e-6 or due.at - 1000 == 0.5


@given(st.integers(0), st.floats(0.5, 600))
def test_decorrelated_jitter_is_bounded_by_three_times_the_wait_before(seed: int, before: float) -> None:
    """And by the maximum."""
    due = _due(Exponential(0.5, 60, jitter="decorrelated"), rng=random.Random(seed), previous_delay=before)
    assert 0.5 <= due.delay <= min(60, max(0.5, 3 * before))


def test_retry_after_is_kept() -> None:
    """Never sooner than the service asks, and never sooner than the cadence."""
    assert _due(Fixed(5.0), retry_after=20).at == 1020
    assert _due(Fixed(5.0), retry_after=1).at == 1005


def test_the_last_attempt_is_placed_shortly_before_the_deadline() -> None:
    """When the cadence would pass it."""
    assert _due(Fixed(60.0), deadline=1030.0) == Due(1029.0, 60.0, True)


def test_after_the_last_attempt_there_is_none() -> None:
    """The poll is looked at again when its deadline comes."""
    assert _due(Fixed(60.0), now=1029.2, deadline=1030.0) == Due(1030.0, 60.0, False)


def test_a_service_that_asked_for_more_time_gets_no_last_attempt() -> None:
    """Its Retry-After goes beyond the deadline."""
    assert not _due(Fixed(5.0), deadline=1030.0, retry_after=3600).attempt


@given(st.integers(1, 60), st.integers(0), st.floats(1, 300))
def test_smithy_jitter_is_the_algorithm_of_its_specification(attempt: int, seed: int, left: float) -> None:
    """As written there: "Waiter retries", with minDelay 2 and maxDelay 120."""
    low, high = 2.0, 120.0
    ceiling = math.log(high / low) / math.log(2) + 1
    delay = random.Random(seed).uniform(low, high if attempt > ceiling else low * 2 ** (attempt - 1))
    if left - delay <= low:
        delay = left - low
    cadence = Exponential(low, high, jitter="smithy")
    due = _due(cadence, attempt, deadline=1000 + left, rng=random.Random(seed))
    if delay >= 0.5:
        assert due.at - 1000 == pytest.approx(delay)
    else:
        assert not due.attempt


cadences = st.one_of(
    st.builds(Fixed, SECONDS),
    st.builds(lambda start, step, more: Linear(start, step, start + more), SECONDS, SECONDS, SECONDS),
    st.builds(
        lambda low, more, factor, jitter: Exponential(low, low + more, factor, jitter),
        SECONDS,
        SECONDS,
        st.floats(1, 10),
        st.sampled_from([None, "full", "equal", "decorrelated", "smithy"]),
    ),
    st.builds(lambda delays: Delays(tuple(delays)), st.lists(SECONDS, min_size=1, max_size=5)),
)


@given(
    cadences,
    st.integers(1, 100_000),
    st.floats(0.001, 7200),
    st.one_of(st.none(), st.floats(0, 1e6)),
    st.one_of(st.none(), SECONDS),
    st.integers(0),
)
def test_no_attempt_is_placed_at_or_after_the_deadline_nor_too_soon(
    cadence: Cadence,
    attempt: int,
    left: float,
    retry_after: float | None,
    previous: float | None,
    seed: int,
) -> None:
    """Whatever the cadence, the jitter and the service say."""
    deadline = 1000.0 + left
    due = _due(
        cadence,
        attempt,
        deadline=deadline,
        retry_after=retry_after,
        previous_delay=previous,
        rng=random.Random(seed),
    )
    if due.attempt:
        assert due.at < deadline
        assert due.at - 1000 >= max(0.5, retry_after or 0) - 1e-6
    else:
        assert due.at == deadline


@given(cadences)
def test_a_cadence_survives_being_written(cadence: Cadence) -> None:
    """As plain JSON, in a record or a signature."""
    assert parse_cadence(cadence.plain()) == cadence


@pytest.mark.parametrize(
    "wrong",
    ["fast", [], {}, {"quadratic": {}}, {"linear": {"begin": 1}}, {"exponential": {"min": "x"}}, -1, None],
)
def test_what_is_no_cadence_is_refused(wrong: object) -> None:
    """With a sentence."""
    with pytest.raises(ValueError, match=r"\w"):
        parse_cadence(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"factor": 0.5},
        {"factor": float("inf")},
        {"factor": float("nan")},
        {"jitter": "some"},
        {"min": 10, "max": 5},
    ],
)
def test_a_senseless_exponential_is_refused(wrong: dict[str, Any]) -> None:
    """When it is made."""
    with pytest.raises(ValueError, match=r"factor|jitter|max"):
        Exponential(**wrong)


def test_a_linear_cadence_does_not_begin_beyond_its_end() -> None:
    """Its first wait would be shorter than its start."""
    with pytest.raises(ValueError, match="max is 5s, which is shorter than start"):
        Linear(10, 1, 5)
