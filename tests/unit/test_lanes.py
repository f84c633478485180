"""Lanes: few threads while work is fast, many while it is slow."""

from __future__ import annotations

import threading
from itertools import count

from pollers.lanes import FIRST_LANES, PACE, Lanes
from tests.waiting import wait_until


class Work:
    """Jobs that note how many of them run at once, and wait until they are let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.running = 0
        self.done = 0
        self._lock = threading.Lock()

    def job(self) -> None:
        """Run until let go."""
        with self._lock:
            self.running += 1
        self.go.wait(10)
        with self._lock:
            self.running -= 1
            self.done += 1


def _lane_threads(before: set[threading.Thread]) -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "pollers-lane"} - before


def let_the_pacer_look(times: int) -> None:
    """Wait for so many looks."""
    threading.Event().wait(times * PACE)


def test_fast_work_stays_on_few_lanes() -> None:
    """However much there is: a busy process gains nothing from more, on a machine with time."""

    def lanes_of_fast_work() -> int:
        before = set(threading.enumerate())
        lanes, counted = Lanes(100), count(1)
        finished = threading.Event()

        def calculate() -> None:
            sum(range(20_000))
            if next(counted) == 500:
                finished.set()

        lanes.submit([calculate] * 500)
        assert finished.wait(15)
        return len(_lane_threads(before))

    assert any(lanes_of_fast_work() < 10 for _ in range(3))


def test_lanes_open_while_all_are_blocked() -> None:
    """Soon there are as many as there are jobs."""
    lanes, work = Lanes(100), Work()
    lanes.submit([work.job] * 60)
    wait_until(lambda: work.running == 60, 5)
    work.go.set()
    wait_until(lambda: work.done == 60, 5)


def test_there_are_never_more_lanes_than_the_most() -> None:
    """The rest waits, in order."""
    lanes, work = Lanes(5), Work()
    lanes.submit([work.job] * 20)
    wait_until(lambda: work.running == 5, 5)
    let_the_pacer_look(20)
    assert work.running == 5
    work.go.set()
    wait_until(lambda: work.done == 20, 5)


def test_blocked_lanes_hold_up_no_new_work() -> None:
    """New jobs get lanes of their own."""
    lanes, slow, fast = Lanes(100), Work(), Work()
    lanes.submit([slow.job] * FIRST_LANES)
    wait_until(lambda: slow.running == FIRST_LANES, 5)
    fast.go.set()
    lanes.submit([fast.job] * 10)
    wait_until(lambda: fast.done == 10, 5)
    slow.go.set()
    wait_until(lambda: slow.done == FIRST_LANES, 5)


def test_a_job_that_fails_ends_no_lane(caplog: object) -> None:
    """It is logged, and the others go on."""
    lanes, work = Lanes(10), Work()

    def fail() -> None:
        raise RuntimeError("on purpose")

    work.go.set()
    lanes.submit([fail, work.job, fail, work.job])
    wait_until(lambda: work.done == 2, 5)
