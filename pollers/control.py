"""Celery's remote control for polls: `revoke`, from a terminal, Flower or code, cancels them; and the doctor.

Imported by workers only. What is no poll goes to Celery's own `revoke`, and is not admitted as one from then
on: it may be a later step of a chain.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import redis
from celery.utils.functional import maybe_list
from celery.worker.control import Panel, control_command, inspect_command

from pollers.delivery import record_life
from pollers.errors import StoreUnavailable
from pollers.runtime import runtime_of

logger = logging.getLogger(__name__)

#: Name of the command that the doctor sends.
DIAGNOSE = "pollers_diagnose"
#: Settings that all workers of an installation should have in common; none of them is a secret.
COMMON = (
    *("prefix", "pack_size", "lease", "max_crashes", "min_interval", "max_retry_after", "max_body"),
    *("block_private", "limits", "breaker", "open_breaker", "hold", "longest_hold", "rate_limit_headers"),
)

_revoke_tasks = Panel.data["revoke"]


def install() -> None:
    """Let this worker's `revoke` command cancel polls, and let it answer the doctor."""
    inspect_command(name=DIAGNOSE)(diagnose)
    control_command(variadic="task_id", signature="[id1 [id2 [... [idN]]]]")(revoke)


def diagnose(state: Any, credentials: Sequence[str] = (), **kwargs: Any) -> dict[str, Any]:
    """Tell what `pollers doctor` compares (`pollers.cli.examination.workers.Report`)."""
    runtime = runtime_of(state.app)
    try:
        seconds, microseconds = runtime.store.stores[0].client.time()
        clock = time.time() - seconds - microseconds / 1e6
    except redis.RedisError:
        clock = 0.0  # what is wrong with Redis is told by who asks
    settings = dataclasses.asdict(runtime.settings)
    return {
        "version": version("pollers"),
        "clock": clock,
        "events": runtime.events_enabled(),
        "unknown_credentials": [
            name for name in credentials if not runtime.transport.keyring.knows(str(name))
        ],
        "settings": {name: str(settings[name]) for name in COMMON},
    }


def revoke(state: Any, task_id: Any, terminate: bool = False, signal: Any = None, **kwargs: Any) -> Any:
    """Revoke task by task id (or list of ids); a poll is cancelled.

    Keyword Arguments:
        terminate (bool): Also terminate the process if the task is active.
        signal (str): Name of signal to use for terminate (e.g., ``KILL``).
    """
    store, life = runtime_of(state.app).store, record_life(state.app)
    others: list[str] = []
    polls: list[str] = []
    for one in maybe_list(task_id) or []:
        try:
            known = store.revoke(one, life) != "unknown"
        except StoreUnavailable as error:
            logger.error("Poll %s could not be cancelled: %s", one, error)
            known = False
        (polls if known else others).append(one)
    if others or not polls:
        return _revoke_tasks(state, others, terminate, signal, **kwargs)
    return {"ok": f"polls {', '.join(polls)} are cancelled"}
