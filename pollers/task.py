"""`poll`, the Celery task that waits for a remote operation.

Calling it directly, or eagerly, polls here. Submitting it admits a poll to the store and holds the
task; running the held task on a worker gives the outcome to Celery.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from celery import states
from celery.exceptions import Ignore
from celery.utils import uuid

from pollers import held, outcome
from pollers.admission import (
    KnownLimits,
    admit,
    admit_batches,
    options_of,
    submission_of,
    traced,
    with_destination,
    with_parents,
)
from pollers.delivery import OutcomeBackend, is_outcome, log_end, note_delivery, tell_cancelled
from pollers.errors import InvalidPoll, PollEnded, StoreUnavailable
from pollers.runtime import Runtime, runtime_of
from pollers.spec import PollSpec
from pollers.store import Record, Submission
from pollers.unlimited import Unlimited

if TYPE_CHECKING:
    from pollers.result import PollResult

logger = logging.getLogger(__name__)


class PollTask(Unlimited):
    """Poll an endpoint until its answer meets a condition, or the deadline passes."""

    name = held.POLL
    #: These are outcomes, not accidents: logged without a traceback.
    throws = (PollEnded, InvalidPoll)
    #: A held task lost with its worker is published again by the store, which knows what it had done.
    acks_late = False
    typing = False
    #: What a worker makes of a message.
    Request = "pollers.poll_request:PollRequest"

    def run(self, *args: Any, **params: Any) -> Any:
        """Poll here, when called directly or eagerly; on a worker, deliver the poll's outcome."""
        request = self.request
        if request.called_directly or request.is_eager:
            return self._run_here(self._parse(args, params, here=True))
        held_task = request.get(held.HELD_HEADER)
        try:
            claim = self._runtime.store.claim(request.id)
        except StoreUnavailable as error:
            if not held_task:
                raise
            logger.warning("The outcome of poll %s is delivered when Redis answers: %s", request.id, error)
            raise Ignore from error
        if claim.record is not None:
            log_end(request.id, claim.record)
            tracing = self._runtime.tracing
            with tracing.delivering(request.id, claim.record) if tracing else nullcontext():
                return self._deliver(claim.record)
        if claim.verdict == "unknown" and not held_task:
            self._admit(request.id, self._parse(args, params), options_of(request, self.app))
        elif claim.verdict == "unknown":
            logger.warning("Poll %s has no record any more; its outcome is lost.", request.id)
        raise Ignore

    def apply_async(
        self,
        args: Any = None,
        kwargs: Any = None,
        task_id: str | None = None,
        producer: Any = None,
        link: Any = None,
        link_error: Any = None,
        shadow: str | None = None,
        **options: Any,
    ) -> Any:
        """Submit the poll. Takes the options of every Celery task; returns a `PollResult`.

        ``countdown`` and ``eta`` place the first attempt, ``expires`` ends the poll like a deadline,
        ``queue`` names the workers that make its attempts.

        Raises:
            InvalidPoll: A parameter is wrong; nothing was stored.
            StoreUnavailable: Redis cannot be reached, or takes no writes.

        """
        app = self._get_app()
        parent = app.current_worker_task
        canvas_step = "parent_id" in options or (task_id is not None and parent is not None)
        options |= {"link": link, "link_error": link_error, "shadow": shadow}
        task_id = task_id or uuid()
        try:
            eager = app.conf.task_always_eager
            spec = self._parse(args or (), kwargs or {}, here=eager)
            if eager:
                return super().apply_async((), spec.given(), task_id=task_id, **options)
            options = with_destination(with_parents(options, parent), self)
            self._show_sent([self._admit(task_id, spec, options)])
        except InvalidPoll:
            if not canvas_step:
                raise
            # A chain's next step: its caller is Celery, which could not tell anyone. Sent as a plain
            # message, it fails on a worker with the same error, and errbacks and chords hear of it.
            return super().apply_async(args, kwargs, task_id=task_id, producer=producer, **options)
        result = self.AsyncResult(task_id)
        result.ignored = options["ignore_result"]
        if options.get("add_to_parent", True) and parent is not None:
            parent.add_trail(result)
        return result

    def start(self, method: str, url: str, *, protocol: str = "accepted", **params: Any) -> Any:
        """Start an operation from a worker, follow it, and return a `PollResult` of its final result.

        The request is sent when the poll is admitted; ``protocol`` says how its answer is followed. It
        has an ``Idempotency-Key``, as it is repeated after a transient error and after a crash.

        Raises:
            InvalidPoll: A parameter is wrong; nothing was stored.
            StoreUnavailable: Redis cannot be reached, or takes no writes.

        """
        return self.delay(url, method=method, start=True, protocol=protocol, **params)

    def submit_many(
        self,
        polls: Iterable[str | Mapping[str, Any]],
        *,
        options: Mapping[str, Any] | None = None,
        on_submitted: Callable[[Sequence[str]], None] = lambda ids: None,
        **params: Any,
    ) -> list[PollResult]:
        """Submit many polls, several times as fast as one by one.

        Each of ``polls`` is a URL, or a mapping of parameters; ``params`` are those that all have in
        common, ``options`` those of ``apply_async``. All are checked before the first is submitted.
        ``on_submitted`` is called with the ids of those that are submitted, after each round trip; with
        none of them when all are checked.

        Raises:
            InvalidPoll: A poll is wrong; the error says which. Nothing was stored.
            StoreUnavailable: Redis cannot be reached, or takes no writes; says how many are submitted.

        """
        app, given = self._get_app(), dict(options or {})
        if app.conf.task_always_eager:
            return [self.apply_async((one,), params, **given) for one in polls]
        given = with_destination(with_parents(given, app.current_worker_task), self)
        listed = list(polls)
        with traced(self._runtime, given, {"pollers.polls": len(listed)}) as common:
            return self._submit(listed, params, common, on_submitted)

    def _submit(
        self,
        polls: list[str | Mapping[str, Any]],
        params: dict[str, Any],
        options: dict[str, Any],
        on_submitted: Callable[[Sequence[str]], None],
    ) -> list[PollResult]:
        limits = KnownLimits(self._runtime)
        submissions = [
            self._checked(number, one, params, options, limits) for number, one in enumerate(polls)
        ]
        on_submitted([])
        for batch in admit_batches(self._runtime.store, submissions):
            self._show_sent(batch)
            on_submitted([submission.poll_id for submission in batch])
        results = [self.AsyncResult(submission.poll_id) for submission in submissions]
        for result in results:
            result.ignored = options["ignore_result"]
        return results

    def _checked(
        self, number: int, poll: Any, params: Any, options: dict[str, Any], limits: KnownLimits
    ) -> Submission:
        try:
            spec = self._parse((poll,), params)
            return submission_of(uuid(), spec, options, app=self._get_app(), limits=limits)
        except InvalidPoll as error:
            raise InvalidPoll.of(
                {f"polls[{number}].{field}": problem for field, problem in error.problems.items()}
            ) from error

    def signature(self, args: Any = None, kwargs: Any = None, *rest: Any, **options: Any) -> Any:
        """Return a signature whose parameters are checked already and written as plain JSON.

        Raises:
            InvalidPoll: A parameter is wrong.

        """
        # No url yet: in a chain, the result of the task before is put in front.
        args = () if args in ((None,), [None]) else args or ()
        checked = PollSpec.check_partial(kwargs or {}, args)
        return super().signature(args, checked, *rest, **options)

    def AsyncResult(self, task_id: str, **kwargs: Any) -> PollResult:  # noqa: N802  # Celery's name
        """Return the `PollResult` of a poll by its id."""
        from pollers.result import PollResult

        return PollResult(task_id, backend=self.backend, task_name=self.name, app=self._get_app(), **kwargs)

    def after_return(
        self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any
    ) -> None:
        """Note that Celery has stored the outcome and all that hangs on it has been told."""
        if not self.request.is_eager and (status == states.SUCCESS or is_outcome(retval)):
            note_delivery(self._get_app(), task_id)

    @property
    def backend(self) -> Any:
        """Celery's result backend, which is told of the poll's own outcome only."""
        return OutcomeBackend(self._get_app().backend)

    @backend.setter
    def backend(self, backend: Any) -> None:
        """Celery sets None, for the application's own."""

    @property
    def _runtime(self) -> Runtime:
        return runtime_of(self._get_app())

    def _parse(self, args: Any, params: Any, *, here: bool = False) -> PollSpec:
        from pollers.transport import Request

        spec = PollSpec.of_call(
            args,
            params,
            min_interval=self._runtime.settings.min_interval,
            now=time.time(),
        )
        Request.of(spec).check()
        self._runtime.check_credential(spec.auth, here=here)
        if spec.webhook:
            self._runtime.check_credential(spec.webhook["auth"], here=False, field="webhook")
        return spec

    @cached_property
    def ignore_result(self) -> bool:
        """Whether outcomes are not stored, where a call does not say it.

        Of each application's own task, when it is first used: Celery would note it for their common class.
        """
        return bool(self._get_app().conf.task_ignore_result)

    def _admit(self, poll_id: str, spec: PollSpec, options: dict[str, Any]) -> Submission:
        limits = KnownLimits(self._runtime)
        with traced(self._runtime, options, {"pollers.poll.id": poll_id, "url.full": spec.url}) as options:
            submission = submission_of(poll_id, spec, options, app=self._get_app(), limits=limits)
            admit(self._runtime.store, submission)
            return submission

    def _run_here(self, spec: PollSpec) -> Any:
        # An application that only submits polls does not load what makes attempts.
        from pollers.changes import send
        from pollers.local import run_here

        runtime = self._runtime
        return run_here(
            spec,
            runtime.transport,
            on_change=partial(send, self._get_app(), spec.on_change),
            min_interval=runtime.settings.min_interval,
            max_retry_after=runtime.settings.max_retry_after,
        )

    def _show_sent(self, submissions: Iterable[Submission]) -> None:
        """Let monitors know, where the application wants them to know of the tasks that it sends."""
        if self._runtime.tells_sent:
            from pollers.observe import events  # brings what makes attempts

            events.send_sent(self._get_app(), submissions)

    def _deliver(self, record: Record) -> Any:
        if record.state != "cancelled":
            return outcome.result_of(record)
        if tell_cancelled(self, record):
            note_delivery(self._get_app(), self.request.id)
            from pollers.observe import events

            events.send_revoked(self._get_app(), self.request.hostname, self.request.id)
        raise Ignore
