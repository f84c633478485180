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
from flower.views.tasks import TaskView
from tornado.web import HTTPError

from pollers.errors import InvalidPoll
from pollers.flower import rows
from pollers.runtime import current_app, runtime_of


class _Submission:
    """Answers 400 when a poll is wrong."""

    def get_task_args(self) -> tuple[Any, Any, Any]:
        args, kwargs, options = super().get_task_args()  # type: ignore[misc]
        if not isinstance(kwargs, dict):
            raise HTTPError(400, "kwargs must be an object")
        return args, kwargs, options

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
    """`POST /api/task/abort/ID`: cancel a poll; another task is aborted as Celery does it."""

    async def run_blocking(
        self, operation: str, target: str, abort: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        def cancel_or_abort() -> None:
            if runtime_of(current_app()).store.cancel(target) == "unknown":
                abort()

        return await super().run_blocking(operation, target, cancel_or_abort, *args, **kwargs)


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
