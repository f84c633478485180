"""The pool of our application's workers: Celery's threads, or the pool that a command line names."""

from __future__ import annotations

from typing import Any

import click
from celery.concurrency import get_implementation, thread
from click.core import ParameterSource


class TaskPool(thread.TaskPool):
    """Celery's threads, as the default of an application.

    Celery cannot tell `--pool prefork` from no `--pool`, and takes `worker_pool` for both. A default with a
    name of its own can be told from threads that somebody asked for.
    """


def choose(worker: Any) -> None:
    """Give the worker prefork, where its command line names that.

    Raises:
        SystemExit: It is to scale, which threads cannot.

    """
    pool = get_implementation(worker.pool_cls)
    command = click.get_current_context(silent=True)
    named = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
    if pool is TaskPool and command and command.get_parameter_source("pool") in named:
        worker.pool_cls = "prefork"
    elif issubclass(pool, thread.TaskPool) and worker.options.get("autoscale"):
        raise SystemExit("--autoscale needs --pool prefork: the threads pool cannot grow.")
