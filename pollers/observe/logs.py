"""How a worker writes its log: as JSON where that is asked for, and without Celery's lines about packs."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from celery import current_task, signals
from celery.exceptions import Ignore

from pollers.redaction import redact_value

#: What every record of the standard library has, and what is written in another way; the rest is fields.
_STANDARD = vars(logging.makeLogRecord({})).keys() | {"asctime", "message", "taskName", "data"}
#: Celery's loggers that have handlers of their own beside the root's.
_CELERY_LOGGERS = ("celery", "celery.task", "celery.redirected")
#: Celery's loggers that write a line when a task arrives, when it ends, and when it is revoked.
_TASK_LOGGERS = ("celery.worker.strategy", "celery.app.trace", "celery.worker.request")
#: How the one line of them begins that has no fields but a name and an id.
_REVOKED = "Discarding revoked task"


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON: what it says, its fields, and the Celery task that it is from.

    Values of fields whose names look secret are masked.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_task(record),
            **redact_value({name: value for name, value in vars(record).items() if name not in _STANDARD}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def _task(record: logging.LogRecord) -> dict[str, Any]:
    """Return the id and the name of the task that a record is about, or is written in."""
    data = getattr(record, "data", None)
    if isinstance(data, Mapping) and "id" in data:
        return {"task_id": data["id"], "task_name": data.get("name")}
    request = getattr(current_task, "request", None)
    return {"task_id": request.id, "task_name": current_task.name} if request and request.id else {}


class WithoutTasks(logging.Filter):
    """Leaves out what Celery writes at INFO of tasks by their names, unless the logger is set to DEBUG.

    Packs come many times a second, and of a poll's end there is a line of ours.
    """

    def __init__(self, names: Collection[str], outcomes: type[BaseException]) -> None:
        """``outcomes`` are the errors that the lines which are left out may tell."""
        super().__init__()
        self._names = names
        # A held task whose poll was cancelled is ignored, as all is done for it.
        self._expected = tuple(sorted(_names_of(outcomes) | _names_of(Ignore)))

    def filter(self, record: logging.LogRecord) -> bool:
        name, error = _subject(record)
        if record.levelno != logging.INFO or name not in self._names:
            return True
        if logging.getLogger(record.name).isEnabledFor(logging.DEBUG):
            return True
        return error is not None and not str(error).startswith(self._expected)


def _subject(record: logging.LogRecord) -> tuple[Any, Any]:
    """Return the name of the task that a line of Celery is about, and the error that it tells."""
    if isinstance(record.args, Mapping):
        return record.args.get("name"), record.args.get("exc")
    return (record.args[0] if record.args and str(record.msg).startswith(_REVOKED) else None), None


def _names_of(error: type[BaseException]) -> set[str]:
    return {error.__name__}.union(*map(_names_of, error.__subclasses__()))


def set_up(form: str, tasks: Collection[str], outcomes: type[BaseException]) -> None:
    """Set up the log of this worker: its form, ``text`` or ``json``, and which tasks it leaves out.

    A log that the application has made itself (Celery's signal ``setup_logging``) keeps its formatters.
    """
    for name in _TASK_LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(one, WithoutTasks) for one in logger.filters):
            logger.addFilter(WithoutTasks(tasks, outcomes))
    if form == "json" and not signals.setup_logging.receivers:
        formatter = JsonFormatter()
        for logger in (logging.getLogger(), *map(logging.getLogger, _CELERY_LOGGERS)):
            for handler in logger.handlers:
                handler.setFormatter(formatter)
