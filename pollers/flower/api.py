"""Flower's REST API and pages, where a poll needs more than a task does.

A poll that is wrong is refused with 400 and the reason, where Flower has a bare 500; ``abort`` cancels
a poll; a task's page keeps its children, which Flower loses when it formats tasks.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from flower import urls
from flower.api.tasks import TaskAbort, TaskApply, TaskAsyncApply
from flower.utils.tasks import get_task_by_id
from flower.views.tasks import TaskView
from tornado.web import HTTPError

from pollers.errors import InvalidPoll
from pollers.flower import rows
from pollers.held import POLL
from pollers.runtime import current_app, runtime_of
from pollers.store import TERMINAL_STATES


class _Submission:
    """Answers 400 when a poll is wrong."""

    def get_task_args(self) -> tuple[Any, Any, Any]:
        args, kwargs, options = super().get_task_args()  # type: ignore[misc]
        if not isinstance(kwargs, dict):
            raise HTTPError(400, "kwargs must be an object")
        return args, kwargs, options

    def normalize_options(self, options: dict[str, Any]) -> None:
        """Read the options one by one; what a poll has of them that cannot be read, its own check names."""
        for name in list(options):
            one = {name: options[name]}
            try:
                super().normalize_options(one)  # type: ignore[misc]
            except (TypeError, ValueError) as error:
                if self.path_args != [POLL]:  # type: ignore[attr-defined]
                    raise ValueError(name) from error
            options |= one

    async def run_blocking(
        self, operation: str, target: str, submit: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        def attempt(*args: Any, **kwargs: Any) -> Any:
            try:
                return submit(*args, **kwargs)
            except InvalidPoll as error:
                return error  # what is raised here, Flower logs with a traceback

        result = await super().run_blocking(operation, target, attempt, *args, **kwargs)  # type: ignore[misc]
        if isinstance(result, InvalidPoll):
            raise HTTPError(400, "%s", result)
        return result


class Apply(_Submission, TaskApply):
    """`POST /api/task/apply/NAME`: submit, and wait for the result."""


class AsyncApply(_Submission, TaskAsyncApply):
    """`POST /api/task/async-apply/NAME`: submit."""


class Abort(TaskAbort):
    """`POST /api/task/abort/ID`: cancel a poll; another task is aborted as Celery does it.

    Answers 409 when the poll had ended, 404 when neither the store nor Flower has heard of the id.
    """

    async def run_blocking(
        self, operation: str, target: str, abort: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        task = get_task_by_id(self.application.events, target)
        # What nobody knows is not aborted: that would be its result for whoever asks for it.
        other = task is not None and task.name not in (None, POLL)

        def cancel_or_abort() -> str:
            state = runtime_of(current_app()).store.cancel(target)
            if state == "unknown" and other:
                abort()
                return "aborted"
            return state

        state = await super().run_blocking(operation, target, cancel_or_abort, *args, **kwargs)
        if state == "unknown":
            raise HTTPError(404, "No poll or task %s is known here, or it ended too long ago", target)
        if state in TERMINAL_STATES - {"cancelled"}:
            raise HTTPError(409, "Poll %s had ended before: %s", target, state)


class Page(TaskView):
    """A task's page."""

    def format_task(self, task: Any) -> Any:
        shortened = self.application.options.format_task is rows.format_task
        shown = rows.in_full(copy.copy(task)) if shortened else super().format_task(task)
        shown.children = task.children or None
        # The same as their ids, in a copy.
        shown.root = shown.parent = None
        return shown


_INSTEAD = {TaskApply: Apply, TaskAsyncApply: AsyncApply, TaskAbort: Abort, TaskView: Page}


def install() -> None:
    """Let the Flower of this process answer with these; before it is made."""
    # Flower asks for results without saying of which application.
    current_app().set_default()
    current_app().set_current()
    for at, handler in enumerate(urls.handlers):
        if isinstance(handler, urls.url):
            answers = _INSTEAD.get(handler.handler_class, handler.handler_class)
            urls.handlers[at] = urls.url(handler.regex.pattern, answers, handler.kwargs, handler.name)
        else:
            path, known, *rest = handler
            urls.handlers[at] = (path, _INSTEAD.get(known, known), *rest)
