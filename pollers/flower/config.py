"""The configuration of Flower that shows polls best.

Flower reads it with ``celery -A app flower --conf="$(python -m pollers.flower)"``; a ``flowerconfig.py`` of
your own imports from it what it wants. Flower lets a configuration go before its environment
variables, so those that count here are asked for. Its command line goes before both.
"""

import os

from pollers.flower import api
from pollers.flower.rows import format_task

__all__ = ["format_task", "max_tasks", "purge_offline_workers", "tasks_columns"]

#: A poll's url is its argument, its other parameters are keyword arguments, its attempts are retries; its
#: last answer or its error is the exception, the next due time its ETA.
tasks_columns = os.environ.get(
    "FLOWER_TASKS_COLUMNS", "name,uuid,state,args,kwargs,retries,eta,exception,result,runtime,received"
)
#: Rows in memory, about 6 KB each; the oldest go first, and a poll that still waits comes back.
max_tasks = int(os.environ.get("FLOWER_MAX_TASKS", "20000"))
#: Seconds after which a worker that has gone is not listed any more.
purge_offline_workers = int(os.environ.get("FLOWER_PURGE_OFFLINE_WORKERS", "86400"))

api.install()
