"""`poll`, the Celery task that waits for a remote operation, and the tasks of its attempts.

Calling it directly, or eagerly, polls here. Submitting it admits a poll to the store and holds the
task; running the held task on a worker gives the outcome to Celery.
"""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from celery import Task, signals, states
from celery.exceptions import Ignore
from celery.utils import uuid

from pollers import held, outcome
from pollers.engine import Engine, Settled
from pollers.errors import InvalidPoll, PollCancelled, PollEnded
from pollers.local import run_here
from pollers.observe import events
from pollers.politeness import DEFAULT, PRIORITIES
from pollers.result import PollResult
from pollers.runtime import Runtime, runtime_of
from pollers.spec import PollSpec
from pollers.store import Pack, Record
from pollers.store.traffic import read_rules

if TYPE_CHECKING:
    from celery.app.task import Context

logger = logging.getLogger(__name__)

ATTEMPT = "pollers.attempt"
#: Seconds that the record of a delivered poll is kept when ``result_expires`` is None.
DEFAULT_LIFE = 86_400.0


class PollTask(Task):
    """Poll an endpoint until its answer meets a condition, or the deadline passes."""

    name = held.POLL
    #: These are outcomes, not accidents: logged without a traceback.
    throws = (PollEnded, InvalidPoll)
    #: A held task lost with its worker is published again by the store, which knows what it had done.
    acks_late = False
    typing = False

    def run(self, *args: Any, **params: Any) -> Any:
        """Poll here, when called directly or eagerly; on a worker, deliver the poll's outcome."""
        request = self.request
        if request.called_directly or request.is_eager:
            return run_here(self._parse(args, params), self._runtime.transport)
        claim = self._runtime.store.claim(request.id)
        if claim.record is not None:
            return self._deliver(claim.record)
        if claim.verdict == "unknown" and not request.get(held.HELD_HEADER):
            self._admit(request.id, self._parse(args, params), _options_of(request, self.app))
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
            spec = self._parse(args or (), kwargs or {})
            if app.conf.task_always_eager:
                return super().apply_async((), spec.given(), task_id=task_id, **options)
            self._admit(task_id, spec, _with_parents(options, parent))
        except InvalidPoll:
            if not canvas_step:
                raise
            # A chain's next step: its caller is Celery, which could not tell anyone. Sent as a plain
            # message, it fails on a worker with the same error, and errbacks and chords hear of it.
            return super().apply_async(args, kwargs, task_id=task_id, producer=producer, **options)
        result = self.AsyncResult(task_id)
        result.ignored = options.get("ignore_result", False)
        if options.get("add_to_parent", True) and parent is not None:
            parent.add_trail(result)
        return result

    def signature(self, args: Any = None, kwargs: Any = None, *rest: Any, **options: Any) -> Any:
        """Return a signature whose parameters are checked already and written as plain JSON.

        Raises:
            InvalidPoll: A parameter is wrong.

        """
        checked = PollSpec.check_partial(kwargs or {})
        if args:
            PollSpec.check_partial({"url": args[0]} if isinstance(args[0], str) else args[0])
        return super().signature(args, checked, *rest, **options)

    def AsyncResult(self, task_id: str, **kwargs: Any) -> PollResult:  # noqa: N802  # Celery's name
        """Return the `PollResult` of a poll by its id."""
        return PollResult(task_id, backend=self.backend, task_name=self.name, app=self._get_app(), **kwargs)

    def after_return(
        self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any
    ) -> None:
        """Note that Celery has stored the outcome and all that hangs on it has been told."""
        if not self.request.is_eager:
            self._runtime.store.deliver(task_id, self._life())

    @property
    def _runtime(self) -> Runtime:
        return runtime_of(self._get_app())

    def _parse(self, args: Any, params: Any) -> PollSpec:
        if len(args) > 1:
            raise InvalidPoll.of({"args": "a poll takes one positional argument, the url"})
        return PollSpec.parse(
            *args,
            **params,
            min_interval=self._runtime.settings.min_interval,
            now=self._get_app().now().timestamp(),
        )

    def _admit(self, poll_id: str, spec: PollSpec, options: dict[str, Any]) -> None:
        now = self._get_app().now()
        delay = options.get("countdown") or held.seconds_until(options.get("eta"), now) or 0.0
        expires = options.get("expires")
        if not isinstance(expires, int | float):
            expires = held.seconds_until(expires, now)
        timeout, deadline = spec.timeout, spec.deadline
        if expires is not None:
            left = timeout if deadline is None else deadline - now.timestamp()
            timeout, deadline = min(expires, left or expires), None
        if timeout is not None and delay >= timeout:
            raise InvalidPoll.of(
                {"countdown": f"the first attempt is due in {delay:g} s, after the deadline in {timeout:g} s"}
            )
        admission = self._runtime.store.admit(
            poll_id,
            spec=spec.to_json(),
            held=held.pack(options, poll_id),
            queue=_name(options.get("queue")),
            span=spec.request_timeout,
            lapse="succeeded" if spec.on_deadline == "succeed" else "timed_out",
            delay=max(0.0, delay),
            timeout=timeout,
            deadline=deadline,
            origin=spec.origin,
            limit=self._limit(spec.limit),
            priority=PRIORITIES[spec.priority],
            tenant=spec.tenant or "",
            request=spec.request_digest,
            spread=0.0 if delay else spec.cadence.shortest,
        )
        if not admission.in_time:
            raise InvalidPoll.of({"deadline": "has passed, by the clock of Redis"})

    def _limit(self, name: str | None) -> str:
        if name is None:
            return ""
        known = self._runtime.settings.limits.texts()
        if name not in known:
            known = read_rules(self._runtime.store).limits
        if name not in known or name == DEFAULT:
            told = ", ".join(sorted(known.keys() - {DEFAULT})) or "none"
            raise InvalidPoll.of({"limit": f"is {name!r}, which is not set; pollers_limits has {told}"})
        return name

    def _deliver(self, record: Record) -> Any:
        if record.state != "cancelled":
            return outcome.result_of(record)
        # Celery's word for it is REVOKED; told to all that a failure would be told to.
        error: PollCancelled = outcome.error_of(record)  # type: ignore[assignment]
        self.backend.mark_as_failure(self.request.id, error, request=self.request, state=states.REVOKED)
        events.send_revoked(self._get_app(), self.request.hostname, self.request.id)
        self._runtime.store.deliver(self.request.id, self._life())
        raise Ignore

    def _life(self) -> float:
        expires = self._get_app().conf.result_expires
        if expires is None:
            return DEFAULT_LIFE
        return float(getattr(expires, "total_seconds", lambda: expires)())


