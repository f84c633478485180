"""One poll made by this process, each attempt shown."""

from __future__ import annotations

import time

from pollers import app
from pollers.cli.attempts import Line, View, view
from pollers.cli.ending import Ending
from pollers.cli.parameters import Given
from pollers.errors import PollEnded
from pollers.local import Attempted, run_here
from pollers.runtime import runtime_of
from pollers.spec import PollSpec
from pollers.transport import Request


def poll_here(given: Given, *, as_json: bool, quiet: bool) -> int:
    """Poll, write the outcome, and return the exit code."""
    runtime = runtime_of(app)
    spec, _ = given.parse(min_interval=runtime.settings.min_interval)
    Request.of(spec).check()
    started, attempts = time.time(), 0

    def show(attempted: Attempted) -> None:
        nonlocal attempts
        attempts = attempted.attempt
        _show(attempted, screen)

    try:
        with view(deadline=_deadline(spec, started), quiet=quiet, leaving="stops") as screen:
            value = run_here(
                spec,
                runtime.transport,
                on_attempt=show,
                min_interval=runtime.settings.min_interval,
            )
        ending = Ending(value=value, attempts=attempts, elapsed=time.time() - started)
    except PollEnded as error:
        ending = Ending(error=error, attempts=error.attempts, elapsed=error.elapsed)
    except KeyboardInterrupt as error:
        ending = Ending(error=error, attempts=attempts, elapsed=time.time() - started)
    finally:
        runtime.transport.close()
    return ending.tell(as_json=as_json)


def _deadline(spec: PollSpec, now: float) -> float:
    return spec.deadline if spec.deadline is not None else now + (spec.timeout or 0.0)


def _show(attempted: Attempted, screen: View) -> None:
    answer, decision = attempted.answer, attempted.decision
    # What a condition is waiting for was typed a moment ago; what went wrong is news.
    pending = decision.reason if decision.transient else "not yet"
    words = {"pending": pending, "failed": f"failed: {decision.reason}"}.get(decision.state, decision.state)
    told = answer.error_text != "" and answer.error_text in words
    screen.show(
        Line(
            attempt=attempted.attempt,
            at=time.time(),
            status=answer.status,
            elapsed=answer.elapsed,
            state=decision.state,
            decision=words,
            excerpt="" if told else answer.error_text or answer.excerpt(),
        )
    )
    screen.count_down(attempted.due)
