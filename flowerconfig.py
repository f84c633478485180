"""Settings of `celery -A pollers flower`: those that the package ships, and what you add.

For an example: who may see it, and use its buttons and its API.
basic_auth = ["operator:a long password"]
"""

from pollers.flower.config import format_task, max_tasks, purge_offline_workers, tasks_columns

__all__ = ["format_task", "max_tasks", "purge_offline_workers", "tasks_columns"]