class AttemptTask(Task):
    """Check the polls of a pack once, and re-enqueue each with its countdown or end it."""

    name = ATTEMPT
    ignore_result = True
    #: What is lost with a worker is due again when its lease runs out, earlier than Celery would know.
    acks_late = False
    typing = False

    _engine: tuple[Runtime, Engine] | None = None
    _making = threading.Lock()

    def run(self, pack_id: str, queue: str, polls: list[Any]) -> dict[str, int]:
        """Make the attempts of a pack; ``polls`` is flat: id, attempt, due time in ms, id, ..."""
        return self._engine_here().run_pack(Pack(pack_id, queue, polls))._asdict()

    def _engine_here(self) -> Engine:
        """Return the engine of this process; a forked child makes its own."""
        runtime = runtime_of(self._get_app())
        with self._making:
            if self._engine is None or self._engine[0] is not runtime:
                self._engine = runtime, self._make_engine(runtime, self.request.hostname or "")
            return self._engine[1]

    def _make_engine(self, runtime: Runtime, hostname: str) -> Engine:
        app, per_second = self._get_app(), runtime.settings.attempt_events
        attempt_events = events.AttemptEvents(app, hostname, per_second)

        def observe(settled: list[Settled]) -> None:
            if per_second and runtime.events_enabled():
                attempt_events.send(settled)

        def on_change(origin: str, change: str) -> None:
            if runtime.events_enabled():
                events.send_origin(app, hostname, origin, change)

        runtime.store.on_change = on_change
        engine = Engine(
            runtime.store,
            runtime.transport,
            runtime.settings,
            publish=partial(held.publish, app),
            observe=observe,
        )
        # Celery waits for tasks; a slow attempt has outlived the task of its pack.
        for shutdown in (signals.worker_shutdown, signals.worker_process_shutdown):
            shutdown.connect(lambda **_: engine.drain(), weak=False)
        return engine


def _with_parents(options: dict[str, Any], parent: Task | None) -> dict[str, Any]:
    """Say where in a tree of tasks the poll stands, as Celery does for a task that it sends."""
    if parent is None:
        return options
    request = parent.request
    return {
        **options,
        "root_id": options.get("root_id") or request.root_id or request.id,
        "parent_id": options.get("parent_id") or request.id,
    }


def _options_of(request: Context, app: Any) -> dict[str, Any]:
    """Return the options that a plain message was sent with, as for ``apply_async``."""
    delivery = request.delivery_info or {}
    options: dict[str, Any] = {
        **request.as_execution_options(),
        "priority": delivery.get("priority"),
        "ignore_result": request.ignore_result,
    }
    queue = delivery.get("routing_key")
    if delivery.get("exchange") == "" and queue != app.conf.task_default_queue:
        options["queue"] = queue
    return options


def _name(queue: Any) -> str:
    return str(getattr(queue, "name", queue) or "")
