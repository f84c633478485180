"""Celery's remote control for polls: `revoke`, from a terminal, Flower or code, cancels them.

Imported by workers only. A poll's id must not enter the workers' list of revoked ids: its held task
still has to run, to tell everyone who waits.
"""

from __future__ import annotations

import logging
from typing import Any

from celery.utils.functional import maybe_list
from celery.worker.control import Panel, control_command

from pollers.errors import StoreUnavailable
from pollers.runtime import runtime_of

logger = logging.getLogger(__name__)

_revoke_tasks = Panel.data["revoke"]


def install() -> None:
    """Let this worker's `revoke` command cancel polls."""
    control_command(variadic="task_id", signature="[id1 [id2 [... [idN]]]]")(revoke)


def revoke(state: Any, task_id: Any, terminate: bool = False, signal: Any = None, **kwargs: Any) -> Any:
    """Revoke task by task id (or list of ids); a poll is cancelled.

    Keyword Arguments:
        terminate (bool): Also terminate the process if the task is active.
        signal (str): Name of signal to use for terminate (e.g., ``KILL``).
    """
    store = runtime_of(state.app).store
    others: list[str] = []
    polls: list[str] = []
    for one in maybe_list(task_id) or []:
        try:
            known = store.cancel(one) != "unknown"
        except StoreUnavailable as error:
            logger.error("Poll %s could not be cancelled: %s", one, error)
            known = False
        (polls if known else others).append(one)
    if others or not polls:
        return _revoke_tasks(state, others, terminate, signal, **kwargs)
    return {"ok": f"polls {', '.join(polls)} are cancelled"}
