"""What is admitted of a poll: its spec, and the options of its Celery task, as the store takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from celery import Task

from pollers import held, log_lines
from pollers.errors import InvalidPoll, StoreUnavailable
from pollers.politeness import DEFAULT, PRIORITIES
from pollers.runtime import Runtime
from pollers.spec import PollSpec
from pollers.store import Admission, Submission
from pollers.window import window

if TYPE_CHECKING:
    from celery import Celery
    from celery.app.task import Context

    from pollers.store import Polls

#: Polls to a round trip of `admit_batches`: more would hold Redis up for others.
BATCH = 200


class KnownLimits:
    """The limits that polls may name; those that were set at run time are read once, when needed."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    @cached_property
    def _in_force(self) -> dict[str, str]:
        from pollers.store.traffic import read_rules  # brings redis

        return read_rules(self._runtime.store).limits

    def check(self, name: str | None) -> str:
        """Return the name of a limit, empty for none.

        Raises:
            InvalidPoll: There is no such limit.
            StoreUnavailable: Redis cannot be reached.

        """
        if name is None:
            return ""
        configured = self._runtime.settings.limits.texts()
        if name == DEFAULT or not (name in configured or name in self._in_force):
            told = ", ".join(sorted(self._in_force.keys() - {DEFAULT})) or "none"
            raise InvalidPoll.of({"limit": f"is {name!r}, which is not set; pollers_limits has {told}"})
        return name


def submission_of(
    poll_id: str, spec: PollSpec, options: dict[str, Any], *, app: Celery, limits: KnownLimits
) -> Submission:
    """Return what the store takes of a poll; ``options`` are those of ``apply_async``.

    Raises:
        InvalidPoll: An option leaves no time for an attempt, or cannot be used when the outcome is published;
            or the limit that the poll names is not set.

    """
    options = _routed(app, spec, options)
    problems = held.unusable(app, options)
    if not isinstance(poll_id, str):
        problems["task_id"] = f"is {poll_id!r:.60}; it should be a text"
    if problems:
        raise InvalidPoll.of(problems)
    times = window(spec, options, app.now)
    return Submission(
        poll_id,
        spec=spec.to_json(),
        span=spec.longest_request,
        held=held.pack(options, poll_id),
        queue=_name(options.get("queue")),
        lapse="succeeded" if spec.on_deadline == "succeed" else "timed_out",
        delay=times.delay,
        timeout=times.timeout,
        deadline=times.deadline,
        origin=spec.origin,
        limit=limits.check(spec.limit),
        priority=PRIORITIES[spec.priority],
        tenant=spec.tenant or "",
        spread=0.0 if times.delay else spec.cadence.shortest,
        request=spec.request_digest,
    )


def _routed(app: Celery, spec: PollSpec, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options with the queue that Celery's ``task_routes`` have for the poll, if they have one."""
    if not app.amqp.routes or options.get("queue"):
        return options
    route = app.amqp.router.lookup_route(held.POLL, (spec.url,), spec.given(), options) or {}
    queue = route if isinstance(route, str) else route.get("queue")
    return {**options, "queue": queue} if queue else options


def admit(polls: Polls, submission: Submission) -> None:
    """Submit a poll.

    Raises:
        InvalidPoll: Its deadline has passed, by the clock that counts.
        StoreUnavailable: Redis cannot be reached, or takes no writes.

    """
    _accept(submission, polls.admit(submission))


def admit_batches(polls: Polls, submissions: Sequence[Submission]) -> Iterator[Sequence[Submission]]:
    """Submit polls, `BATCH` to a round trip; yield those of each when they are submitted.

    Raises:
        InvalidPoll: The deadline of one has passed, by the clock that counts.
        StoreUnavailable: Redis cannot be reached, or takes no writes; says how many are submitted.

    """
    for start in range(0, len(submissions), BATCH):
        batch = submissions[start : start + BATCH]
        try:
            admissions = polls.admit_many(batch)
        except StoreUnavailable as error:
            done = f"{start} of {len(submissions)} polls are submitted."
            raise StoreUnavailable(f"{done} {error}") from error
        for submission, admission in zip(batch, admissions, strict=True):
            _accept(submission, admission)
        yield batch


def _accept(submission: Submission, admission: Admission) -> None:
    if not admission.in_time:
        raise InvalidPoll.of({"deadline": "has passed, by the clock of Redis"})
    if admission.new:
        log_lines.admitted(submission.poll_id, submission.origin)


@contextmanager
def traced(runtime: Runtime, options: dict[str, Any], attributes: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Trace a submission, where polls are traced; gives the options with which it goes on."""
    if runtime.tracing is None:
        yield options
        return
    own = dict(options.get("headers") or {})
    with runtime.tracing.submitting(attributes, own) as carrying:
        yield {**options, "headers": {**own, **carrying}}


def with_parents(options: dict[str, Any], parent: Task | None) -> dict[str, Any]:
    """Say where in a tree of tasks the poll stands, as Celery does for a task that it sends."""
    if parent is None:
        return options
    request = parent.request
    return {
        **options,
        "root_id": options.get("root_id") or request.root_id or request.id,
        "parent_id": options.get("parent_id") or request.id,
    }


def with_destination(options: dict[str, Any], task: Task) -> dict[str, Any]:
    """Say where the outcome of a poll goes, as Celery does for a task that it sends."""
    app = task.app
    if options.get("ignore_result") is None:
        # Bound to the task, which is read sooner than the configuration.
        options = {**options, "ignore_result": task.ignore_result}
    if hasattr(app.backend, "destination_for"):
        # `rpc://` sends results to a queue of who submits, and stores none.
        options = {**options, "reply_to": options.get("reply_to") or app.thread_oid}
        with app.producer_or_acquire() as producer:
            app.backend.on_task_call(producer, None)
    return options


def options_of(request: Context, app: Any) -> dict[str, Any]:
    """Return the options that a plain message was sent with, as for ``apply_async``."""
    delivery = request.delivery_info or {}
    # Where the message says nothing, a request has False: only what it was given counts.
    ignored = vars(request).get("ignore_result")
    options: dict[str, Any] = {
        **request.as_execution_options(),
        "priority": delivery.get("priority"),
        "ignore_result": app.conf.task_ignore_result if ignored is None else ignored,
    }
    queue = delivery.get("routing_key")
    if delivery.get("exchange") == "" and queue != app.conf.task_default_queue:
        options["queue"] = queue
    return options


def _name(queue: Any) -> str:
    return str(getattr(queue, "name", queue) or "")
